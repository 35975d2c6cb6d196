import { family } from '../internal/binding.js';
import type { ipc_perm } from './sysv-ipc.js';
import { block as shared, filled, given, result, setLong } from './core.js';

const block = shared;

/** A message queue as the kernel describes it. Times are seconds since 1970, 0 for never. */
export interface msqid_ds {
  msg_perm: ipc_perm;
  msg_stime: number;
  msg_rtime: number;
  msg_ctime: number;
  msg_cbytes: number;
  msg_qnum: number;
  msg_qbytes: number;
  msg_lspid: number;
  msg_lrpid: number;
}

/** The system's limits (IPC_INFO), or what is in use (MSG_INFO: msgpool queues, msgmap messages, msgtql bytes). */
export interface msginfo {
  msgpool: number;
  msgmap: number;
  msgmax: number;
  msgmnb: number;
  msgmni: number;
  msgssz: number;
  msgtql: number;
  msgseg: number;
}

/** native/sysv-msg.cc. Numbers and results of msgsnd and msgrcv cross in the block. */
interface Addon {
  msgget: (key: number, flags: number) => number;
  msgsnd: (mtext?: Uint8Array) => void;
  msgsndWithin: (mtext: Uint8Array) => void;
  msgsndLater: (mtext: Uint8Array) => void;
  msgrcv: (into?: Uint8Array) => void;
  msgrcvWithin: (into: Uint8Array) => void;
  msgrcvLater: (into: Uint8Array) => void;
  msgrcvMany: (into: Uint8Array) => void;
  msgctl: (
    msqid: number,
    cmd: number,
  ) => (msqid_ds & { id?: number }) | (msginfo & { maxid: number }) | number | undefined;
  msgctlSet: (msqid: number, uid: number, gid: number, mode: number, qbytes: number | bigint) => number;
  constants: Record<
    'MSG_NOERROR' | 'MSG_EXCEPT' | 'MSG_COPY' | 'MSG_STAT' | 'MSG_INFO' | 'MSG_STAT_ANY',
    number
  >;
}

const addon = family('sysv-msg') as Addon;

/** What msgrcv is to take, and where it is to be put. */
export interface Receive {
  /** The most bytes to take. */
  size: number;
  type: number | bigint;
  flags: number;
}

function prepareSend(msqid: number, type: number | bigint, flags: number): void {
  block[0] = msqid;
  setLong(1, type);
  block[2] = flags;
}

function prepareReceive(msqid: number, { size, type, flags }: Receive, offset: number): void {
  block[0] = msqid;
  setLong(1, type);
  block[2] = flags;
  block[3] = size;
  block[4] = offset;
}

function receive(into: Uint8Array): void {
  if (filled.has(into)) {
    addon.msgrcv();
  } else {
    addon.msgrcv(into);
    filled.keep(into);
  }
}

/** Results are -errno where a call failed. A …Later call gives minus a ticket where it has to wait. */
export const native = {
  constants: addon.constants,
  msgget: addon.msgget,
  msgctl: addon.msgctl,
  msgctlSet: addon.msgctlSet,

  msgsnd(msqid: number, type: number | bigint, text: Uint8Array, flags: number): number {
    prepareSend(msqid, type, flags);
    if (given.has(text)) {
      addon.msgsnd();
    } else {
      addon.msgsnd(text);
      given.keep(text);
    }
    return result();
  },

  /** Waits at most `timeout` milliseconds (negative: for ever), after `spin` microseconds without sleep. */
  msgsndWithin(
    msqid: number,
    type: number | bigint,
    text: Uint8Array,
    timeout: number,
    spin: number,
  ): number {
    prepareSend(msqid, type, 0);
    block[3] = timeout;
    block[4] = spin;
    addon.msgsndWithin(text);
    return result();
  },

  msgsndLater(msqid: number, type: number | bigint, text: Uint8Array, spin: number): number {
    prepareSend(msqid, type, 0);
    block[3] = spin;
    addon.msgsndLater(text);
    return result();
  },

  /** Copies what it takes to into[offset] where that fits; else takeReceived() copies it. */
  msgrcv(msqid: number, into: Uint8Array, offset: number, call: Receive): number {
    prepareReceive(msqid, call, offset);
    receive(into);
    return result();
  },

  /** Takes at most as many bytes as `into` has. */
  msgrcvInto(msqid: number, into: Uint8Array, type: number | bigint, flags: number): number {
    block[0] = msqid;
    setLong(1, type);
    block[2] = flags;
    block[3] = -1;
    block[4] = 0;
    receive(into);
    return result();
  },

  msgrcvWithin(
    msqid: number,
    into: Uint8Array,
    offset: number,
    call: Receive,
    timeout: number,
    spin: number,
  ): number {
    prepareReceive(msqid, call, offset);
    block[5] = timeout;
    block[6] = spin;
    addon.msgrcvWithin(into);
    return result();
  },

  msgrcvLater(msqid: number, into: Uint8Array, offset: number, call: Receive, spin: number): number {
    prepareReceive(msqid, call, offset);
    block[5] = spin;
    addon.msgrcvLater(into);
    return result();
  },

  /** Takes at most `max` messages, as many as are there and fit into `into` from `offset` on; their rows are in the block. */
  msgrcvMany(msqid: number, into: Uint8Array, offset: number, call: Receive, max: number): number {
    prepareReceive(msqid, call, offset);
    block[5] = max;
    addon.msgrcvMany(into);
    return result();
  },
};
