// <unistd.h> <sys/stat.h> <fcntl.h>: pipes and FIFOs
import { cString, int, size, unsigned } from '../internal/arguments.js';
import { IpcError } from '../internal/errors.js';
import { isRuntimes, madeHere, runtimes } from '../internal/runtime-descriptors.js';
import { native as descriptor } from '../native/descriptor.js';
import { native } from '../native/pipe.js';

export const PIPE_BUF: number = native.constants.PIPE_BUF;
export const SPLICE_F_MOVE: number = native.constants.SPLICE_F_MOVE;
export const SPLICE_F_NONBLOCK: number = native.constants.SPLICE_F_NONBLOCK;
export const SPLICE_F_MORE: number = native.constants.SPLICE_F_MORE;

/**
 * pipe(2): a new pipe: the descriptor that reads from it, the one that writes to it. Never waits.
 *
 * @throws IpcError EMFILE, ENFILE
 * @see https://man7.org/linux/man-pages/man2/pipe.2.html
 */
export function pipe(): [read: number, write: number] {
  return create('pipe', 0);
}

/**
 * pipe2(2): the same with flags. Never waits.
 *
 * @param flags O_CLOEXEC, O_NONBLOCK, O_DIRECT (each write is a packet, and each read takes one)
 * @throws IpcError EINVAL, EMFILE, ENFILE
 * @see https://man7.org/linux/man-pages/man2/pipe.2.html
 */
export function pipe2(flags: number): [read: number, write: number] {
  return create('pipe2', int(flags, 'flags'));
}

function create(syscall: string, flags: number): [read: number, write: number] {
  const ends = native.pipe2(flags);
  if (typeof ends === 'number') throw new IpcError(ends, syscall);
  ends.forEach(madeHere);
  return ends;
}

/**
 * mkfifo(3): makes a FIFO. Never waits.
 *
 * @param mode its permissions, less the umask
 * @throws IpcError with `path`: EACCES, EEXIST, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EROFS
 * @see https://man7.org/linux/man-pages/man3/mkfifo.3.html
 */
export function mkfifo(path: string, mode: number): void {
  const result = native.mkfifo(cString(path, 'path'), unsigned(mode, 'mode'));
  if (result < 0) throw new IpcError(result, 'mkfifo', { path });
}

/**
 * open(2): a descriptor for a file. For a FIFO it waits until the other side is opened too, unless flags have O_NONBLOCK:
 * then it opens for reading at once, and fails with ENXIO for writing while nobody reads.
 *
 * @param mode the permissions of a file that is made, less the umask
 * @throws IpcError with `path`: EACCES, EEXIST, EINTR, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENOENT, ENOTDIR, ENXIO
 * @see https://man7.org/linux/man-pages/man2/open.2.html
 */
export function open(path: string, flags: number, mode = 0o600): number {
  const result = native.open(cString(path, 'path'), int(flags, 'flags'), unsigned(mode, 'mode'));
  if (result < 0) throw new IpcError(result, 'open', { path });
  // Through /proc, say.
  if (isRuntimes(result)) {
    descriptor.close(result);
    throw runtimes(result, 'open');
  }
  return madeHere(result);
}

/**
 * splice(2): moves up to `len` bytes from one descriptor to another, of which one is a pipe, without copying them through the
 * program. Returns how many; 0 at end of file. Waits for data and for room, unless flags have SPLICE_F_NONBLOCK.
 *
 * @throws IpcError EAGAIN (SPLICE_F_NONBLOCK), EBADF, EINTR, EINVAL (neither is a pipe; both are the same one), EPIPE
 * @see https://man7.org/linux/man-pages/man2/splice.2.html
 */
export function splice(fdIn: number, fdOut: number, len: number, flags = 0): number {
  return move('splice', fdIn, fdOut, len, flags);
}

/**
 * tee(2): copies up to `len` bytes from one pipe to another and leaves them in the first. Returns how many; 0 at end of
 * file. Waits as splice() does.
 *
 * @throws IpcError EAGAIN (SPLICE_F_NONBLOCK), EBADF, EINTR, EINVAL (not two different pipes), EPIPE
 * @see https://man7.org/linux/man-pages/man2/tee.2.html
 */
export function tee(fdIn: number, fdOut: number, len: number, flags = 0): number {
  return move('tee', fdIn, fdOut, len, flags);
}

function move(syscall: 'splice' | 'tee', fdIn: number, fdOut: number, len: number, flags: number): number {
  int(fdIn, 'fdIn');
  int(fdOut, 'fdOut');
  size(len, 'len');
  unsigned(flags, 'flags');
  if (isRuntimes(fdIn)) throw runtimes(fdIn, syscall);
  if (isRuntimes(fdOut)) throw runtimes(fdOut, syscall);
  const result = native[syscall](fdIn, fdOut, len, flags);
  if (result < 0) throw new IpcError(result, syscall);
  return result;
}
