// <sys/mman.h>: POSIX shared memory, mappings
import { cString, int, integer, size, unsigned } from '../internal/arguments.js';
import { invalidType, invalidValue, IpcError } from '../internal/errors.js';
import { mapped } from '../internal/mapping.js';
import { arrayBuffer } from '../internal/memory-range.js';
import { isRuntimes, madeHere, runtimes } from '../internal/runtime-descriptors.js';
import { native as mapping } from '../native/mapping.js';
import { native } from '../native/posix-shm.js';

export const PROT_NONE: number = native.constants.PROT_NONE;
export const PROT_READ: number = native.constants.PROT_READ;
export const PROT_WRITE: number = native.constants.PROT_WRITE;
export const MAP_SHARED: number = native.constants.MAP_SHARED;
export const MAP_PRIVATE: number = native.constants.MAP_PRIVATE;
export const MAP_ANONYMOUS: number = native.constants.MAP_ANONYMOUS;
export const MAP_POPULATE: number = native.constants.MAP_POPULATE;
export const MAP_HUGETLB: number = native.constants.MAP_HUGETLB;
export const MS_SYNC: number = native.constants.MS_SYNC;
export const MS_ASYNC: number = native.constants.MS_ASYNC;
export const MS_INVALIDATE: number = native.constants.MS_INVALIDATE;
export const MFD_CLOEXEC: number = native.constants.MFD_CLOEXEC;
export const MFD_ALLOW_SEALING: number = native.constants.MFD_ALLOW_SEALING;
export const MFD_HUGETLB: number = native.constants.MFD_HUGETLB;
export const MFD_NOEXEC_SEAL: number = native.constants.MFD_NOEXEC_SEAL;

const { MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN } = native.constants;
/** Flags that choose the address, or have the mapping grow over others. */
const ADDRESSED = MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN;

/**
 * shm_open(3): opens the shared memory object of this name, made first, with no bytes, where oflag has O_CREAT. The
 * descriptor is close-on-exec. Never waits.
 *
 * @param name begins with a slash and has no other
 * @param oflag O_RDONLY or O_RDWR, and O_CREAT, O_EXCL, O_TRUNC
 * @param mode the permissions of an object that is made, less the umask
 * @throws IpcError with `path`: EACCES, EEXIST, EINVAL, EMFILE, ENAMETOOLONG, ENFILE, ENOENT
 * @see https://man7.org/linux/man-pages/man3/shm_open.3.html
 */
export function shm_open(name: string, oflag: number, mode = 0o600): number {
  const result = native.shmOpen(cString(name, 'name'), int(oflag, 'oflag'), unsigned(mode, 'mode'));
  if (result < 0) throw new IpcError(result, 'shm_open', { path: name });
  return madeHere(result);
}

/**
 * shm_unlink(3): takes the name away; the object goes when nobody has it open or mapped any more. Never waits.
 *
 * @throws IpcError with `path`: EACCES, EINVAL, ENAMETOOLONG, ENOENT
 * @see https://man7.org/linux/man-pages/man3/shm_open.3.html
 */
export function shm_unlink(name: string): void {
  const result = native.shmUnlink(cString(name, 'name'));
  if (result < 0) throw new IpcError(result, 'shm_unlink', { path: name });
}

/**
 * memfd_create(2): a file without a name, in memory, with no bytes. Never waits.
 *
 * @param name only for /proc/self/fd; at most 249 bytes
 * @param flags MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_HUGETLB, MFD_NOEXEC_SEAL
 * @throws IpcError with `path`: EINVAL, EMFILE, ENFILE, ENOMEM, EPERM (MFD_HUGETLB)
 * @see https://man7.org/linux/man-pages/man2/memfd_create.2.html
 */
export function memfd_create(name: string, flags = 0): number {
  const result = native.memfdCreate(cString(name, 'name'), unsigned(flags, 'flags'));
  if (result < 0) throw new IpcError(result, 'memfd_create', { path: name });
  return madeHere(result);
}

/**
 * ftruncate(2): gives the file a length. What is cut off is lost; what is added reads as zeros, and takes pages only when
 * it is written. Never waits.
 *
 * @throws IpcError EBADF, EFBIG, EINVAL (negative; not a file, or not open for writing), EPERM (sealed)
 * @see https://man7.org/linux/man-pages/man2/ftruncate.2.html
 */
export function ftruncate(fd: number, length: number): void {
  int(fd, 'fd');
  integer(length, 'length');
  if (isRuntimes(fd)) throw runtimes(fd, 'ftruncate');
  const result = native.ftruncate(fd, length);
  if (result < 0) throw new IpcError(result, 'ftruncate');
}

/**
 * mmap(2): maps a file, or memory of no file. The ArrayBuffer is the memory itself; it can't be transferred, and is
 * unmapped when it is garbage collected. Never waits, except for the pages with MAP_POPULATE.
 *
 * Touching it never ends the process: a write without PROT_WRITE stays in a private copy of the page, and a page that is
 * not there (PROT_NONE, past the end of a file that has become shorter) reads as zeros.
 *
 * @param addr null: the kernel chooses the address
 * @param length bytes, as many as the ArrayBuffer has
 * @param prot PROT_NONE, or PROT_READ and PROT_WRITE
 * @param flags MAP_SHARED or MAP_PRIVATE, and MAP_ANONYMOUS, MAP_POPULATE, MAP_HUGETLB
 * @param fd -1 with MAP_ANONYMOUS
 * @param offset a multiple of the page size
 * @throws IpcError EACCES, EAGAIN, EBADF, EINVAL, ENODEV, ENOMEM (over 4 GiB; no memory), EOVERFLOW, EPERM (sealed)
 * @see https://man7.org/linux/man-pages/man2/mmap.2.html
 */
export function mmap(
  addr: null,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  offset = 0,
): ArrayBuffer {
  if ((addr as unknown) !== null) throw invalidType('addr', 'null', addr);
  size(length, 'length');
  int(prot, 'prot');
  if ((int(flags, 'flags') & ADDRESSED) !== 0) {
    throw invalidValue('flags', 'must leave the choice of the address to the kernel');
  }
  const result = native.mmap(length, prot, flags, int(fd, 'fd'), integer(offset, 'offset'), 0);
  return mapped(result, 'mmap', { length });
}

/**
 * munmap(2): unmaps. The ArrayBuffer and every view of it have length 0 from here on; using them is safe. Never waits.
 *
 * @throws IpcError EINVAL on a second call, and for an ArrayBuffer that is no mapping
 * @see https://man7.org/linux/man-pages/man2/mmap.2.html
 */
export function munmap(addr: ArrayBuffer): void {
  const result = mapping.unmap(arrayBuffer(addr, 'addr'), false);
  if (result < 0) throw new IpcError(result, 'munmap');
}

/**
 * msync(2): writes a mapped file's changed pages back to it. MS_SYNC waits until that is done.
 *
 * @param flags MS_SYNC or MS_ASYNC, and MS_INVALIDATE
 * @throws IpcError EBUSY (MS_INVALIDATE, locked pages), EINVAL, EIO
 * @see https://man7.org/linux/man-pages/man2/msync.2.html
 */
export function msync(addr: ArrayBuffer, flags: number): void {
  const result = native.msync(arrayBuffer(addr, 'addr'), int(flags, 'flags'));
  if (result < 0) throw new IpcError(result, 'msync');
}
