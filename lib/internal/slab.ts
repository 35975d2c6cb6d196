import { markAsUntransferable } from 'node:worker_threads';
import { core } from '../native/core.js';

const SIZE = 64 * 1024;
/** A payload that would use up more than this of a slab gets memory of its own. */
const LARGE = SIZE / 8;
const EMPTY = Buffer.alloc(0);

/**
 * The class whose instances Buffers are, which Buffer names as its species. The compiler makes its construction a few
 * instructions; subarray() takes four times as long, and runs for every message.
 */
const Slice = (
  Buffer as unknown as { [Symbol.species]: new (...of: [ArrayBufferLike, number, number]) => Buffer }
)[Symbol.species];

/**
 * Memory that calls receive into, cut into the Buffers that callers get. A Buffer made in C++ for every message would
 * cost as much as the system call.
 */
class Slab {
  #memory = unshared(SIZE);
  // Asking a view for its buffer is a call.
  #buffer = this.#memory.buffer;
  used = 0;

  get memory(): Buffer {
    // Somebody has detached a message's buffer.
    if (this.#memory.length === 0) this.#renew();
    return this.#memory;
  }

  /** The Buffer over the `size` bytes that a call has just received into `memory` at `used`. */
  take(size: number): Buffer {
    if (size === 0) return EMPTY;
    if (size <= this.#memory.length - this.used) return this.#cut(size);
    const data = this.reserve(size);
    core.takeReceived(data);
    return data;
  }

  /** A Buffer of `size` bytes to receive into. */
  reserve(size: number): Buffer {
    if (size > this.memory.length - this.used) {
      if (size > LARGE) return unshared(size);
      this.#renew();
    }
    return this.#cut(size);
  }

  #cut(size: number): Buffer {
    const start = this.used;
    // Typed arrays of 8-byte elements can be laid over every payload.
    this.used = start + ((size + 7) & ~7);
    return new Slice(this.#buffer, start, size);
  }

  #renew(): void {
    this.#memory = unshared(SIZE);
    this.#buffer = this.#memory.buffer;
    this.used = 0;
  }
}

/** A part of what reserve() gave. */
export function slice(whole: Buffer, offset: number, size: number): Buffer {
  return new Slice(whole.buffer, whole.byteOffset + offset, size);
}

function unshared(size: number): Buffer {
  const memory = Buffer.allocUnsafeSlow(size);
  // Transferring one message to a Worker must not empty the others.
  markAsUntransferable(memory.buffer);
  return memory;
}

export const slab = new Slab();
