// Futex in Workers: side by side with the main thread, and ended with waits pending.
import { describe, expect, it } from 'vitest';
import { SysvSharedMemory } from 'unix-ipc';
import { threadCount } from '../helpers/kernel.js';
import { borrow } from '../helpers/queues.js';
import { WorkerPeer, type Word, sharedMemory, word } from '../helpers/sync-objects.js';
import { until } from '../helpers/until.js';

async function workerOf(of: Word): Promise<WorkerPeer> {
  const worker = new WorkerPeer();
  await of.open(worker);
  return worker;
}

function asleep(of: Word, count: number): Promise<void> {
  return until(`${count} asleep on the word`, () => of.asleep() === count);
}

describe('Workers and the main thread', () => {
  it('wake each other out of both variants, and count who waits in all of them', async () => {
    const of = word();
    const workers = await Promise.all([workerOf(of), workerOf(of)]);
    const [one, other] = workers;
    for (const method of ['waitSync', 'wait']) {
      const waits = workers.map((worker) => worker.call(`futex.${method}`, 0));
      const mine = of.futex.wait(0);
      await asleep(of, 3);
      expect(of.futex.wake(Infinity), method).toBe(3);
      expect(await Promise.all([...waits, mine])).toEqual(['ok', 'ok', 'ok']);
    }
    const mine = [of.futex.wait(0), of.futex.wait(0)];
    await asleep(of, 2);
    expect(await one.call('futex.wake')).toBe(1);
    expect(await other.call('futex.wake', 5)).toBe(1);
    await Promise.all(mine);
  });

  it('add to one counter under a lock of it, and nothing is lost', async () => {
    const of = word();
    const counter = sharedMemory();
    const workers = await Promise.all([workerOf(of), workerOf(of)]);
    for (const worker of workers)
      await worker.call('make', 'counter', 'SysvSharedMemory', 'openId', counter.id);
    await Promise.all(workers.map((worker) => worker.call('count', 'Futex', 'futex', 'counter', 10_000)));
    expect(new Int32Array(counter.buffer)[0]).toBe(20_000);
    expect(of.futex.value).toBe(0);
  });
});

describe('terminate()', () => {
  it('with waits pending ends them, and leaves the waits of other threads', async () => {
    const of = word();
    const first = await workerOf(of);
    await first.end();
    const before = threadCount();
    const mine = of.futex.wait(0);
    await asleep(of, 1);
    for (let round = 0; round < 6; round++) {
      const worker = await workerOf(of);
      for (let count = 0; count < 3; count++) await worker.call('leave', 'futex.wait', 0);
      if (round % 2 === 0) await asleep(of, 4);
      await worker.end();
      expect(of.asleep()).toBe(1);
    }
    expect(of.futex.wake(Infinity)).toBe(1);
    expect(await mine).toBe('ok');
    await until('the threads are gone', () => threadCount() <= before + 1);
  });

  it('hands on a wake-up that its Worker has not heard of', async () => {
    const of = word();
    for (let round = 0; round < 5; round++) {
      const worker = await workerOf(of);
      await worker.call('leave', 'futex.wait', 0);
      await asleep(of, 1);
      const mine = of.futex.wait(0);
      await asleep(of, 2);
      await worker.call('stall');
      // Who waited first is woken first.
      expect(of.futex.wake()).toBe(1);
      await until('the first is awake', () => of.asleep() === 1);
      await worker.end();
      expect(await mine).toBe('ok');
    }
  });

  it('of a Worker detaches its memory alone', async () => {
    const of = word();
    const worker = await workerOf(of);
    await worker.call('leave', 'futex.wait', 0);
    await asleep(of, 1);
    const attached = borrow(SysvSharedMemory.openId(of.memory.id));
    const during = attached.stat().attached;
    await worker.end();
    expect(attached.stat().attached).toBe(during - 1);
    of.futex.value = 5;
    expect(of.futex.add(1)).toBe(5);
  });
});
