// Why a call on a message queue failed, and what can be done about it.
import { errno, INTERRUPTED, IpcError } from './internal/errors.js';
import { ownership } from './internal/permissions.js';
import { keyText } from './internal/sysv-key.js';
import { capacity, find, limits, list, type SysvMessageQueueInfo } from './sysv-msg.table.js';

export function explainGet(result: number, key: number): IpcError {
  return new IpcError(result, 'msgget', { key, reason: getReason(result, key) });
}

function getReason(result: number, key: number): string | undefined {
  switch (result) {
    case errno('ENOENT'):
      return `no message queue has the key ${keyText(key)}; create: true makes it`;
    case errno('EEXIST'):
      return `a message queue with the key ${keyText(key)} exists; exclusive: false opens it`;
    case errno('EACCES'):
      return noPermission(list().find((queue) => queue.key === key));
    case errno('ENOSPC'):
      return `the system has all the ${limits().maxQueues} message queues it may have (sysctl kernel.msgmni); ipcs -q lists them`;
    default:
      return undefined;
  }
}

export function explainSend(result: number, id: number, length: number): IpcError {
  return new IpcError(result, 'msgsnd', { id, reason: sendReason(result, id, length) });
}

function sendReason(result: number, id: number, length: number): string | undefined {
  switch (result) {
    case errno('EINVAL'): {
      const { maxMessageSize } = limits();
      if (length > maxMessageSize) {
        return `message of ${length} bytes is over this system's msgmax of ${maxMessageSize} (sysctl kernel.msgmax)`;
      }
      return gone(id);
    }
    case errno('EMSGSIZE'):
      return `message of ${length} bytes can never fit into queue ${id}, which holds ${capacity(id) ?? '?'} bytes at most (msg_qbytes); set({ maxBytes }) changes that`;
    case errno('ETIMEDOUT'):
      return `queue ${id} stayed full for the whole time limit`;
    default:
      return reason(result, id);
  }
}

export function explainReceive(result: number, id: number, size: number): IpcError {
  return new IpcError(result, 'msgrcv', { id, reason: receiveReason(result, id, size) });
}

function receiveReason(result: number, id: number, size: number): string | undefined {
  switch (result) {
    case errno('EINVAL'):
      return gone(id);
    case errno('E2BIG'):
      return `the message is longer than maxBytes, ${size}; it is still in queue ${id}. truncate: true takes it cut`;
    case errno('ETIMEDOUT'):
      return `no message of that type came to queue ${id} within the time limit`;
    case errno('ENOSYS'):
      return 'this kernel was built without CONFIG_CHECKPOINT_RESTORE and can copy no message';
    default:
      return reason(result, id);
  }
}

export function explainControl(result: number, id: number, maxBytes?: number): IpcError {
  return new IpcError(result, 'msgctl', { id, reason: controlReason(result, id, maxBytes) });
}

function controlReason(result: number, id: number, maxBytes: number | undefined): string | undefined {
  if (result === errno('EINVAL')) return gone(id);
  if (result !== errno('EPERM')) return reason(result, id);
  const { maxQueueBytes } = limits();
  const queue = find(id);
  const most = Math.max(maxQueueBytes, queue?.maxBytes ?? 0);
  if (maxBytes !== undefined && maxBytes > most) {
    return `maxBytes of ${maxBytes} is over this system's msgmnb of ${maxQueueBytes} (sysctl kernel.msgmnb), and this process lacks CAP_SYS_RESOURCE`;
  }
  return `only the owner or creator of queue ${id} may do that${belongs(queue)}`;
}

/**
 * The error of a call that waited. The kernel gives EIDRM to those asleep in it when the queue goes; one that stood in
 * line behind them waited just as long, but is made when the queue is gone and gets EINVAL.
 */
export function whileWaiting(result: number, id: number): number {
  return result === errno('EINVAL') && find(id) === undefined ? errno('EIDRM') : result;
}

function reason(result: number, id: number): string | undefined {
  switch (result) {
    case errno('EACCES'):
      return noPermission(find(id));
    case errno('EIDRM'):
      return `queue ${id} was removed while the call waited`;
    case errno('EINTR'):
      return INTERRUPTED;
    default:
      return undefined;
  }
}

function gone(id: number): string | undefined {
  return find(id) === undefined
    ? `no message queue has the identifier ${id}; it may have been removed`
    : undefined;
}

function noPermission(queue: SysvMessageQueueInfo | undefined): string {
  return `no permission${belongs(queue)}`;
}

function belongs(queue: SysvMessageQueueInfo | undefined): string {
  return queue === undefined ? '' : `: ${ownership(`queue ${queue.id}`, queue)}`;
}
