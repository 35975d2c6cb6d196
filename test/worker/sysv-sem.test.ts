// SysvSemaphoreSet in Workers: side by side with the main thread, and ended with waits pending.
import { describe, expect, it } from 'vitest';
import { threadCount } from '../helpers/kernel.js';
import { type SysvSemaphoreSet } from 'unix-ipc';
import { valuesOf } from '../helpers/semaphores.js';
import {
  WorkerPeer,
  asleep,
  asleepOnSet,
  privateSet,
  sharedMemory,
  syncPeer,
} from '../helpers/sync-objects.js';
import { until } from '../helpers/until.js';

async function workerOf(set: SysvSemaphoreSet): Promise<WorkerPeer> {
  const worker = new WorkerPeer();
  await worker.call('make', 'set', 'SysvSemaphoreSet', 'openId', set.id);
  return worker;
}

describe('a Worker and the main thread', () => {
  it('wake each other out of every variant', async () => {
    const set = privateSet(0, 1);
    const worker = await workerOf(set);
    for (const method of ['acquireSync', 'acquire']) {
      const acquired = worker.call(`set.${method}`);
      await asleep(set);
      set.release();
      await acquired;
    }
    const mine = set.acquire();
    const zero = set.waitForZero(1);
    await asleep(set, 2);
    await worker.call('set.release');
    await worker.call('set.acquire', 1);
    await Promise.all([mine, zero]);
    expect(valuesOf(set.id)).toEqual([0, 0]);
  });

  it('add to one counter under the set, and nothing is lost', async () => {
    const set = privateSet(1);
    const memory = sharedMemory();
    const workers = await Promise.all([workerOf(set), workerOf(set)]);
    for (const worker of workers)
      await worker.call('make', 'memory', 'SysvSharedMemory', 'openId', memory.id);
    await Promise.all(
      workers.map((worker) => worker.call('count', 'SysvSemaphoreSet', 'set', 'memory', 5000)),
    );
    await Promise.all(workers.map((worker) => worker.call('countLater', 'set', 'memory', 500)));
    expect(new Int32Array(memory.buffer)[0]).toBe(11_000);
    expect(valuesOf(set.id)).toEqual([1]);
  });
});

describe('terminate()', () => {
  it('with waits pending ends them, takes nothing, and leaves the waits of other threads', async () => {
    const set = privateSet(0, 0, 1);
    const worker = await workerOf(set);
    await worker.call('leave', 'set.acquire');
    await worker.call('leave', 'set.acquire', 0, 2, { undo: true });
    await worker.call('leave', 'set.apply', [
      { index: 0, op: -1 },
      { index: 1, op: -1 },
    ]);
    await worker.call('leave', 'set.waitForZero', 2);
    await asleep(set, 4);
    const mine = set.acquire(1);
    await asleep(set, 5);
    await worker.end();
    expect(asleepOnSet(set)).toBe(1);
    set.release(0, 3);
    expect(valuesOf(set.id)).toEqual([3, 0, 1]);
    set.release(1);
    await mine;
  });

  it('10 times in a row, with waits pending and with calls under way, leaves no thread', async () => {
    const set = privateSet(0, 0, 0);
    const first = await workerOf(set);
    await first.call('leave', 'set.acquire');
    await first.end();
    const before = threadCount();
    for (let round = 0; round < 10; round++) {
      const worker = await workerOf(set);
      for (let index = 0; index < 3; index++) await worker.call('leave', 'set.acquire', index, 1 + round);
      if (round % 2 === 0) await asleep(set, 3);
      // Released and ended at the same moment: the count is taken or is there.
      set.release(0, 1 + round);
      await worker.end();
      expect(asleepOnSet(set)).toBe(0);
      expect([0, 1 + round]).toContain(valuesOf(set.id)[0]);
      set.setValues([0, 0, 0]);
    }
    await until('the threads are gone', () => threadCount() <= before);
  });

  it('of a Worker that holds with undo gives nothing back before the process ends', async () => {
    const set = privateSet(1, 1);
    const peer = await syncPeer();
    await peer.call('make', 'set', 'SysvSemaphoreSet', 'openId', set.id);
    const worker = await workerOf(set);
    await worker.call('set.acquire', 0, 1, { undo: true });
    await peer.call('set.acquire', 1, 1, { undo: true });
    await worker.end();
    // To the kernel what was taken is the process's, whichever thread took it.
    expect(valuesOf(set.id)).toEqual([0, 0]);
    peer.signal('SIGKILL');
    await peer.exited;
    expect(valuesOf(set.id)).toEqual([0, 1]);
    set.release(0, 1, { undo: true });
  });
});
