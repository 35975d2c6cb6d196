import { family } from '../internal/binding.js';
import { block as shared, result } from './core.js';

const block = shared;

/** native/eventfd.cc. Numbers and results of eventfdAdd cross in the block. */
interface Addon {
  eventfd: (initval: number, flags: number) => number;
  eventfdAdd: (value: Uint8Array) => void;
  eventfdAddWithin: (value: Uint8Array) => void;
  constants: Record<'EFD_NONBLOCK' | 'EFD_CLOEXEC' | 'EFD_SEMAPHORE', number>;
}

const addon = family('eventfd') as Addon;

/** Results are -errno where a call failed. */
export const native = {
  eventfd: addon.eventfd,
  constants: addon.constants,

  /** Adds the 64-bit number that the 8 bytes are. */
  add(fd: number, value: Uint8Array): number {
    block[0] = fd;
    addon.eventfdAdd(value);
    return result();
  },

  /** Waits at most `timeout` milliseconds for room in the counter: ETIMEDOUT. */
  addWithin(fd: number, value: Uint8Array, timeout: number): number {
    block[0] = fd;
    block[1] = timeout;
    block[2] = 0;
    addon.eventfdAddWithin(value);
    return result();
  },
};
