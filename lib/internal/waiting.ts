import { block, core, detail, ROW, ROW_SLOT } from '../native/core.js';
import { errno, failure, outOfRange } from './errors.js';
import { abortSignal, size, timeout as timeLimit } from './arguments.js';
import { slab, slice } from './slab.js';

/** How a promise variant may be ended. */
export interface WaitOptions {
  /** Milliseconds until the wait is given up with ETIMEDOUT. */
  timeout?: number | undefined;
  /** Ends the wait with signal.reason. */
  signal?: AbortSignal | undefined;
}

const NO_OPTIONS: WaitOptions = {};

/** Checks the options, and throws where the signal is aborted already. */
export function waitOptions(options: WaitOptions | undefined): WaitOptions {
  if (options === undefined) return NO_OPTIONS;
  const signal = abortSignal(options.signal);
  const timeout = timeLimit(options.timeout);
  signal?.throwIfAborted();
  return { timeout, signal };
}

// native/core/wait-engine.h.
const FIRST_TICKET = 4096;
const NO_THREAD = -4095;

/**
 * By ticket, which the addon gives again once a wait has ended. Kept on the addon, whose tickets they are: a test runner may
 * evaluate this module twice, but the addon has one table and one listener.
 */
const pending = ((core as { pending?: (PendingWait | undefined)[] }).pending ??= []);
const ECANCELED = errno('ECANCELED');
const ETIMEDOUT = errno('ETIMEDOUT');
const EMPTY = Buffer.alloc(0);

// Bun and Deno export libuv's names, but their event loops are others.
const libuv = !('bun' in process.versions) && !('deno' in process.versions);

core.onDone((rows, size) => {
  const batch = size === 0 ? EMPTY : slab.reserve(size);
  if (size > 0) core.takeBatch(batch, 0);
  for (let row = 0; row < rows; row++) {
    const at = ROW_SLOT + row * ROW.SLOTS;
    const index = (block[at + ROW.TICKET] as number) - FIRST_TICKET;
    const wait = pending[index];
    if (wait === undefined) continue;
    pending[index] = undefined;
    const offset = block[at + ROW.OFFSET] as number;
    const length = block[at + ROW.SIZE] as number;
    const data = length === size ? batch : slice(batch, offset, length);
    wait.end(block[at + ROW.RESULT] as number, detail(at + ROW.DETAIL), data);
  }
}, libuv);

/** What a family does with the end of one of its waits. */
export interface Ending<T> {
  syscall: string;
  /** Makes the value of the promise. What it throws rejects the promise. */
  settle(result: number, detail: number | bigint, data: Buffer): T;
  /** Makes the error of a call that failed. */
  explain(result: number): Error;
  /** What such a failure means where the call has waited before. */
  late(result: number): number;
}

interface PendingWait {
  end(result: number, detail: number | bigint, data: Buffer): void;
}

/** A promise that can be given up. */
export interface Waiting<T> {
  readonly promise: Promise<T>;
  cancel(reason: unknown): void;
}

function failed(error: Error): Waiting<never> {
  return { promise: Promise.reject(error), cancel: () => undefined };
}

/** setTimeout takes no more. */
const LONGEST_TIMER = 2 ** 31 - 1;

class Wait<T> implements PendingWait, Waiting<T> {
  readonly promise: Promise<T>;
  readonly #owner: Waits;
  readonly #ticket: number;
  readonly #ending: Ending<T>;
  readonly #signal: AbortSignal | undefined;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #deadline = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #cancelled = false;
  #reason: unknown;

  constructor(owner: Waits, ticket: number, ending: Ending<T>, signal: AbortSignal | undefined) {
    this.#owner = owner;
    this.#ticket = ticket;
    this.#ending = ending;
    this.#signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Apart from the constructor, since the call has been made by now: what throws here must leave a wait that is known. */
  watch({ timeout, signal }: WaitOptions): void {
    try {
      if (timeout !== undefined) {
        this.#deadline = performance.now() + timeout;
        this.#startTimer(timeout);
      }
      if (signal === undefined) return;
      onAbort(signal, this as Wait<unknown>);
      // The caller's codec may have aborted it before the call was made.
      if (signal.aborted) this.cancel(signal.reason);
    } catch (error) {
      this.cancel(error);
    }
  }

  get syscall(): string {
    return this.#ending.syscall;
  }

  /** Gives the wait up. What the kernel has done by then wins: a message received is delivered, not dropped. */
  cancel(reason: unknown): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#reason = reason;
    if (!core.cancelWait(this.#ticket)) return;
    pending[this.#ticket - FIRST_TICKET] = undefined;
    this.#close();
    this.#reject(reason);
  }

  end(result: number, detail: number | bigint, data: Buffer): void {
    const cancelled = this.#cancelled;
    // The ticket is another wait's from now on.
    this.#cancelled = true;
    try {
      this.#close();
      if (result === ECANCELED && cancelled) throw this.#reason;
      if (result < 0) throw this.#ending.explain(this.#ending.late(result));
      this.#resolve(this.#ending.settle(result, detail, data));
    } catch (error) {
      this.#reject(error);
    }
  }

  #startTimer(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#onTimer(), Math.min(Math.ceil(milliseconds), LONGEST_TIMER));
  }

  #onTimer(): void {
    // Timers of Node may fire up to a millisecond early, and none lasts longer than 25 days.
    const left = this.#deadline - performance.now();
    if (left > 0) this.#startTimer(left);
    else this.cancel(this.#ending.explain(ETIMEDOUT));
  }

  #close(): void {
    this.#owner.delete(this);
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (this.#signal !== undefined) offAbort(this.#signal, this as Wait<unknown>);
  }
}

interface Aborts {
  waits: Set<Wait<unknown>>;
  listener: () => void;
}

/** One listener for all waits of a signal: ten thousand may share one. */
const aborts = new WeakMap<AbortSignal, Aborts>();

function onAbort(signal: AbortSignal, wait: Wait<unknown>): void {
  const known = aborts.get(signal);
  if (known !== undefined) {
    known.waits.add(wait);
    return;
  }
  const waits = new Set([wait]);
  const listener = (): void => {
    for (const waiting of [...waits]) waiting.cancel(signal.reason);
  };
  signal.addEventListener('abort', listener);
  aborts.set(signal, { waits, listener });
}

function offAbort(signal: AbortSignal, wait: Wait<unknown>): void {
  const known = aborts.get(signal);
  known?.waits.delete(wait);
  if (known === undefined || known.waits.size > 0) return;
  signal.removeEventListener('abort', known.listener);
  aborts.delete(signal);
}

/** The waits of one object, or of one part of it, which end with it. */
export class Waits {
  readonly #waits = new Set<Wait<unknown>>();
  readonly #whole: Waits | undefined;

  constructor(whole?: Waits) {
    this.#whole = whole;
  }

  /** Makes a promise of what a …Later call gave: minus a ticket, or the -errno of a call that failed at once. */
  add<T>(started: number, ending: Ending<T>, options: WaitOptions): Waiting<T> {
    if (started === NO_THREAD) return failed(tooManyWaits());
    if (started > -FIRST_TICKET) return failed(ending.explain(started));
    const wait = new Wait(this, -started, ending, options.signal);
    this.#keep(wait as Wait<unknown>);
    pending[-started - FIRST_TICKET] = wait;
    wait.watch(options);
    return wait;
  }

  cancelAll(reason: (syscall: string) => unknown): void {
    for (const wait of [...this.#waits]) wait.cancel(reason(wait.syscall));
  }

  delete(wait: object): void {
    this.#waits.delete(wait as Wait<unknown>);
    this.#whole?.delete(wait);
  }

  #keep(wait: Wait<unknown>): void {
    this.#waits.add(wait);
    if (this.#whole !== undefined) this.#whole.#keep(wait);
  }
}

/**
 * The promise variant of something that gives its value, or a promise where it has to wait. An async function would add
 * three turns of the microtask queue to every wait.
 */
export function promise<T>(start: () => T | Promise<T>): Promise<T> {
  try {
    return Promise.resolve(start());
  } catch (error) {
    return Promise.reject(error);
  }
}

function tooManyWaits(): Error {
  return failure(
    'ERR_TOO_MANY_WAITS',
    `This wait would need a thread of its own, and ${core.busyThreads()} are waiting already (waitThreads.limit is ` +
      `${core.threadLimit()}; the system's limits are RLIMIT_NPROC and kernel.threads-max). Waits for the same thing ` +
      'share a thread: wait for fewer different objects and types, or raise the limit',
  );
}

/** The threads on which promise variants of calls without a descriptor wait, of this environment (main thread or Worker). */
export const waitThreads = {
  /** How many there may be at a time; a promise variant that would need one more rejects with ERR_TOO_MANY_WAITS. */
  get limit(): number {
    return core.threadLimit();
  },
  set limit(limit: number) {
    if (size(limit, 'limit') === 0) throw outOfRange('limit', 'at least 1', limit);
    core.setThreadLimit(limit);
  },
  /** How many are waiting now. */
  get running(): number {
    return core.busyThreads();
  },
};

/** So many results in a row may come without the event loop getting a turn. */
const IN_A_ROW = 128;
let inARow = 0;

/**
 * Whether a promise variant that has its result at once should await `turn()` all the same. Awaiting one result after
 * the other that is already there would otherwise keep timers and input waiting for ever.
 */
export function turnIsDue(): boolean {
  return ++inARow >= IN_A_ROW;
}

export function turn(): Promise<void> {
  inARow = 0;
  return new Promise((resolve) => setImmediate(resolve));
}
