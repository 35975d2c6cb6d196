import { types } from 'node:util';
import { invalidType, invalidValue, outOfRange } from './errors.js';

/** Payload: any Uint8Array, or a string that stands for its UTF-8 bytes. */
export type Bytes = Uint8Array | string;

const { isProxy, isUint8Array } = types;

const SHORT_MIN = -(2 ** 15);
const SHORT_MAX = 2 ** 15 - 1;
const USHORT_MAX = 2 ** 16 - 1;
const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;
const UINT_MAX = 2 ** 32 - 1;
const LONG_MIN = -(2n ** 63n);
const LONG_MAX = 2n ** 63n - 1n;

function inRange(value: unknown, name: string, least: number, most: number): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw outOfRange(name, `an integer from ${least} to ${most}`, value);
  }
  return value;
}

/** A C int. */
export function int(value: unknown, name: string): number {
  // The check that nearly every argument passes, without a call.
  return typeof value === 'number' && (value | 0) === value ? value : inRange(value, name, INT_MIN, INT_MAX);
}

/** A C short. */
export function short(value: unknown, name: string): number {
  // As in int().
  if (typeof value === 'number' && (value << 16) >> 16 === value) return value;
  return inRange(value, name, SHORT_MIN, SHORT_MAX);
}

/** A C unsigned short. */
export function unsignedShort(value: unknown, name: string): number {
  if (typeof value === 'number' && (value & USHORT_MAX) === value) return value;
  return inRange(value, name, 0, USHORT_MAX);
}

/** A C unsigned int, such as a uid. */
export function unsigned(value: unknown, name: string): number {
  if (typeof value === 'number' && value >>> 0 === value) return value;
  return inRange(value, name, 0, UINT_MAX);
}

/** A C size_t, or another count. */
export function size(value: unknown, name: string, least = 0): number {
  return inRange(value, name, least, Number.MAX_SAFE_INTEGER);
}

/** A C long. A number past 2^53 may stand for its neighbour, so only a bigint will do there. */
export function long(value: unknown, name: string): number | bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  if (typeof value === 'bigint') {
    if (value >= LONG_MIN && value <= LONG_MAX) return value;
    throw outOfRange(name, `from ${LONG_MIN} to ${LONG_MAX}`, value);
  }
  if (typeof value !== 'number') throw invalidType(name, 'a number or a bigint', value);
  throw outOfRange(
    name,
    `an integer from ${Number.MIN_SAFE_INTEGER} to ${Number.MAX_SAFE_INTEGER}, or a bigint`,
    value,
  );
}

/** The same where no more than a number can hold is wanted. */
export function integer(value: unknown, name: string): number {
  return inRange(value, name, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
}

/** Memory that a call fills. The addon sees whether it is there. */
export function memory(value: unknown, name: string): Uint8Array {
  if (isUint8Array(value)) return value;
  throw invalidType(name, 'a Buffer or another Uint8Array', value);
}

/** Payload on its way to the kernel. It may be copied before the addon sees whether its memory is there. */
export function bytes(value: unknown, name: string): Uint8Array {
  if (isUint8Array(value)) {
    if (lengthOf(value) === 0 && isDetached(value)) throw notBytes(value, name);
    return value;
  }
  if (typeof value === 'string') return Buffer.from(value);
  throw invalidType(name, 'a Buffer, another Uint8Array or a string', value);
}

type Getter<T> = { get: (this: Uint8Array | Int32Array) => T };

/** What tells of a view what is so, whatever properties its object has been given. */
const intrinsic = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(Uint8Array.prototype)) as {
  length: Getter<number>;
  byteOffset: Getter<number>;
  buffer: Getter<ArrayBuffer>;
};
const lengthGetter = intrinsic.length.get;

/** How many elements a view has; 0 where its buffer is detached. */
export function lengthOf(view: Uint8Array | Int32Array): number {
  return lengthGetter.call(view);
}

/** The bytes from `start` on, by an object that has no properties of the caller's. */
export function restOf(view: Uint8Array, start: number): Uint8Array {
  const { buffer, byteOffset } = intrinsic;
  return new Uint8Array(buffer.get.call(view), byteOffset.get.call(view) + start, lengthOf(view) - start);
}

function isDetached(view: Uint8Array): boolean {
  try {
    new Uint8Array(intrinsic.buffer.get.call(view));
    return false;
  } catch {
    return true;
  }
}

/** Why the addon did not take a value that has passed memory() or bytes(). */
export function notBytes(value: unknown, name: string): TypeError {
  if (isUint8Array(value)) return invalidValue(name, 'is a view of a detached buffer');
  return invalidType(name, 'a Buffer or another Uint8Array', value);
}

/** A string that C ends at its first NUL. */
export function cString(value: unknown, name: string): string {
  if (typeof value !== 'string') throw invalidType(name, 'a string', value);
  if (value.includes('\0')) throw invalidValue(name, 'must be a string without NUL characters');
  return value;
}

export function boolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw invalidType(name, 'a boolean', value);
  return value;
}

/** An object to read options from; undefined where none was given. */
export function object<T extends object>(value: T | undefined, name: string): T | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || (value as unknown) === null) throw invalidType(name, 'an object', value);
  return value;
}

/** A time limit in milliseconds; undefined for none. */
export function timeout(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw invalidType('options.timeout', 'a number', value);
  if (!(value >= 0)) throw outOfRange('options.timeout', 'milliseconds from 0 to Infinity', value);
  return value === Infinity ? undefined : value;
}

export function abortSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (isProxy(value) || !(value instanceof AbortSignal))
    throw invalidType('options.signal', 'an AbortSignal', value);
  return value;
}
