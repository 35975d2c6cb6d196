// Why a call on a shared memory segment failed, and what can be done about it.
import { errno, IpcError } from './internal/errors.js';
import { mappingReason } from './internal/mapping.js';
import { ownership } from './internal/permissions.js';
import { keyText } from './internal/sysv-key.js';
import { find, limits, list, type SysvSharedMemoryInfo } from './sysv-shm.table.js';

export function explainGet(result: number, key: number, size: number): IpcError {
  return new IpcError(result, 'shmget', { key, reason: getReason(result, key, size) });
}

function getReason(result: number, key: number, size: number): string | undefined {
  switch (result) {
    case errno('ENOENT'):
      return `no shared memory segment has the key ${keyText(key)}; create() makes one`;
    case errno('EEXIST'):
      return `a shared memory segment with the key ${keyText(key)} exists; open() opens it, exclusive: false takes either`;
    case errno('EACCES'):
      return noPermission(withKey(key));
    case errno('EINVAL'):
      return sizeReason(withKey(key), size);
    case errno('ENOSPC'):
      return `the system has all the ${limits().maxSegments} segments it may have (sysctl kernel.shmmni), or all their pages (kernel.shmall); ipcs -m lists them`;
    case errno('ENOMEM'):
      return `the system has no memory to set aside for ${size} bytes, and reserve: false sets none aside; with hugePages: no huge pages are free (sysctl vm.nr_hugepages)`;
    case errno('EPERM'):
      return 'huge pages need the capability CAP_IPC_LOCK, or a group that vm.hugetlb_shm_group names';
    default:
      return undefined;
  }
}

function withKey(key: number): SysvSharedMemoryInfo | undefined {
  return key === 0 ? undefined : list().find((segment) => segment.key === key);
}

function sizeReason(segment: SysvSharedMemoryInfo | undefined, size: number): string {
  if (segment !== undefined && size > segment.size)
    return `the segment with this key has ${segment.size} bytes, and ${size} were asked for`;
  return `${size} bytes are more than this system's shmmax of ${limits().maxSegmentSize} (sysctl kernel.shmmax)`;
}

export function explainAttach(result: number, id: number, length: number): IpcError {
  return new IpcError(result, 'shmat', { id, reason: mappingReason(result, length) ?? reason(result, id) });
}

export function explainControl(result: number, id: number): IpcError {
  return new IpcError(result, 'shmctl', { id, reason: reason(result, id) });
}

function reason(result: number, id: number): string | undefined {
  switch (result) {
    case errno('EINVAL'):
    case errno('EIDRM'):
      return find(id) === undefined
        ? `no shared memory segment has the identifier ${id}; it may have been removed`
        : undefined;
    case errno('EACCES'):
      return noPermission(find(id));
    case errno('EPERM'): {
      const segment = find(id);
      return `only the owner or creator of segment ${id} may do that${belongs(segment)}`;
    }
    case errno('ENOMEM'):
      return 'more memory would be locked than RLIMIT_MEMLOCK allows';
    default:
      return undefined;
  }
}

function noPermission(segment: SysvSharedMemoryInfo | undefined): string {
  return `no permission${belongs(segment)}; readOnly: true needs only the right to read`;
}

function belongs(segment: SysvSharedMemoryInfo | undefined): string {
  return segment === undefined ? '' : `: ${ownership(`segment ${segment.id}`, segment)}`;
}
