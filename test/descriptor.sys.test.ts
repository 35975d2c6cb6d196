// The calls of <unistd.h>, <fcntl.h> and <poll.h> that take any descriptor: what they do, and a table of their errors.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import {
  closeOwn,
  closedFd,
  descriptorLimit,
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
import { asleepIn, mayExceedLimits } from './helpers/kernel.js';
import { fixture, nodePeer, nodeProgram, program } from './helpers/peers.js';
import { unusedName } from './helpers/posix-queues.js';
import { until } from './helpers/until.js';
import { loose, refusal, refuses, wrong } from './helpers/wrong-arguments.js';

const { F_ADD_SEALS, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_GETPIPE_SZ, F_GET_SEALS } = sys;
const { FD_CLOEXEC, F_SETFD, F_SETFL, F_SETPIPE_SZ, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECT } = sys;
const { F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE } = sys;
const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, PIPE_BUF } = sys;
const { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDHUP } = sys;

/** Descriptors that are none. */
function notOpen(): number[] {
  return [-1, -(2 ** 31), 2 ** 31 - 1, closedFd()];
}

/** A file of the test's own with that text, opened. */
function openFile(text: string, flags: number): number {
  const path = join(ownFolder(), 'file');
  writeFileSync(path, text);
  return ownFd(sys.open(path, flags));
}

describe('close', () => {
  it('gives nothing back and closes the descriptor', () => {
    const [read, write] = sys.pipe();
    expect(loose('close', [read])).toBeUndefined();
    expect(targetOf(read)).toBeUndefined();
    expect(failure(() => sys.write(write, 'x')).code).toBe('EPIPE');
    sys.close(write);
    expect(targetOf(write)).toBeUndefined();
  });

  it('leaves other descriptors of the same pipe open', () => {
    const [read, write] = ownPipe();
    const second = sys.dup(write);
    sys.close(second);
    sys.write(write, 'x');
    expect(sys.read(read, 10).toString()).toBe('x');
  });

  it('fails with EBADF for a descriptor that is not open, a second time too', () => {
    for (const fd of notOpen())
      expect(failure(() => sys.close(fd))).toMatchObject(systemError('EBADF', 'close'));
    const fd = sys.dup(0);
    sys.close(fd);
    expect(failure(() => sys.close(fd))).toMatchObject(systemError('EBADF', 'close'));
  });

  it('closes standard input like any other', async () => {
    const peer = nodeProgram('close-stdin.js');
    expect(await peer.exited).toMatchObject({ code: 0, stdout: '0\n' });
  });

  refuses('close', { fd: 'int' }, () => [-1]);
});

describe.each([
  ['with a count', 'count'],
  ['into memory of the caller', 'memory'],
] as const)('read %s', (_what, form) => {
  function read(fd: number, size: number): string {
    if (form === 'count') {
      const bytes = sys.read(fd, size);
      expect(Buffer.isBuffer(bytes)).toBe(true);
      return bytes.toString();
    }
    const memory = Buffer.alloc(size);
    const length = sys.read(fd, memory);
    return memory.toString('utf8', 0, length);
  }

  it('gives what is there, up to the size', () => {
    const [from, into] = ownPipe();
    sys.write(into, 'some bytes');
    expect(read(from, 4)).toBe('some');
    expect(read(from, 1000)).toBe(' bytes');
  });

  it('reads a file from where it is, to its end', () => {
    const fd = openFile('of a file', O_RDONLY);
    expect(read(fd, 3)).toBe('of ');
    expect(read(fd, 100)).toBe('a file');
    expect(read(fd, 100)).toBe('');
  });

  it('reads nothing in no bytes', () => {
    const [from, into] = ownPipe();
    sys.write(into, 'x');
    expect(read(from, 0)).toBe('');
    expect(read(from, 1)).toBe('x');
  });

  it('gives every size unchanged', () => {
    const [from, into] = ownPipe();
    sys.fcntl(into, F_SETPIPE_SZ, 1_048_576);
    for (const size of [1, 63, 64, 4095, 4096, 4097, 65_535, 65_536, 65_537, 200_000, 1_000_000]) {
      const bytes = Buffer.from(Array.from({ length: size }, (_, index) => (index * 31 + size) % 251));
      expect(sys.write(into, bytes)).toBe(size);
      if (form === 'count') {
        expect(sys.read(from, size).equals(bytes)).toBe(true);
      } else {
        const memory = Buffer.alloc(size);
        expect(sys.read(from, memory)).toBe(size);
        expect(memory.equals(bytes)).toBe(true);
      }
    }
  });

  it('waits for bytes', async () => {
    const path = join(ownFolder(), 'fifo');
    sys.mkfifo(path, 0o600);
    const write = ownFd(sys.open(path, O_RDWR));
    const peer = await nodePeer();
    const fd = (await peer.call('sys.open', path, O_RDONLY)) as number;
    const result = peer.call('sys.read', fd, form === 'count' ? 100 : new Uint8Array(100));
    await until('the peer waits in read', () => asleepIn('read', fd, peer.pid) === 1);
    sys.write(write, 'at last');
    expect(await result).toEqual(form === 'count' ? Buffer.from('at last') : 7);
  });

  it('waits for the end of file', async () => {
    const path = join(ownFolder(), 'fifo');
    sys.mkfifo(path, 0o600);
    const write = ownFd(sys.open(path, O_RDWR | O_CLOEXEC));
    const peer = await nodePeer();
    const fd = (await peer.call('sys.open', path, O_RDONLY)) as number;
    const result = peer.call('sys.read', fd, form === 'count' ? 100 : new Uint8Array(100));
    await until('the peer waits in read', () => asleepIn('read', fd, peer.pid) === 1);
    closeOwn(write);
    expect(await result).toEqual(form === 'count' ? Buffer.alloc(0) : 0);
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const peer = await interruptedPeer();
    const [fd] = (await peer.call('sys.pipe')) as [number, number];
    const failed = peer.failure('sys.read', fd, form === 'count' ? 100 : new Uint8Array(100));
    await until('the peer waits in read', () => asleepIn('read', fd, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', 'read'));
  });

  it('fails with EAGAIN where it would wait, with O_NONBLOCK', () => {
    const [from] = ownPipe(O_NONBLOCK);
    expect(failure(() => read(from, 10))).toMatchObject(systemError('EAGAIN', 'read'));
  });

  it('fails with EBADF for a descriptor that is not open or not open for reading', () => {
    const [, into] = ownPipe();
    for (const fd of [...notOpen(), into, openFile('', O_WRONLY)]) {
      expect(failure(() => read(fd, 10))).toMatchObject(systemError('EBADF', 'read'));
    }
  });

  it('fails with EISDIR for a folder', () => {
    const fd = ownFd(sys.open(ownFolder(), O_RDONLY));
    expect(failure(() => read(fd, 10))).toMatchObject(systemError('EISDIR', 'read'));
  });

  it('fails with EINVAL for an eventfd in less than 8 bytes', () => {
    const fd = ownFd(sys.eventfd(1));
    expect(failure(() => read(fd, 7))).toMatchObject(systemError('EINVAL', 'read'));
  });
});

describe('read', () => {
  it('gives every read a Buffer of its own', () => {
    const [from, into] = ownPipe();
    const buffers = Array.from({ length: 500 }, (_, index) => {
      sys.write(into, `chunk ${index}`);
      return sys.read(from, 100);
    });
    expect(buffers.map(String)).toEqual(buffers.map((_, index) => `chunk ${index}`));
  });

  it('fills only the bytes of the view that there are', () => {
    const [from, into] = ownPipe();
    sys.write(into, 'abc');
    const whole = Buffer.alloc(12, '.');
    expect(sys.read(from, whole.subarray(4, 10))).toBe(3);
    expect(whole.toString()).toBe('....abc.....');
  });

  it('takes no more than the view is long, whatever lies under it', () => {
    const [from, into] = ownPipe();
    sys.write(into, 'abcdef');
    const whole = Buffer.alloc(12, '.');
    expect(sys.read(from, whole.subarray(4, 6))).toBe(2);
    expect(whole.toString()).toBe('....ab......');
    expect(sys.read(from, whole.subarray(0, 0))).toBe(0);
    expect(sys.read(from, 10).toString()).toBe('cdef');
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 40, Number.MAX_SAFE_INTEGER])(
    'gives what is there for a count as large as %d',
    (count) => {
      const [from, into] = ownPipe();
      sys.write(into, 'few');
      const before = process.memoryUsage().rss;
      expect(sys.read(from, count).toString()).toBe('few');
      expect(process.memoryUsage().rss - before).toBeLessThan(256 * 2 ** 20);
    },
  );

  it('gives as much of a file as a large count asks for', () => {
    const text = 'line of a file\n'.repeat(20_000);
    expect(sys.read(openFile(text, O_RDONLY), 1_000_000).toString()).toBe(text);
  });

  const sizes = wrong('size').filter(([what]) => !/^an (object|array)$/.test(what));
  const memories = wrong('memory').filter(([what]) => what !== 'a number');
  describe('takes nothing and', () => {
    refuses(
      'read',
      { fd: 'int', count: [...sizes, ...memories, ['undefined', 'ERR_INVALID_ARG_TYPE', undefined]] },
      () => {
        const [from, into] = ownPipe();
        sys.write(into, 'stays');
        return [from, 10];
      },
      ([fd]) => expect(sys.read(fd as number, 10).toString()).toBe('stays'),
    );
    refuses('read', { fd: 'int' }, () => [-1, new Uint8Array(8)]);
  });
});

describe('write', () => {
  it.each([
    ['a string as UTF-8', 'grüße €', Buffer.from('grüße €')],
    ['a string with a NUL', 'a\0b', Buffer.from([97, 0, 98])],
    ['a lone surrogate as Node does', 'a\ud800', Buffer.from('a\ufffd')],
    ['a Uint8Array', Uint8Array.of(0, 255, 1), Buffer.from([0, 255, 1])],
    ['only what the view shows', new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4), Buffer.from([2, 3, 4])],
    ['a Buffer out of the pool', Buffer.from('pooled'), Buffer.from('pooled')],
  ])('writes %s and gives the number of bytes', (_what, data, expected) => {
    const [from, into] = ownPipe();
    expect(sys.write(into, data)).toBe(expected.length);
    expect(sys.read(from, 100)).toEqual(expected);
  });

  it('writes nothing where there is nothing', () => {
    const [from, into] = ownPipe(O_NONBLOCK);
    expect(sys.write(into, '')).toBe(0);
    expect(sys.write(into, new Uint8Array(0))).toBe(0);
    expect(failure(() => sys.read(from, 1)).code).toBe('EAGAIN');
  });

  it('waits for room', async () => {
    const path = join(ownFolder(), 'fifo');
    sys.mkfifo(path, 0o600);
    const end = ownFd(sys.open(path, O_RDWR));
    fillPipe(end);
    const peer = await nodePeer();
    const fd = (await peer.call('sys.open', path, O_WRONLY)) as number;
    const written = peer.call('sys.write', fd, 'went through');
    await until('the peer waits in write', () => asleepIn('write', fd, peer.pid) === 1);
    sys.read(end, PIPE_BUF);
    expect(await written).toBe(12);
  });

  it('writes all of more than fits, and waits until it is read', async () => {
    const path = join(ownFolder(), 'fifo');
    sys.mkfifo(path, 0o600);
    const end = ownFd(sys.open(path, O_RDWR));
    const peer = await nodePeer();
    const fd = (await peer.call('sys.open', path, O_WRONLY)) as number;
    const data = Buffer.from(Array.from({ length: 150_000 }, (_, index) => index % 251));
    const written = peer.call('sys.write', fd, data);
    await until('the peer waits in write', () => asleepIn('write', fd, peer.pid) === 1);
    const chunks: Buffer[] = [];
    while (Buffer.concat(chunks).length < data.length) chunks.push(sys.read(end, 65_536));
    expect(await written).toBe(150_000);
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
  });

  it('fails with EINTR where a signal handler runs while it waits and nothing was written', async () => {
    const peer = await interruptedPeer();
    const [, fd] = (await peer.call('sys.pipe')) as [number, number];
    await peer.call('sys.write', fd, Buffer.alloc(65_536));
    const failed = peer.failure('sys.write', fd, 'x');
    await until('the peer waits in write', () => asleepIn('write', fd, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', 'write'));
  });

  it('gives the part that was written where a signal handler runs while it waits', async () => {
    const peer = await interruptedPeer();
    const [, fd] = (await peer.call('sys.pipe')) as [number, number];
    const written = peer.call('sys.write', fd, Buffer.alloc(100_000));
    await until('the peer waits in write', () => asleepIn('write', fd, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await written).toBe(65_536);
  });

  it('fails with EAGAIN where it would wait, with O_NONBLOCK', () => {
    const [, into] = ownPipe(O_NONBLOCK);
    fillPipe(into);
    expect(failure(() => sys.write(into, 'x'))).toMatchObject(systemError('EAGAIN', 'write'));
  });

  it('fails with EBADF for a descriptor that is not open or not open for writing', () => {
    const [from] = ownPipe();
    for (const fd of [...notOpen(), from, openFile('', O_RDONLY)]) {
      expect(failure(() => sys.write(fd, 'x'))).toMatchObject(systemError('EBADF', 'write'));
    }
  });

  it('fails with EINVAL for an eventfd with less than 8 bytes', () => {
    const fd = ownFd(sys.eventfd(0));
    expect(failure(() => sys.write(fd, 'seven b'))).toMatchObject(systemError('EINVAL', 'write'));
  });

  it('fails with ENOSPC where the device is full', () => {
    const fd = ownFd(sys.open('/dev/full', O_WRONLY));
    expect(failure(() => sys.write(fd, 'x'))).toMatchObject(systemError('ENOSPC', 'write'));
  });

  it('fails with EPIPE where nobody reads', () => {
    const [from, into] = ownPipe();
    closeOwn(from);
    expect(failure(() => sys.write(into, 'x'))).toMatchObject(systemError('EPIPE', 'write'));
  });

  describe('writes nothing and', () => {
    refuses(
      'write',
      { fd: 'int', data: 'bytes' },
      () => [ownPipe()[1], 'x'],
      ([fd]) => expect(sys.fionread(fd as number)).toBe(0),
    );
  });
});

describe('dup', () => {
  it('gives a new descriptor of the same thing, left open by exec', () => {
    const [from, into] = ownPipe(O_CLOEXEC);
    const copy = ownFd(sys.dup(into));
    expect(copy).not.toBe(into);
    expect(targetOf(copy)).toBe(targetOf(into));
    expect(flagsOf(copy)).toBe(O_WRONLY);
    sys.write(copy, 'by the copy');
    expect(sys.read(from, 100).toString()).toBe('by the copy');
  });

  it('shares the place in a file and the status flags', () => {
    const fd = openFile('abcdef', O_RDONLY);
    const copy = ownFd(sys.dup(fd));
    expect(sys.read(fd, 2).toString()).toBe('ab');
    expect(sys.read(copy, 2).toString()).toBe('cd');
    sys.fcntl(copy, F_SETFL, O_APPEND);
    expect(flagsOf(fd)).toBe(O_RDONLY | O_APPEND);
  });

  it('gives the lowest number that is free', () => {
    const [low, high] = ownPipe();
    closeOwn(Math.min(low, high));
    expect(ownFd(sys.dup(Math.max(low, high)))).toBeLessThanOrEqual(Math.min(low, high));
  });

  it('fails with EBADF for a descriptor that is not open', () => {
    for (const fd of notOpen()) expect(failure(() => sys.dup(fd))).toMatchObject(systemError('EBADF', 'dup'));
  });

  it('fails with EMFILE where the process has no descriptor left', async () => {
    const peer = await exhaustedPeer();
    expect(await peer.failure('sys.dup', 0)).toMatchObject(systemError('EMFILE', 'dup'));
  });

  refuses('dup', { fd: 'int' }, () => [-1]);
});

describe('dup2', () => {
  it('makes newfd the same thing, closes what it was, and gives it', () => {
    const [from, into] = ownPipe();
    const [otherFrom, other] = ownPipe(O_CLOEXEC);
    expect(sys.dup2(into, other)).toBe(other);
    expect(targetOf(other)).toBe(targetOf(into));
    expect(flagsOf(other)).toBe(O_WRONLY);
    expect(sys.read(otherFrom, 10)).toHaveLength(0);
    sys.write(other, 'redirected');
    expect(sys.read(from, 100).toString()).toBe('redirected');
  });

  it('takes a number that is not open', () => {
    const [from] = ownPipe();
    const high = descriptorLimit() - 1;
    expect(targetOf(high)).toBeUndefined();
    expect(ownFd(sys.dup2(from, high))).toBe(high);
    expect(targetOf(high)).toBe(targetOf(from));
  });

  it('does nothing where both are the same, close-on-exec stays', () => {
    const [from] = ownPipe(O_CLOEXEC);
    expect(sys.dup2(from, from)).toBe(from);
    expect(flagsOf(from)).toBe(O_RDONLY | O_CLOEXEC);
  });

  it('fails with EBADF where oldfd is not open, and leaves newfd as it was', () => {
    const [from] = ownPipe();
    const target = targetOf(from);
    for (const fd of notOpen()) {
      expect(failure(() => sys.dup2(fd, from))).toMatchObject(systemError('EBADF', 'dup2'));
    }
    const closed = closedFd();
    expect(failure(() => sys.dup2(closed, closed))).toMatchObject(systemError('EBADF', 'dup2'));
    expect(targetOf(from)).toBe(target);
  });

  it('fails with EBADF where newfd is no number of a descriptor', () => {
    const [from] = ownPipe();
    for (const fd of [-1, -(2 ** 31), descriptorLimit(), 2 ** 31 - 1]) {
      expect(failure(() => sys.dup2(from, fd))).toMatchObject(systemError('EBADF', 'dup2'));
    }
  });

  describe('changes nothing and', () => {
    refuses(
      'dup2',
      { oldfd: 'int', newfd: 'int' },
      () => [ownPipe()[0], ownPipe()[0]],
      ([oldfd, newfd]) => expect(targetOf(newfd as number)).not.toBe(targetOf(oldfd as number)),
    );
  });
});

describe('fcntl', () => {
  it.each([
    ['F_DUPFD', F_DUPFD, 0],
    ['F_DUPFD_CLOEXEC', F_DUPFD_CLOEXEC, O_CLOEXEC],
  ])('%s gives the lowest free descriptor from arg on', (_what, cmd, flag) => {
    const [from, into] = ownPipe();
    const copy = ownFd(sys.fcntl(into, cmd, 500));
    expect(copy).toBe(500);
    expect(ownFd(sys.fcntl(into, cmd, 500))).toBe(501);
    expect(flagsOf(copy)).toBe(O_WRONLY | flag);
    sys.write(copy, 'x');
    expect(sys.read(from, 10).toString()).toBe('x');
  });

  it.each([
    ['F_DUPFD', F_DUPFD],
    ['F_DUPFD_CLOEXEC', F_DUPFD_CLOEXEC],
  ])('%s fails with EINVAL for a number that no descriptor may have', (_what, cmd) => {
    const [from] = ownPipe();
    for (const arg of [-1, -(2 ** 31), descriptorLimit(), 2 ** 31 - 1]) {
      expect(failure(() => sys.fcntl(from, cmd, arg))).toMatchObject(systemError('EINVAL', 'fcntl'));
    }
  });

  it('F_DUPFD fails with EMFILE where the process has no descriptor left', async () => {
    const peer = await exhaustedPeer();
    expect(await peer.failure('sys.fcntl', 0, F_DUPFD, 0)).toMatchObject(systemError('EMFILE', 'fcntl'));
  });

  it('F_GETFD and F_SETFD get and set close-on-exec', () => {
    const [from] = ownPipe();
    expect(sys.fcntl(from, F_GETFD)).toBe(0);
    expect(sys.fcntl(from, F_SETFD, FD_CLOEXEC)).toBe(0);
    expect(sys.fcntl(from, F_GETFD)).toBe(FD_CLOEXEC);
    expect(flagsOf(from)).toBe(O_RDONLY | O_CLOEXEC);
    sys.fcntl(from, F_SETFD, 0);
    expect(flagsOf(from)).toBe(O_RDONLY);
  });

  it('F_GETFL gives the access mode and the status flags', () => {
    const [from, into] = ownPipe(O_NONBLOCK | O_CLOEXEC);
    expect(sys.fcntl(from, F_GETFL)).toBe(O_RDONLY | O_NONBLOCK);
    expect(sys.fcntl(into, F_GETFL) & sys.O_ACCMODE).toBe(O_WRONLY);
    expect(sys.fcntl(openFile('', O_RDWR | O_APPEND), F_GETFL) & (sys.O_ACCMODE | O_APPEND)).toBe(
      O_RDWR | O_APPEND,
    );
  });

  it('F_SETFL sets O_NONBLOCK and takes it away, for every descriptor of the pipe', () => {
    const [from] = ownPipe();
    const copy = ownFd(sys.dup(from));
    expect(sys.fcntl(from, F_SETFL, O_NONBLOCK)).toBe(0);
    expect(failure(() => sys.read(copy, 1)).code).toBe('EAGAIN');
    sys.fcntl(copy, F_SETFL, 0);
    expect(flagsOf(from)).toBe(O_RDONLY);
  });

  it('F_SETFL leaves access mode and creation flags as they are', () => {
    const [from] = ownPipe();
    sys.fcntl(from, F_SETFL, O_RDWR | O_CREAT | sys.O_TRUNC);
    expect(flagsOf(from)).toBe(O_RDONLY);
  });

  it('F_SETFL makes a pipe one of packets by O_DIRECT', () => {
    const [from, into] = ownPipe();
    sys.fcntl(into, F_SETFL, O_DIRECT);
    sys.write(into, 'one');
    sys.write(into, 'two');
    expect(sys.read(from, 100).toString()).toBe('one');
    expect(sys.read(from, 100).toString()).toBe('two');
  });

  it('F_GETPIPE_SZ gives the capacity, as much as goes in', () => {
    const [from, into] = ownPipe();
    expect(sys.fcntl(from, F_GETPIPE_SZ)).toBe(fillPipe(into));
  });

  it.each([
    [0, 4096],
    [1, 4096],
    [4096, 4096],
    [5000, 8192],
    [65_536, 65_536],
    [65_537, 131_072],
    [1_048_576, 1_048_576],
  ])('F_SETPIPE_SZ of %d gives the real capacity of %d', (size, real) => {
    const [from, into] = ownPipe();
    expect(sys.fcntl(into, F_SETPIPE_SZ, size)).toBe(real);
    expect(sys.fcntl(from, F_GETPIPE_SZ)).toBe(real);
    expect(fillPipe(into)).toBe(real);
  });

  const most = Number(readFileSync('/proc/sys/fs/pipe-max-size', 'utf8'));

  it('F_SETPIPE_SZ fails with EPERM over pipe-max-size without CAP_SYS_RESOURCE', ({ skip }) => {
    skip(mayExceedLimits(), 'CAP_SYS_RESOURCE may go over every limit');
    const [from] = ownPipe();
    for (const size of [most + 1, 2 ** 31 - 1]) {
      expect(failure(() => sys.fcntl(from, F_SETPIPE_SZ, size))).toMatchObject(systemError('EPERM', 'fcntl'));
    }
    expect(sys.fcntl(from, F_GETPIPE_SZ)).toBe(65_536);
  });

  it('F_SETPIPE_SZ goes over pipe-max-size with CAP_SYS_RESOURCE', ({ skip }) => {
    skip(!mayExceedLimits(), 'CAP_SYS_RESOURCE is missing');
    expect(sys.fcntl(ownPipe()[0], F_SETPIPE_SZ, 2 * most)).toBe(2 * most);
  });

  it('F_SETPIPE_SZ fails with EBUSY where more is in the pipe, and with EINVAL for -1', () => {
    const [from, into] = ownPipe();
    sys.write(into, Buffer.alloc(3 * 4096));
    expect(failure(() => sys.fcntl(from, F_SETPIPE_SZ, 8192))).toMatchObject(systemError('EBUSY', 'fcntl'));
    expect(failure(() => sys.fcntl(from, F_SETPIPE_SZ, -1))).toMatchObject(systemError('EINVAL', 'fcntl'));
    expect(sys.fcntl(from, F_SETPIPE_SZ, 16_384)).toBe(16_384);
    expect(sys.read(from, 65_536)).toHaveLength(3 * 4096);
  });

  it('F_GETPIPE_SZ and F_SETPIPE_SZ fail with EBADF for what is no pipe', () => {
    const file = openFile('', O_RDWR);
    expect(failure(() => sys.fcntl(file, F_GETPIPE_SZ))).toMatchObject(systemError('EBADF', 'fcntl'));
    expect(failure(() => sys.fcntl(file, F_SETPIPE_SZ, 4096))).toMatchObject(systemError('EBADF', 'fcntl'));
  });

  /** A file of memory that Python made, which can be sealed; it writes a line for each of its tasks. */
  async function memfd(map: boolean): Promise<{ fd: number; peer: ReturnType<typeof program> }> {
    const script = `import mmap, os, sys
fd = os.memfd_create('sealed', os.MFD_ALLOW_SEALING)
os.ftruncate(fd, 4096)
mapped = mmap.mmap(fd, 4096) if ${map ? 'True' : 'False'} else None
print(fd, flush=True)
for _ in sys.stdin:
  try: print(os.write(fd, b'x'), flush=True)
  except OSError as error: print(error.errno, flush=True)`;
    const peer = program('python3', '-c', script);
    const number = await peer.line();
    return { fd: ownFd(sys.open(`/proc/${peer.pid}/fd/${number}`, O_RDWR)), peer };
  }

  it('F_ADD_SEALS adds seals, which F_GET_SEALS gives and Python meets', async () => {
    const { fd, peer } = await memfd(false);
    expect(sys.fcntl(fd, F_GET_SEALS)).toBe(0);
    expect(sys.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)).toBe(0);
    peer.write('\n');
    expect(await peer.line()).toBe('1');
    sys.fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
    sys.fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE);
    expect(sys.fcntl(fd, F_GET_SEALS)).toBe(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
    peer.write('\n');
    expect(await peer.line()).toBe('1');
    expect(failure(() => sys.write(fd, 'x'))).toMatchObject(systemError('EPERM', 'write'));
  });

  it('F_ADD_SEALS fails with EPERM after F_SEAL_SEAL, with EINVAL for a seal that is none', async () => {
    const { fd } = await memfd(false);
    expect(failure(() => sys.fcntl(fd, F_ADD_SEALS, 2 ** 20))).toMatchObject(systemError('EINVAL', 'fcntl'));
    sys.fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
    expect(failure(() => sys.fcntl(fd, F_ADD_SEALS, F_SEAL_GROW))).toMatchObject(
      systemError('EPERM', 'fcntl'),
    );
    expect(sys.fcntl(fd, F_GET_SEALS)).toBe(F_SEAL_SEAL);
  });

  it('F_ADD_SEALS of F_SEAL_WRITE fails with EBUSY while the file is mapped for writing', async () => {
    const { fd } = await memfd(true);
    expect(failure(() => sys.fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE))).toMatchObject(
      systemError('EBUSY', 'fcntl'),
    );
    expect(sys.fcntl(fd, F_GET_SEALS)).toBe(0);
  });

  it('F_ADD_SEALS and F_GET_SEALS fail with EINVAL for a pipe', () => {
    const [, into] = ownPipe();
    expect(failure(() => sys.fcntl(into, F_GET_SEALS))).toMatchObject(systemError('EINVAL', 'fcntl'));
    expect(failure(() => sys.fcntl(into, F_ADD_SEALS, F_SEAL_GROW))).toMatchObject(
      systemError('EINVAL', 'fcntl'),
    );
  });

  const commands = {
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_GETFL,
    F_SETFL,
    F_GETFD,
    F_SETFD,
    F_SETPIPE_SZ,
    F_GETPIPE_SZ,
    F_ADD_SEALS,
    F_GET_SEALS,
  };

  it.each(Object.entries(commands))('%s fails with EBADF for a descriptor that is not open', (_what, cmd) => {
    for (const fd of notOpen()) {
      expect(failure(() => sys.fcntl(fd, cmd, 0))).toMatchObject(systemError('EBADF', 'fcntl'));
    }
  });

  it.each([
    ['F_GETLK', 5],
    ['F_SETLK', 6],
    ['F_SETLKW', 7],
    ['F_SETOWN', 8],
    ['F_GETOWN', 9],
    ['F_SETSIG', 10],
    ['F_GETOWN_EX', 16],
    ['F_OFD_GETLK', 36],
    ['F_SETLEASE', 1024],
    ['F_NOTIFY', 1026],
    ['F_GET_RW_HINT', 1035],
    ['-1', -1],
    ['the largest int', 2 ** 31 - 1],
    ['the smallest int', -(2 ** 31)],
  ])('refuses %s, which is none of its commands', (_what, cmd) => {
    const [from] = ownPipe();
    expect(failure(() => sys.fcntl(from, cmd, 0))).toMatchObject(refusal('ERR_INVALID_ARG_VALUE'));
    expect(failure(() => sys.fcntl(-1, cmd))).toMatchObject(refusal('ERR_INVALID_ARG_VALUE'));
  });

  describe('changes nothing and', () => {
    refuses(
      'fcntl',
      { fd: 'int', cmd: 'int', arg: 'int?' },
      () => [ownPipe()[0], F_SETFL, O_NONBLOCK],
      ([fd]) => expect(flagsOf(fd as number)).toBe(O_RDONLY),
    );
  });
});

describe('fionread', () => {
  it('gives the bytes that are in a pipe, at either end', () => {
    const [from, into] = ownPipe();
    expect(sys.fionread(from)).toBe(0);
    sys.write(into, 'five!');
    expect(sys.fionread(from)).toBe(5);
    expect(sys.fionread(into)).toBe(5);
    sys.read(from, 2);
    expect(sys.fionread(from)).toBe(3);
  });

  it('gives the bytes of a file from where it is', () => {
    const fd = openFile('of a file', O_RDONLY);
    sys.read(fd, 3);
    expect(sys.fionread(fd)).toBe(6);
  });

  it('fails with ENOTTY for what has no such bytes', () => {
    const fds = [sys.eventfd(1), sys.open('/', O_RDONLY), sys.open('/dev/null', O_RDONLY)].map(ownFd);
    for (const fd of fds) {
      expect(failure(() => sys.fionread(fd))).toMatchObject(systemError('ENOTTY', 'fionread'));
    }
  });

  it('fails with EBADF for a descriptor that is not open', () => {
    for (const fd of notOpen()) {
      expect(failure(() => sys.fionread(fd))).toMatchObject(systemError('EBADF', 'fionread'));
    }
  });

  refuses('fionread', { fd: 'int' }, () => [-1]);
});

describe('poll', () => {
  it('gives the revents of each in order', () => {
    const [from, into] = ownPipe();
    const [full, filled] = ownPipe();
    sys.write(into, 'x');
    fillPipe(filled);
    const fds = [
      { fd: from, events: POLLIN },
      { fd: into, events: POLLOUT },
      { fd: filled, events: POLLOUT },
      { fd: full, events: POLLIN | POLLPRI },
      { fd: from, events: 0 },
    ];
    expect(sys.poll(fds, 0)).toEqual([POLLIN, POLLOUT, 0, POLLIN, 0]);
    expect(sys.poll(fds, -1)).toEqual([POLLIN, POLLOUT, 0, POLLIN, 0]);
  });

  it('leaves the objects as they were', () => {
    const [, into] = ownPipe();
    const asked = Object.freeze({ fd: into, events: POLLOUT });
    expect(sys.poll([asked], 0)).toEqual([POLLOUT]);
    expect(asked).toEqual({ fd: into, events: POLLOUT });
  });

  it('tells POLLHUP, POLLERR and POLLNVAL without being asked', () => {
    const [from, into] = ownPipe();
    const [otherFrom, other] = ownPipe();
    closeOwn(into);
    closeOwn(otherFrom);
    const fds = [from, other, closedFd(), 2 ** 31 - 1].map((fd) => ({ fd, events: 0 }));
    expect(sys.poll(fds, -1)).toEqual([POLLHUP, POLLERR, POLLNVAL, POLLNVAL]);
    expect(sys.poll([{ fd: other, events: POLLOUT }], -1)).toEqual([POLLOUT | POLLERR]);
  });

  it('tells POLLHUP together with what is still to be read', () => {
    const [from, into] = ownPipe();
    sys.write(into, 'rest');
    closeOwn(into);
    expect(sys.poll([{ fd: from, events: POLLIN }], -1)).toEqual([POLLIN | POLLHUP]);
  });

  it('leaves out descriptors below 0', () => {
    const [, into] = ownPipe();
    const fds = [-1, into, -(2 ** 31)].map((fd) => ({ fd, events: POLLIN | POLLOUT }));
    expect(sys.poll(fds, -1)).toEqual([0, POLLOUT, 0]);
  });

  it('takes every events that C takes', () => {
    const [from] = ownPipe();
    for (const events of [POLLRDHUP, 2 ** 15 - 1, -(2 ** 15)]) {
      expect(sys.poll([{ fd: from, events }], 0)).toEqual([0]);
    }
  });

  it('gives nothing for nothing', () => {
    expect(sys.poll([], 0)).toEqual([]);
  });

  it('waits for the time it is given, and gives zeros', () => {
    const [from] = ownPipe();
    const start = performance.now();
    expect(sys.poll([{ fd: from, events: POLLIN }], 50)).toEqual([0]);
    expect(sys.poll([], 50)).toEqual([]);
    expect(performance.now() - start).toBeGreaterThan(95);
  });

  it.each([-1, -2, -(2 ** 31)])('waits for ever with %d', async (timeout) => {
    const path = join(ownFolder(), 'fifo');
    sys.mkfifo(path, 0o600);
    const end = ownFd(sys.open(path, O_RDWR));
    const peer = await nodePeer();
    const fd = await peer.call('sys.open', path, O_RDONLY);
    const revents = peer.call('sys.poll', [{ fd, events: POLLIN }], timeout);
    await until('the peer waits in poll', () => asleepIn('poll', undefined, peer.pid) === 1);
    sys.write(end, 'x');
    expect(await revents).toEqual([POLLIN]);
  });

  it('fails with EINTR where a signal handler runs while it waits, one of process.on() too', async () => {
    const peer = await nodePeer();
    await peer.call('watch', 'SIGUSR2');
    const failed = peer.failure('sys.poll', [], -1);
    await until('the peer waits in poll', () => asleepIn('poll', undefined, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', 'poll'));
    while (((await peer.call('signals')) as string[]).length === 0);
    expect(await peer.call('signals')).toEqual(['SIGUSR2']);
  });

  it('fails with EINVAL for more descriptors than the process may have', ({ skip }) => {
    const limit = descriptorLimit();
    skip(limit > 1_048_576, `this process may have ${limit} descriptors`);
    const fds = Array.from({ length: limit }, () => ({ fd: -1, events: 0 }));
    expect(sys.poll(fds, 0)).toHaveLength(limit);
    fds.push({ fd: -1, events: 0 });
    expect(failure(() => sys.poll(fds, 0))).toMatchObject(systemError('EINVAL', 'poll'));
  });

  it('sees what Python writes and when it is gone', async () => {
    const path = join(ownFolder(), 'fifo');
    sys.mkfifo(path, 0o600);
    const fd = ownFd(sys.open(path, O_RDONLY | O_NONBLOCK));
    const script = `import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
os.write(fd, b'from python'); print('written', flush=True); sys.stdin.readline()`;
    const peer = program('python3', '-c', script, path);
    expect(sys.poll([{ fd, events: POLLIN }], -1)).toEqual([POLLIN]);
    expect(sys.read(fd, 100).toString()).toBe('from python');
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0 });
    expect(sys.poll([{ fd, events: POLLIN }], -1)).toEqual([POLLHUP]);
  });

  const type = 'ERR_INVALID_ARG_TYPE';
  refuses(
    'poll',
    {
      fds: [
        ...wrong('object'),
        ['undefined', type, undefined],
        ['an object', type, { fd: 0, events: 0 }],
        ['an object like an array', type, { length: 1, 0: { fd: 0, events: 0 } }],
        ['an array of null', type, [null]],
        ['an array of numbers', type, [1]],
        ['an array with a hole', type, Object.assign([], { length: 2 })],
        ['an array without fd', type, [{ events: 0 }]],
        ['an array without events', type, [{ fd: 0 }]],
        ['an array that is right only at first', type, [{ fd: -1, events: 0 }, {}]],
      ],
      timeout: 'int',
    },
    () => [[{ fd: -1, events: 0 }], 0],
  );

  it.each([
    ...wrong('int').map(([what, code, value]) => [`${what} as fd`, code, { fd: value, events: 0 }] as const),
    ...wrong('short').map(
      ([what, code, value]) => [`${what} as events`, code, { fd: -1, events: value }] as const,
    ),
  ])('refuses %s by %s', (_what, code, asked) => {
    expect(failure(() => loose('poll', [[asked], 0]))).toMatchObject(refusal(code));
  });

  it('passes on an error that a getter throws', () => {
    const asked = {
      fd: -1,
      get events(): never {
        throw new RangeError('from the getter');
      },
    };
    expect(failure(() => sys.poll([asked], 0)).message).toBe('from the getter');
  });

  it('survives a getter that makes the array shorter or longer', () => {
    for (const length of [0, 1, 1000]) {
      const fds: { fd: number; events: number }[] = Array.from({ length: 100 }, () => ({
        fd: -1,
        events: 0,
      }));
      Object.defineProperty(fds[0], 'fd', {
        get: () => {
          fds.length = length;
          return -1;
        },
      });
      try {
        expect(sys.poll(fds, 0).length).toBeLessThanOrEqual(1000);
      } catch (error) {
        expect(error).toMatchObject({ code: type });
      }
    }
  });
});

describe('descriptors that the process itself needs', () => {
  it.each([
    ['are refused with EPERM where the runtime has them at its start', 'runtime', 'themselves', /eventpoll/],
    ['are refused with EPERM where the runtime makes them for a Worker', 'worker', 'themselves', /eventpoll/],
    ['are refused with EPERM where this package makes them for its waits', 'waits', 'themselves', /^/],
    ['are refused with EPERM by their copies, or are not copied', 'runtime', 'copies', /pipe/],
  ] as const)('%s', async (_what, group, way, expected) => {
    const peer = nodeProgram('runtime-descriptors.js', group, way);
    const { code, signal, stdout, stderr } = await peer.exited;
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    const report = JSON.parse(stdout) as { kept: string[]; accepted: string[]; works: object };
    expect(report.accepted).toEqual([]);
    expect(report.kept.join()).toMatch(expected);
    expect(report.works).toEqual({
      timer: true,
      pool: true,
      worker: 'still there',
      signal: 'SIGUSR2',
      read: 'through',
      counted: 3,
    });
  });

  it('are not those that a parent left open', async () => {
    const [from, into] = ownPipe(O_CLOEXEC);
    const counter = ownFd(sys.eventfd(0, sys.EFD_CLOEXEC));
    const environment = { ...process.env };
    delete environment['NODE_OPTIONS'];
    const child = spawn(process.execPath, [fixture('inherited-descriptors.js'), '3', '4', '5'], {
      stdio: ['ignore', 'pipe', 'pipe', from, into, counter],
      env: environment,
    });
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, output }).toEqual({ code: 0, output: 'inherited 8\n' });
  });
});

describe('a wait of an object of this package', () => {
  const objects = ['PipeReader', 'PipeWriter', 'EventFd', 'PosixMessageQueue'];
  const calls = ['close', 'dup2 onto it'];
  it.each([
    ...objects.flatMap((object) => calls.map((call): [string, string] => [object, call])),
    ['PosixMessageQueue', 'mq_close'],
  ])('on a %s ends with ECANCELED after %s', async (object, call) => {
    const peer = nodeProgram('closed-beneath.js', object, call, unusedName());
    expect(await peer.exited).toMatchObject({ code: 0, stdout: 'IpcError ECANCELED\n' });
  });
});
