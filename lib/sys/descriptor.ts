// <unistd.h> <fcntl.h> <poll.h>: descriptors of any kind
import { bytes, int, memory, notBytes, object, size, type Bytes } from '../internal/arguments.js';
import { invalidType, invalidValue, IpcError, outOfRange } from '../internal/errors.js';
import { takeAway } from '../internal/descriptor.js';
import { forget, isKnown, isRuntimes, madeHere, runtimes } from '../internal/runtime-descriptors.js';
import { slab } from '../internal/slab.js';
import { filled, given, NOT_BYTES } from '../native/core.js';
import { native } from '../native/descriptor.js';

export const O_RDONLY: number = native.constants.O_RDONLY;
export const O_WRONLY: number = native.constants.O_WRONLY;
export const O_RDWR: number = native.constants.O_RDWR;
export const O_ACCMODE: number = native.constants.O_ACCMODE;
export const O_CREAT: number = native.constants.O_CREAT;
export const O_EXCL: number = native.constants.O_EXCL;
export const O_TRUNC: number = native.constants.O_TRUNC;
export const O_APPEND: number = native.constants.O_APPEND;
export const O_NONBLOCK: number = native.constants.O_NONBLOCK;
export const O_CLOEXEC: number = native.constants.O_CLOEXEC;
export const O_DIRECT: number = native.constants.O_DIRECT;
export const O_NOFOLLOW: number = native.constants.O_NOFOLLOW;
export const F_DUPFD: number = native.constants.F_DUPFD;
export const F_DUPFD_CLOEXEC: number = native.constants.F_DUPFD_CLOEXEC;
export const F_GETFL: number = native.constants.F_GETFL;
export const F_SETFL: number = native.constants.F_SETFL;
export const F_GETFD: number = native.constants.F_GETFD;
export const F_SETFD: number = native.constants.F_SETFD;
export const FD_CLOEXEC: number = native.constants.FD_CLOEXEC;
export const F_SETPIPE_SZ: number = native.constants.F_SETPIPE_SZ;
export const F_GETPIPE_SZ: number = native.constants.F_GETPIPE_SZ;
export const F_ADD_SEALS: number = native.constants.F_ADD_SEALS;
export const F_GET_SEALS: number = native.constants.F_GET_SEALS;
export const F_SEAL_SEAL: number = native.constants.F_SEAL_SEAL;
export const F_SEAL_SHRINK: number = native.constants.F_SEAL_SHRINK;
export const F_SEAL_GROW: number = native.constants.F_SEAL_GROW;
export const F_SEAL_WRITE: number = native.constants.F_SEAL_WRITE;
export const F_SEAL_FUTURE_WRITE: number = native.constants.F_SEAL_FUTURE_WRITE;
export const POLLIN: number = native.constants.POLLIN;
export const POLLOUT: number = native.constants.POLLOUT;
export const POLLERR: number = native.constants.POLLERR;
export const POLLHUP: number = native.constants.POLLHUP;
export const POLLNVAL: number = native.constants.POLLNVAL;
export const POLLPRI: number = native.constants.POLLPRI;
export const POLLRDHUP: number = native.constants.POLLRDHUP;

const FCNTL_COMMANDS = [
  ...[F_DUPFD, F_DUPFD_CLOEXEC, F_GETFL, F_SETFL, F_GETFD, F_SETFD],
  ...[F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS],
];

/**
 * close(2): gives a descriptor back. Objects of this package that it belongs to are closed with it, and their promises that
 * wait reject with ECANCELED. Never waits.
 *
 * @throws IpcError EBADF, EIO; EPERM for a descriptor that the runtime's event loop lives on
 * @see https://man7.org/linux/man-pages/man2/close.2.html
 */
export function close(fd: number): void {
  closeAs('close', int(fd, 'fd'));
}

/** @internal close(2) under another name. */
export function closeAs(syscall: string, fd: number): void {
  if (isRuntimes(fd)) throw runtimes(fd, syscall);
  takeAway(fd);
  const result = native.close(fd);
  forget(fd);
  if (result < 0) throw new IpcError(result, syscall);
}

/**
 * read(2): takes up to `count` bytes; an empty Buffer at end of file. Waits until there is something, unless the descriptor
 * has O_NONBLOCK.
 *
 * @throws IpcError EAGAIN (O_NONBLOCK), EBADF (not open for reading), EINTR, EINVAL, EIO, EISDIR
 * @see https://man7.org/linux/man-pages/man2/read.2.html
 */
export function read(fd: number, count: number): Buffer;
/** read(2): the same call into memory of the caller's: fills it from its start, returns how many bytes. Allocates nothing. */
export function read(fd: number, into: Uint8Array): number;
export function read(fd: number, countOrMemory: number | Uint8Array): Buffer | number {
  // What is done again and again is the shortest way: after a switch of processes every instruction is a slow one.
  if (filled.has(countOrMemory) && isKnown(fd)) {
    const length = native.readAgain(fd);
    if (length >= 0) return length;
    throw new IpcError(length, 'read');
  }
  if (isRuntimes(int(fd, 'fd'))) throw runtimes(fd, 'read');
  return typeof countOrMemory === 'number'
    ? readFresh(fd, size(countOrMemory, 'count'))
    : readInto(fd, memory(countOrMemory, 'into'));
}

function readInto(fd: number, into: Uint8Array): number {
  const length = native.readInto(fd, into);
  if (length < 0) throw failure(length, 'read', into, 'into');
  return length;
}

function readFresh(fd: number, count: number): Buffer {
  const length = native.read(fd, slab.memory, slab.used, count, true);
  if (length < 0) throw new IpcError(length, 'read');
  return slab.take(length);
}

/**
 * write(2): gives bytes away; how many is returned. Waits for room, unless the descriptor has O_NONBLOCK. Up to PIPE_BUF
 * bytes into a pipe or FIFO are written whole and never among those of another writer.
 *
 * @throws IpcError EAGAIN (O_NONBLOCK), EBADF (not open for writing), EINTR, EINVAL, EIO, ENOSPC, EPIPE (nobody reads)
 * @see https://man7.org/linux/man-pages/man2/write.2.html
 */
export function write(fd: number, data: Bytes): number {
  if (given.has(data) && isKnown(fd)) {
    const length = native.writeAgain(fd);
    if (length >= 0) return length;
    throw new IpcError(length, 'write');
  }
  if (isRuntimes(int(fd, 'fd'))) throw runtimes(fd, 'write');
  const view = bytes(data, 'data');
  const length = native.write(fd, view, 0, true);
  if (length < 0) throw failure(length, 'write', view, 'data');
  return length;
}

function failure(result: number, syscall: string, view: unknown, name: string): Error {
  return result === NOT_BYTES ? notBytes(view, name) : new IpcError(result, syscall);
}

/**
 * dup(2): the lowest free descriptor for the same open file. Never waits.
 *
 * @throws IpcError EBADF, EMFILE; EPERM for a descriptor that the runtime's event loop lives on
 * @see https://man7.org/linux/man-pages/man2/dup.2.html
 */
export function dup(fd: number): number {
  if (isRuntimes(int(fd, 'fd'))) throw runtimes(fd, 'dup');
  const result = native.dup(fd);
  if (result < 0) throw new IpcError(result, 'dup');
  return madeHere(result);
}

/**
 * dup2(2): makes newfd a descriptor for the same open file, closing what it was before. Promises of this package's objects that
 * wait for that reject with ECANCELED. Never waits.
 *
 * @throws IpcError EBADF, EMFILE; EPERM where one of them is a descriptor that the runtime's event loop lives on
 * @see https://man7.org/linux/man-pages/man2/dup.2.html
 */
export function dup2(oldfd: number, newfd: number): number {
  int(oldfd, 'oldfd');
  int(newfd, 'newfd');
  if (isRuntimes(oldfd)) throw runtimes(oldfd, 'dup2');
  if (oldfd !== newfd && native.fcntl(oldfd, F_GETFD, 0) >= 0) {
    if (isRuntimes(newfd)) throw runtimes(newfd, 'dup2');
    takeAway(newfd);
  }
  const result = native.dup2(oldfd, newfd);
  if (result < 0) throw new IpcError(result, 'dup2');
  return madeHere(result);
}

/**
 * fcntl(2): looks at a descriptor or changes it. Never waits.
 *
 * @param cmd F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETPIPE_SZ, F_SETPIPE_SZ, F_GET_SEALS or
 *   F_ADD_SEALS
 * @throws IpcError EBADF, EBUSY (F_SETPIPE_SZ: more is in the pipe), EINVAL, EMFILE, EPERM (F_SETPIPE_SZ over
 *   fs.pipe-max-size without CAP_SYS_RESOURCE; F_ADD_SEALS on a sealed file)
 * @see https://man7.org/linux/man-pages/man2/fcntl.2.html
 */
export function fcntl(fd: number, cmd: number, arg = 0): number {
  int(fd, 'fd');
  if (!FCNTL_COMMANDS.includes(int(cmd, 'cmd'))) {
    throw invalidValue('cmd', `must be a command of those documented. Received ${cmd}`);
  }
  int(arg, 'arg');
  const copies = cmd === F_DUPFD || cmd === F_DUPFD_CLOEXEC;
  if ((copies || cmd === F_SETFL) && isRuntimes(fd)) throw runtimes(fd, 'fcntl');
  const result = native.fcntl(fd, cmd, arg);
  if (result < 0) throw new IpcError(result, 'fcntl');
  return copies ? madeHere(result) : result;
}

/**
 * ioctl(2) with FIONREAD: how many bytes can be read now. Never waits.
 *
 * @throws IpcError EBADF, EINVAL, ENOTTY
 * @see https://man7.org/linux/man-pages/man2/FIONREAD.2const.html
 */
export function fionread(fd: number): number {
  const result = native.fionread(int(fd, 'fd'));
  if (result < 0) throw new IpcError(result, 'fionread');
  return result;
}

const SHORT_MIN = -(2 ** 15);
const SHORT_MAX = 2 ** 15 - 1;

/**
 * poll(2): what has happened on each descriptor, in their order. Waits until something has on one of them, at most `timeout`
 * milliseconds (-1: for ever).
 *
 * @throws IpcError EINTR, EINVAL (more than RLIMIT_NOFILE descriptors), ENOMEM
 * @see https://man7.org/linux/man-pages/man2/poll.2.html
 */
export function poll(fds: { fd: number; events: number }[], timeout: number): number[] {
  if (!Array.isArray(fds)) throw invalidType('fds', 'an array', fds);
  const table = new Int32Array(fds.length * 3);
  for (let i = 0; i < fds.length; i++) {
    const entry = object(fds[i], `fds[${i}]`);
    if (entry === undefined) throw invalidType(`fds[${i}]`, 'an object', entry);
    table[i * 3] = int(entry.fd, `fds[${i}].fd`);
    table[i * 3 + 1] = short(entry.events, `fds[${i}].events`);
  }
  const result = native.poll(table, int(timeout, 'timeout'));
  if (result < 0) throw new IpcError(result, 'poll');
  return Array.from({ length: table.length / 3 }, (_, i) => table[i * 3 + 2] as number);
}

function short(value: unknown, name: string): number {
  const events = int(value, name);
  if (events >= SHORT_MIN && events <= SHORT_MAX) return events;
  throw outOfRange(name, `an integer from ${SHORT_MIN} to ${SHORT_MAX}`, value);
}
