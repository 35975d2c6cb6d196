// Many operations, aborts and deaths on semaphore sets: nothing may be lost, doubled or left half made.
import { describe, expect, it } from 'vitest';
import { SysvSemaphoreSet } from 'unix-ipc';
import { chance } from '../helpers/chance.js';
import { semaphoreRows, unusedSemaphoreKey } from '../helpers/semaphores.js';
import { acquireAndAbort, ownSet, privateSet, sharedMemory, syncPeer } from '../helpers/sync-objects.js';
import { scale, until } from '../helpers/until.js';

const minute = 60_000 * scale;

describe('acquires aborted at random moments while a peer releases', () => {
  it.each([
    ['acquire()', false, (set: SysvSemaphoreSet, signal: AbortSignal) => set.acquire(0, 1, { signal })],
    [
      'apply() with undo',
      true,
      (set: SysvSemaphoreSet, signal: AbortSignal) =>
        set.apply(
          [
            { index: 0, op: -1, undo: true },
            { index: 1, op: 1, undo: true },
          ],
          { signal },
        ),
    ],
  ])(
    'by %s take exactly what they say they have taken',
    async (_name, counts, acquire) => {
      const { random } = chance('aborted acquires');
      const set = privateSet(0, 0);
      const peer = await syncPeer();
      await peer.call('make', 'set', 'SysvSemaphoreSet', 'openId', set.id);
      const released = peer.call('offers', 'set');
      const { acquired } = await acquireAndAbort((signal) => acquire(set, signal), random, 500);
      await peer.call('stop');
      // It may be about to release one more.
      const sum = await released;
      const [left = 0, counted] = set.values();
      expect(acquired + left).toBe(sum);
      expect(counted).toBe(counts ? acquired : 0);
    },
    minute,
  );
});

describe('two processes that make and remove one set over and over', () => {
  it(
    'see it whole always, also when one of them is killed at any moment',
    async () => {
      const { random } = chance('processes killed while they make a set');
      const key = unusedSemaphoreKey();
      const initial = [1, 0, 32_767];
      const survivor = await syncPeer();
      for (let round = 0; round < 6; round++) {
        const victim = await syncPeer();
        victim.outcome('churn', key, initial, 1_000_000_000).catch(() => undefined);
        await until('it has begun', () => semaphoreRows().some((row) => row.key === key));
        const churned = survivor.call('churn', key, initial, 300);
        await new Promise((resolve) => setTimeout(resolve, random() * 10));
        victim.signal('SIGKILL');
        await victim.exited;
        expect(await churned).toEqual([]);
        expect(ownSet(SysvSemaphoreSet.open(key, { initial })).values()).toEqual(initial);
      }
    },
    minute,
  );
});

describe('three processes that add to one counter under a set', () => {
  it(
    'lose nothing',
    async () => {
      const set = privateSet(1);
      const memory = sharedMemory();
      const peers = await Promise.all([syncPeer(), syncPeer(), syncPeer()]);
      const times = 30_000;
      await Promise.all(
        peers.map(async (peer) => {
          await peer.call('make', 'set', 'SysvSemaphoreSet', 'openId', set.id);
          await peer.call('make', 'memory', 'SysvSharedMemory', 'openId', memory.id);
          await peer.call('count', 'SysvSemaphoreSet', 'set', 'memory', times);
        }),
      );
      expect(new Int32Array(memory.buffer)[0]).toBe(3 * times);
    },
    minute,
  );
});
