// PosixSemaphore between processes: by a name and in shared memory.
import { describe, expect, it } from 'vitest';
import { Memfd, PosixSemaphore } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { noSecondUser } from '../helpers/peers.js';
import { borrow } from '../helpers/queues.js';
import {
  type Placed,
  handled,
  named,
  placed,
  sharedMemory,
  sharedPeers,
  signalsOf,
  syncPeer,
  unprivilegedSyncPeer,
  watchingPeer,
} from '../helpers/sync-objects.js';
import { until } from '../helpers/until.js';

const places: [string, (options?: { initial?: number }) => Placed][] = [
  ['a name', named],
  ['shared memory', (options) => placed(options)],
];

/** Processes that tests use one after the other. */
const [watching, one, other] = sharedPeers(watchingPeer, syncPeer, syncPeer);

function waiting(of: Placed, least = 1): Promise<void> {
  return until('a wait is there', () => of.waiters() >= least);
}

describe.each(places)('two processes at %s', (_place, make) => {
  it('wake each other out of every variant that waits', async () => {
    const of = make();
    const peer = one();
    await of.open(peer);
    for (const [method, ...args] of [
      ['acquireSync'],
      ['acquireSync', { timeout: 60_000 }],
      ['acquire'],
      ['acquire', { timeout: 60_000 }],
    ] as [string, ...unknown[]][]) {
      const acquired = peer.call(`semaphore.${method}`, ...args);
      await waiting(of);
      of.semaphore.release();
      await acquired;
      expect(of.value(), method).toBe(0);
    }
    const mine = of.semaphore.acquire();
    await waiting(of);
    await peer.call('semaphore.release', 3);
    await mine;
    expect([of.semaphore.value, await peer.call('semaphore.value')]).toEqual([2, 2]);
    expect(await peer.call('semaphore.tryAcquire')).toBe(true);
    expect(of.semaphore.tryAcquire()).toBe(true);
    expect(await peer.call('semaphore.tryAcquire')).toBe(false);
  });

  it('throw EINTR out of acquireSync() when a handler of process.on() is to run', async () => {
    const of = make();
    const peer = watching();
    await of.open(peer);
    const before = await signalsOf(peer);
    for (const [index, options] of [{}, { timeout: 60_000 }].entries()) {
      const failed = peer.failure('semaphore.acquireSync', options);
      await waiting(of);
      peer.signal('SIGUSR2');
      const error = await failed;
      expect(error).toMatchObject({ class: 'IpcError', code: 'EINTR' });
      expect(error.syscall).toMatch(/^sem_/);
      await handled(peer, before + index + 1);
    }
    const acquired = peer.call('semaphore.acquire');
    await waiting(of);
    peer.signal('SIGUSR2');
    await handled(peer, before + 3);
    of.semaphore.release();
    await acquired;
  });

  it('that are ended: one that waits takes nothing with it, one that holds gives nothing back', async () => {
    const of = make({ initial: 2 });
    const peers = await Promise.all([syncPeer(), syncPeer()]);
    const [holder, interrupted] = peers;
    for (const peer of peers) await of.open(peer);
    await holder.call('semaphore.acquireSync');
    await holder.call('semaphore.acquire');
    holder.outcome('semaphore.acquire').catch(() => undefined);
    interrupted.outcome('semaphore.acquireSync').catch(() => undefined);
    await waiting(of, 2);
    holder.signal('SIGKILL');
    expect((await holder.exited).signal).toBe('SIGKILL');
    // Which nobody handles.
    interrupted.signal('SIGINT');
    expect((await interrupted.exited).signal).toBe('SIGINT');
    expect(of.value()).toBe(0);
    of.semaphore.release(2);
    expect(of.value()).toBe(2);
    of.semaphore.acquireSync();
    of.semaphore.acquireSync();
    expect(of.semaphore.tryAcquire()).toBe(false);
    // Whoever knows better gives it back.
    const acquired = of.semaphore.acquire({ timeout: 10_000 });
    of.again().release();
    await acquired;
  });

  it('add to one counter under it, and nothing is lost', async () => {
    const of = make({ initial: 1 });
    const memory = sharedMemory();
    const peers = [one(), other()];
    const times = 50_000;
    for (const peer of peers) {
      await of.open(peer);
      await peer.call('make', 'counter', 'SysvSharedMemory', 'openId', memory.id);
    }
    await Promise.all(
      peers.map((peer) => peer.call('count', 'PosixSemaphore', 'semaphore', 'counter', times)),
    );
    expect(new Int32Array(memory.buffer)[0]).toBe(2 * times);
    await Promise.all(peers.map((peer) => peer.call('countLater', 'semaphore', 'counter', 1000)));
    expect(new Int32Array(memory.buffer)[0]).toBe(2 * times + 2000);
    expect(of.value()).toBe(1);
  });
});

describe('a named semaphore', () => {
  it('is made once, however many open it at the same time, and stays when they end', async () => {
    const { semaphore } = named();
    const name = semaphore.name ?? '';
    semaphore.unlink();
    const peers = await Promise.all([syncPeer(), syncPeer()]);
    await Promise.all(
      peers.map(async (peer, index) => {
        await peer.call('make', 'semaphore', 'PosixSemaphore', 'open', name, { initial: 10 });
        await peer.call('semaphore.release', index + 1);
      }),
    );
    for (const peer of peers) {
      peer.end();
      expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
    }
    expect(borrow(PosixSemaphore.open(name, { create: false })).value).toBe(13);
  });

  it('of another user gives EACCES where its mode says so', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const { semaphore } = named();
    const peer = await unprivilegedSyncPeer();
    const error = await peer.failure('make', 'semaphore', 'PosixSemaphore', 'open', semaphore.name);
    expect(error).toMatchObject({ class: 'IpcError', code: 'EACCES', path: semaphore.name });
  });
});

describe('memory that fails', () => {
  it('beneath a semaphore does not end the process', async () => {
    const peer = await syncPeer();
    const of = placed({ initial: 1 });
    // Memory that may only be read: what is written stays in a copy of its own.
    await peer.call('make', 'readOnly', 'SysvSharedMemory', 'openId', of.memory.id, { readOnly: true });
    await peer.outcome('make', 'readOnlySemaphore', 'PosixSemaphore', 'at', '@readOnly', 64);
    for (const method of ['tryAcquire', 'release']) await peer.outcome(`readOnlySemaphore.${method}`);
    await peer.outcome('readOnlySemaphore.acquire', { timeout: 5 });
    await peer.outcome('readOnlySemaphore.acquireSync', { timeout: 5 });
    expect(of.value()).toBe(1);
    // Memory that is cut off beneath it.
    await peer.call('make', 'memfd', 'Memfd', 'create', { size: 4096 });
    const fd = await peer.call('memfd.fd');
    await peer.call('make', 'cut', 'PosixSemaphore', 'at', '@memfd', 64, { initial: 0 });
    const waits = peer.outcome('cut.acquire', { timeout: 50 });
    await peer.call('sys.ftruncate', fd, 0);
    for (const method of ['tryAcquire', 'release', 'value']) await peer.outcome(`cut.${method}`);
    await peer.outcome('cut.acquireSync', { timeout: 5 });
    await waits;
    await peer.call('memfd.close');
    await peer.call('cut.close');
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  it('that two processes share by its descriptor alone holds a semaphore for both', async () => {
    const memory = borrow(Memfd.create({ size: 4096 }));
    const semaphore = borrow(PosixSemaphore.at(memory, 0, { initial: 0 }));
    const peer = one();
    const fd = await peer.call('sys.open', `/proc/${process.pid}/fd/${memory.fd}`, sys.O_RDWR);
    await peer.call('make', 'memory', 'Memfd', 'fromFd', fd);
    await peer.call('make', 'semaphore', 'PosixSemaphore', 'at', '@memory', 0);
    const acquired = semaphore.acquire();
    await peer.call('semaphore.release');
    await acquired;
    expect(semaphore.value).toBe(0);
    await peer.call('sys.close', fd);
  });
});
