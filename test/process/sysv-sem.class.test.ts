// SysvSemaphoreSet between processes: making a set at the same moment, dying with it, waking each other.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { IPC_PRIVATE, SysvSemaphoreSet } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { compiledLibrary } from '../helpers/compile.js';
import { systemError } from '../helpers/failures.js';
import { type NodePeer, noSecondUser, program, sharedPeer } from '../helpers/peers.js';
import { borrow } from '../helpers/queues.js';
import { ownSemaphores, semaphoreRow, unusedSemaphoreKey, valuesOf } from '../helpers/semaphores.js';
import {
  asleep,
  asleepOnSet,
  handled,
  ownSet,
  privateSet,
  sharedMemory,
  sharedPeers,
  signalsOf,
  syncPeer,
  unprivilegedSyncPeer,
  watchingPeer,
} from '../helpers/sync-objects.js';
import { scale, stateOf, until } from '../helpers/until.js';

/** Processes that tests use one after the other. */
const peers = sharedPeers(watchingPeer, syncPeer, syncPeer, syncPeer);
const [watching, one, other] = peers;

/** The peer has the set as 'set' then. */
async function given(peer: NodePeer, set: SysvSemaphoreSet, ...options: object[]): Promise<NodePeer> {
  await peer.call('make', 'set', 'SysvSemaphoreSet', 'openId', set.id, ...options);
  return peer;
}

/** A process of the test's own that has the set as 'set'. */
async function peerOf(set: SysvSemaphoreSet): Promise<NodePeer> {
  return given(await syncPeer(), set);
}

async function killed(peer: NodePeer): Promise<void> {
  peer.signal('SIGKILL');
  await peer.exited;
}

describe('a new set', () => {
  it(
    'is whole and made once, however many open its key at the same moment',
    async () => {
      const processes = peers.length;
      const rounds = 100;
      const initial = [3, 0, 7];
      const memory = sharedMemory();
      const keys = Array.from({ length: rounds }, () => unusedSemaphoreKey());
      const seen = (await Promise.all(
        peers.map(async (peer, index) => {
          await peer().call('make', 'memory', 'SysvSharedMemory', 'openId', memory.id);
          // One of them only opens what another makes.
          return peer().call('race', 'memory', processes, keys, initial, index > 0);
        }),
      )) as number[][][];
      const wrong = seen.flatMap((rows) =>
        rows.filter(
          ([first = -1, second, third]) => first < 3 || first > 3 + processes || second !== 0 || third !== 7,
        ),
      );
      expect(wrong).toEqual([]);
      // Had it been made twice, what the first had released would be lost.
      for (const key of keys) {
        const set = ownSet(SysvSemaphoreSet.open(key, { create: false }));
        expect(set.values()).toEqual([3 + processes, 0, 7]);
      }
    },
    20_000 * scale,
  );

  /** A key whose making stops the process before the n-th of its calls: see fixtures/stopping.c. */
  const stoppingAt = (n: number): number =>
    unusedSemaphoreKey(() => 0x5e00_0000 + (n << 16) + randomInt(0x1_0000));
  const stopping = (): string[] => [
    'env',
    `LD_PRELOAD=${[process.env['LD_PRELOAD'], compiledLibrary('stopping')].filter(Boolean).join(' ')}`,
  ];
  const isStopped = (pid: number): boolean => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') T ');
  const initial = [5, 0, 6];
  /** Makes the set of the key, and stops on its way; false where it has not stopped. */
  const stopsOnItsWay = async (maker: NodePeer, key: number): Promise<[boolean, Promise<unknown>]> => {
    let settled = false;
    const made = maker.call('make', 'set', 'SysvSemaphoreSet', 'open', key, { initial });
    // An end by SIGKILL is what is wanted.
    made.then(
      () => (settled = true),
      () => (settled = true),
    );
    await until('it is stopped or done', () => settled || isStopped(maker.pid));
    return [!settled, made];
  };

  /** Whoever does not wait for the maker has answered by then; nothing depends on it. */
  const chanceToAnswer = (answers: Promise<unknown>): Promise<unknown> =>
    Promise.race([answers, new Promise((resolve) => setTimeout(resolve, 30))]);

  it('is whole to others, wherever its maker is stopped and goes on', async () => {
    const maker = await syncPeer(...stopping());
    let stops = 0;
    for (let n = 1; ; n++) {
      const key = stoppingAt(n);
      const [stopped, made] = await stopsOnItsWay(maker, key);
      if (!stopped) break;
      stops++;
      const seen = one().call('seen', key, { initial });
      const found = other().outcome('seen', key, { create: false });
      await chanceToAnswer(Promise.all([seen, found]));
      maker.signal('SIGCONT');
      await made;
      expect(await seen, `stopped before call ${n}`).toEqual(initial);
      const { value, error } = await found;
      if (error) expect(error.code, `stopped before call ${n}`).toBe('ENOENT');
      else expect(value, `stopped before call ${n}`).toEqual(initial);
      expect(ownSet(SysvSemaphoreSet.open(key, { create: false })).values()).toEqual(initial);
    }
    // Otherwise the test has shown nothing.
    expect(stops).toBeGreaterThan(1);
  });

  it(
    'is whole to others, wherever its maker is killed',
    async () => {
      let next = syncPeer(...stopping());
      let stops = 0;
      for (let n = 1; ; n++) {
        const maker = await next;
        const key = stoppingAt(n);
        const [stopped] = await stopsOnItsWay(maker, key);
        if (!stopped) break;
        stops++;
        next = syncPeer(...stopping());
        // Where the test fails meanwhile it is ended before it is awaited.
        next.catch(() => undefined);
        const found = watching().outcome('seen', key, { create: false });
        const seen = n % 2 === 0 ? one().call('seen', key, { initial }) : undefined;
        await killed(maker);
        // Who only opens gets a whole set or none, whether another has made what was left undone or not.
        const { value, error } = await found;
        if (error) expect(error.code, `killed before call ${n}`).toBe('ENOENT');
        else expect(value, `killed before call ${n}`).toEqual(initial);
        expect(await (seen ?? one().call('seen', key, { initial })), `killed before call ${n}`).toEqual(
          initial,
        );
        expect(semaphoreRow(ownSet(SysvSemaphoreSet.open(key)).id)?.perms).toBe('600');
        expect(await other().call('seen', key, { initial: [9, 9, 9] })).toEqual(initial);
      }
      // Otherwise the test has shown nothing.
      expect(stops).toBeGreaterThan(1);
    },
    20_000 * scale,
  );

  it('of ipcmk -S opens by its key and its id', async () => {
    const { stdout } = await program('ipcmk', '--semaphore', '3', '--mode', '0600').exited;
    const semid = ownSemaphores(Number(/\d+\s*$/.exec(stdout)?.[0]));
    const byId = borrow(SysvSemaphoreSet.openId(semid));
    expect(byId).toMatchObject({ id: semid, count: 3, key: semaphoreRow(semid)?.key });
    for (const options of [{}, { create: false }, { count: 3 }]) {
      const set = borrow(SysvSemaphoreSet.open(byId.key, options));
      expect(set).toMatchObject({ id: semid, count: 3 });
      expect(set.values()).toEqual([0, 0, 0]);
    }
    byId.release(2);
    expect(valuesOf(semid)).toEqual([0, 0, 1]);
  });
});

describe('two processes', () => {
  it('wake each other out of every variant that waits', async () => {
    const set = privateSet(0, 1);
    const peer = await given(one(), set);
    const all: [string, unknown[]][] = [
      ['acquireSync', [0, 2]],
      ['acquireSync', [0, 2, { undo: true }]],
      ['acquireSync', [0, 2, { timeout: 60_000 }]],
      ['applySync', [[{ index: 0, op: -2 }]]],
      ['applySync', [[{ index: 0, op: -2 }], { timeout: 60_000 }]],
      ['acquire', [0, 2]],
      ['apply', [[{ index: 0, op: -2 }]]],
    ];
    for (const [method, args] of all) {
      const acquired = peer.call(`set.${method}`, ...args);
      await asleep(set);
      set.release(0, 2);
      await acquired;
      expect(valuesOf(set.id), method).toEqual([0, 1]);
    }
    for (const [method, args] of [
      ['waitForZeroSync', [1]],
      ['waitForZeroSync', [1, { timeout: 60_000 }]],
      ['waitForZero', [1]],
    ] as [string, unknown[]][]) {
      const zero = peer.call(`set.${method}`, ...args);
      await asleep(set);
      expect(set.stat().semaphores[1]).toMatchObject({ value: 1, waiting: 0, waitingForZero: 1 });
      set.acquireSync(1);
      await zero;
      set.release(1);
    }
    const mine = set.acquire();
    await asleep(set);
    await peer.call('set.release');
    await mine;
    expect(set.stat().semaphores[0]).toMatchObject({ waiting: 0, pid: expect.any(Number) as number });
    await peer.call('set.release', 1);
    expect(set.stat().semaphores[1]?.pid).toBe(peer.pid);
  });

  it('that are ended while they wait, by SIGKILL or by SIGINT that nobody handles, take nothing with them', async () => {
    const set = privateSet(0);
    const victims = await Promise.all([peerOf(set), peerOf(set)]);
    victims[0].outcome('set.acquire').catch(() => undefined);
    victims[1].outcome('set.acquireSync').catch(() => undefined);
    await asleep(set, 2);
    await killed(victims[0]);
    victims[1].signal('SIGINT');
    expect((await victims[1].exited).signal).toBe('SIGINT');
    await asleep(set, 0);
    set.release();
    expect(valuesOf(set.id)).toEqual([1]);
  });

  it('add to one counter under the set, and nothing is lost', async () => {
    const set = privateSet(1);
    const memory = sharedMemory();
    const both = await Promise.all([given(one(), set), given(other(), set)]);
    const times = 20_000;
    for (const peer of both) await peer.call('make', 'memory', 'SysvSharedMemory', 'openId', memory.id);
    await Promise.all(both.map((peer) => peer.call('count', 'SysvSemaphoreSet', 'set', 'memory', times)));
    expect(new Int32Array(memory.buffer)[0]).toBe(2 * times);
    await Promise.all(both.map((peer) => peer.call('countLater', 'set', 'memory', 1000)));
    expect(new Int32Array(memory.buffer)[0]).toBe(2 * times + 2000);
    expect(valuesOf(set.id)).toEqual([1]);
  });
});

describe('removal of the set', () => {
  it('during every variant that waits gives EIDRM, and the text says why', async () => {
    for (const [method, ...args] of [
      ['acquireSync'],
      ['acquireSync', 0, 1, { timeout: 60_000 }],
      ['applySync', [{ index: 0, op: -1, undo: true }]],
      ['applySync', [{ index: 0, op: -1 }], { timeout: 60_000 }],
      ['waitForZeroSync', 1],
      ['waitForZeroSync', 1, { timeout: 60_000 }],
      ['acquire'],
      ['apply', [{ index: 0, op: -1, undo: true }]],
      ['waitForZero', 1],
    ] as [string, ...unknown[]][]) {
      const set = privateSet(0, 1);
      const peer = await given(one(), set);
      const failed = peer.failure(`set.${method}`, ...args);
      await asleep(set);
      set.remove();
      const error = await failed;
      expect(error, method).toMatchObject({ class: 'IpcError', code: 'EIDRM', id: set.id });
      expect(error.message, method).toMatch(/removed/);
    }
  });
});

describe('a signal handler', () => {
  it('of process.on() makes every blocking variant throw EINTR, and then runs', async () => {
    const set = privateSet(0, 1);
    const peer = await given(watching(), set);
    for (const [method, ...args] of [
      ['acquireSync'],
      ['acquireSync', 0, 1, { timeout: 60_000 }],
      ['acquireSync', 0, 1, { undo: true }],
      ['applySync', [{ index: 0, op: -1 }]],
      ['applySync', [{ index: 0, op: -1 }], { timeout: 60_000 }],
      ['waitForZeroSync', 1],
    ] as [string, ...unknown[]][]) {
      const before = await signalsOf(peer);
      const failed = peer.failure(`set.${method}`, ...args);
      await asleep(set);
      peer.signal('SIGUSR2');
      const error = await failed;
      expect(error, method).toMatchObject({ class: 'IpcError', code: 'EINTR', id: set.id });
      expect(error.syscall).toMatch(/^sem(timed)?op$/);
      await handled(peer, before + 1);
    }
    expect(valuesOf(set.id)).toEqual([0, 1]);
  });

  it('of process.on() runs at once during a promise variant, and the wait goes on', async () => {
    const set = privateSet(0);
    const peer = await given(watching(), set);
    const before = await signalsOf(peer);
    const acquired = peer.call('set.acquire');
    await asleep(set);
    peer.signal('SIGUSR2');
    await handled(peer, before + 1);
    expect(asleepOnSet(set)).toBe(1);
    set.release();
    await acquired;
  });

  it('does not wait for spin: EINTR and EIDRM come as without it', async () => {
    const set = privateSet(0);
    const peer = await given(watching(), set, { spin: 1000 });
    const interrupted = peer.failure('set.acquireSync');
    await asleep(set);
    peer.signal('SIGUSR2');
    expect(await interrupted).toMatchObject({ code: 'EINTR' });
    const removed = peer.failure('set.acquireSync');
    await asleep(set);
    set.remove();
    expect(await removed).toMatchObject({ code: 'EIDRM' });
  });
});

describe('undo', () => {
  async function takesAndEnds(end: (peer: NodePeer) => void): Promise<void> {
    const initial = [1, 2, 3, 4, 0, 0, 5, 6, 7];
    const set = privateSet(...initial);
    const peer = await peerOf(set);
    await peer.call('set.acquireSync', 0, 1, { undo: true });
    await peer.call('set.tryAcquire', 1, 2, { undo: true });
    await peer.call('set.acquire', 2, 2, { undo: true });
    await peer.call('set.acquire', 2, 1, { undo: true });
    const both = [
      { index: 3, op: -3, undo: true },
      { index: 3, op: 1, undo: true },
    ];
    await peer.call('set.applySync', both);
    await peer.call('set.tryApply', [{ index: 3, op: -1, undo: true }]);
    await peer.call('set.apply', [{ index: 3, op: -1, undo: true }]);
    // These are waited for, by a thread of its own.
    const waited = [
      peer.call('set.acquire', 4, 1, { undo: true }),
      peer.call('set.apply', [{ index: 5, op: -2, undo: true }]),
    ];
    await asleep(set, 2);
    set.release(4);
    set.release(5, 2);
    await Promise.all(waited);
    // What is released with undo is taken again; what has no undo stays.
    await peer.call('set.release', 6, 5, { undo: true });
    await peer.call('set.acquireSync', 7, 6);
    await peer.call('set.apply', [
      { index: 8, op: -7 },
      { index: 8, op: 2, undo: true },
      { index: 7, op: 9 },
    ]);
    expect(valuesOf(set.id)).toEqual([0, 0, 0, 0, 0, 0, 10, 9, 2]);
    const next = Promise.all([set.acquire(0), set.acquire(1, 2)]);
    await asleep(set, 2);
    end(peer);
    await peer.exited;
    await next;
    expect(valuesOf(set.id)).toEqual([0, 0, 3, 4, 1, 2, 5, 9, 0]);
  }

  it('gives back what every variant has taken or given, at SIGKILL and at the end of the program', async () => {
    await Promise.all([takesAndEnds((peer) => peer.signal('SIGKILL')), takesAndEnds((peer) => peer.end())]);
  });

  it('is not done twice, and not for waits that were never let through', async () => {
    const set = privateSet(2, 1, 0, 3);
    const peer = await peerOf(set);
    await peer.call('set.acquire', 0, 2, { undo: true });
    await peer.call('set.release', 0, 2, { undo: true });
    await peer.call('set.acquireSync', 1, 1, { undo: true });
    // A release without undo: the kernel adds one more at the end.
    await peer.call('set.release', 1, 1);
    peer.outcome('set.acquire', 2, 1, { undo: true }).catch(() => undefined);
    const timed = await peer.failure('set.acquire', 3, 4, { undo: true, timeout: 5 });
    expect(timed).toMatchObject({ code: 'ETIMEDOUT' });
    expect(await peer.call('set.tryAcquire', 3, 4, { undo: true })).toBe(false);
    await asleep(set);
    await killed(peer);
    expect(valuesOf(set.id)).toEqual([2, 2, 0, 3]);
  });

  it('lets a lock survive its holder, in the hands of those who wait', async () => {
    const set = privateSet(1);
    const [first, second] = await Promise.all([peerOf(set), peerOf(set)]);
    const last = await given(one(), set);
    await first.call('set.acquire', 0, 1, { undo: true });
    const waiting = second.call('set.acquire', 0, 1, { undo: true });
    await asleep(set);
    const waitingToo = last.call('set.acquireSync', 0, 1, { undo: true });
    await asleep(set, 2);
    await killed(first);
    await waiting;
    expect(asleepOnSet(set)).toBe(1);
    await killed(second);
    await waitingToo;
    expect(valuesOf(set.id)).toEqual([0]);
    await last.call('set.release', 0, 1, { undo: true });
    expect(valuesOf(set.id)).toEqual([1]);
  });
});

describe("another user's set", () => {
  const user = sharedPeer(unprivilegedSyncPeer);

  it('gives EACCES where its mode says so, and the text helps', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const key = unusedSemaphoreKey();
    const set = ownSet(SysvSemaphoreSet.open(key, { initial: 1 }));
    const peer = user();
    const open = ['make', 'set', 'SysvSemaphoreSet', 'open', key] as const;
    const used = [{}, { create: false }, { mode: 0o400 }];
    // A set that has not been used yet is opened in another way than one that has.
    for (let round = 0; round < 2; round++) {
      for (const options of used) {
        const error = await peer.failure(...open, options);
        expect(error).toMatchObject({ class: 'IpcError', ...systemError('EACCES', 'semget'), key });
        expect(error.message).toMatch(/\b0o?600\b/);
        expect(error.message).toMatch(/\b(uid|user|owner|owned)\b.{0,12}\b0\b|\broot\b/);
      }
      set.acquireSync();
      set.release();
    }
    set.set({ mode: 0o644 });
    // May be read, but not changed.
    expect(await peer.failure(...open)).toMatchObject({ code: 'EACCES', key });
    expect(await peer.call(...open, { create: false, mode: 0o400 })).toBe(set.id);
    await given(peer, set);
    expect(await peer.call('values', 'set')).toEqual([1]);
    for (const [method, ...args] of [
      ['tryAcquire'],
      ['acquire'],
      ['release'],
      ['setValue', 0, 5],
      ['setValues', [5]],
    ] as [string, ...unknown[]][]) {
      expect(await peer.failure(`set.${method}`, ...args), method).toMatchObject({
        class: 'IpcError',
        code: 'EACCES',
        id: set.id,
      });
    }
    for (const [method, ...args] of [['remove'], ['set', { mode: 0o666 }]] as [string, ...unknown[]][]) {
      expect(await peer.failure(`set.${method}`, ...args), method).toMatchObject({
        class: 'IpcError',
        ...systemError('EPERM', 'semctl'),
        id: set.id,
      });
    }
    expect(valuesOf(set.id)).toEqual([1]);
  });

  it('wakes a wait with EACCES or leaves it, when its permission is taken away, and loses nothing', async ({
    skip,
  }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const set = ownSet(SysvSemaphoreSet.open(IPC_PRIVATE, { mode: 0o666 }));
    const peer = await given(user(), set);
    const outcome = peer.outcome('set.acquire');
    await asleep(set);
    set.set({ mode: 0o600 });
    set.release();
    // The kernel asks for permission at the beginning of a semop alone.
    const { error } = await outcome;
    if (error) expect(error).toMatchObject({ code: 'EACCES' });
    expect(valuesOf(set.id)).toEqual([error ? 1 : 0]);
  });
});

describe('a program', () => {
  it('stays alive while acquire() waits and ends by itself, and inherits no wait to its children', async () => {
    const set = privateSet(0);
    const peer = await peerOf(set);
    const acquired = peer.call('set.acquire');
    await asleep(set);
    peer.end();
    // serve.js ends the peer with its input, waits or not.
    expect(await peer.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
    await acquired.catch(() => undefined);
    await asleep(set, 0);
    const mine = set.acquire();
    await asleep(set);
    expect(await stateOf(mine)).toBe('pending');
    const child = await program('true').exited;
    expect(child.code).toBe(0);
    expect(sys.semctl(set.id, 0, sys.GETNCNT)).toBe(1);
    set.release();
    await mine;
  });
});
