// Futex: what its methods do, waits included. What takes two processes is in process/futex.class.test.ts.
import { getEventListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { Futex, IpcError, Memfd, SysvSharedMemory, waitThreads } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { failure, rejection } from './helpers/failures.js';
import { borrow } from './helpers/queues.js';
import { sleepersOnWord } from './helpers/semaphores.js';
import {
  attachedMemory,
  closedMemories,
  mappedMemory,
  promised,
  sharedMemory,
  word,
} from './helpers/sync-objects.js';
import { scale, stateOf, turns, until } from './helpers/until.js';

type Loose = Record<string, (...args: unknown[]) => unknown>;
/** Calls made from JavaScript programs, where no type stops a wrong argument. */
const loose = (object: unknown): Loose => object as Loose;
const type = 'ERR_INVALID_ARG_TYPE';
const value = 'ERR_INVALID_ARG_VALUE';
const range = 'ERR_OUT_OF_RANGE';
const most = 2 ** 32 - 1;

async function codeOf(call: () => unknown): Promise<string | undefined> {
  return (await rejection(promised(call))).code;
}

/** Every call on a word, as one that is closed or whose memory is gone refuses it. */
const calls: [string, ...unknown[]][] = [
  ['add', 1],
  ['exchange', 1],
  ['compareExchange', 0, 1],
  ['waitSync', 1],
  ['tryWait', 1],
  ['wait', 1],
  ['wake'],
];

/** Waits until so many threads of this process sleep on the word. */
function asleep(of: { asleep(): number }, count = 1): Promise<void> {
  return until(`${count} asleep on the word`, () => of.asleep() === count);
}

afterAll(() => until('no wait is left behind', () => waitThreads.running === 0));

describe('at()', () => {
  const at = (...args: Parameters<typeof Futex.at>): Futex => borrow(Futex.at(...args));

  it('is the first word of the memory, or the one at the offset', () => {
    const memory = sharedMemory();
    const words = new Uint32Array(memory.buffer);
    words[0] = 7;
    words[10] = most;
    const first = at(memory);
    expect(first).toBeInstanceOf(Futex);
    expect(first).toMatchObject({ value: 7, closed: false });
    expect(at(memory, 40).value).toBe(most);
    at(memory, memory.size - 4).value = 9;
    expect(words[words.length - 1]).toBe(9);
  });

  it('in memory that may only be read can be looked at and waited for, and not be changed', async () => {
    const memory = sharedMemory();
    const reader = borrow(SysvSharedMemory.openId(memory.id, { readOnly: true }));
    const [futex, writer] = [at(reader), at(memory)];
    expect(failure(() => (futex.value = 1))).toMatchObject({ code: 'EACCES' });
    expect(failure(() => futex.add(1))).toMatchObject({ code: 'EACCES' });
    expect(failure(() => futex.exchange(1))).toMatchObject({ code: 'EACCES' });
    expect(failure(() => futex.compareExchange(0, 1))).toMatchObject({ code: 'EACCES' });
    expect(writer.value).toBe(0);
    const woken = futex.wait(0);
    await until('one is woken', () => writer.wake() === 1);
    expect(await woken).toBe('ok');
    writer.value = 7;
    expect(futex.value).toBe(7);
    expect(futex.waitSync(0)).toBe('not-equal');
  });

  it('works in shared memory of every kind, in windows of it and in what sys maps', async () => {
    const owner = sharedMemory(8192);
    const window = borrow(owner.window(4096, 4096));
    for (const memory of [
      owner,
      window,
      borrow(Memfd.create({ size: 4096 })),
      attachedMemory().buffer,
      mappedMemory(),
    ]) {
      const futex = at(memory, 64);
      const woken = futex.wait(0);
      const other = at(memory, 64);
      await until('one is woken', () => other.wake() === 1);
      expect(await woken).toBe('ok');
      other.value = 1;
      expect(await futex.wait(0)).toBe('not-equal');
    }
  });

  it('is one word, whichever mapping of the memory it is in', async () => {
    const owner = sharedMemory(8192);
    const inWindow = at(borrow(owner.window(4096, 4096)), 8);
    const again = at(borrow(SysvSharedMemory.openId(owner.id)), 4096 + 8);
    const here = at(owner, 4096 + 8);
    here.value = 5;
    expect([inWindow.value, again.value]).toEqual([5, 5]);
    const woken = inWindow.wait(5);
    await until('one is woken', () => again.wake() === 1);
    expect(await woken).toBe('ok');
  });

  it.each([
    ['no memory', () => [], type],
    ['null', () => [null], type],
    ['an object', () => [{}], type],
    ['an ordinary ArrayBuffer', () => [new ArrayBuffer(64)], value],
    ['a SharedArrayBuffer', () => [new SharedArrayBuffer(64)], /^ERR_INVALID_ARG_(TYPE|VALUE)$/],
    ['a view', () => [sharedMemory().bytes], type],
    ['an offset of a string', () => [sharedMemory(), '0'], type],
    ['an offset of null', () => [sharedMemory(), null], type],
    ['an offset of a bigint', () => [sharedMemory(), 0n], type],
    ['a negative offset', () => [sharedMemory(), -4], range],
    ['an offset that is NaN', () => [sharedMemory(), NaN], range],
    ['a fraction as offset', () => [sharedMemory(), 0.5], range],
    ['an offset that is not aligned', () => [sharedMemory(), 2], range],
    ['an offset past the memory', () => [sharedMemory(), 4096], range],
    ['an offset of 2^40', () => [sharedMemory(), 2 ** 40], range],
    ['options of null', () => [sharedMemory(), 0, null], type],
    ['a negative spin', () => [sharedMemory(), 0, { spin: -1 }], range],
    ['a spin of a string', () => [sharedMemory(), 0, { spin: '1' }], type],
    ['a spin of null', () => [sharedMemory(), 0, { spin: null }], type],
    ['a spin that is NaN', () => [sharedMemory(), 0, { spin: NaN }], range],
  ] as [string, () => unknown[], string][])('refuses %s', async (_what, args, code) => {
    const given = args();
    expect(await codeOf(() => loose(Futex)['at']?.(...given))).toMatch(code);
  });

  it('refuses memory that is closed or detached', async () => {
    const memory = sharedMemory();
    const { buffer } = memory;
    memory.close();
    expect(await codeOf(() => Futex.at(memory))).toMatch(/^ERR_INVALID_(STATE|ARG_VALUE)$/);
    expect(await codeOf(() => Futex.at(buffer))).toMatch(/^ERR_INVALID_(STATE|ARG_VALUE)$/);
  });
});

describe('the value', () => {
  it('is an unsigned number of 32 bits, in the memory itself', () => {
    const { futex, memory } = word();
    const view = new DataView(memory.buffer, 128);
    const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
    for (const number of [0, 1, 2 ** 31, most]) {
      futex.value = number;
      expect(futex.value).toBe(number);
      expect(view.getUint32(0, littleEndian)).toBe(number);
    }
  });

  it('add() adds and gives what was there, past 2^32 from 0 on', () => {
    const { futex } = word();
    expect(futex.add(5)).toBe(0);
    expect(futex.add(most - 5)).toBe(5);
    expect(futex.add(1)).toBe(most);
    expect(futex.add(2 ** 31)).toBe(0);
    expect(futex.add(2 ** 31)).toBe(2 ** 31);
    expect(futex.add(0)).toBe(0);
    expect(futex.value).toBe(0);
  });

  it('add() of a negative number takes away', () => {
    const { futex } = word();
    futex.value = 3;
    expect(futex.add(-1)).toBe(3);
    expect(futex.add(-2)).toBe(2);
    expect(futex.add(-1)).toBe(0);
    expect(futex.value).toBe(most);
  });

  it('exchange() sets and gives what was there', () => {
    const { futex } = word();
    expect(futex.exchange(most)).toBe(0);
    expect(futex.exchange(2 ** 31)).toBe(most);
    expect(futex.value).toBe(2 ** 31);
  });

  it('compareExchange() sets where the expected is there, and gives what was there', () => {
    const { futex } = word();
    expect(futex.compareExchange(1, 9)).toBe(0);
    expect(futex.value).toBe(0);
    expect(futex.compareExchange(0, most)).toBe(0);
    expect(futex.compareExchange(most, 2 ** 31)).toBe(most);
    expect(futex.compareExchange(most, 1)).toBe(2 ** 31);
    expect(futex.value).toBe(2 ** 31);
  });

  const wrong: [unknown, string][] = [
    ['1', type],
    [null, type],
    [undefined, type],
    [1n, type],
    [true, type],
    [{}, type],
    [NaN, range],
    [0.5, range],
    [Infinity, range],
    [2 ** 32, range],
    [-(2 ** 32), range],
  ];

  it.each([
    ['add', (wrongly: unknown) => [wrongly]],
    ['exchange', (wrongly: unknown) => [wrongly]],
    ['compareExchange', (wrongly: unknown) => [wrongly, 1]],
    ['compareExchange', (wrongly: unknown) => [5, wrongly]],
    ['waitSync', (wrongly: unknown) => [wrongly]],
    ['tryWait', (wrongly: unknown) => [wrongly]],
    ['wait', (wrongly: unknown) => [wrongly]],
  ] as [string, (wrongly: unknown) => unknown[]][])(
    '%s() refuses what is no such number',
    async (method, args) => {
      const { futex } = word();
      futex.value = 5;
      for (const [wrongly, code] of wrong) {
        expect(await codeOf(() => loose(futex)[method]?.(...args(wrongly))), String(wrongly)).toBe(code);
      }
      if (method !== 'add') expect(await codeOf(() => loose(futex)[method]?.(...args(-1)))).toBe(range);
      expect(futex.value).toBe(5);
    },
  );

  it('refuses to be what is no such number', () => {
    const { futex } = word();
    futex.value = 5;
    for (const [wrongly, code] of [...wrong, [-1, range]]) {
      const error = failure(() => {
        Reflect.set(futex, 'value', wrongly);
      });
      expect(error, String(wrongly)).toMatchObject({ code });
    }
    expect(futex.value).toBe(5);
  });
});

describe('waiting where the value is another', () => {
  it("gives 'not-equal' at once, by every variant", async () => {
    const { futex } = word();
    futex.value = most;
    expect(futex.waitSync(0)).toBe('not-equal');
    expect(futex.waitSync(most - 1, { timeout: 0 })).toBe('not-equal');
    expect(futex.tryWait(0)).toBe('not-equal');
    expect(await futex.wait(0)).toBe('not-equal');
    expect(await futex.wait(0, { timeout: 0 })).toBe('not-equal');
    expect(await futex.wait(0, { signal: new AbortController().signal })).toBe('not-equal');
  });

  it('tryWait() gives undefined where the value is the expected', () => {
    const { futex } = word();
    expect(futex.tryWait(0)).toBeUndefined();
    futex.value = most;
    expect(futex.tryWait(most)).toBeUndefined();
  });

  it.each([
    ['waitSync', [0, null], type],
    ['waitSync', [0, 5], type],
    ['waitSync', [0, { timeout: '5' }], type],
    ['waitSync', [0, { timeout: null }], type],
    ['waitSync', [0, { timeout: NaN }], range],
    ['waitSync', [0, { timeout: -1 }], range],
    ['wait', [0, null], type],
    ['wait', [0, 5], type],
    ['wait', [0, { timeout: '5' }], type],
    ['wait', [0, { timeout: NaN }], range],
    ['wait', [0, { timeout: -1 }], range],
    ['wait', [0, { signal: null }], type],
    ['wait', [0, { signal: {} }], type],
    ['wake', [-1], range],
    ['wake', [NaN], range],
    ['wake', [0.5], range],
    ['wake', [-Infinity], range],
    ['wake', ['1'], type],
    ['wake', [null], type],
    ['wake', [1n], type],
  ] as [string, unknown[], string][])('%s() refuses %o', async (method, args, code) => {
    const { futex } = word();
    expect(await codeOf(() => loose(futex)[method]?.(...args))).toBe(code);
  });
});

describe('time limits', () => {
  it.each([
    ['waitSync()', (futex: Futex, timeout: number) => futex.waitSync(0, { timeout })],
    ['wait()', (futex: Futex, timeout: number) => futex.wait(0, { timeout })],
  ])('of %s are never early and kept within 20 ms', async (_name, call) => {
    const of = word();
    const late: number[] = [];
    for (const timeout of [1, 2, 5, 10, 20, 33, 10, 0.5, 1.5]) {
      const start = performance.now();
      const error = await rejection(promised(() => call(of.futex, timeout)));
      const took = performance.now() - start;
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ETIMEDOUT' });
      expect(error.syscall).toMatch(/^futex/);
      expect(took).toBeGreaterThanOrEqual(timeout);
      late.push(took - timeout);
    }
    late.sort((a, b) => a - b);
    expect(late[Math.floor(late.length / 2)]).toBeLessThan(20 * scale);
    await asleep(of, 0);
    expect(of.futex.wake(Infinity)).toBe(0);
  });

  it('of 0 wait for nothing', async () => {
    const { futex } = word();
    expect(failure(() => futex.waitSync(0, { timeout: 0 })).code).toBe('ETIMEDOUT');
    expect((await rejection(futex.wait(0, { timeout: 0 }))).code).toBe('ETIMEDOUT');
  });

  it('of one wait leave the others alone', async () => {
    const of = word();
    const first = of.futex.wait(0);
    const hasty = rejection(of.futex.wait(0, { timeout: 20 }));
    const last = of.futex.wait(0, { timeout: 10_000 * scale });
    expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
    await asleep(of, 2);
    expect(of.futex.wake(Infinity)).toBe(2);
    expect(await Promise.all([first, last])).toEqual(['ok', 'ok']);
  });

  it('hold with spin too', async () => {
    const { futex } = word({ spin: 200 });
    for (const timeout of [0, 1, 10]) {
      const start = performance.now();
      expect(failure(() => futex.waitSync(0, { timeout })).code).toBe('ETIMEDOUT');
      expect((await rejection(futex.wait(0, { timeout }))).code).toBe('ETIMEDOUT');
      expect(performance.now() - start).toBeGreaterThanOrEqual(2 * timeout);
    }
  });
});

describe('wake()', () => {
  it('wakes nobody where nobody waits', () => {
    const { futex } = word();
    expect([futex.wake(), futex.wake(5), futex.wake(Infinity)]).toEqual([0, 0, 0]);
  });

  it('wakes exactly as many of the promises of one word as it is told to, and gives how many', async () => {
    const of = word();
    let woken = 0;
    const all = Array.from({ length: 12 }, () => of.futex.wait(0).then((how) => (woken++, how)));
    await asleep(of, 12);
    for (const [count, sum] of [
      [1, 1],
      [3, 4],
      [1, 5],
    ] as const) {
      expect(of.futex.wake(count)).toBe(count);
      await until(`${sum} are woken`, () => woken === sum);
      await turns();
      expect(woken).toBe(sum);
      expect(of.asleep()).toBe(12 - sum);
    }
    expect(of.futex.wake(Infinity)).toBe(7);
    expect(await Promise.all(all)).toEqual(Array.from({ length: 12 }, () => 'ok'));
    expect(of.futex.wake(Infinity)).toBe(0);
  });

  it('wakes one where it is told nothing', async () => {
    const of = word();
    const waits = [of.futex.wait(0), of.futex.wait(0)];
    await asleep(of, 2);
    expect(of.futex.wake()).toBe(1);
    await Promise.race(waits);
    await turns();
    expect((await Promise.all(waits.map(stateOf))).sort()).toEqual(['fulfilled', 'pending']);
    expect(of.futex.wake(100)).toBe(1);
    expect(await Promise.all(waits)).toEqual(['ok', 'ok']);
  });

  it('wakes nobody where it is told to wake none', async () => {
    const of = word();
    const waits = of.futex.wait(0);
    await asleep(of);
    const woken = await promised(() => of.futex.wake(0)).catch((error: unknown) => {
      expect(error).toMatchObject({ code: range });
      return 0;
    });
    expect(woken).toBe(0);
    await turns();
    expect(await stateOf(waits)).toBe('pending');
    expect(of.asleep()).toBe(1);
    expect(of.futex.wake()).toBe(1);
    await waits;
  });

  it('wakes those of one word alone, in the order in which they came to wait', async () => {
    const memory = sharedMemory();
    const here = word({}, memory, 64);
    const beside = word({}, memory, 68);
    const order: number[] = [];
    const waits: Promise<unknown>[] = [];
    for (let index = 0; index < 5; index++) {
      waits.push(here.futex.wait(0).then(() => order.push(index)));
      await asleep(here, index + 1);
    }
    const other = beside.futex.wait(0);
    await asleep(beside);
    for (let index = 0; index < 5; index++) {
      expect(here.futex.wake()).toBe(1);
      await waits[index];
    }
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(await stateOf(other)).toBe('pending');
    expect(beside.futex.wake()).toBe(1);
    await other;
  });

  it('wakes waits for different values of one word', async () => {
    const of = word();
    const first = of.futex.wait(0);
    await asleep(of, 1);
    of.futex.value = 1;
    const second = of.futex.wait(1);
    await asleep(of, 2);
    expect(of.futex.wake(Infinity)).toBe(2);
    expect(await Promise.all([first, second])).toEqual(['ok', 'ok']);
  });

  it('wakes waits of another object, and of the calls of sys', async () => {
    const of = word();
    const again = borrow(Futex.at(of.memory, 128));
    const waits = again.wait(0);
    await asleep(of);
    expect(sys.futex_wake(of.memory.buffer, 128, 5)).toBe(1);
    expect(await waits).toBe('ok');
  });

  it('loses no waiter to a change of the value: what is changed and woken first is seen', async () => {
    const of = word();
    for (let round = 0; round < 100; round++) {
      of.futex.value = 0;
      const waits = of.futex.wait(0);
      if (round % 2 === 0) await asleep(of);
      of.futex.value = 1;
      of.futex.wake(Infinity);
      expect(await waits).toMatch(/^(ok|not-equal)$/);
    }
  });
});

describe('wait()', () => {
  it('that is aborted before rejects with the reason', async () => {
    const { futex } = word();
    const reason = new Error('not today');
    expect(await rejection(futex.wait(0, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await rejection(futex.wait(1, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  });

  it('that is aborted rejects with the reason, whatever it is, and leaves a wake-up to others', async () => {
    const of = word();
    const other = of.futex.wait(0);
    for (const reason of [new Error('enough'), { any: 'value' }, undefined]) {
      const controller = new AbortController();
      const ended = of.futex.wait(0, { signal: controller.signal }).then(
        () => 'fulfilled',
        (error: unknown) => error,
      );
      await asleep(of, 2);
      controller.abort(reason);
      if (reason === undefined) expect(await ended).toMatchObject({ name: 'AbortError' });
      else expect(await ended).toBe(reason);
      await asleep(of, 1);
    }
    expect(of.futex.wake(Infinity)).toBe(1);
    expect(await other).toBe('ok');
  });

  it('that is aborted afterwards changes nothing, and no listener stays on the signal', async () => {
    const of = word();
    const controller = new AbortController();
    const waits = of.futex.wait(0, { signal: controller.signal });
    await asleep(of);
    of.futex.wake();
    expect(await waits).toBe('ok');
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    await turns();
    expect(await stateOf(waits)).toBe('fulfilled');
  });

  it('that is aborted when it is just woken gives the wake-up, or was not counted', async () => {
    const of = word();
    for (let round = 0; round < 60; round++) {
      const controller = new AbortController();
      const done = of.futex.wait(0, { signal: controller.signal }).then(
        () => 1,
        (error: unknown) => {
          expect(error).toBe(controller.signal.reason);
          return 0;
        },
      );
      if (round % 4 !== 0) await asleep(of);
      if (round % 2 === 0) controller.abort();
      const woken = of.futex.wake();
      if (round % 2 === 1) controller.abort();
      expect(await done).toBe(woken);
      await asleep(of, 0);
    }
  });

  it('of a signal shared by many end together', async () => {
    const of = word();
    const controller = new AbortController();
    const ended = Array.from({ length: 10 }, () =>
      rejection(of.futex.wait(0, { signal: controller.signal })),
    );
    const other = of.futex.wait(0);
    await asleep(of, 11);
    controller.abort();
    for (const error of await Promise.all(ended)) expect(error.name).toBe('AbortError');
    await asleep(of, 1);
    of.futex.wake();
    await other;
  });

  it("leaves libuv's pool to the file system, 64 of them", async () => {
    const of = word();
    const waits = Array.from({ length: 64 }, () => of.futex.wait(0));
    await asleep(of, 64);
    const start = performance.now();
    await Promise.all(Array.from({ length: 20 }, () => readFile(new URL(import.meta.url))));
    expect(performance.now() - start).toBeLessThan(500 * scale);
    expect(of.asleep()).toBe(64);
    expect(of.futex.wake(Infinity)).toBe(64);
    await Promise.all(waits);
  });

  it('hands over between two with spin, in every round', async () => {
    const of = word({ spin: 50 });
    const mine = of.futex;
    const yours = borrow(Futex.at(of.memory, 128, { spin: 50 }));
    const turn = async (futex: Futex, own: number): Promise<void> => {
      for (let round = own; round < 200; round += 2) {
        for (let now = futex.value; now !== round; now = futex.value) await futex.wait(now);
        futex.value = round + 1;
        futex.wake(Infinity);
      }
    };
    await Promise.all([turn(mine, 0), turn(yours, 1)]);
    expect(mine.value).toBe(200);
  });
});

describe('close()', () => {
  it('rejects its waits with ECANCELED, and leaves those of another object alone', async () => {
    const of = word();
    const other = borrow(Futex.at(of.memory, 128));
    const ended = [1, 2, 3].map(() => rejection(other.wait(0)));
    const waits = of.futex.wait(0);
    await asleep(of, 4);
    other.close();
    for (const error of await Promise.all(ended)) {
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ECANCELED' });
      expect(error.syscall).toMatch(/^futex/);
    }
    await asleep(of, 1);
    expect(of.futex.wake(Infinity)).toBe(1);
    expect(await waits).toBe('ok');
  });

  it('may be called twice, and every call fails with ERR_INVALID_STATE afterwards', async () => {
    const { futex, memory } = word();
    futex.close();
    futex.close();
    expect(futex.closed).toBe(true);
    for (const [method, ...args] of calls) {
      expect(await codeOf(() => loose(futex)[method]?.(...args)), method).toBe('ERR_INVALID_STATE');
    }
    expect(await codeOf(() => futex.value)).toBe('ERR_INVALID_STATE');
    expect(await codeOf(() => (futex.value = 1))).toBe('ERR_INVALID_STATE');
    expect(new Uint32Array(memory.buffer, 128, 1)[0]).toBe(0);
  });

  it('is called at the end of the block by using', () => {
    const memory = sharedMemory();
    let seen: Futex;
    {
      using futex = Futex.at(memory);
      seen = futex;
      expect(futex.closed).toBe(false);
    }
    expect(seen.closed).toBe(true);
    expect(memory.closed).toBe(false);
  });

  it('that the options do while they are read makes wait() reject', async () => {
    const { futex } = word();
    const options = {
      get timeout(): undefined {
        futex.close();
        return undefined;
      },
    };
    expect(await codeOf(() => loose(futex)['wait']?.(0, options))).toBe('ERR_INVALID_STATE');
  });
});

describe('memory that is detached', () => {
  const gone = /^(ERR_INVALID_STATE|ERR_INVALID_ARG_VALUE|EINVAL)$/;

  it.each(closedMemories)(
    'by %s ends the waits with ECANCELED, and later calls fail',
    async (_name, make) => {
      for (const count of [1, 10]) {
        const { memory, asleep: sleeping, detach } = make();
        const futex = borrow(Futex.at(memory, 64));
        const ended = Array.from({ length: count }, (_, index) =>
          rejection(futex.wait(0, index % 2 === 0 ? {} : { timeout: 60_000 })),
        );
        await until('they sleep on it', () => sleeping() === count);
        detach();
        for (const error of await Promise.all(ended)) {
          expect(error).toBeInstanceOf(IpcError);
          expect(error).toMatchObject({ code: 'ECANCELED' });
        }
        for (const [method, ...args] of calls) {
          expect(await codeOf(() => loose(futex)[method]?.(...args)), method).toMatch(gone);
        }
        expect(await codeOf(() => futex.value)).toMatch(gone);
        futex.close();
        expect(futex.closed).toBe(true);
      }
    },
  );

  it('by sys.shmdt() ends the calls that follow, and leaves the waits their memory until they are done', async () => {
    const { buffer, id } = attachedMemory();
    const futex = borrow(Futex.at(buffer, 64));
    const waits = futex.wait(0);
    await until('it sleeps on it', () => sleepersOnWord({ of: id, offset: 64 }) === 1);
    sys.shmdt(buffer);
    for (const [method, ...args] of calls) {
      expect(await codeOf(() => loose(futex)[method]?.(...args)), method).toMatch(gone);
    }
    expect(await codeOf(() => futex.value)).toMatch(gone);
    const again = borrow(SysvSharedMemory.openId(id));
    expect(borrow(Futex.at(again, 64)).wake()).toBe(1);
    expect(await waits).toBe('ok');
    await until('nobody else has it attached', () => again.stat().attached === 1);
  });

  it('by sys.munmap() leaves the waits, which close() ends with ECANCELED', async () => {
    const buffer = mappedMemory();
    const futex = borrow(Futex.at(buffer, 64));
    const ended = [rejection(futex.wait(0)), rejection(futex.wait(0, { timeout: 60_000 }))];
    const timed = rejection(futex.wait(0, { timeout: 1 }));
    sys.munmap(buffer);
    expect(await timed).toMatchObject({ code: 'ETIMEDOUT' });
    expect(await codeOf(() => futex.wait(0))).toMatch(gone);
    futex.close();
    for (const error of await Promise.all(ended)) {
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ECANCELED' });
    }
  });

  it('leaves waits on another mapping of it alone', async () => {
    const of = word();
    const memory = borrow(SysvSharedMemory.openId(of.memory.id));
    const ended = rejection(borrow(Futex.at(memory, 128)).wait(0));
    const waits = of.futex.wait(0);
    await asleep(of, 2);
    memory.close();
    expect(await ended).toMatchObject({ code: 'ECANCELED' });
    await asleep(of, 1);
    of.futex.wake();
    expect(await waits).toBe('ok');
  });

  it('by the garbage collector does not happen while a wait needs it', async () => {
    const of = word();
    const begin = (): Promise<string> => Futex.at(SysvSharedMemory.openId(of.memory.id), 128).wait(0);
    const waits = begin();
    await asleep(of);
    for (let round = 0; round < 5; round++) {
      globalThis.gc?.();
      await turns();
    }
    expect(of.futex.wake()).toBe(1);
    expect(await waits).toBe('ok');
  });
});
