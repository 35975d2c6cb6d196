import { object, size, timeout as timeLimit, unsigned } from './internal/arguments.js';
import { errno, INTERRUPTED, invalidState, IpcError, outOfRange } from './internal/errors.js';
import { MemoryPlace, type Memory } from './internal/memory-place.js';
import { waitOnThread } from './internal/wait-threads.js';
import { promise, soon, waitOptions, type WaitOptions } from './internal/waiting.js';
import { native } from './native/futex.js';

const WORD = 4;
const EAGAIN = errno('EAGAIN');
const ECANCELED = errno('ECANCELED');
const EINTR = errno('EINTR');
const EINVAL = errno('EINVAL');
const ETIMEDOUT = errno('ETIMEDOUT');
const INT_MAX = 2 ** 31 - 1;

export interface FutexOptions {
  /** Microseconds to try without sleeping before a wait begins, 0 by default. */
  spin?: number | undefined;
}

/** Woken; or the word was another already. */
export type FutexOutcome = 'ok' | 'not-equal';

/**
 * A futex: a 32-bit word of shared memory that processes wait on until another changes it and says so. What Atomics.wait()
 * and Atomics.notify() are to the threads of one process, which take no shared memory of the system.
 *
 * Each method that can wait has three variants: `waitSync()` blocks the thread, `tryWait()` never waits, `wait()` gives a
 * promise. A wait may end without a reason, so look at the value again, and wait again where it is still the same.
 *
 * @example
 * const ready = Futex.at(memory, 0);
 * while (ready.value === 0) await ready.wait(0); // the consumer
 * ready.value = 1; ready.wake();                 // the producer, when it has written
 * @see https://man7.org/linux/man-pages/man2/futex.2.html
 */
export class Futex implements Disposable {
  readonly #place: MemoryPlace;
  readonly #spin: number;
  readonly #waits;
  #closed = false;
  #word = new Uint8Array(0);

  private constructor(place: MemoryPlace, spin: number) {
    this.#place = place;
    this.#spin = spin;
    this.#waits = place.waits();
  }

  /**
   * The word at an offset of shared memory. Nothing is written. Never waits.
   *
   * @param memory an object of this package, or an ArrayBuffer of shmat() or mmap()
   * @param offset a multiple of 4
   */
  static at(memory: Memory, offset = 0, options?: FutexOptions): Futex {
    const { spin = 0 } = object(options, 'options') ?? {};
    const place = new MemoryPlace(memory, offset, WORD, WORD);
    return new Futex(place, size(spin, 'options.spin'));
  }

  /** Whether close() was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The word, unsigned. Read and written at once: nobody sees a half of it. Who may only read the memory can wait on it, and
   * not change it: EACCES.
   */
  get value(): number {
    return Atomics.load(this.#words(), 0) >>> 0;
  }
  set value(value: number) {
    Atomics.store(this.#wordsToWrite(), 0, unsigned(value, 'value'));
  }

  /** Adds to the word, which begins at 0 again after 2^32 - 1, and gives what it was before. */
  add(n: number): number {
    const words = this.#wordsToWrite();
    if (!Number.isInteger(n) || Math.abs(n) > 0xffff_ffff) unsigned(n, 'n');
    return Atomics.add(words, 0, n) >>> 0;
  }

  /** Sets the word, and gives what it was before. */
  exchange(value: number): number {
    return Atomics.exchange(this.#wordsToWrite(), 0, unsigned(value, 'value')) >>> 0;
  }

  /** Sets the word where it is `expected`, and gives what it was before. */
  compareExchange(expected: number, replacement: number): number {
    unsigned(expected, 'expected');
    unsigned(replacement, 'replacement');
    return Atomics.compareExchange(this.#wordsToWrite(), 0, expected | 0, replacement | 0) >>> 0;
  }

  /**
   * futex(2), FUTEX_WAIT: blocks the thread while the word is `expected`, until wake(), at most `timeout` milliseconds.
   *
   * @throws IpcError EINTR (a signal handler ran), ETIMEDOUT
   */
  waitSync(expected: number, options?: { timeout?: number | undefined }): FutexOutcome {
    unsigned(expected, 'expected');
    const limit = timeLimit(object(options, 'options')?.timeout);
    const word = this.#wordToWaitOn();
    const result =
      limit === undefined && this.#spin === 0
        ? native.wait(word, expected)
        : native.waitWithin(word, expected, limit ?? -1, this.#spin);
    return outcome(result);
  }

  /** 'not-equal' where the word is not `expected`; undefined where wait() would wait. Never waits. */
  tryWait(expected: number): 'not-equal' | undefined {
    unsigned(expected, 'expected');
    return this.value === expected ? undefined : 'not-equal';
  }

  /**
   * futex(2), FUTEX_WAIT: the promise waits while the word is `expected`, until wake(). Each such wait takes a thread, see
   * waitThreads.
   *
   * @throws IpcError ETIMEDOUT; ECANCELED where this object or the memory is closed meanwhile
   */
  wait(expected: number, options?: WaitOptions): Promise<FutexOutcome> {
    return promise(() => {
      unsigned(expected, 'expected');
      const waiting = waitOptions(options);
      const started = native.waitLater(this.#wordToWaitOn(), expected, this.#spin);
      if (started === EAGAIN) return soon<FutexOutcome>('not-equal');
      const ending = {
        syscall: 'futex_wait',
        settle: (): FutexOutcome => 'ok',
        explain,
        late: (result: number) => result,
        otherwise: (result: number): FutexOutcome | undefined =>
          result === EAGAIN ? 'not-equal' : undefined,
      };
      return waitOnThread(this.#waits, started, ending, waiting).promise;
    });
  }

  /**
   * futex(2), FUTEX_WAKE: wakes up to `count` that wait, in any process. Never waits.
   *
   * @param count Infinity for all
   * @returns how many
   */
  wake(count = 1): number {
    const most = count === Infinity ? INT_MAX : size(count, 'count', 1);
    if (most > INT_MAX) throw outOfRange('count', `from 1 to ${INT_MAX}, or Infinity`, count);
    const result = native.wake(this.#bytes(), most);
    if (result < 0) throw explain(result);
    return result;
  }

  /** Ends this object. Promises that wait reject with ECANCELED. The word stays as it is. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const reason = 'the Futex was closed while this call waited';
    this.#waits.cancelAll((syscall) => new IpcError(ECANCELED, syscall, { reason }));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #words(): Int32Array {
    if (this.#closed) throw invalidState('The Futex is closed');
    return this.#place.words;
  }

  #wordsToWrite(): Int32Array {
    if (this.#closed) throw invalidState('The Futex is closed');
    return this.#place.wordsToWrite;
  }

  #wordToWaitOn(): Uint8Array {
    const word = this.#bytes();
    this.#place.check();
    return word;
  }

  #bytes(): Uint8Array {
    const words = this.#words();
    if (this.#word.buffer !== words.buffer) {
      this.#word = new Uint8Array(words.buffer as ArrayBuffer, words.byteOffset, WORD);
    }
    return this.#word;
  }
}

function outcome(result: number): FutexOutcome {
  if (result === 0) return 'ok';
  if (result === EAGAIN) return 'not-equal';
  throw explain(result);
}

function explain(result: number): IpcError {
  const reasons = new Map([
    [EINTR, INTERRUPTED],
    [EINVAL, 'the word is not at a multiple of 4'],
    [ETIMEDOUT, 'nobody woke this within the time limit'],
  ]);
  return new IpcError(result, 'futex_wait', { reason: reasons.get(result) });
}
