// <mqueue.h>
import { readFileSync } from 'node:fs';
import {
  bytes,
  cString,
  int,
  integer,
  memory,
  notBytes,
  object,
  unsigned,
  type Bytes,
} from '../internal/arguments.js';
import { invalidType, invalidValue, IpcError } from '../internal/errors.js';
import { slab } from '../internal/slab.js';
import { time, type timespec } from '../internal/timespec.js';
import { detail, filled, given, NOT_BYTES } from '../native/core.js';
import { native, type mq_attr } from '../native/posix-mq.js';
import { closeAs } from './descriptor.js';

export type { mq_attr };

export const SIGEV_SIGNAL: number = native.constants.SIGEV_SIGNAL;
export const SIGEV_NONE: number = native.constants.SIGEV_NONE;
export const MQ_PRIO_MAX: number = native.constants.MQ_PRIO_MAX;

/**
 * mq_open(3): opens the queue of this name, made first where oflag has O_CREAT. The descriptor is close-on-exec. Never waits.
 *
 * @param name begins with a slash and has no other
 * @param oflag O_RDONLY, O_WRONLY or O_RDWR, and O_CREAT, O_EXCL, O_NONBLOCK
 * @param mode the permissions of a queue that is made, less the umask
 * @param attr mq_maxmsg and mq_msgsize of a queue that is made; what is left out is the system's default
 * @throws IpcError with `path`: EACCES, EEXIST, EINVAL (no slash; over fs.mqueue.msg_max or msgsize_max), EMFILE (also
 *   RLIMIT_MSGQUEUE), ENAMETOOLONG, ENOENT, ENOSPC (fs.mqueue.queues_max)
 * @see https://man7.org/linux/man-pages/man3/mq_open.3.html
 */
export function mq_open(name: string, oflag: number, mode = 0o600, attr?: Partial<mq_attr>): number {
  cString(name, 'name');
  int(oflag, 'oflag');
  unsigned(mode, 'mode');
  const { mq_maxmsg, mq_msgsize } = object(attr, 'attr') ?? {};
  let maxmsg = attribute(mq_maxmsg, 'attr.mq_maxmsg');
  let msgsize = attribute(mq_msgsize, 'attr.mq_msgsize');
  // The kernel takes both members or neither.
  if (maxmsg !== undefined || msgsize !== undefined) {
    maxmsg ??= defaultOf('msg', 10);
    msgsize ??= defaultOf('msgsize', 8192);
  }
  const result = native.mq_open(name, oflag, mode, maxmsg, msgsize);
  if (result < 0) throw new IpcError(result, 'mq_open', { path: name });
  return result;
}

function attribute(value: unknown, name: string): number | undefined {
  return value === undefined ? undefined : integer(value, name);
}

/** What the kernel takes where it is given nothing: the default, but no more than the most. */
function defaultOf(what: 'msg' | 'msgsize', usual: number): number {
  const read = (name: string): number => {
    try {
      return Number(readFileSync(`/proc/sys/fs/mqueue/${name}`, 'latin1'));
    } catch {
      return usual;
    }
  };
  return Math.min(read(`${what}_default`), read(`${what}_max`));
}

/**
 * mq_close(3): gives the descriptor back. A registration of this process with mq_notify() goes with it. Never waits.
 *
 * @throws IpcError EBADF
 * @see https://man7.org/linux/man-pages/man3/mq_close.3.html
 */
export function mq_close(mqdes: number): void {
  closeAs('mq_close', int(mqdes, 'mqdes'));
}

/**
 * mq_unlink(3): takes the name away; the queue goes when nobody has it open any more. Never waits.
 *
 * @throws IpcError with `path`: EACCES, EINVAL (no slash), ENAMETOOLONG, ENOENT
 * @see https://man7.org/linux/man-pages/man3/mq_unlink.3.html
 */
export function mq_unlink(name: string): void {
  const result = native.mq_unlink(cString(name, 'name'));
  if (result < 0) throw new IpcError(result, 'mq_unlink', { path: name });
}

/**
 * mq_getattr(3): the descriptor's flags (O_NONBLOCK), the queue's limits, how many messages are in it. Never waits.
 *
 * @throws IpcError EBADF
 * @see https://man7.org/linux/man-pages/man3/mq_getattr.3.html
 */
export function mq_getattr(mqdes: number): mq_attr {
  const result = native.mq_getattr(int(mqdes, 'mqdes'));
  if (typeof result === 'number') throw new IpcError(result, 'mq_getattr');
  return result;
}

/**
 * mq_setattr(3): sets the descriptor's O_NONBLOCK, the only attribute that can be changed. What was before is returned. Never waits.
 *
 * @throws IpcError EBADF, EINVAL (another flag)
 * @see https://man7.org/linux/man-pages/man3/mq_getattr.3.html
 */
export function mq_setattr(mqdes: number, newattr: Pick<mq_attr, 'mq_flags'>): mq_attr {
  int(mqdes, 'mqdes');
  const given = object(newattr, 'newattr');
  if (given === undefined) throw invalidType('newattr', 'an object', newattr);
  const result = native.mq_setattr(mqdes, integer(given.mq_flags, 'newattr.mq_flags'));
  if (typeof result === 'number') throw new IpcError(result, 'mq_setattr');
  return result;
}

/**
 * mq_send(3): adds a message. Waits while the queue is full, unless the descriptor has O_NONBLOCK.
 *
 * @param msg at most mq_msgsize bytes; may be empty
 * @param prio from 0 to MQ_PRIO_MAX - 1
 * @throws IpcError EAGAIN (full, O_NONBLOCK), EBADF (not open for writing), EINTR, EINVAL (prio), EMSGSIZE
 * @see https://man7.org/linux/man-pages/man3/mq_send.3.html
 */
export function mq_send(mqdes: number, msg: Bytes, prio = 0): void {
  int(mqdes, 'mqdes');
  if (given.has(msg)) {
    const result = native.mq_sendAgain(mqdes, unsigned(prio, 'prio'));
    if (result < 0) throw new IpcError(result, 'mq_send');
    return;
  }
  const message = bytes(msg, 'msg');
  const result = native.mq_send(mqdes, message, unsigned(prio, 'prio'), null);
  if (result < 0) throw failure(result, 'mq_send', message);
}

/**
 * mq_timedsend(3): the same, waiting no longer than until a time.
 *
 * @param absTimeout of the system's clock, as Date.now() tells
 * @throws IpcError as mq_send(), and ETIMEDOUT; EINVAL where the time would count and is none
 * @see https://man7.org/linux/man-pages/man3/mq_send.3.html
 */
export function mq_timedsend(mqdes: number, msg: Bytes, prio: number, absTimeout: timespec): void {
  int(mqdes, 'mqdes');
  const message = bytes(msg, 'msg');
  const result = native.mq_send(mqdes, message, unsigned(prio, 'prio'), time(absTimeout, 'absTimeout'));
  if (result < 0) throw failure(result, 'mq_timedsend', message);
}

/**
 * mq_receive(3): takes the oldest message of the highest priority. Waits until there is one, unless the descriptor has
 * O_NONBLOCK.
 *
 * @throws IpcError EAGAIN (none, O_NONBLOCK), EBADF (not open for reading), EINTR
 * @see https://man7.org/linux/man-pages/man3/mq_receive.3.html
 */
export function mq_receive(mqdes: number): { msg: Buffer; prio: number };
/**
 * mq_receive(3): the same call into memory of the caller's. Allocates nothing.
 *
 * @param msg filled from its start; EMSGSIZE where it is shorter than mq_msgsize
 * @param from its `prio` is set to the message's priority
 * @returns the bytes received
 */
export function mq_receive(mqdes: number, msg: Uint8Array, from?: { prio?: number }): number;
export function mq_receive(
  mqdes: number,
  msg?: Uint8Array,
  from?: { prio?: number },
): { msg: Buffer; prio: number } | number {
  int(mqdes, 'mqdes');
  if (msg === undefined) return receiveFresh('mq_receive', mqdes, null);
  if (from !== undefined) object(from, 'from');
  const length = filled.has(msg)
    ? native.mq_receiveAgain(mqdes)
    : native.mq_receiveInto(mqdes, memory(msg, 'msg'));
  if (length < 0) throw failure(length, 'mq_receive', msg);
  if (from !== undefined) from.prio = detail() as number;
  return length;
}

/**
 * mq_timedreceive(3): takes a message, waiting no longer than until a time.
 *
 * @param absTimeout of the system's clock, as Date.now() tells; null for ever
 * @throws IpcError as mq_receive(), and ETIMEDOUT; EINVAL where the time would count and is none
 * @see https://man7.org/linux/man-pages/man3/mq_receive.3.html
 */
export function mq_timedreceive(mqdes: number, absTimeout: timespec | null): { msg: Buffer; prio: number } {
  const until = absTimeout === null ? null : time(absTimeout, 'absTimeout');
  return receiveFresh('mq_timedreceive', int(mqdes, 'mqdes'), until);
}

function receiveFresh(syscall: string, mqdes: number, until: timespec | null): { msg: Buffer; prio: number } {
  const attributes = native.mq_getattr(mqdes);
  if (typeof attributes === 'number') throw new IpcError(attributes, syscall);
  const length = native.mq_receive(mqdes, slab.memory, slab.used, attributes.mq_msgsize, until);
  if (length < 0) throw new IpcError(length, syscall);
  return { prio: detail() as number, msg: slab.take(length) };
}

function failure(result: number, syscall: string, view: unknown): Error {
  return result === NOT_BYTES ? notBytes(view, 'msg') : new IpcError(result, syscall);
}

/**
 * mq_notify(3): has a signal sent to this process, once, when a message comes to the empty queue and nobody waits in
 * mq_receive(). One process at a time can have that; null takes it back. Never waits.
 *
 * @param sevp sigev_notify SIGEV_SIGNAL with sigev_signo and sigev_value, an int; or SIGEV_NONE, which only keeps others out
 * @throws IpcError EBADF, EBUSY (registered, by this process or another), EINVAL (signal), ENOMEM
 * @see https://man7.org/linux/man-pages/man3/mq_notify.3.html
 */
export function mq_notify(
  mqdes: number,
  sevp: { sigev_notify: number; sigev_signo?: number; sigev_value?: number } | null,
): void {
  int(mqdes, 'mqdes');
  const result = sevp === null ? native.mq_notify(mqdes) : register(mqdes, sevp);
  if (result < 0) throw new IpcError(result, 'mq_notify');
}

function register(mqdes: number, sevp: unknown): number {
  if (typeof sevp !== 'object' || sevp === null) throw invalidType('sevp', 'an object or null', sevp);
  const given = sevp as { sigev_notify?: unknown; sigev_signo?: unknown; sigev_value?: unknown };
  const notify = int(given.sigev_notify, 'sevp.sigev_notify');
  const signal = int(given.sigev_signo === undefined ? 0 : given.sigev_signo, 'sevp.sigev_signo');
  const value = int(given.sigev_value === undefined ? 0 : given.sigev_value, 'sevp.sigev_value');
  if (notify === native.constants.SIGEV_THREAD) {
    throw invalidValue('sevp.sigev_notify', 'must be SIGEV_SIGNAL or SIGEV_NONE');
  }
  return native.mq_notify(mqdes, notify, signal, value);
}
