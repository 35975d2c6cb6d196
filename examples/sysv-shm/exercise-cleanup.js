// The exercise in the calls of C, 4 of 4: remove the shared memory and the semaphores, as far as they are there.
import { IpcError } from 'unix-ipc';
import { IPC_RMID, semctl, semget, shmctl, shmget } from 'unix-ipc/sys';
import { key } from './exercise-buffer.js';

/** @param {() => void} remove */
function isRemoved(remove) {
  try {
    remove();
    return true;
  } catch (error) {
    if (error instanceof IpcError && error.code === 'ENOENT') return false;
    throw error;
  }
}

const semaphores = isRemoved(() => semctl(semget(key, 0, 0), 0, IPC_RMID)); // semctl(semget(key, 0, 0), 0, IPC_RMID);
const memory = isRemoved(() => shmctl(shmget(key, 0, 0), IPC_RMID)); // shmctl(shmget(key, 0, 0), IPC_RMID, NULL);
if (!semaphores && !memory) {
  console.error('there is no buffer to remove');
  process.exitCode = 1;
}
