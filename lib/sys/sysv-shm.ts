// <sys/shm.h>
import { int, object, size } from '../internal/arguments.js';
import { errno, invalidType, IpcError } from '../internal/errors.js';
import { mapped } from '../internal/mapping.js';
import { arrayBuffer } from '../internal/memory-range.js';
import { permissionChanges, withPresent, type PermissionChanges } from '../internal/sysv-permissions.js';
import { native as mapping } from '../native/mapping.js';
import { native, type shm_info, type shmid_ds, type shminfo } from '../native/sysv-shm.js';
import { IPC_INFO, IPC_SET, IPC_STAT, key as validKey } from './sysv-ipc.js';

/** What IPC_SET changes; members not given stay as they are. */
export interface shmid_ds_changes {
  shm_perm?: PermissionChanges;
}

export type { shm_info, shmid_ds, shminfo };

export const SHM_RDONLY: number = native.constants.SHM_RDONLY;
export const SHM_RND: number = native.constants.SHM_RND;
export const SHM_EXEC: number = native.constants.SHM_EXEC;
export const SHM_HUGETLB: number = native.constants.SHM_HUGETLB;
export const SHM_NORESERVE: number = native.constants.SHM_NORESERVE;
export const SHM_DEST: number = native.constants.SHM_DEST;
export const SHM_LOCKED: number = native.constants.SHM_LOCKED;
export const SHMLBA: number = native.constants.SHMLBA;
export const SHM_LOCK: number = native.constants.SHM_LOCK;
export const SHM_UNLOCK: number = native.constants.SHM_UNLOCK;
export const SHM_STAT: number = native.constants.SHM_STAT;
export const SHM_INFO: number = native.constants.SHM_INFO;
export const SHM_STAT_ANY: number = native.constants.SHM_STAT_ANY;

const EACCES = errno('EACCES');

/**
 * shmget(2): the identifier of the segment with this key, made first where shmflg has IPC_CREAT. Never waits.
 *
 * @param key from -2^31 to 2^32-1, or IPC_PRIVATE for a new segment of no key
 * @param size bytes; of a segment that is there, at most as many as it has, or 0
 * @param shmflg IPC_CREAT, IPC_EXCL, SHM_HUGETLB, SHM_NORESERVE and the permissions of a new segment, such as 0o600
 * @throws IpcError EACCES, EEXIST, EINVAL (size over kernel.shmmax, or over the segment's), ENOENT, ENOMEM, ENOSPC
 *   (kernel.shmmni, kernel.shmall), EPERM (SHM_HUGETLB)
 * @see https://man7.org/linux/man-pages/man2/shmget.2.html
 */
export function shmget(key: number, bytes: number, shmflg: number): number {
  const result = native.shmget(validKey(key, 'key'), size(bytes, 'size'), int(shmflg, 'shmflg'));
  if (result < 0) throw new IpcError(result, 'shmget', { key });
  return result;
}

/**
 * shmat(2): attaches the segment: an ArrayBuffer that is its memory, shm_segsz bytes. Each attach is a mapping and an
 * ArrayBuffer of its own, which can't be transferred, and is detached when it is garbage collected. Never waits.
 *
 * Touching it never ends the process: a write with SHM_RDONLY stays in a private copy of the page.
 *
 * @param shmaddr null: the kernel chooses the address
 * @param shmflg SHM_RDONLY, SHM_RND, SHM_EXEC
 * @throws IpcError EACCES, EIDRM, EINVAL, ENOMEM (over 4 GiB; no address space)
 * @see https://man7.org/linux/man-pages/man2/shmop.2.html
 */
export function shmat(shmid: number, shmaddr: null = null, shmflg = 0): ArrayBuffer {
  int(shmid, 'shmid');
  if ((shmaddr as unknown) !== null) throw invalidType('shmaddr', 'null', shmaddr);
  return mapped(native.shmat(shmid, int(shmflg, 'shmflg'), 0, -1), 'shmat', { id: shmid });
}

/**
 * shmdt(2): detaches. The ArrayBuffer and every view of it have length 0 from here on; using them is safe. Never waits.
 *
 * @throws IpcError EINVAL on a second call, and for an ArrayBuffer that is no attachment
 * @see https://man7.org/linux/man-pages/man2/shmop.2.html
 */
export function shmdt(shmaddr: ArrayBuffer): void {
  const result = mapping.unmap(arrayBuffer(shmaddr, 'shmaddr'), true);
  if (result < 0) throw new IpcError(result, 'shmdt');
}

/**
 * shmctl(2): describes, changes, locks or destroys a segment. Never waits.
 *
 * IPC_STAT describes the segment shmid, SHM_STAT and SHM_STAT_ANY (which needs no right to read) the one at that index of
 * the kernel's table; IPC_INFO gives the system's limits, SHM_INFO what is in use; SHM_LOCK keeps it out of swap; IPC_RMID
 * destroys it as soon as nobody has it attached.
 *
 * @throws IpcError EACCES, EIDRM, EINVAL, ENOMEM (SHM_LOCK), EPERM (not the owner)
 * @see https://man7.org/linux/man-pages/man2/shmctl.2.html
 */
export function shmctl(
  shmid: number,
  cmd: number,
): (shmid_ds & { id?: number }) | (shminfo & { maxid: number }) | (shm_info & { maxid: number }) | undefined;
/** shmctl(2) with IPC_SET: changes owner or permissions. Members not given stay as they are. */
export function shmctl(shmid: number, cmd: number, buf: shmid_ds_changes): void;
export function shmctl(
  shmid: number,
  cmd: number,
  buf?: shmid_ds_changes,
): (shmid_ds & { id?: number }) | (shminfo & { maxid: number }) | (shm_info & { maxid: number }) | undefined {
  int(shmid, 'shmid');
  if (int(cmd, 'cmd') === IPC_SET) {
    change(shmid, buf);
    return undefined;
  }
  const result = native.shmctl(shmid, cmd);
  if (typeof result === 'number') throw new IpcError(result, 'shmctl', { id: shmid });
  return result;
}

function change(shmid: number, buf: shmid_ds_changes | undefined): void {
  if (object(buf, 'buf') === undefined) throw invalidType('buf', 'an object', buf);
  const changes = permissionChanges((buf as shmid_ds_changes).shm_perm, 'buf.shm_perm');
  const result = native.shmctlSet(shmid, ...withPresent(changes, () => stat(shmid).shm_perm));
  if (result < 0) throw new IpcError(result, 'shmctl', { id: shmid });
}

/** @internal Describes a segment, one that may not be read as well: its owner may still change it. */
export function stat(shmid: number): shmid_ds {
  const result = native.shmctl(shmid, IPC_STAT);
  if (typeof result === 'object') return result as shmid_ds;
  if (result === EACCES) {
    const { maxid } = native.shmctl(0, IPC_INFO) as { maxid: number };
    for (let index = 0; index <= maxid; index++) {
      const segment = native.shmctl(index, SHM_STAT_ANY);
      if (typeof segment === 'object' && 'id' in segment && segment.id === shmid) {
        const { id: _, ...described } = segment;
        return described;
      }
    }
  }
  throw new IpcError(result as number, 'shmctl', { id: shmid });
}
