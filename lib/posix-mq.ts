import { statSync } from 'node:fs';
import { bytes, notBytes, object, size, timeout as timeLimit, type Bytes } from './internal/arguments.js';
import { Batches } from './internal/batch.js';
import { decode, encode, type Codec } from './internal/codec.js';
import { Descriptor, endPart, POLLIN, POLLOUT, unlessAgain, type Operation } from './internal/descriptor.js';
import { errno, invalidType, IpcError } from './internal/errors.js';
import { Iteration } from './internal/iteration.js';
import { slab } from './internal/slab.js';
import { promise, waitOptions, type WaitOptions } from './internal/waiting.js';
import { detail, NOT_BYTES } from './native/core.js';
import { native, NEVER_WAIT } from './native/posix-mq.js';
import {
  explainNotify,
  explainOpen,
  explainReceive,
  explainSend,
  explainUnlink,
  notMounted,
} from './posix-mq.errors.js';
import {
  Notification,
  type PosixMessageQueueListener,
  type PosixMessageQueueNotification,
} from './posix-mq.notify.js';
import {
  openOptions,
  queueName,
  sendPriority,
  type PosixMessageQueueOptions,
  type PosixSendOptions,
} from './posix-mq.options.js';
import * as table from './posix-mq.table.js';
import type { PosixMessageQueueInfo, PosixMessageQueueLimits } from './posix-mq.table.js';
import { takeMany } from './posix-mq.taken.js';
import { mq_getattr, mq_open } from './sys/posix-mq.js';

export interface PosixMessage<T = Buffer> {
  /** The priority that it was sent with. */
  priority: number;
  data: T;
}

/** A queue's state. */
export interface PosixMessageQueueStat {
  uid: number;
  gid: number;
  /** Permissions: the lower 9 bits. */
  mode: number;
  /** The most messages that the queue holds, and the most bytes of each. */
  maxMessages: number;
  messageSize: number;
  /** Messages in the queue. */
  messages: number;
  /** Their bytes; undefined where this object may not read. */
  bytes: number | undefined;
  /** Who is notified (see notify()); undefined for nobody, or where this object may not read. */
  notifyPid: number | undefined;
}

const EBUSY = errno('EBUSY');

/** Without a codec, data may be sent in any form that holds bytes. */
type Payload<T> = Buffer extends T ? Bytes : never;

/**
 * A POSIX message queue: messages with a priority, kept by the kernel until somebody takes them, the highest priority first.
 * Its name begins with a slash.
 *
 * The queue belongs to the system. It outlives the processes that use it; `close()` ends this object, `unlink()` takes the
 * name away. Each method that can wait has three variants: `receiveSync()` blocks the thread, `tryReceive()` never waits,
 * `receive()` gives a promise.
 *
 * @example
 * const queue = PosixMessageQueue.open('/orders', { codec: 'json' });
 * await queue.send({ order: 7 }, { priority: 5 });
 * const { priority, data } = await queue.receive();
 * @see https://man7.org/linux/man-pages/man7/mq_overview.7.html
 */
export class PosixMessageQueue<T = Buffer> implements Disposable, AsyncIterable<PosixMessage<T>> {
  readonly name: string;
  /** The most messages that the queue holds. */
  readonly maxMessages: number;
  /** The most bytes of a message. */
  readonly messageSize: number;
  readonly #descriptor: Descriptor;
  readonly #codec: Codec<T> | undefined;
  readonly #spin: number;
  readonly #batches = new Batches();
  #notification: Notification | undefined;

  private constructor(name: string, fd: number, codec: Codec<T> | undefined, spin: number) {
    const { mq_maxmsg, mq_msgsize } = mq_getattr(fd);
    this.name = name;
    this.maxMessages = mq_maxmsg;
    this.messageSize = mq_msgsize;
    this.#descriptor = new Descriptor(fd, 'PosixMessageQueue');
    this.#codec = codec;
    this.#spin = spin;
  }

  /**
   * mq_open(3): opens the queue of this name, and makes it where there is none. Never waits.
   *
   * @param name begins with a slash, and has no other
   * @throws IpcError EACCES, EEXIST (exclusive), EINVAL (no slash; more than the system's limits), EMFILE (RLIMIT_MSGQUEUE),
   *   ENAMETOOLONG, ENOENT (create: false), ENOSPC (fs.mqueue.queues_max)
   */
  static open(
    name: string,
    options?: PosixMessageQueueOptions<Buffer> & { codec?: undefined },
  ): PosixMessageQueue;
  static open(
    name: string,
    options: PosixMessageQueueOptions<string> & { codec: 'utf8' },
  ): PosixMessageQueue<string>;
  static open<T = unknown>(
    name: string,
    options: PosixMessageQueueOptions<T> & { codec: 'json' },
  ): PosixMessageQueue<T>;
  static open<T>(
    name: string,
    options: PosixMessageQueueOptions<T> & { codec: Codec<T> },
  ): PosixMessageQueue<T>;
  static open<T>(name: string, options?: PosixMessageQueueOptions<T>): PosixMessageQueue<T> {
    const { flags, mode, attributes, codec, spin } = openOptions<T>(options);
    queueName(name);
    let fd: number;
    try {
      fd = mq_open(name, flags, mode, attributes);
    } catch (error) {
      if (error instanceof IpcError) throw explainOpen(error.errno, name, attributes);
      throw error;
    }
    return new PosixMessageQueue(name, fd, codec, spin);
  }

  /** mq_unlink(3): takes a queue's name away, as the method does. Never waits. */
  static unlink(name: string): void {
    const result = native.mq_unlink(queueName(name));
    if (result < 0) throw explainUnlink(result, name);
  }

  /**
   * Every queue of this IPC namespace. Never waits.
   *
   * @throws Error ERR_MQUEUE_NOT_MOUNTED where the mqueue filesystem is not mounted, which alone knows them
   */
  static list(): PosixMessageQueueInfo[] {
    const queues = table.list();
    if (queues === undefined) throw notMounted();
    return queues;
  }

  /** The system's limits. Never waits. */
  static limits(): PosixMessageQueueLimits {
    return table.limits();
  }

  /** The descriptor, which poll(2) takes too. It has O_NONBLOCK. */
  get fd(): number {
    return this.#descriptor.fd;
  }

  /** Whether close() was called. */
  get closed(): boolean {
    return this.#descriptor.closed;
  }

  /**
   * mq_send(3): adds a message. Blocks the thread while the queue is full, at most `timeout` milliseconds.
   *
   * @throws IpcError EBADF (access: 'read'), EINTR (a signal handler ran), EMSGSIZE (over messageSize), ETIMEDOUT
   */
  sendSync(data: T | Payload<T>, options?: PosixSendOptions & { timeout?: number | undefined }): void {
    const priority = sendPriority(options);
    const timeout = timeLimit(options?.timeout);
    this.#descriptor.block(this.#sending(this.#encode(data), priority), { timeout, spin: this.#spin });
  }

  /**
   * mq_send(3): adds a message where there is room. Never waits.
   *
   * @returns false where the queue is full
   * @throws IpcError as sendSync()
   */
  trySend(data: T | Payload<T>, options?: PosixSendOptions): boolean {
    const priority = sendPriority(options);
    return this.#sending(this.#encode(data), priority).attempt() !== undefined;
  }

  /**
   * mq_send(3): adds a message. The promise waits while the queue is full; data may be changed as soon as the call returns.
   * Messages are sent in the order of the calls.
   *
   * @throws IpcError as sendSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  send(data: T | Payload<T>, options?: PosixSendOptions & WaitOptions): Promise<void> {
    return promise(() => {
      const priority = sendPriority(options);
      const waiting = waitOptions(options);
      const sending = this.#sending(this.#encode(data), priority);
      const started = this.#descriptor.later(sending, waiting, this.#spin);
      // It is the caller's again when this returns.
      if (started instanceof Promise) sending.message = Buffer.from(sending.message);
      return started;
    });
  }

  /**
   * mq_receive(3): takes the oldest message of the highest priority. Blocks the thread until there is one, at most `timeout`
   * milliseconds.
   *
   * @throws IpcError EBADF (access: 'write'), EINTR (a signal handler ran), ETIMEDOUT
   */
  receiveSync(options?: { timeout?: number | undefined }): PosixMessage<T> {
    return this.#receiveSync(this.#one, options);
  }

  /**
   * mq_receive(3): takes a message where there is one. Never waits.
   *
   * @returns undefined where there is none
   * @throws IpcError as receiveSync()
   */
  tryReceive(): PosixMessage<T> | undefined {
    this.#descriptor.checkOpen();
    this.#batches.throwPostponed();
    const taken = this.#take();
    return taken && this.#message(taken);
  }

  /**
   * mq_receive(3): takes a message. The promise waits until there is one. Calls are answered in their order.
   *
   * @throws IpcError as receiveSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  receive(options?: WaitOptions): Promise<PosixMessage<T>> {
    return promise(() => this.#receive(this.#one, waitOptions(options)));
  }

  /**
   * Takes as many messages as are there, at most `max`. Blocks the thread until there is one.
   *
   * @throws IpcError as receiveSync()
   */
  receiveManySync(max: number, options?: { timeout?: number | undefined }): PosixMessage<T>[] {
    return this.#receiveSync(this.#many(max), options);
  }

  /** Takes as many messages as are there, at most `max`, or none. Never waits. */
  tryReceiveMany(max: number): PosixMessage<T>[] {
    const many = this.#many(max);
    this.#descriptor.checkOpen();
    this.#batches.throwPostponed();
    const taken = this.#take();
    return taken === undefined ? [] : many.settle(taken);
  }

  /** Takes as many messages as are there, at most `max`. The promise waits until there is one. */
  receiveMany(max: number, options?: WaitOptions): Promise<PosixMessage<T>[]> {
    return promise(() => this.#receive(this.#many(max), waitOptions(options)));
  }

  /**
   * The messages of the queue, one after the other. close() and `break` end it; an abort, and a time limit on any one message,
   * throw as in receive().
   *
   * Takes a message only when asked for the next, so that nothing is lost where a loop ends.
   */
  messages(options?: WaitOptions): AsyncIterableIterator<PosixMessage<T>> {
    this.#descriptor.checkOpen();
    const waiting = waitOptions(options);
    const waits = this.#descriptor.part();
    return new Iteration({
      next: () => {
        waiting.signal?.throwIfAborted();
        this.#batches.throwPostponed();
        return this.#descriptor.later(this.#one, waiting, this.#spin, waits);
      },
      isOver: () => this.closed,
      cancel: () => endPart(waits),
    });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<PosixMessage<T>> {
    return this.messages();
  }

  /**
   * mq_notify(3): calls `listener` each time that a message comes to the empty queue while nobody sleeps in mq_receive(); once
   * too often rather than too seldom, so it should take what is there. In the whole system one at a time can have that. It
   * keeps the event loop alive until it is closed. Never waits.
   *
   * @throws IpcError EBUSY (taken, by this process or another)
   */
  notify(listener: PosixMessageQueueListener): PosixMessageQueueNotification {
    if (typeof listener !== 'function') throw invalidType('listener', 'a function', listener);
    this.#descriptor.checkOpen();
    // The kernel would take a second one while the first has yet to be armed again, which would then fail.
    if (this.#notification !== undefined) throw explainNotify(EBUSY, this.name, process.pid);
    const notification = new Notification(
      this.fd,
      listener,
      () => (this.#notification = undefined),
      (result) => explainNotify(result, this.name, this.#contents().notifyPid),
    );
    this.#notification = notification;
    return notification;
  }

  /** mq_getattr(3), and what the queue's file says. Never waits. */
  stat(): PosixMessageQueueStat {
    this.#descriptor.checkOpen();
    const { mq_maxmsg, mq_msgsize, mq_curmsgs } = mq_getattr(this.fd);
    // Not every runtime's fs knows descriptors that others have opened.
    const { uid, gid, mode } = statSync(`/proc/self/fd/${this.fd}`);
    return {
      uid,
      gid,
      mode: mode & 0o777,
      maxMessages: mq_maxmsg,
      messageSize: mq_msgsize,
      messages: mq_curmsgs,
      ...this.#contents(),
    };
  }

  /**
   * mq_unlink(3): takes the name away. Those who have the queue open go on; it goes with the last of them. Never waits.
   *
   * @throws IpcError EACCES, ENOENT (gone already)
   */
  unlink(): void {
    this.#descriptor.checkOpen();
    PosixMessageQueue.unlink(this.name);
  }

  /** Ends this object; the queue stays. Promises that wait reject with ECANCELED, iterations and notifications end. */
  close(): void {
    if (this.closed) return;
    this.#notification?.close();
    this.#descriptor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #encode(data: T | Payload<T>): Uint8Array {
    this.#descriptor.checkOpen();
    if (this.#codec === undefined) return bytes(data, 'data');
    const message = encode(this.#codec, data as T);
    // The codec is the caller's code, and may have closed the queue.
    this.#descriptor.checkOpen();
    return message;
  }

  #sending(message: Uint8Array, priority: number): Operation<true, undefined> & { message: Uint8Array } {
    const sending = {
      message,
      syscall: 'mq_send',
      direction: POLLOUT,
      attempt: (): true | undefined => {
        const result = native.mq_send(this.fd, sending.message, priority, NEVER_WAIT);
        if (result === NOT_BYTES) throw notBytes(sending.message, 'data');
        return unlessAgain(result, sending.explain) === undefined ? undefined : true;
      },
      settle: () => undefined,
      explain: (result: number) => explainSend(result, this, sending.message.length),
    };
    return sending;
  }

  /** Takes a message where there is one. */
  #take(): PosixMessage | undefined {
    const result = native.mq_receive(this.fd, slab.memory, slab.used, this.messageSize, NEVER_WAIT);
    const length = unlessAgain(result, (failed) => explainReceive(failed, this));
    if (length === undefined) return undefined;
    return { priority: detail() as number, data: slab.take(length) };
  }

  #message(taken: PosixMessage): PosixMessage<T> {
    if (this.#codec === undefined) return taken as PosixMessage<T>;
    const { priority, data } = taken;
    return { priority, data: decode(this.#codec, data, { priority }) };
  }

  readonly #one: Operation<PosixMessage, PosixMessage<T>> = this.#receiving((taken) => this.#message(taken));

  #many(max: number): Operation<PosixMessage, PosixMessage<T>[]> {
    size(max, 'max', 1);
    const plain = this.#codec === undefined;
    const source = {
      takeSome: (most: number) =>
        plain && !this.closed ? (takeMany(this.fd, this.messageSize, most) as PosixMessage<T>[]) : [],
      takeOne: () => {
        // The codec is the caller's code, and may have closed the queue.
        const taken = this.closed ? undefined : this.#take();
        return taken && this.#message(taken);
      },
    };
    return this.#receiving((taken) => this.#batches.andMore(this.#message(taken), max, source));
  }

  #receiving<R>(settle: (taken: PosixMessage) => R): Operation<PosixMessage, R> {
    return {
      syscall: 'mq_receive',
      direction: POLLIN,
      attempt: () => this.#take(),
      settle,
      explain: (result) => explainReceive(result, this),
    };
  }

  #receiveSync<R>(
    operation: Operation<PosixMessage, R>,
    options: { timeout?: number | undefined } | undefined,
  ): R {
    const timeout = timeLimit(object(options, 'options')?.timeout);
    this.#descriptor.checkOpen();
    this.#batches.throwPostponed();
    return this.#descriptor.block(operation, { timeout, spin: this.#spin });
  }

  #receive<R>(operation: Operation<PosixMessage, R>, waiting: WaitOptions): R | Promise<R> {
    this.#descriptor.checkOpen();
    this.#batches.throwPostponed();
    return this.#descriptor.later(operation, waiting, this.#spin);
  }

  #contents(): table.PosixMessageQueueContents {
    return table.contentsOf(native.mq_contents(this.fd));
  }
}
