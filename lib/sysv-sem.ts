import { int, object, timeout as timeLimit, unsignedShort } from './internal/arguments.js';
import { errno, invalidState, IpcError, outOfRange } from './internal/errors.js';
import { resolveKey, type Key } from './internal/sysv-key.js';
import { ownerChanges, type SysvOwnerChanges } from './internal/sysv-owner.js';
import { waitOnThread } from './internal/wait-threads.js';
import { promise, soon, waitOptions, Waits, type WaitOptions } from './internal/waiting.js';
import { native } from './native/sysv-sem.js';
import { getSet } from './sysv-sem.creation.js';
import { explainControl, explainOperation, whileWaiting } from './sysv-sem.errors.js';
import {
  openOptions,
  operationOf,
  operationsOf,
  spinOf,
  valueOf,
  valuesOf,
  waitForZeroOf,
  type Operations,
  type SysvSemaphoreOperation,
  type SysvSemaphoreSetHandleOptions,
  type SysvSemaphoreSetOptions,
  type SysvSemaphoreUndo,
} from './sysv-sem.options.js';
import * as table from './sysv-sem.table.js';
import type {
  SysvSemaphoreSetInfo,
  SysvSemaphoreSetLimits,
  SysvSemaphoreSetStat,
  SysvSemaphoreState,
} from './sysv-sem.table.js';
import { IPC_NOWAIT, IPC_RMID, IPC_SET } from './sys/sysv-ipc.js';
import { GETALL, GETNCNT, GETPID, GETZCNT, SETVAL, semctl } from './sys/sysv-sem.js';

const EAGAIN = errno('EAGAIN');
const ECANCELED = errno('ECANCELED');
const EINVAL = errno('EINVAL');

/** How a blocking variant may wait. */
interface TimeLimit {
  /** Milliseconds until the wait is given up with ETIMEDOUT. */
  timeout?: number | undefined;
}

/**
 * A set of System V semaphores: numbers that processes take from, waiting while there is too little, and give to. Several
 * operations on one set happen at once or not at all.
 *
 * The set belongs to the system. It outlives the processes that use it; `close()` ends this object, `remove()` destroys the
 * set. Each method that can wait has three variants: `acquireSync()` blocks the thread, `tryAcquire()` never waits,
 * `acquire()` gives a promise. With `undo`, the kernel takes back what a process did when it ends, also by SIGKILL.
 *
 * @example
 * const set = SysvSemaphoreSet.open({ path: '/etc/hostname', projId: 's' }, { initial: [1, 0] });
 * await set.acquire(0, 1, { undo: true });
 * try { await work(); } finally { set.release(0, 1, { undo: true }); }
 * @see https://man7.org/linux/man-pages/man7/sysvipc.7.html
 */
export class SysvSemaphoreSet implements Disposable {
  /** The identifier that the calls take (semid). */
  readonly id: number;
  /** The key that the set was made with; 0 for none. */
  readonly key: number;
  /** How many semaphores it has. */
  readonly count: number;
  readonly #spin: number;
  readonly #waits = new Waits();
  #closed = false;

  private constructor({ id, key, count }: table.SysvSemaphoreSetInfo, spin: number) {
    this.id = id;
    this.key = key;
    this.count = count;
    this.#spin = spin;
  }

  /**
   * semget(2) and semctl(2): opens the set of this key, and makes it where there is none. No open() of this package gives a
   * set before its semaphores have their values, and what one left undone that was killed meanwhile the next one does.
   * Never waits, but for another process that is just making a set.
   *
   * @param key a number, `{ path, projId }` for ftok(3), or IPC_PRIVATE for a new set that only its id leads to
   * @throws IpcError EACCES, EEXIST (exclusive), EINVAL (has fewer semaphores; SEMMSL), ENOENT (create: false), ENOSPC
   */
  static open(key: Key, options?: SysvSemaphoreSetOptions): SysvSemaphoreSet {
    const { spin, ...creation } = openOptions(options);
    return new SysvSemaphoreSet(getSet({ key: resolveKey(key), ...creation }), spin);
  }

  /**
   * Opens the set of this identifier, such as one that another process has passed on.
   *
   * @throws IpcError EINVAL where there is none
   */
  static openId(semid: number, options?: SysvSemaphoreSetHandleOptions): SysvSemaphoreSet {
    int(semid, 'semid');
    const spin = spinOf(options);
    const found = table.find(semid);
    if (found === undefined) throw explainControl(EINVAL, semid);
    return new SysvSemaphoreSet(found, spin);
  }

  /** Every set of this IPC namespace, those included that this process may not read. Never waits. */
  static list(): SysvSemaphoreSetInfo[] {
    return table.list();
  }

  /** The system's limits, and what is in use of them. Never waits. */
  static limits(): SysvSemaphoreSetLimits {
    return table.limits();
  }

  /** Whether close() was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * semop(2): does all operations at once. Blocks the thread until all are possible, at most `timeout` milliseconds.
   *
   * @throws IpcError E2BIG (SEMOPM), EACCES, EFBIG (no such index), EIDRM (removed while waiting), EINTR (a signal handler
   *   ran), EINVAL (no such set), ERANGE (SEMVMX), ETIMEDOUT; nothing was done then
   */
  applySync(ops: readonly SysvSemaphoreOperation[], options?: TimeLimit): void {
    this.#checkOpen();
    this.#applySync(operationsOf(ops), options);
  }

  /** semop(2) with IPC_NOWAIT: does all operations at once where that is possible. Never waits. */
  tryApply(ops: readonly SysvSemaphoreOperation[]): boolean {
    this.#checkOpen();
    return this.#tryApply(operationsOf(ops));
  }

  /**
   * semop(2): does all operations at once. The promise waits until all are possible.
   *
   * @throws IpcError as applySync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  apply(ops: readonly SysvSemaphoreOperation[], options?: WaitOptions): Promise<void> {
    return promise(() => {
      this.#checkOpen();
      return this.#apply(operationsOf(ops), options);
    });
  }

  /** semop(2): takes `n`. Blocks the thread until there are as many, at most `timeout` milliseconds. Throws as applySync(). */
  acquireSync(index = 0, n = 1, options?: SysvSemaphoreUndo & TimeLimit): void {
    this.#checkOpen();
    this.#applySync(operationOf(index, n, -1, options), options);
  }

  /** semop(2) with IPC_NOWAIT: takes `n` where there are as many. Never waits. */
  tryAcquire(index = 0, n = 1, options?: SysvSemaphoreUndo): boolean {
    this.#checkOpen();
    return this.#tryApply(operationOf(index, n, -1, options));
  }

  /** semop(2): takes `n`. The promise waits until there are as many. Rejects as apply(). */
  acquire(index = 0, n = 1, options?: SysvSemaphoreUndo & WaitOptions): Promise<void> {
    return promise(() => {
      this.#checkOpen();
      return this.#apply(operationOf(index, n, -1, options), options);
    });
  }

  /**
   * semop(2): gives `n`, and wakes those that wait for them. Never waits.
   *
   * @throws IpcError EACCES, EFBIG, EINVAL, ERANGE (SEMVMX)
   */
  release(index = 0, n = 1, options?: SysvSemaphoreUndo): void {
    this.#checkOpen();
    const operations = operationOf(index, n, 1, options);
    this.#check(this.#make(operations, IPC_NOWAIT), operations);
  }

  /** semop(2): blocks the thread until there are none, at most `timeout` milliseconds. Throws as applySync(). */
  waitForZeroSync(index = 0, options?: TimeLimit): void {
    this.#checkOpen();
    this.#applySync(waitForZeroOf(index), options);
  }

  /** semop(2) with IPC_NOWAIT: whether there are none. Never waits. */
  tryWaitForZero(index = 0): boolean {
    this.#checkOpen();
    return this.#tryApply(waitForZeroOf(index));
  }

  /** semop(2): the promise waits until there are none. Each such wait takes a thread, see waitThreads. Rejects as apply(). */
  waitForZero(index = 0, options?: WaitOptions): Promise<void> {
    return promise(() => {
      this.#checkOpen();
      return this.#apply(waitForZeroOf(index), options);
    });
  }

  /** semctl(2) with GETALL: what all semaphores have, at one moment. Never waits. */
  values(): number[] {
    this.#checkOpen();
    return this.#control(() => semctl(this.id, 0, GETALL) as number[]);
  }

  /**
   * semctl(2) with SETALL: sets all semaphores at once, and forgets what was to be undone. Never waits.
   *
   * @throws IpcError EACCES, EINVAL
   */
  setValues(values: readonly number[]): void {
    this.#checkOpen();
    const checked = valuesOf(values, 'values');
    if (checked.length !== this.count) {
      throw outOfRange('values.length', `${this.count}, as many as the set has semaphores`, checked.length);
    }
    const result = native.semctlSetAll(this.id, new Uint8Array(Uint16Array.from(checked).buffer));
    if (result < 0) throw explainControl(result, this.id);
  }

  /** semctl(2) with SETVAL: sets one semaphore, and forgets what was to be undone. Never waits. Throws as setValues(). */
  setValue(index: number, value: number): void {
    this.#checkOpen();
    unsignedShort(index, 'index');
    valueOf(value, 'value');
    this.#control(() => semctl(this.id, index, SETVAL, value));
  }

  /** semctl(2) with IPC_STAT, and what it tells of each semaphore. Never waits. */
  stat(): SysvSemaphoreSetStat {
    this.#checkOpen();
    const found = table.find(this.id);
    if (found === undefined) throw explainControl(EINVAL, this.id);
    const { id: _, ...state } = found;
    const of = (index: number, cmd: number): number => semctl(this.id, index, cmd) as number;
    const semaphores = this.values().map((value, index): SysvSemaphoreState => ({
      value,
      pid: of(index, GETPID),
      waiting: of(index, GETNCNT),
      waitingForZero: of(index, GETZCNT),
    }));
    return { ...state, semaphores };
  }

  /**
   * semctl(2) with IPC_SET: changes owner or permissions. What is not given stays. Never waits.
   *
   * @throws IpcError EINVAL, EPERM (not the owner)
   */
  set(changes: SysvOwnerChanges): void {
    this.#checkOpen();
    const sem_perm = ownerChanges(changes);
    this.#control(() => semctl(this.id, 0, IPC_SET, { sem_perm }));
  }

  /**
   * semctl(2) with IPC_RMID: destroys the set, for every process; whoever waits on it gets EIDRM. Never waits.
   *
   * @throws IpcError EINVAL (gone already), EPERM (neither owner nor creator)
   */
  remove(): void {
    this.#checkOpen();
    this.#control(() => semctl(this.id, 0, IPC_RMID));
  }

  /**
   * Ends this object; the set stays. Promises that wait reject with ECANCELED, unless what they wait for has been done
   * already.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const reason = 'the SysvSemaphoreSet was closed while this call waited';
    this.#waits.cancelAll((syscall) => new IpcError(ECANCELED, syscall, { reason, id: this.id }));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw invalidState('The SysvSemaphoreSet is closed');
  }

  #start(operations: Operations, flags: number): void {
    // Reading the options may have run the caller's code.
    this.#checkOpen();
    native.startOperations(operations.length);
    operations.forEach(([index, op, undo], place) => {
      native.setOperation(place, index, op, undo | flags);
    });
  }

  /** semop(2), as its flags say. */
  #make(operations: Operations, flags: number): number {
    const [first] = operations;
    if (first === undefined || operations.length > 1) {
      this.#start(operations, flags);
      return native.semop(this.id);
    }
    this.#checkOpen();
    const [index, op, undo] = first;
    return native.semopOne(this.id, index, op, undo | flags);
  }

  #check(result: number, operations: Operations): void {
    if (result < 0) throw explainOperation(result, this.id, operations.length);
  }

  #applySync(operations: Operations, options: TimeLimit | undefined): void {
    const limit = timeLimit(object(options, 'options')?.timeout);
    if (limit === undefined && this.#spin === 0) {
      this.#check(this.#make(operations, 0), operations);
      return;
    }
    this.#start(operations, 0);
    this.#check(native.semopWithin(this.id, limit ?? -1, this.#spin), operations);
  }

  #tryApply(operations: Operations): boolean {
    const result = this.#make(operations, IPC_NOWAIT);
    if (result === EAGAIN) return false;
    this.#check(result, operations);
    return true;
  }

  #apply(operations: Operations, options: WaitOptions | undefined): void | Promise<void> {
    const waiting = waitOptions(options);
    this.#start(operations, 0);
    const started = native.semopLater(this.id, this.#spin);
    if (started === 0) return soon(undefined);
    const ending = {
      syscall: 'semop',
      settle: () => undefined,
      explain: (result: number) => explainOperation(result, this.id, operations.length),
      late: (result: number) => whileWaiting(result, this.id),
    };
    return waitOnThread<undefined>(this.#waits, started, ending, waiting).promise;
  }

  #control<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (error instanceof IpcError) throw explainControl(error.errno, this.id);
      throw error;
    }
  }
}
