// SysvSemaphoreSet: what its methods do, waits included. What takes two processes is in process/sysv-sem.class.test.ts.
import { getEventListeners } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { IPC_PRIVATE, IpcError, SysvSemaphoreSet, waitThreads } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { failure, rejection, systemError } from './helpers/failures.js';
import { nobody, noSecondUser } from './helpers/peers.js';
import { borrow } from './helpers/queues.js';
import {
  SEMVMX,
  changeSemaphoreLimits,
  ownSemaphores,
  semaphoreLimits,
  semaphoreLimitsAreFixed,
  semaphoreRow,
  semaphoreRows,
  unusedSemaphoreKey,
  valuesOf,
} from './helpers/semaphores.js';
import { asleep, asleepOnSet, ownSet, privateSet, promised } from './helpers/sync-objects.js';
import { scale, stateOf, turns, until } from './helpers/until.js';

type Loose = Record<string, (...args: unknown[]) => unknown>;
/** Calls made from JavaScript programs, where no type stops a wrong argument. */
const loose = (object: unknown): Loose => object as Loose;
const type = 'ERR_INVALID_ARG_TYPE';
const value = 'ERR_INVALID_ARG_VALUE';
const range = 'ERR_OUT_OF_RANGE';

async function codeOf(call: () => unknown): Promise<string | undefined> {
  return (await rejection(promised(call))).code;
}

/** semop is a semtimedop without a time limit to the kernel. */
const semop = /^sem(timed)?op$/;

interface Options {
  timeout?: number;
  signal?: AbortSignal;
}

type Set = SysvSemaphoreSet;

/** What waits as a promise: the values to begin with, the call, and what lets it through. */
interface Waits {
  initial: number[];
  wait: (set: Set, options?: Options) => Promise<unknown>;
  let: (set: Set) => void;
  /** What is in the set after it was let through. */
  after: number[];
}

const waits: [string, Waits][] = [
  [
    'acquire()',
    { initial: [0, 5], wait: (set, o) => set.acquire(0, 1, o), let: (s) => s.release(), after: [0, 5] },
  ],
  [
    'acquire() of several with undo',
    {
      initial: [9, 2],
      wait: (set, o) => set.acquire(1, 3, { undo: true, ...o }),
      let: (set) => set.release(1),
      after: [9, 0],
    },
  ],
  [
    'apply()',
    {
      initial: [1, 0, 0],
      wait: (set, o) =>
        set.apply(
          [
            { index: 0, op: -1 },
            { index: 1, op: -1 },
            { index: 2, op: 4 },
          ],
          o,
        ),
      let: (set) => set.release(1),
      after: [0, 0, 4],
    },
  ],
  [
    'waitForZero()',
    {
      initial: [3, 1],
      wait: (set, o) => set.waitForZero(1, o),
      let: (set) => set.tryAcquire(1),
      after: [3, 0],
    },
  ],
];

afterAll(() => until('no wait is left behind', () => waitThreads.running === 0));

describe('open()', () => {
  it('makes the set of a key that has none: one semaphore of 0, for its owner alone', () => {
    const key = unusedSemaphoreKey();
    const set = ownSet(SysvSemaphoreSet.open(key));
    expect(set).toBeInstanceOf(SysvSemaphoreSet);
    expect(semaphoreRow(set.id)).toMatchObject({ key, perms: '600', nsems: 1 });
    expect(valuesOf(set.id)).toEqual([0]);
    expect(set).toMatchObject({ key, count: 1, closed: false });
  });

  it('makes as many as count or initial says, with the initial values', () => {
    const made = (options: { count?: number; initial?: number | number[] }): number[] => {
      const set = ownSet(SysvSemaphoreSet.open(IPC_PRIVATE, options));
      expect(set.count).toBe(semaphoreRow(set.id)?.nsems);
      return valuesOf(set.id);
    };
    expect(made({ count: 3 })).toEqual([0, 0, 0]);
    expect(made({ initial: 4 })).toEqual([4]);
    expect(made({ count: 3, initial: 4 })).toEqual([4, 4, 4]);
    expect(made({ initial: [1, 0, SEMVMX] })).toEqual([1, 0, SEMVMX]);
    expect(made({ count: 2, initial: [7, 8] })).toEqual([7, 8]);
    expect(made({ count: semaphoreLimits().semopm + 100, initial: 1 })).toEqual(
      Array.from({ length: semaphoreLimits().semopm + 100 }, () => 1),
    );
  });

  it('opens the set of a key that has one, and leaves its values', () => {
    const key = unusedSemaphoreKey();
    const first = ownSet(SysvSemaphoreSet.open(key, { initial: [1, 2, 3] }));
    first.acquireSync(2);
    const second = borrow(SysvSemaphoreSet.open(key, { initial: [9, 9] }));
    expect(second.id).toBe(first.id);
    expect(second.count).toBe(3);
    expect(borrow(SysvSemaphoreSet.open(key)).count).toBe(3);
    expect(borrow(SysvSemaphoreSet.open(key, { create: false })).count).toBe(3);
    expect(valuesOf(first.id)).toEqual([1, 2, 2]);
  });

  it('opens a set that was never used, whoever made it', () => {
    const key = unusedSemaphoreKey();
    const semid = ownSemaphores(sys.semget(key, 2, sys.IPC_CREAT | sys.IPC_EXCL | 0o600));
    expect(borrow(SysvSemaphoreSet.open(key)).id).toBe(semid);
    expect(borrow(SysvSemaphoreSet.open(key, { create: false })).id).toBe(semid);
    expect(borrow(SysvSemaphoreSet.openId(semid)).count).toBe(2);
  });

  it('makes a new set at every call with IPC_PRIVATE', () => {
    expect(privateSet().id).not.toBe(privateSet().id);
    expect(privateSet().key).toBe(0);
  });

  it('opens by { path, projId }, as ftok makes the key', () => {
    const folder = mkdtempSync(join(tmpdir(), 'unix-ipc-key-'));
    try {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      const set = ownSet(SysvSemaphoreSet.open({ path, projId: 's' }));
      expect(semaphoreRow(set.id)?.key).toBe(sys.ftok(path, 's'));
      expect(borrow(SysvSemaphoreSet.open({ path, projId: 115 })).id).toBe(set.id);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('takes a key of 32 bits signed and unsigned', () => {
    const key = unusedSemaphoreKey(() => -1 - Math.floor(Math.random() * 2 ** 30));
    const set = ownSet(SysvSemaphoreSet.open(key + 2 ** 32, { exclusive: true }));
    expect(borrow(SysvSemaphoreSet.open(key, { create: false })).id).toBe(set.id);
    expect(semaphoreRow(set.id)?.key).toBe(key);
  });

  it('makes the set with the mode', () => {
    expect(semaphoreRow(ownSet(SysvSemaphoreSet.open(unusedSemaphoreKey(), { mode: 0o620 })).id)?.perms).toBe(
      '620',
    );
    expect(semaphoreRow(ownSet(SysvSemaphoreSet.open(IPC_PRIVATE, { mode: 0o644 })).id)?.perms).toBe('644');
  });

  it('fails with ENOENT and the key where there is none and create is false', () => {
    const key = unusedSemaphoreKey();
    const error = failure(() => SysvSemaphoreSet.open(key, { create: false }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'semget'), key });
    expect(error.message).toMatch(new RegExp(`0x${key.toString(16)}|${key}`));
    expect(semaphoreRows().some((row) => row.key === key)).toBe(false);
  });

  it('fails with EEXIST and the key where there is one and exclusive is given', () => {
    const key = unusedSemaphoreKey();
    const set = ownSet(SysvSemaphoreSet.open(key, { exclusive: true, initial: 3 }));
    const error = failure(() => SysvSemaphoreSet.open(key, { exclusive: true, initial: 5 }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('EEXIST', 'semget'), key });
    expect(valuesOf(set.id)).toEqual([3]);
  });

  it('fails with ENOENT and the path where the file is not there', () => {
    const path = join(tmpdir(), 'unix-ipc-no-such-file');
    const error = failure(() => SysvSemaphoreSet.open({ path, projId: 1 }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'ftok'), path });
  });

  it('fails with EINVAL where the set has fewer than count, and says so', () => {
    const key = unusedSemaphoreKey();
    ownSet(SysvSemaphoreSet.open(key, { count: 2 }));
    for (const options of [{ count: 3 }, { initial: [0, 0, 0] }, { count: 3, create: false }]) {
      const error = failure(() => SysvSemaphoreSet.open(key, options));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('EINVAL', 'semget'), key });
      expect(error.message).toContain('3');
    }
  });

  it('fails for more semaphores than semmsl, and says so', () => {
    const { semmsl: perSet } = semaphoreLimits();
    const before = semaphoreRows().length;
    const error = failure(() => SysvSemaphoreSet.open(IPC_PRIVATE, { count: perSet + 1 }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject(systemError('EINVAL', 'semget'));
    expect(error.message).toContain('SEMMSL');
    expect(error.message).toContain(String(perSet));
    expect(semaphoreRows()).toHaveLength(before);
  });

  it('gives values to no more than there are, in a set larger than those that can be numbered', ({
    skip,
  }) => {
    const reason = semaphoreLimitsAreFixed();
    skip(reason !== undefined, reason);
    changeSemaphoreLimits({ semmsl: 200_000 });
    const set = ownSet(SysvSemaphoreSet.open(IPC_PRIVATE, { count: 200_000 }));
    expect(set.values().every((each) => each === 0)).toBe(true);
  });

  it('fails with ENOSPC where the system has all its sets, and says which limit it is', ({ skip }) => {
    const reason = semaphoreLimitsAreFixed();
    skip(reason !== undefined, reason);
    const { length } = semaphoreRows();
    changeSemaphoreLimits({ semmni: length + 1 });
    privateSet();
    const error = failure(() => SysvSemaphoreSet.open(IPC_PRIVATE));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject(systemError('ENOSPC', 'semget'));
    expect(error.message).toContain('SEMMNI');
    expect(error.message).toContain(String(length + 1));
  });

  it.each([
    ['no key', undefined, type],
    ['null', null, type],
    ['a string', '0x1234', type],
    ['a bigint', 1n, type],
    ['NaN', NaN, range],
    ['a fraction', 1.5, range],
    ['2^32', 2 ** 32, range],
    ['-2^31 - 1', -(2 ** 31) - 1, range],
    ['no path', { projId: 1 }, type],
    ['no projId', { path: '/tmp' }, type],
    ['a path with NUL', { path: '/tmp\0', projId: 1 }, value],
    ['two characters as projId', { path: '/tmp', projId: 'ab' }, value],
  ])('refuses %s as key', async (_what, key, code) => {
    const before = semaphoreRows().length;
    expect(await codeOf(() => loose(SysvSemaphoreSet)['open']?.(key))).toBe(code);
    expect(semaphoreRows()).toHaveLength(before);
  });

  it.each([
    ['options of null', null, type],
    ['options of a number', 3, type],
    ['a mode of a string', { mode: '0600' }, type],
    ['a negative mode', { mode: -1 }, range],
    ['a mode of more than nine bits', { mode: 0o10000 }, range],
    ['create of a number', { create: 1 }, type],
    ['exclusive of a string', { exclusive: 'no' }, type],
    ['a count of a string', { count: '1' }, type],
    ['a count of null', { count: null }, type],
    ['a count of 0', { count: 0 }, range],
    ['a negative count', { count: -1 }, range],
    ['a count that is NaN', { count: NaN }, range],
    ['a fraction as count', { count: 1.5 }, range],
    ['a count of 2^32', { count: 2 ** 32 }, range],
    ['initial of a string', { initial: '1' }, type],
    ['initial of null', { initial: null }, type],
    ['initial of an object', { initial: {} }, type],
    ['a negative initial', { initial: -1 }, range],
    ['an initial that is NaN', { initial: NaN }, range],
    ['an initial fraction', { initial: 0.5 }, range],
    ['an initial over SEMVMX', { initial: SEMVMX + 1 }, /^(ERR_OUT_OF_RANGE|ERANGE)$/],
    ['an initial array with a string', { initial: [1, '2'] }, type],
    ['an initial array with a hole', { initial: [1, , 2] }, type], // eslint-disable-line no-sparse-arrays
    ['an initial array with a negative one', { initial: [1, -2] }, range],
    ['an initial array with one over SEMVMX', { initial: [1, SEMVMX + 1] }, /^(ERR_OUT_OF_RANGE|ERANGE)$/],
    ['an empty initial array', { initial: [] }, /^ERR_(OUT_OF_RANGE|INVALID_ARG_VALUE)$/],
    [
      'an initial array of another length than count',
      { count: 3, initial: [1, 2] },
      /^ERR_(OUT_OF_RANGE|INVALID_ARG_VALUE)$/,
    ],
    ['a negative spin', { spin: -1 }, range],
    ['a spin of a string', { spin: '1' }, type],
    ['a spin of null', { spin: null }, type],
    ['a spin that is NaN', { spin: NaN }, range],
  ])('refuses %s and makes no set', async (_what, options, code) => {
    const before = semaphoreRows().length;
    expect(await codeOf(() => loose(SysvSemaphoreSet)['open']?.(IPC_PRIVATE, options))).toMatch(code);
    expect(semaphoreRows()).toHaveLength(before);
  });
});

describe('openId()', () => {
  it('opens the set of an id', () => {
    const key = unusedSemaphoreKey();
    const semid = ownSemaphores(sys.semget(key, 3, sys.IPC_CREAT | 0o600));
    sys.semctl(semid, 0, sys.SETALL, [4, 5, 6]);
    const set = borrow(SysvSemaphoreSet.openId(semid));
    expect(set).toMatchObject({ id: semid, key, count: 3, closed: false });
    expect(set.values()).toEqual([4, 5, 6]);
  });

  it('fails with EINVAL and the id where there is no such set, then or at the first use', () => {
    const semid = sys.semget(sys.IPC_PRIVATE, 1, 0o600);
    sys.semctl(semid, 0, sys.IPC_RMID);
    const error = failure(() => SysvSemaphoreSet.openId(semid).tryAcquire());
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EINVAL', id: semid });
  });

  it.each([undefined, null, '1', 1n, {}, true])('refuses %s', async (id) => {
    expect(await codeOf(() => loose(SysvSemaphoreSet)['openId']?.(id))).toBe(type);
  });

  it.each([NaN, 0.5, 2 ** 31, Infinity])('refuses %s', async (id) => {
    expect(await codeOf(() => SysvSemaphoreSet.openId(id))).toBe(range);
  });

  it('refuses options that are none', async () => {
    const { id } = privateSet();
    expect(await codeOf(() => loose(SysvSemaphoreSet)['openId']?.(id, { spin: -1 }))).toBe(range);
    expect(await codeOf(() => loose(SysvSemaphoreSet)['openId']?.(id, { spin: null }))).toBe(type);
    expect(await codeOf(() => loose(SysvSemaphoreSet)['openId']?.(id, null))).toBe(type);
  });
});

const acquires: [string, (set: Set, index?: number, n?: number, undo?: boolean) => Promise<unknown>][] = [
  [
    'acquireSync()',
    (set, index, n, undo) =>
      promised(() =>
        set.acquireSync(index, n, undo === undefined ? { timeout: 1000 } : { undo, timeout: 1000 }),
      ),
  ],
  [
    'tryAcquire()',
    (set, index, n, undo) =>
      promised(() => expect(set.tryAcquire(index, n, undo === undefined ? {} : { undo })).toBe(true)),
  ],
  ['acquire()', (set, index, n, undo) => set.acquire(index, n, undo === undefined ? {} : { undo })],
];

describe.each(acquires)('%s', (name, acquire) => {
  const method = name.slice(0, -2);

  it('takes one of the first semaphore, or so many of the one of the index', async () => {
    const set = privateSet(3, 5, 7);
    await acquire(set);
    expect(valuesOf(set.id)).toEqual([2, 5, 7]);
    await acquire(set, 1);
    await acquire(set, 2, 7);
    expect(valuesOf(set.id)).toEqual([2, 4, 0]);
    await acquire(set, 0, 2, true);
    await acquire(set, 1, 4, false);
    expect(valuesOf(set.id)).toEqual([0, 0, 0]);
  });

  it(`takes ${SEMVMX} at once`, async () => {
    const set = privateSet(SEMVMX);
    await acquire(set, 0, SEMVMX);
    expect(valuesOf(set.id)).toEqual([0]);
  });

  it('fails for an index past the set, and takes nothing', async () => {
    const set = privateSet(1, 1);
    for (const index of [2, 65_535]) {
      expect(await codeOf(() => acquire(set, index))).toMatch(/^(EFBIG|ERR_OUT_OF_RANGE)$/);
    }
    expect(valuesOf(set.id)).toEqual([1, 1]);
  });

  it('fails with EINVAL where the set was removed', async () => {
    const set = privateSet(1);
    sys.semctl(set.id, 0, sys.IPC_RMID);
    const error = await rejection(acquire(set));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EINVAL', id: set.id });
    expect(error.syscall).toMatch(semop);
  });

  it.each([
    ['an index of a string', ['0'], type],
    ['an index of null', [null], type],
    ['an index of a bigint', [0n], type],
    ['a negative index', [-1], range],
    ['an index that is NaN', [NaN], range],
    ['a fraction as index', [0.5], range],
    ['an index of 2^16', [65_536], /^(EFBIG|ERR_OUT_OF_RANGE)$/],
    ['an n of a string', [0, '1'], type],
    ['an n of null', [0, null], type],
    ['an n of 0', [0, 0], range],
    ['a negative n', [0, -1], range],
    ['an n that is NaN', [0, NaN], range],
    ['a fraction as n', [0, 0.5], range],
    ['an n over SEMVMX', [0, SEMVMX + 2], range],
    ['an n of 2^16 + 1', [0, 65_537], range],
    ['options of null', [0, 1, null], type],
    ['options of a number', [0, 1, 5], type],
    ['undo of a number', [0, 1, { undo: 1 }], type],
    ['undo of null', [0, 1, { undo: null }], type],
  ] as [string, unknown[], string][])('refuses %s and takes nothing', async (_what, args, code) => {
    const set = privateSet(5, 5);
    expect(await codeOf(() => loose(set)[method]?.(...args))).toMatch(code);
    expect(valuesOf(set.id)).toEqual([5, 5]);
  });
});

describe.each(['acquireSync', 'acquire'])('%s()', (method) => {
  it.each([
    ['a time limit of a string', { timeout: '5' }, type],
    ['a time limit of null', { timeout: null }, type],
    ['a time limit that is NaN', { timeout: NaN }, range],
    ['a negative time limit', { timeout: -1 }, range],
  ])('refuses %s and takes nothing', async (_what, options, code) => {
    const set = privateSet(5);
    expect(await codeOf(() => loose(set)[method]?.(0, 1, options))).toBe(code);
    expect(valuesOf(set.id)).toEqual([5]);
  });
});

describe('tryAcquire()', () => {
  it('is false where there is less than n, and takes nothing', () => {
    const set = privateSet(2, 0);
    expect(set.tryAcquire(1)).toBe(false);
    expect(set.tryAcquire(0, 3)).toBe(false);
    expect(set.tryAcquire(0, 3, { undo: true })).toBe(false);
    expect(valuesOf(set.id)).toEqual([2, 0]);
    expect(set.tryAcquire(0, 2)).toBe(true);
  });
});

describe('release()', () => {
  it('adds one to the first semaphore, or so many to the one of the index', () => {
    const set = privateSet(0, 0);
    set.release();
    set.release(1, 5);
    set.release(1, 2, { undo: true });
    set.release(0, SEMVMX - 1);
    expect(valuesOf(set.id)).toEqual([SEMVMX, 7]);
  });

  it('fails with ERANGE over SEMVMX, says so and adds nothing', () => {
    const set = privateSet(SEMVMX, SEMVMX - 3);
    for (const [index, n] of [
      [0, 1],
      [1, 4],
    ] as const) {
      const error = failure(() => set.release(index, n));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ERANGE', id: set.id });
      expect(error.syscall).toMatch(semop);
      expect(error.message).toContain(String(SEMVMX));
    }
    expect(valuesOf(set.id)).toEqual([SEMVMX, SEMVMX - 3]);
  });

  it('fails with EINVAL where the set was removed', () => {
    const set = privateSet(1);
    sys.semctl(set.id, 0, sys.IPC_RMID);
    expect(failure(() => set.release())).toMatchObject({ code: 'EINVAL', id: set.id });
  });

  it.each([
    ['an index of a string', ['0'], type],
    ['a negative index', [-1], range],
    ['an index past the set', [1], /^(EFBIG|ERR_OUT_OF_RANGE)$/],
    ['an n of a string', [0, '1'], type],
    ['an n of 0', [0, 0], range],
    ['a negative n', [0, -1], range],
    ['an n that is NaN', [0, NaN], range],
    ['an n over SEMVMX', [0, SEMVMX + 2], /^(ERANGE|ERR_OUT_OF_RANGE)$/],
    ['options of null', [0, 1, null], type],
    ['undo of a string', [0, 1, { undo: 'yes' }], type],
  ] as [string, unknown[], string][])('refuses %s and adds nothing', async (_what, args, code) => {
    const set = privateSet(5);
    expect(await codeOf(() => loose(set)['release']?.(...args))).toMatch(code);
    expect(valuesOf(set.id)).toEqual([5]);
  });
});

type Operation = Parameters<Set['tryApply']>[0][number];

const applies: [string, (set: Set, operations: Operation[]) => Promise<unknown>][] = [
  ['applySync()', (set, operations) => promised(() => set.applySync(operations, { timeout: 1000 }))],
  ['tryApply()', (set, operations) => promised(() => expect(set.tryApply(operations)).toBe(true))],
  ['apply()', (set, operations) => set.apply(operations)],
];

describe.each(applies)('%s', (name, apply) => {
  const method = name.slice(0, -2);

  it('does all the operations, in their order', async () => {
    const set = privateSet(1, 2, 0);
    await apply(set, [
      { index: 0, op: -1 },
      { index: 1, op: 3 },
      { index: 2, op: 0 },
      { index: 2, op: 2, undo: true },
      { index: 0, op: 0 },
      { index: 0, op: 4, undo: false },
      { index: 0, op: -3 },
    ]);
    expect(valuesOf(set.id)).toEqual([1, 5, 2]);
  });

  it('does as many as semopm, and fails with E2BIG for more and says so', async () => {
    const { semopm: operations } = semaphoreLimits();
    const set = privateSet(0);
    const several = (count: number): Operation[] =>
      Array.from({ length: count }, () => ({ index: 0, op: 1 }));
    await apply(set, several(operations));
    expect(valuesOf(set.id)).toEqual([operations]);
    const error = await rejection(apply(set, several(operations + 1)));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'E2BIG', id: set.id });
    expect(error.syscall).toMatch(semop);
    expect(error.message).toContain('semopm');
    expect(error.message).toContain(String(operations));
    expect(error.message).toContain(String(operations + 1));
    expect(valuesOf(set.id)).toEqual([operations]);
  });

  it('fails with ERANGE over SEMVMX, says so and does nothing', async () => {
    const set = privateSet(1, SEMVMX);
    const error = await rejection(
      apply(set, [
        { index: 0, op: -1 },
        { index: 1, op: 1 },
      ]),
    );
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ERANGE', id: set.id });
    expect(error.message).toContain(String(SEMVMX));
    expect(valuesOf(set.id)).toEqual([1, SEMVMX]);
  });

  it('fails for an index past the set and does nothing', async () => {
    const set = privateSet(1);
    const code = await codeOf(() =>
      apply(set, [
        { index: 0, op: -1 },
        { index: 1, op: -1 },
      ]),
    );
    expect(code).toMatch(/^(EFBIG|ERR_OUT_OF_RANGE)$/);
    expect(valuesOf(set.id)).toEqual([1]);
  });

  it.each([
    ['no operations', [], type],
    ['null', [null], type],
    ['an operation that is not in an array', [{ index: 0, op: 1 }], type],
    ['an empty array', [[]], /^(ERR_OUT_OF_RANGE|ERR_INVALID_ARG_VALUE|EINVAL)$/],
    ['an operation of null', [[null]], type],
    ['an operation of a number', [[1]], type],
    ['a hole', [[, { index: 0, op: 1 }]], type], // eslint-disable-line no-sparse-arrays
    ['an operation without op', [[{ index: 0 }]], type],
    ['an operation without index', [[{ op: 1 }]], type],
    ['an op of a string', [[{ index: 0, op: '1' }]], type],
    ['an op that is NaN', [[{ index: 0, op: NaN }]], range],
    ['a fraction as op', [[{ index: 0, op: 0.5 }]], range],
    ['an op of 2^15', [[{ index: 0, op: 2 ** 15 }]], range],
    ['an op of -2^15 - 1', [[{ index: 0, op: -(2 ** 15) - 1 }]], range],
    ['an op of 2^32 + 1', [[{ index: 0, op: 2 ** 32 + 1 }]], range],
    ['an index of a string', [[{ index: '0', op: 1 }]], type],
    ['a negative index', [[{ index: -1, op: 1 }]], range],
    ['an index of 2^16', [[{ index: 65_536, op: 1 }]], /^(EFBIG|ERR_OUT_OF_RANGE)$/],
    ['undo of a number', [[{ index: 0, op: 1, undo: 1 }]], type],
    [
      'one that is wrong after one that is right',
      [
        [
          { index: 0, op: 1 },
          { index: 0, op: '1' },
        ],
      ],
      type,
    ],
    ['options of null', [[{ index: 0, op: 1 }], null], type],
  ] as [string, unknown[], string][])('refuses %s and does nothing', async (_what, args, code) => {
    // To tryApply() options are nothing, as to every function an argument too many.
    if (method === 'tryApply' && args.length === 2) return;
    const set = privateSet(5);
    expect(await codeOf(() => loose(set)[method]?.(...args))).toMatch(code);
    expect(valuesOf(set.id)).toEqual([5]);
  });
});

describe('tryApply()', () => {
  it('is false where one operation would wait, and does none of the others', () => {
    const set = privateSet(1, 0, 1);
    expect(
      set.tryApply([
        { index: 0, op: -1 },
        { index: 1, op: -1 },
      ]),
    ).toBe(false);
    expect(
      set.tryApply([
        { index: 0, op: 1 },
        { index: 2, op: 0 },
      ]),
    ).toBe(false);
    expect(valuesOf(set.id)).toEqual([1, 0, 1]);
  });
});

describe('waitForZero() of each variant', () => {
  it('does nothing where the semaphore is zero', async () => {
    const set = privateSet(0, 3, 0);
    set.waitForZeroSync();
    set.waitForZeroSync(2, { timeout: 0 });
    expect(set.tryWaitForZero()).toBe(true);
    expect(set.tryWaitForZero(1)).toBe(false);
    await set.waitForZero();
    await set.waitForZero(2, { timeout: 0 });
    expect(valuesOf(set.id)).toEqual([0, 3, 0]);
  });

  it('fails for an index that is none, and where the set was removed', async () => {
    const set = privateSet(0);
    for (const method of ['waitForZeroSync', 'tryWaitForZero', 'waitForZero']) {
      expect(await codeOf(() => loose(set)[method]?.(1)), method).toMatch(/^(EFBIG|ERR_OUT_OF_RANGE)$/);
      expect(await codeOf(() => loose(set)[method]?.(-1)), method).toBe(range);
      expect(await codeOf(() => loose(set)[method]?.('0')), method).toBe(type);
    }
    expect(await codeOf(() => loose(set)['waitForZero']?.(0, { timeout: -1 }))).toBe(range);
    expect(await codeOf(() => loose(set)['waitForZeroSync']?.(0, null))).toBe(type);
    sys.semctl(set.id, 0, sys.IPC_RMID);
    for (const method of ['waitForZeroSync', 'tryWaitForZero', 'waitForZero']) {
      expect(await codeOf(() => loose(set)[method]?.(0)), method).toBe('EINVAL');
    }
  });

  it('lets all through that wait when it becomes zero, once', async () => {
    const set = privateSet(2);
    const first = [
      set.waitForZero(),
      set.waitForZero(),
      borrow(SysvSemaphoreSet.openId(set.id)).waitForZero(),
    ];
    await until('they wait', () => asleepOnSet(set) >= 1);
    set.acquireSync();
    expect(await stateOf(Promise.race(first))).toBe('pending');
    set.acquireSync();
    await Promise.all(first);
    set.release();
    const next = set.waitForZero();
    await asleep(set);
    expect(await stateOf(next)).toBe('pending');
    set.acquireSync();
    await next;
  });

  it('lets all through that wait when it is zero for a moment only', async () => {
    const set = privateSet(1);
    const other = privateSet(1);
    // So that both calls are as fast as they will be.
    for (let count = 0; count < 10_000; count++) {
      other.tryAcquire();
      other.release();
    }
    const waits = Array.from({ length: 8 }, () => set.waitForZero());
    await until('all are asleep', () => set.stat().semaphores[0]?.waitingForZero === 8);
    set.tryAcquire();
    set.release();
    await Promise.all(waits);
    expect(set.values()).toEqual([1]);
  });
});

describe('values(), setValues() and setValue()', () => {
  it('read and write all, or one', () => {
    const set = privateSet(1, 2, 3);
    expect(set.values()).toEqual([1, 2, 3]);
    set.setValues([0, SEMVMX, 7]);
    expect(valuesOf(set.id)).toEqual([0, SEMVMX, 7]);
    set.setValue(1, 0);
    set.setValue(2, SEMVMX);
    expect(set.values()).toEqual([0, 0, SEMVMX]);
  });

  it('let waits through', async () => {
    const set = privateSet(0, 1);
    const acquired = set.acquire(0, 2);
    const zero = set.waitForZero(1);
    await asleep(set, 2);
    set.setValue(0, 5);
    await acquired;
    set.setValues([3, 0]);
    await zero;
    expect(valuesOf(set.id)).toEqual([3, 0]);
  });

  it.each([
    ['setValues', 'nothing', [], type],
    ['setValues', 'a number', [1], type],
    ['setValues', 'too few', [[1]], /^ERR_(OUT_OF_RANGE|INVALID_ARG_VALUE)$/],
    ['setValues', 'too many', [[1, 1, 1]], /^ERR_(OUT_OF_RANGE|INVALID_ARG_VALUE)$/],
    ['setValues', 'none', [[]], /^ERR_(OUT_OF_RANGE|INVALID_ARG_VALUE)$/],
    ['setValues', 'a string among them', [[1, '1']], type],
    ['setValues', 'a negative one', [[1, -1]], range],
    ['setValues', 'a fraction', [[1, 0.5]], range],
    ['setValues', 'one over SEMVMX', [[1, SEMVMX + 1]], /^(ERANGE|ERR_OUT_OF_RANGE)$/],
    ['setValues', 'one of 2^16', [[1, 65_536]], /^(ERANGE|ERR_OUT_OF_RANGE)$/],
    ['setValue', 'nothing', [], type],
    ['setValue', 'no value', [0], type],
    ['setValue', 'an index of a string', ['0', 1], type],
    ['setValue', 'a negative index', [-1, 1], range],
    ['setValue', 'an index past the set', [2, 1], /^(EINVAL|EFBIG|ERR_OUT_OF_RANGE)$/],
    ['setValue', 'a value of a string', [0, '1'], type],
    ['setValue', 'a negative value', [0, -1], /^(ERANGE|ERR_OUT_OF_RANGE)$/],
    ['setValue', 'a value over SEMVMX', [0, SEMVMX + 1], /^(ERANGE|ERR_OUT_OF_RANGE)$/],
    ['setValue', 'a value of 2^32', [0, 2 ** 32], /^(ERANGE|ERR_OUT_OF_RANGE)$/],
  ] as [string, string, unknown[], string][])('%s() refuses %s', async (method, _what, args, code) => {
    const set = privateSet(5, 6);
    expect(await codeOf(() => loose(set)[method]?.(...args))).toMatch(code);
    expect(valuesOf(set.id)).toEqual([5, 6]);
  });

  it('say SEMVMX where a value is over it', () => {
    const set = privateSet(0);
    expect(failure(() => set.setValue(0, SEMVMX + 1)).message).toContain(String(SEMVMX));
    expect(failure(() => set.setValues([SEMVMX + 1])).message).toContain(String(SEMVMX));
  });

  it('fail with EINVAL where the set was removed', () => {
    const set = privateSet(1);
    sys.semctl(set.id, 0, sys.IPC_RMID);
    for (const call of [() => set.values(), () => set.setValues([1]), () => set.setValue(0, 1)]) {
      const error = failure(call);
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('EINVAL', 'semctl'), id: set.id });
    }
  });
});

describe('stat()', () => {
  it('gives what the kernel has', () => {
    const key = unusedSemaphoreKey();
    const set = ownSet(SysvSemaphoreSet.open(key, { mode: 0o640, initial: [3, 0] }));
    set.acquireSync();
    const row = semaphoreRow(set.id);
    expect(set.stat()).toEqual({
      key,
      uid: row?.uid,
      gid: row?.gid,
      creatorUid: row?.cuid,
      creatorGid: row?.cgid,
      mode: 0o640,
      count: 2,
      lastOperationTime: new Date((row?.otime ?? 0) * 1000),
      changeTime: new Date((row?.ctime ?? 0) * 1000),
      semaphores: [
        { value: 2, pid: process.pid, waiting: 0, waitingForZero: 0 },
        { value: 0, pid: expect.any(Number) as number, waiting: 0, waitingForZero: 0 },
      ],
    });
  });

  it('counts who waits for more, and who for zero', async () => {
    const set = privateSet(0, 2, 0);
    const others = [1, 2].map(() => borrow(SysvSemaphoreSet.openId(set.id)));
    const ended = Promise.allSettled([
      set.acquire(0, 1),
      ...others.map((other) => other.acquire(0, 2)),
      set.waitForZero(1),
      set.apply([
        { index: 1, op: -1 },
        { index: 2, op: -1 },
      ]),
    ]);
    await until('they wait', () => asleepOnSet(set) >= 4);
    const { semaphores } = set.stat();
    expect(semaphores.map(({ value: now, waitingForZero }) => [now, waitingForZero])).toEqual([
      [0, 0],
      [2, 1],
      [0, 0],
    ]);
    expect(semaphores[0]?.waiting).toBe(sys.semctl(set.id, 0, sys.GETNCNT));
    expect(semaphores[2]?.waiting).toBe(1);
    set.close();
    for (const other of others) other.close();
    await ended;
  });

  it('has no time of an operation that has not been', () => {
    const semid = ownSemaphores(sys.semget(sys.IPC_PRIVATE, 1, 0o600));
    const stat = borrow(SysvSemaphoreSet.openId(semid)).stat();
    expect(stat.lastOperationTime).toBeUndefined();
    expect(stat.semaphores).toEqual([{ value: 0, pid: 0, waiting: 0, waitingForZero: 0 }]);
  });

  it('fails with EINVAL where the set was removed', () => {
    const set = privateSet();
    sys.semctl(set.id, 0, sys.IPC_RMID);
    expect(failure(() => set.stat())).toMatchObject({ ...systemError('EINVAL', 'semctl'), id: set.id });
  });
});

describe('set()', () => {
  it('changes what is given and nothing else', () => {
    const set = ownSet(SysvSemaphoreSet.open(IPC_PRIVATE, { mode: 0o640, initial: 3 }));
    set.set({ mode: 0o600 });
    expect(set.stat()).toMatchObject({ mode: 0o600, uid: process.getuid?.() });
    set.set({});
    expect(set.stat()).toMatchObject({ mode: 0o600 });
    expect(set.values()).toEqual([3]);
  });

  it('gives the set to another owner', ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const set = privateSet();
    set.set({ uid: nobody, gid: nobody });
    expect(semaphoreRow(set.id)).toMatchObject({
      uid: nobody,
      gid: nobody,
      cuid: process.getuid?.(),
      perms: '600',
    });
  });

  it.each([
    ['nothing', [], type],
    ['null', [null], type],
    ['a uid of a string', [{ uid: '0' }], type],
    ['a negative uid', [{ uid: -2 }], range],
    ['a mode of a string', [{ mode: '600' }], type],
    ['a mode of more than nine bits', [{ mode: 0o10000 }], range],
  ] as [string, unknown[], string][])('refuses %s', async (_what, args, code) => {
    const set = privateSet();
    expect(await codeOf(() => loose(set)['set']?.(...args))).toBe(code);
    expect(semaphoreRow(set.id)).toMatchObject({ perms: '600', uid: process.getuid?.() });
  });
});

describe('remove()', () => {
  it('destroys the set, and calls fail with EINVAL afterwards', () => {
    const set = privateSet(1);
    set.remove();
    expect(semaphoreRow(set.id)).toBeUndefined();
    expect(failure(() => set.tryAcquire())).toMatchObject({ code: 'EINVAL' });
    const error = failure(() => set.remove());
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('EINVAL', 'semctl'), id: set.id });
  });
});

describe('list() and limits()', () => {
  it('list() has the sets that the kernel lists', () => {
    const set = ownSet(SysvSemaphoreSet.open(unusedSemaphoreKey(), { mode: 0o604, count: 4 }));
    const mine = SysvSemaphoreSet.list().find(({ id }) => id === set.id);
    expect(mine).toMatchObject({ id: set.id, key: set.key, mode: 0o604, count: 4 });
    const ids = SysvSemaphoreSet.list().map(({ id }) => id);
    expect(ids.sort((a, b) => a - b)).toEqual(
      semaphoreRows()
        .map(({ semid }) => semid)
        .sort((a, b) => a - b),
    );
  });

  it('list() has no set that was removed', () => {
    const set = privateSet();
    set.remove();
    expect(SysvSemaphoreSet.list().some(({ id }) => id === set.id)).toBe(false);
  });

  it('limits() has the limits that the kernel has, and how much is in use', () => {
    privateSet(1, 2, 3);
    const { semmsl: perSet, semmns: semaphores, semopm: operations, semmni: sets } = semaphoreLimits();
    const rows = semaphoreRows();
    expect(SysvSemaphoreSet.limits()).toEqual({
      maxSets: sets,
      maxSemaphores: semaphores,
      maxPerSet: perSet,
      maxOperations: operations,
      maxValue: SEMVMX,
      sets: rows.length,
      semaphores: rows.reduce((sum, { nsems }) => sum + nsems, 0),
    });
  });
});

describe('time limits', () => {
  const limits: [string, (set: Set, timeout: number) => unknown][] = [
    ['acquireSync()', (set, timeout) => set.acquireSync(0, 1, { timeout })],
    ['acquireSync() with undo', (set, timeout) => set.acquireSync(0, 2, { timeout, undo: true })],
    [
      'applySync()',
      (set, timeout) =>
        set.applySync(
          [
            { index: 1, op: -1 },
            { index: 0, op: -1 },
          ],
          { timeout },
        ),
    ],
    ['waitForZeroSync()', (set, timeout) => set.waitForZeroSync(1, { timeout })],
    ['acquire()', (set, timeout) => set.acquire(0, 1, { timeout })],
    [
      'apply()',
      (set, timeout) =>
        set.apply(
          [
            { index: 1, op: -1 },
            { index: 0, op: -1 },
          ],
          { timeout },
        ),
    ],
    ['waitForZero()', (set, timeout) => set.waitForZero(1, { timeout })],
  ];

  it.each(limits)('of %s are never early and kept within 20 ms', async (_name, call) => {
    const set = privateSet(0, 1);
    const late: number[] = [];
    for (const timeout of [1, 2, 5, 10, 20, 33, 10, 0.5, 1.5]) {
      const start = performance.now();
      const error = await rejection(promised(() => call(set, timeout)));
      const took = performance.now() - start;
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ETIMEDOUT', id: set.id });
      expect(error.syscall).toMatch(semop);
      expect(took).toBeGreaterThanOrEqual(timeout);
      late.push(took - timeout);
    }
    late.sort((a, b) => a - b);
    expect(late[Math.floor(late.length / 2)]).toBeLessThan(20 * scale);
    expect(valuesOf(set.id)).toEqual([0, 1]);
    await asleep(set, 0);
  });

  it('of 0 take what is there and wait for nothing', async () => {
    const set = privateSet(2);
    set.acquireSync(0, 1, { timeout: 0 });
    await set.acquire(0, 1, { timeout: 0 });
    expect(failure(() => set.acquireSync(0, 1, { timeout: 0 })).code).toBe('ETIMEDOUT');
    expect((await rejection(set.acquire(0, 1, { timeout: 0 }))).code).toBe('ETIMEDOUT');
  });

  it('of one wait leave the others alone, in front of it and behind', async () => {
    const set = privateSet(0);
    const first = set.acquire();
    const hasty = rejection(set.acquire(0, 1, { timeout: 20 }));
    const last = set.acquire();
    expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
    set.release(0, 2);
    await Promise.all([first, last]);
    const hastier = rejection(set.acquire(0, 1, { timeout: 10 }));
    const patient = set.acquire();
    expect(await hastier).toMatchObject({ code: 'ETIMEDOUT' });
    set.release();
    await patient;
    expect(valuesOf(set.id)).toEqual([0]);
  });

  it('hold with spin too', async () => {
    const set = borrow(SysvSemaphoreSet.openId(privateSet(0).id, { spin: 200 }));
    for (const timeout of [0, 1, 10]) {
      const start = performance.now();
      expect(failure(() => set.acquireSync(0, 1, { timeout })).code).toBe('ETIMEDOUT');
      expect((await rejection(set.acquire(0, 1, { timeout }))).code).toBe('ETIMEDOUT');
      expect(performance.now() - start).toBeGreaterThanOrEqual(2 * timeout);
    }
  });
});

describe.each(waits)('a pending %s', (_name, { initial, wait, let: letThrough, after }) => {
  it('is let through, and has done its operations', async () => {
    const set = privateSet(...initial);
    const waiting = wait(set);
    await asleep(set);
    expect(await stateOf(waiting)).toBe('pending');
    expect(valuesOf(set.id)).toEqual(initial);
    letThrough(set);
    await waiting;
    expect(valuesOf(set.id)).toEqual(after);
  });

  it('is let through in time', async () => {
    const set = privateSet(...initial);
    const waiting = wait(set, { timeout: 10_000 * scale });
    await asleep(set);
    letThrough(set);
    await waiting;
    expect(valuesOf(set.id)).toEqual(after);
  });

  it('that is aborted before rejects with the reason and does nothing', async () => {
    const set = privateSet(...initial);
    const reason = new Error('not today');
    expect(await rejection(wait(set, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    letThrough(set);
    const now = valuesOf(set.id);
    expect(await rejection(wait(set, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(valuesOf(set.id)).toEqual(now);
  });

  it('that is aborted rejects with the reason, whatever it is, and leaves what comes to others', async () => {
    const set = privateSet(...initial);
    for (const reason of [new Error('enough'), { any: 'value' }, undefined]) {
      const controller = new AbortController();
      const ended = wait(set, { signal: controller.signal }).then(
        () => 'fulfilled',
        (error: unknown) => error,
      );
      await asleep(set);
      controller.abort(reason);
      if (reason === undefined) expect(await ended).toMatchObject({ name: 'AbortError' });
      else expect(await ended).toBe(reason);
      await asleep(set, 0);
    }
    expect(valuesOf(set.id)).toEqual(initial);
    const other = wait(set);
    letThrough(set);
    await other;
    expect(valuesOf(set.id)).toEqual(after);
  });

  it('that is aborted afterwards changes nothing, and no listener stays on the signal', async () => {
    const set = privateSet(...initial);
    const controller = new AbortController();
    const waiting = wait(set, { signal: controller.signal });
    await asleep(set);
    letThrough(set);
    await waiting;
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    await turns();
    expect(await stateOf(waiting)).toBe('fulfilled');
    expect(valuesOf(set.id)).toEqual(after);
  });

  it('that is aborted when it is just let through loses nothing', async () => {
    const set = privateSet(...initial);
    for (let round = 0; round < 40; round++) {
      set.setValues(initial);
      const controller = new AbortController();
      const done = wait(set, { signal: controller.signal }).then(
        () => true,
        (error: unknown) => {
          expect(error).toBe(controller.signal.reason);
          return false;
        },
      );
      if (round % 4 !== 0) await asleep(set);
      if (round % 2 === 0) controller.abort();
      letThrough(set);
      if (round % 2 === 1) controller.abort();
      if (await done) expect(valuesOf(set.id)).toEqual(after);
      else {
        // What was let through is there for the next.
        await wait(set, { timeout: 5_000 * scale });
        expect(valuesOf(set.id)).toEqual(after);
      }
    }
  });

  it('rejects with ECANCELED when the object is closed', async () => {
    const set = privateSet(...initial);
    const ended = [rejection(wait(set)), rejection(wait(set))];
    await until('it waits', () => asleepOnSet(set) >= 1);
    set.close();
    for (const error of await Promise.all(ended)) {
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ECANCELED', id: set.id });
      expect(error.syscall).toMatch(semop);
    }
    await asleep(set, 0);
    expect(valuesOf(set.id)).toEqual(initial);
  });

  it('loses nothing when the object is closed at the same time', async () => {
    const owner = privateSet(...initial);
    for (let round = 0; round < 20; round++) {
      owner.setValues(initial);
      const set = borrow(SysvSemaphoreSet.openId(owner.id));
      const done = wait(set).then(
        () => true,
        () => false,
      );
      if (round % 2 === 0) await asleep(set);
      letThrough(owner);
      set.close();
      if (!(await done)) await wait(owner, { timeout: 5_000 * scale });
      expect(valuesOf(owner.id)).toEqual(after);
    }
  });

  it('of another object goes on when one is closed', async () => {
    const set = privateSet(...initial);
    const other = borrow(SysvSemaphoreSet.openId(set.id));
    const ended = rejection(wait(other));
    const waiting = wait(set);
    await until('they wait', () => asleepOnSet(set) >= 1);
    other.close();
    expect(await ended).toMatchObject({ code: 'ECANCELED' });
    letThrough(set);
    await waiting;
    expect(valuesOf(set.id)).toEqual(after);
  });

  it('rejects with EIDRM when the set is removed, and the text says why', async () => {
    for (const remove of [(set: Set) => sys.semctl(set.id, 0, sys.IPC_RMID), (set: Set) => set.remove()]) {
      const set = privateSet(...initial);
      const ended = [rejection(wait(set)), rejection(wait(set))];
      await until('it waits', () => asleepOnSet(set) >= 1);
      remove(set);
      for (const error of await Promise.all(ended)) {
        expect(error).toBeInstanceOf(IpcError);
        expect(error).toMatchObject({ code: 'EIDRM', id: set.id });
        expect(error.syscall).toMatch(semop);
        expect(error.message).toMatch(/removed/);
      }
    }
  });

  it('refuses a time limit and a signal that are none', async () => {
    const set = privateSet(...initial);
    const options: [Record<string, unknown>, string][] = [
      [{ timeout: '5' }, type],
      [{ timeout: null }, type],
      [{ timeout: NaN }, range],
      [{ timeout: -1 }, range],
      [{ signal: null }, type],
      [{ signal: {} }, type],
      [{ signal: 'abort' }, type],
    ];
    for (const [wrong, code] of options) expect(await codeOf(() => wait(set, wrong as Options))).toBe(code);
    expect(asleepOnSet(set)).toBe(0);
  });
});

describe('waits of one set', () => {
  it('for the same are let through in the order of the calls', async () => {
    const set = privateSet(0);
    const order: number[] = [];
    const acquired = Array.from({ length: 20 }, (_, index) => set.acquire().then(() => order.push(index)));
    await until('they wait', () => asleepOnSet(set) >= 1);
    for (let index = 0; index < 20; index++) set.release();
    await Promise.all(acquired);
    expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });

  it('are not overtaken by a later call for the same', async () => {
    const set = privateSet(0);
    for (let round = 0; round < 20; round++) {
      const order: string[] = [];
      const first = set.acquire().then(() => order.push('first'));
      const second = set.acquire().then(() => order.push('second'));
      await until('they wait', () => asleepOnSet(set) >= 1);
      set.release(0, 2);
      const third = set.acquire().then(() => order.push('third'));
      await Promise.all([first, second]);
      set.release();
      await third;
      expect(order).toEqual(['first', 'second', 'third']);
    }
  });

  it('for different semaphores, numbers and kinds do not hold each other up', async () => {
    const set = privateSet(0, 0, 1);
    const two = set.acquire(0, 2);
    const twoWithUndo = set.acquire(0, 2, { undo: true });
    const other = set.acquire(1);
    const zero = set.waitForZero(2);
    const both = set.apply([
      { index: 0, op: -1 },
      { index: 1, op: -2 },
    ]);
    await asleep(set, 5);
    const one = set.acquire(0, 1);
    await asleep(set, 6);
    set.release(0);
    await one;
    set.release(1);
    await other;
    set.acquireSync(2);
    await zero;
    expect(await Promise.all([two, twoWithUndo, both].map(stateOf))).toEqual([
      'pending',
      'pending',
      'pending',
    ]);
    set.release(0, 4);
    await Promise.all([two, twoWithUndo]);
    set.release(1, 2);
    expect(await stateOf(both)).toBe('pending');
    set.release(0);
    await both;
    expect(valuesOf(set.id)).toEqual([0, 0, 0]);
  });

  it('for the same operations in another order are each let through', async () => {
    const set = privateSet(0, 0);
    const done = Promise.all([
      set.apply([
        { index: 0, op: -1 },
        { index: 1, op: -1 },
      ]),
      set.apply([
        { index: 1, op: -1 },
        { index: 0, op: -1 },
      ]),
    ]);
    await until('they wait', () => asleepOnSet(set) >= 1);
    set.release(0, 2);
    set.release(1, 2);
    await done;
    expect(valuesOf(set.id)).toEqual([0, 0]);
  });

  it('are whole or not at all: two that need the same two never block each other for ever', async () => {
    const set = privateSet(1, 1);
    const take = async (first: number, second: number): Promise<void> => {
      for (let round = 0; round < 100; round++) {
        await set.apply([
          { index: first, op: -1 },
          { index: second, op: -1 },
        ]);
        set.applySync([
          { index: second, op: 1 },
          { index: first, op: 1 },
        ]);
      }
    };
    await Promise.all([take(0, 1), take(1, 0), take(0, 1)]);
    expect(valuesOf(set.id)).toEqual([1, 1]);
  });

  it('take what was given when they were called, whatever becomes of the array', async () => {
    const set = privateSet(0, 0);
    const operations = [{ index: 0, op: -1 }];
    const waiting = set.apply(operations);
    operations.push({ index: 1, op: -1 });
    Object.assign(operations[0] as object, { index: 1, op: 5 });
    await asleep(set);
    set.release(0);
    await waiting;
    expect(valuesOf(set.id)).toEqual([0, 0]);
  });

  it('take no thread where nothing has to be waited for', async () => {
    const set = privateSet(3);
    const before = waitThreads.running;
    const acquired = set.acquire();
    expect(waitThreads.running).toBe(before);
    await acquired;
  });

  it("leave libuv's pool to the file system, 64 of them", async () => {
    const set = ownSet(SysvSemaphoreSet.open(IPC_PRIVATE, { count: 64 }));
    const ended = Promise.allSettled(Array.from({ length: 64 }, (_, index) => set.acquire(index)));
    await asleep(set, 64);
    const start = performance.now();
    await Promise.all(Array.from({ length: 20 }, () => readFile(new URL(import.meta.url))));
    expect(performance.now() - start).toBeLessThan(500 * scale);
    expect(asleepOnSet(set)).toBe(64);
    set.close();
    for (const { status } of await ended) expect(status).toBe('rejected');
    await asleep(set, 0);
  });

  it('of a signal shared by many end together', async () => {
    const set = ownSet(SysvSemaphoreSet.open(IPC_PRIVATE, { count: 10 }));
    const { signal } = new AbortController();
    const controller = new AbortController();
    const ended = Array.from({ length: 10 }, (_, index) =>
      rejection(set.acquire(index, 1, { signal: controller.signal })),
    );
    const untouched = set.acquire(3, 2, { signal });
    await asleep(set, 11);
    controller.abort();
    for (const error of await Promise.all(ended)) expect(error.name).toBe('AbortError');
    await asleep(set, 1);
    set.release(3, 2);
    await untouched;
  });
});

describe('close()', () => {
  it('may be called twice, and every call fails with ERR_INVALID_STATE afterwards', async () => {
    const set = privateSet(5);
    set.close();
    set.close();
    expect(set.closed).toBe(true);
    for (const [method, ...args] of [
      ['acquireSync'],
      ['tryAcquire'],
      ['acquire'],
      ['release'],
      ['applySync', [{ index: 0, op: -1 }]],
      ['tryApply', [{ index: 0, op: -1 }]],
      ['apply', [{ index: 0, op: -1 }]],
      ['waitForZeroSync'],
      ['tryWaitForZero'],
      ['waitForZero'],
      ['values'],
      ['setValues', [1]],
      ['setValue', 0, 1],
      ['stat'],
      ['set', { mode: 0o644 }],
      ['remove'],
    ] as [string, ...unknown[]][]) {
      expect(await codeOf(() => loose(set)[method]?.(...args)), method).toBe('ERR_INVALID_STATE');
    }
    expect(valuesOf(set.id)).toEqual([5]);
    expect(semaphoreRow(set.id)?.perms).toBe('600');
  });

  it('is called at the end of the block by using', () => {
    const { id } = privateSet(1);
    let seen: Set;
    {
      using set = SysvSemaphoreSet.openId(id);
      seen = set;
      expect(set.closed).toBe(false);
    }
    expect(seen.closed).toBe(true);
    expect(semaphoreRow(id)).toBeDefined();
  });

  it('that the options do while they are read makes the wait reject, and takes nothing', async () => {
    const set = privateSet(1);
    const options = {
      get timeout(): undefined {
        set.close();
        return undefined;
      },
    };
    expect(await rejection(promised(() => set.acquire(0, 1, options as unknown as Options)))).toMatchObject({
      code: 'ERR_INVALID_STATE',
    });
    expect(valuesOf(set.id)).toEqual([1]);
  });
});
