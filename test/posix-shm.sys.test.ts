// The calls of <sys/mman.h> one by one, and the seals of files of memory: what they do, and a table of their errors.
// What a program may do with the memory is in posix-shm.sys.memory.test.ts.
import { existsSync, fstatSync, openSync, readSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from './helpers/compile.js';
import {
  closeOwn,
  closedFd,
  exhaustedPeer,
  flagsOf,
  ownFd,
  ownFolder,
  ownPipe,
  targetOf,
} from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import {
  mapped,
  mapsWith,
  newMemfd,
  newObject,
  ownMapping,
  ownMemoryName,
  pathOf,
  unusedMemoryName,
} from './helpers/mappings.js';
import { noSecondUser, nobody, nodePeer, otherUser, program } from './helpers/peers.js';
import { attach, attached, newSegment, pageSize } from './helpers/segments.js';
import { loose, refusal, refuses, wrong } from './helpers/wrong-arguments.js';
import { notArrayBuffers, ordinaryBuffers } from './helpers/wrong-memory.js';

const { F_ADD_SEALS, F_GETFD, F_GET_SEALS, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK } =
  sys;
const { F_SEAL_WRITE, FD_CLOEXEC, MAP_ANONYMOUS, MAP_HUGETLB, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED } = sys;
const { MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_HUGETLB, MFD_NOEXEC_SEAL, MS_ASYNC, MS_INVALIDATE, MS_SYNC } =
  sys;
const { O_CLOEXEC, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC } = sys;
const { PROT_NONE, PROT_READ, PROT_WRITE } = sys;

const READ_WRITE = PROT_READ | PROT_WRITE;
/** The kernel's, which the package has no names for. */
const MAP_FIXED = 0x10;
const MAP_LOCKED = 0x2000;
const MAP_NORESERVE = 0x4000;
const MAP_FIXED_NOREPLACE = 0x100000;
const F_SEAL_EXEC = 0x20;
const O_PATH = 0o10000000;

const GiB = 2 ** 30;
const type = 'ERR_INVALID_ARG_TYPE';

/** The same file by another descriptor, for reading alone. */
function readable(fd: number): number {
  return ownFd(openSync(`/proc/self/fd/${fd}`, 'r'));
}

function sizeOf(fd: number): number {
  return fstatSync(fd).size;
}

/** The bytes of a file by its descriptor: what is in the object, without the mapping under test. */
function contentOf(fd: number, length: number, position = 0): Buffer {
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, position);
  return bytes;
}

describe('constants', () => {
  it('are those of the headers that a C program is compiled with', async () => {
    const { code, stdout } = await program(compiled('sys-constants'), 'mman').exited;
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(15);
    for (const line of lines) {
      const [name = '', value] = line.split(' ');
      expect(sys).toHaveProperty(name, Number(value));
    }
  });
});

describe('shm_open', () => {
  it('makes an object of no bytes, and gives a descriptor that exec closes', () => {
    const name = unusedMemoryName();
    const fd = ownFd(sys.shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0o600));
    expect(targetOf(fd)).toBe(pathOf(name));
    expect(flagsOf(fd) & ~O_NOFOLLOW).toBe(O_RDWR | O_CLOEXEC);
    expect(sys.fcntl(fd, F_GETFD)).toBe(FD_CLOEXEC);
    expect(sizeOf(fd)).toBe(0);
  });

  it('finds an object that is there, with O_CREAT and without, and leaves it as it is', () => {
    const name = unusedMemoryName();
    const first = newObject({ name, size: 100 });
    sys.write(first, 'text');
    for (const flags of [O_RDWR, O_RDONLY, O_CREAT | O_RDWR, O_CREAT | O_RDONLY]) {
      const fd = ownFd(sys.shm_open(name, flags, 0o777));
      expect(contentOf(fd, 4).toString()).toBe('text');
      expect(sizeOf(fd)).toBe(100);
    }
    expect(statSync(pathOf(name)).mode & 0o777).toBe(0o600);
  });

  it('empties it with O_TRUNC', () => {
    const name = unusedMemoryName();
    const bytes = new Uint8Array(mapped(newObject({ name }))).fill(1);
    expect(sizeOf(ownFd(sys.shm_open(name, O_RDWR | O_TRUNC)))).toBe(0);
    expect([bytes[0], bytes[4095]]).toEqual([0, 0]);
  });

  it('gives the object the mode less the umask, 0600 where none is given', () => {
    const before = process.umask(0o027);
    onTestFinished(() => {
      process.umask(before);
    });
    const [given, left] = [unusedMemoryName(), unusedMemoryName()];
    newObject({ name: given, mode: 0o666 });
    ownFd(sys.shm_open(left, O_CREAT | O_RDWR));
    expect(statSync(pathOf(given)).mode & 0o777).toBe(0o640);
    expect(statSync(pathOf(left)).mode & 0o777).toBe(0o600);
  });

  it('gives what a C program made, and a C program what it made', async () => {
    const c = compiled('posix-shm-peer');
    const [theirs, ours] = [unusedMemoryName(), unusedMemoryName()];
    expect(await program(c, 'make', theirs, 5000, 'theirs').exited).toMatchObject({ code: 0 });
    const fd = ownFd(sys.shm_open(theirs, O_RDWR));
    expect(sizeOf(fd)).toBe(5000);
    expect(Buffer.from(mapped(fd, 5000)).toString('utf8', 0, 6)).toBe('theirs');
    Buffer.from(mapped(newObject({ name: ours, size: 5000 }), 5000)).write('ours', 4990);
    const { stdout } = await program(c, 'read', ours, 4990, 4).exited;
    expect(Buffer.from(stdout, 'hex').toString()).toBe('ours');
  });

  it('takes any byte but a slash in a name, with or without slashes before it', () => {
    const own = `unix-ipc-mapped-${process.pid}`;
    for (const name of [`/${own} grüße €\n\\:*`, own, `/${own}`, `//${own}`, `/${own}-${'n'.repeat(150)}`]) {
      ownMemoryName(name);
      const fd = ownFd(sys.shm_open(name, O_CREAT | O_RDWR));
      expect(targetOf(fd)).toBe(pathOf(name));
      expect(sizeOf(ownFd(sys.shm_open(name, O_RDONLY)))).toBe(0);
      sys.shm_unlink(name);
      expect(existsSync(pathOf(name))).toBe(false);
    }
  });

  it.each([
    ['an empty name', ''],
    ['a slash alone', '/'],
    ['slashes alone', '///'],
    ['a second slash', '/unix-ipc/second'],
    ['a slash at the end', '/unix-ipc/'],
    ['a dot', '/.'],
    ['two dots', '/..'],
  ])('fails with EINVAL for %s', (_what, name) => {
    for (const flags of [O_RDWR, O_CREAT | O_RDWR]) {
      expect(failure(() => sys.shm_open(name, flags, 0o600))).toMatchObject({
        ...systemError('EINVAL', 'shm_open'),
        path: name,
      });
    }
  });

  it.each([256, 5000])('fails with ENAMETOOLONG or EINVAL for a name of %d bytes', (length) => {
    const name = `/${'n'.repeat(length)}`;
    for (const call of [
      (): unknown => sys.shm_open(name, O_RDWR),
      (): unknown => sys.shm_open(name, O_CREAT | O_RDWR),
    ]) {
      expect(failure(call)).toMatchObject({ syscall: 'shm_open', path: name });
      // Which of them is the C library's choice, and its versions differ.
      expect(failure(call).code).toMatch(/^(ENAMETOOLONG|EINVAL)$/);
    }
  });

  it('fails with ENOENT where there is no object and O_CREAT is not given', () => {
    const name = unusedMemoryName();
    expect(failure(() => sys.shm_open(name, O_RDWR))).toMatchObject({
      ...systemError('ENOENT', 'shm_open'),
      path: name,
    });
  });

  it('fails with EEXIST where there is one and O_CREAT and O_EXCL are given', () => {
    const name = unusedMemoryName();
    newObject({ name });
    expect(failure(() => sys.shm_open(name, O_CREAT | O_EXCL | O_RDWR))).toMatchObject({
      ...systemError('EEXIST', 'shm_open'),
      path: name,
    });
  });

  it('fails with ELOOP for a symbolic link', () => {
    const name = unusedMemoryName();
    symlinkSync('/etc/passwd', pathOf(name));
    expect(failure(() => sys.shm_open(name, O_RDONLY))).toMatchObject({
      ...systemError('ELOOP', 'shm_open'),
      path: name,
    });
  });

  it('fails with EMFILE where the process has no descriptor left, and memfd_create too', async () => {
    const name = unusedMemoryName();
    newObject({ name });
    const peer = await exhaustedPeer();
    expect(await peer.failure('sys.shm_open', name, O_RDWR)).toMatchObject({
      ...systemError('EMFILE', 'shm_open'),
      path: name,
    });
    expect(await peer.failure('sys.memfd_create', 'name', 0)).toMatchObject(
      systemError('EMFILE', 'memfd_create'),
    );
  });

  refuses(
    'shm_open',
    { name: 'string', oflag: 'int', mode: 'unsigned?' },
    () => [unusedMemoryName(), O_CREAT | O_EXCL | O_RDWR, 0o600],
    ([name]) => expect(existsSync(pathOf(name as string))).toBe(false),
  );
});

describe('shm_unlink', () => {
  it('takes the name away and gives nothing; what is open or mapped stays', () => {
    const name = unusedMemoryName();
    const fd = newObject({ name });
    const bytes = new Uint8Array(mapped(fd));
    expect(loose('shm_unlink', [name])).toBeUndefined();
    expect(existsSync(pathOf(name))).toBe(false);
    bytes[100] = 5;
    closeOwn(fd);
    expect(bytes[100]).toBe(5);
    expect(failure(() => sys.shm_open(name, O_RDWR)).code).toBe('ENOENT');
    const next = newObject({ name });
    expect(contentOf(next, 101)[100]).toBe(0);
  });

  it('fails with ENOENT where there is none, and for a name that can be none', () => {
    for (const name of [unusedMemoryName(), '', '/', '/unix-ipc/second']) {
      const error = failure(() => sys.shm_unlink(name));
      expect(error).toMatchObject({ syscall: 'shm_unlink', path: name });
      expect(error.code).toMatch(name.startsWith('/unix-ipc-') ? /^ENOENT$/ : /^(ENOENT|EINVAL)$/);
    }
  });

  it.each([256, 5000])('fails for a name of %d bytes', (length) => {
    const name = `/${'n'.repeat(length)}`;
    expect(failure(() => sys.shm_unlink(name)).code).toMatch(/^(ENAMETOOLONG|ENOENT|EINVAL)$/);
  });

  refuses('shm_unlink', { name: 'string' }, () => [unusedMemoryName()]);
});

describe('for another user', () => {
  it('shm_open and shm_unlink fail with EACCES, and mmap with EAGAIN over RLIMIT_MEMLOCK', async ({
    skip,
  }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const before = process.umask(0);
    onTestFinished(() => {
      process.umask(before);
    });
    const [closed, open] = [unusedMemoryName(), unusedMemoryName()];
    newObject({ name: closed });
    newObject({ name: open, mode: 0o444 });
    const peer = await otherUser();
    for (const args of [
      [closed, O_RDONLY],
      [closed, O_RDWR],
      [open, O_RDWR],
      [open, O_RDONLY | O_TRUNC],
    ]) {
      expect(await peer.failure('sys.shm_open', ...args)).toMatchObject({
        ...systemError('EACCES', 'shm_open'),
        path: args[0],
      });
    }
    expect(await peer.failure('sys.shm_unlink', closed)).toMatchObject({
      ...systemError('EACCES', 'shm_unlink'),
      path: closed,
    });
    const fd = (await peer.call('sys.shm_open', open, O_RDONLY)) as number;
    expect(await peer.call('sys.mmap', null, 10, PROT_READ, MAP_SHARED, fd)).toEqual(new ArrayBuffer(10));
    expect(existsSync(pathOf(closed))).toBe(true);

    const limits = ['prlimit', '--pid', String(peer.pid), '--memlock=65536:'];
    const user = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];
    expect(await program('setpriv', ...user, ...limits).exited).toMatchObject({ code: 0 });
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED;
    expect(await peer.failure('sys.mmap', null, 2 ** 20, READ_WRITE, flags, -1)).toMatchObject(
      systemError('EAGAIN', 'mmap'),
    );
    if (existsSync('/sys/kernel/mm/hugepages')) {
      const huge = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
      expect((await peer.failure('sys.mmap', null, 2 ** 26, READ_WRITE, huge, -1)).code).toMatch(
        /^(EPERM|ENOMEM)$/,
      );
    }
  });
});

describe('memfd_create', () => {
  it('gives a file of no bytes that has its name only for show', () => {
    for (const name of ['', 'name', 'a/b', 'grüße', 'n'.repeat(249)]) {
      const [first, second] = [ownFd(sys.memfd_create(name)), ownFd(sys.memfd_create(name, 0))];
      for (const fd of [first, second]) {
        expect(targetOf(fd)).toBe(`/memfd:${name} (deleted)`);
        expect(sizeOf(fd)).toBe(0);
      }
      sys.ftruncate(first, 10);
      expect(sizeOf(second)).toBe(0);
    }
  });

  it('is as C makes it: close-on-exec and seals only where the flag is given', () => {
    const plain = ownFd(sys.memfd_create('name'));
    expect(flagsOf(plain)).toBe(O_RDWR);
    expect(sys.fcntl(plain, F_GETFD)).toBe(0);
    expect(sys.fcntl(plain, F_GET_SEALS)).toBe(F_SEAL_SEAL);
    const other = ownFd(sys.memfd_create('name', MFD_CLOEXEC | MFD_ALLOW_SEALING));
    expect(flagsOf(other)).toBe(O_RDWR | O_CLOEXEC);
    expect(sys.fcntl(other, F_GET_SEALS)).toBe(0);
  });

  it('makes one that can never be executed with MFD_NOEXEC_SEAL', ({ skip }) => {
    skip(!existsSync('/proc/sys/vm/memfd_noexec'), 'this kernel is older than that flag');
    const fd = ownFd(sys.memfd_create('name', MFD_CLOEXEC | MFD_NOEXEC_SEAL));
    expect(sys.fcntl(fd, F_GET_SEALS)).toBe(F_SEAL_EXEC);
    expect(fstatSync(fd).mode & 0o111).toBe(0);
  });

  it('is of huge pages with MFD_HUGETLB', ({ skip }) => {
    skip(!existsSync('/sys/kernel/mm/hugepages'), 'this kernel has no huge pages');
    const fd = ownFd(sys.memfd_create('name', MFD_CLOEXEC | MFD_HUGETLB));
    expect(fstatSync(fd).blksize).toBeGreaterThan(pageSize);
    expect(failure(() => sys.ftruncate(fd, pageSize))).toMatchObject(systemError('EINVAL', 'ftruncate'));
  });

  it.each([
    ['a name of 250 bytes', 'n'.repeat(250), 0],
    ['a name of 250 bytes of 125 characters', 'ü'.repeat(125), 0],
    ['a very long name', 'n'.repeat(100_000), 0],
    ['a flag that is none', 'name', 0x40],
    ['the highest flag', 'name', 2 ** 31],
  ])('fails with EINVAL for %s', (_what, name, flags) => {
    expect(failure(() => sys.memfd_create(name, flags))).toMatchObject({
      ...systemError('EINVAL', 'memfd_create'),
      path: name,
    });
  });

  refuses('memfd_create', { name: 'string', flags: 'unsigned?' }, () => ['name', 0]);
});

describe('ftruncate', () => {
  it('makes a file longer by zeros, and shorter', () => {
    const fd = newMemfd(0);
    expect(loose('ftruncate', [fd, 10_000])).toBeUndefined();
    expect(contentOf(fd, 10_000).equals(Buffer.alloc(10_000))).toBe(true);
    sys.write(fd, 'text');
    sys.ftruncate(fd, 2);
    sys.ftruncate(fd, 4);
    expect(contentOf(fd, 4).toString()).toBe('te\0\0');
    sys.ftruncate(fd, 0);
    expect(sizeOf(fd)).toBe(0);
    sys.ftruncate(fd, Number.MAX_SAFE_INTEGER);
    expect(sizeOf(fd)).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('takes a file that has a path', () => {
    const path = join(ownFolder(), 'file');
    writeFileSync(path, 'some text');
    sys.ftruncate(ownFd(openSync(path, 'r+')), 4);
    expect(statSync(path).size).toBe(4);
  });

  it('fails with EBADF for what is no descriptor', () => {
    for (const fd of [-1, -(2 ** 31), 2 ** 31 - 1, closedFd()]) {
      expect(failure(() => sys.ftruncate(fd, 1))).toMatchObject(systemError('EBADF', 'ftruncate'));
    }
    const path = ownFd(sys.open('/etc/passwd', O_PATH | O_CLOEXEC));
    expect(failure(() => sys.ftruncate(path, 1)).code).toBe('EBADF');
  });

  it('fails with EINVAL for a negative length, for no file, and for one that may not be written', () => {
    const fd = newMemfd(10);
    for (const length of [-1, Number.MIN_SAFE_INTEGER]) {
      expect(failure(() => sys.ftruncate(fd, length))).toMatchObject(systemError('EINVAL', 'ftruncate'));
    }
    for (const wrongFd of [ownPipe()[1], readable(fd), ownFd(openSync('/tmp', 'r'))]) {
      expect(failure(() => sys.ftruncate(wrongFd, 5))).toMatchObject(systemError('EINVAL', 'ftruncate'));
    }
    expect(sizeOf(fd)).toBe(10);
  });

  it('fails with EFBIG over RLIMIT_FSIZE, and the signal for it ends nobody', async () => {
    const peer = await nodePeer();
    expect(await program('prlimit', '--pid', peer.pid, '--fsize=65536:').exited).toMatchObject({ code: 0 });
    const fd = (await peer.call('sys.memfd_create', 'name')) as number;
    expect(await peer.failure('sys.ftruncate', fd, 65_537)).toMatchObject(systemError('EFBIG', 'ftruncate'));
    expect(await peer.call('sys.ftruncate', fd, 65_536)).toBeUndefined();
  });

  refuses('ftruncate', { fd: 'int', length: 'long' }, () => [newMemfd(10), 5]);
});

describe('mmap', () => {
  it.each([1, 100, 4095, 4096, 4097, 1_000_000])('gives %d bytes of an object, not rounded', (length) => {
    const fd = newMemfd(length);
    const buffer = mapped(fd, length);
    expect(buffer).toBeInstanceOf(ArrayBuffer);
    expect(buffer.byteLength).toBe(length);
    const bytes = new Uint8Array(buffer);
    bytes[length - 1] = 7;
    expect(contentOf(fd, 1, length - 1)[0]).toBe(7);
    expect(bytes[length]).toBeUndefined();
  });

  it('gives two mappings of one object, and writes go both ways', () => {
    const fd = newMemfd(8192);
    const [first, second] = [new Uint8Array(mapped(fd, 8192)), new Uint8Array(mapped(fd, 8192))];
    first[8191] = 1;
    second[0] = 2;
    expect([first[0], second[8191]]).toEqual([2, 1]);
    sys.munmap(first.buffer);
    expect([second[0], second[8191]]).toEqual([2, 1]);
    expect(new Uint8Array(mapped(fd, 8192, PROT_READ))[8191]).toBe(1);
  });

  it('lives on without its descriptor', () => {
    const fd = newMemfd();
    const bytes = new Uint8Array(mapped(fd));
    closeOwn(fd);
    bytes[9] = 9;
    expect(bytes[9]).toBe(9);
  });

  it('begins at an offset, also one over 32 bits', () => {
    const fd = newMemfd(2 ** 40 + 2 * pageSize);
    const map = (offset: number): Uint8Array =>
      new Uint8Array(ownMapping(sys.mmap(null, 100, READ_WRITE, MAP_SHARED, fd, offset)));
    for (const offset of [0, pageSize, 2 ** 32, 2 ** 40 + pageSize]) {
      map(offset)[5] = 77;
      expect(contentOf(fd, 1, offset + 5)[0]).toBe(77);
    }
    expect(map(2 * pageSize)[5]).toBe(0);
  });

  it('with MAP_PRIVATE has the content of the object, and writes that stay here', () => {
    const fd = newMemfd();
    sys.write(fd, 'text');
    const bytes = Buffer.from(ownMapping(sys.mmap(null, 4096, READ_WRITE, MAP_PRIVATE, fd)));
    expect(bytes.toString('utf8', 0, 4)).toBe('text');
    bytes.write('next');
    expect(bytes.toString('utf8', 0, 4)).toBe('next');
    expect(contentOf(fd, 4).toString()).toBe('text');
  });

  it.each([
    ['MAP_SHARED', MAP_SHARED],
    ['MAP_PRIVATE', MAP_PRIVATE],
  ])('with MAP_ANONYMOUS and %s gives zeros of no object', (_what, flags) => {
    const bytes = Buffer.from(
      ownMapping(sys.mmap(null, 10_000, READ_WRITE, flags | MAP_ANONYMOUS | MAP_POPULATE, -1)),
    );
    expect(bytes.equals(Buffer.alloc(10_000))).toBe(true);
    bytes.fill('x');
    expect(bytes[9999]).toBe(120);
  });

  it('with MAP_POPULATE has the pages there at once', () => {
    const [plain, populated] = [newMemfd(2 ** 20), newMemfd(2 ** 20)];
    mapped(plain, 2 ** 20);
    ownMapping(sys.mmap(null, 2 ** 20, READ_WRITE, MAP_SHARED | MAP_POPULATE, populated));
    expect([fstatSync(plain).blocks, fstatSync(populated).blocks]).toEqual([0, 2048]);
  });

  it.each([
    ['PROT_NONE', PROT_NONE, '---s'],
    ['PROT_READ', PROT_READ, 'r--s'],
    ['PROT_READ | PROT_WRITE', READ_WRITE, 'rw-s'],
  ])('maps with %s as it is said', (_what, prot, shown) => {
    const fd = newMemfd();
    mapped(fd, 4096, prot);
    const lines = mapsWith('/memfd:unix-ipc-test').filter((line) => line.includes(` ${fstatSync(fd).ino} `));
    expect(lines).toHaveLength(1);
    expect(lines[0]?.split(' ')[1]).toBe(shown);
  });

  it('gives 4 GiB, and ENOMEM for a byte more', () => {
    const fd = newMemfd(4 * GiB + 1);
    const buffer = mapped(fd, 4 * GiB);
    expect(buffer.byteLength).toBe(4 * GiB);
    const end = new Uint8Array(buffer, 4 * GiB - 10);
    end[9] = 5;
    expect(contentOf(fd, 1, 4 * GiB - 1)[0]).toBe(5);
    sys.munmap(buffer);
    expect(end).toHaveLength(0);
    for (const length of [4 * GiB + 1, 2 ** 47, Number.MAX_SAFE_INTEGER]) {
      expect(failure(() => sys.mmap(null, length, READ_WRITE, MAP_SHARED, fd))).toMatchObject({
        ...systemError('ENOMEM', 'mmap'),
        name: 'IpcError',
      });
      const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
      expect(failure(() => sys.mmap(null, length, PROT_NONE, flags, -1)).code).toBe('ENOMEM');
    }
  });

  it('fails with EBADF for what is no descriptor', () => {
    for (const fd of [-1, -(2 ** 31), 2 ** 31 - 1, closedFd()]) {
      expect(failure(() => sys.mmap(null, 10, PROT_READ, MAP_SHARED, fd))).toMatchObject(
        systemError('EBADF', 'mmap'),
      );
    }
  });

  it.each([
    ['EINVAL', 'a length of 0', [0, READ_WRITE, MAP_SHARED, 'memfd', 0]],
    ['EINVAL', 'neither MAP_SHARED nor MAP_PRIVATE', [10, READ_WRITE, 0, 'memfd', 0]],
    ['EINVAL', 'an offset that is no multiple of a page', [10, READ_WRITE, MAP_SHARED, 'memfd', 100]],
    ['EINVAL|EOVERFLOW', 'a negative offset', [10, READ_WRITE, MAP_SHARED, 'memfd', -4096]],
    ['EINVAL', 'MAP_HUGETLB of ordinary memory', [10, READ_WRITE, MAP_SHARED | MAP_HUGETLB, 'memfd', 0]],
    ['EACCES', 'a file that may not be written', [10, READ_WRITE, MAP_SHARED, 'readable', 0]],
    ['EACCES', 'a file that may not be read', [10, PROT_READ, MAP_SHARED, 'writable', 0]],
    ['EACCES', 'a private mapping of one that may not be read', [10, PROT_READ, MAP_PRIVATE, 'writable', 0]],
    ['EACCES|ENODEV', 'a pipe', [10, PROT_READ, MAP_SHARED, 'pipe', 0]],
    ['ENODEV', 'a folder', [10, PROT_READ, MAP_SHARED, 'folder', 0]],
    ['ENODEV', 'an eventfd', [10, PROT_READ, MAP_SHARED, 'eventfd', 0]],
    ['EBADF', 'an O_PATH descriptor', [10, PROT_READ, MAP_SHARED, 'path', 0]],
  ] as const)('fails with %s for %s', (codes, _what, [length, prot, flags, what, offset]) => {
    const memfd = newMemfd();
    const fds = {
      memfd: () => memfd,
      readable: () => readable(memfd),
      writable: () => ownFd(openSync(`/proc/self/fd/${memfd}`, sys.O_WRONLY)),
      pipe: () => ownPipe()[0],
      folder: () => ownFd(openSync('/tmp', 'r')),
      eventfd: () => ownFd(sys.eventfd(0, sys.EFD_CLOEXEC)),
      path: () => ownFd(sys.open('/etc/passwd', O_PATH | O_CLOEXEC)),
    };
    const before = mapsWith('').length;
    const error = failure(() => sys.mmap(null, length, prot, flags, fds[what](), offset));
    expect(error.code).toMatch(new RegExp(`^(${codes})$`));
    expect(error).toMatchObject({ syscall: 'mmap', name: 'IpcError' });
    expect(mapsWith('').length).toBeLessThan(before + 5);
  });

  it('fails with ENOMEM for MAP_HUGETLB where no huge page is free', ({ skip }) => {
    skip(!existsSync('/sys/kernel/mm/hugepages'), 'this kernel has no huge pages');
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
    expect(failure(() => sys.mmap(null, 3 * GiB, READ_WRITE, flags, -1)).code).toMatch(/^(ENOMEM|EPERM)$/);
  });

  it.each([
    ['MAP_FIXED', MAP_FIXED],
    ['MAP_FIXED_NOREPLACE', MAP_FIXED_NOREPLACE],
    ['both', MAP_FIXED | MAP_FIXED_NOREPLACE],
  ])('refuses %s, for there is no address', (_what, flag) => {
    for (const flags of [MAP_SHARED | flag, MAP_PRIVATE | MAP_ANONYMOUS | flag]) {
      expect(failure(() => sys.mmap(null, 4096, READ_WRITE, flags, newMemfd()))).toMatchObject(
        refusal('ERR_INVALID_ARG_VALUE'),
      );
    }
  });

  refuses(
    'mmap',
    {
      addr: [
        ['a number', type, 4096],
        ['0', type, 0],
        ['a bigint', type, 4096n],
        ['a string', type, ''],
        ['an object', type, {}],
        ['an ArrayBuffer', type, new ArrayBuffer(8)],
        ['a symbol', type, Symbol('1')],
      ],
      length: 'size',
      prot: 'int',
      flags: 'int',
      fd: 'int',
      offset: (wrong('long') as [string, string, unknown][]).filter(([, , value]) => value !== undefined),
    },
    () => [null, 4096, READ_WRITE, MAP_SHARED, newMemfd(), 0],
    ([, , , , fd]) => {
      const { ino } = fstatSync(fd as number);
      expect(mapsWith('/memfd:unix-ipc-test').filter((line) => line.includes(` ${ino} `))).toEqual([]);
    },
  );
});

describe('munmap', () => {
  it('gives nothing, and the mapping goes', () => {
    const fd = newMemfd(10_000);
    const [first, second] = [mapped(fd, 10_000), mapped(fd, 10_000)];
    const mappings = (): number =>
      mapsWith('/memfd:unix-ipc-test').filter((line) => line.includes(` ${fstatSync(fd).ino} `)).length;
    expect(mappings()).toBeGreaterThan(0);
    expect(loose('munmap', [first])).toBeUndefined();
    expect([first.byteLength, second.byteLength]).toEqual([0, 10_000]);
    sys.munmap(second);
    expect(mappings()).toBe(0);
  });

  it('takes a mapping of shmat', () => {
    const shmid = newSegment();
    const buffer = attach(shmid);
    sys.munmap(buffer);
    expect(buffer.byteLength).toBe(0);
    expect(attached(shmid)).toBe(0);
  });

  it('fails with EINVAL on a second call, and for an ArrayBuffer that is no mapping', () => {
    const buffer = mapped(newMemfd());
    sys.munmap(buffer);
    for (const each of [buffer, ...ordinaryBuffers()]) {
      const { byteLength } = each;
      expect(failure(() => sys.munmap(each))).toMatchObject(systemError('EINVAL', 'munmap'));
      expect(each.byteLength).toBe(byteLength);
    }
  });

  it.each(notArrayBuffers)('refuses %s by %s', (_what, code, value) => {
    expect(failure(() => loose('munmap', [value]))).toMatchObject(refusal(code));
  });
});

describe('msync', () => {
  it.each([
    ['MS_SYNC', MS_SYNC],
    ['MS_ASYNC', MS_ASYNC],
    ['MS_SYNC | MS_INVALIDATE', MS_SYNC | MS_INVALIDATE],
    ['MS_ASYNC | MS_INVALIDATE', MS_ASYNC | MS_INVALIDATE],
    ['no flags', 0],
  ])('gives nothing for %s, and what was written is in the file', (_what, flags) => {
    const path = join(ownFolder(), 'file');
    writeFileSync(path, Buffer.alloc(5000));
    const fd = ownFd(openSync(path, 'r+'));
    const buffer = mapped(fd, 5000);
    Buffer.from(buffer).write('text', 4990);
    expect(loose('msync', [buffer, flags])).toBeUndefined();
    expect(contentOf(fd, 4, 4990).toString()).toBe('text');
  });

  it('takes every mapping: of an object, private, of nothing, of shmat', () => {
    const fd = newMemfd();
    const buffers = [
      mapped(fd),
      mapped(fd, 100, PROT_READ),
      mapped(fd, 100, PROT_NONE),
      ownMapping(sys.mmap(null, 4096, READ_WRITE, MAP_PRIVATE, fd)),
      ownMapping(sys.mmap(null, 100, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)),
      attach(newSegment(100)),
    ];
    for (const buffer of buffers) expect(loose('msync', [buffer, MS_SYNC])).toBeUndefined();
  });

  it('fails with EINVAL for other flags, and for MS_SYNC with MS_ASYNC', () => {
    const buffer = mapped(newMemfd());
    for (const flags of [MS_SYNC | MS_ASYNC, 8, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      expect(failure(() => sys.msync(buffer, flags))).toMatchObject(systemError('EINVAL', 'msync'));
    }
  });

  it('fails with EBUSY for MS_INVALIDATE where the memory is locked', () => {
    const buffer = ownMapping(sys.mmap(null, 4096, READ_WRITE, MAP_SHARED | MAP_LOCKED, newMemfd()));
    expect(failure(() => sys.msync(buffer, MS_SYNC | MS_INVALIDATE))).toMatchObject(
      systemError('EBUSY', 'msync'),
    );
    expect(loose('msync', [buffer, MS_SYNC])).toBeUndefined();
  });

  it('fails for memory that is unmapped, or is no mapping', () => {
    const buffer = mapped(newMemfd());
    sys.munmap(buffer);
    for (const each of [buffer, ...ordinaryBuffers()]) {
      const error = failure(() => sys.msync(each, MS_SYNC));
      expect(error.code).toMatch(/^(EINVAL|ENOMEM)$/);
      expect(error.syscall).toBe('msync');
    }
  });

  it.each(notArrayBuffers)('refuses %s by %s', (_what, code, value) => {
    expect(failure(() => loose('msync', [value, MS_SYNC]))).toMatchObject(refusal(code));
  });

  it.each([...wrong('int'), ['undefined', type, undefined] as const])(
    'refuses %s as flags by %s',
    (_what, code, value) => {
      expect(failure(() => loose('msync', [mapped(newMemfd()), value]))).toMatchObject(refusal(code));
    },
  );
});

describe('seals', () => {
  const sealed = (...seals: number[]): number => {
    const fd = newMemfd(8192, MFD_ALLOW_SEALING);
    for (const seal of seals) sys.fcntl(fd, F_ADD_SEALS, seal);
    return fd;
  };
  const seal = (fd: number, seals: number): number => sys.fcntl(fd, F_ADD_SEALS, seals);

  it('add up, and are of the file, not of the descriptor', () => {
    const fd = sealed();
    expect(sys.fcntl(fd, F_GET_SEALS)).toBe(0);
    expect(seal(fd, F_SEAL_GROW)).toBe(0);
    expect(seal(fd, F_SEAL_SHRINK)).toBe(0);
    expect(seal(fd, F_SEAL_SHRINK)).toBe(0);
    expect(sys.fcntl(readable(fd), F_GET_SEALS)).toBe(F_SEAL_GROW | F_SEAL_SHRINK);
    expect(seal(fd, F_SEAL_SEAL)).toBe(0);
    expect(failure(() => seal(fd, F_SEAL_WRITE))).toMatchObject(systemError('EPERM', 'fcntl'));
    expect(failure(() => seal(fd, F_SEAL_GROW))).toMatchObject(systemError('EPERM', 'fcntl'));
  });

  it('F_SEAL_SHRINK and F_SEAL_GROW refuse ftruncate with EPERM', () => {
    const both = sealed(F_SEAL_SHRINK, F_SEAL_GROW);
    for (const length of [8191, 0, 8193]) {
      expect(failure(() => sys.ftruncate(both, length))).toMatchObject(systemError('EPERM', 'ftruncate'));
    }
    sys.ftruncate(both, 8192);
    sys.ftruncate(sealed(F_SEAL_SHRINK), 10_000);
    sys.ftruncate(sealed(F_SEAL_GROW), 100);
    expect(sys.write(both, 'text')).toBe(4);
  });

  it('F_SEAL_WRITE fails with EBUSY while there is a mapping that may be written', () => {
    const fd = sealed();
    const buffer = mapped(fd);
    const other = mapped(fd);
    expect(failure(() => seal(fd, F_SEAL_WRITE))).toMatchObject(systemError('EBUSY', 'fcntl'));
    sys.munmap(buffer);
    expect(failure(() => seal(fd, F_SEAL_WRITE)).code).toBe('EBUSY');
    sys.munmap(other);
    expect(seal(fd, F_SEAL_WRITE)).toBe(0);
  });

  it('F_SEAL_WRITE refuses writes and new mappings that write with EPERM', () => {
    const fd = sealed();
    sys.write(fd, 'text');
    seal(fd, F_SEAL_WRITE);
    expect(failure(() => sys.mmap(null, 10, READ_WRITE, MAP_SHARED, fd))).toMatchObject(
      systemError('EPERM', 'mmap'),
    );
    expect(failure(() => sys.write(fd, 'next'))).toMatchObject(systemError('EPERM', 'write'));
    const bytes = Buffer.from(mapped(readable(fd), 10, PROT_READ));
    expect(bytes.toString('utf8', 0, 4)).toBe('text');
    bytes.write('mine');
    expect(contentOf(fd, 4).toString()).toBe('text');
    const own = Buffer.from(ownMapping(sys.mmap(null, 10, READ_WRITE, MAP_PRIVATE, fd)));
    own.write('copy');
    expect(contentOf(fd, 4).toString()).toBe('text');
  });

  it('F_SEAL_FUTURE_WRITE leaves the mapping that is there', () => {
    const fd = sealed();
    const bytes = Buffer.from(mapped(fd));
    expect(seal(fd, F_SEAL_FUTURE_WRITE)).toBe(0);
    bytes.write('still');
    expect(contentOf(fd, 5).toString()).toBe('still');
    expect(failure(() => sys.mmap(null, 10, READ_WRITE, MAP_SHARED, fd))).toMatchObject(
      systemError('EPERM', 'mmap'),
    );
    expect(failure(() => sys.write(fd, 'next')).code).toBe('EPERM');
    expect(Buffer.from(mapped(readable(fd), 10, PROT_READ)).toString('utf8', 0, 5)).toBe('still');
  });

  it('fail with EPERM without MFD_ALLOW_SEALING and for a descriptor that may not write', () => {
    const plain = newMemfd(100);
    expect(failure(() => seal(plain, F_SEAL_GROW))).toMatchObject(systemError('EPERM', 'fcntl'));
    expect(failure(() => seal(readable(sealed()), F_SEAL_GROW))).toMatchObject(systemError('EPERM', 'fcntl'));
  });

  it('fail with EINVAL for what is no seal, and for what has none', () => {
    expect(failure(() => seal(sealed(), 0x1000))).toMatchObject(systemError('EINVAL', 'fcntl'));
    const [, pipe] = ownPipe();
    expect(failure(() => seal(pipe, F_SEAL_GROW))).toMatchObject(systemError('EINVAL', 'fcntl'));
    expect(failure(() => sys.fcntl(pipe, F_GET_SEALS))).toMatchObject(systemError('EINVAL', 'fcntl'));
    expect(failure(() => sys.fcntl(closedFd(), F_GET_SEALS))).toMatchObject(systemError('EBADF', 'fcntl'));
  });
});
