// SysvSharedMemory in Workers: side by side with the main thread, and ended with segments attached.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SysvSharedMemory } from 'unix-ipc';
import { fixture } from '../helpers/peers.js';
import { segmentRow, unusedSegmentKey } from '../helpers/segments.js';
import { mappingsOf, own, pages } from '../helpers/shared-memory.js';

function start(how: 'key' | 'id', name: number, count = 0): Worker {
  const workerData = { how, name, count };
  const worker = new Worker(fixture('shared-memory-worker.js'), { workerData });
  onTestFinished(async () => {
    await worker.terminate();
  });
  return worker;
}

describe('a Worker', () => {
  it.each(['key', 'id'] as const)('opens a segment by its %s and has the same memory', async (how) => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: pages, key }));
    const worker = start(how, how === 'key' ? key : memory.id, 100_000);
    const words = new Int32Array(memory.buffer, 0, 2);
    const answered = once(worker, 'message');
    for (let round = 0; round < 100_000; round++) Atomics.add(words, 0, 1);
    expect(await answered).toEqual([8]);
    expect([Atomics.load(words, 0), words[1]]).toEqual([200_000, 1]);
    expect(memory.read(pages - 8).toString()).toBe(how.padEnd(8));
    worker.postMessage('close');
    expect(await once(worker, 'message')).toEqual([0]);
    expect(memory.stat().attached).toBe(1);
    expect(words[0]).toBe(200_000);
  });

  it('that ends with segments attached detaches them, and those of others stay', async () => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: pages, key }));
    const mappings = mappingsOf(memory);
    const workers = [start('key', key), start('id', memory.id)];
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    expect(mappings()).toBeGreaterThanOrEqual(3);
    await workers[0]?.terminate();
    expect(segmentRow(memory.id)?.nattch).toBe(mappings());
    await workers[1]?.terminate();
    expect([mappings(), memory.stat().attached]).toEqual([1, 1]);
    memory.write(0, 'goes on');
    expect(memory.bytes.toString('latin1', 0, 7)).toBe('goes on');
  });
});
