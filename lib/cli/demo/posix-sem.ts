import { randomUUID } from 'node:crypto';
import { PosixSemaphore } from '../../index.js';
import { exchange, PATIENCE, removeOnInterrupt, type Demo } from './demo.js';

export const posixSem: Demo = {
  title: 'POSIX semaphores: sem_open, sem_post, sem_wait',

  async *run(startPeer) {
    const made: PosixSemaphore[] = [];
    const make = (name: string): PosixSemaphore => {
      const semaphore = PosixSemaphore.open(name, { exclusive: true });
      made.push(semaphore);
      return semaphore;
    };
    const unlink = (): void => {
      for (const semaphore of made.splice(0)) {
        semaphore.unlink();
        semaphore.close();
      }
    };
    const keepOnInterrupt = removeOnInterrupt(unlink);
    try {
      const base = `/unix-ipc-${randomUUID()}`;
      const asked = make(`${base}-asked`);
      const answered = make(`${base}-answered`);
      // A semaphore carries no data, so another one says that there is no more.
      const last = make(`${base}-last`);
      yield `process ${process.pid} made the semaphores ${base}-asked, …-answered and …-last`;
      const peer = startPeer({ parameters: [base] });
      const limits = { timeout: PATIENCE, signal: peer.failed };
      await answered.acquire(limits);
      yield `process ${peer.pid} opened the semaphores with those names and waits for the first`;

      yield* exchange(peer, '1 to one semaphore', async () => {
        asked.release();
        await answered.acquire(limits);
        return '1 to another';
      });
      last.release();
      asked.release();
      await peer.ended;
    } finally {
      unlink();
      keepOnInterrupt();
    }
    yield `process ${process.pid} removed the semaphores`;
  },

  async answer([base = '']) {
    const asked = PosixSemaphore.open(`${base}-asked`, { create: false });
    const answered = PosixSemaphore.open(`${base}-answered`, { create: false });
    const last = PosixSemaphore.open(`${base}-last`, { create: false });
    answered.release();
    for (;;) {
      await asked.acquire({ timeout: PATIENCE });
      if (last.tryAcquire()) break;
      answered.release();
    }
  },
};
