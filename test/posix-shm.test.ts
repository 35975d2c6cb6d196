// PosixSharedMemory: what its methods do within one process.
import {
  closeSync,
  fstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { IpcError, PosixSharedMemory } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { flagsOf, ownFd, targetOf } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { hasCapability } from './helpers/kernel.js';
import { behavesAsSharedMemory, survivesTruncation } from './helpers/shared-memory-behaviour.js';
import { unusedMemoryName } from './helpers/mappings.js';
import {
  CAP_IPC_LOCK,
  closing,
  locksAreIgnored,
  loosely,
  mappingsOf,
  pages,
  pattern,
  posix,
  wrongAccess,
  wrongOptions,
  wrongSizes,
} from './helpers/shared-memory.js';

const again = (memory: PosixSharedMemory, options = {}): PosixSharedMemory =>
  closing(PosixSharedMemory.open(memory.name, options));
const file = (name: string): string => `/dev/shm${name}`;

describe('an object with a name', () => {
  behavesAsSharedMemory<PosixSharedMemory>({
    make: posix,
    again,
    fleeting: (size) => {
      const memory = PosixSharedMemory.create({ name: unusedMemoryName(), size: size ?? pages });
      memory.unlink();
      return memory;
    },
    methods: {
      'stat()': (memory) => memory.stat(),
      'resize()': (memory) => memory.resize(100),
      'lock()': (memory) => memory.lock(),
      'unlock()': (memory) => memory.unlock(),
      'release()': (memory) => memory.release(),
    },
  });
  survivesTruncation<PosixSharedMemory>(
    { make: posix, again, fleeting: posix, methods: stating() },
    (memory, size) => sys.ftruncate(memory.fd, size),
  );
});

function stating(): Record<string, (memory: PosixSharedMemory) => unknown> {
  return { 'stat()': (memory) => memory.stat(), 'unlink()': (memory) => memory.unlink() };
}

describe('create()', () => {
  it('makes the object for its owner alone, with its size', () => {
    const name = unusedMemoryName();
    const memory = posix(5000, { name });
    expect(memory.name).toBe(name);
    const { mode, size, ino } = statSync(file(name));
    expect([mode & 0o777, size]).toEqual([0o600, 5000]);
    expect(fstatSync(memory.fd).ino).toBe(ino);
  });

  it('makes a descriptor that programs it starts do not get', () => {
    expect(flagsOf(posix().fd) & sys.O_CLOEXEC).not.toBe(0);
    expect(flagsOf(posix().fd) & sys.O_ACCMODE).toBe(sys.O_RDWR);
  });

  it('gives it the mode, less the umask', () => {
    const umask = process.umask(0o027);
    onTestFinished(() => void process.umask(umask));
    const mode = (memory: PosixSharedMemory): number => statSync(file(memory.name)).mode & 0o777;
    expect(mode(posix(1, { mode: 0o666 }))).toBe(0o640);
    expect(mode(posix(1, { mode: 0o604 }))).toBe(0o600);
    expect(posix(1, { mode: 0o660 }).stat().mode).toBe(0o640);
    // Who makes it may use it, whatever the mode says of later openings.
    const closed = posix(1, { mode: 0o000 });
    closed.write(0, 'x');
    expect([mode(closed), closed.read(0).toString()]).toEqual([0, 'x']);
  });

  it('fails with EEXIST where the name has one, and says what opens it', () => {
    const memory = posix(100);
    memory.write(0, 'there');
    const { name } = memory;
    const before = readdirSync('/dev/shm').sort();
    for (const exclusive of [undefined, true]) {
      const error = failure(() => PosixSharedMemory.create({ name, size: 5000, exclusive }));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EEXIST', path: name });
      expect(error.message).toMatch(/exclusive: false|open\(/);
    }
    expect(readdirSync('/dev/shm').sort()).toEqual(before);
    expect(memory.read(0, 5).toString()).toBe('there');
  });

  it('opens the one that is there with exclusive: false, whatever its size, if that is enough', () => {
    const name = unusedMemoryName();
    const memory = closing(PosixSharedMemory.create({ name, size: 100, exclusive: false }));
    memory.write(0, 'there');
    for (const size of [100, 50]) {
      const other = closing(PosixSharedMemory.create({ name, size, exclusive: false }));
      expect(other.size).toBe(100);
      expect(other.read(0, 5).toString()).toBe('there');
    }
    const error = failure(() => PosixSharedMemory.create({ name, size: 101, exclusive: false }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EINVAL', path: name });
    expect(error.message).toMatch(/\b101\b/);
    expect(error.message).toMatch(/\b100\b/);
    expect(statSync(file(name)).size).toBe(100);
  });

  it('reserves its pages, unless told not to', () => {
    const blocks = (memory: PosixSharedMemory): number => statSync(file(memory.name)).blocks * 512;
    expect(blocks(posix(4 * pages))).toBeGreaterThanOrEqual(4 * pages);
    expect(blocks(posix(4 * pages, { reserve: false }))).toBe(0);
  });

  it('fails at once with ENOSPC for more than /dev/shm has, names the sizes and leaves nothing behind', ({
    skip,
  }) => {
    const { size: all } = PosixSharedMemory.limits();
    skip(all === 0, '/dev/shm has no limit');
    const before = readdirSync('/dev/shm').sort();
    const start = performance.now();
    const error = failure(() => PosixSharedMemory.create({ name: unusedMemoryName(), size: 2 * all }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ENOSPC' });
    expect(error.message).toMatch(/\/dev\/shm/);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(readdirSync('/dev/shm').sort()).toEqual(before);
  });

  it.each([
    ...wrongOptions,
    ...wrongAccess,
    ['no name', 'ERR_INVALID_ARG_TYPE', { name: undefined }],
    ['a name of null', 'ERR_INVALID_ARG_TYPE', { name: null }],
    ['a name of a number', 'ERR_INVALID_ARG_TYPE', { name: 5 }],
    ['a name of bytes', 'ERR_INVALID_ARG_TYPE', { name: Buffer.from('/name') }],
    ['a name with a NUL', 'ERR_INVALID_ARG_VALUE', { name: '/na\0me' }],
    ...wrongSizes.map(([what, code, size]): [string, string, unknown] => [what, code, { size }]),
  ])('refuses %s, and nothing is made: %s', (_what, code, options) => {
    const before = readdirSync('/dev/shm').sort();
    const good = { name: unusedMemoryName(), size: 1 };
    const given = typeof options === 'object' && options !== null ? { ...good, ...options } : options;
    expect(failure(() => loosely(PosixSharedMemory, 'create', given))).toMatchObject({ code });
    expect(readdirSync('/dev/shm').sort()).toEqual(before);
  });

  it('fails for names that can be none, and makes nothing', () => {
    const before = readdirSync('/dev/shm').sort();
    for (const name of ['', '/', '/a/b', '/../escaped', '/.', '/..', `/${'n'.repeat(300)}`]) {
      for (const call of [
        () => PosixSharedMemory.create({ name, size: 1 }),
        () => PosixSharedMemory.create({ name, size: 1, exclusive: false }),
        () => PosixSharedMemory.open(name),
      ]) {
        const error = failure(call);
        expect(error.code, `'${name}'`).toMatch(
          /^(EINVAL|ENOENT|ENAMETOOLONG|EISDIR|EACCES|EEXIST|ERR_INVALID_ARG_VALUE)$/,
        );
      }
    }
    expect(readdirSync('/dev/shm').sort()).toEqual(before);
    for (const length of [256, 300]) {
      const name = `/${'n'.repeat(length)}`;
      for (const exclusive of [true, false]) {
        const error = failure(() => PosixSharedMemory.create({ name, size: 1, exclusive }));
        expect(error).toBeInstanceOf(IpcError);
        // The C library says EINVAL where it is much too long.
        expect(error.code).toMatch(/^(ENAMETOOLONG|EINVAL)$/);
        expect(error.message).toContain('255');
      }
    }
  });

  it('takes names of any language, of up to 250 bytes too', () => {
    const prefix = unusedMemoryName();
    for (const name of [
      `${prefix} grün.日本`,
      `${prefix}${'x'.repeat(250 - prefix.length)}`,
      `${prefix}#1`,
    ]) {
      const memory = posix(10, { name });
      onTestFinished(() => rmSync(file(name), { force: true }));
      expect(again(memory)).toMatchObject({ name, size: 10 });
      expect(PosixSharedMemory.list()).toContain(name);
    }
  });
});

describe('open()', () => {
  it('opens what another program made, however long', () => {
    const name = unusedMemoryName();
    writeFileSync(file(name), pattern(12_345));
    const memory = closing(PosixSharedMemory.open(name));
    expect(memory).toMatchObject({ name, size: 12_345, readOnly: false });
    expect(memory.bytes.equals(pattern(12_345))).toBe(true);
    memory.write(12_344, Buffer.of(9));
    expect(readFileSync(file(name)).at(-1)).toBe(9);
  });

  it('asks for no more than reading with readOnly', () => {
    const reader = again(posix(), { readOnly: true });
    expect(flagsOf(reader.fd) & sys.O_ACCMODE).toBe(sys.O_RDONLY);
    expect(flagsOf(reader.fd) & sys.O_CLOEXEC).not.toBe(0);
  });

  it('fails with ENOENT and the name where there is none, and says what makes one', () => {
    const name = unusedMemoryName();
    const error = failure(() => PosixSharedMemory.open(name));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'shm_open'), path: name });
    expect(error.message).toMatch(/create\(/);
  });

  it('of an object that has no size yet fails, and says so', () => {
    const name = unusedMemoryName();
    writeFileSync(file(name), '');
    const before = readdirSync('/proc/self/fd').length;
    const error = failure(() => PosixSharedMemory.open(name));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EINVAL', path: name });
    expect(error.message).toMatch(/empty|size|length|0 bytes/);
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
  });

  it('refuses what is no name and no options', () => {
    const { name } = posix();
    for (const [value, code] of [
      [undefined, 'ERR_INVALID_ARG_TYPE'],
      [null, 'ERR_INVALID_ARG_TYPE'],
      [5, 'ERR_INVALID_ARG_TYPE'],
      ['/na\0me', 'ERR_INVALID_ARG_VALUE'],
    ] as const)
      expect(failure(() => loosely(PosixSharedMemory, 'open', value))).toMatchObject({ code });
    for (const options of [null, 'x', { readOnly: 1 }])
      expect(failure(() => loosely(PosixSharedMemory, 'open', name, options)).code).toBe(
        'ERR_INVALID_ARG_TYPE',
      );
  });
});

describe('stat()', () => {
  it('gives what the kernel has', () => {
    const memory = posix(5000, { mode: 0o640 });
    const found = statSync(file(memory.name));
    expect(memory.stat()).toEqual({
      size: 5000,
      uid: found.uid,
      gid: found.gid,
      mode: 0o640,
      unlinked: false,
      accessTime: found.atime,
      modifyTime: found.mtime,
      changeTime: found.ctime,
    });
  });
});

describe('resize()', () => {
  it('grows and shrinks, keeps what stays and empties the old views', () => {
    const memory = posix(pages);
    const other = again(memory);
    memory.write(0, pattern(pages));
    const before = { buffer: memory.buffer, view: memory.bytes };
    memory.resize(3 * pages + 5);
    expect(memory.size).toBe(3 * pages + 5);
    expect([before.buffer.byteLength, before.view.length]).toEqual([0, 0]);
    expect(memory.buffer).not.toBe(before.buffer);
    expect([memory.buffer.byteLength, memory.bytes.length]).toEqual([3 * pages + 5, 3 * pages + 5]);
    expect(memory.read(0, pages).equals(pattern(pages))).toBe(true);
    expect(memory.read(pages).equals(Buffer.alloc(2 * pages + 5))).toBe(true);
    memory.write(3 * pages, 'xyz');
    expect(other.stat().size).toBe(3 * pages + 5);
    expect(other.size).toBe(pages);
    expect(other.read().equals(pattern(pages))).toBe(true);
    expect(
      again(memory)
        .read(3 * pages, 3)
        .toString(),
    ).toBe('xyz');
    memory.resize(100);
    expect([memory.size, memory.bytes.length, statSync(file(memory.name)).size]).toEqual([100, 100, 100]);
    expect(memory.read().equals(pattern(pages).subarray(0, 100))).toBe(true);
    memory.resize(pages);
    expect(memory.read(100).equals(Buffer.alloc(pages - 100))).toBe(true);
  });

  it('reserves what is added, and fails at once with ENOSPC where that is too much', ({ skip }) => {
    const memory = posix(pages);
    memory.write(0, 'stays');
    memory.resize(4 * pages);
    expect(statSync(file(memory.name)).blocks * 512).toBeGreaterThanOrEqual(4 * pages);
    const { size: all } = PosixSharedMemory.limits();
    skip(all === 0, '/dev/shm has no limit');
    // So much more that the kernel says so before it has taken any of it.
    const error = failure(() => memory.resize(2 * all));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ENOSPC' });
    expect([memory.size, memory.stat().size]).toEqual([4 * pages, 4 * pages]);
    expect(memory.read(0, 5).toString()).toBe('stays');
    expect(memory.bytes.length).toBe(4 * pages);
  });

  it('leaves one mapping, and windows that are safe', () => {
    const memory = posix(2 * pages);
    const mappings = mappingsOf(memory);
    const window = memory.window(pages, 100);
    const view = window.bytes;
    memory.resize(pages / 2);
    try {
      expect(view[0] ?? 0).toBe(0);
      window.read();
    } catch (error) {
      expect(error).toMatchObject({
        code: expect.stringMatching(/^ERR_(INVALID_STATE|MEMORY_LOST)$/) as unknown,
      });
    }
    window.close();
    for (let round = 1; round < 50; round++) memory.resize(round * 1000);
    expect(mappings()).toBe(1);
  });

  it('refuses what is no size, and changes nothing', () => {
    const memory = posix(100);
    const view = memory.bytes;
    for (const [what, code, size] of wrongSizes)
      expect(
        failure(() => loosely(memory, 'resize', size)),
        what,
      ).toMatchObject({ code });
    expect([memory.size, view.length, memory.stat().size]).toEqual([100, 100, 100]);
  });

  it('fails for a reader, and changes nothing', () => {
    const memory = posix(100);
    const reader = again(memory, { readOnly: true });
    const error = failure(() => reader.resize(200));
    expect(error).toBeInstanceOf(IpcError);
    expect(['EACCES', 'EINVAL']).toContain(error.code);
    expect(error.message).toMatch(/read-?only/i);
    expect([reader.size, memory.stat().size]).toEqual([100, 100]);
    expect(reader.read()).toEqual(Buffer.alloc(100));
  });

  it('mends an object that a peer has cut short', () => {
    const memory = posix(2 * pages);
    const other = again(memory);
    memory.write(0, 'kept');
    sys.ftruncate(other.fd, pages);
    expect(failure(() => memory.read())).toMatchObject({ code: 'ERR_MEMORY_LOST' });
    try {
      memory.resize(2 * pages);
      expect(memory.read(0, 4).toString()).toBe('kept');
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_MEMORY_LOST' });
    }
  });
});

describe('lock() and unlock()', () => {
  it('keep the memory from being swapped out', ({ skip }) => {
    const ignored = locksAreIgnored();
    skip(ignored !== undefined, ignored);
    const limit = /^Max locked memory\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    skip(!hasCapability(CAP_IPC_LOCK) && Number(limit) < 4 * pages, `RLIMIT_MEMLOCK is ${limit} here`);
    const locked = (): number =>
      Number(/^VmLck:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
    const memory = posix(2 * pages);
    const before = locked();
    memory.lock();
    expect(locked() - before).toBe(2 * pages);
    memory.write(0, 'usable');
    memory.unlock();
    expect(locked()).toBe(before);
    memory.lock();
    memory.close();
    expect(locked()).toBe(before);
  });
});

describe('unlink()', () => {
  it('takes the name away, and the memory stays for those who have it', () => {
    const memory = posix(100);
    const other = again(memory);
    memory.unlink();
    expect(failure(() => PosixSharedMemory.open(memory.name))).toMatchObject({ code: 'ENOENT' });
    expect([memory.stat().unlinked, other.stat().unlinked]).toEqual([true, true]);
    memory.write(0, 'goes on');
    expect(other.read(0, 7).toString()).toBe('goes on');
    memory.resize(200);
    expect(other.stat().size).toBe(200);
    const error = failure(() => memory.unlink());
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'shm_unlink'), path: memory.name });
  });

  it('gives the name free for another object', () => {
    const memory = posix(100);
    memory.write(0, 'old');
    memory.unlink();
    const next = posix(200, { name: memory.name });
    next.write(0, 'new');
    expect([memory.read(0, 3).toString(), next.read(0, 3).toString()]).toEqual(['old', 'new']);
    expect([memory.stat().unlinked, next.stat().unlinked]).toEqual([true, false]);
  });
});

describe('the end', () => {
  it('by close() closes the descriptor, once, and leaves the object', () => {
    const memory = PosixSharedMemory.create({ name: unusedMemoryName(), size: 100 });
    const { fd, name } = memory;
    memory.close();
    expect(targetOf(fd)).toBeUndefined();
    const [read, write] = sys.pipe2(sys.O_CLOEXEC).map(ownFd);
    memory.close();
    expect([targetOf(read ?? -1), targetOf(write ?? -1)]).not.toContain(undefined);
    expect(memory).toMatchObject({ name, size: 100, closed: true });
    expect(closing(PosixSharedMemory.open(name)).size).toBe(100);
  });

  it('by release() gives the descriptor back, open', () => {
    const memory = posix(100);
    const mappings = mappingsOf(memory);
    const view = memory.bytes;
    const { fd } = memory;
    expect(memory.release()).toBe(fd);
    ownFd(fd);
    expect([memory.closed, view.length, mappings()]).toEqual([true, 0, 0]);
    memory.close();
    expect(fstatSync(fd).size).toBe(100);
  });

  it('never closes a number that is somebody else’s by then', () => {
    const memory = posix(100);
    const { fd } = memory;
    sys.close(fd);
    const [read, write] = sys.pipe2(sys.O_CLOEXEC);
    memory.close();
    expect([targetOf(read), targetOf(write)]).not.toContain(undefined);
    closeSync(read);
    closeSync(write);
  });
});

describe('list() and limits()', () => {
  it('list() has the names of all objects, and none of what is something else', () => {
    const [first, second, gone] = [posix(), posix(), posix()];
    gone.unlink();
    const semaphore = `sem.${unusedMemoryName().slice(1)}`;
    const folder = unusedMemoryName();
    writeFileSync(`/dev/shm/${semaphore}`, Buffer.alloc(32));
    onTestFinished(() => rmSync(`/dev/shm/${semaphore}`));
    mkdirSync(file(folder));
    onTestFinished(() => rmSync(file(folder), { recursive: true }));
    const list = PosixSharedMemory.list();
    expect(list).toEqual(expect.arrayContaining([first.name, second.name]));
    for (const name of [gone.name, `/${semaphore}`, folder]) expect(list).not.toContain(name);
    expect(list.filter((name) => !name.startsWith('/'))).toEqual([]);
    expect(new Set(list).size).toBe(list.length);
  });

  it('limits() gives the bytes of /dev/shm', () => {
    const before = PosixSharedMemory.limits();
    const { bsize, blocks } = statfsSync('/dev/shm');
    expect(before.size).toBe(bsize * blocks);
    posix(16 * pages);
    const after = PosixSharedMemory.limits();
    expect(after.size).toBe(before.size);
    expect(before.free - after.free).toBeGreaterThanOrEqual(8 * pages);
    expect(after.free).toBeLessThanOrEqual(after.size);
  });
});
