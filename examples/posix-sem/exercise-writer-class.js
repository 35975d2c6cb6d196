// The same exercise with the classes: a writer. While it writes, nobody else reads or writes.
import { setTimeout } from 'node:timers/promises';
import { PosixSemaphore, PosixSharedMemory } from 'unix-ipc';
import { DATA, MEMORY, QUEUE, ROOM, SIZE } from './exercise-room.js';

const [visits = 5, milliseconds = 500] = process.argv.slice(2).map(Number);
const memory = PosixSharedMemory.create({ name: MEMORY, size: SIZE, exclusive: false });
const data = new Int32Array(memory.buffer).subarray(DATA);
const queue = PosixSemaphore.open(QUEUE, { initial: 1 });
const room = PosixSemaphore.open(ROOM, { initial: 1 });
// Ctrl+C ends the waiting outside, and the last visit is finished.
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
const { signal } = interrupt;

async function enter() {
  // Who comes later waits behind this one, so it waits only for those who are inside.
  await queue.acquire({ signal });
  try {
    await room.acquire({ signal });
  } finally {
    queue.release();
  }
}

try {
  for (let visit = 0; visit < visits && !signal.aborted; visit++) {
    await enter();
    const next = (data[0] ?? 0) + 1;
    console.log(`process ${process.pid} writes`, next);
    data.fill(next, 0, 500);
    await setTimeout(milliseconds);
    data.fill(next, 500);
    room.release();
  }
} catch (error) {
  if (error !== signal.reason) throw error;
}
