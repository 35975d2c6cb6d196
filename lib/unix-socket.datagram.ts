import { object, timeout as timeLimit } from './internal/arguments.js';
import type { Codec } from './internal/codec.js';
import { promise, soon, waitOptions, type WaitOptions } from './internal/waiting.js';
import { native } from './native/unix-socket.js';
import { addressBytes, addressText, type SocketAddress } from './sys/unix-socket.address.js';
import type { UnixConnectOptions } from './unix-socket.connect.js';
import { Destination } from './unix-socket.destination.js';
import { explainConnect } from './unix-socket.errors.js';
import { UnixMessageSocket, type Payload } from './unix-socket.message.js';
import { Sending, type To } from './unix-socket.sending.js';
import {
  alongWith,
  binding,
  socketSettings,
  type Settings,
  type UnixBindOptions,
  type UnixSendOptions,
  type UnixSocketOptions,
} from './unix-socket.options.js';
import { adopt, newBound, newPair, orClose, peerAddress, type Opened } from './unix-socket.socket.js';

const { SOCK_DGRAM } = native.constants;

type Plain = UnixSocketOptions<Buffer> & { codec?: undefined };
type Text = UnixSocketOptions<string> & { codec: 'utf8' };
type Json<T> = UnixSocketOptions<T> & { codec: 'json' };
type Coded<T> = UnixSocketOptions<T> & { codec: Codec<T> };

export interface UnixDatagramSendOptions extends UnixSendOptions {
  /** Where to: needed unless the socket is connected. */
  to?: SocketAddress | undefined;
}

/**
 * A datagram socket: messages without a connection, each whole, in order, and none dropped: a receiver that is slow makes the
 * sender wait. Its address is a path, or an abstract name that begins with '\0'.
 *
 * Each method that can wait has three variants: `receiveSync()` blocks the thread, `tryReceive()` never waits, `receive()` gives
 * a promise.
 *
 * @example
 * const socket = UnixDatagramSocket.bind('/run/app.sock', { codec: 'utf8' });
 * for await (const { data, address } of socket) await socket.send(`received ${data}`, { to: address });
 * @see https://man7.org/linux/man-pages/man7/unix.7.html
 */
export class UnixDatagramSocket<T = Buffer> extends UnixMessageSocket<T, never> {
  /** @internal */
  readonly wasConnected: boolean;
  /** Receivers that promises wait for, by their address. */
  readonly #destinations = new Map<string, Destination>();

  private constructor(opened: Opened, settings: Settings<T>) {
    super(opened, 'UnixDatagramSocket', settings);
    this.wasConnected = peerAddress(opened.fd) !== undefined;
  }

  /**
   * bind(2): a socket with an address, to which others can send. Never waits.
   *
   * @param address a path, for which a socket file is made; a name that begins with '\0'; or '', and the kernel chooses a name
   * @throws IpcError EACCES, EADDRINUSE (see replaceStale), ENAMETOOLONG (over 108 bytes), ENOENT (no such folder), EROFS
   */
  static override bind(address: SocketAddress, options?: Plain & UnixBindOptions): UnixDatagramSocket;
  static override bind(address: SocketAddress, options: Text & UnixBindOptions): UnixDatagramSocket<string>;
  static override bind<T = unknown>(
    address: SocketAddress,
    options: Json<T> & UnixBindOptions,
  ): UnixDatagramSocket<T>;
  static override bind<T>(address: SocketAddress, options: Coded<T> & UnixBindOptions): UnixDatagramSocket<T>;
  static override bind<T>(
    address: SocketAddress,
    options?: UnixSocketOptions<T> & UnixBindOptions,
  ): UnixDatagramSocket<T> {
    const settings = socketSettings<T>(options);
    const opened = newBound(SOCK_DGRAM, settings, binding(address, 'address', options));
    return new UnixDatagramSocket(opened, settings);
  }

  /**
   * connect(2): a socket that sends to one address, and receives only from there. Never waits.
   *
   * @throws IpcError EACCES, ECONNREFUSED (nobody has it), ENAMETOOLONG, ENOENT, EPERM (it is connected with another), EPROTOTYPE
   */
  static connect(address: SocketAddress, options?: Plain & UnixConnectOptions): UnixDatagramSocket;
  static connect(address: SocketAddress, options: Text & UnixConnectOptions): UnixDatagramSocket<string>;
  static connect<T = unknown>(
    address: SocketAddress,
    options: Json<T> & UnixConnectOptions,
  ): UnixDatagramSocket<T>;
  static connect<T>(address: SocketAddress, options: Coded<T> & UnixConnectOptions): UnixDatagramSocket<T>;
  static connect<T>(
    address: SocketAddress,
    options?: UnixSocketOptions<T> & UnixConnectOptions,
  ): UnixDatagramSocket<T> {
    const settings = socketSettings<T>(options);
    const own = options?.bind;
    const to = addressBytes(address, 'address', 'connect');
    const bound = own === undefined ? undefined : binding(own, 'options.bind', options);
    const opened = newBound(SOCK_DGRAM, settings, bound);
    return orClose(opened, () => {
      const result = native.connect(opened.fd, to);
      if (result < 0) throw explainConnect(result, opened.fd, addressText(to));
      return new UnixDatagramSocket(opened, settings);
    });
  }

  /** socket(2): a socket without an address, which sends with `to`. Nobody can send to it unless `credentials: true` gives it one. Never waits. */
  static create(options?: Plain): UnixDatagramSocket;
  static create(options: Text): UnixDatagramSocket<string>;
  static create<T = unknown>(options: Json<T>): UnixDatagramSocket<T>;
  static create<T>(options: Coded<T>): UnixDatagramSocket<T>;
  static create<T>(options?: UnixSocketOptions<T>): UnixDatagramSocket<T> {
    const settings = socketSettings(options);
    return new UnixDatagramSocket(newBound(SOCK_DGRAM, settings, undefined), settings);
  }

  /** socketpair(2): two sockets that are connected with each other. Never waits. */
  static pair(options?: Plain): [UnixDatagramSocket, UnixDatagramSocket];
  static pair(options: Text): [UnixDatagramSocket<string>, UnixDatagramSocket<string>];
  static pair<T = unknown>(options: Json<T>): [UnixDatagramSocket<T>, UnixDatagramSocket<T>];
  static pair<T>(options: Coded<T>): [UnixDatagramSocket<T>, UnixDatagramSocket<T>];
  static pair<T>(options?: UnixSocketOptions<T>): [UnixDatagramSocket<T>, UnixDatagramSocket<T>] {
    const settings = socketSettings(options);
    const [one, other] = newPair(SOCK_DGRAM, settings);
    return [new UnixDatagramSocket(one, settings), new UnixDatagramSocket(other, settings)];
  }

  /**
   * The socket behind a descriptor, such as one that a parent has left open. It belongs to the object from then on.
   *
   * @throws IpcError EBADF; TypeError ERR_INVALID_ARG_VALUE for anything else
   */
  static fromFd(fd: number, options?: Plain): UnixDatagramSocket;
  static fromFd(fd: number, options: Text): UnixDatagramSocket<string>;
  static fromFd<T = unknown>(fd: number, options: Json<T>): UnixDatagramSocket<T>;
  static fromFd<T>(fd: number, options: Coded<T>): UnixDatagramSocket<T>;
  static fromFd<T>(fd: number, options?: UnixSocketOptions<T>): UnixDatagramSocket<T> {
    const settings = socketSettings(options);
    return new UnixDatagramSocket(
      adopt(fd, SOCK_DGRAM, false, 'a Unix datagram socket (SOCK_DGRAM)', settings),
      settings,
    );
  }

  /** getpeername(2): the address that it is connected to, '' where that has none; undefined where it is not. Never waits. */
  get peerAddress(): SocketAddress | undefined {
    this.descriptor.checkOpen();
    return peerAddress(this.fd);
  }

  /**
   * sendmsg(2): sends a message. Blocks the thread while the receiver's queue is full (sysctl net.unix.max_dgram_qlen), or the
   * own send buffer, at most `timeout` milliseconds.
   *
   * @throws IpcError ECONNREFUSED (nobody has the address; the other side of the connection is gone), EINTR (a signal handler ran),
   *   EMSGSIZE (over the send buffer), ENOBUFS, ENOENT, ENOTCONN (no `to`), EPROTOTYPE, ETIMEDOUT; EBADF, EINVAL (more than 253),
   *   ETOOMANYREFS of descriptors, EPERM, ESRCH of credentials
   */
  sendSync(data: T | Payload<T>, options?: UnixDatagramSendOptions & { timeout?: number | undefined }): void {
    const to = destination(options);
    if (to === undefined) {
      this.sendNow(this.sending(data, options), options);
      return;
    }
    const timeout = timeLimit(options?.timeout);
    const sending = this.#sendingTo(to, data, options);
    if (sending.attempt() === true) return;
    const full = new Destination(this.descriptor, to.address, to.text);
    full.begin();
    try {
      let tried = 0;
      const operation = {
        syscall: sending.syscall,
        direction: sending.direction,
        attempt: () => sending.attempt(),
        settle: () => undefined,
        explain: (result: number) => sending.explain(result),
        awaits: () => full.obstacle(tried++),
      };
      this.descriptor.block(operation, { timeout, spin: this.settings.spin });
    } finally {
      full.end();
    }
  }

  /**
   * sendmsg(2): sends a message where there is room. Never waits.
   *
   * @returns false where the receiver's queue is full, or the own send buffer
   * @throws IpcError as sendSync()
   */
  trySend(data: T | Payload<T>, options?: UnixDatagramSendOptions): boolean {
    const to = destination(options);
    const sending = to === undefined ? this.sending(data, options) : this.#sendingTo(to, data, options);
    return sending.attempt() !== undefined;
  }

  /**
   * sendmsg(2): sends a message. The promise waits while the receiver's queue is full, or the own send buffer; data may be
   * changed, and descriptors closed, as soon as the call returns. Messages to one receiver are sent in the order of the calls;
   * those to others go on meanwhile.
   *
   * @throws IpcError as sendSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  send(data: T | Payload<T>, options?: UnixDatagramSendOptions & WaitOptions): Promise<void> {
    return promise(() => {
      const to = destination(options);
      const waiting = waitOptions(options);
      if (to === undefined) return this.sendLater(this.sending(data, options), waiting);
      return this.#sendTo(to, this.#sendingTo(to, data, options), waiting);
    });
  }

  protected readonly hasEnd = false;

  /** An empty datagram is a message like others. */
  protected isEnd(): boolean {
    return false;
  }

  protected prepare(): void {
    // Nothing marks the end, since there is none.
  }

  #sendingTo(to: To, data: T | Payload<T>, options: UnixSendOptions | undefined): Sending {
    const message = this.encode(data);
    const along = alongWith(options);
    this.descriptor.checkOpen();
    return new Sending(this, message, along, to);
  }

  #sendTo(to: To, sending: Sending, waiting: WaitOptions): void | Promise<void> {
    // Reading the options may have run the caller's code.
    this.descriptor.checkOpen();
    if (this.#destinations.size === 0 && sending.attempt() === true) return soon(undefined);
    const key = Buffer.from(to.address).toString('latin1');
    let full = this.#destinations.get(key);
    if (full === undefined) {
      if (sending.attempt() === true) return soon(undefined);
      full = new Destination(this.descriptor, to.address, to.text);
      this.#destinations.set(key, full);
    }
    const there = full;
    there.begin();
    const operation = {
      syscall: sending.syscall,
      direction: sending.direction,
      besides: this.fd,
      attempt: () => there.attempt(() => sending.attempt()),
      settle: () => undefined,
      explain: (result: number) => sending.explain(result),
    };
    const ended = (): void => {
      there.end();
      if (!there.isUsed && this.#destinations.get(key) === there) this.#destinations.delete(key);
    };
    let started: void | Promise<void>;
    try {
      started = there.line.later(operation, waiting, this.settings.spin, this.descriptor.part());
    } catch (error) {
      ended();
      throw error;
    }
    if (started instanceof Promise) return sending.ownUntil(started).finally(ended);
    ended();
  }
}

function destination(options: UnixDatagramSendOptions | undefined): To | undefined {
  const { to } = object(options, 'options') ?? {};
  if (to === undefined) return undefined;
  const address = addressBytes(to, 'options.to', 'sendmsg');
  return { address, text: addressText(address) };
}
