import { family } from '../internal/binding.js';

/** native/core/mapping.cc. Results are -errno where a call failed. */
interface Addon {
  /** Empties every view of a mapping and ends it. `attached`: only one of shmat(). */
  unmap: (buffer: ArrayBuffer, attached: boolean) => number;
  /** What has happened to a mapping: see FAULT. Negative where the ArrayBuffer is none. */
  mappingFaults: (buffer: ArrayBuffer) => number;
}

export const native = family('mapping') as Addon;

/** native/core/fault-guard.h. */
export const FAULT = { WRITTEN: 1, LOST: 2 } as const;
