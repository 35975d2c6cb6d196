// The same exercise with the classes, 3 of 4: take numbers out of the buffer until somebody removes it.
import { IpcError, SysvSemaphoreSet, SysvSharedMemory } from 'unix-ipc';
import { EMPTY, FULL, ITEMS, MUTEX, OUT, SLOTS, fail, key } from './exercise-buffer.js';

process.on('uncaughtException', fail);

const semaphores = SysvSemaphoreSet.open(key, { create: false });
const memory = SysvSharedMemory.open(key);
const buffer = new Int32Array(memory.buffer);
console.log(`process ${process.pid} waits for numbers; Ctrl+C ends it`);

try {
  for (;;) {
    await semaphores.apply([
      { index: FULL, op: -1 },
      { index: MUTEX, op: -1, undo: true },
    ]);
    const slot = Atomics.load(buffer, OUT);
    const [pid, item] = buffer.slice(ITEMS + 2 * slot);
    buffer[OUT] = (slot + 1) % SLOTS;
    semaphores.applySync([
      { index: MUTEX, op: 1, undo: true },
      { index: EMPTY, op: 1 },
    ]);
    console.log(`process ${process.pid} took`, item, `of process`, pid, `out of slot`, slot);
  }
} catch (error) {
  // Removed while this process waited, or before it did again.
  if (!(error instanceof IpcError && ['EIDRM', 'EINVAL'].includes(error.code))) throw error;
}
console.log(`process ${process.pid} found the semaphores removed`);
