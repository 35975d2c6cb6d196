// <sys/ipc.h>
import { cString, int } from '../internal/arguments.js';
import { invalidType, invalidValue, IpcError, outOfRange } from '../internal/errors.js';
import { native, type ipc_perm } from '../native/sysv-ipc.js';

export type { ipc_perm };

export const IPC_PRIVATE: number = native.constants.IPC_PRIVATE;
export const IPC_CREAT: number = native.constants.IPC_CREAT;
export const IPC_EXCL: number = native.constants.IPC_EXCL;
export const IPC_NOWAIT: number = native.constants.IPC_NOWAIT;
export const IPC_RMID: number = native.constants.IPC_RMID;
export const IPC_SET: number = native.constants.IPC_SET;
export const IPC_STAT: number = native.constants.IPC_STAT;
export const IPC_INFO: number = native.constants.IPC_INFO;

/**
 * ftok(3): makes a System V key, signed, of the inode and device of an existing file and the low 8 bits of projId.
 * Two files may have the same key. Never waits.
 *
 * @param projId a number, or a string of one ASCII character that stands for its code
 * @throws IpcError with `path`: ENOENT, EACCES, ENOTDIR, ENAMETOOLONG, ELOOP as stat(2)
 * @see https://man7.org/linux/man-pages/man3/ftok.3.html
 */
export function ftok(path: string, projId: number | string): number {
  const result = native.ftok(cString(path, 'path'), projectId(projId));
  if (result < 0) throw new IpcError(result, 'ftok', { path });
  return result | 0;
}

function projectId(projId: unknown): number {
  if (typeof projId === 'number') return int(projId, 'projId');
  if (typeof projId !== 'string')
    throw invalidType('projId', 'a number or a string of one ASCII character', projId);
  const code = projId.charCodeAt(0);
  if (projId.length !== 1 || code > 127)
    throw invalidValue('projId', 'must be a string of exactly one ASCII character');
  return code;
}

/** A key_t: signed in C, and often written unsigned, as ipcs prints it. */
export function key(value: unknown, name: string): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  if (!Number.isInteger(value) || value < -(2 ** 31) || value > 2 ** 32 - 1) {
    throw outOfRange(name, `an integer from ${-(2 ** 31)} to ${2 ** 32 - 1}`, value);
  }
  return value | 0;
}
