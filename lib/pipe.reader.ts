import { Socket } from 'node:net';
import { timeout as timeLimit } from './internal/arguments.js';
import { decode } from './internal/codec.js';
import { endPart, POLLIN, POLLOUT, unlessAgain, type Operation } from './internal/descriptor.js';
import { errno, invalidState, invalidType } from './internal/errors.js';
import { END, Iteration } from './internal/iteration.js';
import { slab } from './internal/slab.js';
import { promise, waitOptions, type WaitOptions } from './internal/waiting.js';
import { native as descriptor } from './native/descriptor.js';
import { native } from './native/pipe.js';
import { PipeEnd, pipeEnd } from './pipe.end.js';
import { explainMove, explainRead } from './pipe.errors.js';
import {
  endOptions,
  readSize,
  type EndOptions,
  type PipeEndOptions,
  type PipeReadOptions,
} from './pipe.options.js';
import { PipeWriter } from './pipe.writer.js';

const { O_RDONLY } = descriptor.constants;
const { SPLICE_F_NONBLOCK } = native.constants;
const EINTR = errno('EINTR');
const ETIMEDOUT = errno('ETIMEDOUT');

/** A PipeWriter, whatever its codec. */
export type PipeDestination = PipeEnd &
  Pick<PipeWriter, 'bytesWritten' | 'isHalfWritten' | 'moved' | 'room' | 'partOf'>;

/**
 * The end of a pipe or FIFO that is read from.
 *
 * Each method that can wait has three variants: `readSync()` blocks the thread, `tryRead()` never waits, `read()` gives a
 * promise. At end of file, when every writer has closed, they give null.
 *
 * @example
 * for await (const chunk of reader) console.log(chunk.toString());
 * @see https://man7.org/linux/man-pages/man7/pipe.7.html
 */
export class PipeReader<T = Buffer> extends PipeEnd implements AsyncIterable<T> {
  readonly #options: EndOptions<T>;
  #bytesRead = 0;
  /** A write end held open, so that there is no end of file. */
  #keptOpen: number | undefined;

  /** @internal Made by Pipe, Fifo and fromFd(). */
  constructor(fd: number, options: EndOptions<T>, keptOpen?: number) {
    super(fd, 'PipeReader');
    this.#options = options;
    this.#keptOpen = keptOpen;
    if (keptOpen !== undefined) descriptor.own(keptOpen, true);
  }

  /**
   * The read end behind a descriptor, such as one that a parent has left open. It belongs to the object from then on.
   *
   * @throws IpcError EBADF
   */
  static fromFd(fd: number, options?: PipeEndOptions<Buffer> & { codec?: undefined }): PipeReader;
  static fromFd(fd: number, options: PipeEndOptions<string> & { codec: 'utf8' }): PipeReader<string>;
  static fromFd<T = unknown>(fd: number, options: PipeEndOptions<T> & { codec: 'json' }): PipeReader<T>;
  static fromFd<T>(fd: number, options: PipeEndOptions<T>): PipeReader<T>;
  static fromFd<T>(fd: number, options?: PipeEndOptions<T>): PipeReader<T> {
    const checked = endOptions<T>(options);
    return new PipeReader(pipeEnd(fd, O_RDONLY, 'the read end'), checked);
  }

  /** Bytes that this object has read. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** ioctl(2) with FIONREAD: bytes that can be read now. Never waits. */
  get available(): number {
    this.descriptor.checkOpen();
    const bytes = descriptor.fionread(this.fd);
    if (bytes < 0) throw explainRead(bytes, 'ioctl', this.fd);
    return bytes;
  }

  /**
   * read(2): takes what is there, up to `size` bytes, or one packet. Blocks the thread until there is something, at most
   * `timeout` milliseconds.
   *
   * @returns null at end of file
   * @throws IpcError EINTR (a signal handler ran), ETIMEDOUT
   */
  readSync(options?: PipeReadOptions & { timeout?: number | undefined }): T | null {
    this.descriptor.checkOpen();
    const operation = this.#reading(readSize(options));
    return this.descriptor.block(operation, this.#blocking(options));
  }

  /**
   * read(2): takes what is there, up to `size` bytes, or one packet. Never waits.
   *
   * @returns undefined where there is nothing yet, null at end of file
   */
  tryRead(options?: PipeReadOptions): T | null | undefined {
    this.descriptor.checkOpen();
    const taken = this.#take(readSize(options));
    return taken === undefined ? undefined : this.#decode(taken);
  }

  /**
   * read(2): takes what is there, up to `size` bytes, or one packet. The promise waits until there is something. Calls are
   * answered in their order.
   *
   * @returns null at end of file
   * @throws IpcError ETIMEDOUT; ECANCELED where the object is closed meanwhile
   */
  read(options?: PipeReadOptions & WaitOptions): Promise<T | null> {
    return promise(() => {
      this.descriptor.checkOpen();
      const operation = this.#reading(readSize(options));
      return this.descriptor.later(operation, waitOptions(options), this.#options.spin);
    });
  }

  /**
   * What comes through the pipe, piece by piece (packet by packet), until end of file. close() and `break` end it too; an abort,
   * and a time limit on any one piece, throw as in read().
   */
  chunks(options?: PipeReadOptions & WaitOptions): AsyncIterableIterator<T> {
    this.descriptor.checkOpen();
    const operation = {
      ...this.#reading(readSize(options)),
      settle: (taken: Buffer | null) => (taken === null ? END : (this.#decode(taken) as T)),
    };
    const waiting = waitOptions(options);
    const waits = this.descriptor.part();
    return new Iteration<T>({
      next: () => {
        waiting.signal?.throwIfAborted();
        return this.descriptor.later(operation, waiting, this.#options.spin, waits);
      },
      isOver: () => this.closed,
      cancel: () => endPart(waits),
    });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this.chunks();
  }

  /**
   * splice(2): moves up to `size` bytes into another pipe without copying them through the program. Blocks the thread until
   * something could be moved, at most `timeout` milliseconds.
   *
   * @returns how many bytes; 0 at end of file
   * @throws IpcError EINTR (a signal handler ran), EINVAL (the same pipe), EPIPE, ETIMEDOUT
   */
  spliceSync(writer: PipeDestination, options?: PipeReadOptions & { timeout?: number | undefined }): number {
    return this.#moveSync('splice', writer, options);
  }

  /** splice(2): as spliceSync(), but never waits: undefined where nothing can be moved now. */
  trySplice(writer: PipeDestination, options?: PipeReadOptions): number | undefined {
    this.#checkMove(writer);
    return this.#move('splice', writer, readSize(options));
  }

  /** splice(2): as spliceSync(), but the promise waits. */
  splice(writer: PipeDestination, options?: PipeReadOptions & WaitOptions): Promise<number> {
    return promise(() => this.#moveLater('splice', writer, options));
  }

  /**
   * tee(2): copies up to `size` bytes into another pipe and leaves them in this one. Blocks the thread until something could
   * be copied, at most `timeout` milliseconds.
   *
   * @returns how many bytes; 0 at end of file
   * @throws IpcError EINTR (a signal handler ran), EINVAL (the same pipe), EPIPE, ETIMEDOUT
   */
  teeSync(writer: PipeDestination, options?: PipeReadOptions & { timeout?: number | undefined }): number {
    return this.#moveSync('tee', writer, options);
  }

  /** tee(2): as teeSync(), but never waits: undefined where nothing can be copied now. */
  tryTee(writer: PipeDestination, options?: PipeReadOptions): number | undefined {
    this.#checkMove(writer);
    return this.#move('tee', writer, readSize(options));
  }

  /** tee(2): as teeSync(), but the promise waits. */
  tee(writer: PipeDestination, options?: PipeReadOptions & WaitOptions): Promise<number> {
    return promise(() => this.#moveLater('tee', writer, options));
  }

  /**
   * A stream of node:net that reads from the pipe. The descriptor is the stream's from then on, and this object closed.
   * Promises that wait reject with ECANCELED.
   */
  stream(): Socket {
    const stream = new Socket({
      fd: this.descriptor.release('made a stream'),
      readable: true,
      writable: false,
    });
    const keptOpen = this.#keptOpen;
    this.#keptOpen = undefined;
    if (keptOpen !== undefined) stream.once('close', () => descriptor.close(keptOpen));
    return stream;
  }

  override release(): number {
    const fd = super.release();
    this.#closeKept();
    return fd;
  }

  override close(): void {
    super.close();
    this.#closeKept();
  }

  #closeKept(): void {
    if (this.#keptOpen !== undefined) descriptor.close(this.#keptOpen);
    this.#keptOpen = undefined;
  }

  #blocking(options: { timeout?: number | undefined } | undefined): {
    timeout: number | undefined;
    spin: number;
  } {
    return { timeout: timeLimit(options?.timeout), spin: this.#options.spin };
  }

  #reading(size: number): Operation<Buffer | null, T | null> {
    return {
      syscall: 'read',
      direction: POLLIN,
      attempt: () => this.#take(size),
      settle: (taken) => this.#decode(taken),
      explain: (result) => explainRead(result, 'read', this.fd),
    };
  }

  #take(size: number): Buffer | null | undefined {
    for (;;) {
      const result = this.descriptor.read(slab.memory, slab.used, size);
      const length = unlessAgain(result, (failed) => explainRead(failed, 'read', this.fd));
      if (length === undefined) return undefined;
      if (length > 0) {
        this.#bytesRead += length;
        return slab.take(length);
      }
      const end = this.#isEnd();
      if (end !== undefined) return end ? null : undefined;
    }
  }

  /**
   * Whether nothing to read means the end. A FIFO that was opened before its first writer reads as if at its end; only poll(2)
   * knows that nobody has been there. Undefined where a writer has come since, and data with it: then it is to be read again.
   */
  #isEnd(): boolean | undefined {
    let happened: number;
    do happened = descriptor.pollOne(this.fd, POLLIN, 0);
    while (happened === EINTR);
    return happened > 0 && (happened & POLLIN) !== 0 ? undefined : happened !== 0;
  }

  #decode(taken: Buffer | null): T | null {
    if (taken === null || this.#options.codec === undefined) return taken as T | null;
    return decode(this.#options.codec, taken, {});
  }

  #checkMove(writer: unknown): asserts writer is PipeDestination {
    this.descriptor.checkOpen();
    if (!(writer instanceof PipeWriter)) throw invalidType('writer', 'a PipeWriter', writer);
    if (writer.closed) throw invalidState('The PipeWriter is closed');
  }

  /** Undefined where it would have to wait for data or for room. */
  #move(call: 'splice' | 'tee', writer: PipeDestination, size: number): number | undefined {
    if (writer.isHalfWritten) return undefined;
    for (;;) {
      const result = native[call](this.fd, writer.fd, size, SPLICE_F_NONBLOCK);
      const moved = unlessAgain(result, (failed) => explainMove(failed, call, this.fd));
      if (moved === undefined) return undefined;
      if (moved === 0) {
        const end = this.#isEnd();
        if (end === undefined) continue;
        return end ? 0 : undefined;
      }
      if (call === 'splice') this.#bytesRead += moved;
      writer.moved(moved);
      return moved;
    }
  }

  #isReadable(): boolean {
    return descriptor.pollOne(this.fd, POLLIN, 0) !== 0;
  }

  #moveSync(
    call: 'splice' | 'tee',
    writer: PipeDestination,
    options: (PipeReadOptions & { timeout?: number | undefined }) | undefined,
  ): number {
    this.#checkMove(writer);
    const size = readSize(options);
    const limit = timeLimit(options?.timeout);
    const deadline = limit === undefined ? Infinity : performance.now() + limit;
    if (writer.isHalfWritten) throw invalidState('A write() of the PipeWriter is half done; await it first');
    for (;;) {
      const moved = this.#move(call, writer, size);
      if (moved !== undefined) return moved;
      const left = deadline - performance.now();
      if (left <= 0) throw explainMove(ETIMEDOUT, call, this.fd);
      const [fd, direction] = this.#isReadable() ? [writer.fd, POLLOUT] : [this.fd, POLLIN];
      const happened = descriptor.pollOne(fd, direction, left === Infinity ? -1 : left);
      if (happened < 0) throw explainMove(happened, call, this.fd);
    }
  }

  #moveLater(
    call: 'splice' | 'tee',
    writer: PipeDestination,
    options: (PipeReadOptions & WaitOptions) | undefined,
  ): number | Promise<number> {
    this.#checkMove(writer);
    const size = readSize(options);
    const waiting = waitOptions(options);
    const room = writer.room(call);
    const operation = {
      syscall: call,
      direction: POLLIN,
      besides: writer.fd,
      attempt: () => {
        const moved = this.#move(call, writer, size);
        // It stands in the line of those who read. When there is data but no room it must be told of room too.
        if (moved === undefined && this.#isReadable()) room.await(() => this.descriptor.serve(POLLIN));
        return moved;
      },
      settle: (moved: number) => moved,
      explain: (result: number) => explainMove(result, call, this.fd),
    };
    const started = this.descriptor.later(operation, waiting, 0, writer.partOf(this.descriptor));
    if (!(started instanceof Promise)) return started;
    return started.finally(() => room.end());
  }
}
