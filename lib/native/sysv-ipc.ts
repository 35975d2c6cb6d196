import { family } from '../internal/binding.js';

/** Owner, creator and permissions of a System V object. */
export interface ipc_perm {
  key: number;
  uid: number;
  gid: number;
  cuid: number;
  cgid: number;
  mode: number;
  seq: number;
}

interface SysvIpc {
  /** The key as an unsigned number, or -errno. */
  ftok(path: string, projId: number): number;
  constants: Record<
    | 'IPC_PRIVATE'
    | 'IPC_CREAT'
    | 'IPC_EXCL'
    | 'IPC_NOWAIT'
    | 'IPC_RMID'
    | 'IPC_SET'
    | 'IPC_STAT'
    | 'IPC_INFO',
    number
  >;
}

export const native = family('sysv-ipc') as SysvIpc;
