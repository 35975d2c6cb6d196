// What the programs of the exercise agree on: in C this would be buffer.h.
import { IpcError } from 'unix-ipc';
import { ftok } from 'unix-ipc/sys';

/** Of the memory and of the semaphores too: they are objects of different kinds. */
export const key = ftok(import.meta.dirname, 'b');
/** The numbers of the semaphores in their set. */
export const [MUTEX, EMPTY, FULL] = [0, 1, 2];
/** How many items the buffer holds. */
export const SLOTS = 4;
/** The memory, in numbers of 32 bits: the slot to fill next, the slot to empty next, and two numbers for each slot. */
export const [IN, OUT, ITEMS] = [0, 1, 2];
export const SIZE = 4 * (ITEMS + 2 * SLOTS);

/** @type {Record<string, string>} */
const advice = {
  ENOENT: 'there is no buffer: exercise-start.js makes it',
  EEXIST: 'the buffer is there already, or a part of it: exercise-cleanup.js removes it',
  EIDRM: 'the buffer was removed meanwhile',
};

/**
 * What perror and exit are in C: of what is to be expected a program says in one line what to do.
 * @param {unknown} error
 */
export function fail(error) {
  console.error((error instanceof IpcError && advice[error.code]) || error);
  process.exit(1);
}
