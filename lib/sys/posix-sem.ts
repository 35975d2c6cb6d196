// <semaphore.h>
import { cString, int, unsigned } from '../internal/arguments.js';
import { errno, invalidType, IpcError, outOfRange } from '../internal/errors.js';
import { arrayBuffer, placeIn } from '../internal/memory-range.js';
import { mapped } from '../internal/mapping.js';
import { time, type timespec } from '../internal/timespec.js';
import { native as mapping } from '../native/mapping.js';
import { native } from '../native/posix-sem.js';

/** An opaque handle: a named semaphore, or one living at an offset of shared memory. */
export interface sem_t {
  readonly __sem: never;
}

export const SIZEOF_SEM_T: number = native.constants.SIZEOF_SEM_T;
export const SEM_VALUE_MAX: number = native.constants.SEM_VALUE_MAX;

const { ALIGNOF_SEM_T } = native.constants;
// As constants of this module: the compiler trusts no others, see native/core.ts.
const { post, tryWait, wait } = native;
const EINVAL = errno('EINVAL');
const EAGAIN = errno('EAGAIN');

/** In a second. */
const NANOSECONDS = 1e9;

/** The words of a semaphore that has ended. */
const ENDED = new Int32Array(0);

class Semaphore {
  #words: Int32Array;
  /** The mapping of a named one. */
  #memory: ArrayBuffer | undefined;

  constructor(words: Int32Array, memory?: ArrayBuffer) {
    this.#words = words;
    this.#memory = memory;
  }

  /** The words, of which there are none where the semaphore has ended, or its memory was detached. */
  static words(sem: unknown): Int32Array {
    try {
      return (sem as Semaphore).#words;
    } catch {
      throw invalidType('sem', 'a sem_t', sem);
    }
  }

  /** Ends a handle, which must be a named one, or must not be. */
  static end(
    sem: unknown,
    syscall: string,
    named: boolean,
  ): { words: Int32Array; memory: ArrayBuffer | undefined } {
    const words = Semaphore.words(sem);
    const handle = sem as Semaphore;
    const memory = handle.#memory;
    if (words.length === 0 || named !== (memory !== undefined)) throw new IpcError(EINVAL, syscall);
    handle.#words = ENDED;
    handle.#memory = undefined;
    return { words, memory };
  }
}

function handle(words: Int32Array, memory?: ArrayBuffer): sem_t {
  return new Semaphore(words, memory) as unknown as sem_t;
}

/**
 * sem_open(3): a new handle of the semaphore of this name, made first where oflag has O_CREAT. Never waits.
 *
 * @param name begins with a slash and has no other
 * @param oflag 0, or O_CREAT and O_EXCL
 * @param mode the permissions of a semaphore that is made, less the umask
 * @param value what one that is made begins with, at most SEM_VALUE_MAX
 * @throws IpcError with `path`: EACCES, EEXIST, EINVAL, EMFILE, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM
 * @see https://man7.org/linux/man-pages/man3/sem_open.3.html
 */
export function sem_open(name: string, oflag: number, mode = 0o600, value = 0): sem_t {
  cString(name, 'name');
  int(oflag, 'oflag');
  const result = native.semOpen(name, oflag, unsigned(mode, 'mode'), unsigned(value, 'value'));
  const memory = mapped(result, 'sem_open', { path: name });
  return handle(new Int32Array(memory), memory);
}

/**
 * sem_close(3): ends the handle; the semaphore stays. Never waits.
 *
 * @throws IpcError EINVAL (ended already; not a named semaphore)
 * @see https://man7.org/linux/man-pages/man3/sem_close.3.html
 */
export function sem_close(sem: sem_t): void {
  const { memory } = Semaphore.end(sem, 'sem_close', true);
  mapping.unmap(memory as ArrayBuffer, false);
}

/**
 * sem_unlink(3): takes the name away; the semaphore goes when nobody has it open any more. Never waits.
 *
 * @throws IpcError with `path`: EACCES, ENAMETOOLONG, ENOENT
 * @see https://man7.org/linux/man-pages/man3/sem_unlink.3.html
 */
export function sem_unlink(name: string): void {
  const result = native.semUnlink(cString(name, 'name'));
  if (result < 0) throw new IpcError(result, 'sem_unlink', { path: name });
}

/**
 * sem_init(3): makes a semaphore of SIZEOF_SEM_T bytes of shared memory. It is shared between processes. Never waits.
 *
 * @param byteOffset a multiple of 8
 * @param value at most SEM_VALUE_MAX
 * @throws IpcError EINVAL (value)
 * @see https://man7.org/linux/man-pages/man3/sem_init.3.html
 */
export function sem_init(memory: ArrayBuffer, byteOffset: number, value: number): sem_t {
  const words = wordsAt(memory, byteOffset);
  const result = native.init(words, unsigned(value, 'value'));
  if (result < 0) throw new IpcError(result, 'sem_init');
  return handle(words);
}

/** A handle of the semaphore that sem_init() made at that place, in this or another process. No system call. */
export function sem_at(memory: ArrayBuffer, byteOffset: number): sem_t {
  return handle(wordsAt(memory, byteOffset));
}

function wordsAt(memory: unknown, byteOffset: unknown): Int32Array {
  arrayBuffer(memory, 'memory');
  const { buffer, start } = placeIn(memory, byteOffset, SIZEOF_SEM_T, 'memory');
  if (start % ALIGNOF_SEM_T !== 0) throw outOfRange('byteOffset', `a multiple of ${ALIGNOF_SEM_T}`, start);
  return new Int32Array(buffer as ArrayBuffer, start, SIZEOF_SEM_T / Int32Array.BYTES_PER_ELEMENT);
}

/**
 * sem_destroy(3): ends the handle and the semaphore, which nobody may wait for. Never waits.
 *
 * @throws IpcError EINVAL (ended already; a named semaphore)
 * @see https://man7.org/linux/man-pages/man3/sem_destroy.3.html
 */
export function sem_destroy(sem: sem_t): void {
  const { words } = Semaphore.end(sem, 'sem_destroy', false);
  const result = native.destroy(words);
  if (result < 0) throw new IpcError(result, 'sem_destroy');
}

/**
 * sem_post(3): adds 1, and wakes one that waits. Never waits.
 *
 * @throws IpcError EINVAL (the handle has ended), EOVERFLOW (SEM_VALUE_MAX)
 * @see https://man7.org/linux/man-pages/man3/sem_post.3.html
 */
export function sem_post(sem: sem_t): void {
  check(post(Semaphore.words(sem)), 'sem_post');
}

/**
 * sem_wait(3): takes 1. Waits while there is none.
 *
 * @throws IpcError EINTR (a signal handler ran), EINVAL (the handle has ended)
 * @see https://man7.org/linux/man-pages/man3/sem_wait.3.html
 */
export function sem_wait(sem: sem_t): void {
  check(wait(Semaphore.words(sem)), 'sem_wait');
}

/**
 * sem_trywait(3): takes 1 where there is one. Never waits.
 *
 * @throws IpcError EAGAIN (there is none), EINVAL (the handle has ended)
 * @see https://man7.org/linux/man-pages/man3/sem_wait.3.html
 */
export function sem_trywait(sem: sem_t): void {
  check(tryWait(Semaphore.words(sem)), 'sem_trywait');
}

/**
 * sem_timedwait(3): takes 1. Waits while there is none, no longer than until a time.
 *
 * @param absTimeout of the system's clock, as Date.now() tells
 * @throws IpcError EINTR, EINVAL (the handle has ended; a tv_nsec that is none), ETIMEDOUT
 * @see https://man7.org/linux/man-pages/man3/sem_wait.3.html
 */
export function sem_timedwait(sem: sem_t, absTimeout: timespec): void {
  const words = Semaphore.words(sem);
  const { tv_sec, tv_nsec } = time(absTimeout, 'absTimeout');
  // The C library looks at it first too.
  if (tv_nsec < 0 || tv_nsec >= NANOSECONDS) throw new IpcError(EINVAL, 'sem_timedwait');
  const tried = tryWait(words);
  check(tried === EAGAIN ? native.timedWait(words, tv_sec, tv_nsec) : tried, 'sem_timedwait');
}

/**
 * sem_getvalue(3): the value, which may be another by now. Never waits.
 *
 * @throws IpcError EINVAL (the handle has ended)
 * @see https://man7.org/linux/man-pages/man3/sem_getvalue.3.html
 */
export function sem_getvalue(sem: sem_t): number {
  const words = Semaphore.words(sem);
  return check(words.length === 0 ? EINVAL : native.value(words), 'sem_getvalue');
}

function check(result: number, syscall: string): number {
  if (result < 0) throw new IpcError(result, syscall);
  return result;
}
