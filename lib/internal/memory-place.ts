import { types } from 'node:util';
import { native } from '../native/mapping.js';
import { lengthOf, size } from './arguments.js';
import { invalidType, invalidValue, outOfRange } from './errors.js';
import { checkMapping } from './mapping.js';
import { placeIn } from './memory-range.js';
import { SharedMemory } from './shared-memory.js';
import { Waits } from './waiting.js';

/** Memory that something may live in: that of this package's objects, and the ArrayBuffers of shmat() and mmap(). */
export type Memory = SharedMemory | ArrayBuffer;

/** The words at a place of shared memory, which may be mapped anew meanwhile, or not at all any more. */
export class MemoryPlace {
  readonly #memory: Memory;
  readonly #offset: number;
  readonly #length: number;
  #words = new Int32Array(0);

  /** @param length bytes, of which there must be so many from the offset on */
  constructor(memory: Memory, offset: unknown, length: number, alignment: number) {
    if (!(memory instanceof SharedMemory)) {
      if (!types.isArrayBuffer(memory))
        throw invalidType('memory', 'a SharedMemory, or an ArrayBuffer of shmat() or mmap()', memory);
      // A thread may wait there, for which an ordinary one might be gone.
      if (native.mappingFaults(memory) < 0)
        throw invalidValue('memory', 'must be shared memory, as shmat() and mmap() give it');
    }
    this.#memory = memory;
    this.#length = length;
    this.#offset = size(offset, 'offset');
    // Before a view is made, which JavaScript refuses in its own words where the place is not aligned.
    if (this.#offset % alignment !== 0) throw outOfRange('offset', `a multiple of ${alignment}`, offset);
    this.#find();
  }

  /** For what waits there: it ends when the memory is closed. */
  waits(): Waits {
    return this.#memory instanceof SharedMemory ? new Waits(SharedMemory.waitsOn(this.#memory)) : new Waits();
  }

  /** The buffer that the place is in. Throws where the memory is closed, or was lost. */
  check(): ArrayBuffer {
    // Which says why it can't be had.
    if (this.#memory instanceof SharedMemory) return this.#memory.buffer;
    checkMapping('memory', this.#memory);
    return this.#memory;
  }

  get words(): Int32Array {
    return lengthOf(this.#words) > 0 ? this.#words : this.#find();
  }

  /** For what changes them. */
  get wordsToWrite(): Int32Array {
    if (this.#memory instanceof SharedMemory) SharedMemory.checkWritable(this.#memory);
    return this.words;
  }

  #find(): Int32Array {
    const buffer = this.check();
    const { start } = placeIn(buffer, this.#offset, this.#length, 'memory', 'offset');
    this.#words = new Int32Array(buffer, start, this.#length / Int32Array.BYTES_PER_ELEMENT);
    return this.#words;
  }
}
