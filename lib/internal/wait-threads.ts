import { block, core, detail, ROW, ROW_SLOT } from '../native/core.js';
import { size } from './arguments.js';
import { errno, failure, outOfRange } from './errors.js';
import { slab, slice } from './slab.js';
import { libuv, Wait, type Waiting, type WaitOptions, type Waits } from './waiting.js';

// native/core/wait-engine.h.
const FIRST_TICKET = 4096;
const NO_THREAD = -4095;

interface PendingWait {
  done(result: number, detail: number | bigint, data: Buffer): void;
}

/**
 * By ticket, which the addon gives again once a wait has ended. Kept on the addon, whose tickets they are: a test runner may
 * evaluate this module twice, but the addon has one table and one listener.
 */
const pending = ((core as { pending?: (PendingWait | undefined)[] }).pending ??= []);
const ECANCELED = errno('ECANCELED');
const ETIMEDOUT = errno('ETIMEDOUT');
const EMPTY = Buffer.alloc(0);

core.onDone((rows, size) => {
  const batch = size === 0 ? EMPTY : slab.reserve(size);
  if (size > 0) core.takeBatch(batch, 0);
  for (let row = 0; row < rows; row++) {
    const at = ROW_SLOT + row * ROW.SLOTS;
    const index = (block[at + ROW.TICKET] as number) - FIRST_TICKET;
    const wait = pending[index];
    if (wait === undefined) continue;
    pending[index] = undefined;
    // The addon gives back what has not been taken, such as a descriptor.
    block[at + ROW.TICKET] = 0;
    const offset = block[at + ROW.OFFSET] as number;
    const length = block[at + ROW.SIZE] as number;
    const data = length === size ? batch : slice(batch, offset, length);
    wait.done(block[at + ROW.RESULT] as number, detail(at + ROW.DETAIL), data);
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
  /** The value of a promise whose call failed in a way that is an answer too; undefined where it is none. */
  otherwise?(result: number): T | undefined;
}

/** A call that waits on a thread of the addon. */
class ThreadWait<T> extends Wait<T> implements PendingWait {
  readonly #ticket: number;
  readonly #ending: Ending<T>;

  constructor(owner: Waits, ticket: number, ending: Ending<T>) {
    super(owner);
    this.#ticket = ticket;
    this.#ending = ending;
    pending[ticket - FIRST_TICKET] = this;
  }

  get syscall(): string {
    return this.#ending.syscall;
  }

  done(result: number, detail: number | bigint, data: Buffer): void {
    this.end(() => {
      if (result < 0) return this.#failed(result);
      return this.#ending.settle(result, detail, data);
    }, result === ECANCELED);
  }

  #failed(result: number): T {
    const answer = this.#ending.otherwise?.(result);
    if (answer !== undefined) return answer;
    throw this.#ending.explain(this.#ending.late(result));
  }

  protected withdraw(): boolean {
    if (!core.cancelWait(this.#ticket)) return false;
    pending[this.#ticket - FIRST_TICKET] = undefined;
    return true;
  }

  protected timedOut(): Error {
    return this.#ending.explain(ETIMEDOUT);
  }
}

/** Makes a promise of what a …Later call gave: minus a ticket, or the -errno of a call that failed at once. */
export function waitOnThread<T>(
  waits: Waits,
  started: number,
  ending: Ending<T>,
  options: WaitOptions,
): Waiting<T> {
  if (started === NO_THREAD) return failed(tooManyWaits());
  if (started > -FIRST_TICKET) return failed(ending.explain(started));
  const wait = new ThreadWait(waits, -started, ending);
  wait.watch(options);
  return wait;
}

function failed(error: Error): Waiting<never> {
  return { promise: Promise.reject(error), cancel: () => undefined };
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
