// Many waits, wakes and aborts on words in shared memory: no wake-up may be lost or doubled.
import { describe, expect, it } from 'vitest';
import { chance } from '../helpers/chance.js';
import { acquireAndAbort, sharedMemory, syncPeer, word } from '../helpers/sync-objects.js';
import { scale, until } from '../helpers/until.js';

const minute = 60_000 * scale;

describe('wait() aborted at random moments while a peer wakes', () => {
  it(
    'are woken exactly as often as the peer is told',
    async () => {
      const { random } = chance('aborted wait()');
      const of = word();
      const peer = await syncPeer();
      await of.open(peer);
      const woken = peer.call('wakes', 'futex');
      const { acquired } = await acquireAndAbort((signal) => of.futex.wait(0, { signal }), random, 500);
      await peer.call('stop');
      expect(acquired).toBe(await woken);
    },
    minute,
  );
});

describe('two processes that add to one counter under a lock of a word', () => {
  it(
    'lose nothing of 1,000,000, and one that is killed meanwhile leaves the lock as it was',
    async () => {
      const of = word();
      const counter = sharedMemory();
      const peers = await Promise.all([syncPeer(), syncPeer()]);
      const times = 500_000;
      await Promise.all(
        peers.map(async (peer) => {
          await of.open(peer);
          await peer.call('make', 'counter', 'SysvSharedMemory', 'openId', counter.id);
          await peer.call('count', 'Futex', 'futex', 'counter', times);
        }),
      );
      expect(new Int32Array(counter.buffer)[0]).toBe(2 * times);
      expect(of.futex.value).toBe(0);
      // A holder that is killed gives nothing back: to the kernel it is a number in memory.
      const [holder, waiter] = peers;
      expect(await holder.call('futex.exchange', 1)).toBe(0);
      const waits = waiter.call('count', 'Futex', 'futex', 'counter', 1);
      await until('the other waits', () => of.asleep(waiter.pid) === 1);
      holder.signal('SIGKILL');
      await holder.exited;
      expect(of.futex.value).toBe(2);
      // Who knows that the holder is dead lets the others go on.
      of.futex.value = 0;
      expect(of.futex.wake(1)).toBe(1);
      await waits;
      expect(new Int32Array(counter.buffer)[0]).toBe(2 * times + 1);
    },
    minute,
  );
});
