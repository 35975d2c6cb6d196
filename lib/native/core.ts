import { binding } from '../internal/binding.js';

/** What the addon offers besides the families' calls: native/core/environment.cc. */
export interface Core {
  /** Names the memory that results are handed over in and the function called when waits have ended. */
  attach(handOver: Float64Array, onDone: (rows: number, bytes: Buffer | undefined) => void): void;
  /** True where the wait is gone; false where onDone will tell how it ended. */
  cancelWait(ticket: number): boolean;
  /** Copies what the last call received but had no room for. */
  takeReceived(into: Uint8Array): number;
  setThreadLimit(limit: number): void;
  threadLimit(): number;
  busyThreads(): number;
  errorTable(): [number: number, name: string, description: string][];
}

export const core = binding as Core;
