import { lengthOf, notBytes, restOf } from './arguments.js';
import { type Descriptor, endPart, type Operation, POLLOUT, unlessAgain } from './descriptor.js';
import { IpcError } from './errors.js';
import { native } from '../native/descriptor.js';
import { NOT_BYTES } from '../native/core.js';
import { promise, type Waits } from './waiting.js';

/** What goes out through one descriptor as a stream of bytes: each piece whole, before the next begins. */
export class Outflow {
  readonly descriptor: Descriptor;
  bytesWritten = 0;
  /** Data that a promise has written a part of. */
  #half: Writing | undefined;

  constructor(descriptor: Descriptor) {
    this.descriptor = descriptor;
  }

  /** Whether a promise has written a part of its data, into which nothing else may go. */
  get isHalfWritten(): boolean {
    return this.#half !== undefined && this.descriptor.isAwaited(POLLOUT);
  }

  /** Takes notice of data of which only a part could be written, or not any more. */
  half(writing: Writing, isHalf: boolean): void {
    // Only the first in line writes: where it is another by now, the one before has given up.
    this.#half = isHalf ? writing : undefined;
  }
}

/** How a piece is written. */
export interface WritingCall {
  syscall: string;
  /** Writes some of the bytes: how many, or -errno. Must not wait. */
  write(rest: Uint8Array): number;
  /** @param written how many of the bytes have gone out */
  explain(result: number, written: number): Error;
}

/** Data on its way out. */
export class Writing implements Operation<true, undefined> {
  readonly syscall: string;
  readonly direction = POLLOUT;
  /** Bytes that have gone out. */
  written = 0;
  readonly #flow: Outflow;
  readonly #call: WritingCall;
  #rest: Uint8Array;

  constructor(flow: Outflow, call: WritingCall, data: Uint8Array) {
    this.syscall = call.syscall;
    this.#flow = flow;
    this.#call = call;
    this.#rest = data;
  }

  /** Copies what is left of the data. */
  own(): void {
    this.#rest = Buffer.from(this.#rest);
  }

  attempt(): true | undefined {
    for (;;) {
      const result = this.#call.write(this.#rest);
      if (result === NOT_BYTES) throw notBytes(this.#rest, 'data');
      const count = unlessAgain(result, (failed) => this.explain(failed));
      if (count === undefined) {
        this.#flow.half(this, this.written > 0);
        return undefined;
      }
      this.written += count;
      this.#flow.bytesWritten += count;
      if (count >= lengthOf(this.#rest)) {
        this.#flow.half(this, false);
        return true;
      }
      this.#rest = restOf(this.#rest, count);
    }
  }

  settle(): undefined {
    return undefined;
  }

  explain(result: number): Error {
    return this.#call.explain(result, this.written);
  }
}

/** A wait until something can be written, for a call that waits for something else too. */
export class Room {
  readonly #descriptor: Descriptor;
  readonly #waits: Waits;
  readonly #operation: Operation<true, undefined>;
  #waiting = false;

  constructor(descriptor: Descriptor, syscall: string) {
    this.#descriptor = descriptor;
    this.#waits = descriptor.part();
    this.#operation = {
      syscall,
      direction: POLLOUT,
      attempt: () => (native.pollOne(descriptor.fd, POLLOUT, 0) === 0 ? undefined : true),
      settle: () => undefined,
      explain: (result) => new IpcError(result, syscall),
    };
  }

  await(then: () => void): void {
    if (this.#waiting) return;
    this.#waiting = true;
    const done = (): void => {
      this.#waiting = false;
    };
    promise(() => this.#descriptor.later(this.#operation, {}, 0, this.#waits)).then(() => {
      done();
      then();
    }, done);
  }

  end(): void {
    endPart(this.#waits);
  }
}
