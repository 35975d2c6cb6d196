// What the kernel tells of its semaphore sets.
import { errno, IpcError } from './internal/errors.js';
import { ownerOf, time, type SysvOwner } from './internal/sysv-owner.js';
import { native } from './native/sysv-sem.js';
import { IPC_INFO } from './sys/sysv-ipc.js';
import { SEM_INFO, SEM_STAT_ANY, semctl, type semid_ds, type seminfo, stat } from './sys/sysv-sem.js';

/** One semaphore of a set. */
export interface SysvSemaphoreState {
  value: number;
  /** The process that changed it last; 0 where nobody has. */
  pid: number;
  /** How many wait for it to grow, and how many for it to be 0. */
  waiting: number;
  waitingForZero: number;
}

/** A set's state, as everybody may see it. */
export interface SysvSemaphoreSetInfo extends SysvOwner {
  id: number;
  /** How many semaphores it has. */
  count: number;
  /** Undefined where there has been none. */
  lastOperationTime: Date | undefined;
  changeTime: Date;
}

/** A set's state, and that of its semaphores. */
export interface SysvSemaphoreSetStat extends Omit<SysvSemaphoreSetInfo, 'id'> {
  semaphores: SysvSemaphoreState[];
}

/** The system's limits and use, of this IPC namespace. All limits are in the sysctl kernel.sem. */
export interface SysvSemaphoreSetLimits {
  /** Sets (SEMMNI), semaphores in all of them (SEMMNS), and in one (SEMMSL). */
  maxSets: number;
  maxSemaphores: number;
  maxPerSet: number;
  /** Operations at once (SEMOPM). */
  maxOperations: number;
  /** The value of a semaphore (SEMVMX). */
  maxValue: number;
  /** In use now. */
  sets: number;
  semaphores: number;
}

const EINVAL = errno('EINVAL');
const EIDRM = errno('EIDRM');

export function list(): SysvSemaphoreSetInfo[] {
  const { maxid } = semctl(0, 0, IPC_INFO) as { maxid: number };
  const sets: SysvSemaphoreSetInfo[] = [];
  for (let index = 0; index <= maxid; index++) {
    const set = native.semctl(index, 0, SEM_STAT_ANY, 0);
    // The place is empty, or has been emptied just now.
    if (typeof set !== 'object') continue;
    const { id, ...state } = set as semid_ds & { id: number };
    sets.push(describe(id, state));
  }
  return sets;
}

/** The set of this identifier, or undefined where there is none. */
export function find(semid: number): SysvSemaphoreSetInfo | undefined {
  try {
    return describe(semid, stat(semid));
  } catch (error) {
    if (error instanceof IpcError && (error.errno === EINVAL || error.errno === EIDRM)) return undefined;
    throw error;
  }
}

export function limits(): SysvSemaphoreSetLimits {
  const most = semctl(0, 0, IPC_INFO) as seminfo;
  const used = semctl(0, 0, SEM_INFO) as seminfo;
  return {
    maxSets: most.semmni,
    maxSemaphores: most.semmns,
    maxPerSet: most.semmsl,
    maxOperations: most.semopm,
    maxValue: most.semvmx,
    sets: used.semusz,
    semaphores: used.semaem,
  };
}

function describe(id: number, set: semid_ds): SysvSemaphoreSetInfo {
  return {
    id,
    ...ownerOf(set.sem_perm),
    count: set.sem_nsems,
    lastOperationTime: time(set.sem_otime),
    changeTime: new Date(set.sem_ctime * 1000),
  };
}
