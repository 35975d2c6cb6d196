import { binding } from '../internal/binding.js';
import { block, given, result, setLong } from './core.js';
import type { ipc_perm } from './sysv-ipc.js';

/** A set of semaphores as the kernel describes it. Times are seconds since 1970, 0 for never. */
export interface semid_ds {
  sem_perm: ipc_perm;
  sem_otime: number;
  sem_ctime: number;
  sem_nsems: number;
}

/** The system's limits (IPC_INFO), or what is in use (SEM_INFO: semusz sets, semaem semaphores). */
export interface seminfo {
  semmap: number;
  semmni: number;
  semmns: number;
  semmnu: number;
  semmsl: number;
  semopm: number;
  semume: number;
  semusz: number;
  semvmx: number;
  semaem: number;
}

/** native/sysv-sem.cc. Numbers and results of semop, semtimedop and flock cross in the block. */
interface Addon {
  semget: (key: number, count: number, flags: number) => number;
  semop: (operations?: Uint8Array) => void;
  semopWithin: (operations: Uint8Array) => void;
  semopLater: (operations: Uint8Array) => void;
  semtimedop: (operations: Uint8Array) => void;
  semctl: (
    semid: number,
    semnum: number,
    cmd: number,
    value: number,
  ) => (semid_ds & { id?: number }) | (seminfo & { maxid: number }) | number[] | number;
  /** The values are unsigned shorts. */
  semctlSetAll: (semid: number, values: Uint8Array) => number;
  semctlSet: (semid: number, uid: number, gid: number, mode: number) => number;
  flockWithin: (nothing: Uint8Array) => void;
  constants: Record<
    | 'SEM_UNDO'
    | 'GETVAL'
    | 'SETVAL'
    | 'GETALL'
    | 'SETALL'
    | 'GETPID'
    | 'GETNCNT'
    | 'GETZCNT'
    | 'SEM_STAT'
    | 'SEM_INFO'
    | 'SEM_STAT_ANY',
    number
  >;
}

const addon = binding as Addon;

/** Members of a struct sembuf, and its bytes. */
const MEMBERS = 3;
const SEMBUF = 2 * MEMBERS;

/** A list of operations as the kernel takes it. */
export class Operations {
  #members: Int16Array<ArrayBuffer>;
  #bytes: Uint8Array<ArrayBuffer>;
  #size = 0;

  constructor(room: number) {
    this.#members = new Int16Array(MEMBERS * room);
    this.#bytes = new Uint8Array(this.#members.buffer);
  }

  /** The memory, and how much of it is the list. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }
  get size(): number {
    return this.#size;
  }

  /** Begins a list of so many. */
  start(count: number): void {
    this.#size = count * SEMBUF;
    if (this.#size <= this.#bytes.length) return;
    this.#members = new Int16Array(MEMBERS * count);
    this.#bytes = new Uint8Array(this.#members.buffer);
  }

  set(index: number, semaphore: number, operation: number, flags: number): void {
    const at = MEMBERS * index;
    const members = this.#members;
    members[at] = semaphore;
    members[at + 1] = operation;
    members[at + 2] = flags;
  }
}

const NOTHING = new Uint8Array(1);

/** Results are -errno where a call failed. A …Later call gives minus a ticket where it has to wait. */
export const native = {
  constants: addon.constants,
  semget: addon.semget,
  semctl: addon.semctl,
  semctlSetAll: addon.semctlSetAll,
  semctlSet: addon.semctlSet,

  semop(semid: number, operations: Operations): number {
    block[0] = semid;
    block[1] = operations.size;
    const { bytes } = operations;
    if (given.has(bytes)) {
      addon.semop();
    } else {
      addon.semop(bytes);
      given.keep(bytes);
    }
    return result();
  },

  semtimedop(semid: number, operations: Operations, seconds: number, nanoseconds: number): number {
    block[0] = semid;
    block[1] = operations.size;
    setLong(2, seconds);
    setLong(3, nanoseconds);
    addon.semtimedop(operations.bytes);
    return result();
  },

  /** Waits at most `timeout` milliseconds (negative: for ever), after `spin` microseconds without sleep. */
  semopWithin(semid: number, operations: Operations, timeout: number, spin: number): number {
    block[0] = semid;
    block[1] = operations.size;
    block[2] = timeout;
    block[3] = spin;
    addon.semopWithin(operations.bytes);
    return result();
  },

  semopLater(semid: number, operations: Operations, spin: number): number {
    block[0] = semid;
    block[1] = operations.size;
    block[2] = spin;
    addon.semopLater(operations.bytes);
    return result();
  },

  /** flock(2): locks the file for this descriptor alone. Waits at most `timeout` milliseconds. */
  flock(fd: number, timeout: number): number {
    block[0] = fd;
    block[1] = timeout;
    block[2] = 0;
    addon.flockWithin(NOTHING);
    return result();
  },
};
