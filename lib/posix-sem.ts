import { readdirSync } from 'node:fs';
import { boolean, cString, object, size, timeout as timeLimit, unsigned } from './internal/arguments.js';
import { errno, INTERRUPTED, invalidState, IpcError, outOfRange } from './internal/errors.js';
import { mappingReason } from './internal/mapping.js';
import { MemoryPlace, type Memory } from './internal/memory-place.js';
import { permissions } from './internal/permissions.js';
import { waitOnThread } from './internal/wait-threads.js';
import { promise, soon, waitOptions, type WaitOptions } from './internal/waiting.js';
import { native } from './native/posix-sem.js';
import { native as mapping } from './native/mapping.js';
import { O_CREAT, O_EXCL } from './sys/descriptor.js';
import { SEM_VALUE_MAX, SIZEOF_SEM_T } from './sys/posix-sem.js';

const EAGAIN = errno('EAGAIN');
const ECANCELED = errno('ECANCELED');
const EEXIST = errno('EEXIST');
const EINVAL = errno('EINVAL');
const ENOENT = errno('ENOENT');
const EOVERFLOW = errno('EOVERFLOW');

/** Where the C library keeps those with a name, as files. */
const FOLDER = '/dev/shm';
const PREFIX = 'sem.';

export interface PosixSemaphoreHandleOptions {
  /** Microseconds to try without sleeping before a wait begins, 0 by default. */
  spin?: number | undefined;
}

export interface PosixSemaphoreOptions extends PosixSemaphoreHandleOptions {
  /** Make the semaphore where there is none; true by default. */
  create?: boolean | undefined;
  /** Fail with EEXIST where there is one. */
  exclusive?: boolean | undefined;
  /** Permissions of one that is made, less the umask; 0o600 by default. */
  mode?: number | undefined;
  /** What one that is made begins with, 0 by default. */
  initial?: number | undefined;
}

export interface PosixSemaphorePlaceOptions extends PosixSemaphoreHandleOptions {
  /** Makes a semaphore of this value there. Without, the one that is there is meant. */
  initial?: number | undefined;
}

/**
 * A POSIX semaphore: a number that processes take from, waiting while there is nothing to take, and give to. By its name, or
 * at an offset of shared memory.
 *
 * Each method that can wait has three variants: `acquireSync()` blocks the thread, `tryAcquire()` never waits, `acquire()`
 * gives a promise. Whoever dies with something taken does not give it back; a System V semaphore with `undo` does.
 *
 * @example
 * const slots = PosixSemaphore.open('/slots', { initial: 8 });
 * await slots.acquire();
 * try { await use(); } finally { slots.release(); }
 * @see https://man7.org/linux/man-pages/man7/sem_overview.7.html
 */
export class PosixSemaphore implements Disposable {
  /** Its name, with the slash; undefined where it has none. */
  readonly name: string | undefined;
  readonly #place: MemoryPlace;
  /** The mapping of one that has a name. */
  readonly #own: ArrayBuffer | undefined;
  readonly #spin: number;
  readonly #waits;
  #closed = false;

  private constructor(place: MemoryPlace, spin: number, name?: string, own?: ArrayBuffer) {
    this.name = name;
    this.#place = place;
    this.#own = own;
    this.#spin = spin;
    this.#waits = place.waits();
  }

  /**
   * sem_open(3): opens the semaphore of this name, and makes it where there is none. Never waits.
   *
   * @param name begins with a slash and has no other
   * @throws IpcError EACCES, EEXIST (exclusive), EINVAL, ENAMETOOLONG, ENOENT (create: false), ENOSPC (/dev/shm is full)
   */
  static open(name: string, options?: PosixSemaphoreOptions): PosixSemaphore {
    cString(name, 'name');
    const {
      create = true,
      exclusive = false,
      mode = 0o600,
      initial = 0,
      spin = 0,
    } = object(options, 'options') ?? {};
    const flags =
      (boolean(create, 'options.create') ? O_CREAT : 0) |
      (boolean(exclusive, 'options.exclusive') ? O_CREAT | O_EXCL : 0);
    const permitted = permissions(mode, 'options.mode');
    const value = initialValue(initial);
    const trying = size(spin, 'options.spin');
    const result = native.semOpen(name, flags, permitted, value);
    if (typeof result === 'number') throw explainOpen(result, name);
    const place = new MemoryPlace(result, 0, SIZEOF_SEM_T, 1);
    const semaphore = new PosixSemaphore(place, trying, name, result);
    semaphore.#checkWhole();
    return semaphore;
  }

  /**
   * sem_init(3), with `initial`: makes a semaphore at an offset of shared memory. Without: the one that was made there. Never
   * waits.
   *
   * @param memory an object of this package, or an ArrayBuffer of shmat() or mmap()
   * @param offset a multiple of 8, from which there are SIZEOF_SEM_T (of `unix-ipc/sys`) bytes
   * @throws IpcError EACCES (readOnly memory)
   */
  static at(memory: Memory, offset: number, options?: PosixSemaphorePlaceOptions): PosixSemaphore {
    const { initial, spin = 0 } = object(options, 'options') ?? {};
    const value = initial === undefined ? undefined : initialValue(initial);
    const trying = size(spin, 'options.spin');
    const place = new MemoryPlace(memory, offset, SIZEOF_SEM_T, native.constants.ALIGNOF_SEM_T);
    const words = place.wordsToWrite;
    const result = value === undefined ? 0 : native.init(words, value);
    if (result < 0) throw new IpcError(result, 'sem_init');
    return new PosixSemaphore(place, trying);
  }

  /** The names of all that have one. Never waits. */
  static list(): string[] {
    return readdirSync(FOLDER)
      .filter((file) => file.startsWith(PREFIX))
      .map((file) => `/${file.slice(PREFIX.length)}`);
  }

  /** Whether close() was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** sem_getvalue(3): what there is to take, which may be another by now. Never waits. */
  get value(): number {
    const result = native.value(this.#words());
    if (result < 0) throw new IpcError(result, 'sem_getvalue', this.#context());
    return result;
  }

  /**
   * sem_wait(3): takes 1. Blocks the thread while there is none, at most `timeout` milliseconds.
   *
   * @throws IpcError EINTR (a signal handler ran), ETIMEDOUT
   */
  acquireSync(options?: { timeout?: number | undefined }): void {
    const limit = timeLimit(object(options, 'options')?.timeout);
    const words = this.#words();
    let result = native.tryWait(words);
    if (result === EAGAIN) {
      this.#place.check();
      const waits = limit === undefined && this.#spin === 0;
      result = waits ? native.wait(words) : native.waitWithin(words, limit ?? -1, this.#spin);
    }
    if (result < 0) throw this.#explain(result);
  }

  /** sem_trywait(3): takes 1 where there is one. Never waits. */
  tryAcquire(): boolean {
    const result = native.tryWait(this.#words());
    if (result === 0) return true;
    if (result === EAGAIN) return false;
    throw this.#explain(result);
  }

  /**
   * sem_wait(3): takes 1. The promise waits while there is none. Calls on one object are answered in their order.
   *
   * @throws IpcError ETIMEDOUT; ECANCELED where this object or the memory is closed meanwhile
   */
  acquire(options?: WaitOptions): Promise<void> {
    return promise(() => {
      const waiting = waitOptions(options);
      const words = this.#words();
      this.#place.check();
      const started = native.waitLater(words, this.#spin);
      if (started === 0) return soon(undefined);
      const ending = {
        syscall: 'sem_wait',
        settle: () => undefined,
        explain: (result: number) => this.#explain(result),
        late: (result: number) => result,
      };
      return waitOnThread<undefined>(this.#waits, started, ending, waiting).promise;
    });
  }

  /**
   * sem_post(3): gives `n`, and wakes those that wait for them. Never waits.
   *
   * @throws IpcError EOVERFLOW (SEM_VALUE_MAX): nothing was given
   */
  release(n = 1): void {
    const words = this.#words();
    const count = size(n, 'n', 1);
    if (count > 1 && count > SEM_VALUE_MAX - this.value) throw this.#explain(EOVERFLOW);
    for (let given = 0; given < count; given++) {
      const result = native.post(words);
      if (result < 0) throw this.#explain(result);
    }
  }

  /**
   * sem_unlink(3): takes the name away; the semaphore goes when nobody has it open any more. Never waits.
   *
   * @throws IpcError EACCES, ENOENT; Error ERR_INVALID_STATE for one without a name
   */
  unlink(): void {
    this.#words();
    if (this.name === undefined) throw invalidState('This PosixSemaphore has no name');
    const result = native.semUnlink(this.name);
    if (result < 0) throw new IpcError(result, 'sem_unlink', { path: this.name });
  }

  /** Ends this object; the semaphore stays. Promises that wait reject with ECANCELED. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const reason = 'the PosixSemaphore was closed while this call waited';
    this.#waits.cancelAll((syscall) => new IpcError(ECANCELED, syscall, { ...this.#context(), reason }));
    if (this.#own !== undefined) mapping.unmap(this.#own, false);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Of a file that is too short there is nothing to be read, which the C library does not look for. */
  #checkWhole(): void {
    try {
      native.value(this.#words());
      this.#place.check();
    } catch {
      this.close();
      const reason = `${FOLDER}/${PREFIX}${String(this.name).slice(1)} is no semaphore: it is too short`;
      throw new IpcError(EINVAL, 'sem_open', { ...this.#context(), reason });
    }
  }

  #words(): Int32Array {
    if (this.#closed) throw invalidState('The PosixSemaphore is closed');
    return this.#place.wordsToWrite;
  }

  #context(): { path?: string } {
    return this.name === undefined ? {} : { path: this.name };
  }

  #explain(result: number): IpcError {
    const reasons = new Map([
      [errno('EINTR'), INTERRUPTED],
      [errno('ETIMEDOUT'), 'there was nothing to take within the time limit'],
      [EOVERFLOW, `a semaphore holds ${SEM_VALUE_MAX} at most (SEM_VALUE_MAX)`],
      [EINVAL, 'there is no semaphore at this place'],
    ]);
    const syscall = result === EOVERFLOW ? 'sem_post' : 'sem_wait';
    return new IpcError(result, syscall, { ...this.#context(), reason: reasons.get(result) });
  }
}

function initialValue(initial: number): number {
  const value = unsigned(initial, 'options.initial');
  if (value > SEM_VALUE_MAX) throw outOfRange('options.initial', `at most ${SEM_VALUE_MAX}`, initial);
  return value;
}

function explainOpen(result: number, name: string): IpcError {
  const reasons = new Map([
    [ENOENT, 'there is no semaphore of this name; create: true makes it'],
    [EEXIST, 'there is a semaphore of this name; exclusive: false opens it'],
    [errno('EACCES'), 'no permission: who uses a semaphore needs the right to read and to write it'],
    // Of names that are much too long the C library says EINVAL.
    [EINVAL, 'a name begins with a slash, and has 1 to 251 other bytes and no other slash'],
    [errno('ENAMETOOLONG'), 'a name has at most 251 bytes behind the slash'],
    [errno('ENOSPC'), `there is no room in ${FOLDER} (df ${FOLDER})`],
  ]);
  const reason = mappingReason(result) ?? reasons.get(result);
  return new IpcError(result, 'sem_open', { path: name, reason });
}
