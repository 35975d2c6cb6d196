import { randomUUID } from 'node:crypto';
import { PosixSemaphore, PosixSharedMemory } from '../../index.js';
import { exchange, PATIENCE, removeOnInterrupt, type Demo } from './demo.js';
import { putText, textAt } from './memory.js';

const SIZE = 4096;
/** Where in the memory: two semaphores that tell, and a text for each direction. */
const [ASKED, ANSWERED, QUESTION, ANSWER] = [0, 64, 1024, 2048];

export const posixShm: Demo = {
  title: 'POSIX shared memory: shm_open, mmap, sem_init',

  async *run(startPeer) {
    const memory = PosixSharedMemory.create({ name: `/unix-ipc-${randomUUID()}`, size: SIZE });
    const keepOnInterrupt = removeOnInterrupt(() => memory.unlink());
    try {
      const asked = PosixSemaphore.at(memory, ASKED, { initial: 0 });
      const answered = PosixSemaphore.at(memory, ANSWERED, { initial: 0 });
      yield `process ${process.pid} made ${memory.size} bytes of memory, /dev/shm${memory.name}, with two semaphores in it`;
      const peer = startPeer({ parameters: [memory.name] });
      const limits = { timeout: PATIENCE, signal: peer.failed };
      await answered.acquire(limits);
      yield `process ${peer.pid} opened it by that name and waits for a message`;

      const message = `hello from process ${process.pid}`;
      yield* exchange(peer, `"${message}"`, async () => {
        putText(memory, QUESTION, message);
        asked.release();
        await answered.acquire(limits);
        return `"${textAt(memory, ANSWER)}"`;
      });
      putText(memory, QUESTION, '');
      asked.release();
      await peer.ended;
    } finally {
      memory.unlink();
      memory.close();
      keepOnInterrupt();
    }
    yield `process ${process.pid} removed the memory, and the semaphores with it`;
  },

  async answer([name = '']) {
    const memory = PosixSharedMemory.open(name);
    const asked = PosixSemaphore.at(memory, ASKED);
    const answered = PosixSemaphore.at(memory, ANSWERED);
    answered.release();
    for (;;) {
      await asked.acquire({ timeout: PATIENCE });
      const question = textAt(memory, QUESTION);
      // An empty message says that there is no more.
      if (question === '') break;
      putText(memory, ANSWER, `process ${process.pid} received: ${question}`);
      answered.release();
    }
    memory.close();
  },
};
