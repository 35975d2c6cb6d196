import { Socket } from 'node:net';
import { bytes, object, timeout as timeLimit, type Bytes } from './internal/arguments.js';
import { encode } from './internal/codec.js';
import type { Descriptor } from './internal/descriptor.js';
import { invalidState, invalidValue } from './internal/errors.js';
import { promise, waitOptions, type WaitOptions, type Waits } from './internal/waiting.js';
import { Outflow, Room, Writing } from './internal/writing.js';
import { native as descriptor } from './native/descriptor.js';
import { native } from './native/pipe.js';
import { PipeEnd, pipeEnd } from './pipe.end.js';
import { explainWrite, tooLong } from './pipe.errors.js';
import { endOptions, type EndOptions, type PipeEndOptions } from './pipe.options.js';

const { F_GETFL, F_SETFL, O_DIRECT, O_WRONLY } = descriptor.constants;
const { PIPE_BUF } = native.constants;

/** Without a codec, data may be written in any form that holds bytes. */
type Payload<T> = Buffer extends T ? Bytes : never;

/**
 * The end of a pipe or FIFO that is written to.
 *
 * Each method that can wait has three variants: `writeSync()` blocks the thread, `tryWrite()` never waits, `write()` gives a
 * promise. Data of up to PIPE_BUF (4096) bytes is written whole, and never among that of another writer.
 *
 * @example
 * await writer.write('hello\n');
 * @see https://man7.org/linux/man-pages/man7/pipe.7.html
 */
export class PipeWriter<T = Buffer> extends PipeEnd {
  readonly #options: EndOptions<T>;
  readonly #flow: Outflow;

  /** @internal Made by Pipe, Fifo and fromFd(). */
  constructor(fd: number, options: EndOptions<T>) {
    super(fd, 'PipeWriter');
    this.#options = options;
    this.#flow = new Outflow(this.descriptor);
  }

  /**
   * The write end behind a descriptor, such as one that a parent has left open. It belongs to the object from then on.
   *
   * @throws IpcError EBADF
   */
  static fromFd(fd: number, options?: PipeEndOptions<Buffer> & { codec?: undefined }): PipeWriter;
  static fromFd(fd: number, options: PipeEndOptions<string> & { codec: 'utf8' }): PipeWriter<string>;
  static fromFd<T = unknown>(fd: number, options: PipeEndOptions<T> & { codec: 'json' }): PipeWriter<T>;
  static fromFd<T>(fd: number, options: PipeEndOptions<T>): PipeWriter<T>;
  static fromFd<T>(fd: number, options?: PipeEndOptions<T>): PipeWriter<T> {
    const checked = endOptions<T>(options);
    const writer = new PipeWriter(pipeEnd(fd, O_WRONLY, 'the write end'), checked);
    // Whoever writes decides whether there are packets.
    if (checked.packets) descriptor.fcntl(fd, F_SETFL, descriptor.fcntl(fd, F_GETFL, 0) | O_DIRECT);
    return writer;
  }

  /** Bytes that this object has written. */
  get bytesWritten(): number {
    return this.#flow.bytesWritten;
  }

  /**
   * write(2): writes all of the data. Blocks the thread while the pipe is full, at most `timeout` milliseconds.
   *
   * @throws IpcError EINTR (a signal handler ran), EMSGSIZE (a packet over PIPE_BUF), EPIPE (nobody reads), ETIMEDOUT; with
   *   `bytesWritten` where a part was written before
   */
  writeSync(data: T | Payload<T>, options?: { timeout?: number | undefined }): void {
    const timeout = timeLimit(object(options, 'options')?.timeout);
    const writing = this.#writing(data);
    if (this.isHalfWritten) {
      throw invalidState('A write() of this PipeWriter is half done; await it before writeSync()');
    }
    this.descriptor.block(writing, { timeout, spin: this.#options.spin });
  }

  /**
   * write(2): writes what there is room for: data of up to PIPE_BUF bytes wholly or not at all, longer data perhaps in part.
   * Never waits.
   *
   * @returns how many bytes were written; 0 where there is no room
   * @throws IpcError EMSGSIZE (a packet over PIPE_BUF), EPIPE (nobody reads)
   */
  tryWrite(data: T | Payload<T>): number {
    const writing = this.#writing(data);
    if (this.isHalfWritten) return 0;
    writing.attempt();
    // The rest is the caller's to write.
    this.#flow.half(writing, false);
    return writing.written;
  }

  /**
   * write(2): writes all of the data. The promise waits while the pipe is full; data may be changed as soon as the call
   * returns. Data is written in the order of the calls.
   *
   * @throws IpcError as writeSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  write(data: T | Payload<T>, options?: WaitOptions): Promise<void> {
    return promise(() => {
      const waiting = waitOptions(options);
      const writing = this.#writing(data);
      const started = this.descriptor.later(writing, waiting, this.#options.spin);
      // It is the caller's again when this returns.
      if (started instanceof Promise) writing.own();
      return started;
    });
  }

  /**
   * A stream of node:net that writes into the pipe. The descriptor is the stream's from then on, and this object closed.
   * Promises that wait reject with ECANCELED.
   */
  stream(): Socket {
    return new Socket({ fd: this.descriptor.release('made a stream'), readable: false, writable: true });
  }

  /** @internal Counts what has come into the pipe through this end. */
  moved(bytes: number): void {
    this.#flow.bytesWritten += bytes;
  }

  /** @internal For what waits as a part of this object and another. */
  partOf(other: Descriptor): Waits {
    return this.descriptor.part(other);
  }

  /** @internal A wait for room that may be begun again and again. */
  room(syscall: string): Room {
    return new Room(this.descriptor, syscall);
  }

  /** @internal Whether a promise has written a part of its data, into which nothing else may go. */
  get isHalfWritten(): boolean {
    return this.#flow.isHalfWritten;
  }

  #writing(data: T | Payload<T>): Writing {
    const call = {
      syscall: 'write',
      write: (rest: Uint8Array) => this.descriptor.write(rest, 0),
      explain: (result: number, written: number) => explainWrite(result, this.fd, written),
    };
    return new Writing(this.#flow, call, this.#encode(data));
  }

  #encode(data: T | Payload<T>): Uint8Array {
    this.descriptor.checkOpen();
    const { codec, packets } = this.#options;
    const given = codec === undefined ? bytes(data, 'data') : encode(codec, data as T);
    // The codec is the caller's code, and may have closed the pipe.
    this.descriptor.checkOpen();
    if (packets && given.length > PIPE_BUF) throw tooLong(given.length);
    if (packets && given.length === 0) throw invalidValue('data', 'is empty, and a packet is not');
    return given;
  }
}
