// What the methods of SysvSharedMemory may be given, and how it is checked.
import { boolean, object, size as sizeOf } from './internal/arguments.js';
import { invalidType } from './internal/errors.js';
import { permissions } from './internal/permissions.js';
import { resolveKey, type Key } from './internal/sysv-key.js';
import { IPC_CREAT, IPC_EXCL, IPC_PRIVATE } from './sys/sysv-ipc.js';
import { SHM_HUGETLB, SHM_NORESERVE } from './sys/sysv-shm.js';

export interface SysvSharedMemoryOptions {
  /** Bytes. */
  size: number;
  /** IPC_PRIVATE, the default, makes a segment that only its id leads to. */
  key?: Key | undefined;
  /** Permissions, 0o600 by default. */
  mode?: number | undefined;
  /** Fail with EEXIST where there is one; true by default. false opens it, if it has as many bytes. */
  exclusive?: boolean | undefined;
  /** Make it of huge pages, of which the system must have free ones (vm.nr_hugepages). */
  hugePages?: boolean | undefined;
  /** Set memory, or swap, aside for all of it; true by default. Without, a large segment may be made of which little is used. */
  reserve?: boolean | undefined;
}

export function createOptions(options: SysvSharedMemoryOptions): {
  key: number;
  size: number;
  flags: number;
} {
  if (object(options, 'options') === undefined) throw invalidType('options', 'an object', options);
  const { size, key, mode = 0o600, exclusive = true, hugePages = false, reserve = true } = options;
  const flags =
    IPC_CREAT |
    (boolean(exclusive, 'options.exclusive') ? IPC_EXCL : 0) |
    (boolean(hugePages, 'options.hugePages') ? SHM_HUGETLB : 0) |
    (boolean(reserve, 'options.reserve') ? 0 : SHM_NORESERVE) |
    permissions(mode, 'options.mode');
  return {
    size: sizeOf(size, 'options.size', 1),
    flags,
    key: key === undefined ? IPC_PRIVATE : resolveKey(key),
  };
}
