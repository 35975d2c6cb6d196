// Mappings of mmap in Workers: each environment has its own, and gives them back at its end.
import { fstatSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { mapped, mapsWith, newMemfd } from '../helpers/mappings.js';
import { ended, memoryWorker, message } from '../helpers/memory-workers.js';
import { until } from '../helpers/until.js';

const size = 2 ** 20;
const of = (which: number): { kind: 'object'; which: number; size: number } => ({
  kind: 'object',
  which,
  size,
});

/** Where memory of the object is mapped, by the kernel's account; pages of a mapping that were replaced are not. */
function places(fd: number): string[] {
  const { ino } = fstatSync(fd);
  return mapsWith('/memfd:unix-ipc-test').filter((line) => line.includes(` ${ino} `));
}

describe('a Worker', () => {
  it('has a mapping of its own, which this thread neither sees nor ends', async () => {
    const fd = newMemfd(size);
    const buffer = mapped(fd, size);
    const worker = memoryWorker('hold', of(fd));
    expect(await message(worker)).toBe(size);
    sys.munmap(buffer);
    expect(places(fd).length).toBeGreaterThan(0);
    await worker.terminate();
    expect(places(fd)).toEqual([]);
  });

  it.each(['end', 'exit', 'throw'] as const)('gives back what it has mapped: %s', async (task) => {
    const fd = newMemfd(size);
    const worker = memoryWorker(task, of(fd));
    await ended(worker);
    await until('it is unmapped', () => places(fd).length === 0);
  });

  it.each(['loop', 'write', 'random'] as const)(
    'that is ended while its memory is truncated gives back what it has mapped: %s',
    async (task) => {
      const fd = newMemfd(size);
      const own = new Uint8Array(mapped(fd, size)).fill(1);
      const worker = memoryWorker(task, of(fd), 5);
      expect(await message(worker)).toBe('begins');
      sys.ftruncate(fd, 0);
      expect(own[size - 1]).toBe(0);
      await worker.terminate();
      sys.munmap(own.buffer);
      await until('it is unmapped', () => places(fd).length === 0);
    },
  );
});

describe('Workers', () => {
  it('write to their read-only mappings at the same time, each to its own copy', async () => {
    const fd = newMemfd(size);
    const bytes = new Uint8Array(mapped(fd, size)).fill(1, 4096);
    const workers = [1, 2].map(() => memoryWorker('fault', of(fd), 2));
    const sums = await Promise.all(workers.map(message));
    expect(sums).toEqual([1, 2].map(() => 77 * (size / 4096 - 1)));
    expect(bytes.subarray(4096).every((each) => each === 1)).toBe(true);
  });

  it('map and unmap side by side without end, and nothing is left', async () => {
    const fd = newMemfd(size);
    const before = mapsWith('').length;
    const workers = [1, 2].map(() => memoryWorker('churn', of(fd), 1000));
    const done = Promise.all(workers.map(message));
    for (let time = 0; time < 2000; time++) sys.munmap(sys.mmap(null, size, 3, sys.MAP_SHARED, fd));
    expect(await done).toEqual(['done', 'done']);
    await Promise.all(workers.map((worker) => worker.terminate()));
    expect(places(fd)).toEqual([]);
    expect(mapsWith('').length).toBeLessThan(before + 100);
  });
});
