// PosixSemaphore in Workers: side by side with the main thread, and ended with waits pending.
import { describe, expect, it } from 'vitest';
import { threadCount } from '../helpers/kernel.js';
import { type Placed, WorkerPeer, named, placed, sharedMemory } from '../helpers/sync-objects.js';
import { until } from '../helpers/until.js';

const places: [string, (options?: { initial?: number }) => Placed][] = [
  ['a name', named],
  ['shared memory', (options) => placed(options)],
];

async function workerOf(of: Placed): Promise<WorkerPeer> {
  const worker = new WorkerPeer();
  await of.open(worker);
  return worker;
}

describe.each(places)('at %s', (_place, make) => {
  it('a Worker and the main thread wake each other out of every variant', async () => {
    const of = make();
    const worker = await workerOf(of);
    for (const method of ['acquireSync', 'acquire']) {
      const acquired = worker.call(`semaphore.${method}`);
      await until('the Worker waits', () => of.waiters() === 1);
      of.semaphore.release();
      await acquired;
    }
    const mine = of.semaphore.acquire();
    await until('this thread waits', () => of.waiters() === 1);
    await worker.call('semaphore.release');
    await mine;
    expect(of.value()).toBe(0);
  });

  it('two Workers add to one counter under it, and nothing is lost', async () => {
    const of = make({ initial: 1 });
    const memory = sharedMemory();
    const workers = await Promise.all([workerOf(of), workerOf(of)]);
    for (const worker of workers)
      await worker.call('make', 'counter', 'SysvSharedMemory', 'openId', memory.id);
    await Promise.all(
      workers.map((worker) => worker.call('count', 'PosixSemaphore', 'semaphore', 'counter', 10_000)),
    );
    await Promise.all(workers.map((worker) => worker.call('countLater', 'semaphore', 'counter', 500)));
    expect(new Int32Array(memory.buffer)[0]).toBe(21_000);
  });

  it('terminate() of a Worker with waits pending ends them, takes nothing, and leaves those of others', async () => {
    const of = make();
    const first = await workerOf(of);
    await first.end();
    const before = threadCount();
    const mine = of.semaphore.acquire();
    await until('this thread waits', () => of.waiters() === 1);
    for (let round = 0; round < 6; round++) {
      const worker = await workerOf(of);
      for (let count = 0; count < 3; count++) await worker.call('leave', 'semaphore.acquire');
      if (round % 2 === 0) await until('the Worker waits', () => of.waiters() >= 2);
      await worker.end();
      await until('its waits are gone', () => of.waiters() === 1);
    }
    of.semaphore.release(2);
    await mine;
    expect(of.value()).toBe(1);
    // One is this thread's own, for a while.
    await until('the threads are gone', () => threadCount() <= before + 1);
  });
});
