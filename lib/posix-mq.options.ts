// What the methods of PosixMessageQueue may be given, and how it is checked.
import { boolean, cString, object, size } from './internal/arguments.js';
import { codec, type Codec, type CodecOption } from './internal/codec.js';
import { invalidType, invalidValue, outOfRange } from './internal/errors.js';
import { permissions } from './internal/permissions.js';
import { O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from './sys/descriptor.js';
import { MQ_PRIO_MAX, type mq_attr } from './sys/posix-mq.js';

export interface PosixMessageQueueOptions<T> {
  /** Make the queue where there is none; true by default. */
  create?: boolean | undefined;
  /** Fail with EEXIST where there is one. */
  exclusive?: boolean | undefined;
  /** Permissions of a queue that is made, less the umask; 0o600 by default. */
  mode?: number | undefined;
  /** The most messages in a queue that is made: fs.mqueue.msg_default, usually 10, where none is given. */
  maxMessages?: number | undefined;
  /** The most bytes of a message of a queue that is made: fs.mqueue.msgsize_default, usually 8192, where none is given. */
  messageSize?: number | undefined;
  /** What this object may do; 'both' by default. */
  access?: 'read' | 'write' | 'both' | undefined;
  /** How data is coded: Buffers without one. */
  codec?: CodecOption<T> | undefined;
  /** Microseconds to try without sleeping before a wait begins, 0 by default. */
  spin?: number | undefined;
}

export interface PosixSendOptions {
  /** From 0 (the default) to 32767, the highest. */
  priority?: number | undefined;
}

/** Checked options of open(). */
export interface OpenOptions<T> {
  flags: number;
  mode: number;
  attributes: Partial<mq_attr>;
  codec: Codec<T> | undefined;
  spin: number;
}

const ACCESS = new Map<unknown, number>([
  ['read', O_RDONLY],
  ['write', O_WRONLY],
  ['both', O_RDWR],
]);

export function openOptions<T>(options: PosixMessageQueueOptions<T> | undefined): OpenOptions<T> {
  const given = object(options, 'options') ?? {};
  const { create = true, exclusive = false, mode = 0o600, maxMessages, messageSize, access = 'both' } = given;
  const direction = ACCESS.get(access);
  if (typeof access !== 'string') throw invalidType('options.access', "'read', 'write' or 'both'", access);
  if (direction === undefined) throw invalidValue('options.access', "must be 'read', 'write' or 'both'");
  const attributes: Partial<mq_attr> = {};
  if (maxMessages !== undefined) attributes.mq_maxmsg = size(maxMessages, 'options.maxMessages', 1);
  if (messageSize !== undefined) attributes.mq_msgsize = size(messageSize, 'options.messageSize', 1);
  return {
    flags:
      direction |
      O_NONBLOCK |
      (boolean(create, 'options.create') ? O_CREAT : 0) |
      (boolean(exclusive, 'options.exclusive') ? O_CREAT | O_EXCL : 0),
    mode: permissions(mode, 'options.mode'),
    attributes,
    codec: codec<T>(given.codec),
    spin: size(given.spin ?? 0, 'options.spin'),
  };
}

export function sendPriority(options: PosixSendOptions | undefined): number {
  if (options === undefined) return 0;
  const { priority = 0 } = object(options, 'options') as PosixSendOptions;
  size(priority, 'options.priority');
  if (priority >= MQ_PRIO_MAX) throw outOfRange('options.priority', `from 0 to ${MQ_PRIO_MAX - 1}`, priority);
  return priority;
}

export function queueName(name: unknown): string {
  return cString(name, 'name');
}
