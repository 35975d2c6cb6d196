/** unix-ipc: the Linux kernel's own inter-process communication, one class per mechanism. */
export type { Bytes } from './internal/arguments.js';
export type { Codec, CodecOption } from './internal/codec.js';
export { IpcError } from './internal/errors.js';
export type { Key } from './internal/sysv-key.js';
export { waitThreads, type WaitOptions } from './internal/waiting.js';
export { IPC_PRIVATE } from './sys/sysv-ipc.js';
export { SysvMessageQueue, type SysvMessage } from './sysv-msg.js';
export type {
  SysvMessageQueueChanges,
  SysvMessageQueueHandleOptions,
  SysvMessageQueueOptions,
  SysvReceiveOptions,
  SysvSendOptions,
} from './sysv-msg.options.js';
export type { SysvMessageQueueInfo, SysvMessageQueueLimits, SysvMessageQueueStat } from './sysv-msg.table.js';
