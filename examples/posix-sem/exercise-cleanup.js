// The exercise in the calls of C: remove the semaphores and the memory, as far as they are there.
import { IpcError } from 'unix-ipc';
import { sem_unlink, shm_unlink } from 'unix-ipc/sys';
import { MEMORY, MUTEX, QUEUE, ROOM } from './exercise-room.js';

/** @param {() => void} unlink */
function ifThere(unlink) {
  try {
    unlink();
  } catch (error) {
    if (!(error instanceof IpcError && error.code === 'ENOENT')) throw error;
  }
}

for (const name of [QUEUE, MUTEX, ROOM]) ifThere(() => sem_unlink(name)); // sem_unlink(name);
ifThere(() => shm_unlink(MEMORY)); //                      shm_unlink(MEMORY);
