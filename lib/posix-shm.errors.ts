// Why a call on POSIX shared memory failed, and what can be done about it.
import { statSync, type Stats } from 'node:fs';
import { errno, IpcError } from './internal/errors.js';
import { mappingReason } from './internal/mapping.js';
import { ownership } from './internal/permissions.js';

/** Where the C library keeps the objects, as files. */
export const FOLDER = '/dev/shm';

export function explainOpen(result: number, name: string): IpcError {
  return new IpcError(result, 'shm_open', { path: name, reason: openReason(result, name) });
}

/** Of an object that was to have `size` bytes at least. */
export function explainTooSmall(result: number, name: string, size: number, present: number): IpcError {
  const reason = `the object of this name has ${present} bytes, and ${size} were asked for`;
  return new IpcError(result, 'shm_open', { path: name, reason });
}

function openReason(result: number, name: string): string | undefined {
  switch (result) {
    case errno('ENOENT'):
      return 'there is no shared memory object of this name; create() makes one';
    case errno('EEXIST'):
      return 'there is a shared memory object of this name; open() opens it, exclusive: false takes either';
    case errno('EACCES'):
      return `no permission${belongs(name)}; readOnly: true needs only the right to read`;
    // Of names that are much too long the C library says EINVAL.
    case errno('ENAMETOOLONG'):
    case errno('EINVAL'):
      return 'a name begins with a slash, and has 1 to 255 other bytes and no other slash';
    default:
      return undefined;
  }
}

function belongs(name: string): string {
  let found: Stats;
  try {
    found = statSync(FOLDER + name);
  } catch {
    return '';
  }
  return `: ${ownership('the object', found)}`;
}

export function explainUnlink(result: number, name: string): IpcError {
  const reasons = new Map([
    [errno('ENOENT'), 'there is no shared memory object of this name'],
    [errno('EACCES'), 'only its owner, or root, may take its name away'],
  ]);
  return new IpcError(result, 'shm_unlink', { path: name, reason: reasons.get(result) });
}

/** Of the calls that give an object its size. */
export function explainSize(result: number, syscall: string, size: number, name?: string): IpcError {
  return new IpcError(result, syscall, { path: name, reason: sizeReason(result, size) });
}

function sizeReason(result: number, size: number): string | undefined {
  switch (result) {
    case errno('ENOSPC'):
      return `there is no room for ${size} bytes: /dev/shm is full, or no huge pages are free (df /dev/shm; sysctl vm.nr_hugepages)`;
    case errno('ENOMEM'):
      return `the machine has not as much memory as ${size} bytes left; reserve: false takes pages when they are written`;
    case errno('EPERM'):
      return 'the memory is sealed against that (shrink, grow, write)';
    case errno('EINVAL'):
      return 'the descriptor is read-only; or, with hugePages, the size is no multiple of theirs';
    case errno('EFBIG'):
      return `${size} bytes are more than a file may have, or than RLIMIT_FSIZE allows`;
    default:
      return undefined;
  }
}

export function explainMap(result: number, length: number, name?: string): IpcError {
  const reason = mappingReason(result, length) ?? mapReason(result);
  return new IpcError(result, 'mmap', { path: name, reason });
}

function mapReason(result: number): string | undefined {
  switch (result) {
    case errno('EPERM'):
      return 'the memory is sealed against writing; readOnly: true opens it';
    case errno('EACCES'):
      return 'the descriptor is open for reading alone; readOnly: true needs no more';
    case errno('EINVAL'):
      return 'the object has no bytes: whoever makes it has not given it a size yet (ftruncate)';
    default:
      return undefined;
  }
}

export function explainLock(result: number, syscall: string): IpcError {
  const reason =
    result === errno('ENOMEM') || result === errno('EPERM') || result === errno('EAGAIN')
      ? 'more memory would be locked than RLIMIT_MEMLOCK allows, or a part of it is gone'
      : undefined;
  return new IpcError(result, syscall, { reason });
}

export function explainSeal(result: number): IpcError {
  const reasons = new Map([
    [
      errno('EBUSY'),
      'a mapping that may write is there still, in this process or another; it must be closed first',
    ],
    [errno('EPERM'), "the memory is sealed against more seals ('seal'), or may only be read"],
    [errno('EINVAL'), 'the memory takes no seals, or this kernel knows no such seal'],
  ]);
  return new IpcError(result, 'fcntl', { reason: reasons.get(result) });
}
