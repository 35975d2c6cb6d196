import { randomInt } from 'node:crypto';
import { keyText } from '../../internal/sysv-key.js';
import { IpcError, SysvSemaphoreSet } from '../../index.js';
import { exchange, PATIENCE, removeOnInterrupt, type Demo } from './demo.js';

/** The semaphores of the set: one for each direction, one that says that there is no more, and a lock. */
const [ASKED, ANSWERED, LAST, LOCK] = [0, 1, 2, 3];
const INITIAL = [0, 0, 0, 1];

function openFresh(): SysvSemaphoreSet {
  for (;;) {
    try {
      return SysvSemaphoreSet.open(randomInt(1, 2 ** 31), { exclusive: true, initial: INITIAL });
    } catch (error) {
      if (!(error instanceof IpcError && error.code === 'EEXIST')) throw error;
    }
  }
}

export const sysvSem: Demo = {
  title: 'System V semaphores: semget, semop',

  async *run(startPeer) {
    const set = openFresh();
    const keepOnInterrupt = removeOnInterrupt(() => set.remove());
    try {
      yield `process ${process.pid} made a set of ${set.count} semaphores with key ${keyText(set.key)}; its id is ${set.id}`;
      const peer = startPeer({ parameters: [String(set.key)] });
      const limits = { timeout: PATIENCE, signal: peer.failed };
      await set.acquire(ANSWERED, 1, limits);
      yield `process ${peer.pid} opened the set and locked one of them: the kernel says it was process ${set.stat().semaphores[LOCK]?.pid ?? 0}`;

      yield* exchange(peer, '1 to one semaphore', async () => {
        set.release(ASKED);
        await set.acquire(ANSWERED, 1, limits);
        return '1 to another';
      });
      // Both at once.
      set.applySync([
        { index: LAST, op: 1 },
        { index: ASKED, op: 1 },
      ]);
      await peer.ended;
      yield `process ${peer.pid} ended without unlocking; the kernel undid its lock: it is ${set.values()[LOCK] ?? NaN} again`;
    } finally {
      set.remove();
      set.close();
      keepOnInterrupt();
    }
    yield `process ${process.pid} removed the set`;
  },

  async answer([key]) {
    const set = SysvSemaphoreSet.open(Number(key), { create: false });
    await set.acquire(LOCK, 1, { undo: true });
    set.release(ANSWERED);
    for (;;) {
      await set.acquire(ASKED, 1, { timeout: PATIENCE });
      if (set.tryAcquire(LAST)) break;
      set.release(ANSWERED);
    }
    set.close();
  },
};
