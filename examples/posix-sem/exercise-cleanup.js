// The exercise in the calls of C: remove the semaphores and the memory, as far as they are there.
import { IpcError } from 'unix-ipc';
import { sem_unlink, shm_unlink } from 'unix-ipc/sys';
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

const semaphores = [QUEUE, MUTEX, ROOM].map((name) => isRemoved(() => sem_unlink(name))); // sem_unlink(QUEUE); …
const memory = isRemoved(() => shm_unlink(MEMORY)); //     shm_unlink(MEMORY);
if (!memory && !semaphores.includes(true)) {
  console.error('there is nothing to remove');
  process.exitCode = 1;
}
