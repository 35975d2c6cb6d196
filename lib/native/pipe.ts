import { family } from '../internal/binding.js';
import { block as shared, result } from './core.js';

const block = shared;

/** native/pipe.cc. Numbers and results of open cross in the block. */
interface Addon {
  pipe2: (flags: number) => [read: number, write: number] | number;
  mkfifo: (path: string, mode: number) => number;
  open: (path: Uint8Array) => void;
  openInterruptibly: (path: Uint8Array) => void;
  openLater: (path: Uint8Array) => void;
  splice: (fdIn: number, fdOut: number, size: number, flags: number) => number;
  tee: (fdIn: number, fdOut: number, size: number, flags: number) => number;
  constants: Record<'SPLICE_F_MOVE' | 'SPLICE_F_NONBLOCK' | 'SPLICE_F_MORE' | 'PIPE_BUF', number>;
}

const addon = family('pipe') as Addon;

/** Openings that wait are told apart by a number: each has a thread of its own. */
let lane = 0;

function prepare(path: string, flags: number, mode: number): Uint8Array {
  block[0] = flags;
  block[1] = mode;
  block[2] = lane++;
  return Buffer.from(`${path}\0`);
}

/** Results are -errno where a call failed. */
export const native = {
  ...addon,

  open(path: string, flags: number, mode: number): number {
    addon.open(prepare(path, flags, mode));
    return result();
  },

  /**
   * Waits for the other side of a FIFO at most `timeout` milliseconds (negative: for ever), or until a signal handler is to
   * run: EINTR, which the call itself does not give after handlers of process.on().
   */
  openInterruptibly(path: string, flags: number, timeout: number): number {
    block[0] = flags;
    block[1] = timeout;
    addon.openInterruptibly(Buffer.from(`${path}\0`));
    return result();
  },

  /** Minus a ticket where it has to wait. */
  openLater(path: string, flags: number): number {
    const given = prepare(path, flags, 0);
    block[3] = 0;
    addon.openLater(given);
    return result();
  },
};
