// PosixSharedMemory and Memfd in Workers: side by side with the main thread, and ended with memory open.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Memfd, PosixSharedMemory } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { targetOf } from '../helpers/descriptors.js';
import { fixture } from '../helpers/peers.js';
import { closeIfStill, held, mappingsOf, memfd, pages, posix } from '../helpers/shared-memory.js';

function start(how: 'name' | 'fd', name: string | number, count = 0): Worker {
  const workerData = { how, name, count };
  const worker = new Worker(fixture('shared-memory-worker.js'), { workerData });
  onTestFinished(async () => {
    await worker.terminate();
  });
  return worker;
}

/** What a Worker is told to open it by; a descriptor is its own from then on. */
function nameOf(how: 'name' | 'fd', memory: PosixSharedMemory | Memfd): string | number {
  if ('name' in memory && how === 'name') return memory.name;
  const fd = sys.fcntl(memory.fd, sys.F_DUPFD_CLOEXEC, 3);
  const target = targetOf(fd);
  onTestFinished(() => closeIfStill(fd, target));
  return fd;
}

describe('a Worker', () => {
  it.each(['name', 'fd'] as const)('opens memory by its %s and has the same', async (how) => {
    const memory = how === 'name' ? posix(pages) : memfd(pages);
    const worker = start(how, nameOf(how, memory), 100_000);
    const words = new Int32Array(memory.buffer, 0, 2);
    const answered = once(worker, 'message');
    for (let round = 0; round < 100_000; round++) Atomics.add(words, 0, 1);
    expect(await answered).toEqual([8]);
    expect([Atomics.load(words, 0), words[1]]).toEqual([200_000, 1]);
    expect(memory.read(pages - 8).toString()).toBe(how.padEnd(8));
    worker.postMessage('close');
    expect(await once(worker, 'message')).toEqual([0]);
    expect(words[0]).toBe(200_000);
  });

  it.each(['name', 'fd'] as const)('that ends with memory open by its %s gives it back', async (how) => {
    const memory = how === 'name' ? posix(pages) : memfd(pages);
    const mappings = mappingsOf(memory);
    const before = held().descriptors;
    const worker = start(how, nameOf(how, memory));
    await once(worker, 'message');
    expect(mappings()).toBeGreaterThanOrEqual(2);
    await worker.terminate();
    expect(mappings()).toBe(1);
    expect(held().descriptors).toBe(before);
    memory.write(0, 'goes on');
    expect(memory.bytes.toString('latin1', 0, 7)).toBe('goes on');
  });
});
