// <linux/futex.h>
import { int, lengthOf, unsigned } from '../internal/arguments.js';
import { invalidValue, IpcError } from '../internal/errors.js';
import { placeIn } from '../internal/memory-range.js';
import { time, type timespec } from '../internal/timespec.js';
import { NOT_BYTES } from '../native/core.js';
import { native } from '../native/futex.js';

export type FutexMemory = ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

const WORD = 4;

interface Place {
  byteOffset: unknown;
  word: Uint8Array;
}

/** The place in some memory that was named last: as a rule it is the same again. Memory that is forgotten is detached. */
const places = new WeakMap<object, Place>();

function wordAt(memory: unknown, byteOffset: unknown): Uint8Array {
  const last = places.get(memory as object);
  if (last !== undefined && last.byteOffset === byteOffset && lengthOf(last.word) === WORD) return last.word;
  const { buffer, start } = placeIn(memory, byteOffset, WORD, 'memory');
  // TypeScript tells the two kinds of buffers apart; typed arrays don't.
  const word = new Uint8Array(buffer as ArrayBuffer, start, WORD);
  places.set(memory as object, { byteOffset, word });
  return word;
}

/**
 * futex(2), FUTEX_WAIT: waits while the 32-bit word at byteOffset is `expected`, until futex_wake(), in this process or
 * another. May return without one.
 *
 * @param byteOffset from the start of the view or buffer, a multiple of 4
 * @param expected unsigned
 * @param timeout relative; null for ever
 * @throws IpcError EAGAIN (the word is another), EINTR, EINVAL (not aligned), ETIMEDOUT
 * @see https://man7.org/linux/man-pages/man2/futex.2.html
 */
export function futex_wait(
  memory: FutexMemory,
  byteOffset: number,
  expected: number,
  timeout: timespec | null = null,
): void {
  unsigned(expected, 'expected');
  const limit = (timeout as unknown) === null ? null : time(timeout, 'timeout');
  const word = wordAt(memory, byteOffset);
  const result =
    limit === null
      ? native.wait(word, expected)
      : native.waitFor(word, expected, limit.tv_sec, limit.tv_nsec);
  if (result < 0) throw failure(result, 'futex_wait');
}

/**
 * futex(2), FUTEX_WAKE: wakes up to `count` that wait for the word. Never waits.
 *
 * @returns how many
 * @throws IpcError EINVAL (not aligned)
 * @see https://man7.org/linux/man-pages/man2/futex.2.html
 */
export function futex_wake(memory: FutexMemory, byteOffset: number, count: number): number {
  int(count, 'count');
  const result = native.wake(wordAt(memory, byteOffset), count);
  if (result < 0) throw failure(result, 'futex_wake');
  return result;
}

function failure(result: number, syscall: string): Error {
  return result === NOT_BYTES
    ? invalidValue('memory', 'is a detached buffer')
    : new IpcError(result, syscall);
}
