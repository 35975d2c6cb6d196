import { FAULT, native } from '../native/mapping.js';
import { errno, failure, invalidState, IpcError } from './errors.js';

const ENOMEM = errno('ENOMEM');
const EOPNOTSUPP = errno('EOPNOTSUPP');

/** Memory longer than this has no place in an ArrayBuffer. */
export const LARGEST_BUFFER = 2 ** 32;

/** Why memory was not mapped. */
export function mappingReason(result: number, length?: number): string | undefined {
  if (result === EOPNOTSUPP) return 'this runtime makes no ArrayBuffer over memory of the system';
  if (result !== ENOMEM) return undefined;
  if (length === undefined || length <= LARGEST_BUFFER) {
    const long =
      length === undefined ? `, or it is longer than the ${LARGEST_BUFFER} bytes of an ArrayBuffer` : '';
    return `there are as many mappings as this package makes, or as a process may have (sysctl vm.max_map_count); or there is no memory, address space or huge page for it${long}`;
  }
  return `${length} bytes are more than an ArrayBuffer has, which is ${LARGEST_BUFFER} at most`;
}

/** The ArrayBuffer that a call gave, or its error. */
export function mapped(
  result: ArrayBuffer | number,
  syscall: string,
  context: { id?: number; path?: string; length?: number } = {},
): ArrayBuffer {
  if (typeof result !== 'number') return result;
  const { length, ...named } = context;
  throw new IpcError(result, syscall, { ...named, reason: mappingReason(result, length) });
}

/** Throws where a mapping is not what it was made as any more: detached, or by what a fault has done to it. */
export function checkMapping(what: string, buffer: ArrayBuffer): void {
  const faults = native.mappingFaults(buffer);
  if (faults === 0) return;
  if (faults < 0) throw invalidState(`The ${what} was detached by other means than close()`);
  throw failure(
    'ERR_MEMORY_LOST',
    (faults & FAULT.LOST) === 0
      ? `A view of this ${what} was written to, though it is read-only. What was written is in a private copy that nobody else sees, and that what others write does not reach. Close it, and open it without readOnly`
      : `A part of this ${what} is gone: another process has made it shorter, or there was no room for what was not reserved, as in a full /dev/shm. Zeros, and what was written since, are in its place, which nobody else sees. Close it, and open it anew`,
  );
}
