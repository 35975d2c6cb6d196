// <sys/socket.h> <sys/un.h>: Unix domain sockets
import { bytes, int, memory, notBytes, object, size, unsigned, type Bytes } from '../internal/arguments.js';
import { errno, invalidType, invalidValue, IpcError } from '../internal/errors.js';
import { isRuntimes, madeHere, runtimes } from '../internal/runtime-descriptors.js';
import { slab } from '../internal/slab.js';
import { filled, given, NOT_BYTES } from '../native/core.js';
import { native as descriptor } from '../native/descriptor.js';
import { ALONG, attached, MOST_DESCRIPTORS, native, type ucred } from '../native/unix-socket.js';
import { addressBytes, addressText, type SocketAddress } from './unix-socket.address.js';

export type { SocketAddress, ucred };

const { constants } = native;
const EINVAL = errno('EINVAL');

export const AF_UNIX: number = constants.AF_UNIX;
export const SOCK_STREAM: number = constants.SOCK_STREAM;
export const SOCK_DGRAM: number = constants.SOCK_DGRAM;
export const SOCK_SEQPACKET: number = constants.SOCK_SEQPACKET;
export const SOCK_NONBLOCK: number = constants.SOCK_NONBLOCK;
export const SOCK_CLOEXEC: number = constants.SOCK_CLOEXEC;
export const SOL_SOCKET: number = constants.SOL_SOCKET;
export const SO_ACCEPTCONN: number = constants.SO_ACCEPTCONN;
export const SO_DOMAIN: number = constants.SO_DOMAIN;
export const SO_ERROR: number = constants.SO_ERROR;
export const SO_PASSCRED: number = constants.SO_PASSCRED;
export const SO_PEERCRED: number = constants.SO_PEERCRED;
export const SO_RCVBUF: number = constants.SO_RCVBUF;
export const SO_SNDBUF: number = constants.SO_SNDBUF;
export const SO_TYPE: number = constants.SO_TYPE;
export const MSG_CMSG_CLOEXEC: number = constants.MSG_CMSG_CLOEXEC;
export const MSG_CTRUNC: number = constants.MSG_CTRUNC;
export const MSG_DONTWAIT: number = constants.MSG_DONTWAIT;
export const MSG_NOSIGNAL: number = constants.MSG_NOSIGNAL;
export const MSG_PEEK: number = constants.MSG_PEEK;
export const MSG_TRUNC: number = constants.MSG_TRUNC;
export const MSG_WAITALL: number = constants.MSG_WAITALL;
export const SHUT_RD: number = constants.SHUT_RD;
export const SHUT_WR: number = constants.SHUT_WR;
export const SHUT_RDWR: number = constants.SHUT_RDWR;

/** The options of SOL_SOCKET that are an int. */
const NUMBERS: ReadonlySet<number> = new Set([
  constants.SO_ACCEPTCONN,
  constants.SO_BROADCAST,
  constants.SO_DEBUG,
  constants.SO_DOMAIN,
  constants.SO_DONTROUTE,
  constants.SO_ERROR,
  constants.SO_KEEPALIVE,
  constants.SO_MARK,
  constants.SO_OOBINLINE,
  constants.SO_PASSCRED,
  constants.SO_PASSSEC,
  constants.SO_PEEK_OFF,
  constants.SO_PRIORITY,
  constants.SO_PROTOCOL,
  constants.SO_RCVBUF,
  constants.SO_RCVBUFFORCE,
  constants.SO_RCVLOWAT,
  constants.SO_REUSEADDR,
  constants.SO_REUSEPORT,
  constants.SO_SNDBUF,
  constants.SO_SNDBUFFORCE,
  constants.SO_SNDLOWAT,
  constants.SO_TIMESTAMP,
  constants.SO_TIMESTAMPNS,
  constants.SO_TYPE,
]);

/**
 * socket(2): makes a socket. Never waits.
 *
 * @param domain AF_UNIX
 * @param type SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET, and SOCK_NONBLOCK, SOCK_CLOEXEC
 * @throws IpcError EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, EPROTONOSUPPORT, ESOCKTNOSUPPORT
 * @see https://man7.org/linux/man-pages/man2/socket.2.html
 */
export function socket(domain: number, type: number, protocol = 0): number {
  int(domain, 'domain');
  const result = native.socket(domain, int(type, 'type'), int(protocol, 'protocol'));
  if (result < 0) throw new IpcError(result, 'socket');
  return madeHere(result);
}

/**
 * socketpair(2): makes two sockets that are connected with each other. Never waits.
 *
 * @throws IpcError EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, EOPNOTSUPP, EPROTONOSUPPORT, ESOCKTNOSUPPORT
 * @see https://man7.org/linux/man-pages/man2/socketpair.2.html
 */
export function socketpair(domain: number, type: number, protocol = 0): [number, number] {
  int(domain, 'domain');
  const result = native.socketpair(domain, int(type, 'type'), int(protocol, 'protocol'));
  if (typeof result === 'number') throw new IpcError(result, 'socketpair');
  result.forEach(madeHere);
  return result;
}

/**
 * bind(2): gives a socket its address. A path is made as a file, which stays until it is unlinked; '' lets the kernel choose
 * an abstract name. Never waits.
 *
 * @throws IpcError with `path`: EACCES, EADDRINUSE, EBADF, EINVAL (bound already), ELOOP, ENAMETOOLONG (over 108 bytes), ENOENT
 *   (no such folder), ENOTDIR, ENOTSOCK, EROFS
 * @see https://man7.org/linux/man-pages/man2/bind.2.html
 */
export function bind(fd: number, address: SocketAddress): void {
  int(fd, 'fd');
  const name = addressBytes(address, 'address', 'bind');
  const result = native.bind(fd, name, undefined);
  if (result < 0) throw failed(result, 'bind', name);
}

/**
 * listen(2): lets connections come, at most `backlog` of them before they are accepted. Never waits.
 *
 * @throws IpcError EBADF, EINVAL (not bound, or connected), ENOTSOCK, EOPNOTSUPP (a datagram socket)
 * @see https://man7.org/linux/man-pages/man2/listen.2.html
 */
export function listen(fd: number, backlog: number): void {
  const result = native.listen(int(fd, 'fd'), int(backlog, 'backlog'));
  if (result < 0) throw new IpcError(result, 'listen');
}

/**
 * accept4(2): the descriptor of the oldest connection that has come. Waits until there is one, unless the listening socket has
 * O_NONBLOCK.
 *
 * @param flags SOCK_NONBLOCK, SOCK_CLOEXEC, of the new descriptor
 * @throws IpcError EAGAIN (none, O_NONBLOCK), EBADF, EINTR, EINVAL (not listening), EMFILE, ENFILE, ENOTSOCK, EOPNOTSUPP
 * @see https://man7.org/linux/man-pages/man2/accept.2.html
 */
export function accept(fd: number, flags = 0): number {
  const result = native.accept(int(fd, 'fd'), int(flags, 'flags'), false);
  if (result < 0) throw new IpcError(result, 'accept');
  return madeHere(result);
}

/**
 * connect(2): connects with the socket at an address; a datagram socket only takes it for its destination. Waits while as many
 * connections as its backlog allows have come there, unless the socket has O_NONBLOCK.
 *
 * @throws IpcError with `path`: EACCES, EAGAIN (O_NONBLOCK), EBADF, ECONNREFUSED (nobody listens), EINTR, EINVAL, EISCONN,
 *   ENAMETOOLONG (over 108 bytes), ENOENT, ENOTDIR, ENOTSOCK, EPERM, EPROTOTYPE (a socket of another type)
 * @see https://man7.org/linux/man-pages/man2/connect.2.html
 */
export function connect(fd: number, address: SocketAddress): void {
  int(fd, 'fd');
  const to = addressBytes(address, 'address', 'connect');
  const result = native.connect(fd, to);
  if (result < 0) throw failed(result, 'connect', to);
}

/**
 * getsockname(2): the address of the socket, '' where it has none. Never waits.
 *
 * @throws IpcError EAFNOSUPPORT (no Unix socket), EBADF, ENOTSOCK
 * @see https://man7.org/linux/man-pages/man2/getsockname.2.html
 */
export function getsockname(fd: number): SocketAddress {
  const result = native.getsockname(int(fd, 'fd'));
  if (result < 0) throw new IpcError(result, 'getsockname');
  return attached.address;
}

/**
 * getpeername(2): the address of the socket that it is connected with, '' where that has none. Never waits.
 *
 * @throws IpcError EAFNOSUPPORT (no Unix socket), EBADF, ENOTCONN, ENOTSOCK
 * @see https://man7.org/linux/man-pages/man2/getpeername.2.html
 */
export function getpeername(fd: number): SocketAddress {
  const result = native.getpeername(int(fd, 'fd'));
  if (result < 0) throw new IpcError(result, 'getpeername');
  return attached.address;
}

/**
 * send(2): sends data where the socket is connected to. Waits while there is no room, unless flags have MSG_DONTWAIT or the
 * socket O_NONBLOCK.
 *
 * @param flags MSG_DONTWAIT, MSG_NOSIGNAL
 * @returns how many bytes were sent; all of a message, perhaps a part of a stream's
 * @throws IpcError EAGAIN, EBADF, ECONNREFUSED, ECONNRESET, EINTR, EMSGSIZE, ENOBUFS, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE
 * @see https://man7.org/linux/man-pages/man2/send.2.html
 */
export function send(fd: number, data: Bytes, flags = 0): number {
  int(fd, 'fd');
  int(flags, 'flags');
  if (given.has(data)) {
    const sent = native.sendAgain(fd, flags);
    if (sent >= 0) return sent;
    throw new IpcError(sent, 'send');
  }
  const message = bytes(data, 'data');
  const result = native.send(fd, message, flags);
  if (result < 0) throw notSent(result, 'send', message, undefined);
  return result;
}

/**
 * sendto(2): sends data to an address. Waits while there is no room, unless flags have MSG_DONTWAIT or the socket O_NONBLOCK.
 *
 * @throws IpcError with `path`: as send() and connect()
 * @see https://man7.org/linux/man-pages/man2/send.2.html
 */
export function sendto(fd: number, data: Bytes, flags: number, address: SocketAddress): number {
  int(fd, 'fd');
  const message = bytes(data, 'data');
  int(flags, 'flags');
  const to = addressBytes(address, 'address', 'sendto');
  const result = native.sendto(fd, message, flags, to);
  if (result < 0) throw notSent(result, 'sendto', message, to);
  return result;
}

/** What sendmsg() sends. */
export interface OutgoingMessage {
  data: Bytes;
  /** SCM_RIGHTS: descriptors that the receiver gets copies of, at most 253. */
  fds?: number[];
  address?: SocketAddress;
  /** SCM_CREDENTIALS: others than one's own need capabilities. */
  credentials?: ucred;
}

/**
 * sendmsg(2): sends data and what goes along with it. Waits while there is no room, unless flags have MSG_DONTWAIT or the socket
 * O_NONBLOCK.
 *
 * @throws IpcError as sendto(), and EBADF (a descriptor to be sent), EINVAL (more than 253), EPERM (credentials), ESRCH (their
 *   process), ETOOMANYREFS (too many on their way)
 * @see https://man7.org/linux/man-pages/man2/send.2.html
 */
export function sendmsg(fd: number, msg: OutgoingMessage, flags = 0): number {
  int(fd, 'fd');
  if (object(msg, 'msg') === undefined) throw invalidType('msg', 'an object', msg);
  const { data, fds, address, credentials } = msg;
  const message = bytes(data, 'msg.data');
  const descriptors = fds === undefined ? [] : descriptorsToSend(fds, 'msg.fds');
  const to = address === undefined ? undefined : addressBytes(address, 'msg.address', 'sendmsg');
  const claimed = credentials === undefined ? undefined : credentialsToSend(credentials, 'msg.credentials');
  int(flags, 'flags');
  const result = native.sendmsg(fd, message, flags, to, descriptors, claimed);
  if (result >= 0) return result;
  if (result !== EINVAL || descriptors.length <= MOST_DESCRIPTORS) {
    throw notSent(result, 'sendmsg', message, to);
  }
  const reason = `${descriptors.length} descriptors, and a message carries at most ${MOST_DESCRIPTORS}`;
  throw new IpcError(result, 'sendmsg', {
    reason,
    path: to && addressText(to),
  });
}

/** @internal Descriptors that are to be sent. The runtime's own are refused: the receiver could break its event loop. */
export function descriptorsToSend(fds: unknown, name: string): number[] {
  if (!Array.isArray(fds)) throw invalidType(name, 'an array', fds);
  const descriptors: number[] = [];
  for (let i = 0; i < fds.length; i++) descriptors.push(int(fds[i], `${name}[${i}]`));
  const own = descriptors.find((fd) => fd >= 0 && isRuntimes(fd));
  if (own !== undefined) throw runtimes(own, 'sendmsg');
  return descriptors;
}

/** @internal Credentials that are to be claimed. */
export function credentialsToSend(credentials: unknown, name: string): ucred {
  const given = object(credentials as Partial<ucred> | undefined, name);
  if (given === undefined) throw invalidType(name, 'an object', credentials);
  const { pid, uid, gid } = given;
  return {
    pid: int(pid, `${name}.pid`),
    uid: unsigned(uid, `${name}.uid`),
    gid: unsigned(gid, `${name}.gid`),
  };
}

/**
 * recv(2): a message of up to `size` bytes, what is longer is cut; or what there is of a stream, empty at its end. Waits until
 * there is something, unless flags have MSG_DONTWAIT or the socket O_NONBLOCK.
 *
 * @param flags MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITALL
 * @throws IpcError EAGAIN, EBADF, ECONNRESET, EINTR, EINVAL, ENOTCONN, ENOTSOCK
 * @see https://man7.org/linux/man-pages/man2/recv.2.html
 */
export function recv(fd: number, size: number, flags?: number): Buffer;
/**
 * recv(2): the same call into memory of the caller's: fills it from its start, returns how many bytes; with MSG_TRUNC how many
 * the message has. Allocates nothing.
 */
export function recv(fd: number, into: Uint8Array, flags?: number): number;
export function recv(fd: number, sizeOrMemory: number | Uint8Array, flags = 0): Buffer | number {
  int(fd, 'fd');
  int(flags, 'flags');
  if (typeof sizeOrMemory !== 'number') return recvInto(fd, sizeOrMemory, flags);
  const most = size(sizeOrMemory, 'size');
  const length = native.recv(fd, slab.memory, slab.used, most, flags);
  if (length < 0) throw new IpcError(length, 'recv');
  return slab.take(Math.min(length, most));
}

function recvInto(fd: number, into: Uint8Array, flags: number): number {
  const length = filled.has(into)
    ? native.recvAgain(fd, flags)
    : native.recvInto(fd, memory(into, 'into'), flags);
  if (length === NOT_BYTES) throw notBytes(into, 'into');
  if (length < 0) throw new IpcError(length, 'recv');
  return length;
}

/**
 * recvfrom(2): as recv(), with the address of the sender, '' where it has none.
 *
 * @throws IpcError as recv()
 * @see https://man7.org/linux/man-pages/man2/recv.2.html
 */
export function recvfrom(fd: number, size: number, flags = 0): { data: Buffer; address: SocketAddress } {
  const length = receive('recvfrom', fd, size, flags, 0);
  return { address: attached.address, data: slab.take(length) };
}

/** What recvmsg() received. */
export interface IncomingMessage {
  data: Buffer;
  /** SCM_RIGHTS: the receiver's to close. They are close-on-exec. */
  fds: number[];
  /** '' where the sender has none. */
  address: SocketAddress;
  /** SCM_CREDENTIALS, where the socket has SO_PASSCRED. */
  credentials?: ucred;
  /** MSG_TRUNC: the message was longer than `size`, and the rest is lost. */
  truncated: boolean;
  /** MSG_CTRUNC: there was not room for everything that came along. */
  controlTruncated: boolean;
}

/**
 * recvmsg(2): as recv(), with what came along. There is room for 253 descriptors.
 *
 * @throws IpcError as recv(), and ETOOMANYREFS
 * @see https://man7.org/linux/man-pages/man2/recv.2.html
 */
export function recvmsg(fd: number, size: number, flags = 0): IncomingMessage {
  const length = receive('recvmsg', fd, size, flags, MOST_DESCRIPTORS);
  const { flags: happened, descriptors, address, credentials } = attached;
  descriptors.forEach(madeHere);
  try {
    const message: IncomingMessage = {
      data: slab.take(length),
      fds: descriptors,
      address,
      truncated: (happened & MSG_TRUNC) !== 0,
      controlTruncated: (happened & MSG_CTRUNC) !== 0,
    };
    if (credentials !== undefined) message.credentials = credentials;
    return message;
  } catch (error) {
    // There is no memory for the data.
    descriptors.forEach(descriptor.close);
    throw error;
  }
}

function receive(syscall: string, fd: number, most: number, flags: number, room: number): number {
  int(fd, 'fd');
  size(most, 'size');
  int(flags, 'flags');
  const along = room === 0 ? ALONG.ADDRESS : ALONG.ADDRESS | ALONG.CREDENTIALS | ALONG.STAMP;
  const length = native.recvmsg(fd, slab.memory, slab.used, most, flags, room, along);
  if (length < 0) throw new IpcError(length, syscall);
  return Math.min(length, most);
}

/**
 * shutdown(2): ends one or both directions of a connection. Never waits.
 *
 * @param how SHUT_RD, SHUT_WR or SHUT_RDWR
 * @throws IpcError EBADF, EINVAL, ENOTCONN, ENOTSOCK
 * @see https://man7.org/linux/man-pages/man2/shutdown.2.html
 */
export function shutdown(fd: number, how: number): void {
  const result = native.shutdown(int(fd, 'fd'), int(how, 'how'));
  if (result < 0) throw new IpcError(result, 'shutdown');
}

/**
 * getsockopt(2): an option that is a number, or SO_PEERCRED: who made the connection, or its other end; -1 for nobody. Never
 * waits.
 *
 * @param level SOL_SOCKET
 * @throws IpcError EBADF, ENOPROTOOPT, ENOTSOCK
 * @see https://man7.org/linux/man-pages/man2/getsockopt.2.html
 */
export function getsockopt(fd: number, level: number, option: number): number | ucred {
  checkOption(fd, level, option);
  if (option === SO_PEERCRED) {
    const result = native.getpeercred(fd);
    if (result < 0) throw new IpcError(result, 'getsockopt');
    return attached.credentials as ucred;
  }
  const { result, value } = native.option(fd, level, option);
  if (result < 0) throw new IpcError(result, 'getsockopt');
  return value;
}

/**
 * setsockopt(2): sets an option that is a number. Never waits.
 *
 * @param level SOL_SOCKET
 * @throws IpcError EBADF, EINVAL, ENOPROTOOPT (one that can't be set), ENOTSOCK, EPERM
 * @see https://man7.org/linux/man-pages/man2/getsockopt.2.html
 */
export function setsockopt(fd: number, level: number, option: number, value: number): void {
  checkOption(fd, level, option);
  const result = native.setsockopt(fd, level, option, int(value, 'value'));
  if (result < 0) throw new IpcError(result, 'setsockopt');
}

function checkOption(fd: unknown, level: unknown, option: unknown): void {
  int(fd, 'fd');
  if (int(level, 'level') !== SOL_SOCKET) throw invalidValue('level', 'must be SOL_SOCKET');
  if (!NUMBERS.has(int(option, 'option')) && option !== SO_PEERCRED) {
    throw invalidValue('option', 'must be one that is a number, or SO_PEERCRED');
  }
}

function failed(result: number, syscall: string, address: Uint8Array): Error {
  return new IpcError(result, syscall, { path: addressText(address) });
}

function notSent(result: number, syscall: string, data: Uint8Array, address: Uint8Array | undefined): Error {
  if (result === NOT_BYTES) return notBytes(data, 'data');
  return address === undefined ? new IpcError(result, syscall) : failed(result, syscall, address);
}
