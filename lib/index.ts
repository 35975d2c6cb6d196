/** unix-ipc: the Linux kernel's own inter-process communication, one class per mechanism. */
export type { Bytes } from './internal/arguments.js';
export type { Codec, CodecOption } from './internal/codec.js';
export { IpcError } from './internal/errors.js';
export type { Key } from './internal/sysv-key.js';
export { waitThreads } from './internal/wait-threads.js';
export type { WaitOptions } from './internal/waiting.js';
export { EventFd, type EventFdHandleOptions, type EventFdOptions } from './eventfd.js';
export { Futex, type FutexOptions, type FutexOutcome } from './futex.js';
export type { Memory } from './internal/memory-place.js';
export { SharedMemory, SharedMemoryWindow } from './internal/shared-memory.js';
export type { SharedMemoryOpenOptions } from './internal/shared-memory.options.js';
export type { SysvOwner, SysvOwnerChanges } from './internal/sysv-owner.js';
export { IPC_PRIVATE } from './sys/sysv-ipc.js';
export { Pipe } from './pipe.js';
export { Fifo } from './pipe.fifo.js';
export type {
  FifoMakeOptions,
  FifoReaderOptions,
  PipeEndOptions,
  PipeOptions,
  PipeReadOptions,
} from './pipe.options.js';
export { PipeReader } from './pipe.reader.js';
export { PipeWriter } from './pipe.writer.js';
export { PosixMessageQueue, type PosixMessage, type PosixMessageQueueStat } from './posix-mq.js';
export type { PosixMessageQueueListener, PosixMessageQueueNotification } from './posix-mq.notify.js';
export type { PosixMessageQueueOptions, PosixSendOptions } from './posix-mq.options.js';
export type { PosixMessageQueueInfo, PosixMessageQueueLimits } from './posix-mq.table.js';
export {
  PosixSemaphore,
  type PosixSemaphoreHandleOptions,
  type PosixSemaphoreOptions,
  type PosixSemaphorePlaceOptions,
} from './posix-sem.js';
export type { PosixSharedMemoryStat } from './posix-shm.file.js';
export { Memfd } from './posix-shm.memfd.js';
export type { MemfdOptions, MemfdSeal, PosixSharedMemoryOptions } from './posix-shm.options.js';
export { PosixSharedMemory, type PosixSharedMemoryLimits } from './posix-shm.js';
export { SysvMessageQueue, type SysvMessage } from './sysv-msg.js';
export type {
  SysvMessageQueueChanges,
  SysvMessageQueueHandleOptions,
  SysvMessageQueueOptions,
  SysvReceiveOptions,
  SysvSendOptions,
} from './sysv-msg.options.js';
export type { SysvMessageQueueInfo, SysvMessageQueueLimits, SysvMessageQueueStat } from './sysv-msg.table.js';
export { SysvSemaphoreSet } from './sysv-sem.js';
export type {
  SysvSemaphoreOperation,
  SysvSemaphoreSetHandleOptions,
  SysvSemaphoreSetOptions,
  SysvSemaphoreUndo,
} from './sysv-sem.options.js';
export type {
  SysvSemaphoreSetInfo,
  SysvSemaphoreSetLimits,
  SysvSemaphoreSetStat,
  SysvSemaphoreState,
} from './sysv-sem.table.js';
export { SysvSharedMemory } from './sysv-shm.js';
export type { SysvSharedMemoryOptions } from './sysv-shm.options.js';
export type { SysvSharedMemoryInfo, SysvSharedMemoryLimits, SysvSharedMemoryStat } from './sysv-shm.table.js';
export type { SocketAddress } from './sys/unix-socket.address.js';
export type { UnixAttachment } from './unix-socket.attachment.js';
export type { UnixConnectOptions } from './unix-socket.connect.js';
export { UnixDatagramSocket, type UnixDatagramSendOptions } from './unix-socket.datagram.js';
export type { UnixMessage } from './unix-socket.message.js';
export type {
  UnixBindOptions,
  UnixConnectionOptions,
  UnixCredentials,
  UnixDescriptor,
  UnixReceiveOptions,
  UnixSendOptions,
  UnixSocketOptions,
} from './unix-socket.options.js';
export { UnixSeqpacketSocket } from './unix-socket.seqpacket.js';
export {
  UnixSeqpacketServer,
  UnixServer,
  UnixStreamServer,
  type UnixListenOptions,
} from './unix-socket.server.js';
export { peerCredentials } from './unix-socket.socket.js';
export { UnixStream, type UnixChunk, type UnixStreamReceiveOptions } from './unix-socket.stream.js';
