import { family } from '../internal/binding.js';
import { block as shared, filled, result, setLong } from './core.js';

const block = shared;

/** native/futex.cc. A word is a view that begins with it. Numbers and results cross in the block. */
interface Addon {
  futex_wait: (word?: Uint8Array) => void;
  futex_waitWithin: (word: Uint8Array) => void;
  futex_waitLater: (word: Uint8Array) => void;
  futexWaitFor: (word: Uint8Array) => void;
  futexWake: (word?: Uint8Array) => void;
}

const addon = family('futex') as Addon;

/** Results are -errno where a call failed. A …Later call gives minus a ticket where it has to wait. */
export const native = {
  wait(word: Uint8Array, expected: number): number {
    block[0] = expected;
    if (filled.has(word)) {
      addon.futex_wait();
    } else {
      addon.futex_wait(word);
      filled.keep(word);
    }
    return result();
  },

  waitFor(word: Uint8Array, expected: number, seconds: number, nanoseconds: number): number {
    block[0] = expected;
    setLong(1, seconds);
    setLong(2, nanoseconds);
    addon.futexWaitFor(word);
    return result();
  },

  /** Waits at most `timeout` milliseconds (negative: for ever), after `spin` microseconds without sleep. */
  waitWithin(word: Uint8Array, expected: number, timeout: number, spin: number): number {
    block[0] = expected;
    block[1] = timeout;
    block[2] = spin;
    addon.futex_waitWithin(word);
    return result();
  },

  waitLater(word: Uint8Array, expected: number, spin: number): number {
    block[0] = expected;
    block[1] = spin;
    addon.futex_waitLater(word);
    return result();
  },

  wake(word: Uint8Array, count: number): number {
    block[0] = count;
    if (filled.has(word)) {
      addon.futexWake();
    } else {
      addon.futexWake(word);
      filled.keep(word);
    }
    return result();
  },
};
