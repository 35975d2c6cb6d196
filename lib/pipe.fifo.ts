import { lstatSync, statSync, unlinkSync } from 'node:fs';
import { boolean, cString, object, timeout as timeLimit } from './internal/arguments.js';
import { errno, IpcError } from './internal/errors.js';
import { permissions } from './internal/permissions.js';
import { waitOnThread } from './internal/wait-threads.js';
import { promise, waitOptions, Waits, type WaitOptions } from './internal/waiting.js';
import { native as descriptor } from './native/descriptor.js';
import { native } from './native/pipe.js';
import { isPipe } from './pipe.end.js';
import { explainMake, explainOpen, notFifo } from './pipe.errors.js';
import {
  endOptions,
  type EndOptions,
  type FifoMakeOptions,
  type FifoReaderOptions,
  type PipeEndOptions,
} from './pipe.options.js';
import { PipeReader } from './pipe.reader.js';
import { PipeWriter } from './pipe.writer.js';

const { F_SETFL, O_CLOEXEC, O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY } = descriptor.constants;
const EEXIST = errno('EEXIST');
const ENXIO = errno('ENXIO');

/** Time limit of the blocking variants. */
interface Timed {
  timeout?: number | undefined;
}

/** Promises to open have no object yet that could end them. */
const waits = new Waits();

/**
 * A FIFO, or named pipe: a pipe that processes find by its path. Opening waits until the other side is opened too.
 *
 * Each way to open has three variants: `openReaderSync()` blocks the thread, `tryOpenReader()` never waits, `openReader()`
 * gives a promise.
 *
 * @example
 * const fifo = Fifo.make('/run/app/orders');
 * const reader = await fifo.openReader();
 * for await (const chunk of reader) console.log(chunk.toString());
 * fifo.unlink();
 * @see https://man7.org/linux/man-pages/man7/fifo.7.html
 */
export class Fifo {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * mkfifo(3): makes a FIFO. Never waits.
   *
   * @throws IpcError EACCES, EEXIST (whatever is there, a symbolic link too), ENAMETOOLONG, ENOENT (no such folder), ENOSPC,
   *   ENOTDIR, EROFS
   */
  static make(path: string, options?: FifoMakeOptions): Fifo {
    cString(path, 'path');
    const { mode = 0o600, exclusive = true } = object(options, 'options') ?? {};
    const bits = permissions(mode, 'options.mode');
    boolean(exclusive, 'options.exclusive');
    const result = native.mkfifo(path, bits);
    if (result < 0 && !(result === EEXIST && !exclusive && isFifo(path))) throw explainMake(result, path);
    return new Fifo(path);
  }

  /**
   * open(2): opens a FIFO for reading. Blocks the thread until somebody opens it for writing, at most `timeout` milliseconds.
   *
   * @throws IpcError EACCES, EINTR (a signal handler ran), ENOENT, ETIMEDOUT; Error ERR_NOT_A_FIFO
   */
  static openReaderSync(
    path: string,
    options?: FifoReaderOptions<Buffer> & { codec?: undefined } & Timed,
  ): PipeReader;
  static openReaderSync(
    path: string,
    options: FifoReaderOptions<string> & { codec: 'utf8' } & Timed,
  ): PipeReader<string>;
  static openReaderSync<T>(path: string, options: FifoReaderOptions<T> & Timed): PipeReader<T>;
  static openReaderSync<T>(path: string, options?: FifoReaderOptions<T> & Timed): PipeReader<T> {
    const opening = new ReaderOpening<T>(path, options);
    const limit = timeLimit(options?.timeout);
    if (opening.keepOpen) return opening.now();
    return opening.finish(openSync(path, O_RDONLY, limit));
  }

  /**
   * open(2) with O_NONBLOCK: opens a FIFO for reading whether anybody writes or not. Never waits; reading waits for the first
   * writer.
   *
   * @throws IpcError EACCES, ENOENT; Error ERR_NOT_A_FIFO
   */
  static tryOpenReader(path: string, options?: FifoReaderOptions<Buffer> & { codec?: undefined }): PipeReader;
  static tryOpenReader(
    path: string,
    options: FifoReaderOptions<string> & { codec: 'utf8' },
  ): PipeReader<string>;
  static tryOpenReader<T>(path: string, options: FifoReaderOptions<T>): PipeReader<T>;
  static tryOpenReader<T>(path: string, options?: FifoReaderOptions<T>): PipeReader<T> {
    return new ReaderOpening<T>(path, options).now();
  }

  /**
   * open(2): opens a FIFO for reading. The promise waits until somebody opens it for writing, on a thread of its own
   * (see waitThreads).
   *
   * @throws IpcError EACCES, ENOENT, ETIMEDOUT; Error ERR_NOT_A_FIFO, ERR_TOO_MANY_WAITS
   */
  static openReader(
    path: string,
    options?: FifoReaderOptions<Buffer> & { codec?: undefined } & WaitOptions,
  ): Promise<PipeReader>;
  static openReader(
    path: string,
    options: FifoReaderOptions<string> & { codec: 'utf8' } & WaitOptions,
  ): Promise<PipeReader<string>>;
  static openReader<T>(path: string, options: FifoReaderOptions<T> & WaitOptions): Promise<PipeReader<T>>;
  static openReader<T>(path: string, options?: FifoReaderOptions<T> & WaitOptions): Promise<PipeReader<T>> {
    return promise(() => {
      const opening = new ReaderOpening<T>(path, options);
      const waiting = waitOptions(options);
      if (opening.keepOpen) return opening.now();
      return openLater(path, O_RDONLY, waiting, (fd) => opening.finish(fd));
    });
  }

  /**
   * open(2): opens a FIFO for writing. Blocks the thread until somebody opens it for reading, at most `timeout` milliseconds.
   *
   * @throws IpcError EACCES, EINTR (a signal handler ran), ENOENT, ETIMEDOUT; Error ERR_NOT_A_FIFO
   */
  static openWriterSync(
    path: string,
    options?: PipeEndOptions<Buffer> & { codec?: undefined } & Timed,
  ): PipeWriter;
  static openWriterSync(
    path: string,
    options: PipeEndOptions<string> & { codec: 'utf8' } & Timed,
  ): PipeWriter<string>;
  static openWriterSync<T>(path: string, options: PipeEndOptions<T> & Timed): PipeWriter<T>;
  static openWriterSync<T>(path: string, options?: PipeEndOptions<T> & Timed): PipeWriter<T> {
    const opening = new WriterOpening<T>(path, options);
    const limit = timeLimit(options?.timeout);
    return opening.finish(openSync(path, O_WRONLY, limit));
  }

  /**
   * open(2) with O_NONBLOCK: opens a FIFO for writing where somebody has it open for reading. Never waits.
   *
   * @returns undefined where nobody has (ENXIO)
   * @throws IpcError EACCES, ENOENT; Error ERR_NOT_A_FIFO
   */
  static tryOpenWriter(
    path: string,
    options?: PipeEndOptions<Buffer> & { codec?: undefined },
  ): PipeWriter | undefined;
  static tryOpenWriter(
    path: string,
    options: PipeEndOptions<string> & { codec: 'utf8' },
  ): PipeWriter<string> | undefined;
  static tryOpenWriter<T>(path: string, options: PipeEndOptions<T>): PipeWriter<T> | undefined;
  static tryOpenWriter<T>(path: string, options?: PipeEndOptions<T>): PipeWriter<T> | undefined {
    const opening = new WriterOpening<T>(path, options);
    const fd = native.open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd === ENXIO) return undefined;
    return opening.finish(waitingAgain(fd, path));
  }

  /**
   * open(2): opens a FIFO for writing. The promise waits until somebody opens it for reading, on a thread of its own (see
   * waitThreads).
   *
   * @throws IpcError EACCES, ENOENT, ETIMEDOUT; Error ERR_NOT_A_FIFO, ERR_TOO_MANY_WAITS
   */
  static openWriter(
    path: string,
    options?: PipeEndOptions<Buffer> & { codec?: undefined } & WaitOptions,
  ): Promise<PipeWriter>;
  static openWriter(
    path: string,
    options: PipeEndOptions<string> & { codec: 'utf8' } & WaitOptions,
  ): Promise<PipeWriter<string>>;
  static openWriter<T>(path: string, options: PipeEndOptions<T> & WaitOptions): Promise<PipeWriter<T>>;
  static openWriter<T>(path: string, options?: PipeEndOptions<T> & WaitOptions): Promise<PipeWriter<T>> {
    return promise(() => {
      const opening = new WriterOpening<T>(path, options);
      return openLater(path, O_WRONLY, waitOptions(options), (fd) => opening.finish(fd));
    });
  }

  /**
   * unlink(2): takes the path away. Those who have the FIFO open go on. Never waits.
   *
   * @throws IpcError EACCES, ENOENT, EPERM; Error ERR_NOT_A_FIFO
   */
  static unlink(path: string): void {
    cString(path, 'path');
    let is: boolean;
    try {
      is = lstatSync(path).isFIFO();
      if (is) unlinkSync(path);
    } catch (error) {
      throw new IpcError((error as NodeJS.ErrnoException).errno ?? 0, 'unlink', { path });
    }
    if (!is) throw notFifo(path);
  }

  /** As Fifo.openReaderSync(). */
  openReaderSync(options?: FifoReaderOptions<Buffer> & { codec?: undefined } & Timed): PipeReader;
  openReaderSync(options: FifoReaderOptions<string> & { codec: 'utf8' } & Timed): PipeReader<string>;
  openReaderSync<T>(options: FifoReaderOptions<T> & Timed): PipeReader<T>;
  openReaderSync<T>(options: FifoReaderOptions<T> & Timed = {}): PipeReader<T> {
    return Fifo.openReaderSync(this.path, options);
  }

  /** As Fifo.tryOpenReader(). */
  tryOpenReader(options?: FifoReaderOptions<Buffer> & { codec?: undefined }): PipeReader;
  tryOpenReader(options: FifoReaderOptions<string> & { codec: 'utf8' }): PipeReader<string>;
  tryOpenReader<T>(options: FifoReaderOptions<T>): PipeReader<T>;
  tryOpenReader<T>(options: FifoReaderOptions<T> = {}): PipeReader<T> {
    return Fifo.tryOpenReader(this.path, options);
  }

  /** As Fifo.openReader(). */
  openReader(options?: FifoReaderOptions<Buffer> & { codec?: undefined } & WaitOptions): Promise<PipeReader>;
  openReader(
    options: FifoReaderOptions<string> & { codec: 'utf8' } & WaitOptions,
  ): Promise<PipeReader<string>>;
  openReader<T>(options: FifoReaderOptions<T> & WaitOptions): Promise<PipeReader<T>>;
  openReader<T>(options: FifoReaderOptions<T> & WaitOptions = {}): Promise<PipeReader<T>> {
    return Fifo.openReader(this.path, options);
  }

  /** As Fifo.openWriterSync(). */
  openWriterSync(options?: PipeEndOptions<Buffer> & { codec?: undefined } & Timed): PipeWriter;
  openWriterSync(options: PipeEndOptions<string> & { codec: 'utf8' } & Timed): PipeWriter<string>;
  openWriterSync<T>(options: PipeEndOptions<T> & Timed): PipeWriter<T>;
  openWriterSync<T>(options: PipeEndOptions<T> & Timed = {}): PipeWriter<T> {
    return Fifo.openWriterSync(this.path, options);
  }

  /** As Fifo.tryOpenWriter(). */
  tryOpenWriter(options?: PipeEndOptions<Buffer> & { codec?: undefined }): PipeWriter | undefined;
  tryOpenWriter(options: PipeEndOptions<string> & { codec: 'utf8' }): PipeWriter<string> | undefined;
  tryOpenWriter<T>(options: PipeEndOptions<T>): PipeWriter<T> | undefined;
  tryOpenWriter<T>(options: PipeEndOptions<T> = {}): PipeWriter<T> | undefined {
    return Fifo.tryOpenWriter(this.path, options);
  }

  /** As Fifo.openWriter(). */
  openWriter(options?: PipeEndOptions<Buffer> & { codec?: undefined } & WaitOptions): Promise<PipeWriter>;
  openWriter(options: PipeEndOptions<string> & { codec: 'utf8' } & WaitOptions): Promise<PipeWriter<string>>;
  openWriter<T>(options: PipeEndOptions<T> & WaitOptions): Promise<PipeWriter<T>>;
  openWriter<T>(options: PipeEndOptions<T> & WaitOptions = {}): Promise<PipeWriter<T>> {
    return Fifo.openWriter(this.path, options);
  }

  /** As Fifo.unlink(). */
  unlink(): void {
    Fifo.unlink(this.path);
  }
}

/** One opening for reading: what was asked for, and what is made of the descriptor. */
class ReaderOpening<T> {
  readonly keepOpen: boolean;
  readonly #path: string;
  readonly #options: EndOptions<T>;

  constructor(path: string, options: FifoReaderOptions<T> | undefined) {
    this.#path = checkFifo(path);
    this.#options = endOptions<T>(options);
    this.keepOpen = boolean(options?.keepOpen ?? false, 'options.keepOpen');
  }

  now(): PipeReader<T> {
    const fd = native.open(this.#path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    return this.finish(waitingAgain(fd, this.#path));
  }

  finish(fd: number): PipeReader<T> {
    checkOpened(fd, this.#path);
    if (!this.keepOpen) return new PipeReader(fd, this.#options);
    // Not by the path, which may mean another file by now.
    const kept = native.open(`/proc/self/fd/${fd}`, O_WRONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (kept >= 0) return new PipeReader(fd, this.#options, kept);
    descriptor.close(fd);
    throw explainOpen(kept, this.#path);
  }
}

/** One opening for writing. */
class WriterOpening<T> {
  readonly #path: string;
  readonly #options: EndOptions<T>;

  constructor(path: string, options: PipeEndOptions<T> | undefined) {
    this.#path = checkFifo(path);
    this.#options = endOptions<T>(options);
  }

  finish(fd: number): PipeWriter<T> {
    checkOpened(fd, this.#path);
    // Whoever writes decides whether there are packets. The kernel takes the flag for a FIFO only when it is open.
    const flags = this.#options.packets ? descriptor.fcntl(fd, F_SETFL, O_DIRECT) : 0;
    if (flags >= 0) return new PipeWriter(fd, this.#options);
    descriptor.close(fd);
    throw new IpcError(flags, 'fcntl', { path: this.#path });
  }
}

function openSync(path: string, flags: number, limit: number | undefined): number {
  const fd = native.openInterruptibly(path, flags | O_CLOEXEC, limit ?? -1);
  if (fd < 0) throw explainOpen(fd, path);
  return fd;
}

function openLater<R>(
  path: string,
  flags: number,
  waiting: WaitOptions,
  finish: (fd: number) => R,
): R | Promise<R> {
  const started = native.openLater(path, flags | O_CLOEXEC);
  if (started >= 0) return finish(started);
  const ending = {
    syscall: 'open',
    settle: finish,
    explain: (result: number) => explainOpen(result, path),
    late: (result: number) => result,
  };
  return waitOnThread(waits, started, ending, waiting).promise;
}

/** A descriptor that was opened with O_NONBLOCK only for the opening: children that are given it expect to wait. */
function waitingAgain(fd: number, path: string): number {
  if (fd < 0) throw explainOpen(fd, path);
  descriptor.fcntl(fd, F_SETFL, 0);
  return fd;
}

/** Before it is opened: opening a device may already do something to it. */
function checkFifo(path: string): string {
  cString(path, 'path');
  if (isAnother(path)) throw notFifo(path);
  return path;
}

/** Whether something is there that is no FIFO. What can't be told, opening will tell. */
function isAnother(path: string): boolean {
  try {
    return !statSync(path).isFIFO();
  } catch {
    return false;
  }
}

function checkOpened(fd: number, path: string): void {
  if (isPipe(fd)) return;
  descriptor.close(fd);
  throw notFifo(path);
}

/** Not through a symbolic link. */
function isFifo(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false;
}
