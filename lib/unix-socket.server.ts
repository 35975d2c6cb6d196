// Sockets that others connect to.
import { createServer, Server, type Socket } from 'node:net';
import { types } from 'node:util';
import { int, object, size, timeout as timeLimit } from './internal/arguments.js';
import type { Codec } from './internal/codec.js';
import { endPart, POLLIN, unlessAgain, type Operation } from './internal/descriptor.js';
import { invalidState, invalidType, IpcError } from './internal/errors.js';
import { Iteration } from './internal/iteration.js';
import { madeHere } from './internal/runtime-descriptors.js';
import { promise, waitOptions, type WaitOptions } from './internal/waiting.js';
import { native as descriptor } from './native/descriptor.js';
import { native } from './native/unix-socket.js';
import type { SocketAddress } from './sys/unix-socket.address.js';
import { explainAccept } from './unix-socket.errors.js';
import {
  binding,
  connectionSettings,
  socketSettings,
  type ConnectionSettings,
  type Settings,
  type UnixBindOptions,
  type UnixConnectionOptions,
  type UnixSocketOptions,
} from './unix-socket.options.js';
import { UnixSeqpacketSocket } from './unix-socket.seqpacket.js';
import { adopt, applySettings, newBound, orClose, UnixSocket, type Opened } from './unix-socket.socket.js';
import { UnixStream } from './unix-socket.stream.js';

const { F_GETFL, F_SETFL, O_NONBLOCK } = descriptor.constants;
const { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM } = native.constants;

export interface UnixListenOptions extends UnixBindOptions {
  /** How many connections may wait to be accepted, 511 by default; no more than sysctl net.core.somaxconn. */
  backlog?: number | undefined;
}

const BACKLOG = 511;

function backlogOf(options: { backlog?: number | undefined } | undefined): number {
  return int(size(object(options, 'options')?.backlog ?? BACKLOG, 'options.backlog'), 'options.backlog');
}

/** A new socket that listens. */
function listening(
  type: number,
  address: SocketAddress,
  settings: ConnectionSettings,
  options: UnixListenOptions | undefined,
): Opened {
  const backlog = backlogOf(options);
  const opened = newBound(type | SOCK_NONBLOCK, settings, binding(address, 'address', options));
  return orClose(opened, () => {
    const result = native.listen(opened.fd, backlog);
    if (result < 0) throw new IpcError(result, 'listen');
    return opened;
  });
}

/**
 * A socket that listens: each connection that is accepted is a socket of its own.
 *
 * Accepting has three variants: `acceptSync()` blocks the thread, `tryAccept()` never waits, `accept()` gives a promise.
 */
export abstract class UnixServer<Connection> extends UnixSocket implements AsyncIterable<Connection> {
  /** Makes the object of a connection. */
  protected abstract connection(opened: Opened): Connection;
  protected abstract readonly settings: ConnectionSettings;

  /**
   * accept(2): takes the oldest connection. Blocks the thread until somebody connects, at most `timeout` milliseconds.
   *
   * @throws IpcError EINTR (a signal handler ran), EMFILE (the connection waits on), ETIMEDOUT
   */
  acceptSync(options?: { timeout?: number | undefined }): Connection {
    const timeout = timeLimit(object(options, 'options')?.timeout);
    return this.descriptor.block(this.#accepting, { timeout, spin: this.settings.spin });
  }

  /**
   * accept(2): takes a connection where there is one. Never waits.
   *
   * @returns undefined where there is none
   */
  tryAccept(): Connection | undefined {
    this.descriptor.checkOpen();
    const fd = this.#accept();
    return fd === undefined ? undefined : this.#accepting.settle(fd);
  }

  /**
   * accept(2): takes a connection. The promise waits until somebody connects. Calls are answered in their order.
   *
   * @throws IpcError as acceptSync(), but never EINTR; ECANCELED where the object is closed meanwhile
   */
  accept(options?: WaitOptions): Promise<Connection> {
    return promise(() => this.descriptor.later(this.#accepting, waitOptions(options), this.settings.spin));
  }

  /**
   * The connections, one after the other. close() and `break` end it; an abort, and a time limit on any one of them, throw as in
   * accept().
   */
  connections(options?: WaitOptions): AsyncIterableIterator<Connection> {
    this.descriptor.checkOpen();
    const waiting = waitOptions(options);
    const waits = this.descriptor.part();
    return new Iteration<Connection>({
      next: () => {
        waiting.signal?.throwIfAborted();
        return this.descriptor.later(this.#accepting, waiting, this.settings.spin, waits);
      },
      isOver: () => this.closed,
      cancel: () => endPart(waits),
    });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Connection> {
    return this.connections();
  }

  readonly #accepting: Operation<number, Connection> = {
    syscall: 'accept',
    direction: POLLIN,
    attempt: () => this.#accept(),
    settle: (fd) => {
      const opened = { fd: madeHere(fd), file: undefined };
      return orClose(opened, () => {
        applySettings(fd, this.settings);
        return this.connection(opened);
      });
    },
    explain: (result) => explainAccept(result, this.fd),
  };

  #accept(): number | undefined {
    // Each time, since somebody who shares the socket may have taken the flag away, and accept(2) itself can't be asked.
    const flags = descriptor.fcntl(this.fd, F_GETFL, 0);
    if (flags >= 0 && (flags & O_NONBLOCK) === 0) descriptor.fcntl(this.fd, F_SETFL, flags | O_NONBLOCK);
    const result = native.accept(this.fd, SOCK_CLOEXEC, true);
    return unlessAgain(result, (failed) => explainAccept(failed, this.fd));
  }
}

type Plain = UnixSocketOptions<Buffer> & { codec?: undefined };
type Text = UnixSocketOptions<string> & { codec: 'utf8' };
type Json<T> = UnixSocketOptions<T> & { codec: 'json' };
type Coded<T> = UnixSocketOptions<T> & { codec: Codec<T> };

/**
 * A server of connections of packets: each is a UnixSeqpacketSocket with the server's options.
 *
 * @example
 * const server = UnixSeqpacketServer.listen('/run/app.sock', { replaceStale: true, codec: 'json' });
 * for await (const connection of server) void serve(connection);
 * @see https://man7.org/linux/man-pages/man7/unix.7.html
 */
export class UnixSeqpacketServer<T = Buffer> extends UnixServer<UnixSeqpacketSocket<T>> {
  protected readonly settings: Settings<T>;

  private constructor(opened: Opened, settings: Settings<T>) {
    super(opened, 'UnixSeqpacketServer');
    this.settings = settings;
  }

  /**
   * bind(2), listen(2): a socket that others can connect to. Never waits.
   *
   * @param address a path, for which a socket file is made; a name that begins with '\0'; or '', and the kernel chooses a name
   * @throws IpcError EACCES, EADDRINUSE (see replaceStale), ENAMETOOLONG (over 108 bytes), ENOENT (no such folder), EROFS
   */
  static listen(address: SocketAddress, options?: Plain & UnixListenOptions): UnixSeqpacketServer;
  static listen(address: SocketAddress, options: Text & UnixListenOptions): UnixSeqpacketServer<string>;
  static listen<T = unknown>(
    address: SocketAddress,
    options: Json<T> & UnixListenOptions,
  ): UnixSeqpacketServer<T>;
  static listen<T>(address: SocketAddress, options: Coded<T> & UnixListenOptions): UnixSeqpacketServer<T>;
  static listen<T>(
    address: SocketAddress,
    options?: UnixSocketOptions<T> & UnixListenOptions,
  ): UnixSeqpacketServer<T> {
    const settings = socketSettings<T>(options);
    return new UnixSeqpacketServer(listening(SOCK_SEQPACKET, address, settings, options), settings);
  }

  /**
   * The listening socket behind a descriptor, such as one that systemd or a parent has left open. It belongs to the object from
   * then on.
   *
   * @throws IpcError EBADF; TypeError ERR_INVALID_ARG_VALUE for anything else
   */
  static fromFd(fd: number, options?: Plain): UnixSeqpacketServer;
  static fromFd(fd: number, options: Text): UnixSeqpacketServer<string>;
  static fromFd<T = unknown>(fd: number, options: Json<T>): UnixSeqpacketServer<T>;
  static fromFd<T>(fd: number, options: Coded<T>): UnixSeqpacketServer<T>;
  static fromFd<T>(fd: number, options?: UnixSocketOptions<T>): UnixSeqpacketServer<T> {
    const settings = socketSettings<T>(options);
    const what = 'a listening Unix socket of packets (SOCK_SEQPACKET)';
    return new UnixSeqpacketServer(adopt(fd, SOCK_SEQPACKET, true, what, settings), settings);
  }

  protected connection(opened: Opened): UnixSeqpacketSocket<T> {
    return new UnixSeqpacketSocket(opened, this.settings);
  }
}

/**
 * A server of connections of bytes: each is a UnixStream with the server's options. server() hands it to node:net.
 *
 * @example
 * const server = UnixStreamServer.listen('\0app', { credentials: true });
 * for await (const stream of server) console.log(stream.peerCredentials.uid);
 * @see https://man7.org/linux/man-pages/man7/unix.7.html
 */
export class UnixStreamServer extends UnixServer<UnixStream> {
  protected readonly settings: ConnectionSettings;
  readonly #backlog: number;

  private constructor(opened: Opened, settings: ConnectionSettings, backlog: number) {
    super(opened, 'UnixStreamServer');
    this.settings = settings;
    this.#backlog = backlog;
  }

  /**
   * bind(2), listen(2): a socket that others can connect to. Never waits.
   *
   * @param address a path, for which a socket file is made; a name that begins with '\0'; or '', and the kernel chooses a name
   * @throws IpcError EACCES, EADDRINUSE (see replaceStale), ENAMETOOLONG (over 108 bytes), ENOENT (no such folder), EROFS
   */
  static listen(
    address: SocketAddress,
    options?: UnixConnectionOptions & UnixListenOptions,
  ): UnixStreamServer {
    const settings = connectionSettings(options);
    const opened = listening(SOCK_STREAM, address, settings, options);
    return new UnixStreamServer(opened, settings, backlogOf(options));
  }

  /**
   * The listening socket behind a descriptor, such as one that systemd or a parent has left open. It belongs to the object from
   * then on.
   *
   * @throws IpcError EBADF; TypeError ERR_INVALID_ARG_VALUE for anything else
   */
  static fromFd(
    fd: number,
    options?: UnixConnectionOptions & { backlog?: number | undefined },
  ): UnixStreamServer {
    const settings = connectionSettings(options);
    const backlog = backlogOf(options);
    const what = 'a listening Unix stream socket (SOCK_STREAM)';
    return new UnixStreamServer(adopt(fd, SOCK_STREAM, true, what, settings), settings, backlog);
  }

  /**
   * A server of node:net that goes on listening on the same socket. The descriptor is the server's from then on, and this object
   * closed. Promises that wait reject with ECANCELED.
   *
   * @param server one that does not listen yet, such as node:http's; or what a new one calls for each connection
   */
  server(server?: Server | ((socket: Socket) => void)): Server {
    const given = serverOf(server);
    const fd = this.descriptor.release('made a server');
    const file = this.takeFile();
    if (file !== undefined) given.once('close', () => file.unlinkIfOwn());
    return given.listen({ fd, backlog: this.#backlog });
  }

  protected connection(opened: Opened): UnixStream {
    return new UnixStream(opened, this.settings);
  }
}

function serverOf(server: unknown): Server {
  if (server === undefined || typeof server === 'function') {
    return createServer(server as ((socket: Socket) => void) | undefined);
  }
  if (types.isProxy(server) || !(server instanceof Server)) {
    throw invalidType('server', 'a server of node:net or a function', server);
  }
  if (server.listening) throw invalidState('The server listens already');
  return server;
}
