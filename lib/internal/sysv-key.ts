import { ftok, key as validKey } from '../sys/sysv-ipc.js';
import { invalidType } from './errors.js';

/** What names a System V object: a number, a file and project number for ftok(3), or IPC_PRIVATE for none. */
export type Key = number | { path: string; projId: number | string };

export function resolveKey(key: Key): number {
  if (typeof key === 'number') return validKey(key, 'key');
  if (typeof key !== 'object' || (key as unknown) === null) {
    throw invalidType('key', 'a number or an object with path and projId', key);
  }
  const { path, projId } = key;
  return ftok(path, projId);
}

/** A key as ipcs prints it. */
export function keyText(key: number): string {
  return `0x${(key >>> 0).toString(16).padStart(8, '0')}`;
}
