// The same exercise with the classes, 2 of 4: put numbers into the buffer, as many as the command line says.
import { SysvSemaphoreSet, SysvSharedMemory } from 'unix-ipc';
import { EMPTY, FULL, IN, ITEMS, MUTEX, SLOTS, fail, key } from './exercise-buffer.js';

process.on('uncaughtException', fail);

const count = Number(process.argv[2] ?? 10);
const semaphores = SysvSemaphoreSet.open(key, { create: false });
const memory = SysvSharedMemory.open(key);
const buffer = new Int32Array(memory.buffer);

for (let item = 1; item <= count; item++) {
  // An empty slot and the mutex, both at once or neither. The kernel gives the mutex back for a process that is killed.
  await semaphores.apply([
    { index: EMPTY, op: -1 },
    { index: MUTEX, op: -1, undo: true },
  ]);
  const slot = Atomics.load(buffer, IN);
  buffer.set([process.pid, item], ITEMS + 2 * slot);
  buffer[IN] = (slot + 1) % SLOTS;
  semaphores.applySync([
    { index: MUTEX, op: 1, undo: true },
    { index: FULL, op: 1 },
  ]);
}
console.log(`process ${process.pid} put the numbers from 1 to ${count}`);
