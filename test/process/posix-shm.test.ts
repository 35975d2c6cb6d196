// Truth takes two processes: shared memory between this one, another of Node, a C program and Python, and a /dev/shm that
// is full.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { cases as full } from '../fixtures/full-memory.js';
import { runCases } from '../helpers/cases.js';
import { compiled } from '../helpers/compile.js';
import { ownFd } from '../helpers/descriptors.js';
import { failure, systemError } from '../helpers/failures.js';
import { mapped, newMemfd, newObject, pathOf, unusedMemoryName } from '../helpers/mappings.js';
import {
  type Exit,
  type NodePeer,
  fixture,
  nodePeer,
  nodeProgram,
  plainEnvironment,
  program,
} from '../helpers/peers.js';

const { AF_UNIX, F_ADD_SEALS, F_GET_SEALS, F_SEAL_SHRINK, F_SEAL_WRITE, MAP_SHARED } = sys;
const { MFD_ALLOW_SEALING, O_RDONLY, O_RDWR, PROT_READ, PROT_WRITE, SOCK_CLOEXEC, SOCK_STREAM } = sys;

/** Runs a program to its end, which must be a good one, and gives what it printed. */
async function output(command: string, ...args: (string | number)[]): Promise<string> {
  const exit: Exit = await program(command, ...args).exited;
  expect(exit, `${command} ${args.join(' ')}: ${exit.stderr}`).toMatchObject({ code: 0, stderr: '' });
  return exit.stdout.trim();
}

const c = (...args: (string | number)[]): Promise<string> => output(compiled('posix-shm-peer'), ...args);
const python = (...args: (string | number)[]): Promise<string> =>
  output('python3', fixture('posix-shm-peer.py'), ...args);
const text = (buffer: ArrayBuffer, offset: number, length: number): string =>
  Buffer.from(buffer).toString('utf8', offset, offset + length);
const opened = (name: string, flags: number): number => ownFd(sys.shm_open(name, flags));

describe('a C program', () => {
  it('maps what is made here, and both see what the other writes at once', async () => {
    const name = unusedMemoryName();
    const buffer = mapped(newObject({ name, size: 10_000 }), 10_000);
    Buffer.from(buffer).write('from here', 9_000);
    expect(await c('size', name)).toBe('10000');
    expect(Buffer.from(await c('read', name, 9_000, 9), 'hex').toString()).toBe('from here');
    await c('write', name, 9_991, 'from C');
    expect(text(buffer, 9_991, 6)).toBe('from C');
    await c('unlink', name);
    expect(existsSync(pathOf(name))).toBe(false);
    expect(text(buffer, 9_991, 6)).toBe('from C');
  });

  it('makes what is mapped here, and truncates it', async () => {
    const name = unusedMemoryName();
    await c('make', name, 8192, 'made in C');
    const bytes = Buffer.from(mapped(opened(name, O_RDWR), 8192));
    expect(bytes.toString('utf8', 0, 9)).toBe('made in C');
    bytes.fill(1, 4096);
    await c('truncate', name, 4096);
    expect([bytes[0], bytes[4095], bytes[4096], bytes[8191]]).toEqual([109, 0, 0, 0]);
    await c('truncate', name, 0);
    expect(bytes.equals(Buffer.alloc(8192))).toBe(true);
  });
});

describe('three processes', () => {
  it('count to 3,000,000 by adding one to the same word, and no one is lost', async () => {
    const times = 1_000_000;
    const name = unusedMemoryName();
    const words = new Uint32Array(mapped(newObject({ name })));
    const peers = [
      program(compiled('posix-shm-peer'), 'count', name, 400, times),
      nodeProgram('count-memory.js', 'object', name, 400, times),
    ];
    for (const peer of peers) expect(await peer.line()).toBe('counting');
    for (let done = 0; done < times; done++) Atomics.add(words, 100, 1);
    for (const peer of peers) expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
    expect(words[100]).toBe(3 * times);
  });
});

describe('a file of memory', () => {
  /** Sends a descriptor to another process over a Unix socket; its number there. */
  async function sent(fd: number, peer: NodePeer): Promise<number> {
    const name = `\0unix-ipc-mapped-${process.pid}`;
    const listener = ownFd(sys.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC));
    sys.bind(listener, name);
    sys.listen(listener, 1);
    const socket = await peer.call('sys.socket', AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC);
    await peer.call('sys.connect', socket, name);
    sys.sendmsg(ownFd(sys.accept(listener, SOCK_CLOEXEC)), { data: 'x', fds: [fd] });
    const { fds } = (await peer.call('sys.recvmsg', socket, 1)) as { fds: number[] };
    expect(fds).toHaveLength(1);
    return fds[0] ?? -1;
  }

  it('goes to another process over a Unix socket, with its seals', async () => {
    const peer = await nodePeer();
    const fd = newMemfd(5000, MFD_ALLOW_SEALING);
    sys.write(fd, 'in the file');
    sys.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
    const theirs = await sent(fd, peer);
    expect(await peer.call('sys.fcntl', theirs, F_GET_SEALS)).toBe(F_SEAL_SHRINK);
    const content = await peer.call('sys.mmap', null, 11, PROT_READ, MAP_SHARED, theirs);
    expect(text(content as ArrayBuffer, 0, 11)).toBe('in the file');
    expect(await peer.failure('sys.ftruncate', theirs, 0)).toMatchObject(systemError('EPERM', 'ftruncate'));
    // What the peer maps to write keeps this process from sealing; what it wrote is here.
    const buffer = mapped(fd, 5000);
    expect(await peer.call('sys.write', theirs, 'overwritten')).toBe(11);
    expect(text(buffer, 11, 11)).toBe('overwritten');
    await peer.call('sys.mmap', null, 10, PROT_READ | PROT_WRITE, MAP_SHARED, theirs);
    sys.munmap(buffer);
    expect(failure(() => sys.fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE))).toMatchObject(
      systemError('EBUSY', 'fcntl'),
    );
    peer.end();
    await peer.exited;
    expect(sys.fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)).toBe(0);
  });

  it('is there for a C program by /proc', async () => {
    const fd = newMemfd(5000);
    const buffer = mapped(fd, 5000);
    await output('sh', '-c', `printf 'by the shell' > /proc/${process.pid}/fd/${fd}`);
    // The shell has truncated it before it wrote.
    expect(text(buffer, 0, 12)).toBe('by the shell');
    const again = openSync(`/proc/self/fd/${fd}`, 'r');
    onTestFinished(() => closeSync(again));
    expect(text(mapped(again, 12, PROT_READ), 0, 12)).toBe('by the shell');
  });
});

describe("Python's multiprocessing.shared_memory", () => {
  it('maps what is made here by its name without a slash', async () => {
    const name = unusedMemoryName();
    const buffer = mapped(newObject({ name, size: 5000 }), 5000);
    Buffer.from(buffer).write('for Python', 100);
    expect(await python('read', name.slice(1), 100, 10)).toBe('5000 for Python');
    await python('write', name.slice(1), 4990, 'Python');
    expect(text(buffer, 4990, 6)).toBe('Python');
    expect(existsSync(pathOf(name))).toBe(true);
  });

  it('makes what is mapped here, and unlinks it at its end', async () => {
    const name = unusedMemoryName();
    const peer = program('python3', fixture('posix-shm-peer.py'), 'serve', name.slice(1), 5000, 'of Python');
    expect(await peer.line()).toBe('5000');
    const fd = opened(name, O_RDWR);
    const buffer = mapped(fd, 5000);
    expect(text(buffer, 0, 9)).toBe('of Python');
    Buffer.from(buffer).write('answered', 4992);
    peer.write('4992 8\n');
    expect(await peer.line()).toBe('answered');
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
    expect(failure(() => sys.shm_open(name, O_RDONLY)).code).toBe('ENOENT');
    expect(text(buffer, 4992, 8)).toBe('answered');
  });
});

describe('a program that has memory mapped which other threads are at', () => {
  it('ends as any other', async () => {
    const hows = [
      ['end', 0],
      ['exit', 5],
      ['throw', 1],
    ] as const;
    const exits = await Promise.all(hows.map(([how]) => nodeProgram('end-memory.js', how).exited));
    expect(exits.map(({ code, signal, stdout }) => ({ code, signal, stdout }))).toEqual(
      hows.map(([, code]) => ({ code, signal: null, stdout: `${2 ** 24} 7\n` })),
    );
  });
});

describe('a /dev/shm that is full', () => {
  const mount = 'mount -t tmpfs -o size=64k,nr_inodes=100 none /dev/shm';

  it('ends nobody', async ({ skip }) => {
    const tried = spawnSync('unshare', ['--mount', 'sh', '-c', mount], {
      env: plainEnvironment(),
      encoding: 'utf8',
    });
    skip(tried.status !== 0, `a tmpfs can't be mounted here: ${tried.stderr.trim()}`);
    const { outcomes, ending } = await runCases(
      'full-memory.js',
      ...['unshare', '--mount', 'sh', '-c', `${mount} && exec "$@"`, 'sh'],
    );
    expect(ending).toBe('');
    expect([...outcomes].filter(([, error]) => error !== undefined)).toEqual([]);
    expect([...outcomes.keys()]).toEqual(Object.keys(full));
  });
});
