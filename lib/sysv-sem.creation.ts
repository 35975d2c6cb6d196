// A set and its values are made in two steps. Here nobody is given a set between them.
import { closeSync, openSync } from 'node:fs';
import { errno, IpcError } from './internal/errors.js';
import { native } from './native/sysv-sem.js';
import { explainControl, explainGet } from './sysv-sem.errors.js';
import { find, type SysvSemaphoreSetInfo } from './sysv-sem.table.js';
import { IPC_CREAT, IPC_EXCL, IPC_PRIVATE, IPC_RMID } from './sys/sysv-ipc.js';
import { GETALL, GETPID } from './sys/sysv-sem.js';

const EACCES = errno('EACCES');
const EEXIST = errno('EEXIST');
const EINTR = errno('EINTR');
const EINVAL = errno('EINVAL');
const ENOENT = errno('ENOENT');
const ETIMEDOUT = errno('ETIMEDOUT');

/** What semget asks for where there is a set: without, it gives one to who may do nothing with it. */
const PERMISSIONS = 0o777;

/**
 * The permissions of a set until it has its values, which tell it from one that another program has made with zeros. The
 * right to execute means nothing for semaphores. Its maker may set them also where the set is to be read alone.
 */
const UNFINISHED = 0o711;

/**
 * A file that all processes of this IPC namespace have in common, and no other has. It is locked for both steps; the kernel
 * gives the lock back when its owner dies between them, and the next one makes the second.
 */
const NAMESPACE = '/proc/self/ns/ipc';
/** Milliseconds. The steps take microseconds: whoever keeps the lock for longer has been stopped, or is not one of us. */
const LONGEST = 5_000;

export interface Creation {
  key: number;
  count: number;
  /** IPC_CREAT, IPC_EXCL and permissions. */
  flags: number;
  /** What the semaphores of a set that is made begin with. */
  initial: readonly number[];
}

/** The set, whose semaphores have their values. */
export function getSet(creation: Creation): SysvSemaphoreSetInfo {
  for (;;) {
    const id = idOf(creation);
    const set = id === undefined ? undefined : find(id);
    // It may have been removed just now: then the key means another one, or none.
    if (set !== undefined) return set;
  }
}

function idOf(creation: Creation): number | undefined {
  const { key, count, flags } = creation;
  if (key === IPC_PRIVATE) return make(creation);
  const present = native.semget(key, count, flags & PERMISSIONS);
  // One that has been used has its values.
  if (present >= 0 && isUsed(present) && (flags & IPC_EXCL) === 0) return present;
  // One that is being made is not yet for everybody that it will be for.
  if (present < 0 && present !== EACCES && (present !== ENOENT || (flags & IPC_CREAT) === 0)) {
    throw explainGet(present, key, count);
  }
  return locked(() => ((flags & IPC_CREAT) === 0 ? open(creation) : makeOrOpen(creation)));
}

/** Undefined where it was removed meanwhile. */
function makeOrOpen(creation: Creation): number | undefined {
  const { key, count, flags } = creation;
  const id = native.semget(key, count, unfinished(flags) | IPC_EXCL);
  if (id >= 0) return give(id, creation);
  if (id !== EEXIST || (flags & IPC_EXCL) !== 0) throw explainGet(id, key, count);
  const found = native.semget(key, count, flags & PERMISSIONS);
  if (found === ENOENT) return undefined;
  if (found < 0) throw explainGet(found, key, count);
  const present = find(found);
  if (present === undefined) return undefined;
  if (isUntouched(present.id)) setAll(present.id, creation.initial);
  if (present.mode === UNFINISHED) finish(present.id, flags);
  return present.id;
}

function make(creation: Creation): number {
  const { key, count, flags } = creation;
  const id = native.semget(key, count, unfinished(flags));
  if (id < 0) throw explainGet(id, key, count);
  return give(id, creation);
}

/** Only opens: what a maker that died has left without values is no set yet. */
function open(creation: Creation): number {
  const { key, count, flags } = creation;
  const id = native.semget(key, count, flags & PERMISSIONS);
  if (id < 0) throw explainGet(id, key, count);
  if (find(id)?.mode === UNFINISHED && isUntouched(id)) {
    throw explainGet(ENOENT, key, count);
  }
  return id;
}

/** Gives a new set its values; zeros too, which tells it from one whose maker died before. */
function give(id: number, { flags, initial }: Creation): number {
  const result = setAll(id, initial) || finish(id, flags);
  if (result === 0) return id;
  native.semctl(id, 0, IPC_RMID, 0);
  throw explainControl(result, id);
}

function unfinished(flags: number): number {
  return (flags & ~PERMISSIONS) | UNFINISHED;
}

/** Gives a set that has its values its permissions. */
function finish(id: number, flags: number): number {
  const { uid, gid } = find(id) ?? {};
  if (uid === undefined || gid === undefined) return EINVAL;
  return native.semctlSet(id, uid, gid, flags & PERMISSIONS);
}

function setAll(id: number, values: readonly number[]): number {
  return native.semctlSetAll(id, new Uint8Array(Uint16Array.from(values).buffer));
}

function isUsed(id: number): boolean {
  return find(id)?.lastOperationTime !== undefined;
}

/** Whether nobody has ever set or changed a semaphore of the set. */
function isUntouched(id: number): boolean {
  if (isUsed(id)) return false;
  const values = native.semctl(id, 0, GETALL, 0);
  // A set that may not be read is left as it is.
  if (!Array.isArray(values)) return false;
  return values.every((value, index) => value === 0 && native.semctl(id, index, GETPID, 0) === 0);
}

function locked<T>(body: () => T): T {
  let fd: number;
  try {
    fd = openSync(NAMESPACE, 'r');
  } catch (error) {
    // Without /proc there is no such file. Without a free descriptor there would be no lock.
    if (['EMFILE', 'ENFILE'].includes(String((error as { code?: unknown }).code))) throw error;
    return body();
  }
  try {
    lock(fd);
    return body();
  } finally {
    closeSync(fd);
  }
}

function lock(fd: number): void {
  const deadline = performance.now() + LONGEST;
  let result: number;
  do result = native.flock(fd, Math.max(deadline - performance.now(), 0));
  while (result === EINTR);
  if (result === ETIMEDOUT) {
    const reason = `another process has had ${NAMESPACE} locked for ${LONGEST / 1000} s, as it is while a semaphore set is made`;
    throw new IpcError(result, 'flock', { reason });
  }
}
