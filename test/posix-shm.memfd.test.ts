// Memfd: what its methods do within one process.
import { closeSync, fchmodSync, fstatSync, openSync, readSync, readlinkSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { IpcError, Memfd, type MemfdSeal } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { closedFd, flagsOf, ownFd, ownPipe, targetOf } from './helpers/descriptors.js';
import { failure } from './helpers/failures.js';
import { noHugePages } from './helpers/huge-pages.js';
import { fixture } from './helpers/peers.js';
import { behavesAsSharedMemory, survivesTruncation, type Kind } from './helpers/shared-memory-behaviour.js';
import {
  adopted,
  again,
  closing,
  held,
  loosely,
  mappingsOf,
  memfd,
  pages,
  pattern,
  wrongOptions,
  wrongSizes,
} from './helpers/shared-memory.js';

const kind: Kind<Memfd> = {
  make: memfd,
  again,
  fleeting: (size) => Memfd.create({ size: size ?? pages }),
  methods: {
    'stat()': (memory) => memory.stat(),
    'resize()': (memory) => memory.resize(100),
    'lock()': (memory) => memory.lock(),
    'unlock()': (memory) => memory.unlock(),
    'seal()': (memory) => memory.seal('shrink'),
    seals: (memory) => memory.seals,
    'release()': (memory) => memory.release(),
  },
};

describe('an object without a name', () => {
  behavesAsSharedMemory(kind);
  survivesTruncation(kind, (memory, size) => sys.ftruncate(memory.fd, size));
});

describe('create()', () => {
  it('makes a descriptor of its own, which programs it starts do not get', () => {
    const memory = memfd(5000, { name: 'orders' });
    expect(readlinkSync(`/proc/self/fd/${memory.fd}`)).toBe('/memfd:orders (deleted)');
    expect(flagsOf(memory.fd) & sys.O_CLOEXEC).not.toBe(0);
    expect(fstatSync(memory.fd)).toMatchObject({ size: 5000 });
    expect(readlinkSync(`/proc/self/fd/${memfd().fd}`)).toBe('/memfd: (deleted)');
    expect(memfd(1, { name: 'grün/日本 x' }).size).toBe(1);
  });

  it('makes another one each time, of the same name too', () => {
    const [first, second] = [memfd(8, { name: 'same' }), memfd(8, { name: 'same' })];
    first.write(0, 'x');
    expect(second.read()).toEqual(Buffer.alloc(8));
  });

  it('fails with ENOMEM for more than the machine has, and takes nothing; without reserve it is made', () => {
    const error = failure(() => Memfd.create({ size: 2 ** 45 }));
    expect(error).toMatchObject({
      code: 'ENOMEM',
      syscall: 'fallocate',
      message: expect.stringContaining('reserve: false') as string,
    });
    const sparse = memfd(2 ** 45, { reserve: false });
    expect(sparse.size).toBe(2 ** 45);
    const small = memfd(pages);
    expect(failure(() => small.resize(2 ** 45))).toMatchObject({ code: 'ENOMEM' });
    expect(small.size).toBe(pages);
    expect(small.read(0, 1)).toHaveLength(1);
  });

  it('reserves its pages, unless told not to', () => {
    const blocks = (memory: Memfd): number => fstatSync(memory.fd).blocks * 512;
    expect(blocks(memfd(4 * pages))).toBeGreaterThanOrEqual(4 * pages);
    expect(blocks(memfd(4 * pages, { reserve: false }))).toBe(0);
  });

  it.each([
    ...wrongOptions,
    ['a name of a number', 'ERR_INVALID_ARG_TYPE', { name: 5 }],
    ['a name of null', 'ERR_INVALID_ARG_TYPE', { name: null }],
    ['a name with a NUL', 'ERR_INVALID_ARG_VALUE', { name: 'na\0me' }],
    ['hugePages of a number', 'ERR_INVALID_ARG_TYPE', { hugePages: 1 }],
    ...wrongSizes.map(([what, code, size]): [string, string, unknown] => [what, code, { size }]),
  ])('refuses %s, and nothing is made: %s', (_what, code, options) => {
    const before = held().descriptors;
    const given = typeof options === 'object' && options !== null ? { size: 1, ...options } : options;
    expect(failure(() => loosely(Memfd, 'create', given))).toMatchObject({ code });
    expect(held().descriptors).toBe(before);
  });

  it('fails with EINVAL for a name of more than 249 bytes', () => {
    const before = held().descriptors;
    expect(memfd(1, { name: 'n'.repeat(249) }).size).toBe(1);
    const error = failure(() => Memfd.create({ size: 1, name: 'n'.repeat(250) }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EINVAL', syscall: 'memfd_create' });
    expect(error.message).toContain('249');
    expect(held().descriptors).toBe(before + 1);
  });

  it('makes it of huge pages', ({ skip }) => {
    const { reason, size } = noHugePages();
    skip(reason !== undefined, reason);
    const memory = closing(Memfd.create({ size, hugePages: true }));
    expect(fstatSync(memory.fd).blksize).toBe(size);
    memory.write(size - 4, 'last');
    memory.bytes.write('first');
    const other = again(memory, { readOnly: true });
    expect([other.read(0, 5).toString(), other.read(size - 4).toString()]).toEqual(['first', 'last']);
    expect(
      other
        .window(size - 4096, 4096)
        .read(4092)
        .toString(),
    ).toBe('last');
    const view = other.bytes;
    view[0] = 1;
    expect(failure(() => other.read())).toMatchObject({ code: 'ERR_MEMORY_LOST' });
    expect(memory.read(0, 5).toString()).toBe('first');
  });
});

describe('fromFd()', () => {
  it('adopts the descriptor of a memfd, whoever made it', () => {
    const fd = sys.memfd_create('made by the call', sys.MFD_CLOEXEC);
    sys.ftruncate(fd, 5000);
    writeSync(fd, pattern(5000), 0, 5000, 0);
    const memory = closing(adopted(fd));
    expect(memory).toMatchObject({ fd, size: 5000, readOnly: false, closed: false });
    expect(memory.read().equals(pattern(5000))).toBe(true);
    expect(memory.seals).toEqual(['seal']);
    memory.close();
    expect(targetOf(fd)).toBeUndefined();
  });

  it('needs readOnly for a descriptor that may only be read, and says so', () => {
    const memory = memfd(100);
    const fd = ownFd(openSync(`/proc/self/fd/${memory.fd}`, 'r'));
    const error = failure(() => Memfd.fromFd(fd));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EACCES' });
    expect(error.message).toMatch(/readOnly/);
    expect(targetOf(fd)).toBeDefined();
    const reader = Memfd.fromFd(sys.fcntl(fd, sys.F_DUPFD_CLOEXEC, 3), { readOnly: true });
    closing(reader);
    memory.write(0, 'seen');
    expect(reader.read(0, 4).toString()).toBe('seen');
  });

  it('refuses what is no memory and leaves it open', () => {
    const file = ownFd(openSync(fixture('peer.js'), 'r'));
    const device = ownFd(openSync('/dev/null', 'r+'));
    for (const fd of [...ownPipe(sys.O_CLOEXEC), device, file]) {
      expect(failure(() => Memfd.fromFd(fd)).code).toMatch(/^(ERR_INVALID_ARG_VALUE|EINVAL)$/);
      expect(failure(() => Memfd.fromFd(fd, { readOnly: true })).code).toMatch(
        /^(ERR_INVALID_ARG_VALUE|EINVAL)$/,
      );
      expect(targetOf(fd)).toBeDefined();
    }
  });

  it('of a memfd that has no size yet fails, says so and leaves it open', () => {
    const fd = ownFd(sys.memfd_create('empty', sys.MFD_CLOEXEC));
    const error = failure(() => Memfd.fromFd(fd));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EINVAL' });
    expect(error.message).toMatch(/empty|size|length|0 bytes/);
    expect(targetOf(fd)).toBeDefined();
  });

  it('fails with EBADF for what is not open, and refuses what is no descriptor', () => {
    const error = failure(() => Memfd.fromFd(closedFd()));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EBADF' });
    for (const [value, code] of [
      [undefined, 'ERR_INVALID_ARG_TYPE'],
      ['3', 'ERR_INVALID_ARG_TYPE'],
      [null, 'ERR_INVALID_ARG_TYPE'],
      [0.5, 'ERR_OUT_OF_RANGE'],
      [2 ** 31, 'ERR_OUT_OF_RANGE'],
    ] as const)
      expect(failure(() => loosely(Memfd, 'fromFd', value))).toMatchObject({ code });
    const memory = memfd();
    for (const options of [null, 'x', { readOnly: 1 }])
      expect(failure(() => loosely(Memfd, 'fromFd', memory.fd, options)).code).toBe('ERR_INVALID_ARG_TYPE');
  });
});

describe('resize(), lock(), stat(), release()', () => {
  it('resize() keeps what stays, empties the old views, and others see the size', () => {
    const memory = memfd(pages);
    const other = again(memory);
    memory.write(0, pattern(pages));
    const view = memory.bytes;
    memory.resize(2 * pages + 3);
    expect([memory.size, view.length, memory.bytes.length]).toEqual([2 * pages + 3, 0, 2 * pages + 3]);
    expect(memory.read(0, pages).equals(pattern(pages))).toBe(true);
    expect(memory.read(pages).equals(Buffer.alloc(pages + 3))).toBe(true);
    expect([other.size, other.stat().size]).toEqual([pages, 2 * pages + 3]);
    expect(fstatSync(memory.fd).blocks * 512).toBeGreaterThanOrEqual(2 * pages);
    memory.resize(10);
    expect(memory.read()).toEqual(pattern(pages).subarray(0, 10));
    expect(again(memory).size).toBe(10);
    for (const [what, code, size] of wrongSizes)
      expect(
        failure(() => loosely(memory, 'resize', size)),
        what,
      ).toMatchObject({ code });
    expect(memory.stat()).toMatchObject({ size: 10, uid: process.getuid?.(), gid: process.getgid?.() });
  });

  it('lock() and unlock() leave it usable', ({ skip }) => {
    const memory = memfd(100);
    try {
      memory.lock();
    } catch (error) {
      skip(true, `no memory may be locked here: ${String(error)}`);
    }
    memory.write(0, 'x');
    memory.unlock();
    expect(memory.read(0, 1).toString()).toBe('x');
  });

  it('release() gives the descriptor back, open', () => {
    const memory = memfd(100);
    const mappings = mappingsOf(memory);
    const { fd, bytes } = memory;
    expect(memory.release()).toBe(fd);
    ownFd(fd);
    expect([memory.closed, bytes.length, mappings()]).toEqual([true, 0, 0]);
    memory.close();
    expect(fstatSync(fd).size).toBe(100);
  });

  it('close() never closes a number that is somebody else’s by then', () => {
    const memory = memfd(100);
    sys.close(memory.fd);
    const fds = sys.pipe2(sys.O_CLOEXEC);
    memory.close();
    memory.close();
    expect(fds.map(targetOf)).not.toContain(undefined);
    fds.forEach((fd) => closeSync(fd));
  });
});

describe('seal()', () => {
  /** What is there from the beginning: the kernel may be asked for memory that can never be executed. */
  function added(memory: Memfd, initial: readonly MemfdSeal[]): MemfdSeal[] {
    return memory.seals.filter((seal) => !initial.includes(seal)).sort();
  }

  it("'shrink' and 'grow' stop resize(), of every object and every process", () => {
    const memory = memfd(pages);
    const initial = memory.seals;
    expect(initial).not.toContain('seal');
    memory.seal('shrink');
    expect(added(memory, initial)).toEqual(['shrink']);
    for (const object of [memory, again(memory)]) {
      const error = failure(() => object.resize(10));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EPERM' });
      expect(error.message).toMatch(/seal/);
      expect(object.size).toBe(pages);
    }
    expect(memory.bytes.length).toBe(pages);
    memory.resize(2 * pages);
    memory.seal('grow');
    expect(added(memory, initial)).toEqual(['grow', 'shrink']);
    expect(again(memory).seals).toEqual(memory.seals);
    expect(failure(() => memory.resize(3 * pages))).toMatchObject({ code: 'EPERM' });
    memory.write(2 * pages - 1, 'x');
    expect(memory.read(2 * pages - 1).toString()).toBe('x');
  });

  it("'write' makes the memory read-only for ever, for the object itself too", () => {
    const memory = memfd(pages);
    const initial = memory.seals;
    memory.write(0, pattern(pages));
    const view = memory.bytes;
    memory.seal('write');
    expect(added(memory, initial)).toEqual(['write']);
    expect([memory.readOnly, memory.closed, view.length]).toEqual([true, false, 0]);
    expect(memory.read().equals(pattern(pages))).toBe(true);
    expect(memory.bytes.equals(pattern(pages))).toBe(true);
    const error = failure(() => memory.write(0, 'x'));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EACCES' });
    expect(failure(() => writeSync(memory.fd, 'x'))).toMatchObject({ code: 'EPERM' });
    const opened = failure(() => again(memory));
    expect(opened).toBeInstanceOf(IpcError);
    expect(opened).toMatchObject({ code: 'EPERM' });
    expect(opened.message).toMatch(/readOnly/);
    const reader = again(memory, { readOnly: true });
    expect(reader.read().equals(pattern(pages))).toBe(true);
    reader.bytes[0] = ~(pattern(1)[0] ?? 0);
    expect(memory.read().equals(pattern(pages))).toBe(true);
    const mappings = mappingsOf(memory);
    reader.close();
    memory.close();
    expect(mappings()).toBe(0);
  });

  it("'write' fails with EBUSY while the memory can be written through another object, and changes nothing", () => {
    const memory = memfd(pages);
    const initial = memory.seals;
    const other = again(memory);
    const error = failure(() => memory.seal('write'));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EBUSY' });
    expect(error.message).toMatch(/mapping|mapped/);
    expect(added(memory, initial)).toEqual([]);
    expect(memory.readOnly).toBe(false);
    memory.write(0, 'as before');
    memory.bytes.write('As');
    expect(other.read(0, 9).toString()).toBe('As before');
    other.close();
    // By a descriptor for reading alone: a mapping of another may be made writable, so it counts as if it were.
    const fd = openSync(`/proc/self/fd/${memory.fd}`, 'r');
    const reader = closing(adopted(fd, { readOnly: true }));
    memory.seal('write');
    expect(reader.read(0, 9).toString()).toBe('As before');
    expect(memory.read(0, 9).toString()).toBe('As before');
  });

  it("'write' counts the object's own windows as its own", () => {
    const memory = memfd(2 * pages);
    const window = memory.window(pages, 8);
    window.write(0, 'window');
    memory.seal('write');
    expect(window.closed || window.readOnly).toBe(true);
    expect(memory.window(pages, 8).read(0, 6).toString()).toBe('window');
    expect(failure(() => memory.window(0, 8).write(0, 'x'))).toMatchObject({ code: 'EACCES' });
  });

  it("'future-write' leaves what can be written already, and stops everybody who comes later", () => {
    const memory = memfd(pages);
    const initial = memory.seals;
    memory.seal('future-write');
    expect(added(memory, initial)).toEqual(['future-write']);
    expect(memory.readOnly).toBe(false);
    const error = failure(() => again(memory));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EPERM' });
    expect(error.message).toMatch(/readOnly/);
    expect(failure(() => writeSync(memory.fd, 'x'))).toMatchObject({ code: 'EPERM' });
    const reader = again(memory, { readOnly: true });
    memory.write(0, 'still');
    memory.bytes.write('more', 5);
    expect(reader.read(0, 9).toString()).toBe('stillmore');
  });

  it("'exec' stops it from being made executable", ({ skip }) => {
    const memory = memfd(100);
    try {
      memory.seal('exec');
    } catch (error) {
      skip((error as { code?: string }).code === 'EINVAL', 'this kernel has no F_SEAL_EXEC (before 6.3)');
      throw error;
    }
    expect(memory.seals).toContain('exec');
    const { mode } = fstatSync(memory.fd);
    expect(failure(() => fchmodSync(memory.fd, mode ^ 0o111))).toMatchObject({ code: 'EPERM' });
    expect(memory.read()).toEqual(Buffer.alloc(100));
    if (!memory.seals.includes('write')) memory.write(0, 'x');
  });

  it("'seal' stops further ones, which fail with EPERM", () => {
    const memory = memfd(100);
    const initial = memory.seals;
    memory.seal('shrink', 'grow', 'seal');
    expect(added(memory, initial)).toEqual(['grow', 'seal', 'shrink']);
    for (const seal of ['future-write', 'write'] as const) {
      const error = failure(() => memory.seal(seal));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EPERM' });
      expect(error.message).toMatch(/seal/);
    }
    expect(memory.readOnly).toBe(false);
    memory.write(0, 'x');
    expect(memory.read(0, 1).toString()).toBe('x');
    const plain = closing(Memfd.fromFd(plainMemfd()));
    expect(failure(() => plain.seal('grow'))).toMatchObject({ code: 'EPERM' });
  });

  it('may be put on again', () => {
    const memory = memfd(100);
    memory.seal('write', 'shrink');
    const { seals } = memory;
    memory.seal('shrink');
    memory.seal('write');
    expect(memory.seals).toEqual(seals);
    expect(memory.read()).toEqual(Buffer.alloc(100));
  });

  it.each([
    ['a seal that is none', 'ERR_INVALID_ARG_VALUE', ['shrink', 'execute']],
    ['the kernel’s number', 'ERR_INVALID_ARG_TYPE', ['shrink', sys.F_SEAL_GROW]],
    ['null', 'ERR_INVALID_ARG_TYPE', [null]],
    ['an array', 'ERR_INVALID_ARG_TYPE', [['shrink']]],
    ['a name that objects have', 'ERR_INVALID_ARG_VALUE', ['toString']],
  ])('refuses %s, and nothing is sealed', (_what, code, seals) => {
    const memory = memfd(100);
    const before = memory.seals;
    expect(failure(() => loosely(memory, 'seal', ...seals))).toMatchObject({ code });
    expect(memory.seals).toEqual(before);
    memory.write(0, 'x');
  });

  function plainMemfd(): number {
    const fd = sys.memfd_create('plain', sys.MFD_CLOEXEC);
    sys.ftruncate(fd, 8);
    return fd;
  }

  it('makes memory that a peer can no more take away safe', () => {
    const memory = memfd(pages);
    memory.seal('shrink');
    const other = again(memory);
    expect(failure(() => sys.ftruncate(other.fd, 0))).toMatchObject({ code: 'EPERM' });
    const first = Buffer.alloc(1);
    readSync(memory.fd, first, 0, 1, 0);
    expect(memory.read(0, 1)).toEqual(first);
  });
});
