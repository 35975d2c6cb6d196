import { errno, IpcError } from './errors.js';

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
    return `there are as many mappings as this package makes in one thread, or as a process may have (sysctl vm.max_map_count); or there is no memory, address space or huge page for it${long}`;
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
