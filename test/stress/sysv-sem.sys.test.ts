// Many operations on System V semaphores by several processes at once: nothing may be lost.
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { attach, newSegment } from '../helpers/segments.js';
import { newSemaphores, sysPeer, valuesOf } from '../helpers/semaphores.js';
import { scale } from '../helpers/until.js';

describe('two processes that add to one counter under semop()', () => {
  it(
    'lose nothing of 1,000,000',
    async () => {
      const times = 500_000;
      const semid = newSemaphores([1]);
      const shmid = newSegment();
      const words = new Int32Array(attach(shmid), 0, 2);
      const peers = await Promise.all([sysPeer(), sysPeer()]);
      for (const peer of peers) await peer.call('keep', 'memory', 'shmat', shmid);
      const start = performance.now();
      await Promise.all(peers.map((peer) => peer.call('add', 'sysv', semid, 'memory', 2, times)));
      const seconds = (performance.now() - start) / 1000;
      console.log(`${2 * times} additions under semop() in ${seconds.toFixed(2)} s`);
      expect(words[0]).toBe(2 * times);
      expect(valuesOf(semid)).toEqual([1]);
      sys.semctl(semid, 0, sys.IPC_RMID);
    },
    60_000 * scale,
  );
});
