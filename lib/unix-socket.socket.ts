// What all Unix sockets have.
import { int } from './internal/arguments.js';
import { commonReason, Descriptor } from './internal/descriptor.js';
import { errno, invalidState, invalidValue, IpcError } from './internal/errors.js';
import { forget, isRuntimes, madeHere, runtimes } from './internal/runtime-descriptors.js';
import { native as descriptor } from './native/descriptor.js';
import { attached, native } from './native/unix-socket.js';
import { bindTo, type SocketFile } from './unix-socket.file.js';
import {
  descriptorNumber,
  type Binding,
  type ConnectionSettings,
  type UnixCredentials,
  type UnixDescriptor,
} from './unix-socket.options.js';
import type { SocketAddress } from './sys/unix-socket.address.js';

const {
  AF_UNIX,
  SOCK_CLOEXEC,
  SOL_SOCKET,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_PASSCRED,
  SO_RCVBUF,
  SO_SNDBUF,
  SO_TYPE,
} = native.constants;

const ENOTCONN = errno('ENOTCONN');

/** A descriptor that is to be an object's, and the file that was made for it. */
export interface Opened {
  fd: number;
  file: SocketFile | undefined;
}

export abstract class UnixSocket implements Disposable {
  protected readonly descriptor: Descriptor;
  #file: SocketFile | undefined;

  protected constructor({ fd, file }: Opened, owner: string) {
    this.descriptor = new Descriptor(fd, owner);
    this.#file = file;
  }

  /** The descriptor. */
  get fd(): number {
    return this.descriptor.fd;
  }

  /** Whether close(), release() or the like was called. */
  get closed(): boolean {
    return this.descriptor.closed;
  }

  /** getsockname(2): the socket's own address, '' where it has none. Never waits. */
  get address(): SocketAddress {
    this.descriptor.checkOpen();
    const result = native.getsockname(this.fd);
    if (result < 0) throw new IpcError(result, 'getsockname');
    return attached.address;
  }

  /** SO_SNDBUF: how many bytes may be on their way from here, with what the kernel needs for itself. Never waits. */
  get sendBuffer(): number {
    return this.#option(SO_SNDBUF);
  }

  /** SO_RCVBUF, which Unix sockets do not look at. Never waits. */
  get receiveBuffer(): number {
    return this.#option(SO_RCVBUF);
  }

  #option(option: number): number {
    this.descriptor.checkOpen();
    const { result, value } = native.option(this.fd, SOL_SOCKET, option);
    if (result < 0) throw new IpcError(result, 'getsockopt');
    return value;
  }

  /**
   * unlink(2): takes away the socket file. Those who are connected go on. Never waits.
   *
   * @throws IpcError EACCES, ENOENT (gone already); Error ERR_INVALID_STATE where this object has made none, or another file has
   *   its path by now
   */
  unlink(): void {
    this.descriptor.checkOpen();
    if (this.#file === undefined) throw invalidState('This object has not made a socket file');
    if (this.#file.isAnothers) throw invalidState("The socket file at this path is another's by now");
    this.#file.unlink();
    this.#file = undefined;
  }

  /**
   * Gives the descriptor away: it stays open, and is the caller's to close, as is the socket file. Promises that wait reject with
   * ECANCELED.
   */
  release(): number {
    return this.descriptor.release('released');
  }

  /** Closes the socket, and removes the socket file that it has made. Promises that wait reject with ECANCELED; iterations end. */
  close(): void {
    if (this.closed) return;
    // While the socket is open nobody takes its file for one that was left behind, and puts another in its place.
    if (this.#file?.unlinkOnClose === true) this.#file.unlinkIfOwn();
    this.descriptor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** For whoever the descriptor is given to, and closes it one day. */
  protected takeFile(): SocketFile | undefined {
    const file = this.#file;
    this.#file = undefined;
    return file?.unlinkOnClose === true ? file : undefined;
  }
}

/** getpeername(2); undefined where there is no peer. */
export function peerAddress(fd: number): SocketAddress | undefined {
  const result = native.getpeername(fd);
  if (result === ENOTCONN) return undefined;
  if (result < 0) throw new IpcError(result, 'getpeername');
  return attached.address;
}

/**
 * getsockopt(2) with SO_PEERCRED: who has made the connection, or listened for it: pid, uid and gid at that time, as the kernel
 * has noted them. Never waits.
 *
 * @param socket a descriptor, an object that has one, or a connected socket of node:net
 * @throws IpcError EBADF, ENOTCONN (there is no peer), ENOTSOCK
 * @see https://man7.org/linux/man-pages/man7/unix.7.html
 */
export function peerCredentials(socket: UnixDescriptor): UnixCredentials {
  const fd = descriptorNumber(socket, 'socket');
  const result = native.getpeercred(fd);
  if (result < 0) throw new IpcError(result, 'getsockopt', { reason: commonReason(result, fd) });
  const { credentials } = attached;
  if (credentials !== undefined && credentials.uid !== -1) return credentials;
  throw new IpcError(ENOTCONN, 'getsockopt', {
    reason: 'the socket has no peer: it is not connected, or a datagram socket',
  });
}

/** A new socket with its settings. */
export function newSocket(type: number, settings: ConnectionSettings): number {
  const fd = native.socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new IpcError(fd, 'socket');
  return orClose({ fd: madeHere(fd), file: undefined }, () => {
    applySettings(fd, settings);
    return fd;
  });
}

/** Two new sockets, connected with each other. */
export function newPair(type: number, settings: ConnectionSettings): [Opened, Opened] {
  const ends = native.socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (typeof ends === 'number') throw new IpcError(ends, 'socketpair');
  const [one, other] = ends.map((fd) => ({ fd: madeHere(fd), file: undefined })) as [Opened, Opened];
  orClose(one, () => orClose(other, () => ends.forEach((fd) => applySettings(fd, settings))));
  return [one, other];
}

/** A new socket with an address of its own, where one is given. */
export function newBound(type: number, settings: ConnectionSettings, binding: Binding | undefined): Opened {
  const fd = newSocket(type, settings);
  return orClose({ fd, file: undefined }, () => ({
    fd,
    file: binding === undefined ? undefined : bindTo(fd, binding),
  }));
}

/** Does something with a socket; where that fails, there is no socket. */
export function orClose<R>({ fd, file }: Opened, use: () => R): R {
  try {
    return use();
  } catch (error) {
    abandon({ fd, file });
    throw error;
  }
}

/** Gives up a socket that no object has yet. */
export function abandon({ fd, file }: Opened): void {
  // The file first: see close().
  file?.unlinkIfOwn();
  descriptor.close(fd);
  forget(fd);
}

export function applySettings(
  fd: number,
  { credentials, sendBuffer, receiveBuffer }: ConnectionSettings,
): void {
  if (credentials) setOption(fd, SO_PASSCRED, 1);
  if (sendBuffer !== undefined) setOption(fd, SO_SNDBUF, sendBuffer);
  if (receiveBuffer !== undefined) setOption(fd, SO_RCVBUF, receiveBuffer);
}

function setOption(fd: number, option: number, value: number): void {
  const result = native.setsockopt(fd, SOL_SOCKET, option, value);
  if (result < 0) throw new IpcError(result, 'setsockopt');
}

/** A descriptor of the caller's that is to be an object's. */
export function adopt(
  fd: unknown,
  type: number,
  isListening: boolean,
  what: string,
  settings: ConnectionSettings,
): Opened {
  const number = int(fd, 'fd');
  if (isRuntimes(number)) throw runtimes(number, 'getsockopt');
  const option = (name: number): number => {
    const { result, value } = native.option(number, SOL_SOCKET, name);
    if (result < 0 && result !== errno('ENOTSOCK')) {
      throw new IpcError(result, 'getsockopt', { reason: commonReason(result, number) });
    }
    return result < 0 ? NaN : value;
  };
  const is = option(SO_DOMAIN) === AF_UNIX && option(SO_TYPE) === type;
  if (!is || (option(SO_ACCEPTCONN) === 1) !== isListening) throw invalidValue('fd', `must be ${what}`);
  applySettings(number, settings);
  settings.givesCredentials = option(SO_PASSCRED) === 1;
  return { fd: number, file: undefined };
}
