// What the kernel tells of its message queues.
import { errno, IpcError } from './internal/errors.js';
import { native } from './native/sysv-msg.js';
import { IPC_INFO, IPC_STAT } from './sys/sysv-ipc.js';
import { MSG_INFO, MSG_STAT_ANY, msgctl, type msginfo, type msqid_ds, stat } from './sys/sysv-msg.js';

/** A queue's state. Times are undefined where that has not happened yet. */
export interface SysvMessageQueueStat {
  key: number;
  uid: number;
  gid: number;
  creatorUid: number;
  creatorGid: number;
  /** Permissions: the lower 9 bits. */
  mode: number;
  /** Messages in the queue. */
  messages: number;
  /** Their bytes. */
  bytes: number;
  /** The most bytes, and the most messages, that the queue holds (msg_qbytes). */
  maxBytes: number;
  /** 0 where nobody has. */
  lastSendPid: number;
  lastReceivePid: number;
  lastSendTime: Date | undefined;
  lastReceiveTime: Date | undefined;
  changeTime: Date;
}

export interface SysvMessageQueueInfo extends SysvMessageQueueStat {
  id: number;
}

/** The system's limits and use, of this IPC namespace. */
export interface SysvMessageQueueLimits {
  /** Bytes in one message: kernel.msgmax. */
  maxMessageSize: number;
  /** Bytes in a new queue: kernel.msgmnb. */
  maxQueueBytes: number;
  /** Queues: kernel.msgmni. */
  maxQueues: number;
  /** In use now: queues, messages in them, their bytes. */
  queues: number;
  messages: number;
  bytes: number;
}

const EINVAL = errno('EINVAL');
const EIDRM = errno('EIDRM');

export function list(): SysvMessageQueueInfo[] {
  const { maxid } = msgctl(0, IPC_INFO) as { maxid: number };
  const queues: SysvMessageQueueInfo[] = [];
  for (let index = 0; index <= maxid; index++) {
    const queue = native.msgctl(index, MSG_STAT_ANY);
    // The place is empty, or has been emptied just now.
    if (typeof queue !== 'object') continue;
    const { id, ...state } = queue as msqid_ds & { id: number };
    queues.push(describe(id, state));
  }
  return queues;
}

/** The queue of this identifier, or undefined where there is none. */
export function find(msqid: number): SysvMessageQueueInfo | undefined {
  try {
    return describe(msqid, stat(msqid));
  } catch (error) {
    if (error instanceof IpcError && (error.errno === EINVAL || error.errno === EIDRM)) return undefined;
    throw error;
  }
}

/** The most bytes a queue holds; undefined where that can't be told. */
export function capacity(msqid: number): number | undefined {
  const queue = native.msgctl(msqid, IPC_STAT);
  return typeof queue === 'object' ? (queue as msqid_ds).msg_qbytes : undefined;
}

export function limits(): SysvMessageQueueLimits {
  const most = msgctl(0, IPC_INFO) as msginfo;
  const used = msgctl(0, MSG_INFO) as msginfo;
  return {
    maxMessageSize: most.msgmax,
    maxQueueBytes: most.msgmnb,
    maxQueues: most.msgmni,
    queues: used.msgpool,
    messages: used.msgmap,
    bytes: used.msgtql,
  };
}

function describe(id: number, queue: msqid_ds): SysvMessageQueueInfo {
  return {
    id,
    key: queue.msg_perm.key,
    uid: queue.msg_perm.uid,
    gid: queue.msg_perm.gid,
    creatorUid: queue.msg_perm.cuid,
    creatorGid: queue.msg_perm.cgid,
    mode: queue.msg_perm.mode & 0o777,
    messages: queue.msg_qnum,
    bytes: queue.msg_cbytes,
    maxBytes: queue.msg_qbytes,
    lastSendPid: queue.msg_lspid,
    lastReceivePid: queue.msg_lrpid,
    lastSendTime: time(queue.msg_stime),
    lastReceiveTime: time(queue.msg_rtime),
    changeTime: new Date(queue.msg_ctime * 1000),
  };
}

function time(seconds: number): Date | undefined {
  return seconds === 0 ? undefined : new Date(seconds * 1000);
}
