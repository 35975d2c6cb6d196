// Why a call on a semaphore set failed, and what can be done about it.
import { errno, INTERRUPTED, IpcError } from './internal/errors.js';
import { ownership } from './internal/permissions.js';
import { keyText } from './internal/sysv-key.js';
import { find, limits, list, type SysvSemaphoreSetInfo } from './sysv-sem.table.js';

export function explainGet(result: number, key: number, count: number): IpcError {
  return new IpcError(result, 'semget', { key, reason: getReason(result, key, count) });
}

function getReason(result: number, key: number, count: number): string | undefined {
  switch (result) {
    case errno('ENOENT'):
      return `no semaphore set has the key ${keyText(key)}; create: true makes it`;
    case errno('EEXIST'):
      return `a semaphore set with the key ${keyText(key)} exists; exclusive: false opens it`;
    case errno('EACCES'):
      return noPermission(withKey(key));
    case errno('EINVAL'): {
      const set = withKey(key);
      return set !== undefined && count > set.count
        ? `the set with the key ${keyText(key)} has ${set.count} semaphores, and ${count} were asked for`
        : `a set has from 1 to ${limits().maxPerSet} semaphores (SEMMSL, the first of sysctl kernel.sem)`;
    }
    case errno('ENOSPC'): {
      const { maxSets, maxSemaphores } = limits();
      return `the system has all the ${maxSets} sets (SEMMNI) or all the ${maxSemaphores} semaphores (SEMMNS) it may have (sysctl kernel.sem); ipcs -s lists them`;
    }
    default:
      return undefined;
  }
}

function withKey(key: number): SysvSemaphoreSetInfo | undefined {
  return key === 0 ? undefined : list().find((set) => set.key === key);
}

export function explainOperation(result: number, id: number, count: number): IpcError {
  return new IpcError(result, 'semop', { id, reason: operationReason(result, id, count) });
}

function operationReason(result: number, id: number, count: number): string | undefined {
  switch (result) {
    case errno('E2BIG'):
      return `${count} operations are more than this system's semopm of ${limits().maxOperations} (SEMOPM, the third of sysctl kernel.sem)`;
    case errno('EFBIG'):
      return `an index is past the end of set ${id}, which has ${find(id)?.count ?? '?'} semaphores`;
    case errno('ERANGE'):
      return `a semaphore would go over ${limits().maxValue} (SEMVMX), or what is to be undone would`;
    case errno('ENOSPC'):
      return 'the system keeps as many operations to undo as it may (SEMMNU)';
    case errno('ETIMEDOUT'):
      return `set ${id} did not allow it within the time limit`;
    default:
      return reason(result, id);
  }
}

export function explainControl(result: number, id: number): IpcError {
  return new IpcError(result, 'semctl', { id, reason: controlReason(result, id) });
}

function controlReason(result: number, id: number): string | undefined {
  switch (result) {
    case errno('ERANGE'):
      return `a value is from 0 to ${limits().maxValue} (SEMVMX)`;
    case errno('EPERM'):
      return `only the owner or creator of set ${id} may do that${belongs(find(id))}`;
    default:
      return reason(result, id);
  }
}

/** The error of a call that waited: as for message queues. */
export function whileWaiting(result: number, id: number): number {
  return result === errno('EINVAL') && find(id) === undefined ? errno('EIDRM') : result;
}

function reason(result: number, id: number): string | undefined {
  switch (result) {
    case errno('EINVAL'):
      return find(id) === undefined
        ? `no semaphore set has the identifier ${id}; it may have been removed`
        : `set ${id} has no semaphore of this index`;
    case errno('EACCES'):
      return noPermission(find(id));
    case errno('EIDRM'):
      return `set ${id} was removed while the call waited`;
    case errno('EINTR'):
      return INTERRUPTED;
    default:
      return undefined;
  }
}

function noPermission(set: SysvSemaphoreSetInfo | undefined): string {
  return `no permission${belongs(set)}`;
}

function belongs(set: SysvSemaphoreSetInfo | undefined): string {
  return set === undefined ? '' : `: ${ownership(`set ${set.id}`, set)}`;
}
