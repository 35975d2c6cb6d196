import { bytes, int, notBytes, size, timeout as timeLimit, type Bytes } from './internal/arguments.js';
import { Batches } from './internal/batch.js';
import { decode, encode, type Codec } from './internal/codec.js';
import { errno, invalidState, IpcError } from './internal/errors.js';
import { Iteration } from './internal/iteration.js';
import { slab } from './internal/slab.js';
import { resolveKey, type Key } from './internal/sysv-key.js';
import { waitOnThread } from './internal/wait-threads.js';
import { promise, soon, waitOptions, Waits, type WaitOptions } from './internal/waiting.js';
import { detail, NOT_BYTES } from './native/core.js';
import { native, type Receive } from './native/sysv-msg.js';
import { explainControl, explainGet, explainReceive, explainSend, whileWaiting } from './sysv-msg.errors.js';
import { IPC_NOWAIT, IPC_RMID, IPC_SET } from './sys/sysv-ipc.js';
import { MSG_COPY, msgctl } from './sys/sysv-msg.js';
import * as table from './sysv-msg.table.js';
import type { SysvMessageQueueInfo, SysvMessageQueueLimits, SysvMessageQueueStat } from './sysv-msg.table.js';
import {
  changesOf,
  handleOptions,
  openOptions,
  receiveOptions,
  sendType,
  ANY_SIZE,
  type SysvMessageQueueChanges,
  type SysvMessageQueueHandleOptions,
  type SysvMessageQueueOptions,
  type SysvReceiveOptions,
  type SysvSendOptions,
} from './sysv-msg.options.js';
import { takeMany, type Taken } from './sysv-msg.taken.js';

const EAGAIN = errno('EAGAIN');
const ENOMSG = errno('ENOMSG');
const EMSGSIZE = errno('EMSGSIZE');
const ECANCELED = errno('ECANCELED');

export interface SysvMessage<T = Buffer> {
  /** The type that it was sent with; a bigint where a number can't hold it. */
  type: number | bigint;
  data: T;
}

/** Without a codec, data may be sent in any form that holds bytes. */
type Payload<T> = Buffer extends T ? Bytes : never;

/**
 * A System V message queue: messages with a type and a length, kept by the kernel until somebody takes them.
 *
 * The queue belongs to the system. It outlives the processes that use it; `close()` ends this object, `remove()` destroys
 * the queue. Each method that can wait has three variants: `receiveSync()` blocks the thread, `tryReceive()` never
 * waits, `receive()` gives a promise.
 *
 * @example
 * const queue = SysvMessageQueue.open({ path: '/etc/hostname', projId: 'q' }, { codec: 'json' });
 * await queue.send({ order: 7 });
 * const { type, data } = await queue.receive();
 * @see https://man7.org/linux/man-pages/man7/sysvipc.7.html
 */
export class SysvMessageQueue<T = Buffer> implements Disposable, AsyncIterable<SysvMessage<T>> {
  /** The identifier that the calls take (msqid). */
  readonly id: number;
  /** The key that the queue was made with; 0 for none. */
  readonly key: number;
  readonly #codec: Codec<T> | undefined;
  readonly #spin: number;
  readonly #waits = new Waits();
  #closed = false;
  /** msg_qbytes, when it was last looked at. */
  #capacity: number | undefined;
  readonly #batches = new Batches();

  private constructor(id: number, key: number, codec: Codec<T> | undefined, spin: number) {
    this.id = id;
    this.key = key;
    this.#codec = codec;
    this.#spin = spin;
  }

  /**
   * msgget(2): opens the queue of this key, and makes it where there is none. Never waits.
   *
   * @param key a number, `{ path, projId }` for ftok(3), or IPC_PRIVATE for a new queue that only its id leads to
   * @throws IpcError EACCES, EEXIST (exclusive), ENOENT (create: false), ENOSPC (kernel.msgmni)
   */
  static open(key: Key, options?: SysvMessageQueueOptions<Buffer> & { codec?: undefined }): SysvMessageQueue;
  static open(
    key: Key,
    options: SysvMessageQueueOptions<string> & { codec: 'utf8' },
  ): SysvMessageQueue<string>;
  static open<T = unknown>(
    key: Key,
    options: SysvMessageQueueOptions<T> & { codec: 'json' },
  ): SysvMessageQueue<T>;
  static open<T>(key: Key, options: SysvMessageQueueOptions<T> & { codec: Codec<T> }): SysvMessageQueue<T>;
  static open<T>(key: Key, options?: SysvMessageQueueOptions<T>): SysvMessageQueue<T> {
    const { flags, handle } = openOptions<T>(options);
    const number = resolveKey(key);
    const id = native.msgget(number, flags);
    if (id < 0) throw explainGet(id, number);
    return new SysvMessageQueue(id, number, ...handle);
  }

  /**
   * Opens the queue of this identifier, such as one that another process has passed on.
   *
   * @throws IpcError EINVAL where there is none
   */
  static openId(
    msqid: number,
    options?: SysvMessageQueueHandleOptions<Buffer> & { codec?: undefined },
  ): SysvMessageQueue;
  static openId(
    msqid: number,
    options: SysvMessageQueueHandleOptions<string> & { codec: 'utf8' },
  ): SysvMessageQueue<string>;
  static openId<T = unknown>(
    msqid: number,
    options: SysvMessageQueueHandleOptions<T> & { codec: 'json' },
  ): SysvMessageQueue<T>;
  static openId<T>(
    msqid: number,
    options: SysvMessageQueueHandleOptions<T> & { codec: Codec<T> },
  ): SysvMessageQueue<T>;
  static openId<T>(msqid: number, options?: SysvMessageQueueHandleOptions<T>): SysvMessageQueue<T> {
    const handle = handleOptions<T>(options);
    const found = table.find(int(msqid, 'msqid'));
    if (found === undefined) throw explainControl(errno('EINVAL'), msqid);
    return new SysvMessageQueue(msqid, found.key, ...handle);
  }

  /** Every queue of this IPC namespace, those included that this process may not read. Never waits. */
  static list(): SysvMessageQueueInfo[] {
    return table.list();
  }

  /** The system's limits, and what is in use of them. Never waits. */
  static limits(): SysvMessageQueueLimits {
    return table.limits();
  }

  /** Whether close() was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * msgsnd(2): appends a message. Blocks the thread while the queue is full, at most `timeout` milliseconds.
   *
   * @throws IpcError EACCES, EIDRM (removed while waiting), EINTR (a signal handler ran), EINVAL (longer than
   *   kernel.msgmax; no such queue), EMSGSIZE (longer than the queue itself), ETIMEDOUT
   */
  sendSync(data: T | Payload<T>, options?: SysvSendOptions & { timeout?: number | undefined }): void {
    const type = sendType(options);
    const limit = options === undefined ? undefined : timeLimit(options.timeout);
    const text = this.#encode(data);
    let result = native.msgsnd(this.id, type, text, IPC_NOWAIT);
    if (result === EAGAIN) {
      this.#checkFits(text.length);
      result =
        limit === undefined && this.#spin === 0
          ? native.msgsnd(this.id, type, text, 0)
          : native.msgsndWithin(this.id, type, text, limit ?? -1, this.#spin);
    }
    if (result < 0) throw this.#sendError(result, text);
  }

  /**
   * msgsnd(2) with IPC_NOWAIT: appends a message where there is room. Never waits.
   *
   * @returns false where the queue is full
   * @throws IpcError as sendSync()
   */
  trySend(data: T | Payload<T>, options?: SysvSendOptions): boolean {
    const type = sendType(options);
    const text = this.#encode(data);
    const result = native.msgsnd(this.id, type, text, IPC_NOWAIT);
    if (result === 0) return true;
    if (result !== EAGAIN) throw this.#sendError(result, text);
    this.#checkFits(text.length);
    return false;
  }

  /**
   * msgsnd(2): appends a message. The promise waits while the queue is full; data may be changed as soon as the call
   * returns. Messages are sent in the order of the calls.
   *
   * @throws IpcError as sendSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  send(data: T | Payload<T>, options?: SysvSendOptions & WaitOptions): Promise<void> {
    return promise(() => this.#send(data, options));
  }

  /**
   * msgrcv(2): takes a message. Blocks the thread until there is one, at most `timeout` milliseconds.
   *
   * @throws IpcError E2BIG (longer than maxBytes; the message stays), EACCES, EIDRM (removed while waiting), EINTR (a
   *   signal handler ran), EINVAL (no such queue), ETIMEDOUT
   */
  receiveSync(options?: SysvReceiveOptions & { timeout?: number | undefined }): SysvMessage<T> {
    return this.#message(this.#takeSync(options));
  }

  /**
   * msgrcv(2) with IPC_NOWAIT: takes a message where there is one. Never waits.
   *
   * @returns undefined where there is none
   * @throws IpcError as receiveSync()
   */
  tryReceive(options?: SysvReceiveOptions): SysvMessage<T> | undefined {
    const taken = this.#tryTake(this.#receiveCall(options));
    return taken && this.#message(taken);
  }

  /**
   * msgrcv(2): takes a message. The promise waits until there is one. Calls for the same type are answered in their
   * order. A message that has been taken when the call is aborted is delivered all the same.
   *
   * @throws IpcError as receiveSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  receive(options?: SysvReceiveOptions & WaitOptions): Promise<SysvMessage<T>> {
    return promise(() =>
      this.#take(this.#receiveCall(options), waitOptions(options), (taken) => this.#message(taken)),
    );
  }

  /**
   * Takes as many messages as are there, at most `max`. Blocks the thread until there is one.
   *
   * @throws IpcError as receiveSync()
   */
  receiveManySync(
    max: number,
    options?: SysvReceiveOptions & { timeout?: number | undefined },
  ): SysvMessage<T>[] {
    size(max, 'max', 1);
    const first = this.#takeSync(options);
    return this.#andMore(first, max, this.#receiveCall(options));
  }

  /** Takes as many messages as are there, at most `max`, or none. Never waits. */
  tryReceiveMany(max: number, options?: SysvReceiveOptions): SysvMessage<T>[] {
    size(max, 'max', 1);
    const call = this.#receiveCall(options);
    const first = this.#tryTake(call);
    return first === undefined ? [] : this.#andMore(first, max, call);
  }

  /** Takes as many messages as are there, at most `max`. The promise waits until there is one. */
  receiveMany(max: number, options?: SysvReceiveOptions & WaitOptions): Promise<SysvMessage<T>[]> {
    return promise(() => {
      size(max, 'max', 1);
      const call = this.#receiveCall(options);
      return this.#take(call, waitOptions(options), (first) => this.#andMore(first, max, call));
    });
  }

  /**
   * msgrcv(2) with MSG_COPY: looks at the message at a place in the queue and leaves it there. Never waits.
   *
   * @param index 0 for the oldest
   * @returns undefined where there are not as many messages
   * @throws IpcError ENOSYS where the kernel was built without CONFIG_CHECKPOINT_RESTORE
   */
  peek(index = 0): SysvMessage<T> | undefined {
    this.#checkOpen();
    const taken = this.#tryReceive({ size: ANY_SIZE, type: size(index, 'index'), flags: MSG_COPY });
    return taken && this.#message(taken);
  }

  /**
   * The messages of the queue, one after the other, as `for await (const message of queue.messages({ type: 2 }))`. close()
   * and `break` end it; an abort, and a time limit on any one message, throw as in receive().
   *
   * Takes a message only when asked for the next, so that nothing is lost where a loop ends.
   */
  messages(options?: SysvReceiveOptions & WaitOptions): AsyncIterableIterator<SysvMessage<T>> {
    const call = this.#receiveCall(options);
    const waiting = waitOptions(options);
    const waits = new Waits(this.#waits);
    return new Iteration({
      next: () => {
        waiting.signal?.throwIfAborted();
        return this.#take(call, waiting, (taken) => this.#message(taken), waits);
      },
      isOver: () => this.#closed,
      cancel: () => waits.cancelAll((syscall) => new IpcError(ECANCELED, syscall)),
    });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<SysvMessage<T>> {
    return this.messages();
  }

  /** msgctl(2) with IPC_STAT. Never waits. */
  stat(): SysvMessageQueueStat {
    this.#checkOpen();
    const found = table.find(this.id);
    if (found === undefined) throw explainControl(errno('EINVAL'), this.id);
    const { id: _, ...stat } = found;
    return stat;
  }

  /**
   * msgctl(2) with IPC_SET: changes owner, permissions or capacity. What is not given stays. Never waits.
   *
   * @throws IpcError EINVAL, EPERM (not the owner; over kernel.msgmnb)
   */
  set(changes: SysvMessageQueueChanges): void {
    this.#checkOpen();
    const given = changesOf(changes);
    try {
      msgctl(this.id, IPC_SET, given);
      this.#capacity = undefined;
    } catch (error) {
      if (error instanceof IpcError) throw explainControl(error.errno, this.id, given.msg_qbytes);
      throw error;
    }
  }

  /**
   * msgctl(2) with IPC_RMID: destroys the queue and the messages in it, for every process; whoever waits on it gets
   * EIDRM. Never waits.
   *
   * @throws IpcError EINVAL (gone already), EPERM (neither owner nor creator)
   */
  remove(): void {
    this.#checkOpen();
    const result = native.msgctl(this.id, IPC_RMID);
    if (typeof result === 'number') throw explainControl(result, this.id);
  }

  /**
   * Ends this object; the queue stays. Promises that wait reject with ECANCELED, unless their message has been taken
   * already; iterations end.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const reason = 'the SysvMessageQueue was closed while this call waited';
    this.#waits.cancelAll((syscall) => new IpcError(ECANCELED, syscall, { reason, id: this.id }));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send(data: T | Payload<T>, options: (SysvSendOptions & WaitOptions) | undefined): void | Promise<void> {
    const type = sendType(options);
    const waiting = waitOptions(options);
    const text = this.#encode(data);
    const started = native.msgsndLater(this.id, type, text, this.#spin);
    if (started === 0) return soon(undefined);
    const wait = waitOnThread(
      this.#waits,
      started,
      {
        syscall: 'msgsnd',
        settle: () => undefined,
        explain: (result) => this.#sendError(result, text),
        late: (result) => whileWaiting(result, this.id),
      },
      waiting,
    );
    try {
      this.#checkFits(text.length);
    } catch (error) {
      wait.cancel(error);
    }
    return wait.promise;
  }

  #checkOpen(): void {
    if (this.#closed) throw invalidState('The SysvMessageQueue is closed');
  }

  #encode(data: T | Payload<T>): Uint8Array {
    this.#checkOpen();
    if (this.#codec === undefined) return bytes(data, 'data');
    const text = encode(this.#codec, data as T);
    // The codec is the caller's code, and may have closed the queue.
    this.#checkOpen();
    return text;
  }

  #sendError(result: number, text: Uint8Array): Error {
    return result === NOT_BYTES ? notBytes(text, 'data') : explainSend(result, this.id, text.length);
  }

  // The kernel would let a message longer than the queue wait for ever. Asked only when a message finds no room.
  #checkFits(length: number): void {
    if (this.#capacity !== undefined && length <= this.#capacity) return;
    this.#capacity = table.capacity(this.id);
    if (this.#capacity === undefined || length <= this.#capacity) return;
    throw explainSend(EMSGSIZE, this.id, length);
  }

  #receiveCall(options: SysvReceiveOptions | undefined): Receive {
    this.#checkOpen();
    return receiveOptions(options);
  }

  #takeSync(options: (SysvReceiveOptions & { timeout?: number | undefined }) | undefined): Taken {
    const call = this.#receiveCall(options);
    const limit = options === undefined ? undefined : timeLimit(options.timeout);
    this.#batches.throwPostponed();
    const length =
      limit === undefined && this.#spin === 0
        ? native.msgrcv(this.id, slab.memory, slab.used, call)
        : native.msgrcvWithin(this.id, slab.memory, slab.used, call, limit ?? -1, this.#spin);
    if (length < 0) throw explainReceive(length, this.id, call.size);
    return { type: detail(), data: slab.take(length) };
  }

  #tryTake(call: Receive): Taken | undefined {
    this.#batches.throwPostponed();
    return this.#tryReceive(call);
  }

  #tryReceive(call: Receive): Taken | undefined {
    const now = { ...call, flags: call.flags | IPC_NOWAIT };
    const length = native.msgrcv(this.id, slab.memory, slab.used, now);
    if (length >= 0) return { type: detail(), data: slab.take(length) };
    if (length === ENOMSG) return undefined;
    throw explainReceive(length, this.id, call.size);
  }

  #take<R>(
    call: Receive,
    waiting: WaitOptions,
    finish: (taken: Taken) => R,
    waits = this.#waits,
  ): R | Promise<R> {
    // Reading the options may have run the caller's code.
    this.#checkOpen();
    this.#batches.throwPostponed();
    const started = native.msgrcvLater(this.id, slab.memory, slab.used, call, this.#spin);
    if (started < 0) {
      const ending = {
        syscall: 'msgrcv',
        settle: (_result: number, type: number | bigint, data: Buffer) => finish({ type, data }),
        explain: (result: number) => explainReceive(result, this.id, call.size),
        late: (result: number) => whileWaiting(result, this.id),
      };
      return waitOnThread(waits, started, ending, waiting).promise;
    }
    return soon(finish({ type: detail(), data: slab.take(started) }));
  }

  #message(taken: Taken): SysvMessage<T> {
    if (this.#codec === undefined) return taken as SysvMessage<T>;
    const { type, data } = taken;
    return { type, data: decode(this.#codec, data, { type }) };
  }

  #andMore(first: Taken, max: number, call: Receive): SysvMessage<T>[] {
    const plain = this.#codec === undefined;
    return this.#batches.andMore(this.#message(first), max, {
      takeSome: (most) => (plain ? (takeMany(this.id, call, most) as SysvMessage<T>[]) : []),
      takeOne: () => {
        // The codec is the caller's code, and may have closed the queue.
        const taken = this.#closed ? undefined : this.#tryReceive(call);
        return taken && this.#message(taken);
      },
    });
  }
}
