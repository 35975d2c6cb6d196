// The same exercise with the classes, 4 of 4: remove the shared memory and the semaphores, as far as they are there.
import { IpcError, SysvSemaphoreSet, SysvSharedMemory } from 'unix-ipc';
import { key } from './exercise-buffer.js';

/** @param {() => void} remove */
function ifThere(remove) {
  try {
    remove();
  } catch (error) {
    if (!(error instanceof IpcError && error.code === 'ENOENT')) throw error;
  }
}

ifThere(() => SysvSemaphoreSet.open(key, { create: false }).remove());
ifThere(() => SysvSharedMemory.open(key).remove());
