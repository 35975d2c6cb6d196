// <sys/msg.h>
import {
  bytes,
  int,
  long,
  memory,
  notBytes,
  object,
  size,
  unsigned,
  type Bytes,
} from '../internal/arguments.js';
import { errno, invalidType, IpcError } from '../internal/errors.js';
import { slab } from '../internal/slab.js';
import { detail, NOT_BYTES } from '../native/core.js';
import { native, type msginfo, type msqid_ds } from '../native/sysv-msg.js';
import { IPC_INFO, IPC_SET, IPC_STAT, key as validKey, type ipc_perm } from './sysv-ipc.js';

/** What IPC_SET changes; members not given stay as they are. */
export interface msqid_ds_changes {
  msg_perm?: Partial<Pick<ipc_perm, 'uid' | 'gid' | 'mode'>>;
  msg_qbytes?: number;
}

export type { msginfo, msqid_ds };

export const MSG_NOERROR: number = native.constants.MSG_NOERROR;
export const MSG_EXCEPT: number = native.constants.MSG_EXCEPT;
export const MSG_COPY: number = native.constants.MSG_COPY;
export const MSG_STAT: number = native.constants.MSG_STAT;
export const MSG_INFO: number = native.constants.MSG_INFO;
export const MSG_STAT_ANY: number = native.constants.MSG_STAT_ANY;

const EACCES = errno('EACCES');

/**
 * msgget(2): the identifier of the queue with this key, made first where msgflg has IPC_CREAT. Never waits.
 *
 * @param key from -2^31 to 2^32-1, or IPC_PRIVATE for a new queue of no key
 * @param msgflg IPC_CREAT, IPC_EXCL and the permissions of a new queue, such as 0o600
 * @throws IpcError EACCES, EEXIST, ENOENT, ENOSPC (kernel.msgmni), ENOMEM
 * @see https://man7.org/linux/man-pages/man2/msgget.2.html
 */
export function msgget(key: number, msgflg: number): number {
  const result = native.msgget(validKey(key, 'key'), int(msgflg, 'msgflg'));
  if (result < 0) throw new IpcError(result, 'msgget', { key });
  return result;
}

/**
 * msgsnd(2): appends a message to the queue. Waits while the queue is full (msg_qbytes), unless msgflg has IPC_NOWAIT.
 *
 * @param mtype greater than 0; a bigint where it is past 2^53
 * @param mtext at most kernel.msgmax bytes; may be empty
 * @throws IpcError EACCES, EAGAIN (full, IPC_NOWAIT), EIDRM (removed while waiting), EINTR, EINVAL, ENOMEM
 * @see https://man7.org/linux/man-pages/man2/msgop.2.html
 */
export function msgsnd(msqid: number, mtype: number | bigint, mtext: Bytes, msgflg = 0): void {
  const result = native.msgsnd(
    int(msqid, 'msqid'),
    long(mtype, 'mtype'),
    bytes(mtext, 'mtext'),
    int(msgflg, 'msgflg'),
  );
  if (result < 0) throw failure(result, 'msgsnd', msqid, mtext);
}

/**
 * msgrcv(2): takes a message from the queue. Waits until there is one, unless msgflg has IPC_NOWAIT.
 *
 * @param msgsz the most bytes of text to take; a longer message is E2BIG, or cut with MSG_NOERROR
 * @param msgtyp 0 for the oldest message, a type for the oldest of it (with MSG_EXCEPT: of any other), a negative
 *   number for the lowest type up to its absolute value; with MSG_COPY the message's place in the queue
 * @throws IpcError E2BIG, EACCES, EIDRM (removed while waiting), EINTR, EINVAL, ENOMSG (none there, IPC_NOWAIT)
 * @see https://man7.org/linux/man-pages/man2/msgop.2.html
 */
export function msgrcv(
  msqid: number,
  msgsz: number,
  msgtyp?: number | bigint,
  msgflg?: number,
): { mtype: number | bigint; mtext: Buffer };
/**
 * msgrcv(2): the same call into memory of the caller's. Allocates nothing.
 *
 * @param mtext filled from its start; a longer message is E2BIG, or cut with MSG_NOERROR
 * @param from its `mtype` is set to the message's type
 * @returns the bytes received
 */
export function msgrcv(
  msqid: number,
  mtext: Uint8Array,
  msgtyp?: number | bigint,
  msgflg?: number,
  from?: { mtype?: number | bigint },
): number;
export function msgrcv(
  msqid: number,
  sizeOrMemory: number | Uint8Array,
  msgtyp: number | bigint = 0,
  msgflg = 0,
  from?: { mtype?: number | bigint },
): number | { mtype: number | bigint; mtext: Buffer } {
  if (typeof sizeOrMemory === 'number') return receiveFresh(msqid, sizeOrMemory, msgtyp, msgflg);
  if (from !== undefined) object(from, 'from');
  const length = native.msgrcvInto(
    int(msqid, 'msqid'),
    memory(sizeOrMemory, 'mtext'),
    long(msgtyp, 'msgtyp'),
    int(msgflg, 'msgflg'),
  );
  if (length < 0) throw failure(length, 'msgrcv', msqid, sizeOrMemory);
  if (from !== undefined) from.mtype = detail();
  return length;
}

function receiveFresh(
  msqid: number,
  msgsz: number,
  msgtyp: number | bigint,
  msgflg: number,
): { mtype: number | bigint; mtext: Buffer } {
  const call = { size: size(msgsz, 'msgsz'), type: long(msgtyp, 'msgtyp'), flags: int(msgflg, 'msgflg') };
  const length = native.msgrcv(int(msqid, 'msqid'), slab.memory, slab.used, call);
  if (length < 0) throw failure(length, 'msgrcv', msqid);
  return { mtype: detail(), mtext: slab.take(length) };
}

// Apart from the calls, so that they stay short enough for the compiler to inline both of a pair.
function failure(result: number, syscall: string, id: number, mtext?: unknown): Error {
  return result === NOT_BYTES ? notBytes(mtext, 'mtext') : new IpcError(result, syscall, { id });
}

/**
 * msgctl(2): describes, changes or destroys a queue. Never waits.
 *
 * IPC_STAT describes the queue msqid, MSG_STAT and MSG_STAT_ANY (which needs no right to read) the one at that index of
 * the kernel's table; IPC_INFO and MSG_INFO give the system's limits and use; IPC_RMID destroys the queue, whose
 * waiters get EIDRM.
 *
 * @throws IpcError EACCES, EIDRM, EINVAL, EPERM (not the owner, or msg_qbytes over kernel.msgmnb)
 * @see https://man7.org/linux/man-pages/man2/msgctl.2.html
 */
export function msgctl(
  msqid: number,
  cmd: number,
): (msqid_ds & { id?: number }) | (msginfo & { maxid: number }) | undefined;
/** msgctl(2) with IPC_SET: changes owner, permissions or capacity. Members not given stay as they are. */
export function msgctl(msqid: number, cmd: number, buf: msqid_ds_changes): void;
export function msgctl(
  msqid: number,
  cmd: number,
  buf?: msqid_ds_changes,
): (msqid_ds & { id?: number }) | (msginfo & { maxid: number }) | undefined {
  int(msqid, 'msqid');
  if (int(cmd, 'cmd') === IPC_SET) {
    change(msqid, buf);
    return undefined;
  }
  const result = native.msgctl(msqid, cmd);
  if (typeof result === 'number') throw new IpcError(result, 'msgctl', { id: msqid });
  return result;
}

function change(msqid: number, buf: msqid_ds_changes | undefined): void {
  if (object(buf, 'buf') === undefined) throw invalidType('buf', 'an object', buf);
  const { msg_perm, msg_qbytes } = buf as msqid_ds_changes;
  const { uid, gid, mode } = object(msg_perm, 'buf.msg_perm') ?? {};
  const given = {
    uid: uid === undefined ? undefined : unsigned(uid, 'buf.msg_perm.uid'),
    gid: gid === undefined ? undefined : unsigned(gid, 'buf.msg_perm.gid'),
    mode: mode === undefined ? undefined : unsigned(mode, 'buf.msg_perm.mode'),
    qbytes: msg_qbytes === undefined ? undefined : size(msg_qbytes, 'buf.msg_qbytes'),
  };
  // The kernel takes all four members or none.
  const now = Object.values(given).includes(undefined) ? stat(msqid) : undefined;
  const result = native.msgctlSet(
    msqid,
    given.uid ?? now?.msg_perm.uid ?? 0,
    given.gid ?? now?.msg_perm.gid ?? 0,
    given.mode ?? now?.msg_perm.mode ?? 0,
    given.qbytes ?? now?.msg_qbytes ?? 0,
  );
  if (result < 0) throw new IpcError(result, 'msgctl', { id: msqid });
}

/** @internal Describes a queue, one that may not be read as well: its owner may still change it. */
export function stat(msqid: number): msqid_ds {
  const result = native.msgctl(msqid, IPC_STAT);
  if (typeof result === 'object') return result as msqid_ds;
  if (result === EACCES) {
    const { maxid } = native.msgctl(0, IPC_INFO) as { maxid: number };
    for (let index = 0; index <= maxid; index++) {
      const queue = native.msgctl(index, MSG_STAT_ANY);
      if (typeof queue === 'object' && 'id' in queue && queue.id === msqid) {
        const { id: _, ...described } = queue as msqid_ds & { id: number };
        return described;
      }
    }
  }
  throw new IpcError(result as number, 'msgctl', { id: msqid });
}
