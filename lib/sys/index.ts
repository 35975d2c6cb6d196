/**
 * `unix-ipc/sys`: the system calls under their C names, arguments in C order. A call that waits in C waits here, and the
 * event loop with it. A call that fails throws an IpcError with `code`, `errno` and `syscall`.
 */
export type { Bytes } from '../internal/arguments.js';
export { IpcError } from '../internal/errors.js';
export {
  ftok,
  IPC_CREAT,
  IPC_EXCL,
  IPC_INFO,
  IPC_NOWAIT,
  IPC_PRIVATE,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  type ipc_perm,
} from './sysv-ipc.js';
export {
  MSG_COPY,
  MSG_EXCEPT,
  MSG_INFO,
  MSG_NOERROR,
  MSG_STAT,
  MSG_STAT_ANY,
  msgctl,
  msgget,
  type msginfo,
  type msqid_ds,
  type msqid_ds_changes,
  msgrcv,
  msgsnd,
} from './sysv-msg.js';
