import type { ipc_perm } from '../native/sysv-ipc.js';
import { object, unsigned } from './arguments.js';

/** What IPC_SET changes of an object's owner and permissions. */
export type PermissionChanges = Partial<Pick<ipc_perm, 'uid' | 'gid' | 'mode'>>;

/** Checks them. Members not given stay as they are. */
export function permissionChanges(given: PermissionChanges | undefined, name: string): PermissionChanges {
  const { uid, gid, mode } = object(given, name) ?? {};
  const changes: PermissionChanges = {};
  if (uid !== undefined) changes.uid = unsigned(uid, `${name}.uid`);
  if (gid !== undefined) changes.gid = unsigned(gid, `${name}.gid`);
  if (mode !== undefined) changes.mode = unsigned(mode, `${name}.mode`);
  return changes;
}

/** All three members, which is what the kernel takes. `now`: asked only where one was not given. */
export function withPresent(
  changes: PermissionChanges,
  now: () => ipc_perm,
): [uid: number, gid: number, mode: number] {
  const { uid, gid, mode } = changes;
  if (uid !== undefined && gid !== undefined && mode !== undefined) return [uid, gid, mode];
  const present = now();
  return [uid ?? present.uid, gid ?? present.gid, mode ?? present.mode];
}
