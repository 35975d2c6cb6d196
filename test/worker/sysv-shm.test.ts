// Segments in Workers: each environment has its own mappings, and gives them back at its end.
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { ended, memoryWorker, message } from '../helpers/memory-workers.js';
import { attach, attached, newSegment, segmentRow } from '../helpers/segments.js';
import { until } from '../helpers/until.js';

const size = 2 ** 20;
const of = (which: number): { kind: 'segment'; which: number; size: number } => ({
  kind: 'segment',
  which,
  size,
});

describe('a Worker', () => {
  it('has a mapping of its own, which this thread neither sees nor ends', async () => {
    const shmid = newSegment(size);
    const buffer = attach(shmid);
    const worker = memoryWorker('hold', of(shmid));
    expect(await message(worker)).toBe(size);
    expect(attached(shmid)).toBe(3);
    sys.shmdt(buffer);
    expect(attached(shmid)).toBe(2);
    await worker.terminate();
    expect(attached(shmid)).toBe(0);
  });

  it.each(['end', 'exit', 'throw'] as const)('gives back what it has attached: %s', async (task) => {
    const shmid = newSegment(size);
    const own = new Uint8Array(attach(shmid));
    const worker = memoryWorker(task, of(shmid));
    await ended(worker);
    await until('it is detached', () => attached(shmid) === 1);
    own[0] = 1;
    expect(own).toHaveLength(size);
  });

  it.each(['loop', 'write', 'count'] as const)(
    'that is ended in the middle of it gives back what it has attached: %s',
    async (task) => {
      const shmid = newSegment(size);
      const worker = memoryWorker(task, of(shmid), 1e12);
      expect(await message(worker)).toBe('begins');
      // The kernel counts the pieces that are left of a mapping when pages of it are replaced.
      expect(attached(shmid)).toBeGreaterThanOrEqual(task === 'write' ? 2 : 1);
      await worker.terminate();
      expect(attached(shmid)).toBe(0);
      const bytes = new Uint8Array(attach(shmid));
      if (task === 'write') expect(bytes.every((each) => each === 0)).toBe(true);
    },
  );

  it('that is ended while others work for it with the memory ends nobody', async () => {
    const shmid = newSegment(size);
    const worker = memoryWorker('random', of(shmid), 20);
    expect(await message(worker)).toBe('begins');
    await worker.terminate();
    await until('it is detached', () => attached(shmid) === 0);
  });

  it('that ends is the end of a removed segment, when it is the last', async () => {
    const shmid = newSegment(size);
    const worker = memoryWorker('hold', of(shmid));
    await message(worker);
    sys.shmctl(shmid, sys.IPC_RMID);
    expect(segmentRow(shmid)).toMatchObject({ nattch: 2, perms: '1600' });
    await worker.terminate();
    expect(segmentRow(shmid)).toBeUndefined();
  });
});

describe('Workers', () => {
  it('and this thread count by adding one to the same word, and no one is lost', async () => {
    const times = 200_000;
    const shmid = newSegment(size);
    const words = new Int32Array(attach(shmid));
    const workers = [1, 2, 3].map(() => memoryWorker('count', of(shmid), times));
    const done = workers.map(async (worker) => {
      expect(await message(worker)).toBe('begins');
      expect(await message(worker)).toBe('done');
    });
    for (let added = 0; added < times; added++) Atomics.add(words, 1, 1);
    await Promise.all(done);
    expect(words[1]).toBe(4 * times);
    await until('they are detached', () => attached(shmid) === 1);
  });

  it('write to their read-only mappings at the same time, each to its own copy', async () => {
    const shmid = newSegment(size);
    const bytes = new Uint8Array(attach(shmid)).fill(1, 4096);
    const workers = [1, 2].map(() => memoryWorker('fault', of(shmid), 2));
    const sums = await Promise.all(workers.map(message));
    expect(sums).toEqual([1, 2].map(() => 77 * (size / 4096 - 1)));
    expect(bytes.subarray(4096).every((each) => each === 1)).toBe(true);
  });

  it('attach and detach side by side without end, and nothing is left', async () => {
    const shmid = newSegment(size);
    const workers = [1, 2].map(() => memoryWorker('churn', of(shmid), 1000));
    const done = Promise.all(workers.map(message));
    for (let time = 0; time < 2000; time++) sys.shmdt(sys.shmat(shmid));
    expect(await done).toEqual(['done', 'done']);
    await until('they are detached', () => attached(shmid) === 0);
  });
});
