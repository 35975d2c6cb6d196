// The same exercise with the classes, 1 of 4: make the shared memory and the semaphores.
import { SysvSemaphoreSet, SysvSharedMemory } from 'unix-ipc';
import { SIZE, SLOTS, fail, key } from './exercise-buffer.js';

process.on('uncaughtException', fail);

const memory = SysvSharedMemory.create({ key, size: SIZE });
const semaphores = SysvSemaphoreSet.open(key, { exclusive: true, initial: [1, SLOTS, 0] });
console.log(`process ${process.pid} made the memory ${memory.id} and the semaphores ${semaphores.id}`);
