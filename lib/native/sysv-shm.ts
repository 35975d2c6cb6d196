import { family } from '../internal/binding.js';
import type { ipc_perm } from './sysv-ipc.js';

/** A segment as the kernel describes it. Times are seconds since 1970, 0 for never. */
export interface shmid_ds {
  shm_perm: ipc_perm;
  shm_segsz: number;
  shm_atime: number;
  shm_dtime: number;
  shm_ctime: number;
  shm_cpid: number;
  shm_lpid: number;
  shm_nattch: number;
}

/** The system's limits (IPC_INFO): bytes in a segment, segments, pages in all. */
export interface shminfo {
  shmmax: number | bigint;
  shmmin: number;
  shmmni: number;
  shmseg: number;
  shmall: number | bigint;
}

/** What is in use (SHM_INFO): segments, and pages in all, in memory and in swap. */
export interface shm_info {
  used_ids: number;
  shm_tot: number;
  shm_rss: number;
  shm_swp: number;
  swap_attempts: number;
  swap_successes: number;
}

/** native/sysv-shm.cc. Results are -errno where a call failed. */
interface Addon {
  shmget: (key: number, size: number, flags: number) => number;
  /** Of `length` bytes from `offset` on; a negative length is up to the end. */
  shmat: (shmid: number, flags: number, offset: number, length: number) => ArrayBuffer | number;
  shmctl: (
    shmid: number,
    cmd: number,
  ) =>
    | (shmid_ds & { id?: number })
    | (shminfo & { maxid: number })
    | (shm_info & { maxid: number })
    | number
    | undefined;
  shmctlSet: (shmid: number, uid: number, gid: number, mode: number) => number;
  constants: Record<
    | 'SHM_RDONLY'
    | 'SHM_RND'
    | 'SHM_EXEC'
    | 'SHM_HUGETLB'
    | 'SHM_NORESERVE'
    | 'SHM_DEST'
    | 'SHM_LOCKED'
    | 'SHMLBA'
    | 'SHM_LOCK'
    | 'SHM_UNLOCK'
    | 'SHM_STAT'
    | 'SHM_INFO'
    | 'SHM_STAT_ANY',
    number
  >;
}

export const native = family('sysv-shm') as Addon;
