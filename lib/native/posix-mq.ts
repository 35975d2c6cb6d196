import { family } from '../internal/binding.js';
import type { timespec } from '../internal/timespec.js';
import { block as shared, filled, given, result, setLong } from './core.js';

const block = shared;

/** A queue's attributes. Of those that mq_open takes, the kernel looks at mq_maxmsg and mq_msgsize. */
export interface mq_attr {
  mq_flags: number;
  mq_maxmsg: number;
  mq_msgsize: number;
  mq_curmsgs: number;
}

/** native/posix-mq.cc. Numbers and results of sending and receiving cross in the block. */
interface Addon {
  mq_open: (
    name: string,
    oflag: number,
    mode: number,
    maxmsg: number | undefined,
    msgsize: number | undefined,
  ) => number;
  mq_unlink: (name: string) => number;
  mq_getattr: (mqdes: number) => mq_attr | number;
  mq_setattr: (mqdes: number, flags: number) => mq_attr | number;
  mq_contents: (mqdes: number) => string | number;
  mq_send: (message?: Uint8Array) => void;
  mq_receive: (into?: Uint8Array) => void;
  mq_receiveMany: (into: Uint8Array) => void;
  mq_notify: (mqdes: number, notify?: number, signal?: number, value?: number) => number;
  mq_notifySocket: () => number;
  mq_notifyThrough: (mqdes: number, socket: number) => number;
  constants: Record<'SIGEV_SIGNAL' | 'SIGEV_NONE' | 'SIGEV_THREAD' | 'MQ_PRIO_MAX', number>;
}

const addon = family('posix-mq') as Addon;

/** Long past: a call with this limit does not wait, whether or not the descriptor has O_NONBLOCK. */
export const NEVER_WAIT: timespec = { tv_sec: 0, tv_nsec: 0 };

function setUntil(slot: number, until: timespec | null): void {
  block[slot + 2] = until === null ? 0 : 1;
  if (until === null) return;
  setLong(slot, until.tv_sec);
  block[slot + 1] = until.tv_nsec;
}

/** Results are -errno where a call failed. */
export const native = {
  ...addon,

  mq_send(mqdes: number, message: Uint8Array, priority: number, until: timespec | null): number {
    block[0] = mqdes;
    block[1] = priority;
    setUntil(2, until);
    addon.mq_send(message);
    given.keep(message);
    return result();
  },

  /**
   * Offers `size` bytes. Copies the message to into[offset] where `size` bytes fit there or it does; else takeReceived()
   * copies it. The priority is the detail.
   */
  mq_receive(mqdes: number, into: Uint8Array, offset: number, size: number, until: timespec | null): number {
    block[0] = mqdes;
    block[1] = offset;
    block[2] = size;
    setUntil(3, until);
    addon.mq_receive(into);
    return result();
  },

  /** Offers as many bytes as `into` has. */
  mq_receiveInto(mqdes: number, into: Uint8Array): number {
    block[0] = mqdes;
    block[1] = 0;
    block[2] = -1;
    block[5] = 0;
    addon.mq_receive(into);
    filled.keep(into);
    return result();
  },

  /** The same with the view of the call before: see filled. */
  mq_receiveAgain(mqdes: number): number {
    block[0] = mqdes;
    block[1] = 0;
    block[2] = -1;
    block[5] = 0;
    addon.mq_receive();
    return result();
  },

  /** Sends the view of the call before: see given. */
  mq_sendAgain(mqdes: number, priority: number): number {
    block[0] = mqdes;
    block[1] = priority;
    block[4] = 0;
    addon.mq_send();
    return result();
  },

  /** Takes at most `max` messages of at most `size` bytes, as many as are there and have room in `into` from `offset` on. */
  mq_receiveMany(mqdes: number, into: Uint8Array, offset: number, size: number, max: number): number {
    block[0] = mqdes;
    block[1] = offset;
    block[2] = size;
    block[3] = max;
    addon.mq_receiveMany(into);
    return result();
  },
};
