// SysvSharedMemory: what its methods do within one process.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { IPC_PRIVATE, IpcError, SysvSharedMemory } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { failure, systemError } from './helpers/failures.js';
import { ownNamespace } from './helpers/kernel.js';
import { nobody, noSecondUser } from './helpers/peers.js';
import { noHugePages } from './helpers/huge-pages.js';
import { behavesAsSharedMemory } from './helpers/shared-memory-behaviour.js';
import { removedSegment, segmentRow, segmentRows, unusedSegmentKey } from './helpers/segments.js';
import {
  closing,
  loosely,
  mappingsOf,
  own,
  pages,
  segment,
  wrongAccess,
  wrongOptions,
  wrongSizes,
} from './helpers/shared-memory.js';

const again = (memory: SysvSharedMemory, options = {}): SysvSharedMemory =>
  closing(SysvSharedMemory.openId(memory.id, options));

/** The row of a segment that is there. */
function row(memory: { readonly id: number }): NonNullable<ReturnType<typeof segmentRow>> {
  const found = segmentRow(memory.id);
  if (found === undefined) throw new Error(`the kernel knows no segment ${memory.id}`);
  return found;
}

describe('a segment', () => {
  behavesAsSharedMemory<SysvSharedMemory>({
    make: segment,
    again,
    fleeting: (size) => {
      const memory = SysvSharedMemory.create({ size: size ?? pages });
      memory.remove();
      return memory;
    },
    methods: {
      'stat()': (memory) => memory.stat(),
      'set()': (memory) => memory.set({ mode: 0o640 }),
      'lock()': (memory) => memory.lock(),
      'unlock()': (memory) => memory.unlock(),
      'remove()': (memory) => memory.remove(),
    },
  });
});

describe('create()', () => {
  it('makes the segment for its owner alone, attached once', () => {
    const memory = segment(5000);
    expect(row(memory)).toMatchObject({ key: 0, perms: '600', size: 5000, nattch: 1, cpid: process.pid });
    expect(memory.key).toBe(IPC_PRIVATE);
    expect(segment().id).not.toBe(memory.id);
  });

  it('makes the one of a key', () => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: 100, key }));
    expect(row(memory)).toMatchObject({ key, size: 100 });
    expect(memory.key).toBe(key);
    expect(closing(SysvSharedMemory.open(key)).id).toBe(memory.id);
  });

  it('makes the one of { path, projId }, as ftok makes the key, and of keys signed and unsigned', () => {
    const folder = mkdtempSync(join(tmpdir(), 'unix-ipc-key-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'file');
    writeFileSync(path, '');
    const memory = own(SysvSharedMemory.create({ size: 1, key: { path, projId: 'q' } }));
    expect(row(memory).key).toBe(sys.ftok(path, 'q'));
    expect(closing(SysvSharedMemory.open({ path, projId: 113 })).id).toBe(memory.id);
    const unsigned = 2 ** 31 + (unusedSegmentKey() % 2 ** 30);
    const second = own(SysvSharedMemory.create({ size: 1, key: unsigned }));
    expect(closing(SysvSharedMemory.open(unsigned - 2 ** 32)).id).toBe(second.id);
    const missing = join(folder, 'missing');
    expect(failure(() => SysvSharedMemory.open({ path: missing, projId: 1 }))).toMatchObject({
      ...systemError('ENOENT', 'ftok'),
      path: missing,
    });
  });

  it('gives it the mode, whatever the umask is', () => {
    const umask = process.umask(0o077);
    onTestFinished(() => void process.umask(umask));
    expect(row(segment(1, { mode: 0o664 })).perms).toBe('664');
    expect(row(own(SysvSharedMemory.create({ size: 1, key: unusedSegmentKey(), mode: 0o620 }))).perms).toBe(
      '620',
    );
  });

  it('fails with EEXIST where the key has one, and says what opens it', () => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: 100, key }));
    for (const exclusive of [undefined, true]) {
      const error = failure(() => SysvSharedMemory.create({ size: 100, key, exclusive }));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('EEXIST', 'shmget'), key });
      expect(error.message).toMatch(/exclusive: false|open\(/);
    }
    expect(row(memory).nattch).toBe(1);
  });

  it('opens the one that is there with exclusive: false, where it is large enough', () => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: 100, key, exclusive: false }));
    memory.write(0, 'there');
    for (const size of [100, 50]) {
      const other = closing(SysvSharedMemory.create({ size, key, exclusive: false }));
      expect(other).toMatchObject({ id: memory.id, size: 100 });
      expect(other.read(0, 5).toString()).toBe('there');
    }
    const error = failure(() => SysvSharedMemory.create({ size: 101, key, exclusive: false }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('EINVAL', 'shmget'), key });
    expect(error.message).toMatch(/\b101\b/);
    expect(error.message).toMatch(/\b100\b/);
    expect(row(memory).nattch).toBe(3);
  });

  it.each([
    ...wrongOptions,
    ...wrongAccess,
    ['hugePages of a number', 'ERR_INVALID_ARG_TYPE', { hugePages: 1 }],
    ['a key of a string', 'ERR_INVALID_ARG_TYPE', { key: '0x1234' }],
    ['a key of null', 'ERR_INVALID_ARG_TYPE', { key: null }],
    ['a key that is NaN', 'ERR_OUT_OF_RANGE', { key: NaN }],
    ['a key of 2^32', 'ERR_OUT_OF_RANGE', { key: 2 ** 32 }],
    ['a key without projId', 'ERR_INVALID_ARG_TYPE', { key: { path: '/tmp' } }],
    ['a key of two characters as projId', 'ERR_INVALID_ARG_VALUE', { key: { path: '/tmp', projId: 'ab' } }],
    ...wrongSizes.map(([what, code, size]): [string, string, unknown] => [what, code, { size }]),
  ])('refuses %s, and no segment is made: %s', (_what, code, options) => {
    const before = segmentRows().length;
    const given = typeof options === 'object' && options !== null ? { size: 1, ...options } : options;
    expect(failure(() => loosely(SysvSharedMemory, 'create', given))).toMatchObject({ code });
    expect(segmentRows()).toHaveLength(before);
  });

  it('refuses a size of nothing', () => {
    expect(failure(() => SysvSharedMemory.create({ size: 0 })).code).toMatch(/^(EINVAL|ERR_OUT_OF_RANGE)$/);
  });

  it('reserves the memory unless told not to: more than there is fails with ENOMEM', ({ skip }) => {
    const policy = readFileSync('/proc/sys/vm/overcommit_memory', 'utf8').trim();
    skip(policy !== '0', `vm.overcommit_memory is ${policy} here`);
    const meminfo = readFileSync('/proc/meminfo', 'utf8');
    const kilobytes = ['MemTotal', 'SwapTotal'].map((name) =>
      Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(meminfo)?.[1]),
    );
    const size = 2 * 1024 * kilobytes.reduce((sum, each) => sum + each, 0);
    const before = segmentRows().length;
    for (const options of [{}, { reserve: true }]) {
      const error = failure(() => SysvSharedMemory.create({ size, ...options }));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject(systemError('ENOMEM', 'shmget'));
      expect(error.message).toMatch(/reserve/);
    }
    expect(segmentRows()).toHaveLength(before);
    const memory = segment(size, { reserve: false });
    memory.write(size - 4, 'last');
    expect(memory.read(size - 4).toString()).toBe('last');
  });

  it.for([
    ['EINVAL', 'shmmax', '4096', 8192],
    ['ENOSPC', 'shmall', '4', 40 * pages],
    ['ENOSPC', 'shmmni', '1', 8192],
  ] as const)('fails with %s at the limit %s, and names it', ([code, name, value, size], { skip }) => {
    skip(!ownNamespace, 'the IPC namespace is shared with others');
    const path = `/proc/sys/kernel/${name}`;
    const before = readFileSync(path, 'utf8').trim();
    segment(100);
    try {
      writeFileSync(path, value);
    } catch (error) {
      skip(true, `${path} can't be written: ${String(error)}`);
    }
    try {
      const error = failure(() => SysvSharedMemory.create({ size }));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject(systemError(code, 'shmget'));
      expect(error.message).toContain(name);
    } finally {
      writeFileSync(path, before);
    }
    expect(readFileSync(path, 'utf8').trim()).toBe(before);
  });

  it('makes it of huge pages', ({ skip }) => {
    const { reason, size } = noHugePages();
    skip(reason !== undefined, reason);
    const memory = own(SysvSharedMemory.create({ size, hugePages: true }));
    expect(memory.size).toBe(size);
    memory.write(size - 4, 'last');
    memory.bytes.write('first');
    const other = again(memory);
    expect([other.read(0, 5).toString(), other.read(size - 4).toString()]).toEqual(['first', 'last']);
    expect(readFileSync('/proc/self/smaps', 'utf8')).toMatch(
      /KernelPageSize: +(?!4 kB)\d+ kB[^]*?VmFlags:.* ht/,
    );
    expect(
      other
        .window(size - 4096, 4096)
        .read(4092)
        .toString(),
    ).toBe('last');
    expect(again(memory, { readOnly: true }).read(0, 5).toString()).toBe('first');
  });

  it('fails where there are no huge pages left, and says so', ({ skip }) => {
    const left = Number(readFileSync('/proc/sys/vm/nr_hugepages', 'utf8'));
    const more = Number(readFileSync('/proc/sys/vm/nr_overcommit_hugepages', 'utf8'));
    skip(left + more > 0, 'there are huge pages here');
    const error = failure(() => SysvSharedMemory.create({ size: 2 ** 21, hugePages: true }));
    expect(error).toBeInstanceOf(IpcError);
    // EPERM without CAP_IPC_LOCK and outside of vm.hugetlb_shm_group.
    expect(['ENOMEM', 'EPERM']).toContain(error.code);
    expect(error.message).toMatch(/huge ?page|hugetlb/i);
  });
});

describe('open() and openId()', () => {
  it('open the segment of a key or an id, however large it is', () => {
    const key = unusedSegmentKey();
    const shmid = sys.shmget(key, 12_345, sys.IPC_CREAT | 0o600);
    const [first, second] = [own(SysvSharedMemory.open(key)), own(SysvSharedMemory.openId(shmid))];
    for (const memory of [first, second]) {
      expect(memory).toMatchObject({ id: shmid, key, size: 12_345, readOnly: false, closed: false });
    }
    first.write(12_340, 'other');
    expect(second.bytes.toString('latin1', 12_340)).toBe('other');
    expect(row(first).nattch).toBe(2);
  });

  it('open() fails with ENOENT and the key where there is none, and says what makes one', () => {
    const key = unusedSegmentKey();
    const error = failure(() => SysvSharedMemory.open(key));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'shmget'), key });
    expect(error.message).toMatch(/create\(/);
  });

  it('openId() fails with EINVAL and the id where there is none', () => {
    const id = removedSegment();
    const error = failure(() => SysvSharedMemory.openId(id));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EINVAL', id });
    expect(error.message).toMatch(/no .*segment|removed/);
  });

  it('refuse what is no key, no id and no options', () => {
    const { id } = segment();
    for (const [member, value, code] of [
      ['open', undefined, 'ERR_INVALID_ARG_TYPE'],
      ['open', '1', 'ERR_INVALID_ARG_TYPE'],
      ['open', 1n, 'ERR_INVALID_ARG_TYPE'],
      ['open', 1.5, 'ERR_OUT_OF_RANGE'],
      ['open', 2 ** 32, 'ERR_OUT_OF_RANGE'],
      ['openId', undefined, 'ERR_INVALID_ARG_TYPE'],
      ['openId', null, 'ERR_INVALID_ARG_TYPE'],
      ['openId', '1', 'ERR_INVALID_ARG_TYPE'],
      ['openId', NaN, 'ERR_OUT_OF_RANGE'],
      ['openId', 2 ** 31, 'ERR_OUT_OF_RANGE'],
    ] as const)
      expect(
        failure(() => loosely(SysvSharedMemory, member, value)),
        `${member} ${value}`,
      ).toMatchObject({ code });
    for (const options of [null, 'x', { readOnly: 1 }])
      expect(failure(() => loosely(SysvSharedMemory, 'openId', id, options)).code).toBe(
        'ERR_INVALID_ARG_TYPE',
      );
    expect(segmentRow(id)?.nattch).toBe(1);
  });
});

describe('stat()', () => {
  it('gives what the kernel has', () => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: 5000, key, mode: 0o640 }));
    again(memory).close();
    const now = row(memory);
    expect(memory.stat()).toEqual({
      key,
      uid: now.uid,
      gid: now.gid,
      creatorUid: now.cuid,
      creatorGid: now.cgid,
      mode: 0o640,
      size: 5000,
      attached: 1,
      creatorPid: process.pid,
      lastPid: process.pid,
      attachTime: new Date(now.atime * 1000),
      detachTime: new Date(now.dtime * 1000),
      changeTime: new Date(now.ctime * 1000),
      removed: false,
      locked: false,
    });
  });

  it('has no time of what has not happened', () => {
    const stat = segment().stat();
    expect(stat.attachTime).toBeInstanceOf(Date);
    expect(stat.changeTime).toBeInstanceOf(Date);
    expect(stat.detachTime).toBeUndefined();
  });
});

describe('set()', () => {
  it('changes what is given and nothing else', () => {
    const memory = segment(1, { mode: 0o640 });
    memory.set({ mode: 0o604 });
    expect(memory.stat()).toMatchObject({ mode: 0o604, uid: process.getuid?.(), gid: process.getgid?.() });
    memory.set({});
    expect(memory.stat()).toMatchObject({ mode: 0o604 });
  });

  it('gives the segment to another owner', ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const memory = segment();
    memory.set({ uid: nobody, gid: nobody });
    expect(row(memory)).toMatchObject({ uid: nobody, gid: nobody, cuid: process.getuid?.(), perms: '600' });
  });

  it.each([
    ['nothing', 'ERR_INVALID_ARG_TYPE', undefined],
    ['null', 'ERR_INVALID_ARG_TYPE', null],
    ['a mode of a string', 'ERR_INVALID_ARG_TYPE', { mode: '0600' }],
    ['a mode of too many bits', 'ERR_OUT_OF_RANGE', { mode: 0o1000 }],
    ['a negative uid', 'ERR_OUT_OF_RANGE', { uid: -1 }],
    ['a uid of a string', 'ERR_INVALID_ARG_TYPE', { uid: 'root' }],
    ['a gid that is NaN', 'ERR_OUT_OF_RANGE', { gid: NaN }],
  ])('refuses %s: %s', (_what, code, changes) => {
    const memory = segment();
    const before = memory.stat();
    expect(failure(() => loosely(memory, 'set', changes))).toMatchObject({ code });
    expect(memory.stat()).toEqual(before);
  });
});

describe('lock() and unlock()', () => {
  it('keep the segment in memory, and stat() says so', () => {
    const memory = segment();
    memory.lock();
    expect(memory.stat()).toMatchObject({ locked: true, mode: 0o600 });
    expect(Number(`0o${row(memory).perms}`) & sys.SHM_LOCKED).toBe(sys.SHM_LOCKED);
    memory.unlock();
    expect(memory.stat()).toMatchObject({ locked: false, mode: 0o600 });
  });
});

describe('remove()', () => {
  it('destroys the segment when nobody has it attached any more', () => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: pages, key }));
    const other = again(memory);
    memory.write(0, 'still there');
    memory.remove();
    expect(memory.stat()).toMatchObject({ removed: true, attached: 2, mode: 0o600, size: pages });
    expect(failure(() => SysvSharedMemory.open(key))).toMatchObject({ code: 'ENOENT' });
    expect(other.read(0, 11).toString()).toBe('still there');
    other.write(0, 'goes on');
    memory.close();
    expect(row(other).nattch).toBe(1);
    const window = other.window(0, 8);
    expect(window.read(0, 7).toString()).toBe('goes on');
    other.close();
    expect(segmentRow(memory.id)).toBeUndefined();
    const error = failure(() => SysvSharedMemory.openId(memory.id));
    expect(error).toMatchObject({ code: 'EINVAL', id: memory.id });
  });

  it('may be called again while somebody has it attached', () => {
    const memory = segment();
    memory.remove();
    expect(() => memory.remove()).not.toThrow();
    expect(() => again(memory).remove()).not.toThrow();
  });

  it('gives the key free', () => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: 1, key }));
    memory.remove();
    const next = own(SysvSharedMemory.create({ size: 2, key }));
    expect(next.id).not.toBe(memory.id);
    expect([memory.key, next.key]).toEqual([key, key]);
  });
});

describe('detach()', () => {
  it('is close(): attached says how many there are', () => {
    const memory = segment();
    const others = [again(memory), again(memory, { readOnly: true })];
    const mappings = mappingsOf(memory);
    expect([memory.stat().attached, mappings()]).toEqual([3, 3]);
    const view = others[0]?.bytes;
    others[0]?.detach();
    others[1]?.close();
    expect([others[0]?.closed, view?.length]).toEqual([true, 0]);
    expect([memory.stat().attached, mappings()]).toEqual([1, 1]);
    others[0]?.detach();
    memory.detach();
    expect(row(memory).nattch).toBe(0);
  });

  it('leaves id, key and size to be read', () => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: 77, key }));
    const { id } = memory;
    memory.close();
    expect(memory).toMatchObject({ id, key, size: 77, readOnly: false, closed: true });
  });
});

describe('list() and limits()', () => {
  it('list() has every segment of the namespace, with its id', () => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: 123, key, mode: 0o000 }));
    const removed = segment();
    removed.remove();
    const list = SysvSharedMemory.list();
    expect(list.map(({ id }) => id).sort()).toEqual(
      segmentRows()
        .map(({ shmid }) => shmid)
        .sort(),
    );
    expect(list.find(({ id }) => id === memory.id)).toEqual({ id: memory.id, ...memory.stat() });
    expect(list.find(({ id }) => id === removed.id)).toMatchObject({ removed: true, attached: 1 });
  });

  it('limits() gives the settings of the namespace and what is in use', () => {
    segment(3 * pages).bytes.fill(1);
    segment(1);
    const value = (name: string): number | bigint => {
      const number = BigInt(readFileSync(`/proc/sys/kernel/${name}`, 'utf8'));
      return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : number;
    };
    const rows = segmentRows();
    const info = sys.shmctl(0, sys.SHM_INFO) as sys.shm_info;
    const limits = SysvSharedMemory.limits();
    expect(limits).toEqual({
      maxSegmentSize: value('shmmax'),
      maxSegments: value('shmmni'),
      maxTotalPages: value('shmall'),
      segments: rows.length,
      pages: info.shm_tot,
      residentPages: info.shm_rss,
      swappedPages: info.shm_swp,
    });
    expect(limits.residentPages).toBeGreaterThanOrEqual(3);
    expect(limits.pages).toBeGreaterThanOrEqual(4);
  });
});
