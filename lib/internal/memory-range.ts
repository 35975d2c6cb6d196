// Places in memory that callers name: always by what the runtime knows of a buffer or view, not by its properties, which
// may be the caller's own.
import { types } from 'node:util';
import { size } from './arguments.js';
import { invalidType, invalidValue, outOfRange } from './errors.js';

type AnyBuffer = ArrayBuffer | SharedArrayBuffer;

/** What a property of a buffer or view is read by, whatever the object itself says it is. */
function getter(prototype: object, name: string): unknown {
  return Reflect.get(Object.getOwnPropertyDescriptor(prototype, name) ?? {}, 'get');
}

type Getter<Of, Value> = (this: Of) => Value;
interface ViewGetters {
  buffer: Getter<ArrayBufferView, AnyBuffer>;
  byteOffset: Getter<ArrayBufferView, number>;
  byteLength: Getter<ArrayBufferView, number>;
}

function viewGetters(prototype: object): ViewGetters {
  return {
    buffer: getter(prototype, 'buffer') as ViewGetters['buffer'],
    byteOffset: getter(prototype, 'byteOffset') as ViewGetters['byteOffset'],
    byteLength: getter(prototype, 'byteLength') as ViewGetters['byteLength'],
  };
}

const of = {
  array: viewGetters(Object.getPrototypeOf(Uint8Array.prototype) as object),
  dataView: viewGetters(DataView.prototype),
};
const bufferLength = getter(ArrayBuffer.prototype, 'byteLength') as Getter<ArrayBuffer, number>;
const sharedLength = getter(SharedArrayBuffer.prototype, 'byteLength') as Getter<SharedArrayBuffer, number>;

/** Where memory begins in its buffer, and how much of it there is. */
interface Range {
  buffer: AnyBuffer;
  start: number;
  length: number;
}

/** An ArrayBuffer that has its memory. */
export function arrayBuffer(value: unknown, name: string): ArrayBuffer {
  if (!types.isArrayBuffer(value)) throw invalidType(name, 'an ArrayBuffer', value);
  return value;
}

export function byteLengthOf(buffer: ArrayBuffer): number {
  return bufferLength.call(buffer);
}

function isDetached(buffer: AnyBuffer): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

function rangeOf(memory: unknown, name: string): Range {
  if (types.isArrayBuffer(memory)) return { buffer: memory, start: 0, length: bufferLength.call(memory) };
  if (types.isSharedArrayBuffer(memory))
    return { buffer: memory, start: 0, length: sharedLength.call(memory) };
  if (!ArrayBuffer.isView(memory)) throw invalidType(name, 'a buffer or a view of one', memory);
  const { buffer, byteOffset, byteLength } = types.isDataView(memory) ? of.dataView : of.array;
  const whole = buffer.call(memory);
  // A DataView says so itself.
  if (isDetached(whole)) throw invalidValue(name, 'is a view of a detached buffer');
  return { buffer: whole, start: byteOffset.call(memory), length: byteLength.call(memory) };
}

/** The place of `length` bytes at an offset of memory, which is called `at` in errors. */
export function placeIn(
  memory: unknown,
  byteOffset: unknown,
  length: number,
  name: string,
  at = 'byteOffset',
): Range {
  const offset = size(byteOffset, at);
  const range = rangeOf(memory, name);
  if (range.length === 0 && isDetached(range.buffer)) throw invalidValue(name, 'is a detached buffer');
  if (offset + length > range.length) {
    throw outOfRange(
      at,
      `at most ${range.length - length}, since the memory has ${range.length} bytes`,
      offset,
    );
  }
  return { buffer: range.buffer, start: range.start + offset, length };
}
