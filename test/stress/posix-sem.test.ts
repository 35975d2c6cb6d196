// Many operations and aborts on POSIX semaphores: nothing may be lost or doubled.
import { describe, expect, it } from 'vitest';
import { chance } from '../helpers/chance.js';
import {
  type Placed,
  acquireAndAbort,
  named,
  placed,
  sharedMemory,
  syncPeer,
} from '../helpers/sync-objects.js';
import { scale } from '../helpers/until.js';

const minute = 60_000 * scale;

const places: [string, (options?: { initial?: number }) => Placed][] = [
  ['a name', named],
  ['shared memory', (options) => placed(options)],
];

describe.each(places)('acquire() at %s aborted at random moments while a peer releases', (_place, make) => {
  it(
    'take exactly what they say they have taken',
    async () => {
      const { random } = chance('aborted acquire()');
      const of = make();
      const peer = await syncPeer();
      await of.open(peer);
      const released = peer.call('offers', 'semaphore');
      const { acquired } = await acquireAndAbort((signal) => of.semaphore.acquire({ signal }), random, 500);
      await peer.call('stop');
      // It may be about to release one more.
      const sum = await released;
      expect(acquired + of.value()).toBe(sum);
    },
    minute,
  );
});

describe('10,000 acquire() on one semaphore', () => {
  it(
    'are all let through, in the order of the calls',
    async () => {
      const of = placed();
      const order: number[] = [];
      const all = Array.from({ length: 10_000 }, (_, index) =>
        of.semaphore.acquire().then(() => order.push(index)),
      );
      const peer = await syncPeer();
      await of.open(peer);
      await peer.call('releases', 'semaphore', 9000);
      of.semaphore.release(1000);
      await Promise.all(all);
      expect(order).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
      expect(of.value()).toBe(0);
    },
    minute,
  );
});

describe('two processes that add to one counter under a semaphore', () => {
  it(
    'lose nothing of 1,000,000',
    async () => {
      const of = placed({ initial: 1 });
      const memory = sharedMemory();
      const peers = await Promise.all([syncPeer(), syncPeer()]);
      const times = 500_000;
      await Promise.all(
        peers.map(async (peer) => {
          await of.open(peer);
          await peer.call('make', 'counter', 'SysvSharedMemory', 'openId', memory.id);
          await peer.call('count', 'PosixSemaphore', 'semaphore', 'counter', times);
        }),
      );
      expect(new Int32Array(memory.buffer)[0]).toBe(2 * times);
    },
    minute,
  );
});
