// Shared memory that tests make by its classes, and what the kernel itself says of it.
import { closeSync, fstatSync, readFileSync, readdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { IPC_PRIVATE, Memfd, PosixSharedMemory, type SharedMemory, SysvSharedMemory } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { targetOf } from './descriptors.js';
import { unusedMemoryName } from './mappings.js';
import { NodePeer, fixture, nobody, plainEnvironment } from './peers.js';
import { ownSegment } from './segments.js';

/** A whole number of pages, however long they are here. */
export const pages = 65_536;
export const GiB = 2 ** 30;

/** Who has it may lock as much memory as there is. */
export const CAP_IPC_LOCK = 14;

/** An object that is closed when the test is over; what it is of is somebody else's to remove. */
export function closing<Memory extends { close(): void }>(memory: Memory): Memory {
  onTestFinished(() => memory.close());
  return memory;
}

/** A segment that the test made: closed and removed when the test is over. */
export function own(memory: SysvSharedMemory): SysvSharedMemory {
  ownSegment(memory.id);
  return closing(memory);
}

/** A new segment without a key. */
export function segment(size = pages, options: { mode?: number; reserve?: boolean } = {}): SysvSharedMemory {
  return own(SysvSharedMemory.create({ size, key: IPC_PRIVATE, ...options }));
}

/** A new object with a name of the test's own. */
export function posix(
  size = pages,
  options: { mode?: number; reserve?: boolean; name?: string } = {},
): PosixSharedMemory {
  return closing(PosixSharedMemory.create({ name: options.name ?? unusedMemoryName(), size, ...options }));
}

/** A new object without a name. */
export function memfd(size = pages, options: { name?: string; reserve?: boolean } = {}): Memfd {
  return closing(Memfd.create({ size, ...options }));
}

/** Another object of the same memory, by another descriptor of the same open file. */
export function again(memory: { readonly fd: number }, options: { readOnly?: boolean } = {}): Memfd {
  const fd = sys.fcntl(memory.fd, sys.F_DUPFD_CLOEXEC, 3);
  return closing(adopted(fd, options));
}

/** The object of a descriptor, which is closed where it can't be one. */
export function adopted(fd: number, options: { readOnly?: boolean } = {}): Memfd {
  try {
    return Memfd.fromFd(fd, options);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** How often the memory is mapped in a process, by the kernel's own account; to be had before the object is closed. */
export function mappingsOf(memory: SharedMemory, pid: number | 'self' = 'self'): () => number {
  const [inode, prefix] =
    memory instanceof SysvSharedMemory
      ? [memory.id, '/SYSV']
      : [fstatSync((memory as PosixSharedMemory | Memfd).fd).ino, '/'];
  return () =>
    readFileSync(`/proc/${pid}/maps`, 'utf8')
      .split('\n')
      .map((line) => /^\S+ \S+ \S+ \S+ (\d+)\s+(\S*)/.exec(line))
      .filter((found) => found !== null && Number(found[1]) === inode && found[2]?.startsWith(prefix)).length;
}

/** How many mappings and descriptors this process has. */
export function held(): { mappings: number; descriptors: number } {
  return {
    mappings: readFileSync('/proc/self/maps', 'utf8').split('\n').length,
    descriptors: readdirSync('/proc/self/fd').length,
  };
}

/** Closes a descriptor that a forgotten object had, unless the number is something else's by then. */
export function closeIfStill(fd: number, target: string | undefined): void {
  if (target !== undefined && targetOf(fd) === target) closeSync(fd);
}

/** A length of memory that is to come out of one thing as it was: no two words alike. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8) * 17 + seed * 101) & 0xff;
  return bytes;
}

/** Wrong arguments of options, of the size in bytes among them. */
export const wrongSizes: [what: string, code: string, size: unknown][] = [
  ['no size', 'ERR_INVALID_ARG_TYPE', undefined],
  ['a size of null', 'ERR_INVALID_ARG_TYPE', null],
  ['a size of a string', 'ERR_INVALID_ARG_TYPE', '4096'],
  ['a size of a bigint', 'ERR_INVALID_ARG_TYPE', 4096n],
  ['a negative size', 'ERR_OUT_OF_RANGE', -1],
  ['a size that is NaN', 'ERR_OUT_OF_RANGE', NaN],
  ['a fraction as size', 'ERR_OUT_OF_RANGE', 0.5],
  ['an infinite size', 'ERR_OUT_OF_RANGE', Infinity],
  ['a size of 2^53', 'ERR_OUT_OF_RANGE', 2 ** 53],
];

/** Options that create() of every class refuses, beside sizes. */
export const wrongOptions: [what: string, code: string, options: unknown][] = [
  ['no options', 'ERR_INVALID_ARG_TYPE', undefined],
  ['options of null', 'ERR_INVALID_ARG_TYPE', null],
  ['options of a number', 'ERR_INVALID_ARG_TYPE', 4096],
  ['reserve of a string', 'ERR_INVALID_ARG_TYPE', { reserve: 'no' }],
  ['reserve of null', 'ERR_INVALID_ARG_TYPE', { reserve: null }],
];

/** Options of objects that have a mode and may be there already. */
export const wrongAccess: typeof wrongOptions = [
  ['a mode of a string', 'ERR_INVALID_ARG_TYPE', { mode: '0600' }],
  ['a negative mode', 'ERR_OUT_OF_RANGE', { mode: -1 }],
  ['a mode that is NaN', 'ERR_OUT_OF_RANGE', { mode: NaN }],
  ['a mode of more than nine bits', 'ERR_OUT_OF_RANGE', { mode: 0o10000 }],
  ['exclusive of a number', 'ERR_INVALID_ARG_TYPE', { exclusive: 0 }],
  ['exclusive of null', 'ERR_INVALID_ARG_TYPE', { exclusive: null }],
];

/** Calls made from JavaScript programs, where no type stops a wrong argument. */
export function loosely(target: object, member: string, ...args: unknown[]): unknown {
  return Reflect.apply(Reflect.get(target, member) as (...all: unknown[]) => unknown, target, args);
}

function nodeEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment['NODE_OPTIONS'];
  return environment;
}

/** A Node process that uses shared memory on request, started by another program where one is given. */
export async function memoryPeer(...starter: string[]): Promise<NodePeer> {
  const [command, ...args] = [...starter, process.execPath, '--expose-gc', fixture('shared-memory-peer.js')];
  const peer = new NodePeer(command, args, nodeEnvironment());
  const line = await peer.line();
  if (line !== 'ready') throw new Error(`the peer began with ${line}`);
  return peer;
}

/** A Node process of another user. It becomes that user after it has loaded the package, which root may own. */
export async function otherUserPeer(): Promise<NodePeer> {
  const peer = await memoryPeer();
  await peer.call('become', nobody);
  return peer;
}

const tmpfs = (size: string): string => `mount -t tmpfs -o size=${size},mode=1777 none /dev/shm`;

/** Why no small /dev/shm can be had here, or undefined where it can. */
export function noSmallFolder(): string | undefined {
  const tried = spawnSync('unshare', ['--mount', 'sh', '-c', tmpfs('64k')], {
    env: plainEnvironment(),
    encoding: 'utf8',
  });
  return tried.status === 0 ? undefined : `/dev/shm can't be mounted anew here: ${tried.stderr.trim()}`;
}

/** A Node process whose /dev/shm is its own, empty and of that size. */
export function peerWithFolderOf(size: string): Promise<NodePeer> {
  return memoryPeer('unshare', '--mount', 'sh', '-c', `${tmpfs(size)} && exec "$@"`, 'sh');
}

/** Why mlock(2) can't be tested: a sanitizer's own mlock() does nothing. */
export function locksAreIgnored(): string | undefined {
  const sanitizer = process.env['UNIX_IPC_TEST_SANITIZER'];
  return sanitizer === undefined ? undefined : `under ${sanitizer} mlock() does nothing`;
}
