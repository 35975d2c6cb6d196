// The calls of <semaphore.h> one by one: what they do, and a table of their errors.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { exhaustedPeer } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { mapped, mapsWith, newMemfd, ownMapping } from './helpers/mappings.js';
import { type NodePeer, noSecondUser, sharedPeer } from './helpers/peers.js';
import { attach, newSegment } from './helpers/segments.js';
import {
  type Place,
  asleepOnWord,
  fromNow,
  headerConstants,
  interruptedSysPeer,
  namedSemaphore,
  otherUserSysPeer,
  ownHandle,
  ownSemaphoreName,
  semaphoreFile,
  sysPeer,
  unusedSemaphoreName,
} from './helpers/semaphores.js';
import { type Wrong, loose, refusal, refuses, wrong } from './helpers/wrong-arguments.js';

const { MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, O_CREAT, O_EXCL, O_RDWR, PROT_READ, PROT_WRITE } = sys;
const { SEM_VALUE_MAX, SIZEOF_SEM_T } = sys;

const type = 'ERR_INVALID_ARG_TYPE';
const range = 'ERR_OUT_OF_RANGE';
const value = 'ERR_INVALID_ARG_VALUE';
const past = { tv_sec: 0, tv_nsec: 0 };

/** What a handle can be given to. */
const uses: [call: string, rest: unknown[]][] = [
  ['sem_post', []],
  ['sem_wait', []],
  ['sem_trywait', []],
  ['sem_timedwait', [past]],
  ['sem_getvalue', []],
];
const ends = ['sem_close', 'sem_destroy'];

/** Every use of a handle fails as one that has ended. */
function hasEnded(sem: sys.sem_t): void {
  for (const [call, rest] of [...uses, ...ends.map((end): [string, unknown[]] => [end, []])]) {
    expect(
      failure(() => loose(call, [sem, ...rest])),
      call,
    ).toMatchObject(systemError('EINVAL', call));
  }
}

/** A handle works: one can be given and taken, and the value is as before. */
function works(sem: sys.sem_t): void {
  const before = sys.sem_getvalue(sem);
  sys.sem_post(sem);
  expect(sys.sem_getvalue(sem)).toBe(before + 1);
  sys.sem_wait(sem);
  expect(sys.sem_getvalue(sem)).toBe(before);
}

/** Makes something under a file creation mask. */
function masked<T>(mask: number, make: () => T): T {
  const before = process.umask(mask);
  try {
    return make();
  } finally {
    process.umask(before);
  }
}

/** Memory of a call's own, zeros at first. */
const memories: [what: string, make: () => ArrayBuffer][] = [
  ['shmat', () => attach(newSegment())],
  ['mmap of a memfd', () => mapped(newMemfd())],
  [
    'mmap of nothing',
    () => ownMapping(sys.mmap(null, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1)),
  ],
  [
    'a private mmap',
    () => ownMapping(sys.mmap(null, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)),
  ],
  ['JavaScript', () => new ArrayBuffer(4096)],
];
const newMemory = (): ArrayBuffer => attach(newSegment());

/** Another process that makes calls for tests, one after the other. */
const other = sharedPeer(sysPeer);

describe('constants', () => {
  it('are those of the header that a C program is compiled with', async () => {
    const header = await headerConstants('semaphore');
    expect(Object.keys(header)).toHaveLength(2);
    expect(sys).toMatchObject(header);
  });
});

describe('sem_open', () => {
  it('makes a semaphore with O_CREAT: 0, and for its owner alone, unless told otherwise', () => {
    const [first, second] = [unusedSemaphoreName(), unusedSemaphoreName()];
    expect(sys.sem_getvalue(ownHandle(sys.sem_open(first, O_CREAT)))).toBe(0);
    expect(statSync(semaphoreFile(first))).toMatchObject({ mode: 0o100600, size: SIZEOF_SEM_T });
    const sem = masked(0o027, () => ownHandle(sys.sem_open(second, O_CREAT | O_EXCL, 0o666, 5)));
    expect(sys.sem_getvalue(sem)).toBe(5);
    expect(statSync(semaphoreFile(second)).mode).toBe(0o100640);
    works(sem);
  });

  it('opens one that is there without flags and with O_CREAT, whose mode and value are then nothing', () => {
    const { sem, name } = namedSemaphore(3);
    for (const args of [[0], [O_CREAT], [O_CREAT, 0o666, 9], [O_EXCL], [O_RDWR], [O_CREAT, 0, 2 ** 32 - 1]]) {
      const again = ownHandle(loose('sem_open', [name, ...args]) as sys.sem_t);
      expect(sys.sem_getvalue(again)).toBe(3);
      works(again);
    }
    expect(statSync(semaphoreFile(name)).mode).toBe(0o100600);
    works(sem);
  });

  it('gives a new handle at every call, each closed for itself', () => {
    const { sem, name } = namedSemaphore(1);
    const again = ownHandle(sys.sem_open(name, 0));
    expect(again).not.toBe(sem);
    sys.sem_post(again);
    expect(sys.sem_getvalue(sem)).toBe(2);
    sys.sem_close(again);
    hasEnded(again);
    works(sem);
    const third = ownHandle(sys.sem_open(name, 0));
    sys.sem_close(sem);
    hasEnded(sem);
    expect(sys.sem_getvalue(third)).toBe(2);
  });

  it('takes the greatest value there is', () => {
    const { sem } = namedSemaphore(SEM_VALUE_MAX);
    expect(sys.sem_getvalue(sem)).toBe(SEM_VALUE_MAX);
  });

  it('takes names as the C library does: with a slash, with more and with none, and of any characters', () => {
    const name = unusedSemaphoreName();
    const sem = ownHandle(sys.sem_open(name, O_CREAT));
    sys.sem_post(sem);
    for (const same of [`//${name}`, name.slice(1)]) {
      expect(sys.sem_getvalue(ownHandle(sys.sem_open(same, 0)))).toBe(1);
    }
    const odd = ownSemaphoreName(`${name} grüße €\n"'%s`);
    works(ownHandle(sys.sem_open(odd, O_CREAT)));
    expect(existsSync(semaphoreFile(odd))).toBe(true);
    const longest = ownSemaphoreName(`${name}${'n'.repeat(252 - name.length)}`);
    works(ownHandle(sys.sem_open(longest, O_CREAT)));
  });

  it.each([
    ['EINVAL', ''],
    ['EINVAL', '/'],
    ['EINVAL', '///'],
    ['EINVAL', '/unix-ipc/below'],
    ['EINVAL', 'unix-ipc/below'],
    ['ENAMETOOLONG', `/${'n'.repeat(252)}`],
    ['ENAMETOOLONG', `/${'ü'.repeat(126)}`],
  ] as const)('fails with %s for the name %j', (code, name) => {
    for (const flags of [0, O_CREAT, O_CREAT | O_EXCL]) {
      expect(failure(() => sys.sem_open(name, flags))).toMatchObject({
        ...systemError(code, 'sem_open'),
        path: name,
      });
    }
  });

  it('fails with ENOENT where there is none, with EEXIST where there is one with O_EXCL', () => {
    const path = unusedSemaphoreName();
    for (const flags of [0, O_EXCL]) {
      expect(failure(() => sys.sem_open(path, flags))).toMatchObject({
        ...systemError('ENOENT', 'sem_open'),
        path,
      });
    }
    const { name } = namedSemaphore();
    expect(failure(() => sys.sem_open(name, O_CREAT | O_EXCL))).toMatchObject({
      ...systemError('EEXIST', 'sem_open'),
      path: name,
    });
  });

  it.each([SEM_VALUE_MAX + 1, 2 ** 32 - 1])('fails with EINVAL for a new one of the value %d', (initial) => {
    const name = unusedSemaphoreName();
    expect(failure(() => sys.sem_open(name, O_CREAT, 0o600, initial))).toMatchObject(
      systemError('EINVAL', 'sem_open'),
    );
    expect(existsSync(semaphoreFile(name))).toBe(false);
  });

  it("fails with EACCES for another user's that may not be read and written", async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const [closed, readable, open] = masked(0, () =>
      [0o600, 0o644, 0o666].map((mode) => namedSemaphore(1, mode).name),
    );
    const peer = await otherUserSysPeer();
    for (const path of [closed, readable]) {
      expect(await peer.failure('sys.sem_open', path, 0)).toMatchObject({
        ...systemError('EACCES', 'sem_open'),
        path,
      });
    }
    await peer.call('keep', 'sem', 'sem_open', open, 0);
    await peer.call('sys.sem_wait', '@sem');
    for (const path of [closed, open]) {
      expect(await peer.failure('sys.sem_unlink', path)).toMatchObject({
        ...systemError('EACCES', 'sem_unlink'),
        path,
      });
    }
  });

  it('fails with EMFILE where the process has all descriptors it may have', async () => {
    const path = unusedSemaphoreName();
    const { name } = namedSemaphore();
    const peer = await exhaustedPeer();
    for (const args of [
      [name, 0],
      [path, O_CREAT, 0o600, 1],
    ]) {
      expect(await peer.failure('sys.sem_open', ...args)).toMatchObject({
        ...systemError('EMFILE', 'sem_open'),
        path: args[0],
      });
    }
    expect(existsSync(semaphoreFile(path))).toBe(false);
  });

  it('fails with ENOSPC where the memory of the system is full, and leaves nothing', async ({ skip }) => {
    const mount = 'mount -t tmpfs -o size=4k none /dev/shm && exec "$@"';
    const starting = sysPeer('unshare', '--mount', 'sh', '-c', mount, 'sh');
    const peer = await starting.catch((error: unknown) => String(error));
    if (typeof peer === 'string') {
      skip(true, `no /dev/shm of its own: ${peer}`);
      return;
    }
    await peer.call('keep', 'sem', 'sem_open', '/one', O_CREAT, 0o600, 1);
    expect(await peer.failure('sys.sem_open', '/two', O_CREAT, 0o600, 1)).toMatchObject({
      ...systemError('ENOSPC', 'sem_open'),
      path: '/two',
    });
    expect(readdirSync(`/proc/${peer.pid}/root/dev/shm`)).toEqual(['sem.one']);
    await peer.call('sys.sem_wait', '@sem');
  });

  it('leaves no descriptor open, and no mapping when it is closed', () => {
    const { sem, name } = namedSemaphore();
    const fds = (): string[] => readdirSync('/proc/self/fd');
    const before = fds().length;
    const again = ownHandle(sys.sem_open(name, 0));
    expect(fds()).toHaveLength(before);
    expect(mapsWith(semaphoreFile(name)).length).toBeGreaterThan(0);
    sys.sem_close(again);
    sys.sem_close(sem);
    expect(mapsWith(semaphoreFile(name))).toEqual([]);
  });

  let made: string;
  refuses(
    'sem_open',
    { name: 'string', oflag: 'int', mode: 'unsigned?', value: 'unsigned?' },
    () => {
      made = unusedSemaphoreName();
      return [made, O_CREAT, 0o600, 1];
    },
    () => expect(existsSync(semaphoreFile(made))).toBe(false),
  );
});

describe('sem_close', () => {
  it('gives nothing back, ends the handle and leaves the semaphore', () => {
    const { sem, name } = namedSemaphore(4);
    expect(loose('sem_close', [sem])).toBeUndefined();
    hasEnded(sem);
    hasEnded(sem);
    expect(sys.sem_getvalue(ownHandle(sys.sem_open(name, 0)))).toBe(4);
  });

  it('fails with EINVAL for a semaphore without a name, and does it no harm', () => {
    const memory = newMemory();
    for (const sem of [sys.sem_init(memory, 0, 1), sys.sem_at(memory, 0)]) {
      expect(failure(() => sys.sem_close(sem))).toMatchObject(systemError('EINVAL', 'sem_close'));
      works(sem);
    }
  });
});

describe('sem_unlink', () => {
  it('gives nothing back and takes the name at once, not the semaphore from who has it', () => {
    const { sem, name } = namedSemaphore(1);
    const again = ownHandle(sys.sem_open(name, 0));
    expect(loose('sem_unlink', [name])).toBeUndefined();
    expect(existsSync(semaphoreFile(name))).toBe(false);
    expect(failure(() => sys.sem_open(name, 0))).toMatchObject({ code: 'ENOENT' });
    sys.sem_post(sem);
    expect(sys.sem_getvalue(again)).toBe(2);
    const fresh = ownHandle(sys.sem_open(name, O_CREAT | O_EXCL, 0o600, 7));
    expect(sys.sem_getvalue(fresh)).toBe(7);
    works(sem);
    expect(sys.sem_getvalue(fresh)).toBe(7);
  });

  it.each([
    ['ENOENT', unusedOutside()],
    ['ENOENT', ''],
    ['ENOENT', '/'],
    ['ENOENT', '/unix-ipc/below'],
    ['ENAMETOOLONG', `/${'n'.repeat(252)}`],
  ] as const)('fails with %s for the name %j', (code, path) => {
    expect(failure(() => sys.sem_unlink(path))).toMatchObject({ ...systemError(code, 'sem_unlink'), path });
  });

  let kept: string;
  refuses(
    'sem_unlink',
    { name: 'string' },
    () => {
      kept = namedSemaphore().name;
      return [kept];
    },
    () => expect(existsSync(semaphoreFile(kept))).toBe(true),
  );
});

/** A name that nobody uses, made while tests are collected. */
function unusedOutside(): string {
  return `/unix-ipc-test-${process.pid}-not-there`;
}

describe('sem_init and sem_at', () => {
  it.each(memories)('make and find a semaphore in memory of %s', (_what, make) => {
    const memory = make();
    const sem = sys.sem_init(memory, 64, 2);
    expect(sys.sem_getvalue(sem)).toBe(2);
    const found = sys.sem_at(memory, 64);
    expect(found).not.toBe(sem);
    sys.sem_post(found);
    expect(sys.sem_getvalue(sem)).toBe(3);
    for (let count = 0; count < 3; count++) sys.sem_trywait(sem);
    expect(failure(() => sys.sem_trywait(found))).toMatchObject(systemError('EAGAIN', 'sem_trywait'));
    expect(failure(() => sys.sem_timedwait(found, past))).toMatchObject({ code: 'ETIMEDOUT' });
    works(sem);
  });

  it('make one at the first and the last place there is, and leave the bytes beside it alone', () => {
    const memory = attach(newSegment(4096));
    const bytes = new Uint8Array(memory).fill(0xff);
    const places = [0, 32, 40 + 32, 4096 - SIZEOF_SEM_T];
    const sems = places.map((place, index) => sys.sem_init(memory, place, index));
    sems.forEach(works);
    expect(sems.map((sem) => sys.sem_getvalue(sem))).toEqual([0, 1, 2, 3]);
    const inside = (at: number): boolean => places.some((place) => at >= place && at < place + SIZEOF_SEM_T);
    expect(bytes.every((byte, at) => inside(at) || byte === 0xff)).toBe(true);
  });

  it('share it between processes: what one makes or changes the other sees', async () => {
    const shmid = newSegment();
    const memory = attach(shmid);
    const peer = other();
    await peer.call('keep', 'memory', 'shmat', shmid);
    const sem = sys.sem_init(memory, 8, 6);
    await peer.call('keep', 'theirs', 'sem_at', '@memory', 8);
    expect(await peer.call('sys.sem_getvalue', '@theirs')).toBe(6);
    await peer.call('sys.sem_post', '@theirs');
    expect(sys.sem_getvalue(sem)).toBe(7);
    await peer.call('keep', 'made', 'sem_init', '@memory', 128, 9);
    expect(sys.sem_getvalue(sys.sem_at(memory, 128))).toBe(9);
  });

  it('make one anew where one was', () => {
    const memory = newMemory();
    const before = sys.sem_init(memory, 0, 5);
    const after = sys.sem_init(memory, 0, 1);
    expect([before, after].map((sem) => sys.sem_getvalue(sem))).toEqual([1, 1]);
  });

  it('sem_init() takes the greatest value and fails with EINVAL over it', () => {
    const memory = newMemory();
    expect(sys.sem_getvalue(sys.sem_init(memory, 0, SEM_VALUE_MAX))).toBe(SEM_VALUE_MAX);
    for (const initial of [SEM_VALUE_MAX + 1, 2 ** 32 - 1]) {
      expect(failure(() => sys.sem_init(memory, 64, initial))).toMatchObject(
        systemError('EINVAL', 'sem_init'),
      );
    }
    expect(new Uint8Array(memory, 64, SIZEOF_SEM_T).every((byte) => byte === 0)).toBe(true);
  });

  const wrongMemory: Wrong[] = [
    ['undefined', type, undefined],
    ...wrong('object'),
    ['an object', type, {}],
    ['a Buffer', type, Buffer.alloc(64)],
    ['a Uint8Array', type, new Uint8Array(64)],
    ['a DataView', type, new DataView(new ArrayBuffer(64))],
    ['a SharedArrayBuffer', type, new SharedArrayBuffer(64)],
    ['an object of ArrayBuffer', type, Object.create(ArrayBuffer.prototype)],
    ['no bytes', range, new ArrayBuffer(0)],
    ['too few bytes', range, new ArrayBuffer(SIZEOF_SEM_T - 1)],
    ['detached bytes', value, detached()],
  ];
  const wrongOffset: Wrong[] = [
    ...wrong('size'),
    ['undefined', type, undefined],
    ...[1, 2, 4, 7, 9, 12, 4095].map((offset): Wrong => [`${offset}, which is not aligned,`, range, offset]),
    ...[4096 - SIZEOF_SEM_T + 8, 4096, 4104, 2 ** 32, 2 ** 32 + 8, Number.MAX_SAFE_INTEGER - 7].map(
      (offset): Wrong => [`${offset}, which leaves no room,`, range, offset],
    ),
  ];
  const untouched = ([memory]: unknown[]): void =>
    expect(new Uint8Array(memory as ArrayBuffer).every((byte) => byte === 0)).toBe(true);
  refuses(
    'sem_init',
    { memory: wrongMemory, byteOffset: wrongOffset, value: 'unsigned' },
    () => [new ArrayBuffer(4096), 0, 1],
    untouched,
  );
  refuses(
    'sem_at',
    { memory: wrongMemory, byteOffset: wrongOffset },
    () => [new ArrayBuffer(4096), 0],
    untouched,
  );
});

function detached(): ArrayBuffer {
  const memory = new ArrayBuffer(4096);
  structuredClone(memory, { transfer: [memory] });
  return memory;
}

describe('sem_destroy', () => {
  it('gives nothing back and ends the handle, whose place may be used again', () => {
    const memory = newMemory();
    const sem = sys.sem_init(memory, 0, 1);
    expect(loose('sem_destroy', [sem])).toBeUndefined();
    hasEnded(sem);
    works(sys.sem_init(memory, 0, 3));
    const found = sys.sem_at(memory, 0);
    sys.sem_destroy(found);
    hasEnded(found);
  });

  it('fails with EINVAL for a semaphore with a name, and does it no harm', () => {
    const { sem, name } = namedSemaphore(1);
    expect(failure(() => sys.sem_destroy(sem))).toMatchObject(systemError('EINVAL', 'sem_destroy'));
    works(sem);
    works(ownHandle(sys.sem_open(name, 0)));
  });
});

describe('a handle', () => {
  it.each(memories.slice(0, 4))('has ended where the memory of %s under it is detached', (_what, make) => {
    const memory = make();
    const sems = [sys.sem_init(memory, 0, 1), sys.sem_at(memory, 0), sys.sem_init(memory, 64, 0)];
    sems.forEach(works);
    sys.munmap(memory);
    sems.forEach(hasEnded);
    expect(failure(() => sys.sem_init(memory, 0, 1))).toMatchObject(refusal(value));
    expect(failure(() => sys.sem_at(memory, 0))).toMatchObject(refusal(value));
  });

  it('has ended where memory of JavaScript under it is gone to another thread', () => {
    const memory = new ArrayBuffer(64);
    const sem = sys.sem_init(memory, 0, 1);
    structuredClone(memory, { transfer: [memory] });
    hasEnded(sem);
  });

  it('ends for itself alone where one segment is attached twice', () => {
    const shmid = newSegment();
    const [first, second] = [attach(shmid), attach(shmid)];
    const [one, two] = [sys.sem_init(first, 0, 1), sys.sem_at(second, 0)];
    sys.sem_post(one);
    sys.shmdt(first);
    hasEnded(one);
    expect(sys.sem_getvalue(two)).toBe(2);
    works(two);
  });

  it('holds the memory that nobody else holds', () => {
    const flags = MAP_SHARED | MAP_ANONYMOUS;
    const sems = Array.from({ length: 50 }, (_, index) =>
      sys.sem_init(sys.mmap(null, 4096, PROT_READ | PROT_WRITE, flags, -1), 0, index),
    );
    for (let round = 0; round < 5; round++) globalThis.gc?.();
    expect(sems.map((sem) => sys.sem_getvalue(sem))).toEqual(sems.map((_, index) => index));
    sems.forEach(works);
  });

  it('in memory that may only be read changes nothing of it and ends no process', async () => {
    const shmid = newSegment();
    const memory = attach(shmid);
    const sem = sys.sem_init(memory, 0, 1);
    const peer = await sysPeer();
    await peer.call('keep', 'memory', 'shmat', shmid, null, sys.SHM_RDONLY);
    await peer.call('keep', 'sem', 'sem_at', '@memory', 0);
    expect(await peer.call('sys.sem_getvalue', '@sem')).toBe(1);
    await peer.outcome('sys.sem_post', '@sem');
    await peer.outcome('sys.sem_trywait', '@sem');
    await peer.outcome('sys.sem_timedwait', '@sem', past);
    await peer.outcome('keep', 'other', 'sem_init', '@memory', 64, 5);
    expect(sys.sem_getvalue(sem)).toBe(1);
    expect(sys.sem_getvalue(sys.sem_at(memory, 64))).toBe(0);
    works(sem);
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it('in memory that a peer has cut off ends no process', async () => {
    const peer = await sysPeer();
    await peer.call('keep', 'fd', 'memfd_create', 'cut');
    await peer.call('sys.ftruncate', '@fd', 4096);
    await peer.call('keep', 'memory', 'mmap', null, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, '@fd');
    await peer.call('keep', 'sem', 'sem_init', '@memory', 0, 3);
    await peer.call('keep', 'at', 'sem_at', '@memory', 64);
    await peer.call('sys.ftruncate', '@fd', 0);
    for (const name of ['@sem', '@at']) {
      await peer.outcome('sys.sem_timedwait', name, past);
      await peer.outcome('sys.sem_trywait', name);
      await peer.outcome('sys.sem_post', name);
      await peer.outcome('sys.sem_getvalue', name);
      await peer.outcome('sys.sem_destroy', name);
    }
    await peer.outcome('keep', 'new', 'sem_init', '@memory', 128, 5);
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
  });

  const handles: Wrong[] = [
    ['undefined', type, undefined],
    ...wrong('object'),
    ['an object', type, {}],
    ['an array', type, []],
    ['a bigint', type, 1n],
    ['a name', type, '/name'],
    ['memory', type, new ArrayBuffer(SIZEOF_SEM_T)],
    ['a view of memory', type, new Int32Array(8)],
    ['what looks like a handle', type, { __sem: 1 }],
  ];
  it.each(handles)('is what no call takes %s for', (_what, code, wrongHandle) => {
    for (const [call, rest] of uses) {
      expect(
        failure(() => loose(call, [wrongHandle, ...rest])),
        call,
      ).toMatchObject(refusal(code));
    }
    for (const call of ends) {
      expect(
        failure(() => loose(call, [wrongHandle])),
        call,
      ).toMatchObject(refusal(code));
    }
  });

  it.each([
    ['a copy', (sem: object) => ({ ...sem })],
    ['an heir', (sem: object) => Object.create(sem) as object],
    ['a Proxy', (sem: object) => new Proxy(sem, {})],
    [
      'an object of its prototype',
      (sem: object) => Object.create(Object.getPrototypeOf(sem) as object) as object,
    ],
  ])('is not %s of one', (_what, make) => {
    const { sem } = namedSemaphore(1);
    const fake = make(sem);
    for (const [call, rest] of [...uses, ...ends.map((end): [string, unknown[]] => [end, []])]) {
      expect(
        failure(() => loose(call, [fake, ...rest])),
        call,
      ).toMatchObject(refusal(type));
    }
    works(sem);
  });
});

/** A semaphore with a name, and one in memory, which another process opens by the name @sem. */
const kinds: [what: string, make: (initial: number) => { sem: sys.sem_t; place: Place; open: Opening }][] = [
  [
    'with a name',
    (initial) => {
      const { sem, name, place } = namedSemaphore(initial);
      return { sem, place, open: (peer) => peer.call('keep', 'sem', 'sem_open', name, 0) };
    },
  ],
  [
    'in memory',
    (initial) => {
      const shmid = newSegment();
      const sem = sys.sem_init(attach(shmid), 64, initial);
      const open: Opening = async (peer) => {
        await peer.call('keep', 'memory', 'shmat', shmid);
        await peer.call('keep', 'sem', 'sem_at', '@memory', 64);
      };
      return { sem, place: { of: shmid, offset: 64 }, open };
    },
  ],
];
type Opening = (peer: NodePeer) => Promise<unknown>;

describe.each(kinds)('a semaphore %s', (_what, make) => {
  it('is posted up to SEM_VALUE_MAX, and sem_post() fails with EOVERFLOW over it', () => {
    const { sem } = make(SEM_VALUE_MAX - 1);
    expect(loose('sem_post', [sem])).toBeUndefined();
    expect(sys.sem_getvalue(sem)).toBe(SEM_VALUE_MAX);
    for (let count = 0; count < 3; count++) {
      expect(failure(() => sys.sem_post(sem))).toMatchObject(systemError('EOVERFLOW', 'sem_post'));
    }
    expect(sys.sem_getvalue(sem)).toBe(SEM_VALUE_MAX);
    sys.sem_wait(sem);
    expect(sys.sem_getvalue(sem)).toBe(SEM_VALUE_MAX - 1);
  });

  it('is taken by every call without waiting where there is one, whatever the time limit', () => {
    const { sem } = make(4);
    expect(loose('sem_wait', [sem])).toBeUndefined();
    expect(loose('sem_trywait', [sem])).toBeUndefined();
    expect(loose('sem_timedwait', [sem, past])).toBeUndefined();
    sys.sem_timedwait(sem, { tv_sec: -1, tv_nsec: 0 });
    expect(sys.sem_getvalue(sem)).toBe(0);
  });

  it('that is 0 gives EAGAIN to sem_trywait(), at once', () => {
    const { sem } = make(0);
    expect(failure(() => sys.sem_trywait(sem))).toMatchObject(systemError('EAGAIN', 'sem_trywait'));
    expect(sys.sem_getvalue(sem)).toBe(0);
  });

  it('that is 0 gives ETIMEDOUT to sem_timedwait() at the time, which is absolute', () => {
    const { sem } = make(0);
    const timedOut = systemError('ETIMEDOUT', 'sem_timedwait');
    const start = Date.now();
    expect(failure(() => sys.sem_timedwait(sem, fromNow(40)))).toMatchObject(timedOut);
    expect(Date.now() - start).toBeGreaterThanOrEqual(39);
    for (const limit of [
      past,
      { tv_sec: -5, tv_nsec: 0 },
      { tv_sec: -Number.MAX_SAFE_INTEGER, tv_nsec: 5 },
    ]) {
      expect(failure(() => sys.sem_timedwait(sem, limit))).toMatchObject(timedOut);
    }
    expect(sys.sem_getvalue(sem)).toBe(0);
    works(sem);
  });

  it.each([-1, 1_000_000_000, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER])(
    'gives EINVAL to sem_timedwait() for %d nanoseconds, also where there is nothing to wait for',
    (tv_nsec) => {
      const { sem } = make(0);
      const invalid = systemError('EINVAL', 'sem_timedwait');
      const call = (): void => sys.sem_timedwait(sem, { tv_sec: 2 ** 33, tv_nsec });
      expect(failure(call)).toMatchObject(invalid);
      sys.sem_post(sem);
      expect(failure(call)).toMatchObject(invalid);
      expect(sys.sem_getvalue(sem)).toBe(1);
    },
  );

  it('lets those that wait in another process through, one for each post', async () => {
    const { sem, place, open } = make(0);
    const peer = other();
    await open(peer);
    for (const [call, rest] of [
      ['sem_wait', []],
      ['sem_timedwait', [fromNow(1_000_000)]],
      ['sem_timedwait', [{ tv_sec: Number.MAX_SAFE_INTEGER, tv_nsec: 999_999_999 }]],
    ] as const) {
      for (let round = 0; round < 3; round++) {
        const outcome = peer.outcome(`sys.${call}`, '@sem', ...rest);
        await asleepOnWord(place, peer);
        sys.sem_post(sem);
        expect(await outcome).toEqual({ value: undefined });
        expect(sys.sem_getvalue(sem)).toBe(0);
      }
    }
    // What was posted before is there for who comes later.
    sys.sem_post(sem);
    sys.sem_post(sem);
    for (let count = 0; count < 2; count++) await peer.call('sys.sem_wait', '@sem');
    expect(await peer.failure('sys.sem_trywait', '@sem')).toMatchObject({ code: 'EAGAIN' });
  });

  it('gives ETIMEDOUT to a wait of another process that nobody ends', async () => {
    const { sem, open } = make(0);
    await open(other());
    expect(await other().failure('sys.sem_timedwait', '@sem', fromNow(20))).toMatchObject(
      systemError('ETIMEDOUT', 'sem_timedwait'),
    );
    works(sem);
  });
});

describe('sem_wait and sem_timedwait', () => {
  it.each([
    ['of process.on()', other],
    ['without SA_RESTART', sharedPeer(interruptedSysPeer)],
  ])('fail with EINTR where a signal handler %s runs while they wait', async (what, started) => {
    const peer = started();
    if (what.startsWith('of')) await peer.call('watch', 'SIGUSR2');
    for (const [, make] of kinds) {
      const { sem, place, open } = make(0);
      await open(peer);
      for (const [call, rest] of [
        ['sem_wait', []],
        ['sem_timedwait', [fromNow(1_000_000)]],
      ] as const) {
        const outcome = peer.outcome(`sys.${call}`, '@sem', ...rest);
        await asleepOnWord(place, peer);
        peer.signal('SIGUSR2');
        expect((await outcome).error).toMatchObject(systemError('EINTR', call));
      }
      // Who was interrupted is no waiter any more: what is posted stays.
      sys.sem_post(sem);
      expect(sys.sem_getvalue(sem)).toBe(1);
    }
  });

  refuses(
    'sem_timedwait',
    { sem: [], absTimeout: [...wrong('timespec'), ['null', type, null], ['undefined', type, undefined]] },
    () => [sys.sem_init(new ArrayBuffer(64), 0, 1), past],
    ([sem]) => expect(sys.sem_getvalue(sem as sys.sem_t)).toBe(1),
  );
});

describe('a process that is killed while it waits', () => {
  it('takes nothing with it', async () => {
    const { sem, name, place } = namedSemaphore(0);
    const peer = await sysPeer();
    await peer.call('keep', 'sem', 'sem_open', name, 0);
    peer.outcome('sys.sem_wait', '@sem').catch(() => undefined);
    await asleepOnWord(place, peer);
    peer.signal('SIGKILL');
    await peer.exited;
    sys.sem_post(sem);
    expect(sys.sem_getvalue(sem)).toBe(1);
    works(sem);
    expect(readFileSync(semaphoreFile(name))).toHaveLength(SIZEOF_SEM_T);
  });
});
