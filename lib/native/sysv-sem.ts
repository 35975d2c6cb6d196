import { family } from '../internal/binding.js';
import { ALONG_SLOT, ALONG_SLOTS, block as shared, result, setLong } from './core.js';
import type { ipc_perm } from './sysv-ipc.js';

const block = shared;

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
  /** The operations are those of the block, unless they are given. */
  semop: (operations?: Uint8Array) => void;
  /** The first operation of the block. */
  semopOne: () => void;
  semopWithin: (operations?: Uint8Array) => void;
  semopLater: (operations?: Uint8Array) => void;
  semtimedop: (operations?: Uint8Array) => void;
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

const addon = family('sysv-sem') as Addon;

/** The members of one struct sembuf. */
const MEMBERS = 3;

/** Operations that have room in the block. */
const inBlock = new Int16Array(block.buffer, ALONG_SLOT * block.BYTES_PER_ELEMENT, 4 * ALONG_SLOTS);
/** The operations of the next call. */
let members = inBlock;
let size = 0;

function prepare(semid: number): void {
  block[0] = semid;
  block[1] = size;
}

/** What the call is given where its operations have no room in the block. */
function besides(): [] | [Uint8Array] {
  return members === inBlock ? [] : [new Uint8Array(members.buffer)];
}

const NOTHING = new Uint8Array(1);

/** Results are -errno where a call failed. A …Later call gives minus a ticket where it has to wait. */
export const native = {
  constants: addon.constants,
  semget: addon.semget,
  semctl: addon.semctl,
  semctlSetAll: addon.semctlSetAll,
  semctlSet: addon.semctlSet,

  /** Begins the list of operations of the next call. */
  startOperations(count: number): void {
    const length = MEMBERS * count;
    size = length * inBlock.BYTES_PER_ELEMENT;
    members = length <= inBlock.length ? inBlock : new Int16Array(length);
  },

  setOperation(index: number, semaphore: number, operation: number, flags: number): void {
    const at = MEMBERS * index;
    members[at] = semaphore;
    members[at + 1] = operation;
    members[at + 2] = flags;
  },

  /** With one operation, which is the usual case. */
  semopOne: (semid: number, semaphore: number, operation: number, flags: number): number => {
    inBlock[0] = semaphore;
    inBlock[1] = operation;
    inBlock[2] = flags;
    block[0] = semid;
    addon.semopOne();
    return result();
  },

  semop(semid: number): number {
    prepare(semid);
    if (members === inBlock) addon.semop();
    else addon.semop(...besides());
    return result();
  },

  semtimedop(semid: number, seconds: number, nanoseconds: number): number {
    setLong(2, seconds);
    setLong(3, nanoseconds);
    prepare(semid);
    addon.semtimedop(...besides());
    return result();
  },

  /** Waits at most `timeout` milliseconds (negative: for ever), after `spin` microseconds without sleep. */
  semopWithin(semid: number, timeout: number, spin: number): number {
    block[2] = timeout;
    block[3] = spin;
    prepare(semid);
    addon.semopWithin(...besides());
    return result();
  },

  semopLater(semid: number, spin: number): number {
    block[2] = spin;
    prepare(semid);
    addon.semopLater(...besides());
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
