// Pipes and FIFOs by the calls of <unistd.h> and <fcntl.h>: what they do, and a table of their errors.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from './helpers/compile.js';
import {
  closeOwn,
  closedFd,
  exhaustedPeer,
  fillPipe,
  flagsOf,
  interruptedPeer,
  ownFd,
  ownFolder,
  ownPipe,
  targetOf,
} from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { asleepIn } from './helpers/kernel.js';
import { noSecondUser, nodePeer, otherUser, plainEnvironment, program } from './helpers/peers.js';
import { until } from './helpers/until.js';
import { loose, refuses } from './helpers/wrong-arguments.js';

const { O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = sys;
const { O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, PIPE_BUF, SPLICE_F_MORE, SPLICE_F_MOVE, SPLICE_F_NONBLOCK } =
  sys;

/** The umask of this process, changed until the test is over. */
function umask(mask: number): void {
  const before = process.umask(mask);
  onTestFinished(() => {
    process.umask(before);
  });
}

/** A FIFO of the test's own. */
function ownFifo(): string {
  const path = join(ownFolder(), 'fifo');
  sys.mkfifo(path, 0o600);
  return path;
}

/** Everything up to the end of file. */
function readAll(fd: number): Buffer {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = sys.read(fd, 65_536);
    if (chunk.length === 0) return Buffer.concat(chunks);
    chunks.push(chunk);
  }
}

const python = {
  write: 'import os, sys; print(os.write(int(sys.argv[1]), b"from python"))',
  read: 'import os, sys; sys.stdout.write(os.read(int(sys.argv[1]), 100).decode())',
};

function inherited(
  script: string,
  ...args: number[]
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('python3', ['-c', script, ...args.map(String)], {
    env: plainEnvironment(),
    encoding: 'utf8',
  });
}

describe('constants', () => {
  it('are those of the headers that a C program is compiled with', async () => {
    const { code, stdout } = await program(compiled('sys-constants'), 'descriptors').exited;
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(42);
    expect(sys).toMatchObject(
      Object.fromEntries(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])])),
    );
  });
});

describe('pipe', () => {
  it('gives a read end and a write end that block and are left open by exec', () => {
    const [read, write] = sys.pipe().map(ownFd) as [number, number];
    expect(flagsOf(read)).toBe(O_RDONLY);
    expect(flagsOf(write)).toBe(O_WRONLY);
    expect(targetOf(read)).toMatch(/^pipe:/);
    expect(targetOf(write)).toBe(targetOf(read));
  });

  it('gives an array of the two and nothing else', () => {
    const ends = sys.pipe();
    ends.forEach(ownFd);
    expect(Array.isArray(ends)).toBe(true);
    expect(ends).toHaveLength(2);
    expect(Object.keys(ends)).toEqual(['0', '1']);
  });

  it('makes a new pipe at every call', () => {
    const [first] = sys.pipe().map(ownFd) as [number, number];
    const [second] = sys.pipe().map(ownFd) as [number, number];
    expect(targetOf(second)).not.toBe(targetOf(first));
  });

  it('gives ends that a child inherits', () => {
    const [read, write] = sys.pipe().map(ownFd) as [number, number];
    expect(inherited(python.write, write)).toMatchObject({ status: 0, stdout: '11\n' });
    expect(sys.read(read, 100).toString()).toBe('from python');
    sys.write(write, 'to python');
    expect(inherited(python.read, read)).toMatchObject({ status: 0, stdout: 'to python' });
  });

  it('fails with EMFILE where the process has no descriptor left', async () => {
    const peer = await exhaustedPeer();
    expect(await peer.failure('sys.pipe')).toMatchObject(systemError('EMFILE', 'pipe'));
  });
});

describe('pipe2', () => {
  it.each([
    ['0', 0],
    ['O_CLOEXEC', O_CLOEXEC],
    ['O_NONBLOCK', O_NONBLOCK],
    ['O_DIRECT', O_DIRECT],
    ['O_CLOEXEC | O_NONBLOCK', O_CLOEXEC | O_NONBLOCK],
    ['O_CLOEXEC | O_NONBLOCK | O_DIRECT', O_CLOEXEC | O_NONBLOCK | O_DIRECT],
  ])('with %s sets these flags and no others', (_what, flags) => {
    const [read, write] = sys.pipe2(flags).map(ownFd) as [number, number];
    // It is the writer who makes packets.
    expect(flagsOf(read)).toBe(O_RDONLY | (flags & ~O_DIRECT));
    expect(flagsOf(write)).toBe(O_WRONLY | flags);
  });

  it('gives ends that no child inherits with O_CLOEXEC', () => {
    const [, write] = ownPipe(O_CLOEXEC);
    const child = inherited(python.write, write);
    expect(child.status).toBe(1);
    expect(child.stderr).toContain('Bad file descriptor');
  });

  it.each([
    ['O_RDWR', O_RDWR],
    ['O_APPEND', O_APPEND],
    ['O_CREAT', O_CREAT],
    ['O_NONBLOCK | O_WRONLY', O_NONBLOCK | O_WRONLY],
    ['2^30', 2 ** 30],
    ['-1', -1],
    ['the smallest int', -(2 ** 31)],
  ])('fails with EINVAL for %s', (_what, flags) => {
    expect(failure(() => sys.pipe2(flags))).toMatchObject(systemError('EINVAL', 'pipe2'));
  });

  it('fails with EMFILE where the process has no descriptor left', async () => {
    const peer = await exhaustedPeer();
    expect(await peer.failure('sys.pipe2', O_CLOEXEC)).toMatchObject(systemError('EMFILE', 'pipe2'));
  });

  refuses('pipe2', { flags: 'int' }, () => [0]);
});

describe('a pipe', () => {
  it('carries bytes in order and ends when the last write end is closed', () => {
    const [read, write] = ownPipe();
    expect(sys.write(write, 'one ')).toBe(4);
    expect(sys.write(write, 'two')).toBe(3);
    expect(sys.read(read, 2).toString()).toBe('on');
    expect(sys.read(read, 100).toString()).toBe('e two');
    const second = ownFd(sys.dup(write));
    sys.write(second, 'last');
    closeOwn(write);
    closeOwn(second);
    expect(sys.read(read, 100).toString()).toBe('last');
    for (let again = 0; again < 3; again++) {
      const end = sys.read(read, 100);
      expect(Buffer.isBuffer(end)).toBe(true);
      expect(end).toHaveLength(0);
      expect(sys.read(read, new Uint8Array(10))).toBe(0);
    }
  });

  it('takes PIPE_BUF bytes whole or not at all with O_NONBLOCK', () => {
    const [read, write] = ownPipe(O_NONBLOCK);
    fillPipe(write);
    sys.read(read, PIPE_BUF);
    expect(sys.write(write, Buffer.alloc(PIPE_BUF))).toBe(PIPE_BUF);
    expect(failure(() => sys.write(write, 'x'))).toMatchObject(systemError('EAGAIN', 'write'));
    expect(failure(() => sys.write(write, Buffer.alloc(PIPE_BUF)))).toMatchObject(
      systemError('EAGAIN', 'write'),
    );
  });

  it('takes a part of more than PIPE_BUF bytes with O_NONBLOCK', () => {
    const [read, write] = ownPipe(O_NONBLOCK);
    const capacity = fillPipe(write);
    expect(failure(() => sys.write(write, Buffer.alloc(PIPE_BUF + 1)))).toMatchObject(
      systemError('EAGAIN', 'write'),
    );
    sys.read(read, 2 * PIPE_BUF);
    expect(sys.write(write, Buffer.alloc(4 * PIPE_BUF))).toBe(2 * PIPE_BUF);
    let left = 0;
    while (left < capacity) left += sys.read(read, 65_536).length;
    expect(failure(() => sys.read(read, 1))).toMatchObject(systemError('EAGAIN', 'read'));
  });

  it('fails with EPIPE where every read end is closed, and no signal ends the process', () => {
    const [read, write] = ownPipe();
    closeOwn(read);
    expect(failure(() => sys.write(write, 'x'))).toMatchObject(systemError('EPIPE', 'write'));
  });

  it('never mixes writes of PIPE_BUF bytes of several writers', () => {
    const [read, write] = sys.pipe().map(ownFd) as [number, number];
    const writers = ['a', 'b', 'c', 'd'];
    const script = `import os, sys
for _ in range(200): assert os.write(int(sys.argv[1]), sys.argv[2].encode() * ${PIPE_BUF}) == ${PIPE_BUF}`;
    const peers = writers.map((letter) => program('python3', '-c', script, write, letter));
    closeOwn(write);
    const counts = new Map<string, number>();
    const all = readAll(read);
    for (let at = 0; at < all.length; at += PIPE_BUF) {
      const record = all.subarray(at, at + PIPE_BUF);
      const letter = String.fromCharCode(record[0] ?? 0);
      if (!record.equals(Buffer.alloc(PIPE_BUF, letter))) throw new Error(`mixed at ${at}`);
      counts.set(letter, (counts.get(letter) ?? 0) + 1);
    }
    expect([...counts].sort()).toEqual(writers.map((letter) => [letter, 200]));
    return Promise.all(peers.map(async (peer) => expect(await peer.exited).toMatchObject({ code: 0 })));
  });

  it('is read by cat as its standard input', () => {
    const [read, write] = ownPipe(O_CLOEXEC);
    sys.write(write, 'grüße, cat');
    closeOwn(write);
    const cat = execFileSync('cat', { stdio: [read, 'pipe', 'inherit'], env: plainEnvironment() });
    expect(cat.toString()).toBe('grüße, cat');
  });

  it('takes what head lets through and then fails with EPIPE', () => {
    const [read, write] = ownPipe(O_CLOEXEC);
    const [readBack, writeBack] = ownPipe(O_CLOEXEC);
    sys.write(write, 'first\nsecond\n');
    execFileSync('head', ['-n', '1'], { stdio: [read, writeBack, 'inherit'], env: plainEnvironment() });
    expect(sys.read(readBack, 100).toString()).toBe('first\n');
    closeOwn(read);
    expect(failure(() => sys.write(write, 'third\n')).code).toBe('EPIPE');
  });
});

describe('a pipe in packet mode', () => {
  it('gives each read one packet', () => {
    const [read, write] = ownPipe(O_DIRECT | O_NONBLOCK);
    for (const packet of ['one', 'second', 'x'.repeat(PIPE_BUF)]) sys.write(write, packet);
    expect(sys.read(read, PIPE_BUF).toString()).toBe('one');
    const memory = Buffer.alloc(PIPE_BUF, '.');
    expect(sys.read(read, memory)).toBe(6);
    expect(memory.toString('utf8', 0, 8)).toBe('second..');
    expect(sys.read(read, 2 * PIPE_BUF)).toHaveLength(PIPE_BUF);
    expect(failure(() => sys.read(read, 1)).code).toBe('EAGAIN');
  });

  it('drops what a read has no room for', () => {
    const [read, write] = ownPipe(O_DIRECT | O_NONBLOCK);
    sys.write(write, 'abcdef');
    sys.write(write, 'next');
    expect(sys.read(read, 2).toString()).toBe('ab');
    expect(sys.read(read, new Uint8Array(1))).toBe(1);
    expect(failure(() => sys.read(read, 1)).code).toBe('EAGAIN');
  });

  it('splits a write of more than PIPE_BUF bytes', () => {
    const [read, write] = ownPipe(O_DIRECT | O_NONBLOCK);
    expect(sys.write(write, Buffer.alloc(PIPE_BUF + 10))).toBe(PIPE_BUF + 10);
    expect(sys.read(read, 3 * PIPE_BUF)).toHaveLength(PIPE_BUF);
    expect(sys.read(read, 3 * PIPE_BUF)).toHaveLength(10);
  });

  it('has no empty packets', () => {
    const [read, write] = ownPipe(O_DIRECT | O_NONBLOCK);
    expect(sys.write(write, '')).toBe(0);
    expect(failure(() => sys.read(read, 1)).code).toBe('EAGAIN');
    sys.write(write, 'still there');
    expect(sys.read(read, 0)).toHaveLength(0);
    expect(sys.read(read, 100).toString()).toBe('still there');
  });

  it('gives Python one packet at each read', () => {
    const [read, write] = ownPipe(O_DIRECT);
    sys.write(write, 'one');
    sys.write(write, 'two');
    const script = 'import os, sys; print([os.read(int(sys.argv[1]), 100) for _ in range(2)])';
    expect(inherited(script, read).stdout).toBe("[b'one', b'two']\n");
  });
});

describe('mkfifo', () => {
  it('gives nothing back and makes a FIFO with the mode less the umask', () => {
    const folder = ownFolder();
    umask(0o027);
    expect(loose('mkfifo', [join(folder, 'all'), 0o777])).toBeUndefined();
    sys.mkfifo(join(folder, 'own'), 0o600);
    expect(statSync(join(folder, 'all')).isFIFO()).toBe(true);
    expect(statSync(join(folder, 'all')).mode & 0o7777).toBe(0o750);
    expect(statSync(join(folder, 'own')).mode & 0o7777).toBe(0o600);
  });

  it('takes a mode of 0 and the sticky bit', () => {
    const folder = ownFolder();
    sys.mkfifo(join(folder, 'none'), 0);
    sys.mkfifo(join(folder, 'sticky'), 0o1600);
    expect(statSync(join(folder, 'none')).mode & 0o7777).toBe(0);
    expect(statSync(join(folder, 'sticky')).mode & 0o7777).toBe(0o1600);
  });

  it('takes a path as UTF-8', () => {
    const path = join(ownFolder(), 'grüße €');
    sys.mkfifo(path, 0o600);
    expect(statSync(path).isFIFO()).toBe(true);
  });

  it('takes the path as it is: every program sees the FIFO', async () => {
    const path = ownFifo();
    expect(await program('stat', '-c', '%F', path).exited).toMatchObject({ stdout: 'fifo\n' });
  });

  const failing: [code: Parameters<typeof systemError>[0], what: string, path: (folder: string) => string][] =
    [
      ['ENOENT', 'an empty path', () => ''],
      ['ENOENT', 'a folder that is not there', (folder) => join(folder, 'none', 'fifo')],
      ['ENOTDIR', 'a path below a file', (folder) => join(folder, 'file', 'fifo')],
      ['EEXIST', 'a file', (folder) => join(folder, 'file')],
      ['EEXIST', 'a folder', (folder) => folder],
      ['EEXIST', 'a FIFO', (folder) => join(folder, 'fifo')],
      ['EEXIST', 'a symbolic link to nothing', (folder) => join(folder, 'dangling')],
      ['EEXIST', 'a symbolic link to a FIFO', (folder) => join(folder, 'link')],
      ['ELOOP', 'a path through a link to itself', (folder) => join(folder, 'loop', 'fifo')],
      ['ENAMETOOLONG', 'a name of 256 bytes', (folder) => join(folder, 'n'.repeat(256))],
      ['ENAMETOOLONG', 'a path of 5000 bytes', () => '/'.repeat(5000)],
    ];
  it.each(failing)('fails with %s for %s', (code, _what, path) => {
    const folder = ownFolder();
    writeFileSync(join(folder, 'file'), '');
    sys.mkfifo(join(folder, 'fifo'), 0o600);
    symlinkSync(join(folder, 'none'), join(folder, 'dangling'));
    symlinkSync(join(folder, 'fifo'), join(folder, 'link'));
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
    const given = path(folder);
    expect(failure(() => sys.mkfifo(given, 0o600))).toMatchObject({
      ...systemError(code, 'mkfifo'),
      path: given,
    });
  });

  it('fails with EACCES in a folder that may not be written', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const path = join(ownFolder(), 'fifo');
    const peer = await otherUser();
    expect(await peer.failure('sys.mkfifo', path, 0o600)).toMatchObject({
      ...systemError('EACCES', 'mkfifo'),
      path,
    });
  });

  describe('makes nothing and', () => {
    refuses(
      'mkfifo',
      { path: 'string', mode: 'unsigned' },
      () => [join(ownFolder(), 'fifo'), 0o600],
      ([path]) => expect(statSync(path as string, { throwIfNoEntry: false })).toBeUndefined(),
    );
  });

  it('fails with EINVAL for a mode with the type of another kind of file, and makes nothing', () => {
    const path = join(ownFolder(), 'fifo');
    for (const mode of [0o100600, 0o040600, 2 ** 32 - 1]) {
      expect(failure(() => sys.mkfifo(path, mode))).toMatchObject(systemError('EINVAL', 'mkfifo'));
    }
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe('open', () => {
  it.each([
    ['O_RDONLY', O_RDONLY],
    ['O_WRONLY', O_WRONLY],
    ['O_RDWR', O_RDWR],
    ['O_WRONLY | O_APPEND', O_WRONLY | O_APPEND],
    ['O_RDWR | O_NONBLOCK', O_RDWR | O_NONBLOCK],
    ['O_RDONLY | O_CLOEXEC', O_RDONLY | O_CLOEXEC],
  ])('opens a file with %s, close-on-exec only where it is asked for', (_what, flags) => {
    const path = join(ownFolder(), 'file');
    writeFileSync(path, 'text');
    const fd = ownFd(sys.open(path, flags));
    expect(targetOf(fd)).toBe(path);
    expect(flagsOf(fd)).toBe(flags);
  });

  it('makes a file with O_CREAT and the mode less the umask', () => {
    const folder = ownFolder();
    umask(0o027);
    const path = join(folder, 'made');
    const fd = ownFd(sys.open(path, O_CREAT | O_EXCL | O_WRONLY, 0o666));
    expect(statSync(path).mode & 0o7777).toBe(0o640);
    expect(sys.write(fd, 'grüße')).toBe(7);
    expect(readFileSync(path, 'utf8')).toBe('grüße');
  });

  it('empties a file with O_TRUNC and writes at its end with O_APPEND', () => {
    const path = join(ownFolder(), 'file');
    writeFileSync(path, 'before');
    sys.write(ownFd(sys.open(path, O_WRONLY | O_APPEND)), ' and after');
    expect(readFileSync(path, 'utf8')).toBe('before and after');
    ownFd(sys.open(path, O_WRONLY | O_TRUNC));
    expect(readFileSync(path, 'utf8')).toBe('');
  });

  it('follows a symbolic link, and fails with ELOOP for one with O_NOFOLLOW', () => {
    const folder = ownFolder();
    writeFileSync(join(folder, 'file'), 'linked');
    const link = join(folder, 'link');
    symlinkSync(join(folder, 'file'), link);
    expect(sys.read(ownFd(sys.open(link, O_RDONLY)), 100).toString()).toBe('linked');
    expect(failure(() => sys.open(link, O_RDONLY | O_NOFOLLOW))).toMatchObject({
      ...systemError('ELOOP', 'open'),
      path: link,
    });
  });

  type Case = [
    code: Parameters<typeof systemError>[0],
    what: string,
    flags: number,
    path: (folder: string) => string,
  ];
  const failing: Case[] = [
    ['ENOENT', 'an empty path', O_RDONLY, () => ''],
    ['ENOENT', 'a file that is not there', O_RDWR, (folder) => join(folder, 'none')],
    ['ENOENT', 'a folder that is not there', O_CREAT | O_RDWR, (folder) => join(folder, 'none', 'file')],
    ['ENOTDIR', 'a path below a file', O_RDONLY, (folder) => join(folder, 'file', 'below')],
    ['EEXIST', 'a file with O_CREAT and O_EXCL', O_CREAT | O_EXCL | O_RDWR, (folder) => join(folder, 'file')],
    ['EISDIR', 'a folder for writing', O_WRONLY, (folder) => folder],
    ['ELOOP', 'a link to itself', O_RDONLY, (folder) => join(folder, 'loop')],
    ['ENAMETOOLONG', 'a name of 256 bytes', O_RDONLY, (folder) => join(folder, 'n'.repeat(256))],
    ['ENAMETOOLONG', 'a path of 5000 bytes', O_RDONLY, () => '/'.repeat(5000)],
    ['ENXIO', 'a FIFO that nobody reads', O_WRONLY | O_NONBLOCK, (folder) => join(folder, 'fifo')],
    ['ENXIO', 'a socket', O_RDWR, (folder) => join(folder, 'socket')],
  ];
  it.each(failing)('fails with %s for %s', (code, _what, flags, path) => {
    const folder = ownFolder();
    writeFileSync(join(folder, 'file'), '');
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
    sys.mkfifo(join(folder, 'fifo'), 0o600);
    const bind = 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])';
    execFileSync('python3', ['-c', bind, join(folder, 'socket')], { env: plainEnvironment() });
    const given = path(folder);
    expect(failure(() => sys.open(given, flags, 0o600))).toMatchObject({
      ...systemError(code, 'open'),
      path: given,
    });
  });

  it('fails with EACCES where the mode does not grant it', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const folder = ownFolder();
    mkdirSync(join(folder, 'closed'), { mode: 0o700 });
    const path = join(folder, 'closed', 'fifo');
    sys.mkfifo(path, 0o600);
    const peer = await otherUser();
    expect(await peer.failure('sys.open', path, O_RDWR)).toMatchObject({
      ...systemError('EACCES', 'open'),
      path,
    });
  });

  it('fails with EMFILE where the process has no descriptor left', async () => {
    const peer = await exhaustedPeer();
    expect(await peer.failure('sys.open', '/dev/null', O_RDONLY)).toMatchObject({
      ...systemError('EMFILE', 'open'),
      path: '/dev/null',
    });
  });

  describe('makes nothing and', () => {
    refuses(
      'open',
      { path: 'string', flags: 'int', mode: 'unsigned?' },
      () => [join(ownFolder(), 'file'), O_CREAT | O_RDWR, 0o600],
      ([path]) => expect(statSync(path as string, { throwIfNoEntry: false })).toBeUndefined(),
    );
  });
});

describe('a FIFO', () => {
  it('is opened for reading at once with O_NONBLOCK, and then for writing', () => {
    const path = ownFifo();
    const read = ownFd(sys.open(path, O_RDONLY | O_NONBLOCK));
    expect(sys.read(read, 10)).toHaveLength(0);
    const write = ownFd(sys.open(path, O_WRONLY | O_NONBLOCK));
    expect(failure(() => sys.read(read, 10)).code).toBe('EAGAIN');
    sys.write(write, 'through');
    expect(sys.read(read, 100).toString()).toBe('through');
    closeOwn(write);
    expect(sys.read(read, 10)).toHaveLength(0);
  });

  it('is opened for both at once with O_RDWR', () => {
    const fd = ownFd(sys.open(ownFifo(), O_RDWR));
    sys.write(fd, 'to itself');
    expect(sys.read(fd, 100).toString()).toBe('to itself');
  });

  it('makes open() for reading wait for a writer', async () => {
    const path = ownFifo();
    const peer = await nodePeer();
    const opened = peer.call('sys.open', path, O_RDONLY);
    await until('the peer waits in open', () => asleepIn('openat', undefined, peer.pid) === 1);
    const write = ownFd(sys.open(path, O_WRONLY));
    const fd = await opened;
    sys.write(write, 'to the peer');
    expect(await peer.call('sys.read', fd, 100)).toEqual(Buffer.from('to the peer'));
  });

  it('makes open() for writing wait for a reader', async () => {
    const path = ownFifo();
    const peer = await nodePeer();
    const opened = peer.call('sys.open', path, O_WRONLY);
    await until('the peer waits in open', () => asleepIn('openat', undefined, peer.pid) === 1);
    const read = ownFd(sys.open(path, O_RDONLY));
    expect(await peer.call('sys.write', await opened, 'from the peer')).toBe(13);
    expect(sys.read(read, 100).toString()).toBe('from the peer');
  });

  it.each([
    ['reading', O_RDONLY],
    ['writing', O_WRONLY],
  ])('fails with EINTR where a signal handler runs while open() for %s waits', async (_what, flags) => {
    const path = ownFifo();
    const peer = await interruptedPeer();
    const failed = peer.failure('sys.open', path, flags);
    await until('the peer waits in open', () => asleepIn('openat', undefined, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject({ ...systemError('EINTR', 'open'), path });
  });

  it('that mkfifo(1) made is read by cat(1) to its end', async () => {
    const path = join(ownFolder(), 'fifo');
    expect(await program('mkfifo', '-m', '600', path).exited).toMatchObject({ code: 0 });
    const cat = program('cat', path);
    const write = ownFd(sys.open(path, O_WRONLY));
    sys.write(write, 'line one\n');
    expect(await cat.line()).toBe('line one');
    sys.write(write, Buffer.from('zwei äöü\n'));
    closeOwn(write);
    expect(await cat.exited).toMatchObject({ code: 0, stdout: 'line one\nzwei äöü\n' });
  });

  it('takes what a shell redirects into it', async () => {
    const path = ownFifo();
    const shell = program('sh', '-c', 'for n in 1 2 3; do echo "line $n"; done > "$1"', 'sh', path);
    const read = ownFd(sys.open(path, O_RDONLY));
    expect(readAll(read).toString()).toBe('line 1\nline 2\nline 3\n');
    expect(await shell.exited).toMatchObject({ code: 0 });
  });

  it('gives head(1) what it asks for and then fails with EPIPE', async () => {
    const path = ownFifo();
    const head = program('head', '-c', 5, path);
    const write = ownFd(sys.open(path, O_WRONLY));
    sys.write(write, 'exactly');
    expect(await head.exited).toMatchObject({ code: 0, stdout: 'exact' });
    expect(failure(() => sys.write(write, 'more'))).toMatchObject(systemError('EPIPE', 'write'));
  });

  it('holds timeout(1) in its open until nobody came', async () => {
    const path = ownFifo();
    expect(await program('timeout', '0.05', 'cat', path).exited).toMatchObject({ code: 124, stdout: '' });
    expect(failure(() => sys.open(path, O_WRONLY | O_NONBLOCK)).code).toBe('ENXIO');
  });

  it('is seen as readable by select() in Python', async () => {
    const path = ownFifo();
    const script = `import os, select, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
keep = os.open(sys.argv[1], os.O_WRONLY)
print(select.select([fd], [], [], 0)[0] == [], flush=True)
assert select.select([fd], [], [])[0] == [fd]
print(os.read(fd, 100).decode())`;
    const peer = program('python3', '-c', script, path);
    expect(await peer.line()).toBe('True');
    sys.write(ownFd(sys.open(path, O_WRONLY)), 'selected');
    expect(await peer.line()).toBe('selected');
    expect(await peer.exited).toMatchObject({ code: 0 });
  });

  it('answers Python by another FIFO', async () => {
    const [there, back] = [ownFifo(), ownFifo()];
    const script = `import os, sys
into, out = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_WRONLY)
while data := os.read(into, 65536): os.write(out, data.upper())`;
    const peer = program('python3', '-c', script, there, back);
    const write = ownFd(sys.open(there, O_WRONLY));
    const read = ownFd(sys.open(back, O_RDONLY));
    for (const text of ['hello', 'x', 'y'.repeat(PIPE_BUF)]) {
      sys.write(write, text);
      expect(sys.read(read, 65_536).toString()).toBe(text.toUpperCase());
    }
    closeOwn(write);
    expect(sys.read(read, 10)).toHaveLength(0);
    expect(await peer.exited).toMatchObject({ code: 0 });
  });
});

describe('splice', () => {
  it('moves bytes from a pipe to a pipe, as many as len and as there are', () => {
    const [from, into] = ownPipe();
    const [out, to] = ownPipe(O_NONBLOCK);
    sys.write(into, 'moved along');
    expect(sys.splice(from, to, 5)).toBe(5);
    expect(sys.read(out, 100).toString()).toBe('moved');
    expect(sys.splice(from, to, 1000)).toBe(6);
    expect(sys.read(out, 100).toString()).toBe(' along');
  });

  it('moves bytes from a file to a pipe and from a pipe to a file, each from where it is', () => {
    const folder = ownFolder();
    writeFileSync(join(folder, 'source'), 'source of bytes');
    const source = ownFd(sys.open(join(folder, 'source'), O_RDONLY));
    const target = ownFd(sys.open(join(folder, 'target'), O_CREAT | O_WRONLY, 0o600));
    const [read, write] = ownPipe();
    expect(sys.splice(source, write, 6)).toBe(6);
    expect(sys.splice(read, target, 100)).toBe(6);
    expect(sys.splice(source, write, 100, SPLICE_F_MOVE | SPLICE_F_MORE)).toBe(9);
    expect(sys.splice(read, target, 100, SPLICE_F_MOVE)).toBe(9);
    expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('source of bytes');
    expect(sys.splice(source, write, 100)).toBe(0);
  });

  it('gives 0 at the end of a pipe and for a len of 0', () => {
    const [from, into] = ownPipe();
    const [, to] = ownPipe();
    sys.write(into, 'x');
    expect(sys.splice(from, to, 0)).toBe(0);
    expect(sys.splice(from, to, 10)).toBe(1);
    closeOwn(into);
    expect(sys.splice(from, to, 10)).toBe(0);
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER])(
    'takes a len as large as %d',
    (len) => {
      const [from, into] = ownPipe();
      const [out, to] = ownPipe();
      sys.write(into, 'few');
      expect(sys.splice(from, to, len)).toBe(3);
      expect(sys.read(out, 10).toString()).toBe('few');
    },
  );

  it('waits for bytes', async () => {
    const path = ownFifo();
    const write = ownFd(sys.open(path, O_RDWR));
    const peer = await nodePeer();
    const from = await peer.call('sys.open', path, O_RDONLY);
    const [out, to] = (await peer.call('sys.pipe')) as [number, number];
    const spliced = peer.call('sys.splice', from, to, 100);
    await until('the peer waits in splice', () => asleepIn('splice', from as number, peer.pid) === 1);
    sys.write(write, 'at last');
    expect(await spliced).toBe(7);
    expect(await peer.call('sys.read', out, 100)).toEqual(Buffer.from('at last'));
  });

  it('waits for room', async () => {
    const path = ownFifo();
    const end = ownFd(sys.open(path, O_RDWR));
    fillPipe(end);
    const peer = await nodePeer();
    const to = await peer.call('sys.open', path, O_WRONLY);
    const [from, into] = (await peer.call('sys.pipe')) as [number, number];
    await peer.call('sys.write', into, 'at last');
    const spliced = peer.call('sys.splice', from, to, 100);
    await until('the peer waits in splice', () => asleepIn('splice', from, peer.pid) === 1);
    sys.read(end, 65_536);
    expect(await spliced).toBe(7);
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const peer = await interruptedPeer();
    const [from] = (await peer.call('sys.pipe')) as [number, number];
    const [, to] = (await peer.call('sys.pipe')) as [number, number];
    const failed = peer.failure('sys.splice', from, to, 100);
    await until('the peer waits in splice', () => asleepIn('splice', from, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', 'splice'));
  });

  it('fails with EAGAIN where it would wait, with SPLICE_F_NONBLOCK or O_NONBLOCK', () => {
    const [from, into] = ownPipe();
    const [, to] = ownPipe();
    const [nonblocking] = ownPipe(O_NONBLOCK);
    const expected = systemError('EAGAIN', 'splice');
    expect(failure(() => sys.splice(from, to, 10, SPLICE_F_NONBLOCK))).toMatchObject(expected);
    expect(failure(() => sys.splice(nonblocking, to, 10))).toMatchObject(expected);
    sys.write(into, 'x');
    fillPipe(to);
    expect(failure(() => sys.splice(from, to, 10, SPLICE_F_NONBLOCK))).toMatchObject(expected);
    expect(sys.read(from, 10).toString()).toBe('x');
  });

  it('fails with EBADF for a descriptor that is not open or not open for that', () => {
    const [from, into] = ownPipe();
    const [out, to] = ownPipe();
    sys.write(into, 'stays');
    const expected = systemError('EBADF', 'splice');
    for (const fd of [-1, -(2 ** 31), 2 ** 31 - 1, closedFd(), into]) {
      expect(failure(() => sys.splice(fd, to, 10))).toMatchObject(expected);
    }
    for (const fd of [-1, 2 ** 31 - 1, closedFd(), out]) {
      expect(failure(() => sys.splice(from, fd, 10))).toMatchObject(expected);
    }
    expect(sys.read(from, 10).toString()).toBe('stays');
  });

  it('fails with EINVAL without a pipe, with one pipe twice, into a file for appending and for unknown flags', () => {
    const folder = ownFolder();
    const file = ownFd(sys.open(join(folder, 'file'), O_CREAT | O_RDWR, 0o600));
    const appending = ownFd(sys.open(join(folder, 'file'), O_WRONLY | O_APPEND));
    const [from, into] = ownPipe();
    const [, to] = ownPipe();
    sys.write(into, 'stays');
    const expected = systemError('EINVAL', 'splice');
    expect(failure(() => sys.splice(file, file, 10))).toMatchObject(expected);
    expect(failure(() => sys.splice(from, into, 10))).toMatchObject(expected);
    expect(failure(() => sys.splice(from, appending, 10))).toMatchObject(expected);
    expect(failure(() => sys.splice(from, to, 10, 2 ** 20))).toMatchObject(expected);
    expect(sys.read(from, 10).toString()).toBe('stays');
  });

  it('fails with EPIPE where nobody reads', () => {
    const [from, into] = ownPipe();
    const [out, to] = ownPipe();
    sys.write(into, 'x');
    closeOwn(out);
    expect(failure(() => sys.splice(from, to, 10))).toMatchObject(systemError('EPIPE', 'splice'));
  });

  describe('moves nothing and', () => {
    refuses(
      'splice',
      { fdIn: 'int', fdOut: 'int', len: 'size', flags: 'unsigned?' },
      () => {
        const [from, into] = ownPipe();
        sys.write(into, 'stays');
        return [from, ownPipe()[1], 10, SPLICE_F_NONBLOCK];
      },
      ([from]) => expect(sys.read(from as number, 10).toString()).toBe('stays'),
    );
  });
});

describe('tee', () => {
  it('copies bytes from a pipe to a pipe and takes none', () => {
    const [from, into] = ownPipe();
    const [out, to] = ownPipe();
    sys.write(into, 'copied');
    expect(sys.tee(from, to, 4)).toBe(4);
    expect(sys.tee(from, to, 1000)).toBe(6);
    expect(sys.read(out, 100).toString()).toBe('copicopied');
    expect(sys.read(from, 100).toString()).toBe('copied');
  });

  it('gives 0 at the end of a pipe and for a len of 0', () => {
    const [from, into] = ownPipe();
    const [, to] = ownPipe();
    sys.write(into, 'x');
    expect(sys.tee(from, to, 0)).toBe(0);
    sys.read(from, 1);
    closeOwn(into);
    expect(sys.tee(from, to, 10)).toBe(0);
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER])(
    'takes a len as large as %d',
    (len) => {
      const [from, into] = ownPipe();
      const [, to] = ownPipe();
      sys.write(into, 'few');
      expect(sys.tee(from, to, len)).toBe(3);
    },
  );

  it('waits for bytes', async () => {
    const path = ownFifo();
    const write = ownFd(sys.open(path, O_RDWR));
    const peer = await nodePeer();
    const from = await peer.call('sys.open', path, O_RDONLY);
    const [out, to] = (await peer.call('sys.pipe')) as [number, number];
    const copied = peer.call('sys.tee', from, to, 100);
    await until('the peer waits in tee', () => asleepIn('tee', from as number, peer.pid) === 1);
    sys.write(write, 'at last');
    expect(await copied).toBe(7);
    expect(await peer.call('sys.read', out, 100)).toEqual(Buffer.from('at last'));
    expect(sys.read(write, 100).toString()).toBe('at last');
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const peer = await interruptedPeer();
    const [from] = (await peer.call('sys.pipe')) as [number, number];
    const [, to] = (await peer.call('sys.pipe')) as [number, number];
    const failed = peer.failure('sys.tee', from, to, 100);
    await until('the peer waits in tee', () => asleepIn('tee', from, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', 'tee'));
  });

  it('fails with EAGAIN where it would wait, with SPLICE_F_NONBLOCK', () => {
    const [from, into] = ownPipe();
    const [, to] = ownPipe();
    const expected = systemError('EAGAIN', 'tee');
    expect(failure(() => sys.tee(from, to, 10, SPLICE_F_NONBLOCK))).toMatchObject(expected);
    sys.write(into, 'x');
    fillPipe(to);
    expect(failure(() => sys.tee(from, to, 10, SPLICE_F_NONBLOCK))).toMatchObject(expected);
  });

  it('fails with EBADF for a descriptor that is not open or not open for that', () => {
    const [from, into] = ownPipe();
    const [out, to] = ownPipe();
    sys.write(into, 'x');
    const expected = systemError('EBADF', 'tee');
    for (const fd of [-1, -(2 ** 31), 2 ** 31 - 1, closedFd(), into]) {
      expect(failure(() => sys.tee(fd, to, 10))).toMatchObject(expected);
    }
    for (const fd of [-1, 2 ** 31 - 1, closedFd(), out]) {
      expect(failure(() => sys.tee(from, fd, 10))).toMatchObject(expected);
    }
  });

  it('fails with EINVAL where one is no pipe, with one pipe twice and for unknown flags', () => {
    const file = ownFd(sys.open(join(ownFolder(), 'file'), O_CREAT | O_RDWR, 0o600));
    const [from, into] = ownPipe();
    const [, to] = ownPipe();
    sys.write(into, 'x');
    const expected = systemError('EINVAL', 'tee');
    expect(failure(() => sys.tee(file, to, 10))).toMatchObject(expected);
    expect(failure(() => sys.tee(from, file, 10))).toMatchObject(expected);
    expect(failure(() => sys.tee(from, into, 10))).toMatchObject(expected);
    expect(failure(() => sys.tee(from, to, 10, 2 ** 20))).toMatchObject(expected);
  });

  it('fails with EPIPE where nobody reads', () => {
    const [from, into] = ownPipe();
    const [out, to] = ownPipe();
    sys.write(into, 'x');
    closeOwn(out);
    expect(failure(() => sys.tee(from, to, 10))).toMatchObject(systemError('EPIPE', 'tee'));
  });

  describe('copies nothing and', () => {
    refuses(
      'tee',
      { fdIn: 'int', fdOut: 'int', len: 'size', flags: 'unsigned?' },
      () => {
        const [from, into] = ownPipe();
        sys.write(into, 'x');
        return [from, ownPipe()[1], 10, SPLICE_F_NONBLOCK];
      },
      ([, to]) => expect(sys.fionread(to as number)).toBe(0),
    );
  });
});
