import { Socket } from 'node:net';
import { bytes, object, size, timeout as timeLimit, type Bytes } from './internal/arguments.js';
import { endPart, POLLIN, unlessAgain, type Operation } from './internal/descriptor.js';
import { errno, invalidState, invalidValue, IpcError } from './internal/errors.js';
import { END, Iteration } from './internal/iteration.js';
import { promise, waitOptions, type WaitOptions } from './internal/waiting.js';
import { Outflow, Writing } from './internal/writing.js';
import { slab } from './internal/slab.js';
import { ALONG, attached, native } from './native/unix-socket.js';
import type { SocketAddress } from './sys/unix-socket.address.js';
import { Connecting, type UnixConnectOptions } from './unix-socket.connect.js';
import { explainReceive, explainSend } from './unix-socket.errors.js';
import {
  closeAll,
  copiesOf,
  lacksDescriptors,
  roomFor,
  takeData,
  takeDescriptors,
  type UnixAttachment,
} from './unix-socket.attachment.js';
import {
  alongWith,
  connectionSettings,
  type ConnectionSettings,
  type UnixConnectionOptions,
  type UnixCredentials,
  type UnixSendOptions,
} from './unix-socket.options.js';
import {
  adopt,
  newPair,
  peerAddress,
  peerCredentials,
  UnixSocket,
  type Opened,
} from './unix-socket.socket.js';

const { MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_STREAM, SHUT_WR } = native.constants;
const ECONNRESET = errno('ECONNRESET');
const ENOTCONN = errno('ENOTCONN');
/** As much as one receives where nothing is said. */
const USUAL = 65_536;

/** A piece of a stream. */
export interface UnixChunk extends UnixAttachment {
  data: Buffer;
}

export interface UnixStreamReceiveOptions {
  /** The most bytes to take, 65,536 by default. */
  size?: number | undefined;
}

type Timed = UnixConnectOptions & { timeout?: number | undefined };

/** A Writing that has descriptors to send along with its first byte. */
class StreamWriting extends Writing {
  readonly along: { descriptors: readonly number[]; error: number };

  constructor(
    flow: Outflow,
    fd: number,
    data: Uint8Array,
    { descriptors, credentials }: ReturnType<typeof alongWith>,
  ) {
    const along: { descriptors: readonly number[]; error: number } = { descriptors, error: 0 };
    const count = descriptors.length;
    const claims = credentials !== undefined;
    let isFirst = count > 0 || claims;
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const write = (rest: Uint8Array): number => {
      if (!isFirst) return native.send(fd, rest, flags);
      if (along.error < 0) return along.error;
      const result = native.sendmsg(fd, rest, flags, undefined, along.descriptors, credentials);
      if (result > 0) isFirst = false;
      return result;
    };
    const syscall = isFirst ? 'sendmsg' : 'send';
    const explain = (result: number, written: number): Error =>
      explainSend(result, {
        fd,
        syscall,
        path: undefined,
        length: data.length,
        descriptors: count,
        claims,
        written,
      });
    super(flow, { syscall, write, explain }, data);
    this.along = along;
  }

  /** Where a promise waits: data and descriptors are the caller's again. */
  ownUntil(ended: Promise<void>): Promise<void> {
    this.own();
    if (this.along.descriptors.length === 0 || this.written > 0) return ended;
    const copies = copiesOf(this.along.descriptors);
    this.along.descriptors = copies.descriptors;
    this.along.error = copies.error;
    return ended.finally(() => closeAll(copies.descriptors));
  }
}

/**
 * A connection of bytes, as node:net has them, with what node:net lacks: descriptors sent along, credentials, abstract names of
 * any bytes, and variants that block. stream() hands it to node:net. UnixStreamServer makes the other side.
 *
 * Each method that can wait has three variants: `receiveSync()` blocks the thread, `tryReceive()` never waits, `receive()` gives
 * a promise. At the end, when the other side has closed, they give null.
 *
 * @example
 * const stream = await UnixStream.connect('/run/app.sock', { descriptors: true });
 * await stream.send('take this', { descriptors: [pipe.reader] });
 * @see https://man7.org/linux/man-pages/man7/unix.7.html
 */
export class UnixStream extends UnixSocket implements AsyncIterable<UnixChunk> {
  readonly #settings: ConnectionSettings;
  readonly #flow: Outflow;
  #bytesRead = 0;
  /** The kernel tells that the connection was reset before it gives what had been sent until then; here it is told after. */
  #wasReset = false;

  /** @internal Made by connect(), pair(), fromFd() and UnixStreamServer. */
  constructor(opened: Opened, settings: ConnectionSettings) {
    super(opened, 'UnixStream');
    this.#settings = settings;
    this.#flow = new Outflow(this.descriptor);
  }

  /**
   * connect(2): connects with a server of node:net, a UnixStreamServer, or another program's socket. Blocks the thread while its
   * backlog is full, at most `timeout` milliseconds.
   *
   * @throws IpcError EACCES, ECONNREFUSED (nobody listens), EINTR (a signal handler ran), ENAMETOOLONG, ENOENT, EPROTOTYPE (a
   *   socket of another type), ETIMEDOUT
   */
  static connectSync(address: SocketAddress, options?: UnixConnectionOptions & Timed): UnixStream {
    return connecting(address, options).sync(options);
  }

  /**
   * connect(2): connects where there is room in the backlog. Never waits.
   *
   * @returns undefined where there is none
   * @throws IpcError as connectSync()
   */
  static tryConnect(
    address: SocketAddress,
    options?: UnixConnectionOptions & UnixConnectOptions,
  ): UnixStream | undefined {
    return connecting(address, options).try();
  }

  /**
   * connect(2): connects. The promise waits while the backlog is full, on a thread of its own (see waitThreads).
   *
   * @throws IpcError as connectSync(), but never EINTR; Error ERR_TOO_MANY_WAITS
   */
  static connect(
    address: SocketAddress,
    options?: UnixConnectionOptions & UnixConnectOptions & WaitOptions,
  ): Promise<UnixStream> {
    return promise(() => connecting(address, options).later(options));
  }

  /** socketpair(2): two ends that are connected with each other. Never waits. */
  static pair(options?: UnixConnectionOptions): [UnixStream, UnixStream] {
    const settings = connectionSettings(options);
    const [one, other] = newPair(SOCK_STREAM, settings);
    return [new UnixStream(one, settings), new UnixStream(other, settings)];
  }

  /**
   * The connection behind a descriptor, such as one that a parent has left open. It belongs to the object from then on.
   *
   * @throws IpcError EBADF; TypeError ERR_INVALID_ARG_VALUE for anything else
   */
  static fromFd(fd: number, options?: UnixConnectionOptions): UnixStream {
    const settings = connectionSettings(options);
    return new UnixStream(
      adopt(fd, SOCK_STREAM, false, 'a connected Unix stream socket (SOCK_STREAM)', settings),
      settings,
    );
  }

  /** getpeername(2): the address of the other side, '' where it has none; undefined where there is no other side. Never waits. */
  get peerAddress(): SocketAddress | undefined {
    this.descriptor.checkOpen();
    return peerAddress(this.fd);
  }

  /** SO_PEERCRED: who has made the connection, or listened for it. Never waits. */
  get peerCredentials(): UnixCredentials {
    this.descriptor.checkOpen();
    return peerCredentials(this.fd);
  }

  /** Bytes that this object has received. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes that this object has sent. */
  get bytesWritten(): number {
    return this.#flow.bytesWritten;
  }

  /**
   * sendmsg(2): sends all of the data, and descriptors along with its first byte. Blocks the thread while there is no room, at
   * most `timeout` milliseconds.
   *
   * @throws IpcError EINTR (a signal handler ran), ENOBUFS, EPIPE (the other side is gone), ETIMEDOUT, with `bytesWritten` where a
   *   part was sent before; EBADF, EINVAL (more than 253), ETOOMANYREFS of descriptors, EPERM, ESRCH of credentials
   */
  sendSync(data: Bytes, options?: UnixSendOptions & { timeout?: number | undefined }): void {
    const writing = this.#writing(data, options);
    const timeout = timeLimit(options?.timeout);
    if (this.#flow.isHalfWritten) {
      throw invalidState('A send() of this UnixStream is half done; await it before sendSync()');
    }
    this.descriptor.block(writing, { timeout, spin: this.#settings.spin });
  }

  /**
   * sendmsg(2): sends what there is room for, and descriptors along with its first byte. Never waits.
   *
   * @returns how many bytes; 0 where there is no room
   * @throws IpcError as sendSync()
   */
  trySend(data: Bytes, options?: UnixSendOptions): number {
    const writing = this.#writing(data, options);
    if (this.#flow.isHalfWritten) return 0;
    writing.attempt();
    // The rest is the caller's to send.
    this.#flow.half(writing, false);
    return writing.written;
  }

  /**
   * sendmsg(2): sends all of the data, and descriptors along with its first byte. The promise waits while there is no room; data
   * may be changed, and descriptors closed, as soon as the call returns. Data is sent in the order of the calls.
   *
   * @throws IpcError as sendSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  send(data: Bytes, options?: UnixSendOptions & WaitOptions): Promise<void> {
    return promise(() => {
      const waiting = waitOptions(options);
      const writing = this.#writing(data, options);
      const started = this.descriptor.later(writing, waiting, this.#settings.spin);
      return started instanceof Promise ? writing.ownUntil(started) : started;
    });
  }

  /**
   * recvmsg(2): takes what is there, up to `size` bytes, and the descriptors that came along. Blocks the thread until there is
   * something, at most `timeout` milliseconds.
   *
   * @returns null at the end
   * @throws IpcError ECONNRESET, EINTR (a signal handler ran), ETIMEDOUT
   */
  receiveSync(options?: UnixStreamReceiveOptions & { timeout?: number | undefined }): UnixChunk | null {
    this.descriptor.checkOpen();
    const operation = this.#receiving(receiveSize(options), itself);
    return this.descriptor.block(operation, {
      timeout: timeLimit(options?.timeout),
      spin: this.#settings.spin,
    });
  }

  /**
   * recvmsg(2): takes what is there, up to `size` bytes. Never waits.
   *
   * @returns undefined where there is nothing yet, null at the end
   */
  tryReceive(options?: UnixStreamReceiveOptions): UnixChunk | null | undefined {
    this.descriptor.checkOpen();
    return this.#take(receiveSize(options));
  }

  /**
   * recvmsg(2): takes what is there, up to `size` bytes. The promise waits until there is something. Calls are answered in their
   * order.
   *
   * @returns null at the end
   * @throws IpcError as receiveSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  receive(options?: UnixStreamReceiveOptions & WaitOptions): Promise<UnixChunk | null> {
    return promise(() => {
      this.descriptor.checkOpen();
      const operation = this.#receiving(receiveSize(options), itself);
      return this.descriptor.later(operation, waitOptions(options), this.#settings.spin);
    });
  }

  /**
   * What comes, piece by piece, until the end. close() and `break` end it too; an abort, and a time limit on any one piece, throw
   * as in receive().
   */
  chunks(options?: UnixStreamReceiveOptions & WaitOptions): AsyncIterableIterator<UnixChunk> {
    this.descriptor.checkOpen();
    const operation = this.#receiving(receiveSize(options), (taken) => taken ?? END);
    const waiting = waitOptions(options);
    const waits = this.descriptor.part();
    return new Iteration<UnixChunk>({
      next: () => {
        waiting.signal?.throwIfAborted();
        return this.descriptor.later(operation, waiting, this.#settings.spin, waits);
      },
      isOver: () => this.closed,
      cancel: () => endPart(waits),
    });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<UnixChunk> {
    return this.chunks();
  }

  /** shutdown(2) with SHUT_WR: the other side receives the end, behind what was sent before; this one can go on receiving. Never waits. */
  end(): void {
    this.descriptor.checkOpen();
    const result = native.shutdown(this.fd, SHUT_WR);
    // There is nobody left to be told.
    if (result < 0 && result !== ENOTCONN) throw new IpcError(result, 'shutdown');
  }

  /**
   * A socket of node:net over the same connection. The descriptor is the socket's from then on, and this object closed. Promises
   * that wait reject with ECANCELED.
   */
  stream(): Socket {
    const socket = new Socket({
      fd: this.descriptor.release('made a stream'),
      readable: true,
      writable: true,
    });
    const file = this.takeFile();
    if (file !== undefined) socket.once('close', () => file.unlinkIfOwn());
    return socket;
  }

  #writing(data: unknown, options: UnixSendOptions | undefined): StreamWriting {
    const along = alongWith(options);
    this.descriptor.checkOpen();
    const given = bytes(data, 'data');
    if (given.length === 0 && (along.descriptors.length > 0 || along.credentials !== undefined)) {
      throw invalidValue('data', 'is empty, and what goes along goes along with a byte');
    }
    return new StreamWriting(this.#flow, this.fd, given, along);
  }

  #receiving<R>(most: number, settle: (taken: UnixChunk | null) => R): Operation<UnixChunk | null, R> {
    return {
      syscall: 'recvmsg',
      direction: POLLIN,
      attempt: () => this.#take(most),
      settle,
      explain: (result) => explainReceive(result, 'recvmsg', this.fd),
    };
  }

  #end(): null {
    if (!this.#wasReset) return null;
    this.#wasReset = false;
    throw explainReceive(ECONNRESET, 'recvmsg', this.fd);
  }

  #take(most: number): UnixChunk | null | undefined {
    const room = roomFor(this.#settings);
    const along = this.#settings.givesCredentials ? ALONG.CREDENTIALS : 0;
    let result = native.recvmsg(this.fd, slab.memory, slab.used, most, MSG_DONTWAIT, room, along);
    if (result === ECONNRESET) {
      this.#wasReset = true;
      result = native.recvmsg(this.fd, slab.memory, slab.used, most, MSG_DONTWAIT, room, along);
    }
    const length = unlessAgain(result, (failed) => explainReceive(failed, 'recvmsg', this.fd));
    if (length === undefined) return undefined;
    if (length === 0) return this.#end();
    this.#bytesRead += length;
    const { credentials } = attached;
    const descriptors = takeDescriptors();
    return {
      data: takeData(length, descriptors),
      descriptors,
      descriptorsTruncated: lacksDescriptors(),
      credentials,
    };
  }
}

const itself = (taken: UnixChunk | null): UnixChunk | null => taken;

function receiveSize(options: UnixStreamReceiveOptions | undefined): number {
  if (options === undefined) return USUAL;
  const { size: most = USUAL } = object(options, 'options') as UnixStreamReceiveOptions;
  return size(most, 'options.size', 1);
}

function connecting(
  address: SocketAddress,
  options: (UnixConnectionOptions & UnixConnectOptions) | undefined,
): Connecting<UnixStream> {
  const settings = connectionSettings(options);
  return new Connecting(
    SOCK_STREAM,
    address,
    settings,
    options,
    (opened) => new UnixStream(opened, settings),
  );
}
