// Why a call on a Unix socket failed, and what can be done about it.
import { lstatSync } from 'node:fs';
import { commonReason } from './internal/descriptor.js';
import { errno, failure, IpcError } from './internal/errors.js';
import { ownership } from './internal/permissions.js';
import { MOST_DESCRIPTORS, native } from './native/unix-socket.js';

const { SOL_SOCKET, SO_SNDBUF } = native.constants;

/** What was sent, and where. */
export interface Sent {
  fd: number;
  syscall: string;
  /** Where it was not sent to where the socket is connected. */
  path: string | undefined;
  length: number;
  descriptors: number;
  /** Whether it claims credentials. */
  claims: boolean;
  /** Of a stream: how much of it has gone out. */
  written?: number;
}

export function explainSend(result: number, sent: Sent): IpcError {
  const { syscall, path, written = 0 } = sent;
  const context = { path, reason: sendReason(result, sent) };
  return new IpcError(result, syscall, written > 0 ? { ...context, bytesWritten: written } : context);
}

function sendReason(
  result: number,
  { fd, path, length, descriptors, claims, written = 0 }: Sent,
): string | undefined {
  switch (result) {
    case errno('EMSGSIZE'):
      return `message of ${length} bytes does not fit into the send buffer of ${sendBuffer(fd)} bytes, which has the kernel's own data too (sendBuffer: …, sysctl net.core.wmem_max)`;
    case errno('ENOBUFS'):
      return 'the kernel has no memory for the message now';
    case errno('ENOTCONN'):
    case errno('EDESTADDRREQ'):
      return 'the socket is not connected, or not any more, since the other side has gone: say where with { to }, or connect one anew';
    case errno('EPIPE'):
      return `the other side has closed the connection, or this one has ended it${partWritten(written)}`;
    case errno('ECONNRESET'):
      return 'the other side has closed the connection without reading all that was sent to it';
    case errno('EINVAL'):
      return descriptors > MOST_DESCRIPTORS
        ? `${descriptors} descriptors, and a message carries at most ${MOST_DESCRIPTORS}; send the rest with another`
        : undefined;
    case errno('EBADF'):
      return descriptors > 0
        ? 'one of the descriptors to be sent is not open, or the socket is not'
        : commonReason(result, fd);
    case errno('EMFILE'):
      return 'this process has as many descriptors open as it may (RLIMIT_NOFILE), and a promise that waits needs copies of those it is to send';
    case errno('ETOOMANYREFS'):
      return 'too many descriptors of this user are on their way in sockets, more than RLIMIT_NOFILE; they have to be received first';
    case errno('EPERM'):
      return claims
        ? 'credentials other than its own can be claimed only with capabilities (CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID)'
        : 'the receiver is connected with another socket, and hears nobody else';
    case errno('ESRCH'):
      return 'there is no process of the number that the credentials claim';
    case errno('ETIMEDOUT'):
      return `there was no room for it within the time limit${partWritten(written)}`;
    default:
      return addressReason(result, path) ?? commonReason(result, fd);
  }
}

function partWritten(written: number): string {
  return written > 0 ? `; ${written} bytes were sent before` : '';
}

function sendBuffer(fd: number): number {
  return native.option(fd, SOL_SOCKET, SO_SNDBUF).value;
}

/** What is the same for all calls that are given where to. */
function addressReason(result: number, path: string | undefined): string | undefined {
  switch (result) {
    case errno('ENOENT'):
      return 'there is no socket at this path';
    case errno('ECONNREFUSED'):
      return nobodyThere(path);
    case errno('EACCES'):
      return noPermission(path);
    case errno('EPERM'):
      return 'the socket there is connected with another one, and hears nobody else';
    case errno('EPROTOTYPE'):
      return 'the socket there is of another type (datagram, packets or stream)';
    default:
      return undefined;
  }
}

function nobodyThere(path: string | undefined): string {
  if (path === undefined) return 'the other side has closed its socket; connect one anew';
  if (path.startsWith('\0')) return 'nobody has a socket of this name, or it does not listen';
  return 'nobody listens at this path: what is there is no socket, or was left behind by a program that has ended';
}

function noPermission(path: string | undefined): string | undefined {
  if (path === undefined || path.startsWith('\0')) return undefined;
  try {
    return `no permission: ${ownership('the socket file', lstatSync(path))}; it takes the right to write`;
  } catch {
    // A folder of the path may not be searched.
    return undefined;
  }
}

export function explainReceive(result: number, syscall: string, fd: number): IpcError {
  return new IpcError(result, syscall, { reason: receiveReason(result, fd) });
}

function receiveReason(result: number, fd: number): string | undefined {
  switch (result) {
    case errno('ECONNRESET'):
      return 'the other side has closed the connection without reading all that was sent to it';
    case errno('ENOTCONN'):
      return 'the socket is not connected';
    case errno('ETIMEDOUT'):
      return 'nothing came within the time limit';
    default:
      return commonReason(result, fd);
  }
}

/** A message that stays, because it is longer than its receiver wants. */
export function tooLong(length: number, maxBytes: number): IpcError {
  const reason = `message of ${length} bytes is over maxBytes, ${maxBytes}; it stays. truncate: true takes what fits`;
  return new IpcError(errno('EMSGSIZE'), 'recvmsg', { reason });
}

/** A message that was cut although its receiver did not ask for that. What is left of it is in `fields`. */
export function cut(fields: object): Error {
  return failure(
    'ERR_MESSAGE_TRUNCATED',
    'The message was longer than messages can be here without privileges, and its end is lost; receive({ maxBytes }) says how long they may be',
    fields,
  );
}

export function explainConnect(result: number, fd: number, path: string | undefined): IpcError {
  const reason =
    result === errno('ETIMEDOUT')
      ? 'as many connections as its backlog allows waited there to be accepted, for the whole time limit'
      : (addressReason(result, path) ?? commonReason(result, fd));
  return new IpcError(result, 'connect', { path, reason });
}

export function explainBind(result: number, path: string | undefined, reason?: string): IpcError {
  return new IpcError(result, 'bind', { path, reason: reason ?? bindReason(result, path) });
}

function bindReason(result: number, path: string | undefined): string | undefined {
  switch (result) {
    case errno('EADDRINUSE'):
      return path?.startsWith('\0') === true
        ? 'another socket has this name'
        : 'there is something at this path; replaceStale: true replaces a socket file on which nobody listens any more';
    case errno('ENOENT'):
      return 'there is no such folder';
    case errno('EACCES'):
      return 'no permission to make a file in this folder';
    default:
      return undefined;
  }
}

export function explainAccept(result: number, fd: number): IpcError {
  return new IpcError(result, 'accept', { reason: acceptReason(result, fd) });
}

function acceptReason(result: number, fd: number): string | undefined {
  switch (result) {
    case errno('ETIMEDOUT'):
      return 'nobody connected within the time limit';
    case errno('EMFILE'):
      return 'this process has as many descriptors open as it may (RLIMIT_NOFILE); the connection waits to be accepted';
    default:
      return commonReason(result, fd);
  }
}
