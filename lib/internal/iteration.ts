import { IpcError } from './errors.js';

/** What a source gives where there will be no more. */
export const END = Symbol('end');

/** Where an iteration takes its values from. */
export interface Source<T> {
  /** The next value, or a promise of it where it is not there yet. */
  next(): T | typeof END | Promise<T | typeof END>;
  /** Whether the object was closed: the iteration ends with it. */
  isOver(): boolean;
  /** Gives up what next() waits for. */
  cancel(): void;
}

/**
 * Asks its source for a value only when it is asked itself. Written by hand: an async generator needs three turns of the microtask queue for every value.
 */
export class Iteration<T> implements AsyncIterableIterator<T> {
  readonly #source: Source<T>;
  #done = false;

  constructor(source: Source<T>) {
    this.#source = source;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#done || this.#source.isOver()) return this.return();
    try {
      const value = this.#source.next();
      if (!(value instanceof Promise)) {
        return value === END ? this.return() : Promise.resolve({ value, done: false });
      }
      return value.then(
        (late) => (late === END ? this.return() : { value: late, done: false }),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      return this.#fail(error);
    }
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#done = true;
    this.#source.cancel();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #fail(error: unknown): Promise<IteratorResult<T, undefined>> {
    const ended = this.#done || this.#source.isOver();
    this.#done = true;
    // What waited when the iteration was ended, or its source closed, was cancelled by that. Other errors may carry a
    // message.
    if (ended && error instanceof IpcError && error.code === 'ECANCELED') return this.return();
    return Promise.reject(error);
  }
}
