import { lengthOf } from '../internal/arguments.js';
import { binding } from '../internal/binding.js';

/** What the addon offers besides the families' calls: native/core/environment.cc. */
interface Core {
  /** Numbers on their way to a call and back; see below. */
  block: Float64Array<ArrayBuffer>;
  /**
   * Names the function that is called when waits have ended: their rows are in the block, and a batch of `size` bytes
   * is to be fetched. `libuv`: whether the event loop is libuv's.
   */
  onDone(listener: (rows: number, size: number) => void, libuv: boolean): void;
  /** Names the function that is called when watched descriptors are ready: their rows are in the block. */
  onReady(listener: (rows: number) => void, libuv: boolean): void;
  /** epoll_ctl(2). */
  watch(operation: number, fd: number, events: number, watch: number): number;
  /** The descriptors that watching itself takes. */
  watchDescriptors(): number[];
  /** Whether watches keep the event loop alive. */
  holdLoop(held: boolean): void;
  takeBatch(into: Uint8Array, offset: number): void;
  /** True where the wait is gone; false where onDone will tell how it ended. */
  cancelWait(ticket: number): boolean;
  /** Copies what the last call received but had no room for. */
  takeReceived(into: Uint8Array): number;
  setThreadLimit(limit: number): void;
  threadLimit(): number;
  busyThreads(): number;
  errorTable(): [number: number, name: string, description: string][];
}

export const core = binding.core as Core;

/** Arguments of the calls whose speed counts: reading a number out of a JavaScript value costs C++ more than the kernel. */
export const block = core.block;

// Each file of this folder has a constant of its own for it: only then does the compiler know where its memory is, which
// saves some twenty instructions each time.
const numbers = block;
const wide = new BigInt64Array(numbers.buffer);

// The layout of native/core/arguments.h and environment.h.
const MOST_ARGUMENTS = 8;
const RESULT_SLOT = 2 * MOST_ARGUMENTS;
const DETAIL_SLOT = RESULT_SLOT + 1;
const HELD_SLOT = DETAIL_SLOT + 2;
export const ROW_SLOT = HELD_SLOT + 2;
export const ROWS = 128;
/** Of a row: ticket, result, where its bytes begin, how many, and its detail. */
export const ROW = { SLOTS: 6, TICKET: 0, RESULT: 1, OFFSET: 2, SIZE: 3, DETAIL: 4 } as const;
/** Rows of a call that brings many results. */
export const BATCH_SLOT = ROW_SLOT + ROWS * ROW.SLOTS;

/** Rows of what is ready: the watch's number, and what has happened. */
export const READY_SLOT = BATCH_SLOT + ROWS * ROW.SLOTS;
const READY_SLOTS = 64 * 2;
/** How many promises wait for descriptors, and whether the event loop is held for them. */
export const WAITS_SLOT = READY_SLOT + READY_SLOTS;
export const HELD_LOOP_SLOT = WAITS_SLOT + 1;

/** What goes along with a message. */
export const ALONG_SLOT = HELD_LOOP_SLOT + 1;
export const ALONG_SLOTS = 384;

/** Below every -errno: the argument was no typed array, or one over a detached buffer. */
export const NOT_BYTES = -4094;

/** An argument that is a C long. */
export function setLong(slot: number, value: number | bigint): void {
  if (typeof value === 'number') {
    numbers[slot] = value;
  } else {
    numbers[slot] = NaN;
    wide[MOST_ARGUMENTS + slot] = value;
  }
}

/** The result of the last call. */
export function result(): number {
  return numbers[RESULT_SLOT] as number;
}

/** What a call brought besides its result, such as a message's type: a bigint where a number can't hold it. */
export function detail(slot = DETAIL_SLOT): number | bigint {
  const value = numbers[slot] as number;
  return Number.isNaN(value) ? (wide[slot + 1] as bigint) : value;
}

/** A view that is larger is not held on to. */
const HELD_SIZE = 64 * 1024;

/**
 * The view that calls of a kind were last given. To find a view's memory costs the addon as much as a tenth of a short system
 * call; whether it is still the same memory is seen here: a view of a buffer that was detached or made smaller is shorter.
 */
class Held {
  readonly #slot: number;
  #view: unknown;
  #size = 0;
  /** How often the addon had been given another, when it was given this one. */
  #changes = NaN;

  constructor(slot: number) {
    this.#slot = slot;
  }

  /** Whether the addon would take the same memory without being given the view. */
  has(view: unknown): boolean {
    return (
      view === this.#view &&
      lengthOf(view as Uint8Array) === this.#size &&
      numbers[this.#slot] === this.#changes
    );
  }

  /** After a call that was given the view. */
  keep(view: Uint8Array | Int32Array): void {
    const size = lengthOf(view);
    if (result() === NOT_BYTES || size === 0 || size > HELD_SIZE) return;
    this.#view = view;
    this.#size = size;
    this.#changes = numbers[this.#slot] as number;
  }
}

/** Of calls that fill a view, and of calls that read one. */
export const filled = new Held(HELD_SLOT);
export const given = new Held(HELD_SLOT + 1);
