// The same exercise with the classes: a reader. Any number of them read at the same time, but none while somebody writes.
import { setTimeout } from 'node:timers/promises';
import { PosixSemaphore, PosixSharedMemory } from 'unix-ipc';
import { DATA, MEMORY, MUTEX, QUEUE, READERS, ROOM, SIZE } from './exercise-room.js';

const [visits = 5, milliseconds = 500] = process.argv.slice(2).map(Number);
const memory = PosixSharedMemory.create({ name: MEMORY, size: SIZE, exclusive: false });
const shared = new Int32Array(memory.buffer);
const queue = PosixSemaphore.open(QUEUE, { initial: 1 });
const mutex = PosixSemaphore.open(MUTEX, { initial: 1 });
const room = PosixSemaphore.open(ROOM, { initial: 1 });
// Ctrl+C ends the waiting outside, and the last visit is finished.
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
const { signal } = interrupt;

async function enter() {
  // Whatever ends a wait, what this process holds by then is given back: nobody else would do it.
  await queue.acquire({ signal });
  try {
    await mutex.acquire({ signal });
    try {
      // The first reader takes the room for all of them.
      if (Atomics.load(shared, READERS) === 0) await room.acquire({ signal });
      Atomics.add(shared, READERS, 1);
    } finally {
      mutex.release();
    }
  } finally {
    queue.release();
  }
}

async function leave() {
  await mutex.acquire();
  // The last one gives the room back.
  if (Atomics.sub(shared, READERS, 1) === 1) room.release();
  mutex.release();
}

try {
  for (let visit = 0; visit < visits && !signal.aborted; visit++) {
    await enter();
    const before = shared.slice(DATA);
    console.log(`process ${process.pid} reads`, before[0], `with`, shared[READERS], `inside`);
    await setTimeout(milliseconds);
    if (!shared.slice(DATA).every((number) => number === before[0]))
      throw new Error('somebody wrote meanwhile');
    await leave();
  }
} catch (error) {
  if (error !== signal.reason) throw error;
}
