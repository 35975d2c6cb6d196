// What Unix sockets may be given, and how it is checked.
import { Server, Socket } from 'node:net';
import { types } from 'node:util';
import { boolean, int, object, size } from './internal/arguments.js';
import { codec, type Codec, type CodecOption } from './internal/codec.js';
import { invalidType, invalidValue } from './internal/errors.js';
import { permissions } from './internal/permissions.js';
import type { ucred } from './native/unix-socket.js';
import { credentialsToSend, descriptorsToSend } from './sys/unix-socket.js';
import { addressBytes, addressText } from './sys/unix-socket.address.js';

/** The credentials of a process: its number, its user's and its group's, as the kernel has seen to it. */
export type UnixCredentials = ucred;

/** What can be sent along: a descriptor's number, an object that has one, or a socket or server of node:net. */
export type UnixDescriptor = number | { readonly fd: number } | Socket | Server;

export interface UnixConnectionOptions {
  /** Microseconds to try without sleeping before a wait begins, 0 by default. */
  spin?: number | undefined;
  /**
   * Take the descriptors that come along with data: they are the receiver's to close. Without it the kernel closes them, and
   * `descriptorsTruncated` says so.
   */
  descriptors?: boolean | undefined;
  /** SO_PASSCRED: with all that is received come the credentials of its sender. */
  credentials?: boolean | undefined;
  /** SO_SNDBUF: how many bytes may be on their way, and so the longest message; the kernel doubles it for its own needs. */
  sendBuffer?: number | undefined;
  /** SO_RCVBUF, which Unix sockets do not look at. */
  receiveBuffer?: number | undefined;
}

export interface UnixSocketOptions<T> extends UnixConnectionOptions {
  /** How data is coded: Buffers without one. */
  codec?: CodecOption<T> | undefined;
}

export interface UnixBindOptions {
  /** Permissions of the socket file, less the umask; 0o600 by default. To send or connect to it needs the right to write. */
  mode?: number | undefined;
  /**
   * Replace a socket file on which nobody listens any more, such as a program leaves behind that is killed. One that somebody
   * has open is never replaced: EADDRINUSE.
   */
  replaceStale?: boolean | undefined;
  /** Have close() remove the socket file, true by default; only the one that this object has made. */
  unlinkOnClose?: boolean | undefined;
}

export interface UnixReceiveOptions {
  /** The longest message to take. A longer one fails with EMSGSIZE, and stays. Without it no message is too long. */
  maxBytes?: number | undefined;
  /** Cut a longer one instead: its rest is lost, `truncated` is true. Needs `maxBytes`. */
  truncate?: boolean | undefined;
}

export interface UnixSendOptions {
  /** Descriptors that the receiver gets copies of, at most 253. They are the sender's to close, as before. */
  descriptors?: readonly UnixDescriptor[] | undefined;
  /** Credentials to claim: others than one's own need capabilities (EPERM). */
  credentials?: UnixCredentials | undefined;
}

/** Checked options of a connection. */
export interface ConnectionSettings {
  spin: number;
  descriptors: boolean;
  credentials: boolean;
  /** Whether the kernel gives them, asked for here or by somebody else. */
  givesCredentials: boolean;
  sendBuffer: number | undefined;
  receiveBuffer: number | undefined;
}

/** Checked options of a socket of messages. */
export interface Settings<T> extends ConnectionSettings {
  codec: Codec<T> | undefined;
}

export function connectionSettings(options: UnixConnectionOptions | undefined): ConnectionSettings {
  const {
    spin = 0,
    descriptors = false,
    credentials = false,
    sendBuffer,
    receiveBuffer,
  } = object(options, 'options') ?? {};
  return {
    spin: size(spin, 'options.spin'),
    descriptors: boolean(descriptors, 'options.descriptors'),
    credentials: boolean(credentials, 'options.credentials'),
    givesCredentials: credentials,
    sendBuffer: sendBuffer === undefined ? undefined : positiveInt(sendBuffer, 'options.sendBuffer'),
    receiveBuffer:
      receiveBuffer === undefined ? undefined : positiveInt(receiveBuffer, 'options.receiveBuffer'),
  };
}

export function socketSettings<T>(options: UnixSocketOptions<T> | undefined): Settings<T> {
  return { ...connectionSettings(options), codec: codec<T>(options?.codec) };
}

function positiveInt(value: unknown, name: string): number {
  return int(size(value, name, 1), name);
}

/** Checked options of a socket's own address. */
export interface Binding {
  address: Uint8Array;
  text: string | undefined;
  mode: number;
  replaceStale: boolean;
  unlinkOnClose: boolean;
}

export function binding(address: unknown, name: string, options: UnixBindOptions | undefined): Binding {
  const bytes = addressBytes(address, name, 'bind');
  const { mode = 0o600, replaceStale = false, unlinkOnClose = true } = object(options, 'options') ?? {};
  return {
    address: bytes,
    text: addressText(bytes),
    mode: permissions(mode, 'options.mode'),
    replaceStale: boolean(replaceStale, 'options.replaceStale'),
    unlinkOnClose: boolean(unlinkOnClose, 'options.unlinkOnClose'),
  };
}

/** How much of a message is taken. */
export interface Limits {
  most: number;
  /** Whether a longer one stays. */
  keep: boolean;
  truncate: boolean;
}

let unlimited: Limits | undefined;

export function receiveLimits(options: UnixReceiveOptions | undefined): Limits {
  unlimited ??= { most: LONGEST_MESSAGE, keep: false, truncate: false };
  if (options === undefined) return unlimited;
  const { maxBytes, truncate = false } = object(options, 'options') as UnixReceiveOptions;
  boolean(truncate, 'options.truncate');
  if (maxBytes !== undefined) {
    return { most: size(maxBytes, 'options.maxBytes'), keep: !truncate, truncate };
  }
  if (truncate) throw invalidValue('options.truncate', 'needs maxBytes');
  return unlimited;
}

/**
 * The kernel makes no longer message where pages have 4 KiB, whatever the send buffers. Not what sysctl net.core.wmem_max
 * says here: containers do not show it, and what is too long is lost.
 */
const LONGEST_MESSAGE = 16 * 2 ** 20;

/** What goes along with data. */
export interface Along {
  descriptors: number[];
  credentials: UnixCredentials | undefined;
}

const NOTHING: Along = { descriptors: [], credentials: undefined };

export function alongWith(options: UnixSendOptions | undefined): Along {
  if (options === undefined) return NOTHING;
  const { descriptors, credentials } = object(options, 'options') as UnixSendOptions;
  if (descriptors === undefined && credentials === undefined) return NOTHING;
  const claimed =
    credentials === undefined ? undefined : credentialsToSend(credentials, 'options.credentials');
  return {
    descriptors: descriptors === undefined ? [] : descriptorNumbers(descriptors),
    credentials: claimed,
  };
}

function descriptorNumbers(descriptors: unknown): number[] {
  const name = 'options.descriptors';
  if (!Array.isArray(descriptors)) throw invalidType(name, 'an array', descriptors);
  const numbers = Array.from(descriptors as unknown[], (each, i) => descriptorNumber(each, `${name}[${i}]`));
  return descriptorsToSend(numbers, name);
}

/** The number of a descriptor, however it is given. */
export function descriptorNumber(value: unknown, name: string): number {
  if (typeof value === 'number') return int(value, name);
  if (typeof value === 'object' && value !== null && !types.isProxy(value)) {
    const fd =
      value instanceof Socket || value instanceof Server
        ? (value as { _handle?: { fd?: unknown } | null })._handle?.fd
        : (value as { fd?: unknown }).fd;
    if (typeof fd === 'number' && fd >= 0) return int(fd, name);
    if ('fd' in value || value instanceof Socket || value instanceof Server) {
      throw invalidValue(name, 'has no descriptor: it is closed, or not open yet');
    }
  }
  throw invalidType(name, 'a descriptor, or an object that has one as its fd', value);
}
