// PosixSemaphore: what its methods do, waits included. What takes two processes is in process/posix-sem.class.test.ts.
import { getEventListeners } from 'node:events';
import { statSync, unlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { IpcError, Memfd, PosixSemaphore, PosixSharedMemory, SysvSharedMemory, waitThreads } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { failure, rejection, systemError } from './helpers/failures.js';
import { borrow } from './helpers/queues.js';
import { sleepersOnWord, unusedSemaphoreName } from './helpers/semaphores.js';
import {
  type Placed,
  attachedMemory,
  closedMemories,
  mappedMemory,
  named,
  placed,
  promised,
  semaphoreFiles,
  sharedMemory,
} from './helpers/sync-objects.js';
import { scale, stateOf, turns, until } from './helpers/until.js';

type Loose = Record<string, (...args: unknown[]) => unknown>;
/** Calls made from JavaScript programs, where no type stops a wrong argument. */
const loose = (object: unknown): Loose => object as Loose;
const type = 'ERR_INVALID_ARG_TYPE';
const value = 'ERR_INVALID_ARG_VALUE';
const range = 'ERR_OUT_OF_RANGE';
const { SEM_VALUE_MAX, SIZEOF_SEM_T } = sys;

async function codeOf(call: () => unknown): Promise<string | undefined> {
  return (await rejection(promised(call))).code;
}

const places: [string, (options?: { initial?: number; spin?: number }) => Placed][] = [
  ['a name', named],
  ['shared memory', (options) => placed(options)],
];

/** Waits until a thread is in a wait for it. One thread may serve many promises. */
function waiting(of: Placed, least = 1): Promise<void> {
  return until('a wait is there', () => of.waiters() >= least);
}

function noneWaiting(of: Placed): Promise<void> {
  return until('no wait is there', () => of.waiters() === 0);
}

afterAll(() => until('no wait is left behind', () => waitThreads.running === 0));

describe('open()', () => {
  const open = (...args: Parameters<typeof PosixSemaphore.open>): PosixSemaphore =>
    borrow(PosixSemaphore.open(...args));
  const modeOf = (name: string): number => statSync(`/dev/shm/sem.${name.slice(1)}`).mode & 0o777;

  it('makes the semaphore of a name that has none: of 0, for its owner alone', () => {
    const name = unusedSemaphoreName();
    const semaphore = open(name);
    expect(semaphore).toBeInstanceOf(PosixSemaphore);
    expect(semaphore).toMatchObject({ name, value: 0, closed: false });
    expect(modeOf(name)).toBe(0o600);
  });

  it('gives it the initial value and the mode', () => {
    const name = unusedSemaphoreName();
    expect(open(name, { initial: 7, mode: 0o640 }).value).toBe(7);
    expect(modeOf(name)).toBe(0o640);
    expect(open(unusedSemaphoreName(), { initial: SEM_VALUE_MAX }).value).toBe(SEM_VALUE_MAX);
  });

  it('opens the semaphore of a name that has one, and leaves its value and its mode', () => {
    const name = unusedSemaphoreName();
    const first = open(name, { initial: 3 });
    const second = open(name, { initial: 9, mode: 0o666 });
    expect(second.value).toBe(3);
    expect(open(name, { create: false }).value).toBe(3);
    second.release();
    expect(first.value).toBe(4);
    expect(modeOf(name)).toBe(0o600);
  });

  it('fails with ENOENT and the name where there is none and create is false', () => {
    const name = unusedSemaphoreName();
    const error = failure(() => PosixSemaphore.open(name, { create: false }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'sem_open'), path: name });
    expect(error.message).toContain(name);
    expect(semaphoreFiles()).not.toContain(name);
  });

  it('fails with EEXIST and the name where there is one and exclusive is given', () => {
    const name = unusedSemaphoreName();
    const first = open(name, { exclusive: true, initial: 2 });
    const error = failure(() => PosixSemaphore.open(name, { exclusive: true, initial: 5 }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('EEXIST', 'sem_open'), path: name });
    expect(first.value).toBe(2);
  });

  it('fails for names that are none', () => {
    for (const [name, code] of [
      ['', 'EINVAL'],
      ['/', 'EINVAL'],
      ['/a/b', 'EINVAL'],
      [`/${'n'.repeat(252)}`, 'ENAMETOOLONG'],
      // Of names that are much too long the C library says EINVAL.
      [`/${'n'.repeat(300)}`, 'EINVAL'],
    ] as const) {
      const before = semaphoreFiles().length;
      const error = failure(() => PosixSemaphore.open(name));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError(code, 'sem_open'), path: name });
      expect(error.message).toMatch(/\b251\b/);
      expect(semaphoreFiles()).toHaveLength(before);
    }
  });

  it.each([
    ['no name', [], type],
    ['a name of a number', [1], type],
    ['a name of null', [null], type],
    ['a name of bytes', [Buffer.from('/name')], type],
    ['a name with NUL', ['/na\0me'], value],
    ['options of null', ['/never', null], type],
    ['options of a number', ['/never', 1], type],
    ['create of a number', ['/never', { create: 1 }], type],
    ['exclusive of a string', ['/never', { exclusive: 'no' }], type],
    ['a mode of a string', ['/never', { mode: '0600' }], type],
    ['a negative mode', ['/never', { mode: -1 }], range],
    ['a mode of more than nine bits', ['/never', { mode: 0o10000 }], range],
    ['initial of a string', ['/never', { initial: '1' }], type],
    ['initial of null', ['/never', { initial: null }], type],
    ['initial of an array', ['/never', { initial: [1] }], type],
    ['a negative initial', ['/never', { initial: -1 }], range],
    ['an initial that is NaN', ['/never', { initial: NaN }], range],
    ['an initial fraction', ['/never', { initial: 0.5 }], range],
    ['an initial over SEM_VALUE_MAX', ['/never', { initial: 2 ** 31 }], /^(ERR_OUT_OF_RANGE|EINVAL)$/],
    ['an initial of 2^32', ['/never', { initial: 2 ** 32 }], range],
    ['a negative spin', ['/never', { spin: -1 }], range],
    ['a spin of a string', ['/never', { spin: '1' }], type],
    ['a spin of null', ['/never', { spin: null }], type],
    ['a spin that is NaN', ['/never', { spin: NaN }], range],
  ] as [string, unknown[], string][])('refuses %s and makes nothing', async (_what, args, code) => {
    expect(await codeOf(() => loose(PosixSemaphore)['open']?.(...args))).toMatch(code);
    expect(semaphoreFiles()).not.toContain('/never');
  });
});

describe('a file that is no semaphore', () => {
  it('is refused where it is empty, and stays as it is', () => {
    const name = unusedSemaphoreName();
    const file = `/dev/shm/sem.${name.slice(1)}`;
    writeFileSync(file, '');
    onTestFinished(() => {
      unlinkSync(file);
    });
    const error = failure(() => PosixSemaphore.open(name));
    expect(error).toMatchObject({
      code: 'EINVAL',
      syscall: 'sem_open',
      message: expect.stringContaining(file) as string,
    });
    expect(statSync(file).size).toBe(0);
  });
});

describe('at()', () => {
  const at = (...args: Parameters<typeof PosixSemaphore.at>): PosixSemaphore =>
    borrow(PosixSemaphore.at(...args));

  it('makes a semaphore with initial, and opens the one that is there without', () => {
    const memory = sharedMemory();
    const made = at(memory, 32, { initial: 5 });
    expect(made).toBeInstanceOf(PosixSemaphore);
    expect(made).toMatchObject({ name: undefined, value: 5, closed: false });
    const there = at(memory, 32);
    there.acquireSync();
    expect(made.value).toBe(4);
    expect(at(memory, 32, { initial: 0 }).value).toBe(0);
    expect(there.value).toBe(0);
  });

  it('fails with EACCES in memory that may only be read, and changes nothing', () => {
    const memory = sharedMemory();
    const truth = at(memory, 32, { initial: 5 });
    const reader = borrow(SysvSharedMemory.openId(memory.id, { readOnly: true }));
    for (const options of [undefined, { initial: 1 }]) {
      const error = failure(() => at(reader, 32, options));
      expect(error).toMatchObject({
        code: 'EACCES',
        message: expect.stringContaining('read-only') as string,
      });
    }
    expect(truth.value).toBe(5);
  });

  it('works in shared memory of every kind, in windows of it and in what sys maps', async () => {
    const owner = sharedMemory(8192);
    const window = borrow(owner.window(4096, 4096));
    const memfd = borrow(Memfd.create({ size: 4096 }));
    for (const memory of [owner, window, memfd, attachedMemory().buffer, mappedMemory()]) {
      const semaphore = at(memory, 64, { initial: 1 });
      await semaphore.acquire();
      expect(semaphore.tryAcquire()).toBe(false);
      const acquired = semaphore.acquire();
      await turns();
      at(memory, 64).release();
      await acquired;
      expect(semaphore.value).toBe(0);
    }
    // The window is a mapping of its own, of the same memory.
    const inWindow = at(window, 128, { initial: 3 });
    expect(at(owner, 4096 + 128).value).toBe(3);
    inWindow.release();
    expect(at(owner, 4096 + 128).value).toBe(4);
  });

  it('leaves the memory around it as it is', () => {
    const memory = sharedMemory();
    memory.bytes.fill(0xab);
    at(memory, 128, { initial: 1 }).release();
    const { bytes } = memory;
    expect(bytes.subarray(0, 128).every((byte) => byte === 0xab)).toBe(true);
    expect(bytes.subarray(128 + SIZEOF_SEM_T).every((byte) => byte === 0xab)).toBe(true);
  });

  it('takes the last place of the memory, and none that is past it', async () => {
    const memory = sharedMemory();
    const last = memory.size - SIZEOF_SEM_T;
    expect(at(memory, last, { initial: 1 }).value).toBe(1);
    expect(await codeOf(() => PosixSemaphore.at(memory, last + 8, { initial: 1 }))).toBe(range);
    expect(await codeOf(() => PosixSemaphore.at(memory, memory.size))).toBe(range);
    expect(await codeOf(() => PosixSemaphore.at(memory, 2 ** 40))).toBe(range);
  });

  it.each([
    ['no memory', () => [], type],
    ['null', () => [null, 0], type],
    ['an object', () => [{}, 0], type],
    ['an ordinary ArrayBuffer', () => [new ArrayBuffer(64), 0, { initial: 1 }], value],
    ['an ordinary ArrayBuffer without initial', () => [new ArrayBuffer(64), 0], value],
    ['a SharedArrayBuffer', () => [new SharedArrayBuffer(64), 0], /^ERR_INVALID_ARG_(TYPE|VALUE)$/],
    ['a view', () => [sharedMemory().bytes, 0], type],
    ['no offset', () => [sharedMemory()], type],
    ['an offset of a string', () => [sharedMemory(), '0'], type],
    ['an offset of null', () => [sharedMemory(), null], type],
    ['a negative offset', () => [sharedMemory(), -8], range],
    ['an offset that is not aligned', () => [sharedMemory(), 4], range],
    ['a fraction as offset', () => [sharedMemory(), 0.5], range],
    ['an offset that is NaN', () => [sharedMemory(), NaN], range],
    ['options of null', () => [sharedMemory(), 0, null], type],
    ['initial of a string', () => [sharedMemory(), 0, { initial: '1' }], type],
    ['initial of null', () => [sharedMemory(), 0, { initial: null }], type],
    ['a negative initial', () => [sharedMemory(), 0, { initial: -1 }], range],
    [
      'an initial over SEM_VALUE_MAX',
      () => [sharedMemory(), 0, { initial: 2 ** 31 }],
      /^(ERR_OUT_OF_RANGE|EINVAL)$/,
    ],
    ['a negative spin', () => [sharedMemory(), 0, { initial: 1, spin: -1 }], range],
    ['a spin of null', () => [sharedMemory(), 0, { initial: 1, spin: null }], type],
  ] as [string, () => unknown[], string][])('refuses %s', async (_what, args, code) => {
    const given = args();
    expect(await codeOf(() => loose(PosixSemaphore)['at']?.(...given))).toMatch(code);
    const [memory] = given;
    if (memory instanceof SysvSharedMemory) expect(memory.bytes.every((byte) => byte === 0)).toBe(true);
  });

  it('refuses memory that is closed or detached', async () => {
    const memory = sharedMemory();
    const { buffer } = memory;
    memory.close();
    expect(await codeOf(() => PosixSemaphore.at(memory, 0))).toMatch(/^ERR_INVALID_(STATE|ARG_VALUE)$/);
    expect(await codeOf(() => PosixSemaphore.at(buffer, 0))).toMatch(/^ERR_INVALID_(STATE|ARG_VALUE)$/);
  });
});

const acquires: [string, (semaphore: PosixSemaphore) => Promise<unknown>][] = [
  ['acquireSync()', (semaphore) => promised(() => semaphore.acquireSync({ timeout: 1000 }))],
  ['tryAcquire()', (semaphore) => promised(() => expect(semaphore.tryAcquire()).toBe(true))],
  ['acquire()', (semaphore) => semaphore.acquire()],
];

describe.each(places)('at %s', (_place, make) => {
  it.each(acquires)('%s takes one', async (_name, acquire) => {
    const { semaphore, ...of } = make({ initial: 3 });
    await acquire(semaphore);
    await acquire(semaphore);
    expect([semaphore.value, of.value()]).toEqual([1, 1]);
    await acquire(semaphore);
    expect(semaphore.tryAcquire()).toBe(false);
    expect(of.value()).toBe(0);
  });

  it('release() adds one, or so many', () => {
    const { semaphore, ...of } = make();
    semaphore.release();
    semaphore.release(1);
    semaphore.release(10_000);
    expect([semaphore.value, of.value()]).toEqual([10_002, 10_002]);
  });

  it('release() over SEM_VALUE_MAX fails with EOVERFLOW and says so', () => {
    const { semaphore } = make({ initial: SEM_VALUE_MAX });
    const error = failure(() => semaphore.release());
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject(systemError('EOVERFLOW', 'sem_post'));
    expect(error.message).toMatch(new RegExp(`SEM_VALUE_MAX|${SEM_VALUE_MAX}`));
    expect(semaphore.value).toBe(SEM_VALUE_MAX);
    semaphore.acquireSync();
    expect(failure(() => semaphore.release(2))).toMatchObject({ code: 'EOVERFLOW' });
    expect(semaphore.value).toBe(SEM_VALUE_MAX - 1);
  });

  it.each([
    ['release', [0], range],
    ['release', [-1], range],
    ['release', [NaN], range],
    ['release', [0.5], range],
    ['release', [SEM_VALUE_MAX], 'EOVERFLOW'],
    ['release', [2 ** 40], 'EOVERFLOW'],
    ['release', ['1'], type],
    ['release', [null], type],
    ['release', [1n], type],
    ['acquireSync', [null], type],
    ['acquireSync', [5], type],
    ['acquireSync', [{ timeout: '5' }], type],
    ['acquireSync', [{ timeout: null }], type],
    ['acquireSync', [{ timeout: NaN }], range],
    ['acquireSync', [{ timeout: -1 }], range],
    ['acquire', [null], type],
    ['acquire', [5], type],
    ['acquire', [{ timeout: '5' }], type],
    ['acquire', [{ timeout: NaN }], range],
    ['acquire', [{ timeout: -1 }], range],
    ['acquire', [{ signal: null }], type],
    ['acquire', [{ signal: {} }], type],
    ['acquire', [{ signal: 'abort' }], type],
  ] as [string, unknown[], string][])('%s() refuses %o and changes nothing', async (method, args, code) => {
    const { semaphore, ...of } = make({ initial: 1 });
    expect(await codeOf(() => loose(semaphore)[method]?.(...args))).toBe(code);
    expect(of.value()).toBe(1);
  });

  it.each([
    ['acquireSync()', (semaphore: PosixSemaphore, timeout: number) => semaphore.acquireSync({ timeout })],
    ['acquire()', (semaphore: PosixSemaphore, timeout: number) => semaphore.acquire({ timeout })],
  ])('a time limit of %s is never early and kept within 20 ms', async (_name, call) => {
    const of = make();
    const late: number[] = [];
    for (const timeout of [1, 2, 5, 10, 20, 33, 10, 0.5, 1.5]) {
      const start = performance.now();
      const error = await rejection(promised(() => call(of.semaphore, timeout)));
      const took = performance.now() - start;
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ETIMEDOUT' });
      expect(error.syscall).toMatch(/^sem_/);
      expect(took).toBeGreaterThanOrEqual(timeout);
      late.push(took - timeout);
    }
    late.sort((a, b) => a - b);
    expect(late[Math.floor(late.length / 2)]).toBeLessThan(20 * scale);
    expect(of.value()).toBe(0);
    await noneWaiting(of);
  });

  it('a time limit of 0 takes what is there and waits for nothing', async () => {
    const { semaphore } = make({ initial: 2 });
    semaphore.acquireSync({ timeout: 0 });
    await semaphore.acquire({ timeout: 0 });
    expect(failure(() => semaphore.acquireSync({ timeout: 0 })).code).toBe('ETIMEDOUT');
    expect((await rejection(semaphore.acquire({ timeout: 0 }))).code).toBe('ETIMEDOUT');
  });

  it('a time limit of one wait leaves the others alone, in front of it and behind', async () => {
    const { semaphore } = make();
    const first = semaphore.acquire();
    const hasty = rejection(semaphore.acquire({ timeout: 20 }));
    const last = semaphore.acquire();
    expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
    semaphore.release(2);
    await Promise.all([first, last]);
    const hastier = rejection(semaphore.acquire({ timeout: 10 }));
    const patient = semaphore.acquire();
    expect(await hastier).toMatchObject({ code: 'ETIMEDOUT' });
    semaphore.release();
    await patient;
    expect(semaphore.value).toBe(0);
  });

  it('time limits hold with spin, and what comes is taken', async () => {
    const { semaphore } = make({ spin: 200 });
    for (const timeout of [0, 1, 10]) {
      const start = performance.now();
      expect(failure(() => semaphore.acquireSync({ timeout })).code).toBe('ETIMEDOUT');
      expect((await rejection(semaphore.acquire({ timeout }))).code).toBe('ETIMEDOUT');
      expect(performance.now() - start).toBeGreaterThanOrEqual(2 * timeout);
    }
    const acquired = semaphore.acquire();
    semaphore.release(2);
    await acquired;
    semaphore.acquireSync();
    expect(semaphore.value).toBe(0);
  });

  it('acquire() waits until there is one', async () => {
    const of = make();
    const acquired = of.semaphore.acquire({ timeout: 10_000 * scale });
    await waiting(of);
    expect(await stateOf(acquired)).toBe('pending');
    of.again().release();
    await acquired;
    expect(of.value()).toBe(0);
    await noneWaiting(of);
  });

  it('an abort before acquire() rejects with the reason and takes nothing', async () => {
    const { semaphore } = make({ initial: 1 });
    const reason = new Error('not today');
    expect(await rejection(semaphore.acquire({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(semaphore.value).toBe(1);
  });

  it('an abort during acquire() rejects with the reason, and what comes is there for others', async () => {
    const of = make();
    for (const reason of [new Error('enough'), { any: 'value' }, undefined]) {
      const controller = new AbortController();
      const ended = of.semaphore.acquire({ signal: controller.signal }).then(
        () => 'fulfilled',
        (error: unknown) => error,
      );
      await waiting(of);
      controller.abort(reason);
      if (reason === undefined) expect(await ended).toMatchObject({ name: 'AbortError' });
      else expect(await ended).toBe(reason);
      await noneWaiting(of);
    }
    of.semaphore.release();
    expect(of.semaphore.tryAcquire()).toBe(true);
  });

  it('an abort after acquire() changes nothing, and no listener stays on the signal', async () => {
    const of = make();
    const controller = new AbortController();
    const acquired = of.semaphore.acquire({ signal: controller.signal });
    await waiting(of);
    of.semaphore.release();
    await acquired;
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    await turns();
    expect(of.value()).toBe(0);
  });

  it('an abort when it is just released loses nothing', async () => {
    const of = make();
    for (let round = 0; round < 100; round++) {
      const controller = new AbortController();
      const done = of.semaphore.acquire({ signal: controller.signal }).then(
        () => 1,
        (error: unknown) => {
          expect(error).toBe(controller.signal.reason);
          return 0;
        },
      );
      if (round % 4 !== 0) await waiting(of);
      if (round % 2 === 0) controller.abort();
      of.semaphore.release();
      if (round % 2 === 1) controller.abort();
      expect((await done) + of.value()).toBe(1);
      of.semaphore.tryAcquire();
      expect(of.value()).toBe(0);
    }
  });

  it('many waits are let through in the order of the calls, one by each release', async () => {
    const of = make();
    const order: number[] = [];
    const acquired = Array.from({ length: 200 }, (_, index) =>
      of.semaphore.acquire().then(() => order.push(index)),
    );
    await waiting(of);
    of.semaphore.release();
    await acquired[0];
    await turns();
    expect(order).toEqual([0]);
    of.semaphore.release(100);
    await Promise.all(acquired.slice(0, 101));
    expect(order).toHaveLength(101);
    for (let index = 0; index < 99; index++) of.semaphore.release();
    await Promise.all(acquired);
    expect(order).toEqual(Array.from({ length: 200 }, (_, index) => index));
    expect(of.value()).toBe(0);
  });

  it('waits of two objects of one semaphore get one each', async () => {
    const of = make();
    const other = of.again();
    const acquired = [of.semaphore.acquire(), other.acquire()];
    await waiting(of);
    of.semaphore.release();
    await Promise.race(acquired);
    await turns();
    expect((await Promise.all(acquired.map(stateOf))).sort()).toEqual(['fulfilled', 'pending']);
    of.semaphore.release();
    await Promise.all(acquired);
    expect(of.value()).toBe(0);
  });

  it('close() rejects its waits with ECANCELED, and leaves those of another object alone', async () => {
    const of = make();
    const other = of.again();
    const ended = [1, 2, 3].map(() => rejection(other.acquire()));
    const acquired = of.semaphore.acquire();
    await waiting(of);
    other.close();
    for (const error of await Promise.all(ended)) {
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ECANCELED' });
      expect(error.syscall).toMatch(/^sem_/);
    }
    of.semaphore.release();
    await acquired;
    await noneWaiting(of);
  });

  it('close() at the same time as a release loses nothing', async () => {
    const of = make();
    for (let round = 0; round < 50; round++) {
      const other = of.again();
      const done = other.acquire().then(
        () => 1,
        () => 0,
      );
      if (round % 2 === 0) await waiting(of);
      of.semaphore.release();
      other.close();
      expect((await done) + of.value()).toBe(1);
      of.semaphore.tryAcquire();
    }
  });

  it('close() may be called twice, and every call fails with ERR_INVALID_STATE afterwards', async () => {
    const { semaphore, ...of } = make({ initial: 1 });
    semaphore.close();
    semaphore.close();
    expect(semaphore.closed).toBe(true);
    for (const method of ['acquireSync', 'tryAcquire', 'acquire', 'release']) {
      expect(await codeOf(() => loose(semaphore)[method]?.()), method).toBe('ERR_INVALID_STATE');
    }
    expect(await codeOf(() => semaphore.value)).toBe('ERR_INVALID_STATE');
    expect(of.value()).toBe(1);
  });

  it('using closes at the end of the block', () => {
    const of = make({ initial: 1 });
    let seen: PosixSemaphore;
    {
      using semaphore = of.again();
      seen = semaphore;
      expect(semaphore.closed).toBe(false);
    }
    expect(seen.closed).toBe(true);
    expect(of.semaphore.value).toBe(1);
  });

  it('options that close the semaphore while they are read make acquire() reject, and take nothing', async () => {
    const { semaphore, ...of } = make({ initial: 1 });
    const options = {
      get timeout(): undefined {
        semaphore.close();
        return undefined;
      },
    };
    expect(await codeOf(() => loose(semaphore)['acquire']?.(options))).toBe('ERR_INVALID_STATE');
    expect(of.value()).toBe(1);
  });

  it('acquire() takes no thread where there is one', async () => {
    const { semaphore } = make({ initial: 1 });
    const before = waitThreads.running;
    const acquired = semaphore.acquire();
    expect(waitThreads.running).toBe(before);
    await acquired;
  });
});

describe('64 waits', () => {
  it("leave libuv's pool to the file system, and end with their memory", async () => {
    const memory = sharedMemory(64 * 64);
    const all = Array.from({ length: 64 }, (_, index) => placed({}, memory, index * 64));
    const ended = all.map(({ semaphore }) => rejection(semaphore.acquire()));
    await until('all wait', () => all.every((of) => of.waiters() === 1));
    const start = performance.now();
    await Promise.all(Array.from({ length: 20 }, () => readFile(new URL(import.meta.url))));
    expect(performance.now() - start).toBeLessThan(500 * scale);
    expect(all.every((of) => of.waiters() === 1)).toBe(true);
    memory.close();
    for (const error of await Promise.all(ended)) expect(error).toMatchObject({ code: 'ECANCELED' });
  });
});

describe('unlink()', () => {
  it('takes the name away; those who have it open go on with it', async () => {
    const of = named();
    const { name } = of.semaphore;
    const other = of.again();
    const acquired = other.acquire();
    await waiting(of);
    of.semaphore.unlink();
    expect(semaphoreFiles()).not.toContain(name);
    expect(failure(() => PosixSemaphore.open(name ?? '', { create: false }))).toMatchObject({
      code: 'ENOENT',
    });
    of.semaphore.release();
    await acquired;
    const another = borrow(PosixSemaphore.open(name ?? '', { initial: 9, exclusive: true }));
    expect(of.semaphore.value).toBe(0);
    of.semaphore.release();
    expect([of.semaphore.value, other.value, another.value]).toEqual([1, 1, 9]);
  });

  it('fails with ENOENT and the name where it is gone already', () => {
    const { semaphore } = named();
    semaphore.unlink();
    const error = failure(() => semaphore.unlink());
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'sem_unlink'), path: semaphore.name });
  });

  it('fails where there is no name', () => {
    const { semaphore } = placed({ initial: 1 });
    expect(failure(() => semaphore.unlink())).toBeInstanceOf(Error);
    expect(semaphore.value).toBe(1);
  });
});

describe('list()', () => {
  it('has the names of the semaphores, and of nothing else', () => {
    const { semaphore } = named();
    const shared = `/unix-ipc-test-no-semaphore-${process.pid}`;
    const memory = borrow(PosixSharedMemory.create({ name: shared, size: 8 }));
    try {
      expect(PosixSemaphore.list()).toContain(semaphore.name);
      expect([...PosixSemaphore.list()].sort()).toEqual(semaphoreFiles().sort());
    } finally {
      memory.unlink();
    }
    semaphore.unlink();
    expect(PosixSemaphore.list()).not.toContain(semaphore.name);
  });
});

describe('memory that is detached', () => {
  const gone = /^(ERR_INVALID_STATE|ERR_INVALID_ARG_VALUE|EINVAL)$/;

  it.each(closedMemories)(
    'by %s ends the waits with ECANCELED, and later calls fail',
    async (_name, make) => {
      for (const count of [1, 10]) {
        const { memory, asleep, detach } = make();
        const semaphore = borrow(PosixSemaphore.at(memory, 64, { initial: 0 }));
        const second = borrow(PosixSemaphore.at(memory, 128, { initial: 0 }));
        const ended = Array.from({ length: count }, () => rejection(semaphore.acquire()));
        ended.push(rejection(second.acquire({ timeout: 60_000 })));
        await until('a thread sleeps on it', () => asleep() >= 1);
        detach();
        for (const error of await Promise.all(ended)) {
          expect(error).toBeInstanceOf(IpcError);
          expect(error).toMatchObject({ code: 'ECANCELED' });
        }
        for (const method of ['acquireSync', 'tryAcquire', 'acquire', 'release']) {
          expect(await codeOf(() => loose(semaphore)[method]?.()), method).toMatch(gone);
        }
        expect(await codeOf(() => semaphore.value)).toMatch(gone);
        semaphore.close();
        expect(semaphore.closed).toBe(true);
      }
    },
  );

  it('by sys.shmdt() ends the calls that follow, and leaves the waits their memory until they are done', async () => {
    const { buffer, id } = attachedMemory();
    const semaphore = borrow(PosixSemaphore.at(buffer, 64, { initial: 0 }));
    const acquired = semaphore.acquire();
    await until('a thread sleeps on it', () => sleepersOnWord({ of: id, offset: 64 }) === 1);
    sys.shmdt(buffer);
    for (const method of ['acquireSync', 'tryAcquire', 'acquire', 'release']) {
      expect(await codeOf(() => loose(semaphore)[method]?.()), method).toMatch(gone);
    }
    expect(await codeOf(() => semaphore.value)).toMatch(gone);
    const again = borrow(SysvSharedMemory.openId(id));
    const other = borrow(PosixSemaphore.at(again, 64));
    other.release();
    await acquired;
    expect(other.value).toBe(0);
    await until('nobody else has it attached', () => again.stat().attached === 1);
  });

  it('by sys.munmap() leaves the waits, which close() ends with ECANCELED', async () => {
    const buffer = mappedMemory();
    const semaphore = borrow(PosixSemaphore.at(buffer, 64, { initial: 0 }));
    const ended = [rejection(semaphore.acquire()), rejection(semaphore.acquire({ timeout: 60_000 }))];
    const timed = rejection(semaphore.acquire({ timeout: 1 }));
    sys.munmap(buffer);
    expect(await timed).toMatchObject({ code: 'ETIMEDOUT' });
    expect(await codeOf(() => semaphore.acquire())).toMatch(gone);
    semaphore.close();
    for (const error of await Promise.all(ended)) {
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ECANCELED' });
    }
  });

  it('at the same time as a release loses nothing', async () => {
    const owner = sharedMemory();
    const of = placed({}, owner);
    for (let round = 0; round < 30; round++) {
      const memory = borrow(SysvSharedMemory.openId(owner.id));
      const semaphore = borrow(PosixSemaphore.at(memory, 64));
      const done = semaphore.acquire().then(
        () => 1,
        () => 0,
      );
      if (round % 2 === 0) await waiting(of);
      of.semaphore.release();
      memory.close();
      expect((await done) + of.value()).toBe(1);
      of.semaphore.tryAcquire();
    }
  });

  it('by the garbage collector does not happen while a wait needs it', async () => {
    const of = placed();
    const begin = (): Promise<void> => PosixSemaphore.at(SysvSharedMemory.openId(of.memory.id), 64).acquire();
    const acquired = begin();
    await waiting(of);
    for (let round = 0; round < 5; round++) {
      globalThis.gc?.();
      await turns();
    }
    of.semaphore.release();
    await acquired;
    expect(of.value()).toBe(0);
  });
});
