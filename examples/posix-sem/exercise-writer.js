// The exercise in the calls of C: a writer. While it writes, nobody else reads or writes.
import { setTimeout } from 'node:timers/promises';
import { IpcError } from 'unix-ipc';
import { close, ftruncate, MAP_SHARED, mmap, O_CREAT, O_RDWR, PROT_READ, PROT_WRITE } from 'unix-ipc/sys';
import { sem_open, sem_post, sem_wait, shm_open } from 'unix-ipc/sys';
import { DATA, MEMORY, QUEUE, ROOM, SIZE } from './exercise-room.js';

const [visits = 5, milliseconds = 500] = process.argv.slice(2).map(Number);
const fd = shm_open(MEMORY, O_CREAT | O_RDWR, 0o600); //   int fd = shm_open(MEMORY, O_CREAT | O_RDWR, 0600);
ftruncate(fd, SIZE); //                                    ftruncate(fd, SIZE);
const memory = mmap(null, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); // int *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
close(fd); //                                              close(fd);
const data = new Int32Array(memory).subarray(DATA);
const queue = sem_open(QUEUE, O_CREAT, 0o600, 1); //       sem_t *queue = sem_open(QUEUE, O_CREAT, 0600, 1);
const room = sem_open(ROOM, O_CREAT, 0o600, 1); //         sem_t *room = sem_open(ROOM, O_CREAT, 0600, 1);

function enter() {
  // Who comes later waits behind this one, so it waits only for those who are inside.
  sem_wait(queue);
  try {
    sem_wait(room);
  } finally {
    sem_post(queue);
  }
}

// Ctrl+C ends the waiting outside, and the last visit is finished.
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
try {
  for (let visit = 0; visit < visits && !interrupt.signal.aborted; visit++) {
    enter();
    const next = (data[0] ?? 0) + 1;
    console.log(`process ${process.pid} writes`, next);
    data.fill(next, 0, 500);
    await setTimeout(milliseconds);
    data.fill(next, 500);
    sem_post(room);
  }
} catch (error) {
  // Ctrl+C while it waited.
  if (!(error instanceof IpcError && error.code === 'EINTR')) throw error;
}
