// <sys/sem.h>
import { int, object, short, unsignedShort } from '../internal/arguments.js';
import { errno, invalidType, IpcError, outOfRange } from '../internal/errors.js';
import { permissionChanges, withPresent, type PermissionChanges } from '../internal/sysv-permissions.js';
import { time, type timespec } from '../internal/timespec.js';
import { native, type semid_ds, type seminfo } from '../native/sysv-sem.js';
import { IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, key as validKey } from './sysv-ipc.js';

/** One operation: sem_op less than 0 takes, greater than 0 gives, 0 waits until the semaphore is 0. */
export interface sembuf {
  sem_num: number;
  sem_op: number;
  sem_flg?: number;
}

/** What IPC_SET changes; members not given stay as they are. */
export interface semid_ds_changes {
  sem_perm?: PermissionChanges;
}

export type { semid_ds, seminfo };

export const SEM_UNDO: number = native.constants.SEM_UNDO;
export const GETVAL: number = native.constants.GETVAL;
export const SETVAL: number = native.constants.SETVAL;
export const GETALL: number = native.constants.GETALL;
export const SETALL: number = native.constants.SETALL;
export const GETPID: number = native.constants.GETPID;
export const GETNCNT: number = native.constants.GETNCNT;
export const GETZCNT: number = native.constants.GETZCNT;
export const SEM_STAT: number = native.constants.SEM_STAT;
export const SEM_INFO: number = native.constants.SEM_INFO;
export const SEM_STAT_ANY: number = native.constants.SEM_STAT_ANY;

const EACCES = errno('EACCES');

// What semop() needs each time, as constants of this module: the compiler trusts no others, see native/core.ts.
const { semopOne } = native;
const validInt = int;
const validShort = short;
const validUnsignedShort = unsignedShort;

/**
 * semget(2): the identifier of the set with this key, made first where semflg has IPC_CREAT: then all its semaphores are 0.
 * Never waits.
 *
 * @param key from -2^31 to 2^32-1, or IPC_PRIVATE for a new set of no key
 * @param nsems how many semaphores; of a set that is there, at most as many as it has, or 0
 * @param semflg IPC_CREAT, IPC_EXCL and the permissions of a new set, such as 0o600
 * @throws IpcError EACCES, EEXIST, EINVAL (kernel.sem SEMMSL; more than the set has), ENOENT, ENOMEM, ENOSPC (SEMMNI, SEMMNS)
 * @see https://man7.org/linux/man-pages/man2/semget.2.html
 */
export function semget(key: number, nsems: number, semflg: number): number {
  const result = native.semget(validKey(key, 'key'), int(nsems, 'nsems'), int(semflg, 'semflg'));
  if (result < 0) throw new IpcError(result, 'semget', { key });
  return result;
}

/**
 * semop(2): does all operations at once, or none. Waits until all are possible, unless one that is not has IPC_NOWAIT.
 *
 * @param sops sem_flg: IPC_NOWAIT, SEM_UNDO (taken back when the process ends)
 * @throws IpcError E2BIG (SEMOPM), EACCES, EAGAIN (IPC_NOWAIT), EFBIG (no such sem_num), EIDRM (removed while waiting),
 *   EINTR, EINVAL, ENOMEM, ENOSPC (SEM_UNDO), ERANGE (over SEMVMX)
 * @see https://man7.org/linux/man-pages/man2/semop.2.html
 */
export function semop(semid: number, sops: sembuf[]): void {
  validInt(semid, 'semid');
  // One operation, which is the usual case, in a few steps.
  const result = Array.isArray(sops) && sops.length === 1 ? one(semid, sops[0]) : many(semid, sops);
  if (result < 0) throw new IpcError(result, 'semop', { id: semid });
}

function one(semid: number, operation: unknown): number {
  if (typeof operation !== 'object' || operation === null) throw notOperation(operation, 0);
  const { sem_num, sem_op, sem_flg = 0 } = operation as Partial<sembuf>;
  return semopOne(
    semid,
    validUnsignedShort(sem_num, 'sops[0].sem_num'),
    validShort(sem_op, 'sops[0].sem_op'),
    validShort(sem_flg, 'sops[0].sem_flg'),
  );
}

function many(semid: number, sops: unknown): number {
  prepare(sops);
  return native.semop(semid);
}

function notOperation(value: unknown, index: number): TypeError {
  return invalidType(`sops[${index}]`, 'an object', value);
}

/**
 * semtimedop(2): as semop(), waiting no longer than `timeout`.
 *
 * @param timeout relative; null for ever
 * @throws IpcError as semop(), and EAGAIN when the time is over
 * @see https://man7.org/linux/man-pages/man2/semop.2.html
 */
export function semtimedop(semid: number, sops: sembuf[], timeout: timespec | null): void {
  int(semid, 'semid');
  const limit = (timeout as unknown) === null ? null : time(timeout, 'timeout');
  prepare(sops);
  const result = limit === null ? native.semop(semid) : native.semtimedop(semid, limit.tv_sec, limit.tv_nsec);
  if (result < 0) throw new IpcError(result, 'semtimedop', { id: semid });
}

function prepare(sops: unknown): void {
  if (!Array.isArray(sops)) throw invalidType('sops', 'an array', sops);
  // All are read before the list is begun: a getter may make such a call itself.
  const read: [number, number, number][] = [];
  for (let index = 0; index < sops.length; index++) {
    const each = sops[index] as Partial<sembuf>;
    const name = `sops[${index}]`;
    if (typeof each !== 'object' || (each as unknown) === null) throw notOperation(each, index);
    const { sem_num, sem_op, sem_flg = 0 } = each;
    read.push([
      unsignedShort(sem_num, `${name}.sem_num`),
      short(sem_op, `${name}.sem_op`),
      short(sem_flg, `${name}.sem_flg`),
    ]);
  }
  native.startOperations(read.length);
  read.forEach(([num, op, flg], index) => {
    native.setOperation(index, num, op, flg);
  });
}

/**
 * semctl(2): describes, sets or destroys a set or one of its semaphores. Never waits.
 *
 * GETVAL, GETPID (the last process that changed it), GETNCNT and GETZCNT (how many wait for it to grow, to be 0) give a
 * number, GETALL all values; SETVAL and SETALL set them, forgetting what SEM_UNDO would have done. IPC_STAT describes the
 * set semid, SEM_STAT and SEM_STAT_ANY (which needs no right to read) the one at that index of the kernel's table;
 * IPC_INFO and SEM_INFO give the system's limits and use; IPC_RMID destroys the set, whose waiters get EIDRM.
 *
 * @param arg a number for SETVAL, an array of the set's length for SETALL, an object for IPC_SET
 * @throws IpcError EACCES, EIDRM, EINVAL, EPERM (not the owner), ERANGE (over SEMVMX)
 * @see https://man7.org/linux/man-pages/man2/semctl.2.html
 */
export function semctl(
  semid: number,
  semnum: number,
  cmd: number,
  arg?: number | number[] | semid_ds_changes,
): number | number[] | (semid_ds & { id?: number }) | (seminfo & { maxid: number }) | undefined {
  int(semid, 'semid');
  int(semnum, 'semnum');
  switch (int(cmd, 'cmd')) {
    case IPC_SET:
      change(semid, arg as semid_ds_changes | undefined);
      return undefined;
    case SETALL:
      setAll(semid, arg);
      return undefined;
    case SETVAL:
      control(semid, semnum, cmd, int(arg, 'arg'));
      return undefined;
    case IPC_RMID:
      control(semid, semnum, cmd);
      return undefined;
    default:
      return control(semid, semnum, cmd);
  }
}

function control(
  semid: number,
  semnum: number,
  cmd: number,
  value = 0,
): number | number[] | (semid_ds & { id?: number }) | (seminfo & { maxid: number }) {
  const result = native.semctl(semid, semnum, cmd, value);
  if (typeof result === 'number' && result < 0) throw new IpcError(result, 'semctl', { id: semid });
  return result;
}

function setAll(semid: number, arg: unknown): void {
  if (!Array.isArray(arg)) throw invalidType('arg', 'an array', arg);
  const count = arg.length;
  const { sem_nsems } = stat(semid);
  if (count !== sem_nsems) {
    throw outOfRange('arg.length', `${sem_nsems}, as many as the set has semaphores`, count);
  }
  const values = new Uint16Array(count);
  for (let index = 0; index < count; index++) values[index] = unsignedShort(arg[index], `arg[${index}]`);
  const result = native.semctlSetAll(semid, new Uint8Array(values.buffer));
  if (result < 0) throw new IpcError(result, 'semctl', { id: semid });
}

function change(semid: number, arg: semid_ds_changes | undefined): void {
  if (object(arg, 'arg') === undefined) throw invalidType('arg', 'an object', arg);
  const changes = permissionChanges((arg as semid_ds_changes).sem_perm, 'arg.sem_perm');
  const result = native.semctlSet(semid, ...withPresent(changes, () => stat(semid).sem_perm));
  if (result < 0) throw new IpcError(result, 'semctl', { id: semid });
}

/** @internal Describes a set, one that may not be read as well: its owner may still change it. */
export function stat(semid: number): semid_ds {
  const result = native.semctl(semid, 0, IPC_STAT, 0);
  if (typeof result === 'object') return result as semid_ds;
  if (result === EACCES) {
    const { maxid } = native.semctl(0, 0, IPC_INFO, 0) as { maxid: number };
    for (let index = 0; index <= maxid; index++) {
      const set = native.semctl(index, 0, SEM_STAT_ANY, 0);
      if (typeof set === 'object' && 'id' in set && set.id === semid) {
        const { id: _, ...described } = set;
        return described;
      }
    }
  }
  throw new IpcError(result, 'semctl', { id: semid });
}
