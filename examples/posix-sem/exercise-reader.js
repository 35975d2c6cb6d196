// The exercise in the calls of C: a reader. Any number of them read at the same time, but none while somebody writes.
import { setTimeout } from 'node:timers/promises';
import { IpcError } from 'unix-ipc';
import { close, ftruncate, MAP_SHARED, mmap, O_CREAT, O_RDWR, PROT_READ, PROT_WRITE } from 'unix-ipc/sys';
import { sem_open, sem_post, sem_wait, shm_open } from 'unix-ipc/sys';
import { DATA, MEMORY, MUTEX, QUEUE, READERS, ROOM, SIZE } from './exercise-room.js';

const [visits = 5, milliseconds = 500] = process.argv.slice(2).map(Number);
const fd = shm_open(MEMORY, O_CREAT | O_RDWR, 0o600); //   int fd = shm_open(MEMORY, O_CREAT | O_RDWR, 0600);
ftruncate(fd, SIZE); //                                    ftruncate(fd, SIZE);
const memory = mmap(null, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); // int *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
close(fd); //                                              close(fd);
const shared = new Int32Array(memory);
const queue = sem_open(QUEUE, O_CREAT, 0o600, 1); //       sem_t *queue = sem_open(QUEUE, O_CREAT, 0600, 1);
const mutex = sem_open(MUTEX, O_CREAT, 0o600, 1); //       sem_t *mutex = sem_open(MUTEX, O_CREAT, 0600, 1);
const room = sem_open(ROOM, O_CREAT, 0o600, 1); //         sem_t *room = sem_open(ROOM, O_CREAT, 0600, 1);

function enter() {
  // Whatever interrupts a wait, what this process holds by then is given back: nobody else would do it.
  sem_wait(queue);
  try {
    sem_wait(mutex);
    try {
      // The first reader takes the room for all of them.
      if (Atomics.load(shared, READERS) === 0) sem_wait(room);
      Atomics.add(shared, READERS, 1);
    } finally {
      sem_post(mutex);
    }
  } finally {
    sem_post(queue);
  }
}

function leave() {
  for (;;) {
    try {
      sem_wait(mutex);
      break;
    } catch (error) {
      // Who is inside must leave, Ctrl+C or not.
      if (!isInterruption(error)) throw error;
    }
  }
  // The last one gives the room back.
  if (Atomics.sub(shared, READERS, 1) === 1) sem_post(room);
  sem_post(mutex);
}

/** @param {unknown} error */
function isInterruption(error) {
  return error instanceof IpcError && error.code === 'EINTR';
}

// Ctrl+C ends the waiting outside, and the last visit is finished.
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
try {
  for (let visit = 0; visit < visits && !interrupt.signal.aborted; visit++) {
    enter();
    const before = shared.slice(DATA);
    console.log(`process ${process.pid} reads`, before[0], `with`, shared[READERS], `inside`);
    await setTimeout(milliseconds);
    if (!shared.slice(DATA).every((number) => number === before[0]))
      throw new Error('somebody wrote meanwhile');
    leave();
  }
} catch (error) {
  if (!isInterruption(error)) throw error;
}
