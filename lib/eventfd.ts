import { readlinkSync } from 'node:fs';
import { boolean, int, object, size, timeout as timeLimit } from './internal/arguments.js';
import { commonReason, Descriptor, endPart, POLLIN, POLLOUT, unlessAgain } from './internal/descriptor.js';
import { errno, invalidType, invalidValue, IpcError, outOfRange } from './internal/errors.js';
import { Iteration } from './internal/iteration.js';
import { isRuntimes, runtimes } from './internal/runtime-descriptors.js';
import { promise, waitOptions, type WaitOptions } from './internal/waiting.js';
import { native as descriptor } from './native/descriptor.js';
import { native } from './native/eventfd.js';
import { EFD_CLOEXEC, EFD_SEMAPHORE, eventfd } from './sys/eventfd.js';

export interface EventFdHandleOptions {
  /** Microseconds to try without sleeping before a wait begins, 0 by default. */
  spin?: number | undefined;
}

export interface EventFdOptions extends EventFdHandleOptions {
  /** What the counter begins with, from 0 (the default) to 2^64 - 2. */
  initial?: number | bigint | undefined;
  /** wait() takes 1 of the counter instead of all. */
  semaphore?: boolean | undefined;
}

const { pollOne } = descriptor;
const EAGAIN = errno('EAGAIN');
const EBADF = errno('EBADF');
const EINTR = errno('EINTR');
const ETIMEDOUT = errno('ETIMEDOUT');
const MOST = 2n ** 64n - 2n;

/**
 * Milliseconds for which an addition that must not wait may be in the kernel: it waits there only where the counter would
 * overflow.
 */
const AT_ONCE = 0.2;

// Read and written in one go by calls that can't be interrupted by others of this thread.
const word = new BigUint64Array(1);
const wordBytes = new Uint8Array(word.buffer);

/**
 * An event counter of the kernel: signal() adds to it, wait() takes it and waits while it is 0. It costs one descriptor, and
 * a child process that is given it shares it.
 *
 * Each method that can wait has three variants: `waitSync()` blocks the thread, `tryWait()` never waits, `wait()` gives a
 * promise.
 *
 * @example
 * const done = EventFd.create();
 * spawn('./worker', { stdio: ['inherit', 'inherit', 'inherit', done.fd] });
 * const jobs = await done.wait();
 * @see https://man7.org/linux/man-pages/man2/eventfd.2.html
 */
export class EventFd implements Disposable, AsyncIterable<number | bigint> {
  readonly #descriptor: Descriptor;
  readonly #spin: number;

  private constructor(fd: number, spin: number) {
    this.#descriptor = new Descriptor(fd, 'EventFd');
    this.#spin = spin;
  }

  /**
   * eventfd(2): a new counter. Its descriptor is close-on-exec. Never waits.
   *
   * @throws IpcError EMFILE, ENFILE
   */
  static create(options?: EventFdOptions): EventFd {
    const { initial = 0, semaphore = false } = object(options, 'options') ?? {};
    const value = count(initial, 'options.initial', 0n);
    const flags = EFD_CLOEXEC | (boolean(semaphore, 'options.semaphore') ? EFD_SEMAPHORE : 0);
    const spin = spinOf(options);
    const counter = new EventFd(eventfd(0, flags), spin);
    // The call itself takes no more than 32 bits.
    if (value > 0n) counter.signalSync(value);
    return counter;
  }

  /**
   * The counter behind a descriptor, such as one that a parent has left open. It belongs to the object from then on.
   *
   * @throws IpcError EBADF
   */
  static fromFd(fd: number, options?: EventFdHandleOptions): EventFd {
    int(fd, 'fd');
    const spin = spinOf(object(options, 'options'));
    if (isRuntimes(fd)) throw runtimes(fd, 'eventfd');
    let what: string;
    try {
      what = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      throw new IpcError(EBADF, 'eventfd', { reason: commonReason(EBADF, fd) });
    }
    if (what !== 'anon_inode:[eventfd]') throw invalidValue('fd', `must be an eventfd. It is ${what}`);
    return new EventFd(fd, spin);
  }

  /** The descriptor. */
  get fd(): number {
    return this.#descriptor.fd;
  }

  /** Whether close() or release() was called. */
  get closed(): boolean {
    return this.#descriptor.closed;
  }

  /**
   * write(2): adds to the counter. Blocks the thread while it would overflow, at most `timeout` milliseconds.
   *
   * @param n from 1 to 2^64 - 2
   * @throws IpcError EINTR (a signal handler ran), ETIMEDOUT
   */
  signalSync(n: number | bigint = 1, options?: { timeout?: number | undefined }): void {
    const value = count(n, 'n', 1n);
    const timeout = timeLimit(object(options, 'options')?.timeout);
    this.#descriptor.checkOpen();
    this.#descriptor.block(this.#addition(value), { timeout, spin: this.#spin });
  }

  /** write(2): adds to the counter where that does not overflow. Never waits. */
  trySignal(n: number | bigint = 1): boolean {
    const value = count(n, 'n', 1n);
    this.#descriptor.checkOpen();
    return this.#add(value) !== undefined;
  }

  /**
   * write(2): adds to the counter. The promise waits while it would overflow.
   *
   * @throws IpcError ETIMEDOUT; ECANCELED where the object is closed meanwhile
   */
  signal(n: number | bigint = 1, options?: WaitOptions): Promise<void> {
    return promise(() => {
      const value = count(n, 'n', 1n);
      this.#descriptor.checkOpen();
      return this.#descriptor.later(this.#addition(value), waitOptions(options), this.#spin);
    });
  }

  /**
   * read(2): takes the counter, or 1 of it. Blocks the thread while it is 0, at most `timeout` milliseconds.
   *
   * @returns a bigint where a number can't hold it
   * @throws IpcError EINTR (a signal handler ran), ETIMEDOUT
   */
  waitSync(options?: { timeout?: number | undefined }): number | bigint {
    const timeout = timeLimit(object(options, 'options')?.timeout);
    this.#descriptor.checkOpen();
    return this.#descriptor.block(this.#taking, { timeout, spin: this.#spin });
  }

  /** read(2): takes the counter, or 1 of it; undefined where it is 0. Never waits. */
  tryWait(): number | bigint | undefined {
    this.#descriptor.checkOpen();
    return this.#taking.attempt();
  }

  /**
   * read(2): takes the counter, or 1 of it. The promise waits while it is 0. Calls are answered in their order.
   *
   * @throws IpcError ETIMEDOUT; ECANCELED where the object is closed meanwhile
   */
  wait(options?: WaitOptions): Promise<number | bigint> {
    return promise(() => {
      this.#descriptor.checkOpen();
      return this.#descriptor.later(this.#taking, waitOptions(options), this.#spin);
    });
  }

  /** What wait() gives, again and again. close() and `break` end it. */
  [Symbol.asyncIterator](): AsyncIterableIterator<number | bigint> {
    this.#descriptor.checkOpen();
    const waits = this.#descriptor.part();
    return new Iteration({
      next: () => this.#descriptor.later(this.#taking, {}, this.#spin, waits),
      isOver: () => this.closed,
      cancel: () => endPart(waits),
    });
  }

  /** Gives the descriptor away: it stays open, and is the caller's to close. */
  release(): number {
    return this.#descriptor.release('released');
  }

  /** Closes the descriptor. Promises that wait reject with ECANCELED; iterations end. */
  close(): void {
    this.#descriptor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  readonly #taking = {
    syscall: 'read',
    direction: POLLIN,
    attempt: (): number | bigint | undefined => {
      const result = this.#descriptor.read(wordBytes, 0, wordBytes.length);
      if (unlessAgain(result, (failed) => this.#explain(failed, 'read')) === undefined) return undefined;
      const value = word[0] as bigint;
      return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
    },
    settle: (value: number | bigint) => value,
    explain: (result: number) => this.#explain(result, 'read'),
  };

  #addition(value: bigint): {
    syscall: string;
    direction: number;
    attempt: () => true | undefined;
    settle: () => undefined;
    explain: (result: number) => Error;
  } {
    return {
      syscall: 'write',
      direction: POLLOUT,
      attempt: () => this.#add(value),
      settle: () => undefined,
      explain: (result) => this.#explain(result, 'write'),
    };
  }

  /** Undefined where the counter would overflow. */
  #add(value: bigint): true | undefined {
    word[0] = value;
    // Whether 1 has room poll(2) knows, at a tenth of the cost; of more it does not.
    const happened = value === 1n ? pollOne(this.fd, POLLOUT, 0) : EAGAIN;
    if (happened === 0) return undefined;
    let result: number;
    do result = happened > 0 ? native.add(this.fd, wordBytes) : native.addWithin(this.fd, wordBytes, AT_ONCE);
    while (result === EINTR);
    if (result === 0) return true;
    if (result === ETIMEDOUT || result === EAGAIN) return undefined;
    throw this.#explain(result, 'write');
  }

  #explain(result: number, syscall: string): IpcError {
    const reasons = {
      read: 'nobody signalled within the time limit',
      write: 'the counter stayed too full for the whole time limit',
    };
    const reason =
      result === ETIMEDOUT ? reasons[syscall as 'read' | 'write'] : commonReason(result, this.fd);
    return new IpcError(result, syscall, { reason });
  }
}

function spinOf(options: EventFdHandleOptions | undefined): number {
  return size(options?.spin ?? 0, 'options.spin');
}

function count(value: unknown, name: string, least: bigint): bigint {
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw invalidType(name, 'a number or a bigint', value);
  }
  const whole = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (whole !== undefined && whole >= least && whole <= MOST) return whole;
  throw outOfRange(name, `an integer from ${least} to ${MOST}, a bigint past 2^53`, value);
}
