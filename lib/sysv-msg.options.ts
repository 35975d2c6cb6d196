// What the methods of SysvMessageQueue may be given, and how it is checked.
import { boolean, long, object, size, unsigned } from './internal/arguments.js';
import { codec, type Codec, type CodecOption } from './internal/codec.js';
import { invalidType, invalidValue, outOfRange } from './internal/errors.js';
import { permissions } from './internal/permissions.js';
import type { Receive } from './native/sysv-msg.js';
import { IPC_CREAT, IPC_EXCL } from './sys/sysv-ipc.js';
import { MSG_EXCEPT, MSG_NOERROR, type msqid_ds_changes } from './sys/sysv-msg.js';

export interface SysvMessageQueueHandleOptions<T> {
  /** How data is coded: Buffers without one. */
  codec?: CodecOption<T> | undefined;
  /**
   * Microseconds to try without sleeping before a wait begins, 0 by default. It costs processor time and, in the
   * promise variants, the event loop's; it saves the wake-up where the answer comes from another core within that time.
   */
  spin?: number | undefined;
}

export interface SysvMessageQueueOptions<T> extends SysvMessageQueueHandleOptions<T> {
  /** Make the queue where there is none; true by default. */
  create?: boolean | undefined;
  /** Fail with EEXIST where there is one. */
  exclusive?: boolean | undefined;
  /** Permissions of a queue that is made, 0o600 by default. */
  mode?: number | undefined;
}

export interface SysvSendOptions {
  /** Greater than 0; 1 by default. */
  type?: number | bigint | undefined;
}

export interface SysvReceiveOptions {
  /** 0 (the default) takes the oldest message, a type the oldest of it, a negative number the lowest type up to -type. */
  type?: number | bigint | undefined;
  /** Take the oldest message of any type but `type`. */
  except?: boolean | undefined;
  /** The most bytes to take; a longer message stays in the queue and the call fails with E2BIG. No limit by default. */
  maxBytes?: number | undefined;
  /** Cut a message longer than maxBytes; what is cut off is lost. */
  truncate?: boolean | undefined;
}

export interface SysvMessageQueueChanges {
  uid?: number | undefined;
  gid?: number | undefined;
  mode?: number | undefined;
  /** Over kernel.msgmnb only with CAP_SYS_RESOURCE. */
  maxBytes?: number | undefined;
}

/** No message is larger, whatever the system's limits are. */
export const ANY_SIZE = 2 ** 31 - 1;

const ANY: Receive = { size: ANY_SIZE, type: 0, flags: 0 };

export function receiveOptions(options: SysvReceiveOptions | undefined): Receive {
  if (options === undefined) return ANY;
  const {
    type = 0,
    except = false,
    maxBytes,
    truncate = false,
  } = object(options, 'options') as SysvReceiveOptions;
  let flags = 0;
  if (boolean(except, 'options.except')) flags |= MSG_EXCEPT;
  if (boolean(truncate, 'options.truncate')) {
    if (maxBytes === undefined)
      throw invalidValue('options.truncate', 'needs maxBytes, the length to cut to');
    flags |= MSG_NOERROR;
  }
  const most = maxBytes === undefined ? ANY_SIZE : size(maxBytes, 'options.maxBytes');
  return { size: most, type: long(type, 'options.type'), flags };
}

/** Codec and spin, as the constructor takes them. */
type Handle<T> = [codec: Codec<T> | undefined, spin: number];

export function handleOptions<T>(options: SysvMessageQueueHandleOptions<T> | undefined): Handle<T> {
  const { codec: coding, spin = 0 } = object(options, 'options') ?? {};
  return [codec<T>(coding), size(spin, 'options.spin')];
}

/** msgget's flags besides. */
export function openOptions<T>(options: SysvMessageQueueOptions<T> | undefined): {
  flags: number;
  handle: Handle<T>;
} {
  const { create = true, exclusive = false, mode = 0o600 } = object(options, 'options') ?? {};
  const flags =
    (boolean(create, 'options.create') ? IPC_CREAT : 0) |
    (boolean(exclusive, 'options.exclusive') ? IPC_CREAT | IPC_EXCL : 0) |
    permissions(mode, 'options.mode');
  return { flags, handle: handleOptions(options) };
}

export function sendType(options: SysvSendOptions | undefined): number | bigint {
  if (options === undefined) return 1;
  const { type = 1 } = object(options, 'options') as SysvSendOptions;
  long(type, 'options.type');
  if (type <= 0) throw outOfRange('options.type', 'greater than 0', type);
  return type;
}

/** The changes as IPC_SET takes them. */
export function changesOf(changes: SysvMessageQueueChanges): msqid_ds_changes {
  if (object(changes, 'changes') === undefined) throw invalidType('changes', 'an object', changes);
  const { uid, gid, mode, maxBytes } = changes;
  const given: msqid_ds_changes = { msg_perm: {} };
  if (uid !== undefined) given.msg_perm = { ...given.msg_perm, uid: unsigned(uid, 'changes.uid') };
  if (gid !== undefined) given.msg_perm = { ...given.msg_perm, gid: unsigned(gid, 'changes.gid') };
  if (mode !== undefined) given.msg_perm = { ...given.msg_perm, mode: permissions(mode, 'changes.mode') };
  if (maxBytes !== undefined) given.msg_qbytes = size(maxBytes, 'changes.maxBytes');
  return given;
}
