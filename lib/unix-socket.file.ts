// Socket files: how a socket gets its address, and who takes the file away.
import { createHash, randomUUID } from 'node:crypto';
import {
  linkSync,
  lstatSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
  type BigIntStats,
} from 'node:fs';
import { errno, IpcError } from './internal/errors.js';
import { native as descriptor } from './native/descriptor.js';
import { native } from './native/unix-socket.js';
import { explainBind } from './unix-socket.errors.js';
import type { Binding } from './unix-socket.options.js';

const { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } = native.constants;
const EADDRINUSE = errno('EADDRINUSE');
const EACCES = errno('EACCES');
const ECONNREFUSED = errno('ECONNREFUSED');
const ENOENT = errno('ENOENT');
const NUL = 0;
const SLASH = '/'.charCodeAt(0);

/** A socket file that an object has made. */
export class SocketFile {
  /** From the root, since the working directory may change. */
  readonly #path: Buffer;
  readonly #made: Identity | undefined;
  readonly unlinkOnClose: boolean;

  constructor(path: Buffer, unlinkOnClose: boolean) {
    this.#path = path;
    this.#made = identityOf(path);
    this.unlinkOnClose = unlinkOnClose;
  }

  /** Whether there is a file at its path, but not the one that was made. */
  get isAnothers(): boolean {
    const now = identityOf(this.#path);
    return now !== undefined && (this.#made === undefined || !isSame(now, this.#made));
  }

  unlink(): void {
    try {
      unlinkSync(this.#path);
    } catch (error) {
      throw fromNode(error, 'unlink', this.#path.toString());
    }
  }

  /** At the end of the object, which must not fail. */
  unlinkIfOwn(): void {
    try {
      if (!this.isAnothers) unlinkSync(this.#path);
    } catch {
      // The folder may be another's by now.
    }
  }
}

/** An error of node:fs as one of this package. */
function fromNode(error: unknown, syscall: string, path: string): IpcError {
  return new IpcError((error as NodeJS.ErrnoException).errno ?? 0, syscall, { path });
}

type Identity = Pick<BigIntStats, 'dev' | 'ino' | 'mtimeNs'>;

/** What tells a file from another one that has its path, and perhaps its inode's number, later. */
function identityOf(path: Buffer): Identity | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

function isSame(one: Identity, other: Identity): boolean {
  return one.dev === other.dev && one.ino === other.ino && one.mtimeNs === other.mtimeNs;
}

/** bind(2), and what it needs before. Undefined where the address is no path. */
export function bindTo(fd: number, binding: Binding): SocketFile | undefined {
  const { address, text } = binding;
  const isPath = address.length > 0 && address[0] !== NUL;
  if (!isPath) {
    const result = native.bind(fd, address, undefined);
    if (result < 0) throw explainBind(result, text);
    return undefined;
  }
  let result = native.bind(fd, address, binding.mode);
  if (result === EADDRINUSE && binding.replaceStale) result = replace(fd, binding, absolute(address));
  if (result < 0) throw explainBind(result, text);
  return new SocketFile(absolute(address), binding.unlinkOnClose);
}

function absolute(path: Uint8Array): Buffer {
  if (path[0] === SLASH) return Buffer.from(path);
  return Buffer.concat([workingDirectory(), Buffer.from('/'), path]);
}

function workingDirectory(): Buffer {
  try {
    // Its name may not be UTF-8.
    return readlinkSync('/proc/self/cwd', { encoding: 'buffer' });
  } catch {
    return Buffer.from(process.cwd());
  }
}

/**
 * Binds in the place of a socket file that nobody has open. A process that does the same at the same time is kept out by a
 * lock, and one that replaces the file without asking is seen: what is moved away must be what was looked at.
 */
function replace(fd: number, { address, text, mode }: Binding, path: Buffer): number {
  const lock = lockFor(path);
  if (lock < 0)
    throw explainBind(EADDRINUSE, text, 'another process is just replacing the file at this path');
  try {
    checkStale(address, text, path);
    return native.bind(fd, address, mode);
  } finally {
    descriptor.close(lock);
  }
}

function checkStale(address: Uint8Array, text: string | undefined, path: Buffer): void {
  const before = statsOf(path);
  // Whoever had it may just have removed it.
  if (before === undefined) return;
  if (!before.isSocket()) {
    throw explainBind(
      EADDRINUSE,
      text,
      'what is at this path is no socket, and replaceStale replaces nothing else',
    );
  }
  const tried = tryConnect(address);
  if (tried === ENOENT) return;
  if (tried === EACCES) {
    throw explainBind(
      EADDRINUSE,
      text,
      'whether somebody has the socket at this path open can be told only with the right to write to it',
    );
  }
  if (tried !== ECONNREFUSED) {
    throw explainBind(EADDRINUSE, text, 'another socket has this path, and is open');
  }
  const aside = Buffer.concat([path, Buffer.from(`.${randomUUID()}`)]);
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).errno === ENOENT) return;
    throw fromNode(error, 'rename', path.toString());
  }
  const moved = identityOf(aside);
  if (moved !== undefined && !isSame(before, moved)) {
    // Somebody has replaced it since: it gets its path back, unless yet another has taken that by now.
    try {
      linkSync(aside, path);
    } catch {
      // That one is open, or will be replaced by the next who wants it.
    }
    unlinkSync(aside);
    throw explainBind(EADDRINUSE, text, 'another socket has just taken this path');
  }
  unlinkSync(aside);
}

function statsOf(path: Buffer): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

/**
 * ECONNREFUSED where nobody has the socket open. A datagram socket that connects does nothing to the other side: to one of another type
 * it fails, and that shows that there is one.
 */
function tryConnect(address: Uint8Array): number {
  const probe = native.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (probe < 0) throw new IpcError(probe, 'socket');
  try {
    return native.connect(probe, address);
  } finally {
    descriptor.close(probe);
  }
}

/** A lock that ends with its process: an abstract name, which one socket at a time can have. */
function lockFor(path: Buffer): number {
  const end = path.lastIndexOf(SLASH);
  const { dev, ino } = statSync(end === 0 ? '/' : path.subarray(0, end), { bigint: true });
  const name = createHash('sha256')
    .update(path.subarray(end + 1))
    .digest('hex')
    .slice(0, 32);
  const fd = native.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new IpcError(fd, 'socket');
  const result = native.bind(fd, Buffer.from(`\0unix-ipc/replaceStale/${dev}/${ino}/${name}`), undefined);
  if (result >= 0) return fd;
  descriptor.close(fd);
  return result;
}
