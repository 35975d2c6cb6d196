// The calls of <sys/shm.h> one by one: what they do, and a table of their errors. What a program may do with the memory
// is in posix-shm.sys.memory.test.ts.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { runCases } from './helpers/cases.js';
import { compiled } from './helpers/compile.js';
import { type Failure, failure, systemError } from './helpers/failures.js';
import { noHugePages } from './helpers/huge-pages.js';
import { addressSpace, mapsWith, newMemfd, mapped } from './helpers/mappings.js';
import { noSecondUser, nobody, nodePeer, otherUser, program, unprivileged } from './helpers/peers.js';
import {
  attach,
  attached,
  changeSegmentSetting,
  newSegment,
  ownSegment,
  pageSize,
  removedSegment,
  segmentRow,
  segmentRows,
  segmentSetting,
  segmentSettingsAreFixed,
  unusedSegmentKey,
} from './helpers/segments.js';
import { loose, refusal, refuses, wrong } from './helpers/wrong-arguments.js';
import { notArrayBuffers, ordinaryBuffers } from './helpers/wrong-memory.js';

const { IPC_CREAT, IPC_EXCL, IPC_INFO, IPC_PRIVATE, IPC_RMID, IPC_SET, IPC_STAT } = sys;
const { SHM_DEST, SHM_EXEC, SHM_HUGETLB, SHM_INFO, SHM_LOCK, SHM_LOCKED, SHM_NORESERVE, SHM_RDONLY } = sys;
const { SHM_RND, SHM_STAT, SHM_STAT_ANY, SHM_UNLOCK } = sys;

const GiB = 2 ** 30;
const type = 'ERR_INVALID_ARG_TYPE';
const range = 'ERR_OUT_OF_RANGE';

/** The statistics of a segment, where the overloads of shmctl can't tell which structure comes back. */
function stat(shmid: number): sys.shmid_ds {
  return sys.shmctl(shmid, IPC_STAT) as sys.shmid_ds;
}

type Limits = sys.shminfo & { maxid: number };
type Usage = sys.shm_info & { maxid: number };

/** The index of a segment in the kernel's table, which SHM_STAT takes in the place of its id. */
function indexOf(shmid: number): number {
  for (let index = 0; index <= (sys.shmctl(0, IPC_INFO) as Limits).maxid; index++) {
    try {
      if ((sys.shmctl(index, SHM_STAT_ANY) as { id?: number }).id === shmid) return index;
    } catch (error) {
      if ((error as Failure).code !== 'EINVAL') throw error;
    }
  }
  throw new Error(`no index for ${shmid}`);
}

/** Ids that are no segment's. */
function noSegments(): number[] {
  return [-1, -(2 ** 31), 2 ** 31 - 1, removedSegment()];
}

describe('constants', () => {
  it('are those of the headers that a C program is compiled with', async () => {
    const { code, stdout } = await program(compiled('sys-constants'), 'shm').exited;
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(13);
    for (const line of lines) {
      const [name = '', value] = line.split(' ');
      expect(sys).toHaveProperty(name, Number(value));
    }
  });
});

describe('shmget', () => {
  it('makes a new segment of zeros at every call with IPC_PRIVATE', () => {
    const [first, second] = [newSegment(5000), newSegment(1)];
    expect(first).not.toBe(second);
    expect(segmentRow(first)).toMatchObject({ key: 0, perms: '600', size: 5000, nattch: 0, rss: 0 });
    expect(segmentRow(second)).toMatchObject({ size: 1, cpid: process.pid, lpid: 0 });
    expect(Buffer.from(attach(first)).equals(Buffer.alloc(5000))).toBe(true);
  });

  it('makes a segment with IPC_CREAT and finds it again, by its size and by less', () => {
    const key = unusedSegmentKey();
    const shmid = sys.shmget(key, 5000, IPC_CREAT | 0o640);
    expect(segmentRow(shmid)).toMatchObject({ key, perms: '640', size: 5000 });
    for (const size of [0, 1, 5000]) {
      expect(sys.shmget(key, size, 0)).toBe(shmid);
      expect(sys.shmget(key, size, IPC_CREAT | 0o600)).toBe(shmid);
    }
    expect(segmentRow(shmid)?.size).toBe(5000);
  });

  it('takes a key from -2^31 to 2^32-1, the same 32 bits signed and unsigned', () => {
    const unsigned = 2 ** 31 + (unusedSegmentKey() % 2 ** 30);
    const shmid = ownSegment(sys.shmget(unsigned, 1, IPC_CREAT | IPC_EXCL | 0o600));
    expect(sys.shmget(unsigned - 2 ** 32, 1, 0)).toBe(shmid);
    expect(segmentRow(shmid)?.key).toBe(unsigned - 2 ** 32);
    expect(stat(shmid).shm_perm.key).toBe(unsigned - 2 ** 32);
  });

  it('takes SHM_NORESERVE for more than there is', () => {
    const shmid = ownSegment(sys.shmget(IPC_PRIVATE, 2 ** 45, SHM_NORESERVE | 0o600));
    expect(stat(shmid).shm_segsz).toBe(2 ** 45);
  });

  it('makes a segment of huge pages with SHM_HUGETLB', async ({ skip }) => {
    const { reason, size } = noHugePages();
    skip(reason !== undefined, reason);
    const shmid = ownSegment(sys.shmget(IPC_PRIVATE, size + 1, SHM_HUGETLB | 0o600));
    const [first, second] = [attach(shmid), attach(shmid)];
    expect(first.byteLength).toBe(size + 1);
    const bytes = new Uint8Array(first).fill(7);
    expect(new Uint8Array(second)[size]).toBe(7);
    sys.shmdt(first);
    expect(bytes).toHaveLength(0);
    sys.shmdt(second);
    sys.shmctl(shmid, IPC_RMID);
    const { outcomes, ending } = await runCases('huge-memory.js');
    expect(ending).toBe('');
    expect([...outcomes.values()].filter((each) => each !== undefined)).toEqual([]);
  });

  it('fails with ENOMEM for SHM_HUGETLB where no huge page is free', ({ skip }) => {
    skip(!existsSync('/sys/kernel/mm/hugepages'), 'this kernel has no huge pages');
    const error = failure(() => ownSegment(sys.shmget(IPC_PRIVATE, 2 ** 40, SHM_HUGETLB | 0o600)));
    expect(error.code).toMatch(/^(ENOMEM|EPERM)$/);
    expect(error.syscall).toBe('shmget');
  });

  it('fails with ENOENT where there is no segment and IPC_CREAT is not given', () => {
    expect(failure(() => sys.shmget(unusedSegmentKey(), 1, 0o600))).toMatchObject(
      systemError('ENOENT', 'shmget'),
    );
  });

  it('fails with EEXIST where there is one and IPC_CREAT and IPC_EXCL are given', () => {
    const key = unusedSegmentKey();
    sys.shmget(key, 1, IPC_CREAT | IPC_EXCL | 0o600);
    expect(failure(() => sys.shmget(key, 1, IPC_CREAT | IPC_EXCL | 0o600))).toMatchObject(
      systemError('EEXIST', 'shmget'),
    );
  });

  it('fails with EINVAL for a size of 0, and for more than the segment has', () => {
    expect(failure(() => sys.shmget(IPC_PRIVATE, 0, 0o600))).toMatchObject(systemError('EINVAL', 'shmget'));
    const key = unusedSegmentKey();
    sys.shmget(key, 100, IPC_CREAT | 0o600);
    expect(failure(() => sys.shmget(key, 101, 0))).toMatchObject(systemError('EINVAL', 'shmget'));
    expect(failure(() => sys.shmget(key, 4096, IPC_CREAT | 0o600))).toMatchObject(
      systemError('EINVAL', 'shmget'),
    );
  });

  it('fails with EINVAL over shmmax, and with ENOSPC over shmall and over shmmni', ({ skip }) => {
    const reason = segmentSettingsAreFixed();
    skip(reason !== undefined, reason);
    changeSegmentSetting('shmmax', 100_000);
    expect(failure(() => sys.shmget(IPC_PRIVATE, 100_001, 0o600))).toMatchObject(
      systemError('EINVAL', 'shmget'),
    );
    const there = newSegment(100_000);
    const used = (sys.shmctl(0, SHM_INFO) as Usage).shm_tot;
    changeSegmentSetting('shmall', used + 1);
    expect(failure(() => sys.shmget(IPC_PRIVATE, pageSize + 1, 0o600))).toMatchObject(
      systemError('ENOSPC', 'shmget'),
    );
    newSegment(pageSize);
    changeSegmentSetting('shmall', BigInt(segmentSetting('shmall')) + 10n);
    changeSegmentSetting('shmmni', segmentRows().length);
    expect(failure(() => sys.shmget(IPC_PRIVATE, 1, 0o600))).toMatchObject(systemError('ENOSPC', 'shmget'));
    expect(segmentRow(there)).toBeDefined();
  });

  refuses(
    'shmget',
    {
      key: [...wrong('int').filter(([what]) => what !== '2^31'), ['2^32', range, 2 ** 32]],
      size: 'size',
      shmflg: 'int',
    },
    () => [IPC_PRIVATE, 1, 0o600],
    () => expect(segmentRows().filter((row) => row.cpid === process.pid)).toEqual([]),
  );
});

describe('shmat', () => {
  it.each([1, 100, 4095, 4096, 4097, 1_000_000])('gives the %d bytes of the segment', (size) => {
    const shmid = newSegment(size);
    const buffer = attach(shmid);
    expect(buffer).toBeInstanceOf(ArrayBuffer);
    expect(buffer.byteLength).toBe(size);
    const bytes = new Uint8Array(buffer);
    bytes[0] = 1;
    bytes[size - 1] = 255;
    const other = new Uint8Array(attach(shmid, SHM_RDONLY));
    expect([other[0], other[size - 1], other[size]]).toEqual([size === 1 ? 255 : 1, 255, undefined]);
  });

  it('counts: shm_nattch, shm_lpid and shm_atime', () => {
    const shmid = newSegment();
    expect(stat(shmid)).toMatchObject({ shm_nattch: 0, shm_lpid: 0, shm_atime: 0 });
    const buffers = [attach(shmid), attach(shmid), attach(shmid, SHM_RDONLY)];
    expect(new Set(buffers).size).toBe(3);
    expect(segmentRow(shmid)).toMatchObject({ nattch: 3, lpid: process.pid });
    expect(Math.abs(stat(shmid).shm_atime - Date.now() / 1000)).toBeLessThan(60);
    expect(mapsWith(`/SYSV00000000`).filter((line) => line.includes(` ${shmid} `))).toHaveLength(3);
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
  ])('takes %s as shmaddr, and no flags', (_what, shmaddr) => {
    const shmid = newSegment();
    const buffer = sys.shmat(shmid, shmaddr);
    expect(buffer.byteLength).toBe(4096);
    sys.shmdt(buffer);
    expect((loose('shmat', [shmid]) as ArrayBuffer).byteLength).toBe(4096);
  });

  it('with SHM_RDONLY maps it so that the kernel would not let it be written', () => {
    const shmid = newSegment();
    attach(shmid, SHM_RDONLY);
    expect(mapsWith('/SYSV').find((line) => line.includes(` ${shmid} `))).toMatch(/ r--s /);
    expect(segmentRow(shmid)?.nattch).toBe(1);
  });

  it('with SHM_RND attaches where the kernel likes, for there is no address', () => {
    expect(attach(newSegment(100), SHM_RND).byteLength).toBe(100);
  });

  it('attaches a segment that is removed but still attached', () => {
    const shmid = newSegment();
    const first = attach(shmid);
    sys.shmctl(shmid, IPC_RMID);
    new Uint8Array(first)[9] = 9;
    expect(new Uint8Array(attach(shmid))[9]).toBe(9);
  });

  it('gives 4 GiB, and ENOMEM for a byte more', () => {
    const most = ownSegment(sys.shmget(IPC_PRIVATE, 4 * GiB, SHM_NORESERVE | 0o600));
    const buffer = attach(most);
    expect(buffer.byteLength).toBe(4 * GiB);
    const end = new Uint8Array(buffer, 4 * GiB - 10, 10);
    end[9] = 5;
    expect(new DataView(attach(most, SHM_RDONLY)).getUint8(4 * GiB - 1)).toBe(5);
    sys.shmdt(buffer);
    expect(end).toHaveLength(0);
    const more = ownSegment(sys.shmget(IPC_PRIVATE, 4 * GiB + 1, SHM_NORESERVE | 0o600));
    expect(failure(() => sys.shmat(more))).toMatchObject({
      ...systemError('ENOMEM', 'shmat'),
      name: 'IpcError',
    });
    expect(segmentRow(more)?.nattch).toBe(0);
  });

  it('fails with ENOMEM where the process may have no more address space', async () => {
    const shmid = ownSegment(sys.shmget(IPC_PRIVATE, 3 * GiB, SHM_NORESERVE | 0o600));
    const peer = await nodePeer();
    const limit = addressSpace(peer.pid) + GiB;
    const { code } = await program('prlimit', '--pid', peer.pid, `--as=${limit}`).exited;
    expect(code).toBe(0);
    expect(await peer.failure('sys.shmat', shmid)).toMatchObject(systemError('ENOMEM', 'shmat'));
    expect(await peer.failure('sys.mmap', null, 3 * GiB, 3, 0x22, -1)).toMatchObject(
      systemError('ENOMEM', 'mmap'),
    );
    expect(await peer.call('sys.shmat', newSegment(10))).toEqual(new ArrayBuffer(10));
  });

  it('fails with EINVAL for an id that is no segment, and for flags that need an address', () => {
    for (const shmid of noSegments()) {
      expect(failure(() => sys.shmat(shmid))).toMatchObject(systemError('EINVAL', 'shmat'));
    }
    const SHM_REMAP = 0o40000;
    const shmid = newSegment();
    expect(failure(() => sys.shmat(shmid, null, SHM_REMAP)).code).toMatch(/^(EINVAL|ERR_INVALID_ARG_VALUE)$/);
    expect(attached(shmid)).toBe(0);
  });

  let shmid = -1;
  refuses(
    'shmat',
    {
      shmid: 'int',
      shmaddr: [
        ['a number', type, 4096],
        ['0', type, 0],
        ['a bigint', type, 4096n],
        ['a string', type, ''],
        ['an object', type, {}],
        ['a boolean', type, false],
        ['a symbol', type, Symbol('1')],
        ['an ArrayBuffer', type, new ArrayBuffer(8)],
      ],
      shmflg: 'int?',
    },
    () => {
      shmid = newSegment();
      return [shmid, null, 0];
    },
    () => expect(attached(shmid)).toBe(0),
  );
});

describe('shmdt', () => {
  it('gives nothing, and detaches: shm_nattch, shm_dtime, /proc/self/maps', () => {
    const shmid = newSegment();
    const [first, second] = [attach(shmid), attach(shmid)];
    expect(loose('shmdt', [first])).toBeUndefined();
    expect(segmentRow(shmid)).toMatchObject({ nattch: 1, lpid: process.pid });
    expect(Math.abs(stat(shmid).shm_dtime - Date.now() / 1000)).toBeLessThan(60);
    expect(first.byteLength).toBe(0);
    expect(second.byteLength).toBe(4096);
    sys.shmdt(second);
    expect(attached(shmid)).toBe(0);
    expect(mapsWith('/SYSV').filter((line) => line.includes(` ${shmid} `))).toEqual([]);
  });

  it('is the end of a segment that was removed, when it is the last', () => {
    const shmid = newSegment();
    const [first, second] = [attach(shmid), attach(shmid)];
    sys.shmctl(shmid, IPC_RMID);
    sys.shmdt(first);
    expect(attached(shmid)).toBe(1);
    sys.shmdt(second);
    expect(segmentRow(shmid)).toBeUndefined();
  });

  it('fails with EINVAL on a second call, and leaves the other attachments', () => {
    const shmid = newSegment();
    const [first, second] = [attach(shmid), attach(shmid)];
    sys.shmdt(first);
    for (let time = 0; time < 3; time++) {
      expect(failure(() => sys.shmdt(first))).toMatchObject(systemError('EINVAL', 'shmdt'));
    }
    expect(attached(shmid)).toBe(1);
    expect(second.byteLength).toBe(4096);
  });

  it('fails with EINVAL for an ArrayBuffer that is no attachment, and leaves it as it is', () => {
    for (const buffer of ordinaryBuffers()) {
      const { byteLength } = buffer;
      expect(failure(() => sys.shmdt(buffer))).toMatchObject(systemError('EINVAL', 'shmdt'));
      expect(buffer.byteLength).toBe(byteLength);
    }
    const buffer = mapped(newMemfd());
    expect(failure(() => sys.shmdt(buffer))).toMatchObject(systemError('EINVAL', 'shmdt'));
    expect(buffer.byteLength).toBe(4096);
  });

  it('fails with EINVAL for the copy that structuredClone() makes', () => {
    const shmid = newSegment();
    const copy = structuredClone(attach(shmid));
    expect(failure(() => sys.shmdt(copy))).toMatchObject(systemError('EINVAL', 'shmdt'));
    expect(attached(shmid)).toBe(1);
  });

  it.each(notArrayBuffers)('refuses %s by %s', (_what, code, value) => {
    expect(failure(() => loose('shmdt', [value]))).toMatchObject(refusal(code));
  });

  it('refuses a view of an attachment, which stays', () => {
    const shmid = newSegment();
    const buffer = attach(shmid);
    for (const view of [new Uint8Array(buffer), Buffer.from(buffer), new DataView(buffer)]) {
      expect(failure(() => loose('shmdt', [view]))).toMatchObject(refusal(type));
    }
    expect(attached(shmid)).toBe(1);
  });
});

describe('shmctl', () => {
  it('IPC_STAT gives every member under its C name, as the kernel has it', () => {
    const key = unusedSegmentKey();
    const shmid = sys.shmget(key, 5000, IPC_CREAT | 0o640);
    attach(shmid);
    sys.shmdt(attach(shmid));
    const row = segmentRow(shmid);
    expect(sys.shmctl(shmid, IPC_STAT)).toEqual({
      shm_perm: {
        key,
        uid: row?.uid,
        gid: row?.gid,
        cuid: row?.cuid,
        cgid: row?.cgid,
        mode: 0o640,
        seq: Math.floor(shmid / 32768),
      },
      shm_segsz: 5000,
      shm_atime: row?.atime,
      shm_dtime: row?.dtime,
      shm_ctime: row?.ctime,
      shm_cpid: process.pid,
      shm_lpid: process.pid,
      shm_nattch: 1,
    });
    expect(Math.abs(stat(shmid).shm_ctime - Date.now() / 1000)).toBeLessThan(60);
  });

  it('IPC_SET changes the members that are given and no others, and the time of change', () => {
    const shmid = newSegment(100, 0o640);
    const before = stat(shmid);
    const unchanged = (): object => ({ ...before, shm_ctime: stat(shmid).shm_ctime });
    for (const buf of [{}, { shm_perm: {} }, { shm_perm: { mode: undefined } }]) {
      expect(loose('shmctl', [shmid, IPC_SET, buf])).toBeUndefined();
      expect(stat(shmid)).toEqual(unchanged());
    }
    sys.shmctl(shmid, IPC_SET, { shm_perm: { mode: 0o600 } });
    expect(stat(shmid)).toEqual({ ...unchanged(), shm_perm: { ...before.shm_perm, mode: 0o600 } });
  });

  it('IPC_SET takes what IPC_STAT gave, and only the low nine bits of the mode', () => {
    const shmid = newSegment(100, 0o640);
    const before = stat(shmid);
    sys.shmctl(shmid, IPC_SET, before);
    expect(stat(shmid)).toEqual({ ...before, shm_ctime: stat(shmid).shm_ctime });
    sys.shmctl(shmid, IPC_SET, { shm_perm: { mode: 0o177644 } });
    expect(segmentRow(shmid)?.perms).toBe('644');
  });

  it('IPC_SET gives the segment to another owner', ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const shmid = newSegment();
    sys.shmctl(shmid, IPC_SET, { shm_perm: { uid: nobody } });
    expect(segmentRow(shmid)).toMatchObject({
      uid: nobody,
      gid: process.getgid?.(),
      cuid: process.getuid?.(),
    });
    sys.shmctl(shmid, IPC_SET, { shm_perm: { gid: nobody } });
    expect(segmentRow(shmid)).toMatchObject({ uid: nobody, gid: nobody, cgid: process.getgid?.() });
  });

  it('IPC_RMID removes a segment that nobody has attached at once, and gives nothing', () => {
    const shmid = newSegment();
    expect(sys.shmctl(shmid, IPC_RMID)).toBeUndefined();
    expect(segmentRow(shmid)).toBeUndefined();
    expect(failure(() => sys.shmctl(shmid, IPC_RMID))).toMatchObject(systemError('EINVAL', 'shmctl'));
  });

  it('IPC_RMID of one that is attached takes its key at once, and the rest with the last detach', () => {
    const key = unusedSegmentKey();
    const shmid = sys.shmget(key, 100, IPC_CREAT | 0o600);
    const buffer = attach(shmid);
    sys.shmctl(shmid, IPC_RMID);
    expect(stat(shmid)).toMatchObject({ shm_nattch: 1, shm_perm: { key: 0, mode: SHM_DEST | 0o600 } });
    expect(failure(() => sys.shmget(key, 100, 0)).code).toBe('ENOENT');
    const next = sys.shmget(key, 100, IPC_CREAT | 0o600);
    expect(next).not.toBe(shmid);
    new Uint8Array(buffer)[99] = 1;
    expect(new Uint8Array(attach(next))[99]).toBe(0);
    // Linux takes it as often as one likes.
    sys.shmctl(shmid, IPC_RMID);
    sys.shmdt(buffer);
    expect(segmentRow(shmid)).toBeUndefined();
  });

  it('SHM_LOCK and SHM_UNLOCK give nothing, and show in the mode', () => {
    const shmid = newSegment();
    expect(sys.shmctl(shmid, SHM_LOCK)).toBeUndefined();
    expect(stat(shmid).shm_perm.mode).toBe(SHM_LOCKED | 0o600);
    const buffer = attach(shmid);
    sys.shmctl(shmid, IPC_RMID);
    expect(stat(shmid).shm_perm.mode).toBe(SHM_LOCKED | SHM_DEST | 0o600);
    expect(sys.shmctl(shmid, SHM_UNLOCK)).toBeUndefined();
    expect(stat(shmid).shm_perm.mode).toBe(SHM_DEST | 0o600);
    sys.shmdt(buffer);
  });

  it('IPC_INFO gives the limits of the namespace and the highest used index', () => {
    const shmid = newSegment();
    const result = sys.shmctl(0, IPC_INFO) as Limits;
    expect(Object.keys(result).sort()).toEqual(['maxid', 'shmall', 'shmmax', 'shmmin', 'shmmni', 'shmseg']);
    for (const name of ['shmmax', 'shmall', 'shmmni'] as const) {
      expect(String(result[name])).toBe(segmentSetting(name));
      expect(typeof result[name]).toBe(Number.isSafeInteger(Number(result[name])) ? 'number' : 'bigint');
    }
    expect(result.shmmin).toBe(1);
    expect(result.maxid).toBeGreaterThanOrEqual(indexOf(shmid));
  });

  it('IPC_INFO gives a limit as a number only where that holds it', ({ skip }) => {
    const reason = segmentSettingsAreFixed();
    skip(reason !== undefined, reason);
    for (const value of [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n]) {
      changeSegmentSetting('shmmax', value);
      const { shmmax } = sys.shmctl(0, IPC_INFO) as Limits;
      expect(BigInt(shmmax)).toBe(value);
      if (value < 2n ** 53n) expect(shmmax).toBe(Number(value));
      if (value === 2n ** 53n + 1n) expect(shmmax).toBe(value);
    }
  });

  it('SHM_INFO counts segments and pages', () => {
    const shmid = newSegment(10 * pageSize - 5);
    new Uint8Array(attach(shmid), 0, 3 * pageSize).fill(1);
    const rows = segmentRows();
    const pages = (bytes: number): number => Math.ceil(bytes / pageSize);
    const result = sys.shmctl(0, SHM_INFO) as Usage;
    expect(Object.keys(result).sort()).toEqual(
      ['maxid', 'shm_rss', 'shm_swp', 'shm_tot', 'swap_attempts', 'swap_successes', 'used_ids'].sort(),
    );
    expect(result).toMatchObject({
      used_ids: rows.length,
      shm_tot: rows.reduce((sum, row) => sum + pages(row.size), 0),
      shm_rss: rows.reduce((sum, row) => sum + row.rss, 0) / pageSize,
      shm_swp: rows.reduce((sum, row) => sum + row.swap, 0) / pageSize,
    });
    expect(result.shm_rss).toBeGreaterThanOrEqual(3);
    expect(result.maxid).toBeGreaterThanOrEqual(indexOf(shmid));
  });

  it.each(['SHM_STAT', 'SHM_STAT_ANY'] as const)('%s gives the segment at an index, with its id', (name) => {
    const shmid = newSegment(77);
    expect(sys.shmctl(indexOf(shmid), sys[name])).toEqual({ ...stat(shmid), id: shmid });
    const index = indexOf(shmid);
    sys.shmctl(shmid, IPC_RMID);
    for (const wrongIndex of [index, -1]) {
      expect(failure(() => sys.shmctl(wrongIndex, sys[name]))).toMatchObject(systemError('EINVAL', 'shmctl'));
    }
  });

  it('fails with EINVAL for an id that is no segment', () => {
    for (const shmid of noSegments()) {
      for (const cmd of [IPC_STAT, IPC_RMID, SHM_LOCK, SHM_UNLOCK]) {
        expect(failure(() => sys.shmctl(shmid, cmd))).toMatchObject(systemError('EINVAL', 'shmctl'));
      }
      const call = (): unknown => sys.shmctl(shmid, IPC_SET, { shm_perm: { mode: 0o600 } });
      expect(failure(call)).toMatchObject(systemError('EINVAL', 'shmctl'));
    }
  });

  it('fails with EINVAL for a command that the kernel does not know', () => {
    const shmid = newSegment();
    for (const cmd of [9999, -1, -(2 ** 31), 2 ** 31 - 1]) {
      expect(failure(() => sys.shmctl(shmid, cmd))).toMatchObject(systemError('EINVAL', 'shmctl'));
    }
    expect(segmentRow(shmid)).toBeDefined();
  });

  refuses('shmctl', { shmid: 'int', cmd: 'int' }, () => [newSegment(), IPC_STAT]);

  const wrongBufs: [string, string, unknown][] = [
    ['nothing', type, undefined],
    ['null', type, null],
    ['a number', type, 1],
    ['a string', type, 'mode'],
    ['shm_perm null', type, { shm_perm: null }],
    ['shm_perm of a number', type, { shm_perm: 0o600 }],
    ['a mode of a string', type, { shm_perm: { mode: '0600' } }],
    ['a negative mode', range, { shm_perm: { mode: -1 } }],
    ['a mode that is NaN', range, { shm_perm: { mode: NaN } }],
    ['a negative uid', range, { shm_perm: { uid: -1 } }],
    ['a uid of 2^32', range, { shm_perm: { uid: 2 ** 32 } }],
    ['a gid of a string', type, { shm_perm: { gid: 'root' } }],
    ['a gid that is no integer', range, { shm_perm: { gid: 0.5 } }],
  ];
  it.each(wrongBufs)('IPC_SET refuses %s by %s and changes nothing', (_what, code, buf) => {
    const shmid = newSegment();
    const before = stat(shmid);
    expect(failure(() => loose('shmctl', [shmid, IPC_SET, buf]))).toMatchObject({ code });
    expect(stat(shmid)).toEqual(before);
  });

  it('IPC_SET passes on an error that a getter throws and changes nothing', () => {
    const shmid = newSegment();
    const before = stat(shmid);
    const buf = {
      get shm_perm(): never {
        throw new RangeError('from the getter');
      },
    };
    expect(failure(() => sys.shmctl(shmid, IPC_SET, buf)).message).toBe('from the getter');
    expect(stat(shmid)).toEqual(before);
  });
});

describe('for who is not privileged', () => {
  it('EACCES is what the mode does not grant', async () => {
    const key = unusedSegmentKey();
    sys.shmget(key, 1, IPC_CREAT | 0o000);
    const [closed, readable, executable] = [newSegment(1, 0), newSegment(1, 0o444), newSegment(1, 0o111)];
    const writable = newSegment(1, 0o222);
    const index = indexOf(closed);
    const peer = await unprivileged();
    const refused = async (syscall: 'shmget' | 'shmat' | 'shmctl', ...args: unknown[]): Promise<void> => {
      expect(await peer.failure(`sys.${syscall}`, ...args), `${syscall} ${String(args)}`).toMatchObject(
        systemError('EACCES', syscall),
      );
    };
    await refused('shmget', key, 1, 0o600);
    await refused('shmat', closed, null, SHM_RDONLY);
    await refused('shmat', readable, null, 0);
    await refused('shmat', writable, null, 0);
    await refused('shmat', writable, null, SHM_RDONLY);
    await refused('shmat', readable, null, SHM_RDONLY | SHM_EXEC);
    await refused('shmat', executable, null, SHM_EXEC);
    await refused('shmctl', closed, IPC_STAT);
    await refused('shmctl', writable, IPC_STAT);
    await refused('shmctl', index, SHM_STAT);
    expect(await peer.call('sys.shmctl', index, SHM_STAT_ANY)).toMatchObject({
      id: closed,
      shm_perm: { mode: 0 },
    });
    expect(await peer.call('sys.shmat', readable, null, SHM_RDONLY)).toEqual(new ArrayBuffer(1));
    expect(attached(closed)).toBe(0);
  });

  it('EPERM is what only the owner may, and what more than RLIMIT_MEMLOCK needs is refused', async ({
    skip,
  }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const shmid = newSegment(4096, 0o666);
    const peer = await otherUser();
    const [, most = '0'] =
      /^Max locked memory\s+\S+\s+(\S+)/m.exec(readFileSync(`/proc/${peer.pid}/limits`, 'utf8')) ?? [];
    const limit = async (bytes: number): Promise<void> => {
      const { code } = await program(
        'setpriv',
        ...[`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'],
        ...['prlimit', '--pid', peer.pid, `--memlock=${bytes}:`],
      ).exited;
      expect(code).toBe(0);
    };
    for (const [cmd, buf] of [
      [IPC_SET, { shm_perm: { mode: 0o600 } }],
      [IPC_RMID],
      [SHM_LOCK],
      [SHM_UNLOCK],
    ]) {
      expect(await peer.failure('sys.shmctl', shmid, cmd, buf)).toMatchObject(systemError('EPERM', 'shmctl'));
    }
    expect(segmentRow(shmid)?.perms).toBe('666');
    const theirs = ownSegment((await peer.call('sys.shmget', IPC_PRIVATE, 4 * 65_536, 0o600)) as number);
    expect(segmentRow(theirs)).toMatchObject({ uid: nobody, cuid: nobody });
    await limit(65_536);
    expect(await peer.failure('sys.shmctl', theirs, SHM_LOCK)).toMatchObject(systemError('ENOMEM', 'shmctl'));
    await limit(0);
    expect(await peer.failure('sys.shmctl', theirs, SHM_LOCK)).toMatchObject(systemError('EPERM', 'shmctl'));
    if (most === 'unlimited' || Number(most) >= 2 ** 20) {
      await limit(2 ** 20);
      expect(await peer.call('sys.shmctl', theirs, SHM_LOCK)).toBeUndefined();
      expect(segmentRow(theirs)?.perms).toBe('2600');
      expect(await peer.call('sys.shmctl', theirs, SHM_UNLOCK)).toBeUndefined();
    }
    if (existsSync('/sys/kernel/mm/hugepages')) {
      // More than RLIMIT_MEMLOCK: some kernels let that in the place of the group of huge pages.
      expect(await peer.failure('sys.shmget', IPC_PRIVATE, 64 * 2 ** 20, SHM_HUGETLB | 0o600)).toMatchObject({
        syscall: 'shmget',
        code: expect.stringMatching(/^(EPERM|ENOMEM)$/) as string,
      });
    }
    expect(await peer.call('sys.shmctl', theirs, IPC_RMID)).toBeUndefined();
  });
});

describe('shm_rmid_forced', () => {
  it('of the namespace ends a segment with its last detach', ({ skip }) => {
    const reason = segmentSettingsAreFixed();
    skip(reason !== undefined, reason);
    changeSegmentSetting('shm_rmid_forced', 1);
    const shmid = newSegment();
    sys.shmdt(attach(shmid));
    expect(segmentRow(shmid)).toBeUndefined();
    expect(failure(() => sys.shmat(shmid)).code).toBe('EINVAL');
  });
});

describe('errors', () => {
  it('are Errors with code, errno and syscall, and without a path where none was given', () => {
    const error = failure(() => sys.shmat(-1));
    expect(error).toBeInstanceOf(Error);
    expect(error.stack).toContain('sysv-shm.sys.test');
    expect(error).not.toHaveProperty('path');
    expect(error.message).toMatch(/EINVAL/);
  });
});
