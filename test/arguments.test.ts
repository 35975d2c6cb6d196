// Wrong arguments of every kind to everything that is exported: an error, and never a crash, a hang or a message gone.
import { closeSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import fc from 'fast-check';
import {
  EventFd,
  Fifo,
  IPC_PRIVATE,
  Pipe,
  PipeReader,
  PipeWriter,
  SysvMessageQueue,
  UnixDatagramSocket,
  UnixSeqpacketServer,
  UnixSeqpacketSocket,
  UnixStream,
  UnixStreamServer,
  peerCredentials,
} from 'unix-ipc';
import { countOf, descriptors, drainPipe, fillPipe, folder } from './helpers/pipe-ends.js';
import { chance } from './helpers/chance.js';
import { rejection } from './helpers/failures.js';
import { ownNamespace, queueRows } from './helpers/kernel.js';
import { nodeProgram } from './helpers/peers.js';
import { borrow, drain, privateQueue } from './helpers/queues.js';
import {
  datagramPair,
  drain as drainSocket,
  drainStream,
  fill,
  packetPair,
  packetServer,
  receiver,
  sender,
  socketPath,
  streamPair,
  streamServer,
} from './helpers/unix-socket-ends.js';
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
      expect(report.count).toBeGreaterThan(20_000);
      expect(await peer.exited).toMatchObject({ code: 0, signal: null });
      expect(queueRows()).toHaveLength(before);
    },
    150_000 * scale,
  );

  it('leaves the descriptors of the runtime itself alone, whichever number is given', async () => {
    const peer = nodeProgram('hostile-runtime.js');
    const line = await peer.line();
    const report = JSON.parse(line) as { kinds: string[]; complaints: string[] };
    expect(report.complaints).toEqual([]);
    expect(report.kinds).toContain('anon_inode:[eventpoll]');
    expect(await peer.exited).toMatchObject({ code: 0, signal: null });
  }, 60_000);
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

const wrongTimes: [string, unknown, string][] = [
  ['a string', '5', type],
  ['null', null, type],
  ['a bigint', 5n, type],
  ['NaN', NaN, range],
  ['-1', -1, range],
  ['-Infinity', -Infinity, range],
];
const wrongSignals: [string, unknown][] = [
  ['null', null],
  ['a number', 1],
  ['an object', {}],
  ['an EventTarget', new EventTarget()],
  ['a function', () => 1],
];
const wrongSizes: [string, unknown, string][] = [
  ['a string', '1', type],
  ['null', null, type],
  ['a bigint', 1n, type],
  ['-1', -1, range],
  ['NaN', NaN, range],
  ['a fraction', 1.5, range],
  ['Infinity', Infinity, range],
];

describe('Pipe.create()', () => {
  it.each([
    ['null', null, type],
    ['a number', 5, type],
    ['a capacity of a string', { capacity: '4096' }, type],
    ['a negative capacity', { capacity: -1 }, range],
    ['a capacity that is NaN', { capacity: NaN }, range],
    ['a fraction as capacity', { capacity: 0.5 }, range],
    ['packets of a string', { packets: 'yes' }, type],
    ['packets of a number', { packets: 1 }, type],
    ['a codec that is not known', { packets: true, codec: 'xml' }, /^ERR_INVALID_ARG_(TYPE|VALUE)$/],
    ['a codec without decode', { packets: true, codec: { encode: String } }, type],
    ['a negative spin', { spin: -1 }, range],
    ['a spin of a string', { spin: '1' }, type],
  ])('refuses %s and makes no pipe', async (_what, options, code) => {
    const before = descriptors();
    expect(await codeOf(() => loose(Pipe)['create']?.(options))).toMatch(code);
    expect(descriptors()).toBe(before);
  });
});

describe.each([
  ['PipeReader', PipeReader],
  ['PipeWriter', PipeWriter],
  ['EventFd', EventFd],
])('%s.fromFd()', (_name, kind) => {
  it.each([undefined, null, '1', 1n, {}, true])('refuses %s', async (fd) => {
    expect(await codeOf(() => loose(kind)['fromFd']?.(fd))).toBe(type);
  });

  it.each([NaN, 0.5, 2 ** 31, Infinity])('refuses %s', async (fd) => {
    expect(await codeOf(() => kind.fromFd(fd))).toBe(range);
  });

  it('has no descriptor of a negative number', async () => {
    expect(await codeOf(() => kind.fromFd(-1))).toMatch(/^(EBADF|ERR_OUT_OF_RANGE)$/);
  });
});

describe.each(['readSync', 'tryRead', 'read', 'chunks'])('PipeReader.%s()', (name) => {
  const taking = (reader: PipeReader, options: unknown): unknown =>
    name === 'chunks'
      ? (loose(reader)['chunks']?.(options) as AsyncIterator<unknown>).next()
      : loose(reader)[name]?.(options);

  it.each([
    ['options of null', null, type],
    ['options of a string', 'x', type],
    ...wrongSizes.map(([what, size, code]): [string, unknown, string] => [
      `a size of ${what}`,
      { size },
      code,
    ]),
    ...(name === 'tryRead'
      ? []
      : wrongTimes.map(([what, timeout, code]): [string, unknown, string] => [
          `a time limit of ${what}`,
          { timeout },
          code,
        ])),
    ...(name === 'read' || name === 'chunks'
      ? wrongSignals.map(([what, signal]): [string, unknown, string] => [
          `a signal of ${what}`,
          { signal },
          type,
        ])
      : []),
  ])('refuses %s and takes nothing', async (_what, options, code) => {
    const { reader, writer } = borrow(Pipe.create());
    writer.writeSync('stays');
    expect(await codeOf(() => taking(reader, options))).toBe(code);
    expect(drainPipe(reader.fd).toString()).toBe('stays');
  });
});

describe.each(['writeSync', 'tryWrite', 'write'])('PipeWriter.%s()', (name) => {
  it.each([
    ['no data', [], type],
    ['null', [null], type],
    ['a number', [5], type],
    ['an object', [{}], type],
    ['an ArrayBuffer', [new ArrayBuffer(8)], type],
    ['a Uint16Array', [new Uint16Array(2)], type],
    ...(name === 'tryWrite'
      ? []
      : [
          ['options of null', ['x', null], type] as [string, unknown[], string],
          ...wrongTimes.map(([what, timeout, code]): [string, unknown[], string] => [
            `a time limit of ${what}`,
            ['x', { timeout }],
            code,
          ]),
        ]),
    ...(name === 'write'
      ? wrongSignals.map(([what, signal]): [string, unknown[], string] => [
          `a signal of ${what}`,
          ['x', { signal }],
          type,
        ])
      : []),
  ] as [string, unknown[], string][])('refuses %s and writes nothing', async (_what, args, code) => {
    const { reader, writer } = borrow(Pipe.create());
    expect(await codeOf(() => loose(writer)[name]?.(...args))).toBe(code);
    expect(reader.available).toBe(0);
  });
});

describe('setCapacity()', () => {
  it.each([
    ['nothing', undefined, type],
    ['null', null, type],
    ['a string', '4096', type],
    ['a bigint', 4096n, type],
    ['-1', -1, range],
    ['NaN', NaN, range],
    ['a fraction', 0.5, range],
    ['2^53', 2 ** 53, range],
  ])('refuses %s and changes nothing', async (_what, bytes, code) => {
    const { reader, writer } = borrow(Pipe.create());
    const before = reader.capacity;
    expect(await codeOf(() => loose(reader)['setCapacity']?.(bytes))).toBe(code);
    expect(await codeOf(() => loose(writer)['setCapacity']?.(bytes))).toBe(code);
    expect(reader.capacity).toBe(before);
  });
});

describe('Fifo.make()', () => {
  it.each([
    ['no path', [], type],
    ['a path of null', [null], type],
    ['a path of a number', [1], type],
    ['a path with NUL', ['fifo\0'], value],
    ['options of null', ['fifo', null], type],
    ['a mode of a string', ['fifo', { mode: '0600' }], type],
    ['a negative mode', ['fifo', { mode: -1 }], range],
    ['a mode of more than nine bits', ['fifo', { mode: 0o10000 }], range],
    ['exclusive of a string', ['fifo', { exclusive: 'no' }], type],
  ] as [string, unknown[], string][])('refuses %s and makes nothing', async (_what, args, code) => {
    const place = folder();
    const [path, ...rest] = args;
    const there = typeof path === 'string' ? join(place, path) : path;
    expect(await codeOf(() => loose(Fifo)['make']?.(...(args.length > 0 ? [there, ...rest] : [])))).toBe(
      code,
    );
    expect(readdirSync(place)).toEqual([]);
  });
});

describe.each([
  'openReaderSync',
  'tryOpenReader',
  'openReader',
  'openWriterSync',
  'tryOpenWriter',
  'openWriter',
])('Fifo.%s()', (name) => {
  it.each([
    ['options of null', null, type],
    ['packets of a number', { packets: 1 }, type],
    ['a codec without packets', { codec: 'utf8' }, value],
    ['a negative spin', { spin: -1 }, range],
    ...(name.includes('Reader')
      ? [['keepOpen of a string', { keepOpen: 'yes' }, type] as [string, unknown, string]]
      : []),
    ...(name.startsWith('try')
      ? []
      : wrongTimes.map(([what, timeout, code]): [string, unknown, string] => [
          `a time limit of ${what}`,
          { timeout },
          code,
        ])),
    ...(name.startsWith('try') || name.endsWith('Sync')
      ? []
      : wrongSignals.map(([what, signal]): [string, unknown, string] => [
          `a signal of ${what}`,
          { signal },
          type,
        ])),
  ] as [string, unknown, string][])('refuses %s and opens nothing', async (_what, options, code) => {
    const fifo = Fifo.make(join(folder(), 'fifo'));
    const reader = borrow(fifo.tryOpenReader({ keepOpen: true }));
    const before = descriptors();
    expect(await codeOf(() => loose(fifo)[name]?.(options))).toBe(code);
    expect(await codeOf(() => loose(Fifo)[name]?.(fifo.path, options))).toBe(code);
    expect(descriptors()).toBe(before);
    reader.close();
  });

  it.each([
    ['no path', undefined, type],
    ['a path of a number', 5, type],
    ['a path with NUL', '/tmp/fifo\0', value],
  ])('refuses %s', async (_what, path, code) => {
    expect(await codeOf(() => loose(Fifo)[name]?.(path))).toBe(code);
  });
});

describe('EventFd', () => {
  it.each([
    ['null', null, type],
    ['an initial value of a string', { initial: '1' }, type],
    ['semaphore of a number', { semaphore: 1 }, type],
    ['a negative spin', { spin: -1 }, range],
  ])('create() refuses %s and makes nothing', async (_what, options, code) => {
    const before = descriptors();
    expect(await codeOf(() => loose(EventFd)['create']?.(options))).toBe(code);
    expect(descriptors()).toBe(before);
  });

  it.each(['signalSync', 'signal', 'waitSync', 'wait'])(
    '%s() refuses wrong options and does nothing',
    async (name) => {
      const event = borrow(EventFd.create({ initial: 2 }));
      const call = (options: unknown): unknown =>
        name.startsWith('signal') ? loose(event)[name]?.(1, options) : loose(event)[name]?.(options);
      expect(await codeOf(() => call(null))).toBe(type);
      for (const [what, timeout, code] of wrongTimes)
        expect(await codeOf(() => call({ timeout })), what).toBe(code);
      if (!name.endsWith('Sync'))
        for (const [what, signal] of wrongSignals)
          expect(await codeOf(() => call({ signal })), what).toBe(type);
      expect(countOf(event.fd)).toBe(2n);
    },
  );
});

describe('what waits for descriptors', () => {
  it('as a promise rejects and never throws at once', async () => {
    const { reader, writer } = borrow(Pipe.create({ capacity: 4096 }));
    const event = borrow(EventFd.create());
    fillPipe(writer.fd);
    for (const [object, name] of [
      [reader, 'read'],
      [reader, 'splice'],
      [reader, 'tee'],
      [writer, 'write'],
      [event, 'wait'],
      [event, 'signal'],
      [Fifo, 'openReader'],
      [Fifo, 'openWriter'],
    ] as [object, string][]) {
      for (const args of [
        [null, null],
        [Symbol('x'), Symbol('x')],
        [{ size: 'x', timeout: 'x' }, { timeout: 'x' }],
      ]) {
        let result: unknown;
        expect(() => (result = loose(object)[name]?.(...args)), name).not.toThrow();
        expect(result, name).toBeInstanceOf(Promise);
        expect((await rejection(Promise.resolve(result))).name, name).toMatch(/TypeError|RangeError/);
      }
    }
  });
});

const wrongAddresses: [string, unknown, string][] = [
  ['nothing', undefined, type],
  ['null', null, type],
  ['a number', 5, type],
  ['an object', {}, type],
  ['an array', ['/tmp'], type],
  ['a URL', new URL('file:///tmp/socket'), type],
  ['an ArrayBuffer', new ArrayBuffer(8), type],
  ['a path with a NUL', '/tmp/socket\0', value],
  ['bytes of a path with a NUL', Buffer.from('/tmp/a\0b'), value],
];
const wrongSocketOptions: [string, unknown, string | RegExp][] = [
  ['options of null', null, type],
  ['options of a string', 'x', type],
  ['descriptors of a number', { descriptors: 1 }, type],
  ['credentials of an object', { credentials: {} }, type],
  ['a spin of a string', { spin: '1' }, type],
  ['a negative spin', { spin: -1 }, range],
  ['a sendBuffer of a string', { sendBuffer: '1' }, type],
  ['a negative sendBuffer', { sendBuffer: -1 }, range],
  ['a fraction as receiveBuffer', { receiveBuffer: 0.5 }, range],
  ['a sendBuffer of 2^31', { sendBuffer: 2 ** 31 }, range],
];
const wrongCodecs: [string, unknown, string | RegExp][] = [
  ['a codec that is not known', { codec: 'xml' }, /^ERR_INVALID_ARG_(TYPE|VALUE)$/],
  ['a codec of a number', { codec: 1 }, type],
  ['a codec without decode', { codec: { encode: String } }, type],
];
const wrongBinding: [string, unknown, string | RegExp][] = [
  ['a mode of a string', { mode: '600' }, type],
  ['a negative mode', { mode: -1 }, range],
  ['a mode of more than nine bits', { mode: 0o10000 }, range],
  ['replaceStale of a number', { replaceStale: 1 }, type],
  ['unlinkOnClose of a string', { unlinkOnClose: 'yes' }, type],
];

describe.each<[string, object, string, (string | number)[], boolean]>([
  ['UnixDatagramSocket.bind()', UnixDatagramSocket, 'bind', [], true],
  ['UnixDatagramSocket.connect()', UnixDatagramSocket, 'connect', [], true],
  ['UnixSeqpacketServer.listen()', UnixSeqpacketServer, 'listen', [], true],
  ['UnixStreamServer.listen()', UnixStreamServer, 'listen', [], true],
  ['UnixSeqpacketSocket.connectSync()', UnixSeqpacketSocket, 'connectSync', [], true],
  ['UnixSeqpacketSocket.tryConnect()', UnixSeqpacketSocket, 'tryConnect', [], true],
  ['UnixSeqpacketSocket.connect()', UnixSeqpacketSocket, 'connect', [], true],
  ['UnixStream.connectSync()', UnixStream, 'connectSync', [], true],
  ['UnixStream.tryConnect()', UnixStream, 'tryConnect', [], true],
  ['UnixStream.connect()', UnixStream, 'connect', [], true],
])('%s', (name, kind, method) => {
  const connects = method.toLowerCase().includes('connect');

  it.each(wrongAddresses)('refuses %s as address', async (_what, address, code) => {
    const before = descriptors();
    expect(await codeOf(() => loose(kind)[method]?.(address))).toBe(code);
    expect(descriptors()).toBe(before);
  });

  it.each([
    ...wrongSocketOptions,
    ...(name.startsWith('UnixStream') ? [] : wrongCodecs),
    ...(connects ? [] : wrongBinding),
    ...(connects
      ? ([
          ['bind of a number', { bind: 5 }, type],
          ['bind of null', { bind: null }, type],
        ] as [string, unknown, string][])
      : []),
    ...(method === 'listen'
      ? ([
          ['a backlog of a string', { backlog: '5' }, type],
          ['a negative backlog', { backlog: -1 }, range],
          ['a fraction as backlog', { backlog: 0.5 }, range],
        ] as [string, unknown, string][])
      : []),
    ...(method === 'connectSync' || (method === 'connect' && !name.includes('Datagram'))
      ? wrongTimes.map(([what, timeout, code]): [string, unknown, string] => [
          `a time limit of ${what}`,
          { timeout },
          code,
        ])
      : []),
    ...(method === 'connect' && !name.includes('Datagram')
      ? wrongSignals.map(([what, signal]): [string, unknown, string] => [
          `a signal of ${what}`,
          { signal },
          type,
        ])
      : []),
  ])('refuses %s and makes nothing', async (_what, options, code) => {
    const address = connects
      ? name.startsWith('UnixStream')
        ? streamServer().address
        : name.startsWith('UnixSeqpacket')
          ? packetServer().address
          : receiver().address
      : socketPath();
    const before = descriptors();
    expect(await codeOf(() => loose(kind)[method]?.(address, options))).toMatch(code);
    expect(descriptors()).toBe(before);
  });
});

describe.each([
  ['UnixDatagramSocket', UnixDatagramSocket],
  ['UnixSeqpacketSocket', UnixSeqpacketSocket],
  ['UnixStream', UnixStream],
  ['UnixSeqpacketServer', UnixSeqpacketServer],
  ['UnixStreamServer', UnixStreamServer],
])('%s.fromFd()', (_name, kind) => {
  it.each([undefined, null, '1', 1n, {}, true])('refuses %s', async (fd) => {
    expect(await codeOf(() => loose(kind)['fromFd']?.(fd))).toBe(type);
  });

  it.each([NaN, 0.5, 2 ** 31, Infinity])('refuses %s', async (fd) => {
    expect(await codeOf(() => loose(kind)['fromFd']?.(fd))).toBe(range);
  });

  it('has no descriptor of a negative number', async () => {
    expect(await codeOf(() => loose(kind)['fromFd']?.(-1))).toMatch(/^(EBADF|ERR_OUT_OF_RANGE)$/);
  });
});

describe.each(['sendSync', 'trySend', 'send'])('%s() of a Unix socket', (name) => {
  it.each<[string, unknown[], string | RegExp]>([
    ['no data', [], type],
    ['null', [null], type],
    ['a number', [5], type],
    ['an object', [{}], type],
    ['an ArrayBuffer', [new ArrayBuffer(8)], type],
    ['a Uint16Array', [new Uint16Array(2)], type],
    ['options of null', ['x', null], type],
    ['options of a number', ['x', 5], type],
    ['descriptors of null', ['x', { descriptors: null }], type],
    ['descriptors of a number', ['x', { descriptors: 0 }], type],
    ['a descriptor of a string', ['x', { descriptors: ['0'] }], type],
    ['a descriptor of null', ['x', { descriptors: [null] }], type],
    ['a descriptor that is a fraction', ['x', { descriptors: [0.5] }], range],
    ['an object without a descriptor', ['x', { descriptors: [{}] }], /^ERR_INVALID_ARG_(TYPE|VALUE)$/],
    ['a sparse list of descriptors', ['x', { descriptors: Object.assign([], { length: 2 }) }], type],
    ['credentials of null', ['x', { credentials: null }], type],
    ['credentials of a number', ['x', { credentials: 1 }], type],
    ['credentials without members', ['x', { credentials: {} }], type],
    ['a pid of a string', ['x', { credentials: { pid: '1', uid: 0, gid: 0 } }], type],
    ['a uid that is a fraction', ['x', { credentials: { pid: 1, uid: 0.5, gid: 0 } }], range],
    ...(name === 'trySend'
      ? []
      : wrongTimes.map(([what, timeout, code]): [string, unknown[], string] => [
          `a time limit of ${what}`,
          ['x', { timeout }],
          code,
        ])),
    ...(name === 'send'
      ? wrongSignals.map(([what, signal]): [string, unknown[], string] => [
          `a signal of ${what}`,
          ['x', { signal }],
          type,
        ])
      : []),
  ])('refuses %s and sends nothing', async (_what, args, code) => {
    const before = descriptors();
    for (const pair of [datagramPair, packetPair, streamPair]) {
      const [near, far] = pair();
      expect(await codeOf(() => loose(near)[name]?.(...args))).toMatch(code);
      expect(pair === streamPair ? drainStream(far) : drainSocket(far)).toHaveLength(0);
      near.close();
      far.close();
    }
    expect(descriptors()).toBe(before);
  });

  it.each(wrongAddresses.filter(([what]) => what !== 'nothing'))(
    'refuses %s as `to`',
    async (_what, to, code) => {
      const [near, far] = datagramPair();
      expect(await codeOf(() => loose(near)[name]?.('x', { to }))).toBe(code);
      expect(await codeOf(() => loose(sender())[name]?.('x', { to }))).toBe(code);
      expect(drainSocket(far)).toEqual([]);
    },
  );
});

const wrongLimits: [string, unknown, string | RegExp][] = [
  ['options of null', null, type],
  ['options of a string', 'x', type],
  ['maxBytes of a string', { maxBytes: '1' }, type],
  ['a negative maxBytes', { maxBytes: -1 }, range],
  ['maxBytes that is NaN', { maxBytes: NaN }, range],
  ['a fraction as maxBytes', { maxBytes: 1.5 }, range],
  ['truncate of a string', { maxBytes: 1, truncate: 'yes' }, type],
  ['truncate without maxBytes', { truncate: true }, /^ERR_INVALID_ARG_(TYPE|VALUE)$/],
];

describe.each([
  'receiveSync',
  'tryReceive',
  'receive',
  'receiveManySync',
  'tryReceiveMany',
  'receiveMany',
  'messages',
])('%s() of a Unix socket', (name) => {
  const taking = (end: unknown, options: unknown): unknown =>
    name === 'messages'
      ? (loose(end)['messages']?.(options) as AsyncIterator<unknown>).next()
      : name.includes('Many')
        ? loose(end)[name]?.(5, options)
        : loose(end)[name]?.(options);

  it.each([
    ...wrongLimits,
    ...(name.startsWith('try')
      ? []
      : wrongTimes.map(([what, timeout, code]): [string, unknown, string] => [
          `a time limit of ${what}`,
          { timeout },
          code,
        ])),
    ...(name.startsWith('try') || name.endsWith('Sync')
      ? []
      : wrongSignals.map(([what, signal]): [string, unknown, string] => [
          `a signal of ${what}`,
          { signal },
          type,
        ])),
  ])('refuses %s and takes nothing', async (_what, options, code) => {
    for (const pair of [datagramPair, packetPair]) {
      const [near, far] = pair();
      near.sendSync('stays');
      expect(await codeOf(() => taking(far, options))).toMatch(code);
      expect(drainSocket(far)).toEqual(['stays']);
    }
  });

  it.runIf(name.includes('Many'))('refuses a max that is none and takes nothing', async () => {
    const [near, far] = packetPair();
    near.sendSync('stays');
    for (const max of [undefined, null, '5', 5n])
      expect(await codeOf(() => loose(far)[name]?.(max))).toBe(type);
    for (const max of [NaN, -1, 0.5, 0, 2 ** 53])
      expect(await codeOf(() => loose(far)[name]?.(max)), String(max)).toBe(range);
    expect(drainSocket(far)).toEqual(['stays']);
  });
});

describe.each(['receiveSync', 'tryReceive', 'receive', 'chunks'])('UnixStream.%s()', (name) => {
  it.each([
    ['options of null', null, type],
    ['options of a string', 'x', type],
    ...wrongSizes.map(([what, size, code]): [string, unknown, string] => [
      `a size of ${what}`,
      { size },
      code,
    ]),
    ...(name === 'tryReceive'
      ? []
      : wrongTimes.map(([what, timeout, code]): [string, unknown, string] => [
          `a time limit of ${what}`,
          { timeout },
          code,
        ])),
  ])('refuses %s and takes nothing', async (_what, options, code) => {
    const [near, far] = streamPair();
    near.sendSync('stays');
    const call = (): unknown =>
      name === 'chunks'
        ? (loose(far)['chunks']?.(options) as AsyncIterator<unknown>).next()
        : loose(far)[name]?.(options);
    expect(await codeOf(call)).toBe(code);
    expect(drainStream(far)).toBe('stays');
  });
});

describe('a Unix server', () => {
  it.each(['acceptSync', 'accept', 'connections'])(
    '%s() refuses wrong options and accepts nobody',
    async (name) => {
      const server = packetServer();
      borrow(UnixSeqpacketSocket.connectSync(server.address));
      const call = (options: unknown): unknown =>
        name === 'connections'
          ? (loose(server)['connections']?.(options) as AsyncIterator<unknown>).next()
          : loose(server)[name]?.(options);
      expect(await codeOf(() => call(null))).toBe(type);
      for (const [what, timeout, code] of wrongTimes)
        expect(await codeOf(() => call({ timeout })), what).toBe(code);
      if (name !== 'acceptSync')
        for (const [what, signal] of wrongSignals)
          expect(await codeOf(() => call({ signal })), what).toBe(type);
      const far = server.tryAccept();
      expect(far).toBeInstanceOf(UnixSeqpacketSocket);
      far?.close();
    },
  );
});

describe('peerCredentials()', () => {
  it.each([undefined, null, '1', 1n, true, () => 1, {}, { fd: 'x' }, [3]])('refuses %s', async (socket) => {
    expect(await codeOf(() => Reflect.apply(peerCredentials, undefined, [socket]))).toMatch(
      /^ERR_INVALID_ARG_(TYPE|VALUE)$/,
    );
  });

  it.each([NaN, 0.5, 2 ** 31])('refuses %s', async (socket) => {
    expect(await codeOf(() => peerCredentials(socket))).toBe(range);
  });
});

describe('what waits for Unix sockets', () => {
  it('as a promise rejects and never throws at once', async () => {
    const [near, far] = packetPair();
    const [left, right] = streamPair();
    const server = streamServer();
    fill(near);
    const calls: [object, string][] = [
      [near, 'send'],
      [far, 'receive'],
      [far, 'receiveMany'],
      [left, 'send'],
      [right, 'receive'],
      [receiver(), 'receive'],
      [sender(), 'send'],
      [server, 'accept'],
      [UnixSeqpacketSocket, 'connect'],
      [UnixStream, 'connect'],
    ];
    for (const [object, name] of calls) {
      for (const args of [
        [null, null],
        [Symbol('x'), Symbol('x')],
        [{ maxBytes: 'x', size: 'x', timeout: 'x' }, { timeout: 'x' }],
      ]) {
        let result: unknown;
        expect(() => (result = loose(object)[name]?.(...args)), name).not.toThrow();
        expect(result, name).toBeInstanceOf(Promise);
        expect((await rejection(Promise.resolve(result))).name, name).toMatch(/TypeError|RangeError/);
      }
    }
  });
});

describe('whatever is sent', () => {
  const sizes = fc.array(fc.uint8Array({ maxLength: 5000 }), { minLength: 1, maxLength: 8 });

  it('comes as it was sent, in order, as datagrams and as messages of a connection', async () => {
    const { seed } = chance('whatever is sent');
    const pairs = [datagramPair(), packetPair()];
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), fc.integer({ min: 1, max: 10 }), async (data, blocking, max) => {
        for (const [near, far] of pairs) {
          for (const each of data)
            if (blocking) near.sendSync(each, { timeout: 5_000 });
            else await near.send(each);
          const found: Buffer[] = [];
          while (found.length < data.length)
            found.push(...far.tryReceiveMany(max).map((message) => message.data));
          expect(found.map((each) => [...each])).toEqual(data.map((each) => [...each]));
          expect(far.tryReceive()).toBeUndefined();
        }
      }),
      { seed, numRuns: 200 },
    );
  });

  it('comes as it was sent through a stream, whatever the sizes of the chunks', async () => {
    const { seed } = chance('whatever is sent through a stream');
    const [near, far] = streamPair();
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 3000 }), async (data, size) => {
        const whole = Buffer.concat(data);
        const sent = Promise.all(data.map((each) => near.send(each)));
        const chunks: Buffer[] = [];
        for (let bytes = 0; bytes < whole.length;) {
          const chunk = await far.receive({ size });
          if (chunk === null) throw new Error('the end came');
          expect(chunk.data.length).toBeLessThanOrEqual(size);
          bytes += chunk.data.length;
          chunks.push(chunk.data);
        }
        await sent;
        expect(Buffer.concat(chunks).equals(whole)).toBe(true);
      }),
      { seed, numRuns: 200 },
    );
  });

  it('of any name comes from that name, exactly', async () => {
    const { seed } = chance('names of the abstract namespace');
    const to = receiver();
    const names = fc.uint8Array({ maxLength: 60 });
    let number = 0;
    await fc.assert(
      fc.asyncProperty(names, async (bytes) => {
        const name = Buffer.concat([Buffer.from(`\0unix-ipc-test-${process.pid}-any-${number++}-`), bytes]);
        using from = UnixDatagramSocket.bind(name);
        from.sendSync('x', { to: to.address, timeout: 5_000 });
        const { address } = await to.receive();
        expect(Buffer.from(address as string).equals(name)).toBe(true);
        // As a string where it is one, and as bytes where it is none.
        expect(typeof address === 'string').toBe(Buffer.from(name.toString()).equals(name));
        expect(from.address).toEqual(address);
      }),
      { seed, numRuns: 200 },
    );
  });

  it('by the descriptors is the same files, in order', async () => {
    const { seed } = chance('descriptors in order');
    const [near, far] = packetPair({ descriptors: true });
    const events = Array.from({ length: 5 }, () => borrow(EventFd.create()));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 4 }), { maxLength: 60 }), async (choices) => {
        near.sendSync('x', { descriptors: choices.map((index) => events[index] as EventFd) });
        const message = await far.receive();
        try {
          for (const [at, index] of choices.entries()) {
            const copy = EventFd.fromFd(message?.descriptors[at] ?? -1);
            copy.signalSync(1);
            expect(events[index]?.tryWait()).toBe(1);
            copy.release();
          }
          expect(message?.descriptors).toHaveLength(choices.length);
        } finally {
          for (const fd of message?.descriptors ?? []) closeSync(fd);
        }
      }),
      { seed, numRuns: 100 },
    );
  });
});
