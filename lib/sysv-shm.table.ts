// What the kernel tells of its shared memory segments.
import { errno, IpcError } from './internal/errors.js';
import { ownerOf, time, type SysvOwner } from './internal/sysv-owner.js';
import { native } from './native/sysv-shm.js';
import { IPC_INFO } from './sys/sysv-ipc.js';
import {
  SHM_DEST,
  SHM_INFO,
  SHM_LOCKED,
  SHM_STAT_ANY,
  shmctl,
  type shm_info,
  type shmid_ds,
  type shminfo,
  stat,
} from './sys/sysv-shm.js';

/** A segment's state. Times are undefined where that has not happened yet. */
export interface SysvSharedMemoryStat extends SysvOwner {
  /** Bytes. */
  size: number;
  /** By how many mappings it is attached, in all processes. */
  attached: number;
  creatorPid: number;
  /** The process that attached or detached it last; 0 where nobody has. */
  lastPid: number;
  attachTime: Date | undefined;
  detachTime: Date | undefined;
  changeTime: Date;
  /** Whether it was removed, and goes with the last who has it attached. */
  removed: boolean;
  /** Whether it is kept out of swap. */
  locked: boolean;
}

export interface SysvSharedMemoryInfo extends SysvSharedMemoryStat {
  id: number;
}

/** The system's limits and use, of this IPC namespace. */
export interface SysvSharedMemoryLimits {
  /** Bytes in one segment: kernel.shmmax. A bigint where a number can't hold it. */
  maxSegmentSize: number | bigint;
  /** Segments: kernel.shmmni. */
  maxSegments: number;
  /** Pages in all segments: kernel.shmall. A bigint where a number can't hold it. */
  maxTotalPages: number | bigint;
  /** In use now: segments, and pages of all of them, of those in memory, of those in swap. */
  segments: number;
  pages: number;
  residentPages: number;
  swappedPages: number;
}

const EINVAL = errno('EINVAL');
const EIDRM = errno('EIDRM');

export function list(): SysvSharedMemoryInfo[] {
  const { maxid } = shmctl(0, IPC_INFO) as { maxid: number };
  const segments: SysvSharedMemoryInfo[] = [];
  for (let index = 0; index <= maxid; index++) {
    const segment = native.shmctl(index, SHM_STAT_ANY);
    // The place is empty, or has been emptied just now.
    if (typeof segment !== 'object') continue;
    const { id, ...state } = segment as shmid_ds & { id: number };
    segments.push(describe(id, state));
  }
  return segments;
}

/** The segment of this identifier, or undefined where there is none. */
export function find(shmid: number): SysvSharedMemoryInfo | undefined {
  try {
    return describe(shmid, stat(shmid));
  } catch (error) {
    if (error instanceof IpcError && (error.errno === EINVAL || error.errno === EIDRM)) return undefined;
    throw error;
  }
}

export function limits(): SysvSharedMemoryLimits {
  const most = shmctl(0, IPC_INFO) as shminfo;
  const used = shmctl(0, SHM_INFO) as shm_info;
  return {
    maxSegmentSize: most.shmmax,
    maxSegments: most.shmmni,
    maxTotalPages: most.shmall,
    segments: used.used_ids,
    pages: used.shm_tot,
    residentPages: used.shm_rss,
    swappedPages: used.shm_swp,
  };
}

function describe(id: number, segment: shmid_ds): SysvSharedMemoryInfo {
  return {
    id,
    ...ownerOf(segment.shm_perm),
    size: segment.shm_segsz,
    attached: segment.shm_nattch,
    creatorPid: segment.shm_cpid,
    lastPid: segment.shm_lpid,
    attachTime: time(segment.shm_atime),
    detachTime: time(segment.shm_dtime),
    changeTime: new Date(segment.shm_ctime * 1000),
    removed: (segment.shm_perm.mode & SHM_DEST) !== 0,
    locked: (segment.shm_perm.mode & SHM_LOCKED) !== 0,
  };
}
