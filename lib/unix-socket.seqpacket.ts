import { promise, waitOptions, type WaitOptions } from './internal/waiting.js';
import type { Codec } from './internal/codec.js';
import { errno, IpcError } from './internal/errors.js';
import { native as descriptor } from './native/descriptor.js';
import { attached, native } from './native/unix-socket.js';
import type { SocketAddress } from './sys/unix-socket.address.js';
import { Connecting, type UnixConnectOptions } from './unix-socket.connect.js';
import { UnixMessageSocket, type Payload } from './unix-socket.message.js';
import {
  socketSettings,
  type Settings,
  type UnixCredentials,
  type UnixSendOptions,
  type UnixSocketOptions,
} from './unix-socket.options.js';
import { adopt, newPair, peerAddress, peerCredentials, type Opened } from './unix-socket.socket.js';

const { SOCK_SEQPACKET, SOL_SOCKET, SO_TIMESTAMP, SHUT_WR } = native.constants;
const { POLLRDHUP } = descriptor.constants;
const ENOTCONN = errno('ENOTCONN');

type Plain = UnixSocketOptions<Buffer> & { codec?: undefined };
type Text = UnixSocketOptions<string> & { codec: 'utf8' };
type Json<T> = UnixSocketOptions<T> & { codec: 'json' };
type Coded<T> = UnixSocketOptions<T> & { codec: Codec<T> };
type Timed = UnixConnectOptions & { timeout?: number | undefined };

/**
 * A connection of packets: each message arrives whole, in order, and once; both sides see when the other is gone.
 * UnixSeqpacketServer makes the other side.
 *
 * Each method that can wait has three variants: `receiveSync()` blocks the thread, `tryReceive()` never waits, `receive()` gives
 * a promise. At the end, when the other side has closed, they give null.
 *
 * @example
 * const socket = await UnixSeqpacketSocket.connect('/run/app.sock', { codec: 'json' });
 * await socket.send({ order: 7 });
 * const answer = await socket.receive();
 * @see https://man7.org/linux/man-pages/man7/unix.7.html
 */
export class UnixSeqpacketSocket<T = Buffer> extends UnixMessageSocket<T, null> {
  /** @internal */
  readonly wasConnected = false;
  protected readonly hasEnd = true;
  #marksMessages = false;

  /** @internal Made by connect(), pair(), fromFd() and UnixSeqpacketServer. */
  constructor(opened: Opened, settings: Settings<T>) {
    super(opened, 'UnixSeqpacketSocket', settings);
  }

  /**
   * connect(2): connects with a UnixSeqpacketServer, or another program's socket. Blocks the thread while its backlog is full, at
   * most `timeout` milliseconds.
   *
   * @throws IpcError EACCES, ECONNREFUSED (nobody listens), EINTR (a signal handler ran), ENAMETOOLONG, ENOENT, EPROTOTYPE (a
   *   socket of another type), ETIMEDOUT
   */
  static connectSync(address: SocketAddress, options?: Plain & Timed): UnixSeqpacketSocket;
  static connectSync(address: SocketAddress, options: Text & Timed): UnixSeqpacketSocket<string>;
  static connectSync<T = unknown>(address: SocketAddress, options: Json<T> & Timed): UnixSeqpacketSocket<T>;
  static connectSync<T>(address: SocketAddress, options: Coded<T> & Timed): UnixSeqpacketSocket<T>;
  static connectSync<T>(
    address: SocketAddress,
    options?: UnixSocketOptions<T> & Timed,
  ): UnixSeqpacketSocket<T> {
    return connecting<T>(address, options).sync(options);
  }

  /**
   * connect(2): connects where there is room in the backlog. Never waits.
   *
   * @returns undefined where there is none
   * @throws IpcError as connectSync()
   */
  static tryConnect(
    address: SocketAddress,
    options?: Plain & UnixConnectOptions,
  ): UnixSeqpacketSocket | undefined;
  static tryConnect(
    address: SocketAddress,
    options: Text & UnixConnectOptions,
  ): UnixSeqpacketSocket<string> | undefined;
  static tryConnect<T = unknown>(
    address: SocketAddress,
    options: Json<T> & UnixConnectOptions,
  ): UnixSeqpacketSocket<T> | undefined;
  static tryConnect<T>(
    address: SocketAddress,
    options: Coded<T> & UnixConnectOptions,
  ): UnixSeqpacketSocket<T> | undefined;
  static tryConnect<T>(
    address: SocketAddress,
    options?: UnixSocketOptions<T> & UnixConnectOptions,
  ): UnixSeqpacketSocket<T> | undefined {
    return connecting<T>(address, options).try();
  }

  /**
   * connect(2): connects. The promise waits while the backlog is full, on a thread of its own (see waitThreads).
   *
   * @throws IpcError as connectSync(), but never EINTR; Error ERR_TOO_MANY_WAITS
   */
  static connect(
    address: SocketAddress,
    options?: Plain & UnixConnectOptions & WaitOptions,
  ): Promise<UnixSeqpacketSocket>;
  static connect(
    address: SocketAddress,
    options: Text & UnixConnectOptions & WaitOptions,
  ): Promise<UnixSeqpacketSocket<string>>;
  static connect<T = unknown>(
    address: SocketAddress,
    options: Json<T> & UnixConnectOptions & WaitOptions,
  ): Promise<UnixSeqpacketSocket<T>>;
  static connect<T>(
    address: SocketAddress,
    options: Coded<T> & UnixConnectOptions & WaitOptions,
  ): Promise<UnixSeqpacketSocket<T>>;
  static connect<T>(
    address: SocketAddress,
    options?: UnixSocketOptions<T> & UnixConnectOptions & WaitOptions,
  ): Promise<UnixSeqpacketSocket<T>> {
    return promise(() => connecting<T>(address, options).later(options));
  }

  /** socketpair(2): two sockets that are connected with each other. Never waits. */
  static pair(options?: Plain): [UnixSeqpacketSocket, UnixSeqpacketSocket];
  static pair(options: Text): [UnixSeqpacketSocket<string>, UnixSeqpacketSocket<string>];
  static pair<T = unknown>(options: Json<T>): [UnixSeqpacketSocket<T>, UnixSeqpacketSocket<T>];
  static pair<T>(options: Coded<T>): [UnixSeqpacketSocket<T>, UnixSeqpacketSocket<T>];
  static pair<T>(options?: UnixSocketOptions<T>): [UnixSeqpacketSocket<T>, UnixSeqpacketSocket<T>] {
    const settings = socketSettings(options);
    const [one, other] = newPair(SOCK_SEQPACKET, settings);
    return [new UnixSeqpacketSocket(one, settings), new UnixSeqpacketSocket(other, settings)];
  }

  /**
   * The connection behind a descriptor, such as one that a parent has left open. It belongs to the object from then on.
   *
   * @throws IpcError EBADF; TypeError ERR_INVALID_ARG_VALUE for anything else
   */
  static fromFd(fd: number, options?: Plain): UnixSeqpacketSocket;
  static fromFd(fd: number, options: Text): UnixSeqpacketSocket<string>;
  static fromFd<T = unknown>(fd: number, options: Json<T>): UnixSeqpacketSocket<T>;
  static fromFd<T>(fd: number, options: Coded<T>): UnixSeqpacketSocket<T>;
  static fromFd<T>(fd: number, options?: UnixSocketOptions<T>): UnixSeqpacketSocket<T> {
    const settings = socketSettings(options);
    return new UnixSeqpacketSocket(
      adopt(fd, SOCK_SEQPACKET, false, 'a connected Unix socket of packets (SOCK_SEQPACKET)', settings),
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

  /**
   * sendmsg(2): sends a message. Blocks the thread while there is no room, at most `timeout` milliseconds.
   *
   * @throws IpcError EINTR (a signal handler ran), EMSGSIZE (over the send buffer), ENOBUFS, EPIPE (the other side is gone),
   *   ECONNRESET, ETIMEDOUT; EBADF, EINVAL (more than 253), ETOOMANYREFS of descriptors, EPERM, ESRCH of credentials
   */
  sendSync(data: T | Payload<T>, options?: UnixSendOptions & { timeout?: number | undefined }): void {
    this.sendNow(this.sending(data, options), options);
  }

  /**
   * sendmsg(2): sends a message where there is room. Never waits.
   *
   * @returns false where there is none
   * @throws IpcError as sendSync()
   */
  trySend(data: T | Payload<T>, options?: UnixSendOptions): boolean {
    return this.sending(data, options).attempt() !== undefined;
  }

  /**
   * sendmsg(2): sends a message. The promise waits while there is no room; data may be changed, and descriptors closed, as soon
   * as the call returns. Messages are sent in the order of the calls.
   *
   * @throws IpcError as sendSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  send(data: T | Payload<T>, options?: UnixSendOptions & WaitOptions): Promise<void> {
    return promise(() => {
      const waiting = waitOptions(options);
      return this.sendLater(this.sending(data, options), waiting);
    });
  }

  /** shutdown(2) with SHUT_WR: the other side receives the end, behind what was sent before; this one can go on receiving. Never waits. */
  end(): void {
    this.descriptor.checkOpen();
    const result = native.shutdown(this.fd, SHUT_WR);
    // There is nobody left to be told.
    if (result < 0 && result !== ENOTCONN) throw new IpcError(result, 'shutdown');
  }

  override release(): number {
    const fd = super.release();
    if (this.#marksMessages) native.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, 0);
    return fd;
  }

  /** To receive nothing is the same for an empty message and for the end. The kernel marks only messages with their time. */
  protected prepare(): void {
    if (this.#marksMessages) return;
    this.#marksMessages = true;
    native.setsockopt(this.fd, SOL_SOCKET, SO_TIMESTAMP, 1);
  }

  protected isEnd(): boolean {
    if (attached.isMessage) return false;
    // Somebody who shares the socket may have taken the mark away. Before the other side has ended it, it was a message.
    const isOver = (descriptor.pollOne(this.fd, POLLRDHUP, 0) & POLLRDHUP) !== 0;
    this.#marksMessages = isOver;
    return isOver;
  }
}

function connecting<T>(
  address: SocketAddress,
  options: (UnixSocketOptions<T> & UnixConnectOptions) | undefined,
): Connecting<UnixSeqpacketSocket<T>> {
  const settings = socketSettings<T>(options);
  const make = (opened: Opened): UnixSeqpacketSocket<T> => new UnixSeqpacketSocket(opened, settings);
  return new Connecting(SOCK_SEQPACKET, address, settings, options, make);
}
