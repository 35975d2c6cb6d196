// <sys/eventfd.h>
import { int, unsigned } from '../internal/arguments.js';
import { IpcError } from '../internal/errors.js';
import { madeHere } from '../internal/runtime-descriptors.js';
import { native } from '../native/eventfd.js';

export const EFD_NONBLOCK: number = native.constants.EFD_NONBLOCK;
export const EFD_CLOEXEC: number = native.constants.EFD_CLOEXEC;
export const EFD_SEMAPHORE: number = native.constants.EFD_SEMAPHORE;

/**
 * eventfd(2): a new counter. write() of 8 bytes in the machine's order adds to it; read() takes it, and waits while it is 0.
 * Never waits itself.
 *
 * @param initval an unsigned int
 * @param flags EFD_NONBLOCK, EFD_CLOEXEC, EFD_SEMAPHORE (read() takes 1 of it)
 * @throws IpcError EINVAL, EMFILE, ENFILE
 * @see https://man7.org/linux/man-pages/man2/eventfd.2.html
 */
export function eventfd(initval: number, flags = 0): number {
  const result = native.eventfd(unsigned(initval, 'initval'), int(flags, 'flags'));
  if (result < 0) throw new IpcError(result, 'eventfd');
  return madeHere(result);
}
