// The same exercise with the classes, 4 of 4: remove the shared memory and the semaphores, as far as they are there.
import { IpcError, SysvSemaphoreSet, SysvSharedMemory } from 'unix-ipc';
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

const semaphores = isRemoved(() => SysvSemaphoreSet.open(key, { create: false }).remove());
const memory = isRemoved(() => SysvSharedMemory.open(key).remove());
if (!semaphores && !memory) {
  console.error('there is no buffer to remove');
  process.exitCode = 1;
}
