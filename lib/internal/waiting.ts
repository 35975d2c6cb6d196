import { abortSignal, object, timeout as timeLimit } from './arguments.js';

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
  const given = object(options, 'options') as WaitOptions;
  const signal = abortSignal(given.signal);
  const timeout = timeLimit(given.timeout);
  signal?.throwIfAborted();
  return { timeout, signal };
}

/** A promise that can be given up. */
export interface Waiting<T> {
  readonly promise: Promise<T>;
  cancel(reason: unknown): void;
}

/** setTimeout takes no more. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A promise that waits, and what may end it before its time: its time limit, its signal, its object. */
export abstract class Wait<T> implements Waiting<T> {
  readonly promise: Promise<T>;
  readonly #owner: Waits;
  #signal: AbortSignal | undefined;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #deadline = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #cancelled = false;
  #reason: unknown;

  constructor(owner: Waits) {
    this.#owner = owner;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    owner.keep(this as Wait<unknown>);
  }

  /** The call that waits. */
  abstract get syscall(): string;
  /** Gives the call up. False where end() will still be called. */
  protected abstract withdraw(): boolean;
  /** What a time limit rejects with. */
  protected abstract timedOut(): Error;

  /** Apart from the constructor, since the call has been made by now: what throws here must leave a wait that is known. */
  watch({ timeout, signal }: WaitOptions): void {
    try {
      if (timeout !== undefined) {
        this.#deadline = performance.now() + timeout;
        this.#startTimer(timeout);
      }
      if (signal === undefined) return;
      this.#signal = signal;
      onAbort(signal, this as Wait<unknown>);
      // The caller's codec may have aborted it before the call was made.
      if (signal.aborted) this.cancel(signal.reason);
    } catch (error) {
      this.cancel(error);
    }
  }

  /** Gives the wait up. What the kernel has done by then wins: a message received is delivered, not dropped. */
  cancel(reason: unknown): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#reason = reason;
    if (!this.withdraw()) return;
    this.#close();
    this.#reject(reason);
  }

  /** Settles the promise with what `settle` gives or throws. `gaveUp`: the call was made to return by cancel(). */
  protected end(settle: () => T, gaveUp = false): void {
    const cancelled = this.#cancelled;
    // It is over, whatever is cancelled from now on.
    this.#cancelled = true;
    try {
      this.#close();
      if (gaveUp && cancelled) throw this.#reason;
      this.#resolve(settle());
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
    else this.cancel(this.timedOut());
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
  readonly #wholes: Waits[];

  constructor(...wholes: Waits[]) {
    this.#wholes = wholes;
  }

  keep(wait: Wait<unknown>): void {
    this.#waits.add(wait);
    for (const whole of this.#wholes) whole.keep(wait);
  }

  delete(wait: object): void {
    this.#waits.delete(wait as Wait<unknown>);
    for (const whole of this.#wholes) whole.delete(wait);
  }

  cancelAll(reason: (syscall: string) => unknown): void {
    for (const wait of [...this.#waits]) wait.cancel(reason(wait.syscall));
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

/** So many results in a row may come without the event loop getting a turn. */
export const IN_A_ROW = 128;
let inARow = 0;

/**
 * The result of a promise variant that did not have to wait. Awaiting one after the other that is already there would keep
 * timers and input waiting for ever, so now and then the event loop gets its turn first.
 */
export function soon<T>(result: T): T | Promise<T> {
  if (++inARow < IN_A_ROW) return result;
  inARow = 0;
  return new Promise((resolve) => setImmediate(() => resolve(result)));
}

/** Bun and Deno export libuv's names, but their event loops are others. */
export const libuv = !('bun' in process.versions) && !('deno' in process.versions);
