// The calls of <linux/futex.h> one by one: what they do, and a table of their errors.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from './helpers/compile.js';
import { failure, systemError } from './helpers/failures.js';
import { mapped, newMemfd, ownMapping } from './helpers/mappings.js';
import { program, sharedPeer } from './helpers/peers.js';
import { attach, newSegment } from './helpers/segments.js';
import { asleepOnWord, interruptedSysPeer, sleepersOnWord, sysPeer, told } from './helpers/semaphores.js';
import { until } from './helpers/until.js';
import { type Wrong, loose, refusal, refuses, wrong } from './helpers/wrong-arguments.js';

const { MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_NONE, PROT_READ, PROT_WRITE } = sys;
const type = 'ERR_INVALID_ARG_TYPE';
const range = 'ERR_OUT_OF_RANGE';
const value = 'ERR_INVALID_ARG_VALUE';
const soon = { tv_sec: 0, tv_nsec: 1_000_000 };
const now = { tv_sec: 0, tv_nsec: 0 };
const all = 2 ** 31 - 1;

type Memory = Parameters<typeof sys.futex_wait>[0];

const mmap = (flags: number): ArrayBuffer =>
  ownMapping(sys.mmap(null, 4096, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1));

/** Memory that a word can be in, and a view by which the test itself sees it. */
const memories: [what: string, make: () => { memory: Memory; whole: Uint8Array; start: number }][] = [
  ...(
    [
      ['shmat', () => attach(newSegment())],
      ['mmap of a memfd', () => mapped(newMemfd())],
      ['a shared mmap of nothing', () => mmap(MAP_SHARED)],
      ['a private mmap', () => mmap(MAP_PRIVATE)],
      ['an ArrayBuffer', () => new ArrayBuffer(64)],
      ['a SharedArrayBuffer', () => new SharedArrayBuffer(64)],
    ] as [string, () => ArrayBuffer][]
  ).map(([what, make]): (typeof memories)[number] => [
    what,
    () => {
      const memory = make();
      return { memory, whole: new Uint8Array(memory), start: 0 };
    },
  ]),
  ...(
    [
      ['an Int32Array', (buffer) => new Int32Array(buffer, 8, 4)],
      ['a Uint8Array', (buffer) => new Uint8Array(buffer, 12, 20)],
      ['a Float64Array', (buffer) => new Float64Array(buffer, 16, 3)],
      ['a BigUint64Array', (buffer) => new BigUint64Array(buffer, 8)],
      ['a Buffer', (buffer) => Buffer.from(buffer, 4, 40)],
      ['a DataView', (buffer) => new DataView(buffer, 20, 16)],
    ] as [string, (buffer: ArrayBuffer) => ArrayBufferView][]
  ).flatMap(([what, view]): typeof memories =>
    (
      [
        ['shmat', () => attach(newSegment())],
        ['JavaScript', () => new ArrayBuffer(64)],
        ['JavaScript that is shared', () => new SharedArrayBuffer(64)],
      ] as [string, () => ArrayBuffer][]
    ).map(([of, make]) => [
      `${what} over memory of ${of}`,
      () => {
        const buffer = make();
        const memory = view(buffer);
        return { memory, whole: new Uint8Array(buffer), start: memory.byteOffset };
      },
    ]),
  ),
];

/** A word of zeros in a segment, and where it is. */
function newWord(offset = 256): { memory: ArrayBuffer; shmid: number; words: Int32Array; index: number } {
  const shmid = newSegment();
  const memory = attach(shmid);
  return { memory, shmid, words: new Int32Array(memory), index: offset / 4 };
}

/** Other processes that make calls for tests, one after the other. */
const other = sharedPeer(sysPeer);
const interrupted = sharedPeer(interruptedSysPeer);

describe.each(memories)('a word of %s', (_what, make) => {
  it.each([0, 4, 12])('at offset %d is compared with what is expected, and nothing else is', (offset) => {
    const { memory, whole, start } = make();
    whole.fill(0xaa);
    const word = new Uint32Array(whole.buffer, start + offset, 1);
    for (const found of [0, 7, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      word[0] = found;
      const start = performance.now();
      expect(failure(() => sys.futex_wait(memory, offset, (found + 1) % 2 ** 32, now))).toMatchObject(
        systemError('EAGAIN', 'futex_wait'),
      );
      expect(failure(() => sys.futex_wait(memory, offset, (found + 1) % 2 ** 32))).toMatchObject({
        code: 'EAGAIN',
      });
      expect(performance.now() - start).toBeLessThan(1000);
      expect(failure(() => sys.futex_wait(memory, offset, found, now))).toMatchObject(
        systemError('ETIMEDOUT', 'futex_wait'),
      );
    }
    expect(sys.futex_wake(memory, offset, all)).toBe(0);
  });
});

describe('futex_wait', () => {
  it('fails with ETIMEDOUT when the time, which is relative, has run out', () => {
    const { memory } = newWord();
    for (const limit of [1, 30]) {
      const start = performance.now();
      expect(failure(() => sys.futex_wait(memory, 0, 0, { tv_sec: 0, tv_nsec: limit * 1e6 }))).toMatchObject(
        systemError('ETIMEDOUT', 'futex_wait'),
      );
      expect(performance.now() - start).toBeGreaterThanOrEqual(limit - 0.5);
    }
  });

  it.each([
    [{ tv_sec: -1, tv_nsec: 0 }],
    [{ tv_sec: 0, tv_nsec: -1 }],
    [{ tv_sec: 0, tv_nsec: 1_000_000_000 }],
    [{ tv_sec: -Number.MAX_SAFE_INTEGER, tv_nsec: 0 }],
  ])('fails with EINVAL for the time %j', (limit) => {
    const { memory } = newWord();
    for (const expected of [0, 1]) {
      expect(failure(() => sys.futex_wait(memory, 0, expected, limit))).toMatchObject(
        systemError('EINVAL', 'futex_wait'),
      );
    }
  });

  it('waits until it is woken, with a time limit and without, and gives nothing back', async () => {
    const { memory, shmid } = newWord();
    const peer = other();
    await peer.call('keep', 'memory', 'shmat', shmid);
    await peer.call('view', 'bytes', 'Uint8Array', 'memory', 250, 20);
    for (const [of, offset] of [
      ['@memory', 256],
      ['@bytes', 6],
    ] as const) {
      const longest = { tv_sec: Number.MAX_SAFE_INTEGER, tv_nsec: 999_999_999 };
      for (const rest of [[], [null], [undefined], [{ tv_sec: 1000, tv_nsec: 0 }], [longest]]) {
        const outcome = peer.outcome('sys.futex_wait', of, offset, 0, ...rest);
        await asleepOnWord({ of: shmid, offset: 256 }, peer);
        for (const elsewhere of [0, 252, 260]) expect(sys.futex_wake(memory, elsewhere, all)).toBe(0);
        expect(sys.futex_wake(memory, 256, 1)).toBe(1);
        expect(await outcome).toEqual({ value: undefined });
        expect(sys.futex_wake(memory, 256, all)).toBe(0);
      }
    }
  });

  it('is not woken by a change of the word alone', async () => {
    const { memory, shmid, words, index } = newWord();
    const peer = other();
    await peer.call('keep', 'memory', 'shmat', shmid);
    const outcome = peer.outcome('sys.futex_wait', '@memory', 256, 0);
    await asleepOnWord({ of: shmid, offset: 256 }, peer);
    Atomics.store(words, index, 1);
    // Those that wait in Atomics.wait() are others.
    expect(Atomics.notify(words, index)).toBe(0);
    expect(sys.futex_wake(memory, 256, all)).toBe(1);
    expect(await outcome).toEqual({ value: undefined });
    expect(await peer.failure('sys.futex_wait', '@memory', 256, 0)).toMatchObject({ code: 'EAGAIN' });
    expect(sys.futex_wake(memory, 256, all)).toBe(0);
  });

  it.each([
    ['of process.on()', other],
    ['without SA_RESTART', interrupted],
  ])('fails with EINTR where a signal handler %s runs while it waits', async (what, started) => {
    const { memory, shmid } = newWord();
    const peer = started();
    if (what.startsWith('of')) await peer.call('watch', 'SIGUSR2');
    await peer.call('keep', 'memory', 'shmat', shmid);
    for (const rest of [[], [{ tv_sec: 1000, tv_nsec: 0 }]]) {
      const outcome = peer.outcome('sys.futex_wait', '@memory', 256, 0, ...rest);
      await asleepOnWord({ of: shmid, offset: 256 }, peer);
      peer.signal('SIGUSR2');
      expect((await outcome).error).toMatchObject(systemError('EINTR', 'futex_wait'));
      expect(sys.futex_wake(memory, 256, all)).toBe(0);
    }
  });

  it('waits in memory that may only be read', async () => {
    const { memory, shmid } = newWord();
    const peer = other();
    await peer.call('keep', 'memory', 'shmat', shmid, null, sys.SHM_RDONLY);
    const outcome = peer.outcome('sys.futex_wait', '@memory', 256, 0);
    await asleepOnWord({ of: shmid, offset: 256 }, peer);
    expect(sys.futex_wake(memory, 256, 1)).toBe(1);
    expect(await outcome).toEqual({ value: undefined });
  });

  it('of a process that is killed is no waiter any more', async () => {
    const { memory, shmid } = newWord();
    const peer = await sysPeer();
    await peer.call('keep', 'memory', 'shmat', shmid);
    peer.outcome('sys.futex_wait', '@memory', 256, 0).catch(() => undefined);
    await asleepOnWord({ of: shmid, offset: 256 }, peer);
    peer.signal('SIGKILL');
    await peer.exited;
    expect(sys.futex_wake(memory, 256, all)).toBe(0);
  });
});

describe('futex_wake', () => {
  it('wakes as many as it is told to, one where that is none or less, and says how many', async () => {
    const { memory, shmid, words, index } = newWord();
    words[index] = -2;
    const peer = program(
      compiled('futex-peer'),
      'sleepers',
      told({ of: shmid, offset: 256 }),
      2 ** 32 - 2,
      8,
    );
    const asleep = (count: number): Promise<void> =>
      until(
        `${count} threads of the peer wait`,
        () => sleepersOnWord({ of: shmid, offset: 256 }, peer.pid) === count,
      );
    await asleep(8);
    let left = 8;
    for (const [count, woken] of [
      [1, 1],
      [2, 2],
      [0, 1],
      [-1, 1],
      [-(2 ** 31), 1],
      [all, 2],
      [all, 0],
    ] as const) {
      expect(sys.futex_wake(memory, 256, count), String(count)).toBe(woken);
      left -= woken;
      if (left > 0) await asleep(left);
    }
    expect(await peer.exited).toMatchObject({ code: 0, stdout: '0\n'.repeat(8) });
  });

  it('gives 0 where nobody waits', () => {
    const { memory } = newWord();
    for (const count of [0, 1, all, -1]) expect(sys.futex_wake(memory, 0, count)).toBe(0);
  });
});

describe('Workers', () => {
  /** A Worker that waits on the word of what it is given, each time it is told to. */
  function waiter(memory: SharedArrayBuffer | { shmid: number }, offset: number): Worker {
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      import('unix-ipc/sys').then((sys) => {
        const { memory, offset } = workerData;
        const buffer = memory instanceof SharedArrayBuffer ? memory : sys.shmat(memory.shmid);
        const view = new DataView(buffer, 4);
        const words = new Int32Array(buffer);
        parentPort.on('message', () => {
          parentPort.postMessage('waiting');
          let result = 'woken';
          try {
            sys.futex_wait(view, offset - 4, 5);
          } catch (error) {
            result = error.code;
          }
          parentPort.postMessage(result);
        });
        parentPort.postMessage('ready');
      });`;
    const worker = new Worker(code, { eval: true, execArgv: [], workerData: { memory, offset } });
    onTestFinished(async () => {
      await worker.terminate();
    });
    return worker;
  }
  const message = async (worker: Worker): Promise<unknown> =>
    ((await once(worker, 'message')) as [unknown])[0];

  it.each([
    ['a SharedArrayBuffer', () => new SharedArrayBuffer(64)],
    ['a segment that each attaches for itself', () => ({ shmid: newSegment() })],
  ])('are woken at the same word of %s, as many as told', async (_what, make) => {
    const memory = make();
    const buffer = memory instanceof SharedArrayBuffer ? memory : attach(memory.shmid);
    const words = new Int32Array(buffer);
    words[8] = 5;
    const workers = [waiter(memory, 32), waiter(memory, 32)];
    expect(await Promise.all(workers.map(message))).toEqual(['ready', 'ready']);
    const waiting = workers.map(message);
    for (const worker of workers) worker.postMessage('wait');
    expect(await Promise.all(waiting)).toEqual(['waiting', 'waiting']);
    const results = workers.map(message);
    let woken = 0;
    // They wait soon after they have said so; nobody else waits at that word, nor do they at another.
    await until('both are woken', () => {
      expect(sys.futex_wake(buffer, 28, all)).toBe(0);
      woken += sys.futex_wake(words, 32, 1);
      return woken === 2;
    });
    expect(await Promise.all(results)).toEqual(['woken', 'woken']);
    expect(sys.futex_wake(words, 32, all)).toBe(0);
    Atomics.store(words, 8, 6);
    const again = once(workers[0] as Worker, 'message');
    workers[0]?.postMessage('wait');
    expect(((await again) as [unknown])[0]).toBe('waiting');
    expect(await message(workers[0] as Worker)).toBe('EAGAIN');
  });
});

describe('a place', () => {
  const calls: [call: string, rest: unknown[]][] = [
    ['futex_wait', [1, now]],
    ['futex_wake', [1]],
  ];

  it.each([
    [new ArrayBuffer(64), 2],
    [new ArrayBuffer(64), 1],
    [new ArrayBuffer(64), 59],
    [new Uint8Array(new ArrayBuffer(64), 2), 0],
    [new Uint8Array(new ArrayBuffer(64), 2), 4],
    [new DataView(new ArrayBuffer(64), 7, 20), 2],
    [new Int16Array(new SharedArrayBuffer(64), 2), 8],
  ] as [Memory, number][])('that is not aligned in its memory gives EINVAL (%#)', (memory, offset) => {
    for (const [call, rest] of calls) {
      expect(
        failure(() => loose(call, [memory, offset, ...rest])),
        call,
      ).toMatchObject(systemError('EINVAL', call));
    }
  });

  it.each([
    [new Uint8Array(new ArrayBuffer(64), 2), 2],
    [new DataView(new ArrayBuffer(64), 7, 20), 1],
    [new DataView(new ArrayBuffer(64), 7, 20), 13],
    [Buffer.from(new ArrayBuffer(64), 3, 5), 1],
  ] as [Memory, number][])('that is aligned in its memory alone is one (%#)', (memory, offset) => {
    expect(failure(() => sys.futex_wait(memory, offset, 1, now))).toMatchObject({ code: 'EAGAIN' });
    expect(sys.futex_wake(memory, offset, 1)).toBe(0);
  });

  it.each([
    ['at the end of a buffer', new ArrayBuffer(64), 64],
    ['half past the end of a buffer', new ArrayBuffer(64), 61],
    ['far beyond a buffer', new ArrayBuffer(64), 2 ** 40],
    ['at the end of a SharedArrayBuffer', new SharedArrayBuffer(64), 64],
    ['past the end of a view, though inside the buffer', new Uint8Array(new ArrayBuffer(64), 8, 8), 8],
    ['half past the end of a view', new Uint8Array(new ArrayBuffer(64), 8, 7), 4],
    ['past the end of a DataView', new DataView(new ArrayBuffer(64), 8, 8), 8],
    ['in no bytes', new ArrayBuffer(0), 0],
    ['in a view of no bytes', new Int32Array(new ArrayBuffer(64), 8, 0), 0],
    ['before a view', new Uint8Array(new ArrayBuffer(64), 8), -4],
  ] as [string, Memory, number][])('%s is refused', (_what, memory, offset) => {
    for (const [call, rest] of calls) {
      expect(
        failure(() => loose(call, [memory, offset, ...rest])),
        call,
      ).toMatchObject(refusal(range));
    }
  });

  it('in the whole of the memory is one, the last word included', () => {
    for (const make of [() => attach(newSegment(4096)), () => new ArrayBuffer(4096)]) {
      const memory = make();
      expect(failure(() => sys.futex_wait(memory, 4092, 0, soon))).toMatchObject({ code: 'ETIMEDOUT' });
      expect(failure(() => sys.futex_wait(memory, 4096, 0, soon))).toMatchObject(refusal(range));
    }
  });

  it('in memory that is detached is refused, also where it was one a moment ago', () => {
    const transferred = new ArrayBuffer(64);
    const view = new Int32Array(transferred, 8);
    const dataView = new DataView(transferred, 4);
    const attached = attach(newSegment());
    const attachedView = new Uint8Array(attached, 8);
    const mapping = mmap(MAP_SHARED);
    const each: Memory[] = [transferred, view, dataView, attached, attachedView, mapping];
    for (const memory of each)
      expect(failure(() => sys.futex_wait(memory, 0, 1, now))).toMatchObject({ code: 'EAGAIN' });
    sys.futex_wake(mapping, 0, 1);
    structuredClone(transferred, { transfer: [transferred] });
    sys.shmdt(attached);
    sys.munmap(mapping);
    for (const memory of [mapping, ...each]) {
      for (const [call, rest] of calls) {
        expect(
          failure(() => loose(call, [memory, 0, ...rest])),
          call,
        ).toMatchObject(refusal(value));
      }
    }
  });

  it('is looked up anew each time: the same view with another offset, another view with the same', () => {
    const words = new Int32Array(16);
    words.set([1, 2, 3, 4]);
    const tail = words.subarray(2);
    for (const [memory, offset, found] of [
      [words, 0, 1],
      [words, 4, 2],
      [tail, 4, 4],
      [words, 4, 2],
      [tail, 0, 3],
      [words.buffer, 0, 1],
    ] as const) {
      expect(failure(() => sys.futex_wait(memory, offset, found, now))).toMatchObject({ code: 'ETIMEDOUT' });
      expect(failure(() => sys.futex_wait(memory, offset, 9, now))).toMatchObject({ code: 'EAGAIN' });
    }
  });

  it('that is not there gives EFAULT and ends no process', async () => {
    const peer = await sysPeer();
    const flags = MAP_SHARED | MAP_ANONYMOUS;
    await peer.call('keep', 'none', 'mmap', null, 4096, PROT_NONE, flags, -1);
    await peer.call('keep', 'fd', 'memfd_create', 'cut');
    await peer.call('sys.ftruncate', '@fd', 4096);
    await peer.call('keep', 'cut', 'mmap', null, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, '@fd');
    await peer.call('sys.ftruncate', '@fd', 0);
    for (const memory of ['@none', '@cut']) {
      for (const [call, ...rest] of [
        ['futex_wait', 0, now],
        ['futex_wake', 1],
      ] as const) {
        expect(await peer.failure(`sys.${call}`, memory, 0, ...rest)).toMatchObject(
          systemError('EFAULT', call),
        );
      }
    }
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
  });

  const memory: Wrong[] = [
    ['undefined', type, undefined],
    ...wrong('object'),
    ['an object', type, {}],
    ['an array', type, [1, 2]],
    ['an object like a view', type, { buffer: new ArrayBuffer(8), byteOffset: 0, byteLength: 8 }],
    ['an heir of a view', type, Object.create(new Int32Array(4))],
  ];
  const offset: Wrong[] = [...wrong('size'), ['undefined', type, undefined]];
  refuses(
    'futex_wait',
    {
      memory,
      byteOffset: offset,
      expected: 'unsigned',
      timeout: wrong('timespec'),
    },
    () => [new ArrayBuffer(64), 0, 0, now],
  );
  refuses('futex_wake', { memory, byteOffset: offset, count: 'int' }, () => [new ArrayBuffer(64), 0, 1]);

  it('is where the view really is, whatever its properties say', () => {
    const bytes = new Uint8Array(new ArrayBuffer(64), 8, 16);
    bytes[0] = 7;
    for (const name of ['byteOffset', 'byteLength', 'length', 'buffer']) {
      Object.defineProperty(bytes, name, { value: name === 'buffer' ? new ArrayBuffer(1000) : 2 ** 40 });
    }
    expect(failure(() => sys.futex_wait(bytes, 0, 8, now))).toMatchObject({ code: 'EAGAIN' });
    expect(failure(() => sys.futex_wait(bytes, 0, 7, now))).toMatchObject({ code: 'ETIMEDOUT' });
    expect(failure(() => sys.futex_wait(bytes, 16, 0, now))).toMatchObject(refusal(range));
  });
});
