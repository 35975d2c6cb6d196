// Wrong arguments of every kind to everything that is exported: an error, and never a crash, a hang or a message gone.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { IPC_PRIVATE, SysvMessageQueue } from 'unix-ipc';
import { chance } from './helpers/chance.js';
import { rejection } from './helpers/failures.js';
import { ownNamespace, queueRows } from './helpers/kernel.js';
import { nodeProgram } from './helpers/peers.js';
import { drain, privateQueue } from './helpers/queues.js';
import { scale } from './helpers/until.js';

describe('every export', () => {
  it(
    'survives hostile values in every place, one by one and all together',
    async () => {
      const { seed } = chance('hostile values');
      const folder = mkdtempSync(join(tmpdir(), 'unix-ipc-hostile-'));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const log = join(folder, 'calls');
      const before = queueRows().length;
      const peer = nodeProgram('hostile.js', log, seed, 3000, ownNamespace ? 'own' : 'shared');
      const line = await peer.line().catch(async (error: unknown) => {
        const exit = await peer.exited;
        const calls = readFileSync(log, 'utf8').trimEnd().split('\n');
        throw new Error(
          `ended by ${exit.signal ?? exit.code} after ${calls.length} calls, in ${calls.at(-1)}`,
          {
            cause: error,
          },
        );
      });
      const report = JSON.parse(line) as { cases: number; count: number; complaints: string[] };
      expect(report.complaints).toEqual([]);
      expect(report.count).toBeGreaterThan(5000);
      expect(await peer.exited).toMatchObject({ code: 0, signal: null });
      expect(queueRows()).toHaveLength(before);
    },
    60_000 * scale,
  );
});

/** Calls made from JavaScript programs, where no type stops a wrong argument. */
type Loose = Record<string, (...args: unknown[]) => unknown>;
const loose = (queue: unknown): Loose => queue as Loose;
const type = 'ERR_INVALID_ARG_TYPE';
const value = 'ERR_INVALID_ARG_VALUE';
const range = 'ERR_OUT_OF_RANGE';

async function codeOf(call: () => unknown): Promise<string | undefined> {
  return (await rejection(Promise.resolve().then(call))).code;
}

describe('open()', () => {
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
    ['a path of a number', { path: 1, projId: 1 }, type],
    ['a path with NUL', { path: '/tmp\0', projId: 1 }, value],
    ['two characters as projId', { path: '/tmp', projId: 'ab' }, value],
    ['a fraction as projId', { path: '/tmp', projId: 0.5 }, range],
  ])('refuses %s as key', async (_what, key, code) => {
    const before = queueRows().length;
    expect(await codeOf(() => loose(SysvMessageQueue)['open']?.(key))).toBe(code);
    expect(queueRows()).toHaveLength(before);
  });

  it.each([
    ['options of null', null, type],
    ['options of a string', 'json', type],
    ['a mode of a string', { mode: '0600' }, type],
    ['a negative mode', { mode: -1 }, range],
    ['a mode that is NaN', { mode: NaN }, range],
    ['a mode of more than nine bits', { mode: 0o10000 }, range],
    ['create of a number', { create: 1 }, type],
    ['exclusive of a string', { exclusive: 'no' }, type],
    ['a codec that is not known', { codec: 'xml' }, /^ERR_INVALID_ARG_(TYPE|VALUE)$/],
    ['a codec of a number', { codec: 1 }, type],
    ['a codec without decode', { codec: { encode: String } }, type],
    ['a negative spin', { spin: -1 }, range],
    ['a spin of a string', { spin: '1' }, type],
    ['a spin that is NaN', { spin: NaN }, range],
  ])('refuses %s and makes no queue', async (_what, options, code) => {
    const before = queueRows().length;
    expect(await codeOf(() => loose(SysvMessageQueue)['open']?.(IPC_PRIVATE, options))).toMatch(code);
    expect(queueRows()).toHaveLength(before);
  });

  it.each([undefined, null, '1', 1n, {}, true])('openId() refuses %s', async (id) => {
    expect(await codeOf(() => loose(SysvMessageQueue)['openId']?.(id))).toBe(type);
  });

  it.each([NaN, 0.5, 2 ** 31, Infinity])('openId() refuses %s', async (id) => {
    expect(await codeOf(() => SysvMessageQueue.openId(id))).toBe(range);
  });
});

describe.each(['sendSync', 'trySend', 'send'])('%s()', (name) => {
  it.each([
    ['no data', [], type],
    ['null', [null], type],
    ['a number', [5], type],
    ['an object', [{}], type],
    ['an ArrayBuffer', [new ArrayBuffer(8)], type],
    ['a Uint16Array', [new Uint16Array(2)], type],
    ['options of null', ['x', null], type],
    ['options of a number', ['x', 5], type],
    ['a type of a string', ['x', { type: '1' }], type],
    ['a type of null', ['x', { type: null }], type],
    ['the type 0', ['x', { type: 0 }], range],
    ['the type -1', ['x', { type: -1 }], range],
    ['a type that is NaN', ['x', { type: NaN }], range],
    ['a fraction as type', ['x', { type: 1.5 }], range],
    ['a type of 2^63', ['x', { type: 2n ** 63n }], range],
  ] as [string, unknown[], string][])('refuses %s and sends nothing', async (_what, args, code) => {
    const queue = privateQueue();
    expect(await codeOf(() => loose(queue)[name]?.(...args))).toBe(code);
    expect(queue.stat().messages).toBe(0);
  });
});

const wrongReceive: [string, unknown, string][] = [
  ['options of null', null, type],
  ['options of a string', 'x', type],
  ['a type of a string', { type: '1' }, type],
  ['a type of null', { type: null }, type],
  ['a type that is NaN', { type: NaN }, range],
  ['a fraction as type', { type: 0.5 }, range],
  ['a type of 2^63', { type: 2n ** 63n }, range],
  ['except of a number', { type: 1, except: 1 }, type],
  ['maxBytes of a string', { maxBytes: '1' }, type],
  ['a negative maxBytes', { maxBytes: -1 }, range],
  ['maxBytes that is NaN', { maxBytes: NaN }, range],
  ['a fraction as maxBytes', { maxBytes: 1.5 }, range],
  ['truncate of a string', { maxBytes: 1, truncate: 'yes' }, type],
];

describe.each(['receiveSync', 'tryReceive', 'receive'])('%s()', (name) => {
  it.each(wrongReceive)('refuses %s and takes nothing', async (_what, options, code) => {
    const queue = privateQueue();
    queue.sendSync('stays');
    expect(await codeOf(() => loose(queue)[name]?.(options))).toBe(code);
    expect(drain(queue.id)).toEqual(['stays']);
  });
});

describe.each(['receiveManySync', 'tryReceiveMany', 'receiveMany'])('%s()', (name) => {
  it.each(wrongReceive)('refuses %s and takes nothing', async (_what, options, code) => {
    const queue = privateQueue();
    queue.sendSync('stays');
    expect(await codeOf(() => loose(queue)[name]?.(5, options))).toBe(code);
    expect(drain(queue.id)).toEqual(['stays']);
  });

  it.each([[undefined], [null], ['5'], [5n]])('refuses %s as max and takes nothing', async (max) => {
    const queue = privateQueue();
    queue.sendSync('stays');
    expect(await codeOf(() => loose(queue)[name]?.(max))).toBe(type);
    expect(drain(queue.id)).toEqual(['stays']);
  });
});

describe('messages()', () => {
  it.each(wrongReceive)(
    'refuses %s, at once or at the first next(), and takes nothing',
    async (_what, options, code) => {
      const queue = privateQueue();
      queue.sendSync('stays');
      const first = (): unknown => (loose(queue)['messages']?.(options) as AsyncIterator<unknown>).next();
      expect(await codeOf(first)).toBe(code);
      expect(drain(queue.id)).toEqual(['stays']);
    },
  );
});

describe('what waits', () => {
  const calls: [string, (queue: SysvMessageQueue, options: unknown) => unknown, boolean][] = [
    ['sendSync()', (queue, options) => loose(queue)['sendSync']?.('x', options), false],
    ['send()', (queue, options) => loose(queue)['send']?.('x', options), true],
    ['receiveSync()', (queue, options) => loose(queue)['receiveSync']?.(options), false],
    ['receive()', (queue, options) => loose(queue)['receive']?.(options), true],
    ['receiveMany()', (queue, options) => loose(queue)['receiveMany']?.(1, options), true],
  ];

  it.each(calls)('by %s refuses a time limit that is none', async (_name, call) => {
    const queue = privateQueue();
    queue.sendSync('stays');
    for (const [timeout, code] of [
      ['5', type],
      [null, type],
      [5n, type],
      [NaN, range],
      [-1, range],
      [-Infinity, range],
    ]) {
      expect(await codeOf(() => call(queue, { timeout })), String(timeout)).toBe(code);
    }
    expect(drain(queue.id)).toEqual(['stays']);
  });

  it.each(calls.filter(([, , aborts]) => aborts))(
    'by %s refuses a signal that is none',
    async (_name, call) => {
      const queue = privateQueue();
      queue.sendSync('stays');
      const signals = {
        null: null,
        number: 1,
        string: 'abort',
        object: {},
        target: new EventTarget(),
        function: () => 1,
      };
      for (const [what, signal] of Object.entries(signals)) {
        expect(await codeOf(() => call(queue, { signal })), what).toBe(type);
      }
      expect(drain(queue.id)).toEqual(['stays']);
    },
  );

  it.each(['send', 'receive', 'receiveMany'])('as %s() rejects and never throws at once', async (name) => {
    const queue = privateQueue();
    for (const args of [
      [null, null],
      [Symbol('x'), Symbol('x')],
      [{ type: 'x' }, { type: 'x' }],
    ]) {
      let result: unknown;
      expect(() => (result = loose(queue)[name]?.(...args))).not.toThrow();
      expect(result).toBeInstanceOf(Promise);
      expect((await rejection(Promise.resolve(result))).name).toMatch(/TypeError|RangeError/);
    }
  });
});

describe('set()', () => {
  it.each([
    ['nothing', undefined, type],
    ['null', null, type],
    ['a number', 0o600, type],
    ['a mode of a string', { mode: '600' }, type],
    ['a negative mode', { mode: -1 }, range],
    ['a mode of more than nine bits', { mode: 0o10000 }, range],
    ['a negative uid', { uid: -1 }, range],
    ['a gid of a string', { gid: 'root' }, type],
    ['negative maxBytes', { maxBytes: -1 }, range],
    ['maxBytes that is NaN', { maxBytes: NaN }, range],
  ])('refuses %s and changes nothing', async (_what, changes, code) => {
    const queue = privateQueue();
    const before = queue.stat();
    expect(await codeOf(() => loose(queue)['set']?.(changes))).toBe(code);
    expect(queue.stat()).toEqual(before);
  });
});
