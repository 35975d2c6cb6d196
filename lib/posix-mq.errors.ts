// Why a call on a POSIX message queue failed, and what can be done about it.
import { commonReason } from './internal/descriptor.js';
import { errno, failure, IpcError } from './internal/errors.js';
import { limits } from './posix-mq.table.js';
import type { mq_attr } from './sys/posix-mq.js';

export function explainOpen(result: number, name: string, asked: Partial<mq_attr>): IpcError {
  return new IpcError(result, 'mq_open', { path: name, reason: openReason(result, name, asked) });
}

function openReason(result: number, name: string, asked: Partial<mq_attr>): string | undefined {
  switch (result) {
    case errno('EINVAL'):
      return badName(name) ?? tooMuch(asked);
    case errno('EACCES'):
      return (
        badName(name) ??
        'no permission: the queue belongs to another user, or its mode grants less than was asked for'
      );
    case errno('ENOENT'):
      return badName(name) ?? 'there is no queue of this name; create: true makes it';
    case errno('EEXIST'):
      return 'there is a queue of this name; exclusive: false opens it';
    case errno('ENAMETOOLONG'):
      return 'a name has at most 255 bytes behind its slash';
    case errno('EMFILE'):
      return noRoom(asked);
    case errno('ENOSPC'):
      return `the system has all the ${limits().maxQueues} queues it may have (sysctl fs.mqueue.queues_max)`;
    default:
      return undefined;
  }
}

function badName(name: string): string | undefined {
  if (!name.startsWith('/')) return `a queue's name begins with a slash: '/${name}'`;
  if (name === '/' || name.includes('/', 1))
    return "a queue's name is one slash and at least one other character";
  return undefined;
}

function tooMuch({ mq_maxmsg, mq_msgsize }: Partial<mq_attr>): string | undefined {
  const most = limits();
  const lacking = 'and this process lacks CAP_SYS_RESOURCE';
  if (mq_maxmsg !== undefined && mq_maxmsg > most.maxMessages) {
    return `maxMessages of ${mq_maxmsg} is over this system's msg_max of ${most.maxMessages} (sysctl fs.mqueue.msg_max), ${lacking}`;
  }
  if (mq_msgsize !== undefined && mq_msgsize > most.messageSize) {
    return `messageSize of ${mq_msgsize} is over this system's msgsize_max of ${most.messageSize} (sysctl fs.mqueue.msgsize_max), ${lacking}`;
  }
  return undefined;
}

function noRoom({ mq_maxmsg, mq_msgsize }: Partial<mq_attr>): string {
  const most = limits();
  const messages = mq_maxmsg ?? most.defaultMaxMessages;
  const bytes = mq_msgsize ?? most.defaultMessageSize;
  return (
    `the queues of this user would need more than the ${most.maxBytes} bytes that they may have (RLIMIT_MSGQUEUE, ulimit -q; ` +
    `this one needs ${messages} times ${bytes} and some), queues left behind included; or the process has too many descriptors open (RLIMIT_NOFILE)`
  );
}

export function explainUnlink(result: number, name: string): IpcError {
  return new IpcError(result, 'mq_unlink', { path: name, reason: badName(name) ?? unlinkReason(result) });
}

function unlinkReason(result: number): string | undefined {
  if (result === errno('ENOENT')) return 'there is no queue of this name';
  return result === errno('EACCES') ? 'only its owner, or root, may take its name away' : undefined;
}

/** What an error of a queue that is open needs to know of it. */
interface OpenQueue {
  name: string;
  fd: number;
  messageSize: number;
}

export function explainSend(result: number, queue: OpenQueue, length: number): IpcError {
  return new IpcError(result, 'mq_send', { path: queue.name, reason: sendReason(result, queue, length) });
}

function sendReason(result: number, { fd, messageSize }: OpenQueue, length: number): string | undefined {
  switch (result) {
    case errno('EMSGSIZE'):
      return `message of ${length} bytes is over this queue's messageSize of ${messageSize}`;
    case errno('EBADF'):
      return "this object may not send (access: 'read'), or its descriptor was closed";
    case errno('ETIMEDOUT'):
      return 'the queue stayed full for the whole time limit';
    default:
      return commonReason(result, fd);
  }
}

export function explainReceive(result: number, { name, fd }: OpenQueue): IpcError {
  return new IpcError(result, 'mq_receive', { path: name, reason: receiveReason(result, fd) });
}

function receiveReason(result: number, fd: number): string | undefined {
  switch (result) {
    case errno('EBADF'):
      return "this object may not receive (access: 'write'), or its descriptor was closed";
    case errno('ETIMEDOUT'):
      return 'no message came to the queue within the time limit';
    default:
      return commonReason(result, fd);
  }
}

export function explainNotify(result: number, name: string, pid: number | undefined): IpcError {
  return new IpcError(result, 'mq_notify', { path: name, reason: notifyReason(result, pid) });
}

function notifyReason(result: number, pid: number | undefined): string | undefined {
  switch (result) {
    case errno('EBUSY'):
      return `process ${pid ?? '?'} is notified of this queue, and only one at a time can be`;
    case errno('EAFNOSUPPORT'):
    case errno('EPROTONOSUPPORT'):
      return 'notifications come through a netlink socket, which this process may not have';
    default:
      return undefined;
  }
}

export function notMounted(): Error {
  return failure(
    'ERR_MQUEUE_NOT_MOUNTED',
    'Only the mqueue filesystem knows all queues, and it is not mounted for this IPC namespace. As root: ' +
      'mkdir -p /dev/mqueue && mount -t mqueue none /dev/mqueue',
  );
}
