import { native } from '../native/mapping.js';
import { bytes, lengthOf, restOf, size as sizeOf, type Bytes } from './arguments.js';
import { errno, invalidState, IpcError, outOfRange } from './errors.js';
import { checkMapping, LARGEST_BUFFER } from './mapping.js';
import { Waits } from './waiting.js';

const ECANCELED = errno('ECANCELED');
const EACCES = errno('EACCES');

/** Memory too large for one ArrayBuffer is read and written through a mapping of this many bytes at a time. */
const CHUNK = 2 ** 30;

/** Of what is read and written in place as numbers of up to 64 bits. */
const ALIGNMENT = 8;

/** What a kind of shared memory is asked for. */
export interface Mapper {
  /** The class, for errors. */
  readonly what: string;
  /** The call that maps it. */
  readonly syscall: string;
  /** Maps a part of it anew. */
  map(offset: number, length: number): ArrayBuffer;
}

/**
 * Memory that several processes have at once: what one writes, all see. Its ArrayBuffer is the memory itself, so typed
 * arrays, DataView and Atomics.load(), store(), add(), compareExchange() and their like work on it between processes.
 *
 * Nothing tells the others that something was written: that is what semaphores and futexes are for. No use of a view ends
 * the process: after close() every view is empty; what is written through a view of memory that is read-only stays in a
 * private copy; a page that another process has truncated away reads as zeros, and the next method throws
 * ERR_MEMORY_LOST.
 */
export abstract class SharedMemory implements Disposable {
  readonly #mapper: Mapper;
  #size: number;
  #readOnly: boolean;
  #closed = false;
  /** Over the whole, where that has room in one. */
  #buffer: ArrayBuffer | undefined;
  #bytes: Buffer | undefined;
  /** Over the part that was read or written last, where the whole is too large for one. */
  #chunk: { start: number; buffer: ArrayBuffer } | undefined;
  readonly #windows = new Set<SharedMemoryWindow>();
  readonly #waits = new Waits();

  /** @internal */
  protected constructor(mapper: Mapper, size: number, readOnly: boolean) {
    this.#mapper = mapper;
    this.#size = size;
    this.#readOnly = readOnly;
    this.attach();
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** Whether this object may not write to it. */
  get readOnly(): boolean {
    return this.#readOnly;
  }

  /** Whether close() was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The memory itself.
   *
   * @throws RangeError ERR_OUT_OF_RANGE where it is over 4 GiB: window() gives a part of it
   */
  get buffer(): ArrayBuffer {
    this.checkOpen();
    // There is none either where resize() found no room to map it.
    if (this.#buffer === undefined) this.attach();
    if (this.#buffer === undefined) {
      throw outOfRange('size', `at most ${LARGEST_BUFFER} for one buffer; window() gives a part`, this.#size);
    }
    checkMapping(this.#mapper.what, this.#buffer);
    return this.#buffer;
  }

  /** The memory itself, as a Buffer. */
  get bytes(): Buffer {
    const { buffer } = this;
    this.#bytes ??= Buffer.from(buffer);
    return this.#bytes;
  }

  /**
   * A copy of `length` bytes from `offset` on; of all that is left where no length is given. Never waits.
   *
   * @throws Error ERR_MEMORY_LOST where the memory was truncated by another process
   */
  read(offset = 0, length?: number): Buffer {
    this.checkOpen();
    const start = sizeOf(offset, 'offset');
    const count = length === undefined ? Math.max(this.#size - start, 0) : sizeOf(length, 'length');
    this.#checkWithin(start, count);
    const copy = Buffer.allocUnsafeSlow(count);
    this.#inPieces(start, count, (piece, at) => {
      copy.set(piece, at);
    });
    return copy;
  }

  /**
   * Writes data from `offset` on: all of it, or nothing where it has no room. Never waits.
   *
   * @throws IpcError EACCES (readOnly); Error ERR_MEMORY_LOST where the memory was truncated by another process
   */
  write(offset: number, data: Bytes): void {
    this.checkOpen();
    const start = sizeOf(offset, 'offset');
    const given = bytes(data, 'data');
    const count = lengthOf(given);
    this.#checkWithin(start, count);
    SharedMemory.checkWritable(this);
    this.#inPieces(start, count, (piece, at) => {
      const part = restOf(given, at);
      piece.set(piece.length < lengthOf(part) ? part.subarray(0, piece.length) : part);
    });
  }

  /**
   * A part of the memory by a mapping of its own, also past 4 GiB. It is closed with the memory. Never waits.
   *
   * @param offset a multiple of 8
   * @param length up to 4 GiB
   * @throws Error ERR_MEMORY_LOST where the memory was truncated by another process
   */
  window(offset: number, length: number): SharedMemoryWindow {
    this.checkOpen();
    const start = sizeOf(offset, 'offset');
    const count = sizeOf(length, 'length', 1);
    this.#checkWithin(start, count);
    if (start % ALIGNMENT !== 0) throw outOfRange('offset', `a multiple of ${ALIGNMENT}`, start);
    if (count > LARGEST_BUFFER) throw outOfRange('length', `at most ${LARGEST_BUFFER}`, count);
    // A fresh mapping would show what this one has lost, and the two would differ from there on.
    const present = this.#buffer ?? this.#chunk?.buffer;
    if (present !== undefined) checkMapping(this.#mapper.what, present);
    const window = new SharedMemoryWindow(this.#mapper, start, count, this.#readOnly, () => {
      this.#windows.delete(window);
    });
    this.#windows.add(window);
    return window;
  }

  /**
   * Gives the mapping back. Every view of it is empty from here on; promises that wait on it reject with ECANCELED. What is
   * in the memory stays, for as long as the object exists.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const reason = `the ${this.#mapper.what} was closed while this call waited`;
    this.#waits.cancelAll((syscall) => new IpcError(ECANCELED, syscall, { reason }));
    this.detachAll();
    this.giveBack();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal The waits that end with this memory. */
  static waitsOn(memory: SharedMemory): Waits {
    return memory.#waits;
  }

  /** @internal Throws where it may only be read. */
  static checkWritable(memory: SharedMemory): void {
    if (!memory.#readOnly) return;
    const reason = `this ${memory.#mapper.what} is read-only`;
    throw new IpcError(EACCES, memory.#mapper.syscall, { reason });
  }

  /** @internal What else close() gives back. */
  protected abstract giveBack(): void;

  /** @internal */
  protected checkOpen(): void {
    if (this.#closed) throw invalidState(`The ${this.#mapper.what} is closed`);
  }

  /** @internal Maps the whole where it has room in one ArrayBuffer. */
  protected attach(): void {
    this.#buffer = this.#size <= LARGEST_BUFFER ? this.#mapper.map(0, this.#size) : undefined;
  }

  /** @internal The mapping of the whole, whatever has happened to it. */
  protected get mapping(): ArrayBuffer | undefined {
    return this.#buffer;
  }

  /** @internal Ends all mappings: the views of what was are empty from here on. */
  protected detachAll(): void {
    for (const window of [...this.#windows]) window.close();
    if (this.#buffer !== undefined) native.unmap(this.#buffer, false);
    if (this.#chunk !== undefined) native.unmap(this.#chunk.buffer, false);
    this.#buffer = this.#bytes = this.#chunk = undefined;
  }

  /** @internal Maps anew what has changed. */
  protected attachAnew(size: number, readOnly: boolean): void {
    this.#size = size;
    this.#readOnly = readOnly;
    this.attach();
  }

  #checkWithin(start: number, count: number): void {
    if (start > this.#size)
      throw outOfRange('offset', `at most ${this.#size}, the size of the memory`, start);
    if (count <= this.#size - start) return;
    throw outOfRange('length', `at most ${this.#size - start}, what there is from offset ${start} on`, count);
  }

  /** Calls back with the memory from `start` on, piece by piece. */
  #inPieces(start: number, count: number, use: (piece: Uint8Array, at: number) => void): void {
    let at = 0;
    do {
      const place = start + at;
      const { buffer, from } = this.#mappingAt(place);
      const length = Math.min(count - at, from + buffer.byteLength - place);
      use(new Uint8Array(buffer, place - from, length), at);
      checkMapping(this.#mapper.what, buffer);
      at += length;
    } while (at < count);
  }

  #mappingAt(place: number): { buffer: ArrayBuffer; from: number } {
    if (this.#buffer !== undefined) {
      checkMapping(this.#mapper.what, this.#buffer);
      return { buffer: this.#buffer, from: 0 };
    }
    const from = Math.min(Math.floor(place / CHUNK) * CHUNK, this.#size - 1);
    if (this.#chunk?.start !== from) {
      if (this.#chunk !== undefined) native.unmap(this.#chunk.buffer, false);
      this.#chunk = undefined;
      this.#chunk = { start: from, buffer: this.#mapper.map(from, Math.min(CHUNK, this.#size - from)) };
    }
    checkMapping(this.#mapper.what, this.#chunk.buffer);
    return { buffer: this.#chunk.buffer, from };
  }
}

/** A part of shared memory, by a mapping of its own. */
export class SharedMemoryWindow extends SharedMemory {
  /** Where it begins in the memory that it is a part of. */
  readonly offset: number;
  readonly #onClose: () => void;

  /** @internal Made by window(). */
  constructor(mapper: Mapper, offset: number, length: number, readOnly: boolean, onClose: () => void) {
    super(partOf(mapper, offset), length, readOnly);
    this.offset = offset;
    this.#onClose = onClose;
  }

  protected override giveBack(): void {
    this.#onClose();
  }
}

function partOf(mapper: Mapper, begin: number): Mapper {
  return {
    what: 'SharedMemoryWindow',
    syscall: mapper.syscall,
    map: (offset, length) => mapper.map(begin + offset, length),
  };
}
