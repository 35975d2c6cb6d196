// What the programs of the exercise agree on: in C this would be buffer.h.
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
