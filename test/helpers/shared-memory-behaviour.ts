// What every class of shared memory does alike: tests that each of them passes.
import { createHash } from 'node:crypto';
import { openSync, readSync, writeSync } from 'node:fs';
import { devNull } from 'node:os';
import { describe, expect, it } from 'vitest';
import { IpcError, SharedMemory, SharedMemoryWindow } from 'unix-ipc';
import { ownFd, targetOf } from './descriptors.js';
import { failure } from './failures.js';
import { GiB, closeIfStill, closing, held, loosely, mappingsOf, pages, pattern } from './shared-memory.js';
import { turns, until } from './until.js';

/** One class of shared memory. */
export interface Kind<Memory extends SharedMemory> {
  /** New memory of the test's own. */
  make(size?: number, options?: { reserve?: boolean }): Memory;
  /** Another object of the same memory. */
  again(memory: Memory, options?: { readOnly?: boolean }): Memory;
  /** New memory of which nothing is left when it is mapped nowhere and has no descriptor. */
  fleeting(size?: number): Memory;
  /** Methods beside those that all have. None may be called any more when the object is closed. */
  methods: Record<string, (memory: Memory) => unknown>;
}

type Call = [what: string, call: (memory: SharedMemory) => unknown];

/** What reaches into the memory. */
const reaching: Call[] = [
  ['buffer', (memory) => memory.buffer],
  ['bytes', (memory) => memory.bytes],
  ['read()', (memory) => memory.read(0, 1)],
  ['window()', (memory) => closing(memory.window(0, 8))],
];
const writing: Call = ['write()', (memory) => memory.write(0, 'x')];

const outside: [what: string, code: string, offset: unknown, length: unknown][] = [
  ['an offset before the memory', 'ERR_OUT_OF_RANGE', -8, 1],
  ['an offset behind the memory', 'ERR_OUT_OF_RANGE', 5008, 0],
  ['more than there is', 'ERR_OUT_OF_RANGE', 0, 5001],
  ['more than there is from the offset on', 'ERR_OUT_OF_RANGE', 4992, 9],
  ['a negative length', 'ERR_OUT_OF_RANGE', 0, -1],
  ['lengths whose sum is past 2^53', 'ERR_OUT_OF_RANGE', 8, Number.MAX_SAFE_INTEGER],
  ['a fraction of an offset', 'ERR_OUT_OF_RANGE', 0.5, 1],
  ['a fraction of a length', 'ERR_OUT_OF_RANGE', 0, 1.5],
  ['an offset that is NaN', 'ERR_OUT_OF_RANGE', NaN, 1],
  ['an infinite length', 'ERR_OUT_OF_RANGE', 0, Infinity],
  ['an offset of a string', 'ERR_INVALID_ARG_TYPE', '0', 1],
  ['an offset of null', 'ERR_INVALID_ARG_TYPE', null, 1],
  ['a length of a bigint', 'ERR_INVALID_ARG_TYPE', 0, 1n],
  ['a length of null', 'ERR_INVALID_ARG_TYPE', 0, null],
];

function detached(): Uint8Array {
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** Everything about the memory that its class does not do alone. */
export function behavesAsSharedMemory<Memory extends SharedMemory>(kind: Kind<Memory>): void {
  describe('the memory', () => {
    it('is as long as was asked for, zeros at first, and of two objects the same', () => {
      const memory = kind.make(5000);
      expect(memory).toBeInstanceOf(SharedMemory);
      expect(memory).toMatchObject({ size: 5000, readOnly: false, closed: false });
      const other = kind.again(memory);
      expect(other).toMatchObject({ size: 5000, readOnly: false, closed: false });
      expect(memory.buffer).toBeInstanceOf(ArrayBuffer);
      expect([memory.buffer.byteLength, other.buffer.byteLength]).toEqual([5000, 5000]);
      expect(other.read().equals(Buffer.alloc(5000))).toBe(true);
      memory.bytes.set(pattern(5000));
      expect(other.bytes.equals(pattern(5000))).toBe(true);
      other.write(4999, Buffer.of(77));
      expect(memory.bytes[4999]).toBe(77);
    });

    it('has one buffer, and bytes are a Buffer over it', () => {
      const memory = kind.make(5000);
      expect(memory.buffer).toBe(memory.buffer);
      expect(Buffer.isBuffer(memory.bytes)).toBe(true);
      expect(memory.bytes.buffer).toBe(memory.buffer);
      expect([memory.bytes.byteOffset, memory.bytes.length]).toEqual([0, 5000]);
      expect(kind.again(memory).buffer).not.toBe(memory.buffer);
    });

    it('is under every kind of view, and under what the runtime itself does with bytes', () => {
      const memory = kind.make(4096);
      const other = kind.again(memory).bytes;
      new Float64Array(memory.buffer, 8, 2).set([Math.PI, -1]);
      new DataView(memory.buffer).setBigInt64(32, -5n);
      new Uint16Array(memory.buffer, 64).fill(0xabcd, 0, 4).copyWithin(10, 0, 2);
      Atomics.add(new Int32Array(memory.buffer), 100, 7);
      Buffer.from('text').copy(memory.bytes, 1000);
      expect(other.readDoubleLE(8)).toBe(Math.PI);
      expect(other.readBigInt64BE(32)).toBe(-5n);
      expect(other.toString('hex', 64, 72)).toBe('cdabcdabcdabcdab');
      expect(other.toString('hex', 84, 90)).toBe('cdabcdab0000');
      expect(other.readInt32LE(400)).toBe(7);
      expect(other.indexOf('text')).toBe(1000);
      const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
      expect(hash(memory.bytes)).toBe(hash(Buffer.from(other)));
    });

    it('stays where it is whoever wants to transfer it', () => {
      const memory = kind.make(4096);
      const { buffer } = memory;
      const { port1, port2 } = new MessageChannel();
      const attempts: (() => unknown)[] = [
        () => structuredClone(buffer, { transfer: [buffer] }),
        () => port1.postMessage(buffer, [buffer]),
      ];
      if ('transfer' in buffer) attempts.push(() => loosely(buffer, 'transfer'));
      for (const attempt of attempts) {
        try {
          attempt();
        } catch {
          // Whether it fails or copies is the runtime's affair.
        }
        expect(buffer.byteLength).toBe(4096);
      }
      port1.close();
      port2.close();
      memory.write(4000, 'still there');
      expect(Buffer.from(buffer, 4000, 11).toString()).toBe('still there');
    });
  });

  describe('read()', () => {
    it('gives a copy of all, or of a part', () => {
      const memory = kind.make(5000);
      memory.write(0, pattern(5000));
      const all = memory.read();
      expect(all.equals(pattern(5000))).toBe(true);
      expect(memory.read(4000).equals(pattern(5000).subarray(4000))).toBe(true);
      expect(memory.read(3, 5)).toEqual(pattern(5000).subarray(3, 8));
      expect(memory.read(5000)).toEqual(Buffer.alloc(0));
      expect(memory.read(17, 0)).toEqual(Buffer.alloc(0));
      expect(all.buffer).not.toBe(memory.buffer);
      all.fill(0);
      memory.read(0, 10).fill(0);
      expect(memory.bytes.equals(pattern(5000))).toBe(true);
    });

    it.each(outside)('refuses %s: %s', (_what, code, offset, length) => {
      expect(failure(() => loosely(kind.make(5000), 'read', offset, length))).toMatchObject({ code });
    });
  });

  describe('write()', () => {
    it('takes a string, a Buffer or any Uint8Array', () => {
      const memory = kind.make(5000);
      memory.write(0, 'grün');
      memory.write(5, Buffer.of(1, 2));
      memory.write(4997, Uint8Array.of(9, 8, 7, 6, 5).subarray(1, 4));
      memory.write(5000, '');
      memory.write(4, new Uint8Array(0));
      expect(memory.read(0, 8)).toEqual(Buffer.from([...Buffer.from('grün'), 1, 2, 0]));
      expect(memory.read(4997)).toEqual(Buffer.of(8, 7, 6));
    });

    it('moves bytes of the memory itself as if by a copy', () => {
      const memory = kind.make(5000);
      memory.write(0, pattern(5000));
      memory.write(1, memory.bytes.subarray(0, 4000));
      expect(memory.read(1, 4000).equals(pattern(5000).subarray(0, 4000))).toBe(true);
      memory.write(0, memory.bytes.subarray(1, 4001));
      expect(memory.read(0, 4000).equals(pattern(5000).subarray(0, 4000))).toBe(true);
    });

    it.each([
      ['an offset before the memory', 'ERR_OUT_OF_RANGE', -1, 'x'],
      ['a byte too much', 'ERR_OUT_OF_RANGE', 4998, 'xyz'],
      ['a byte at the end', 'ERR_OUT_OF_RANGE', 5000, 'x'],
      ['nothing behind the end', 'ERR_OUT_OF_RANGE', 5001, ''],
      ['more than all', 'ERR_OUT_OF_RANGE', 0, Buffer.alloc(5001, 1)],
      ['a fraction of an offset', 'ERR_OUT_OF_RANGE', 0.5, 'x'],
      ['an offset of a string', 'ERR_INVALID_ARG_TYPE', '0', 'x'],
      ['no offset', 'ERR_INVALID_ARG_TYPE', undefined, 'x'],
      ['no data', 'ERR_INVALID_ARG_TYPE', 0, undefined],
      ['data of a number', 'ERR_INVALID_ARG_TYPE', 0, 5],
      ['data of an array', 'ERR_INVALID_ARG_TYPE', 0, [1, 2]],
      ['data of an ArrayBuffer', 'ERR_INVALID_ARG_TYPE', 0, new ArrayBuffer(8)],
      ['data of a Uint16Array', 'ERR_INVALID_ARG_TYPE', 0, Uint16Array.of(1)],
      ['data of a detached view', 'ERR_INVALID_ARG_VALUE', 0, detached()],
    ])('refuses %s, and nothing is written: %s', (_what, code, offset, data) => {
      const memory = kind.make(5000);
      expect(failure(() => loosely(memory, 'write', offset, data))).toMatchObject({ code });
      expect(memory.read().equals(Buffer.alloc(5000))).toBe(true);
    });
  });

  describe('window()', () => {
    it('gives a part, at any multiple of 8', () => {
      const memory = kind.make(3 * pages);
      memory.write(0, pattern(3 * pages));
      for (const [offset, length] of [
        [0, 3 * pages],
        [8, 1],
        [pages - 8, 16],
        [pages, pages],
        [pages + 4104, 5000],
        [3 * pages - 8, 8],
      ] as const) {
        const window = memory.window(offset, length);
        expect(window).toBeInstanceOf(SharedMemoryWindow);
        expect(window).toBeInstanceOf(SharedMemory);
        expect(window).toMatchObject({ size: length, readOnly: false, closed: false });
        const expected = pattern(3 * pages).subarray(offset, offset + length);
        expect(window.read().equals(expected)).toBe(true);
        expect(window.bytes.equals(expected)).toBe(true);
        expect([window.buffer.byteLength, window.bytes.byteOffset]).toEqual([length, 0]);
        window.close();
      }
    });

    it('is the same memory', () => {
      const memory = kind.make(2 * pages);
      const window = memory.window(pages + 8, 100);
      window.write(10, 'by the window');
      expect(memory.read(pages + 18, 13).toString()).toBe('by the window');
      memory.write(pages + 8, 'by the whole');
      expect(window.bytes.toString('latin1', 0, 12)).toBe('by the whole');
      const part = window.window(16, 8);
      part.write(0, 'part');
      expect(memory.read(pages + 24, 4).toString()).toBe('part');
    });

    it('ends where it ends, in the middle of a page too', () => {
      const window = kind.make(pages).window(16, 100);
      for (const [offset, length] of [
        [0, 101],
        [101, 0],
        [-8, 8],
      ]) {
        expect(failure(() => window.read(offset, length))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
      }
      expect(failure(() => window.write(98, 'xyz'))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
      expect(failure(() => window.window(96, 8))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    });

    it.each([
      ...outside,
      ['an offset that is no multiple of 8', 'ERR_OUT_OF_RANGE', 4, 8],
      ['no length', 'ERR_INVALID_ARG_TYPE', 0, undefined],
      ['no offset', 'ERR_INVALID_ARG_TYPE', undefined, 8],
    ])('refuses %s: %s', (_what, code, offset, length) => {
      const memory = kind.make(5000);
      const mappings = mappingsOf(memory);
      const before = mappings();
      expect(failure(() => loosely(memory, 'window', offset, length))).toMatchObject({ code });
      expect(mappings()).toBe(before);
    });

    it('closes by itself without its memory, and with it', () => {
      const memory = kind.make(2 * pages);
      const mappings = mappingsOf(memory);
      const [first, second] = [memory.window(0, 100), memory.window(pages, 100)];
      const views = [first.bytes, second.bytes];
      const within = second.window(8, 8);
      first.close();
      expect([first.closed, second.closed, memory.closed]).toEqual([true, false, false]);
      expect(views.map(({ length }) => length)).toEqual([0, 100]);
      expect(failure(() => first.read())).toMatchObject({ code: 'ERR_INVALID_STATE' });
      second.write(0, 'goes on');
      memory.close();
      expect([second.closed, within.closed, views[1]?.length]).toEqual([true, true, 0]);
      for (const window of [second, within]) {
        for (const [what, call] of [...reaching, writing])
          expect(
            failure(() => call(window)),
            what,
          ).toMatchObject({ code: 'ERR_INVALID_STATE' });
        window.close();
      }
      expect(mappings()).toBe(0);
    });
  });

  describe('of more than 4 GiB', () => {
    const size = 6 * GiB;

    it('is had by read(), write() and windows', () => {
      const memory = kind.make(size, { reserve: false });
      const other = kind.again(memory);
      expect([memory.size, other.size]).toEqual([size, size]);
      memory.write(0, 'first');
      memory.write(size - 4, 'last');
      memory.write(2 ** 32 - 6, 'across 4 GiB');
      memory.write(5 * GiB + 1, pattern(3 * pages));
      expect(other.read(0, 5).toString()).toBe('first');
      expect(other.read(size - 4).toString()).toBe('last');
      expect(other.read(2 ** 32 - 6, 12).toString()).toBe('across 4 GiB');
      expect(other.read(5 * GiB + 1, 3 * pages).equals(pattern(3 * pages))).toBe(true);
      expect(other.read(3 * GiB, 8)).toEqual(Buffer.alloc(8));
      const windows = [other.window(0, 8), other.window(2 ** 32 - 8, 16), other.window(size - 8, 8)];
      const texts = windows.map(({ bytes }) => bytes.toString('latin1').replaceAll('\0', '.'));
      expect(texts).toEqual(['first...', '..across 4 GiB..', '....last']);
      windows[1]?.write(8, 'ACROSS');
      expect(memory.read(2 ** 32 - 6, 12).toString()).toBe('acrossACROSS');
      const mappings = mappingsOf(other);
      other.close();
      memory.close();
      expect(windows.map(({ closed }) => closed)).toEqual([true, true, true]);
      expect(mappings()).toBe(0);
    });

    it('has no buffer, and says what there is instead', () => {
      const memory = kind.make(size, { reserve: false });
      for (const call of [() => memory.buffer, () => memory.bytes]) {
        const error = failure(call);
        expect(error).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
        expect(error.message).toContain('window(');
      }
      expect(failure(() => memory.read())).toMatchObject({ name: 'RangeError' });
      expect(failure(() => memory.read(size - 1, 2))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
      expect(failure(() => memory.write(size - 1, 'xy'))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
      expect(failure(() => memory.window(size - 8, 16))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    });
  });

  describe('readOnly', () => {
    it('reads, and write() fails with EACCES without harm', () => {
      const memory = kind.make(5000);
      memory.write(0, pattern(5000));
      const reader = kind.again(memory, { readOnly: true });
      expect(reader.readOnly).toBe(true);
      const error = failure(() => reader.write(0, 'no'));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EACCES' });
      expect(error.message).toMatch(/read-?only/i);
      expect(failure(() => reader.write(5000, 'x'))).toBeInstanceOf(Error);
      const window = reader.window(8, 100);
      expect(window.readOnly).toBe(true);
      expect(failure(() => window.write(0, 'no'))).toMatchObject({ code: 'EACCES' });
      expect(reader.read().equals(pattern(5000))).toBe(true);
      expect(window.read().equals(pattern(5000).subarray(8, 108))).toBe(true);
      memory.write(0, 'new');
      expect(reader.bytes.toString('latin1', 0, 3)).toBe('new');
    });

    it('is a boolean', () => {
      const memory = kind.make();
      for (const readOnly of [1, 'yes', null]) {
        const options = { readOnly } as unknown as { readOnly: boolean };
        expect(failure(() => kind.again(memory, options))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
      }
    });

    it('keeps what is written through a view from the memory, and later calls say so', () => {
      const memory = kind.make(3 * pages);
      memory.write(0, pattern(3 * pages));
      const reader = kind.again(memory, { readOnly: true });
      const view = reader.bytes;
      const window = reader.window(8, 8);
      view[pages + 1] = 0xee;
      expect(view[pages + 1]).toBe(0xee);
      expect(view[pages + 2]).toBe(pattern(3 * pages)[pages + 2]);
      view.fill(0xdd, 2 * pages - 100, 2 * pages + 100);
      expect(memory.read().equals(pattern(3 * pages))).toBe(true);
      for (const [what, call] of reaching) {
        const error = failure(() => call(reader));
        expect(error, what).toMatchObject({ name: 'Error', code: 'ERR_MEMORY_LOST' });
        expect(error.message, what).toMatch(/read-?only/i);
      }
      expect(['ERR_MEMORY_LOST', 'EACCES']).toContain(failure(() => reader.write(0, 'x')).code);
      for (const [what, call] of Object.entries(kind.methods)) {
        if (/^stat/.test(what)) expect(() => call(reader), what).not.toThrow();
      }
      expect(reader).toMatchObject({ size: 3 * pages, closed: false });
      memory.write(0, 'goes on');
      expect(memory.bytes.toString('latin1', 0, 7)).toBe('goes on');
      reader.close();
      expect([view.length, reader.closed, window.closed]).toEqual([0, true, true]);
      expect(kind.again(memory, { readOnly: true }).read(0, 7).toString()).toBe('goes on');
    });

    it('is so for Atomics, for wide stores and for what the kernel or C writes into views', () => {
      const memory = kind.make(8 * pages);
      const [hash, before] = [createHash('sha256'), memory.read()];
      const stores: ((memory: SharedMemory) => unknown)[] = [
        ({ buffer }) => Atomics.add(new Int32Array(buffer), 5, 1),
        ({ buffer }) => Atomics.compareExchange(new BigInt64Array(buffer), 5, 0n, 1n),
        ({ buffer }) => new Float64Array(buffer).fill(1.5),
        ({ buffer }) => new DataView(buffer).setUint8(8 * pages - 1, 1),
        ({ bytes }) => Buffer.alloc(8 * pages, 1).copy(bytes),
        ({ bytes }) => bytes.copyWithin(1, 0).write('text'),
        ({ bytes }) => new Uint8Array(bytes.buffer).sort((a, b) => b - a).set([1, 2, 3], 100),
      ];
      for (const store of stores) {
        const reader = kind.again(memory, { readOnly: true });
        store(reader);
        reader.close();
      }
      const reader = kind.again(memory, { readOnly: true });
      const zeros = ownFd(openSync('/dev/zero', 'r'));
      // A system call does not fault, it fails.
      expect(failure(() => readSync(zeros, reader.bytes))).toMatchObject({ code: 'EFAULT' });
      expect(memory.read().equals(before)).toBe(true);
      expect(hash.update(reader.bytes).digest('hex')).toBe(createHash('sha256').update(before).digest('hex'));
    });
  });

  describe('close()', () => {
    it('makes every view empty, and using them is safe', () => {
      const memory = kind.make(2 * pages);
      const mappings = mappingsOf(memory);
      const { buffer, bytes } = memory;
      const words = new Float64Array(buffer, 8);
      const view = new DataView(buffer);
      bytes.fill(5);
      memory.close();
      expect([buffer.byteLength, bytes.length, words.length]).toEqual([0, 0, 0]);
      expect(bytes[0]).toBeUndefined();
      expect(() => view.getUint8(0)).toThrow(TypeError);
      words[3] = 7;
      bytes[3] = 1;
      expect(() => bytes.fill(1)).toThrow(TypeError);
      let sum = 0;
      for (let at = 0; at < 2 * pages; at++) sum += bytes[at] ?? 0;
      expect([sum, words[3]]).toEqual([0, undefined]);
      expect(mappings()).toBe(0);
    });

    it('leaves the memory to others', () => {
      const memory = kind.make(5000);
      const other = kind.again(memory);
      memory.write(0, 'stays');
      memory.close();
      expect([memory.closed, other.closed]).toEqual([true, false]);
      expect(other.read(0, 5).toString()).toBe('stays');
      other.bytes.write('goes on');
      expect(other.read(0, 7).toString()).toBe('goes on');
    });

    it('may be called again, and is what using does', () => {
      let kept: SharedMemory;
      {
        using memory = kind.make();
        using window = memory.window(0, 8);
        kept = window;
        memory.close();
        memory.close();
        memory[Symbol.dispose]();
        expect(memory.closed).toBe(true);
      }
      expect(kept.closed).toBe(true);
      {
        using memory = kind.make();
        kept = memory;
        expect(memory.closed).toBe(false);
      }
      expect(kept.closed).toBe(true);
    });

    it('makes every later call throw ERR_INVALID_STATE', () => {
      const memory = kind.make();
      const other = kind.again(memory);
      memory.close();
      for (const [what, call] of [...reaching, writing])
        expect(
          failure(() => call(memory)),
          what,
        ).toMatchObject({ code: 'ERR_INVALID_STATE' });
      for (const [what, call] of Object.entries(kind.methods))
        expect(
          failure(() => call(memory)),
          what,
        ).toMatchObject({ code: 'ERR_INVALID_STATE' });
      other.write(0, 'untouched');
      expect(kind.again(other)).toMatchObject({ size: pages, closed: false });
    });
  });

  describe('what is left', () => {
    it('is nothing after opening and closing many times', () => {
      const memory = kind.make(2 * pages);
      const mappings = mappingsOf(memory);
      const before = { mappings: mappings(), descriptors: held().descriptors };
      for (let round = 0; round < 200; round++) {
        const other = kind.again(memory, { readOnly: round % 2 === 0 });
        other.window(pages, 8).read();
        if (round % 3 === 0) expect(other.bytes).toHaveLength(2 * pages);
        other.close();
      }
      expect({ mappings: mappings(), descriptors: held().descriptors }).toEqual(before);
    });

    it('is nothing of an object that was forgotten, and everything while a view is not', async () => {
      const kept: { view?: Buffer } = {};
      const { mappings, close } = (() => {
        const memory = kind.fleeting(pages);
        kept.view = memory.bytes.fill(3);
        const fd = 'fd' in memory ? (memory.fd as number) : -1;
        const target = targetOf(fd);
        return { mappings: mappingsOf(memory), close: () => closeIfStill(fd, target) };
      })();
      for (let round = 0; round < 3; round++) {
        globalThis.gc?.();
        await turns();
      }
      expect(mappings()).toBeGreaterThan(0);
      expect(kept.view.equals(Buffer.alloc(pages, 3))).toBe(true);
      delete kept.view;
      await until('the forgotten memory is detached', () => {
        globalThis.gc?.();
        return mappings() === 0;
      });
      close();
    });
  });
}

/** What happens to memory whose object somebody makes shorter. */
export function survivesTruncation<Memory extends SharedMemory>(
  kind: Kind<Memory>,
  truncate: (memory: Memory, size: number) => void,
): void {
  const lost = (call: () => unknown, what?: string): void => {
    const error = failure(call);
    expect(error, what).toMatchObject({ name: 'Error', code: 'ERR_MEMORY_LOST' });
    expect(error.message, what).toMatch(/truncat|short|cut|resiz/i);
  };

  describe('that is cut short by a peer', () => {
    it('reads as zeros through views, keeps what is written private, and later calls say so', () => {
      const memory = kind.make(3 * pages);
      const other = kind.again(memory);
      memory.write(0, pattern(3 * pages));
      const view = memory.bytes;
      truncate(other, pages);
      expect(view[pages - 1]).toBe(pattern(pages)[pages - 1]);
      expect(memory.read(0, pages).equals(pattern(pages))).toBe(true);
      expect(view[2 * pages + 5]).toBe(0);
      view[2 * pages + 6] = 9;
      view.fill(8, pages + 10, pages + 20);
      expect([view[2 * pages + 6], view[pages + 19]]).toEqual([9, 8]);
      for (const [what, call] of [...reaching, writing]) lost(() => call(memory), what);
      for (const [what, call] of Object.entries(kind.methods))
        if (/^(stat|unlink)/.test(what)) expect(() => call(memory), what).not.toThrow();
      truncate(other, 3 * pages);
      expect(other.read(pages).equals(Buffer.alloc(2 * pages))).toBe(true);
      memory.close();
      expect([memory.closed, view.length]).toEqual([true, 0]);
    });

    it.each<Call>([
      ['read()', (memory) => memory.read()],
      ['read() of the part', (memory) => memory.read(2 * pages, 1)],
      ['write()', (memory) => memory.write(0, pattern(3 * pages))],
      ['write() to the part', (memory) => memory.write(3 * pages - 1, 'x')],
    ])('makes %s fail with ERR_MEMORY_LOST', (_what, call) => {
      const memory = kind.make(3 * pages);
      const other = kind.again(memory);
      truncate(other, 0);
      lost(() => call(memory));
      lost(() => memory.read(0, 1));
      truncate(other, 3 * pages);
      lost(() => memory.read(0, 1));
      expect(
        kind
          .again(memory)
          .read()
          .equals(Buffer.alloc(3 * pages)),
      ).toBe(true);
    });

    it('ends no loop that was optimised before', () => {
      const memory = kind.make(4 * pages);
      const other = kind.again(memory);
      memory.bytes.fill(1);
      const words = new Float64Array(memory.buffer);
      const sum = (bytes: Uint8Array): number => {
        let total = 0;
        for (let at = 0; at < bytes.length; at++) total += bytes[at] ?? 0;
        return total;
      };
      const fill = (numbers: Float64Array): void => {
        for (let at = 0; at < numbers.length; at++) numbers[at] = at;
      };
      for (let round = 0; round < 20; round++) expect(sum(memory.bytes)).toBe(4 * pages);
      const view = memory.bytes;
      truncate(other, pages);
      expect(sum(view)).toBe(pages);
      fill(words);
      expect(words.at(-1)).toBe(words.length - 1);
      lost(() => memory.read());
    });

    it('makes a window fail, and system calls with a view', () => {
      const memory = kind.make(3 * pages);
      const other = kind.again(memory);
      const window = memory.window(2 * pages, 100);
      const view = memory.bytes;
      truncate(other, 0);
      const sink = ownFd(openSync(devNull, 'w'));
      const source = ownFd(openSync('/dev/zero', 'r'));
      // Writing to /dev/null looks at nothing; reading writes into the view.
      expect(() => writeSync(sink, view)).not.toThrow();
      expect(failure(() => readSync(source, view))).toMatchObject({ code: 'EFAULT' });
      lost(() => window.read());
      window.close();
      memory.close();
      expect(window.closed).toBe(true);
    });
  });
}
