// What the programs of the exercise agree on: in C this would be room.h.
import { ftok } from 'unix-ipc/sys';

// Made of where this folder is, so that other users have others.
const name = `/posix-sem-${ftok(import.meta.dirname, 'r')}`;

/** Who enters, reader or writer, comes through here one by one, so that nobody is overtaken for ever. */
export const QUEUE = `${name}-queue`;
/** Held by the one writer or by all the readers together. */
export const ROOM = `${name}-room`;
/** Guards the number of readers. */
export const MUTEX = `${name}-mutex`;
/** The shared memory. */
export const MEMORY = name;

/** The memory, in numbers of 32 bits: how many readers there are, then what they read, which is the same number in each place. */
export const [READERS, DATA] = [0, 1];
export const SIZE = 4 * 1024;
