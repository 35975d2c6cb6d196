// What datagram sockets and sockets of packets share: messages, each whole.
import { bytes, size, timeout as timeLimit, type Bytes } from './internal/arguments.js';
import { Batches } from './internal/batch.js';
import { decode, encode } from './internal/codec.js';
import { endPart, POLLIN, unlessAgain, type Operation } from './internal/descriptor.js';
import { errno } from './internal/errors.js';
import { END, Iteration } from './internal/iteration.js';
import { slab } from './internal/slab.js';
import { promise, waitOptions, type WaitOptions } from './internal/waiting.js';
import { BATCH_SLOT, block, detail, ROW, ROWS } from './native/core.js';
import { ALONG, attached, native } from './native/unix-socket.js';
import type { SocketAddress } from './sys/unix-socket.address.js';
import {
  lacksDescriptors,
  roomFor,
  takeData,
  takeDescriptors,
  type UnixAttachment,
} from './unix-socket.attachment.js';
import { cut, explainReceive, tooLong } from './unix-socket.errors.js';
import {
  alongWith,
  receiveLimits,
  type Limits,
  type Settings,
  type UnixReceiveOptions,
  type UnixSendOptions,
} from './unix-socket.options.js';
import { Sending } from './unix-socket.sending.js';
import { UnixSocket, type Opened } from './unix-socket.socket.js';

const { MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC } = native.constants;
const ECONNRESET = errno('ECONNRESET');
const NO_MEMORY = Buffer.alloc(0);
/** Of native.recvmsgMany(). */
const LAST_IS_SPECIAL = 1;

export interface UnixMessage<T = Buffer> extends UnixAttachment {
  data: T;
  /** The sender's address, '' where it has none. Of a connection '': see peerAddress. */
  address: SocketAddress;
  /** The message was longer than `maxBytes`, and its rest is lost. Only with `truncate: true`. */
  truncated: boolean;
}

/** Without a codec, data may be sent in any form that holds bytes. */
export type Payload<T> = Buffer extends T ? Bytes : never;

/** A socket of messages. `End` is what receiving gives where no more can come: nothing (never), or null. */
export abstract class UnixMessageSocket<T, End extends null>
  extends UnixSocket
  implements AsyncIterable<UnixMessage<T>>
{
  protected readonly settings: Settings<T>;
  readonly #batches = new Batches();
  /** The kernel tells that the connection was reset before it gives what had been sent until then; here it is told after. */
  #wasReset = false;

  protected constructor(opened: Opened, owner: string, settings: Settings<T>) {
    super(opened, owner);
    this.settings = settings;
  }

  /**
   * recvmsg(2): takes the oldest message. Blocks the thread until there is one, at most `timeout` milliseconds.
   *
   * @throws IpcError EINTR (a signal handler ran), EMSGSIZE (over maxBytes; the message stays), ETIMEDOUT; ECONNRESET
   */
  receiveSync(options?: UnixReceiveOptions & { timeout?: number | undefined }): UnixMessage<T> | End {
    return this.#block(this.#one(receiveLimits(options)), options);
  }

  /**
   * recvmsg(2): takes a message where there is one. Never waits.
   *
   * @returns undefined where there is none yet
   * @throws IpcError as receiveSync()
   */
  tryReceive(options?: UnixReceiveOptions): UnixMessage<T> | End | undefined {
    const limits = receiveLimits(options);
    this.descriptor.checkOpen();
    this.#batches.throwPostponed();
    const taken = this.#take(limits);
    return taken === undefined ? undefined : this.#settle(taken);
  }

  /**
   * recvmsg(2): takes a message. The promise waits until there is one. Calls are answered in their order.
   *
   * @throws IpcError as receiveSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  receive(options?: UnixReceiveOptions & WaitOptions): Promise<UnixMessage<T> | End> {
    return promise(() => {
      const operation = this.#one(receiveLimits(options));
      return this.#later(operation, waitOptions(options));
    });
  }

  /**
   * Takes as many messages as are there, at most `max`. Blocks the thread until there is one; none at the end.
   *
   * @throws IpcError as receiveSync()
   */
  receiveManySync(
    max: number,
    options?: UnixReceiveOptions & { timeout?: number | undefined },
  ): UnixMessage<T>[] {
    return this.#block(this.#many(max, receiveLimits(options)), options);
  }

  /** Takes as many messages as are there, at most `max`, or none. Never waits. */
  tryReceiveMany(max: number, options?: UnixReceiveOptions): UnixMessage<T>[] {
    const limits = receiveLimits(options);
    const many = this.#many(max, limits);
    this.descriptor.checkOpen();
    this.#batches.throwPostponed();
    const taken = this.#take(limits);
    return taken === undefined ? [] : many.settle(taken);
  }

  /** Takes as many messages as are there, at most `max`. The promise waits until there is one; none at the end. */
  receiveMany(max: number, options?: UnixReceiveOptions & WaitOptions): Promise<UnixMessage<T>[]> {
    return promise(() => this.#later(this.#many(max, receiveLimits(options)), waitOptions(options)));
  }

  /**
   * The messages, one after the other, until the end. close() and `break` end it too; an abort, and a time limit on any one
   * message, throw as in receive(). Takes a message only when asked for the next, so that nothing is lost where a loop ends.
   */
  messages(options?: UnixReceiveOptions & WaitOptions): AsyncIterableIterator<UnixMessage<T>> {
    const limits = receiveLimits(options);
    this.descriptor.checkOpen();
    const operation = this.#receiving(limits, (taken) => (taken === END ? END : this.#message(taken)));
    const waiting = waitOptions(options);
    const waits = this.descriptor.part();
    return new Iteration<UnixMessage<T>>({
      next: () => {
        waiting.signal?.throwIfAborted();
        this.#batches.throwPostponed();
        return this.descriptor.later(operation, waiting, this.settings.spin, waits);
      },
      isOver: () => this.closed,
      cancel: () => endPart(waits),
    });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<UnixMessage<T>> {
    return this.messages();
  }

  /** @internal */
  abstract readonly wasConnected: boolean;

  /** Whether it is a connection. */
  protected abstract readonly hasEnd: boolean;

  /** Whether receiving nothing was the end, and not an empty message. */
  protected abstract isEnd(): boolean;

  /** Before something is received. */
  protected abstract prepare(): void;

  protected encode(data: T | Payload<T>): Uint8Array {
    this.descriptor.checkOpen();
    const { codec } = this.settings;
    if (codec === undefined) return bytes(data, 'data');
    const message = encode(codec, data as T);
    // The codec is the caller's code, and may have closed the socket.
    this.descriptor.checkOpen();
    return message;
  }

  /** What is to be sent, to where the socket is connected. */
  protected sending(data: T | Payload<T>, options: UnixSendOptions | undefined): Sending {
    // Descriptors last, whose numbers may mean others after code of the caller's.
    const message = this.encode(data);
    const along = alongWith(options);
    this.descriptor.checkOpen();
    return new Sending(this, message, along);
  }

  protected sendNow(sending: Sending, options: { timeout?: number | undefined } | undefined): void {
    const timeout = timeLimit(options?.timeout);
    this.descriptor.block(sending, { timeout, spin: this.settings.spin });
  }

  protected sendLater(sending: Sending, waiting: WaitOptions): void | Promise<void> {
    const started = this.descriptor.later(sending, waiting, this.settings.spin);
    return started instanceof Promise ? sending.ownUntil(started) : started;
  }

  #block<R>(operation: Operation<Taken, R>, options: { timeout?: number | undefined } | undefined): R {
    const timeout = timeLimit(options?.timeout);
    this.descriptor.checkOpen();
    this.#batches.throwPostponed();
    return this.descriptor.block(operation, { timeout, spin: this.settings.spin });
  }

  #later<R>(operation: Operation<Taken, R>, waiting: WaitOptions): R | Promise<R> {
    this.descriptor.checkOpen();
    this.#batches.throwPostponed();
    return this.descriptor.later(operation, waiting, this.settings.spin);
  }

  /** What most calls do. */
  readonly #usual = this.#receiving(receiveLimits(undefined), (taken) => this.#settle(taken));

  #one(limits: Limits): Operation<Taken, UnixMessage<T> | End> {
    if (limits === receiveLimits(undefined)) return this.#usual;
    return this.#receiving(limits, (taken) => this.#settle(taken));
  }

  #many(max: number, limits: Limits): Operation<Taken, UnixMessage<T>[]> {
    size(max, 'max', 1);
    const source = {
      takeSome: (most: number) => (this.#isPlain(limits) ? (this.#takeSome(most) as UnixMessage<T>[]) : []),
      takeOne: () => {
        // The codec is the caller's code, and may have closed the socket.
        const taken = this.closed ? undefined : this.#take(limits);
        return taken === undefined || taken === END ? undefined : this.#message(taken);
      },
    };
    return this.#receiving(limits, (taken) =>
      taken === END ? [] : this.#batches.andMore(this.#message(taken), max, source),
    );
  }

  #receiving<R>(limits: Limits, settle: (taken: Taken) => R): Operation<Taken, R> {
    return {
      syscall: 'recvmsg',
      direction: POLLIN,
      attempt: () => this.#take(limits),
      settle,
      explain: (result) => explainReceive(result, 'recvmsg', this.fd),
    };
  }

  /** Takes a message where there is one. */
  #take({ most, keep, truncate }: Limits): Taken | undefined {
    this.prepare();
    if (keep && !this.#fits(most)) return undefined;
    const room = roomFor(this.settings);
    let result = native.recvmsg(this.fd, slab.memory, slab.used, most, MSG_DONTWAIT, room, this.#along);
    if (result === ECONNRESET && this.hasEnd) {
      this.#wasReset = true;
      result = native.recvmsg(this.fd, slab.memory, slab.used, most, MSG_DONTWAIT, room, this.#along);
    }
    if (result < 0) {
      return unlessAgain(result, (failed) => explainReceive(failed, 'recvmsg', this.fd)) as undefined;
    }
    return this.#received(result, most, truncate);
  }

  /** What is to be told of a message besides its data and descriptors. */
  get #along(): number {
    const kind = this.hasEnd ? ALONG.STAMP : ALONG.ADDRESS;
    return this.settings.givesCredentials ? kind | ALONG.CREDENTIALS : kind;
  }

  /** The message that was received last. */
  #received(result: number, most: number, truncate: boolean): Taken {
    if (result === 0 && this.isEnd()) return this.#end();
    const { credentials } = attached;
    const address = this.hasEnd ? '' : attached.address;
    const descriptors = takeDescriptors();
    const message: UnixMessage = {
      data: takeData(Math.min(result, most), descriptors),
      address,
      descriptors,
      descriptorsTruncated: lacksDescriptors(),
      credentials,
      truncated: (attached.flags & MSG_TRUNC) !== 0,
    };
    if (message.truncated && !truncate) throw cut(message);
    return message;
  }

  /** Whether messages can be taken many at a time: as they are, and whole. */
  #isPlain(limits: Limits): boolean {
    return this.settings.codec === undefined && limits === receiveLimits(undefined) && !this.closed;
  }

  /** Takes at most `max` messages, perhaps none although there are some. */
  #takeSome(max: number): UnixMessage[] {
    const { most } = receiveLimits(undefined);
    // The sender of all messages but the last.
    const address = this.hasEnd ? '' : attached.address;
    if (typeof address !== 'string') return [];
    this.prepare();
    const room = roomFor(this.settings);
    const [memory, start, rows] = [slab.memory, slab.used, Math.min(max, ROWS)];
    const count = native.recvmsgMany(this.fd, memory, start, most, MSG_DONTWAIT, room, this.#along, rows);
    const behind = count < 0 ? count : (detail() as number);
    if (behind === ECONNRESET && this.hasEnd) this.#wasReset = true;
    const messages: UnixMessage[] = [];
    for (let row = 0; row < count; row++) {
      const at = BATCH_SLOT + row * ROW.SLOTS;
      const [offset, size] = [block[at + ROW.OFFSET] as number, block[at + ROW.SIZE] as number];
      slab.used = offset;
      if (row < count - 1 || behind !== LAST_IS_SPECIAL) {
        messages.push({
          data: slab.take(size),
          address,
          descriptors: [],
          descriptorsTruncated: false,
          credentials: undefined,
          truncated: false,
        });
        continue;
      }
      try {
        const last = this.#received(size, most, false);
        if (last !== END) messages.push(last);
      } catch (error) {
        this.#batches.postpone(error);
      }
    }
    return messages;
  }

  #end(): typeof END {
    if (!this.#wasReset) return END;
    this.#wasReset = false;
    throw explainReceive(ECONNRESET, 'recvmsg', this.fd);
  }

  /** Looks at the message that is to be taken next. False where there is none. */
  #fits(most: number): boolean {
    const flags = MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC;
    let result = native.recv(this.fd, NO_MEMORY, 0, 0, flags);
    if (result === ECONNRESET && this.hasEnd) {
      this.#wasReset = true;
      result = native.recv(this.fd, NO_MEMORY, 0, 0, flags);
    }
    const length = unlessAgain(result, (failed) => explainReceive(failed, 'recvmsg', this.fd));
    if (length !== undefined && length > most) throw tooLong(length, most);
    return length !== undefined;
  }

  #settle(taken: Taken): UnixMessage<T> | End {
    return taken === END ? (null as End) : this.#message(taken);
  }

  #message(taken: UnixMessage): UnixMessage<T> {
    const { codec } = this.settings;
    if (codec === undefined) return taken as UnixMessage<T>;
    const { data, address, descriptors, descriptorsTruncated, credentials, truncated } = taken;
    const value = decode(codec, data, { address, descriptors });
    return { data: value, address, descriptors, descriptorsTruncated, credentials, truncated };
  }
}

type Taken = UnixMessage | typeof END;
