import { binding } from '../internal/binding.js';

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

export const native = binding as SysvIpc;
