import type { ipc_perm } from '../native/sysv-ipc.js';
import { object, unsigned } from './arguments.js';
import { invalidType } from './errors.js';
import { permissions } from './permissions.js';
import type { PermissionChanges } from './sysv-permissions.js';

/** Whose a System V object is. */
export interface SysvOwner {
  key: number;
  uid: number;
  gid: number;
  creatorUid: number;
  creatorGid: number;
  /** Permissions: the lower 9 bits. */
  mode: number;
}

/** What set() changes of a System V object. */
export interface SysvOwnerChanges {
  uid?: number | undefined;
  gid?: number | undefined;
  mode?: number | undefined;
}

export function ownerOf(perm: ipc_perm): SysvOwner {
  return {
    key: perm.key,
    uid: perm.uid,
    gid: perm.gid,
    creatorUid: perm.cuid,
    creatorGid: perm.cgid,
    mode: perm.mode & 0o777,
  };
}

/** The changes as IPC_SET takes them. */
export function ownerChanges(changes: SysvOwnerChanges): PermissionChanges {
  if (object(changes, 'changes') === undefined) throw invalidType('changes', 'an object', changes);
  const { uid, gid, mode } = changes;
  const given: PermissionChanges = {};
  if (uid !== undefined) given.uid = unsigned(uid, 'changes.uid');
  if (gid !== undefined) given.gid = unsigned(gid, 'changes.gid');
  if (mode !== undefined) given.mode = permissions(mode, 'changes.mode');
  return given;
}

/** A time as the kernel gives it, in seconds; undefined where that has not happened yet. */
export function time(seconds: number): Date | undefined {
  return seconds === 0 ? undefined : new Date(seconds * 1000);
}
