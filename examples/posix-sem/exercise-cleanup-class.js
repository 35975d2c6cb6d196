// The same exercise with the classes: remove the semaphores and the memory, as far as they are there.
import { IpcError, PosixSemaphore, PosixSharedMemory } from 'unix-ipc';
import { MEMORY, MUTEX, QUEUE, ROOM } from './exercise-room.js';

/** @param {() => void} unlink */
function isRemoved(unlink) {
  try {
    unlink();
    return true;
  } catch (error) {
    if (error instanceof IpcError && error.code === 'ENOENT') return false;
    throw error;
  }
}

const semaphores = [QUEUE, MUTEX, ROOM].map((name) =>
  isRemoved(() => PosixSemaphore.open(name, { create: false }).unlink()),
);
const memory = isRemoved(() => PosixSharedMemory.open(MEMORY).unlink());
if (!memory && !semaphores.includes(true)) {
  console.error('there is nothing to remove');
  process.exitCode = 1;
}
