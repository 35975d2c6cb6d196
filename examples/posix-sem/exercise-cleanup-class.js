// The same exercise with the classes: remove the semaphores and the memory, as far as they are there.
import { IpcError, PosixSemaphore, PosixSharedMemory } from 'unix-ipc';
import { MEMORY, MUTEX, QUEUE, ROOM } from './exercise-room.js';

/** @param {() => void} unlink */
function ifThere(unlink) {
  try {
    unlink();
  } catch (error) {
    if (!(error instanceof IpcError && error.code === 'ENOENT')) throw error;
  }
}

for (const name of [QUEUE, MUTEX, ROOM]) {
  ifThere(() => PosixSemaphore.open(name, { create: false }).unlink());
}
ifThere(() => PosixSharedMemory.open(MEMORY).unlink());
