// The calls of <sys/sem.h> one by one: what they do, and a table of their errors.
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { interruptedPeer } from './helpers/descriptors.js';
import { type Failure, failure, systemError } from './helpers/failures.js';
import {
  type NodePeer,
  nobody,
  noSecondUser,
  nodePeer,
  otherUser,
  sharedPeer,
  unprivileged,
} from './helpers/peers.js';
import {
  SEMVMX,
  asleepInSemop,
  changeSemaphoreLimits,
  headerConstants,
  newSemaphores,
  ownSemaphores,
  removedSemaphores,
  semaphoreLimits,
  semaphoreLimitsAreFixed,
  semaphoreRow,
  semaphoreRows,
  unusedSemaphoreKey,
  valuesOf,
} from './helpers/semaphores.js';
import { type Wrong, loose, refusal, refuses, wrong } from './helpers/wrong-arguments.js';

const { IPC_CREAT, IPC_EXCL, IPC_INFO, IPC_NOWAIT, IPC_PRIVATE, IPC_RMID, IPC_SET, IPC_STAT } = sys;
const { GETALL, GETNCNT, GETPID, GETVAL, GETZCNT, SETALL, SETVAL } = sys;
const { SEM_INFO, SEM_STAT, SEM_STAT_ANY, SEM_UNDO } = sys;

const type = 'ERR_INVALID_ARG_TYPE';
const range = 'ERR_OUT_OF_RANGE';
const long = { tv_sec: 1000, tv_nsec: 0 };

/** One operation. */
const op = (sem_num: number, sem_op: number, sem_flg = 0): sys.sembuf => ({ sem_num, sem_op, sem_flg });

/** The calls that operate on a set; a time limit changes nothing where nothing waits. */
const forms: [what: string, syscall: string, rest: unknown[]][] = [
  ['semop', 'semop', []],
  ['semtimedop without a time limit', 'semtimedop', [null]],
  ['semtimedop with a time limit', 'semtimedop', [long]],
];

function stat(semid: number): sys.semid_ds {
  return sys.semctl(semid, 0, IPC_STAT) as sys.semid_ds;
}

function info(cmd: number): sys.seminfo & { maxid: number } {
  return sys.semctl(0, 0, cmd) as sys.seminfo & { maxid: number };
}

/** The index of a set in the kernel's table, which SEM_STAT takes in the place of its id. */
function indexOf(semid: number): number {
  for (let index = 0; index <= info(IPC_INFO).maxid; index++) {
    try {
      if ((sys.semctl(index, 0, SEM_STAT_ANY) as { id?: number }).id === semid) return index;
    } catch (error) {
      if ((error as Failure).code !== 'EINVAL') throw error;
    }
  }
  throw new Error(`no index for ${semid}`);
}

/** Ids that are no set's. */
const noSets = (): number[] => [-1, -(2 ** 31), removedSemaphores()];

/** How many wait for a semaphore to grow, and to be 0. */
function waiting(semid: number, semnum = 0): unknown[] {
  return [sys.semctl(semid, semnum, GETNCNT), sys.semctl(semid, semnum, GETZCNT)];
}

/** Others that make calls for tests, one after the other. */
const other = sharedPeer(nodePeer);
const another = sharedPeer(nodePeer);
const denied = sharedPeer(unprivileged);

describe('constants', () => {
  it('are those of the headers that a C program is compiled with', async () => {
    const header = await headerConstants('sem');
    expect(Object.keys(header)).toHaveLength(19);
    expect(sys).toMatchObject(header);
  });
});

describe('semget', () => {
  it('makes a new set of zeros at every call with IPC_PRIVATE', () => {
    const first = ownSemaphores(sys.semget(IPC_PRIVATE, 3, 0o600));
    const second = ownSemaphores(sys.semget(IPC_PRIVATE, 1, 0o600));
    expect(first).not.toBe(second);
    expect(semaphoreRow(first)).toMatchObject({ key: 0, perms: '600', nsems: 3, otime: 0 });
    expect(semaphoreRow(second)).toMatchObject({ nsems: 1 });
    expect(valuesOf(first)).toEqual([0, 0, 0]);
  });

  it('makes a set with IPC_CREAT and finds it again, by as many semaphores as it has, by fewer and by 0', () => {
    const key = unusedSemaphoreKey();
    const semid = sys.semget(key, 2, IPC_CREAT | 0o640);
    expect(semaphoreRow(semid)).toMatchObject({ key, perms: '640', nsems: 2 });
    for (const nsems of [0, 1, 2]) {
      expect(sys.semget(key, nsems, 0)).toBe(semid);
      expect(sys.semget(key, nsems, IPC_CREAT | 0o600)).toBe(semid);
    }
    expect(semaphoreRow(semid)).toMatchObject({ perms: '640', nsems: 2 });
  });

  it('takes a key from -2^31 to 2^32-1, the same 32 bits signed and unsigned', () => {
    const unsigned = 2 ** 31 + (unusedSemaphoreKey() % 2 ** 30);
    const semid = ownSemaphores(sys.semget(unsigned, 1, IPC_CREAT | IPC_EXCL | 0o600));
    expect(sys.semget(unsigned - 2 ** 32, 1, 0)).toBe(semid);
    expect(semaphoreRow(semid)?.key).toBe(unsigned - 2 ** 32);
    expect(stat(semid).sem_perm.key).toBe(unsigned - 2 ** 32);
  });

  it('makes only the low nine bits of semflg the mode', () => {
    expect(semaphoreRow(ownSemaphores(sys.semget(IPC_PRIVATE, 1, 0o7777 & ~IPC_EXCL)))?.perms).toBe('777');
  });

  it('makes a set as large as semmsl', () => {
    const { semmsl } = semaphoreLimits();
    const semid = ownSemaphores(sys.semget(IPC_PRIVATE, semmsl, 0o600));
    expect(valuesOf(semid)).toHaveLength(semmsl);
    sys.semop(semid, [op(semmsl - 1, 1)]);
    expect(sys.semctl(semid, semmsl - 1, GETVAL)).toBe(1);
  });

  it('fails with ENOENT where there is no set and IPC_CREAT is not given', () => {
    expect(failure(() => sys.semget(unusedSemaphoreKey(), 1, 0o600))).toMatchObject(
      systemError('ENOENT', 'semget'),
    );
  });

  it('fails with EEXIST where there is one and IPC_CREAT and IPC_EXCL are given', () => {
    const key = unusedSemaphoreKey();
    sys.semget(key, 1, IPC_CREAT | IPC_EXCL | 0o600);
    expect(failure(() => sys.semget(key, 1, IPC_CREAT | IPC_EXCL | 0o600))).toMatchObject(
      systemError('EEXIST', 'semget'),
    );
  });

  it.each([
    ['no semaphore', 0],
    ['a negative number of semaphores', -1],
    ['the most negative number', -(2 ** 31)],
    ['more semaphores than semmsl', semaphoreLimits().semmsl + 1],
    ['2^31 - 1 semaphores', 2 ** 31 - 1],
  ])('fails with EINVAL for a new set of %s', (_what, nsems) => {
    const before = semaphoreRows().length;
    expect(failure(() => sys.semget(IPC_PRIVATE, nsems, 0o600))).toMatchObject(
      systemError('EINVAL', 'semget'),
    );
    expect(semaphoreRows()).toHaveLength(before);
  });

  it('fails with EINVAL for more semaphores than the set has', () => {
    const key = unusedSemaphoreKey();
    sys.semget(key, 2, IPC_CREAT | 0o600);
    for (const flags of [0, IPC_CREAT]) {
      expect(failure(() => sys.semget(key, 3, flags))).toMatchObject(systemError('EINVAL', 'semget'));
    }
  });

  it('fails with EACCES where the mode does not grant what semflg asks for', async () => {
    const key = unusedSemaphoreKey();
    sys.semget(key, 1, IPC_CREAT | 0o000);
    const peer = denied();
    expect(await peer.failure('sys.semget', key, 1, 0o600)).toMatchObject(systemError('EACCES', 'semget'));
    expect(await peer.failure('sys.semget', key, 1, 0o006)).toMatchObject(systemError('EACCES', 'semget'));
  });

  it('fails with ENOSPC where the namespace has all the sets or semaphores it may have', ({ skip }) => {
    const reason = semaphoreLimitsAreFixed();
    skip(reason !== undefined, reason);
    newSemaphores([0, 0]);
    changeSemaphoreLimits({ semmni: semaphoreRows().length });
    expect(failure(() => sys.semget(IPC_PRIVATE, 1, 0o600))).toMatchObject(systemError('ENOSPC', 'semget'));
    const used = semaphoreRows().reduce((sum, { nsems }) => sum + nsems, 0);
    changeSemaphoreLimits({ semmni: 32_000, semmns: used + 2 });
    expect(failure(() => sys.semget(IPC_PRIVATE, 3, 0o600))).toMatchObject(systemError('ENOSPC', 'semget'));
    ownSemaphores(sys.semget(IPC_PRIVATE, 2, 0o600));
  });

  it('fails with EINVAL over a lower semmsl, which older sets may be over', ({ skip }) => {
    const reason = semaphoreLimitsAreFixed();
    skip(reason !== undefined, reason);
    const older = newSemaphores([1, 2, 3]);
    changeSemaphoreLimits({ semmsl: 2 });
    expect(failure(() => sys.semget(IPC_PRIVATE, 3, 0o600))).toMatchObject(systemError('EINVAL', 'semget'));
    sys.semop(older, [op(2, 1)]);
    expect(valuesOf(older)).toEqual([1, 2, 4]);
  });

  const keys: Wrong[] = [
    ...wrong('int').filter(([what]) => what !== '2^31'),
    ['undefined', type, undefined],
    ['2^32', range, 2 ** 32],
  ];
  let before: number;
  refuses(
    'semget',
    { key: keys, nsems: 'int', semflg: 'int' },
    () => {
      before = semaphoreRows().length;
      return [IPC_PRIVATE, 1, 0o600];
    },
    () => expect(semaphoreRows()).toHaveLength(before),
  );
});

describe.each(forms)('%s', (_what, syscall, rest) => {
  const operate = (semid: number, ...sops: sys.sembuf[]): unknown => loose(syscall, [semid, sops, ...rest]);

  it('gives nothing back and adds, takes, and passes a zero', () => {
    const semid = newSemaphores([0]);
    expect(operate(semid, op(0, 5))).toBeUndefined();
    expect(valuesOf(semid)).toEqual([5]);
    expect(operate(semid, op(0, -3))).toBeUndefined();
    expect(operate(semid, op(0, -2))).toBeUndefined();
    expect(valuesOf(semid)).toEqual([0]);
    expect(operate(semid, op(0, 0))).toBeUndefined();
    expect(valuesOf(semid)).toEqual([0]);
  });

  it('takes operations without sem_flg, and goes up to SEMVMX and down to 0 at once', () => {
    const semid = newSemaphores([0]);
    operate(semid, { sem_num: 0, sem_op: SEMVMX });
    expect(valuesOf(semid)).toEqual([SEMVMX]);
    operate(semid, { sem_num: 0, sem_op: -SEMVMX });
    expect(valuesOf(semid)).toEqual([0]);
  });

  it('tells who did it and when', () => {
    const semid = newSemaphores([0, 0]);
    expect(stat(semid).sem_otime).toBe(0);
    const start = Math.floor(Date.now() / 1000);
    operate(semid, op(1, 1));
    expect(stat(semid).sem_otime).toBeGreaterThanOrEqual(start - 1);
    expect(stat(semid).sem_otime).toBe(semaphoreRow(semid)?.otime);
    expect(sys.semctl(semid, 0, GETPID)).toBe(0);
    expect(sys.semctl(semid, 1, GETPID)).toBe(process.pid);
  });

  it('does all operations in order or none of them', () => {
    const semid = newSemaphores([1, 0, 0]);
    expect(failure(() => operate(semid, op(0, -1), op(2, 7), op(1, -1, IPC_NOWAIT)))).toMatchObject(
      systemError('EAGAIN', syscall),
    );
    expect(failure(() => operate(semid, op(2, 1), op(2, 0, IPC_NOWAIT)))).toMatchObject({ code: 'EAGAIN' });
    expect(valuesOf(semid)).toEqual([1, 0, 0]);
    operate(semid, op(0, -1), op(1, 4), op(1, -3), op(2, 0), op(2, 1));
    expect(valuesOf(semid)).toEqual([0, 1, 1]);
    // What the call itself gives it may take, but not before.
    expect(failure(() => operate(semid, op(0, -1, IPC_NOWAIT), op(0, 1)))).toMatchObject({ code: 'EAGAIN' });
    operate(semid, op(0, 1), op(0, -1));
    expect(valuesOf(semid)).toEqual([0, 1, 1]);
  });

  it('makes as many operations at once as semopm says, and fails with E2BIG for more', () => {
    const { semopm } = semaphoreLimits();
    const semid = newSemaphores([0, 0]);
    operate(semid, ...Array.from({ length: semopm }, (_, index) => op(index % 2, 1)));
    expect(valuesOf(semid)).toEqual([Math.ceil(semopm / 2), Math.floor(semopm / 2)]);
    for (const count of [semopm + 1, 10 * semopm]) {
      const sops = Array.from({ length: count }, () => op(0, 0, IPC_NOWAIT));
      expect(failure(() => operate(semid, ...sops))).toMatchObject(systemError('E2BIG', syscall));
    }
  });

  it('fails with EFBIG for a semaphore that the set does not have, and does nothing', () => {
    const semid = newSemaphores([0, 0]);
    for (const number of [2, 3, 32_768, 65_535]) {
      expect(failure(() => operate(semid, op(0, 1), op(number, 1)))).toMatchObject(
        systemError('EFBIG', syscall),
      );
    }
    expect(valuesOf(semid)).toEqual([0, 0]);
  });

  it('fails with ERANGE over SEMVMX, and does nothing', () => {
    const semid = newSemaphores([SEMVMX, 1, 0]);
    for (const sops of [[op(0, 1)], [op(1, SEMVMX)], [op(2, 1), op(0, 1)], [op(2, 1), op(2, SEMVMX)]]) {
      expect(failure(() => operate(semid, ...sops))).toMatchObject(systemError('ERANGE', syscall));
    }
    expect(valuesOf(semid)).toEqual([SEMVMX, 1, 0]);
  });

  it('fails with ERANGE where more than 2^15 would have to be undone, and does nothing', () => {
    const semid = newSemaphores([0]);
    operate(semid, op(0, SEMVMX, SEM_UNDO));
    operate(semid, op(0, -SEMVMX));
    operate(semid, op(0, 1, SEM_UNDO));
    expect(failure(() => operate(semid, op(0, 1, SEM_UNDO)))).toMatchObject(systemError('ERANGE', syscall));
    expect(valuesOf(semid)).toEqual([1]);
  });

  it.each([
    ['more than there is', [2], op(0, -3, IPC_NOWAIT)],
    ['-32768, which no semaphore ever has', [SEMVMX], op(0, -32_768, IPC_NOWAIT)],
    ['0 of one that is not', [1], op(0, 0, IPC_NOWAIT)],
  ])('fails with EAGAIN for %s with IPC_NOWAIT', (_case, values, sop) => {
    const semid = newSemaphores(values);
    expect(failure(() => operate(semid, sop))).toMatchObject(systemError('EAGAIN', syscall));
    expect(valuesOf(semid)).toEqual(values);
    expect(waiting(semid)).toEqual([0, 0]);
  });

  it('fails with EINVAL for no operation and for an id that is no set', () => {
    expect(failure(() => operate(newSemaphores()))).toMatchObject(systemError('EINVAL', syscall));
    for (const semid of noSets()) {
      expect(failure(() => operate(semid, op(0, 1)))).toMatchObject(systemError('EINVAL', syscall));
    }
  });

  it('does not care for flags that mean nothing, negative ones among them', () => {
    const semid = newSemaphores([1]);
    operate(semid, op(0, -1, 1));
    operate(semid, op(0, 1, -32_768));
    expect(valuesOf(semid)).toEqual([1]);
  });

  const members = (name: keyof sys.sembuf, values: Wrong[]): Wrong[] =>
    values.map(([what, code, value]) => [
      `${what} as ${name}`,
      code,
      [op(0, 0), { ...op(0, 1), [name]: value }],
    ]);
  const numbers = wrong('short').filter(([what]) => !what.startsWith('2^15') && !what.startsWith('-2^15'));
  const wrongSops: Wrong[] = [
    ['undefined', type, undefined],
    ...wrong('object'),
    ['an empty object', type, {}],
    ['one operation', type, op(0, 1)],
    ['an object like an array', type, { length: 1, 0: op(0, 1) }],
    ['an Int16Array', type, new Int16Array(3)],
    ...[null, undefined, 1, '1', true, Symbol('1')].map((value): Wrong => [
      `${String(value)} in the place of an operation`,
      type,
      [op(0, 1), value],
    ]),
    ['nothing in the place of an operation', type, new Array(2)],
    ['an operation without members', type, [{}]],
    ['an operation without sem_num', type, [{ sem_op: 1 }]],
    ['an operation without sem_op', type, [{ sem_num: 0 }]],
    ...members('sem_num', [
      ...numbers,
      ['-1', range, -1],
      ['2^16', range, 2 ** 16],
      ['undefined', type, undefined],
    ]),
    ...members('sem_op', [...wrong('short'), ['undefined', type, undefined]]),
    ...members('sem_flg', wrong('short')),
  ];
  refuses(
    syscall,
    { semid: 'int', sops: wrongSops },
    () => [newSemaphores(), [op(0, 1)], ...rest],
    ([semid]) => expect(valuesOf(semid as number)).toEqual([0]),
  );
});

describe('semop and semtimedop', () => {
  const waits = forms.map(([, syscall, rest]) => ({
    syscall,
    begin: (peer: NodePeer, semid: number, ...sops: sys.sembuf[]) => {
      const outcome = peer.outcome(`sys.${syscall}`, semid, sops, ...rest);
      return { outcome, asleep: () => asleepInSemop(semid, peer) };
    },
  }));

  it('wait until there is enough, and until a semaphore is 0', async () => {
    const peer = other();
    for (const { begin } of waits) {
      const semid = newSemaphores([1, 2]);
      const taking = begin(peer, semid, op(0, -3));
      await taking.asleep();
      expect(waiting(semid)).toEqual([1, 0]);
      expect(waiting(semid, 1)).toEqual([0, 0]);
      sys.semop(semid, [op(0, 1)]);
      expect(waiting(semid)).toEqual([1, 0]);
      sys.semop(semid, [op(0, 1)]);
      expect(await taking.outcome).toEqual({ value: undefined });
      expect(sys.semctl(semid, 0, GETPID)).toBe(peer.pid);
      const passing = begin(peer, semid, op(1, 0), op(1, 7));
      await passing.asleep();
      expect(waiting(semid, 1)).toEqual([0, 1]);
      sys.semop(semid, [op(1, -1)]);
      expect(waiting(semid, 1)).toEqual([0, 1]);
      sys.semop(semid, [op(1, -1)]);
      expect(await passing.outcome).toEqual({ value: undefined });
      expect(valuesOf(semid)).toEqual([0, 7]);
      expect(waiting(semid, 1)).toEqual([0, 0]);
    }
  });

  it('take nothing while they wait for another semaphore of the call, unless IPC_NOWAIT is at that one', async () => {
    const semid = newSemaphores([5, 0]);
    const peer = other();
    for (const { begin } of waits) {
      const { outcome, asleep } = begin(peer, semid, op(0, -5, IPC_NOWAIT), op(1, -1));
      await asleep();
      expect(valuesOf(semid)).toEqual([5, 0]);
      expect(waiting(semid)).toEqual([0, 0]);
      expect(waiting(semid, 1)).toEqual([1, 0]);
      sys.semop(semid, [op(1, 1)]);
      expect(await outcome).toEqual({ value: undefined });
      expect(valuesOf(semid)).toEqual([0, 0]);
      sys.semop(semid, [op(0, 5)]);
    }
  });

  it('are woken by SETVAL and SETALL', async () => {
    const peer = other();
    for (const { begin } of waits) {
      const semid = newSemaphores([0, 1]);
      const taking = begin(peer, semid, op(0, -1));
      await taking.asleep();
      sys.semctl(semid, 0, SETVAL, 3);
      expect(await taking.outcome).toEqual({ value: undefined });
      const passing = begin(peer, semid, op(1, 0));
      await passing.asleep();
      sys.semctl(semid, 0, SETALL, [9, 0]);
      expect(await passing.outcome).toEqual({ value: undefined });
      expect(valuesOf(semid)).toEqual([9, 0]);
    }
  });

  it('fail with EIDRM where the set is removed while they wait, and with EINVAL afterwards', async () => {
    const peer = other();
    for (const { syscall, begin } of waits) {
      const semid = newSemaphores([0]);
      const { outcome, asleep } = begin(peer, semid, op(0, -1));
      await asleep();
      sys.semctl(semid, 0, IPC_RMID);
      expect((await outcome).error).toMatchObject(systemError('EIDRM', syscall));
      expect((await begin(peer, semid, op(0, -1)).outcome).error).toMatchObject(
        systemError('EINVAL', syscall),
      );
    }
  });

  it.each([
    ['of process.on()', other],
    ['without SA_RESTART', sharedPeer(interruptedPeer)],
  ])('fail with EINTR where a signal handler %s runs while they wait', async (what, started) => {
    const semid = newSemaphores([1]);
    const peer = started();
    if (what.startsWith('of')) await peer.call('watch', 'SIGUSR2');
    for (const { syscall, begin } of waits) {
      for (const sop of [op(0, -2), op(0, 0)]) {
        const { outcome, asleep } = begin(peer, semid, sop);
        await asleep();
        peer.signal('SIGUSR2');
        expect((await outcome).error).toMatchObject(systemError('EINTR', syscall));
        expect(waiting(semid)).toEqual([0, 0]);
      }
    }
    expect(valuesOf(semid)).toEqual([1]);
  });

  it('fail with EACCES where the mode grants no change, and for zero where it grants no reading', async () => {
    const [readable, alterable] = [newSemaphores([0], 0o444), newSemaphores([0], 0o222)];
    const peer = denied();
    for (const [, syscall, rest] of forms) {
      const denied = systemError('EACCES', syscall);
      const name = `sys.${syscall}`;
      for (const sop of [op(0, 1), op(0, -1, IPC_NOWAIT)]) {
        expect(await peer.failure(name, readable, [sop], ...rest)).toMatchObject(denied);
      }
      expect(await peer.failure(name, readable, [op(0, 0), op(0, 1)], ...rest)).toMatchObject(denied);
      expect(await peer.failure(name, alterable, [op(0, 0)], ...rest)).toMatchObject(denied);
      await peer.call(name, readable, [op(0, 0)], ...rest);
      await peer.call(name, alterable, [op(0, 1)], ...rest);
    }
    expect(valuesOf(readable)).toEqual([0]);
    expect(valuesOf(alterable)).toEqual([3]);
  });

  it('fail with E2BIG over a lower semopm', ({ skip }) => {
    const reason = semaphoreLimitsAreFixed();
    skip(reason !== undefined, reason);
    const semid = newSemaphores();
    changeSemaphoreLimits({ semopm: 2 });
    sys.semop(semid, [op(0, 1), op(0, 1)]);
    for (const [, syscall, rest] of forms) {
      expect(failure(() => loose(syscall, [semid, [op(0, 1), op(0, 1), op(0, 1)], ...rest]))).toMatchObject(
        systemError('E2BIG', syscall),
      );
    }
    expect(valuesOf(semid)).toEqual([2]);
  });
});

describe('semtimedop', () => {
  it('fails with EAGAIN when the time, which is relative, has run out, and has done nothing', () => {
    const semid = newSemaphores([1, 0]);
    for (const [limit, sops] of [
      [30, [op(0, -2)]],
      [30, [op(0, 0)]],
      [1, [op(0, -1), op(1, -1)]],
    ] as const) {
      const start = performance.now();
      expect(
        failure(() => sys.semtimedop(semid, [...sops], { tv_sec: 0, tv_nsec: limit * 1e6 })),
      ).toMatchObject(systemError('EAGAIN', 'semtimedop'));
      expect(performance.now() - start).toBeGreaterThanOrEqual(limit - 0.5);
    }
    expect(valuesOf(semid)).toEqual([1, 0]);
    expect(waiting(semid)).toEqual([0, 0]);
  });

  it('does not wait with a time of 0, and does what can be done', () => {
    const semid = newSemaphores([1]);
    const none = { tv_sec: 0, tv_nsec: 0 };
    sys.semtimedop(semid, [op(0, -1)], none);
    expect(failure(() => sys.semtimedop(semid, [op(0, -1)], none))).toMatchObject({ code: 'EAGAIN' });
    expect(valuesOf(semid)).toEqual([0]);
  });

  it('takes the longest time there is, and members with other names', () => {
    const semid = newSemaphores([2]);
    sys.semtimedop(semid, [op(0, -1)], { tv_sec: Number.MAX_SAFE_INTEGER, tv_nsec: 999_999_999 });
    loose('semtimedop', [semid, [op(0, -1)], { tv_sec: 1, tv_nsec: 0, tv_usec: 'x' }]);
    expect(valuesOf(semid)).toEqual([0]);
  });

  it.each([
    [{ tv_sec: -1, tv_nsec: 0 }],
    [{ tv_sec: 0, tv_nsec: -1 }],
    [{ tv_sec: 0, tv_nsec: 1_000_000_000 }],
    [{ tv_sec: -Number.MAX_SAFE_INTEGER, tv_nsec: 0 }],
  ])('fails with EINVAL for the time %j, also where nothing has to wait', (limit) => {
    const semid = newSemaphores([1]);
    for (const sop of [op(0, -1), op(0, -2)]) {
      expect(failure(() => sys.semtimedop(semid, [sop], limit))).toMatchObject(
        systemError('EINVAL', 'semtimedop'),
      );
    }
    expect(valuesOf(semid)).toEqual([1]);
  });

  refuses(
    'semtimedop',
    { semid: [], sops: [], timeout: 'timespec' },
    () => [newSemaphores(), [op(0, 1)], long],
    ([semid]) => expect(valuesOf(semid as number)).toEqual([0]),
  );
});

describe('SEM_UNDO', () => {
  it('is done when the process ends, by itself and by SIGKILL, and wakes others', async () => {
    const semid = newSemaphores([3, 0, 5]);
    const [killed, ends] = await Promise.all([nodePeer(), nodePeer()]);
    const waiter = other();
    await killed.call('sys.semop', semid, [op(0, -3, SEM_UNDO), op(1, 4, SEM_UNDO), op(2, -5)]);
    expect(valuesOf(semid)).toEqual([0, 4, 0]);
    const outcome = waiter.outcome('sys.semop', semid, [op(0, -2)]);
    await asleepInSemop(semid, waiter);
    killed.signal('SIGKILL');
    await killed.exited;
    expect(await outcome).toEqual({ value: undefined });
    // What was done without the flag stays done.
    expect(valuesOf(semid)).toEqual([1, 0, 0]);
    await ends.call('sys.semtimedop', semid, [op(0, -1, SEM_UNDO), op(2, 2, SEM_UNDO)], long);
    await ends.call('sys.semop', semid, [op(2, -1, SEM_UNDO)]);
    expect(valuesOf(semid)).toEqual([0, 0, 1]);
    ends.end();
    expect(await ends.exited).toMatchObject({ code: 0 });
    expect(valuesOf(semid)).toEqual([1, 0, 0]);
  });

  it('goes no lower than 0, is forgotten by SETVAL and SETALL, and is never done for what did not happen', async () => {
    const semid = newSemaphores([0, 5, 5, 5]);
    const peer = await nodePeer();
    await peer.call('sys.semop', semid, [op(0, 4, SEM_UNDO)]);
    sys.semop(semid, [op(0, -3)]);
    await peer.call('sys.semop', semid, [op(1, -1, SEM_UNDO)]);
    sys.semctl(semid, 1, SETVAL, 10);
    const failed = [op(2, -1, SEM_UNDO), op(3, -6, SEM_UNDO | IPC_NOWAIT)];
    expect(await peer.failure('sys.semop', semid, failed)).toMatchObject({ code: 'EAGAIN' });
    const set = newSemaphores([1, 1]);
    await peer.call('sys.semop', set, [op(0, -1, SEM_UNDO), op(1, -1, SEM_UNDO)]);
    sys.semctl(set, 0, SETALL, [7, 8]);
    peer.signal('SIGKILL');
    await peer.exited;
    expect(valuesOf(semid)).toEqual([0, 10, 5, 5]);
    expect(valuesOf(set)).toEqual([7, 8]);
  });

  it('of a Worker is not done when the Worker ends, for it is the process that the kernel knows', async () => {
    const semid = newSemaphores([1]);
    const code = `import('unix-ipc/sys').then((sys) =>
      sys.semop(${semid}, [{ sem_num: 0, sem_op: -1, sem_flg: sys.SEM_UNDO }]));`;
    const worker = new Worker(code, { eval: true, execArgv: [] });
    const exit = await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
    expect(exit).toBe(0);
    expect(valuesOf(semid)).toEqual([0]);
  });
});

describe('semctl', () => {
  it('GETVAL and GETALL give values, SETVAL and SETALL set them and give nothing', () => {
    const semid = newSemaphores([0, 0, 0]);
    expect(sys.semctl(semid, 1, SETVAL, 7)).toBeUndefined();
    expect(sys.semctl(semid, 1, GETVAL)).toBe(7);
    expect(sys.semctl(semid, 0, GETALL)).toEqual([0, 7, 0]);
    expect(sys.semctl(semid, 0, SETALL, [SEMVMX, 0, 1])).toBeUndefined();
    expect([0, 1, 2].map((semnum) => sys.semctl(semid, semnum, GETVAL))).toEqual([SEMVMX, 0, 1]);
    sys.semctl(semid, 2, SETVAL, SEMVMX);
    sys.semctl(semid, 0, SETVAL, 0);
    expect(sys.semctl(semid, 0, GETALL)).toEqual([0, 0, SEMVMX]);
  });

  it('GETALL and SETALL do not look at semnum', () => {
    const semid = newSemaphores([1, 2]);
    for (const semnum of [-1, 5, 2 ** 31 - 1]) {
      sys.semctl(semid, semnum, SETALL, [3, 4]);
      expect(sys.semctl(semid, semnum, GETALL)).toEqual([3, 4]);
    }
  });

  it('GETPID gives who changed a semaphore last, by an operation, SETVAL or SETALL', async () => {
    const semid = newSemaphores([0, 0]);
    const pids = (): unknown[] => [0, 1].map((semnum) => sys.semctl(semid, semnum, GETPID));
    expect(pids()).toEqual([0, 0]);
    const peer = other();
    await peer.call('sys.semop', semid, [op(0, 1), op(1, 0)]);
    expect(pids()).toEqual([peer.pid, peer.pid]);
    sys.semctl(semid, 0, SETVAL, 5);
    expect(pids()).toEqual([process.pid, peer.pid]);
    await peer.call('sys.semctl', semid, 0, SETALL, [1, 2]);
    expect(pids()).toEqual([peer.pid, peer.pid]);
  });

  it('GETNCNT and GETZCNT count who waits, one for each process', async () => {
    const semid = newSemaphores([1, 0]);
    const peers = [other(), another()];
    const outcomes = peers.map((peer) => peer.outcome('sys.semop', semid, [op(0, -2)]));
    await Promise.all(peers.map((peer) => asleepInSemop(semid, peer)));
    expect(waiting(semid)).toEqual([2, 0]);
    expect(waiting(semid, 1)).toEqual([0, 0]);
    sys.semop(semid, [op(0, 3)]);
    await Promise.all(outcomes);
    expect(waiting(semid)).toEqual([0, 0]);
    expect(valuesOf(semid)).toEqual([0, 0]);
  });

  it('IPC_STAT describes the set', () => {
    const key = unusedSemaphoreKey();
    const semid = sys.semget(key, 4, IPC_CREAT | 0o640);
    const { key: _, semid: __, perms, nsems, otime, ctime, ...owners } = semaphoreRow(semid) ?? {};
    expect(stat(semid)).toEqual({
      sem_perm: { key, ...owners, mode: parseInt(perms ?? '', 8), seq: expect.any(Number) as number },
      sem_otime: otime,
      sem_ctime: ctime,
      sem_nsems: nsems,
    });
    expect(stat(semid)).toMatchObject({ sem_perm: { uid: process.getuid?.(), mode: 0o640 }, sem_nsems: 4 });
    expect(Math.abs(stat(semid).sem_ctime - Date.now() / 1000)).toBeLessThan(60);
  });

  it('IPC_SET changes what is given and leaves the rest, and gives nothing', ({ skip }) => {
    const semid = newSemaphores([1]);
    const before = stat(semid).sem_perm;
    expect(sys.semctl(semid, 0, IPC_SET, { sem_perm: { mode: 0o644 } })).toBeUndefined();
    expect(stat(semid).sem_perm).toEqual({ ...before, mode: 0o644 });
    for (const nothing of [{}, { sem_perm: {} }]) sys.semctl(semid, 0, IPC_SET, nothing);
    expect(stat(semid).sem_perm).toEqual({ ...before, mode: 0o644 });
    sys.semctl(semid, 0, IPC_SET, { sem_perm: { mode: 0o7777 } });
    expect(stat(semid).sem_perm.mode).toBe(0o777);
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    sys.semctl(semid, 0, IPC_SET, { sem_perm: { uid: nobody } });
    expect(stat(semid).sem_perm).toEqual({ ...before, uid: nobody, mode: 0o777 });
    sys.semctl(semid, 0, IPC_SET, { sem_perm: { gid: nobody, mode: 0o600 } });
    expect(stat(semid).sem_perm).toEqual({ ...before, uid: nobody, gid: nobody });
    expect(semaphoreRow(semid)).toMatchObject({ uid: nobody, gid: nobody, cuid: before.cuid, perms: '600' });
  });

  it('IPC_RMID removes the set, whatever semnum is', () => {
    for (const semnum of [0, 1, -1, 2 ** 31 - 1]) {
      const semid = newSemaphores();
      expect(sys.semctl(semid, semnum, IPC_RMID)).toBeUndefined();
      expect(semaphoreRow(semid)).toBeUndefined();
      expect(failure(() => sys.semctl(semid, 0, IPC_RMID))).toMatchObject(systemError('EINVAL', 'semctl'));
    }
  });

  it('IPC_INFO has the limits, SEM_INFO what is used of them', () => {
    newSemaphores([0, 0, 0]);
    const { semmsl, semmns, semopm, semmni } = semaphoreLimits();
    const limits = { semmsl, semmns, semopm, semmni, semvmx: SEMVMX };
    for (const id of [0, 12_345, 2 ** 31 - 1]) {
      expect(sys.semctl(id, 0, IPC_INFO)).toMatchObject(limits);
    }
    expect(info(IPC_INFO)).toMatchObject({ semaem: SEMVMX, semmap: semmns, semmnu: semmns, semume: semopm });
    const rows = semaphoreRows();
    const used = rows.reduce((sum, { nsems }) => sum + nsems, 0);
    expect(info(SEM_INFO)).toMatchObject({ ...limits, semusz: rows.length, semaem: used });
    for (const cmd of [IPC_INFO, SEM_INFO]) {
      expect(info(cmd).maxid).toBeGreaterThanOrEqual(rows.length - 1);
      expect(Object.keys(info(cmd)).sort()).toEqual(
        [
          ...['maxid', 'semaem', 'semmap', 'semmni', 'semmns', 'semmnu'],
          ...['semmsl', 'semopm', 'semume', 'semusz', 'semvmx'],
        ].sort(),
      );
    }
  });

  it('SEM_STAT and SEM_STAT_ANY describe the set at an index, and have its id', () => {
    const semid = newSemaphores([1, 2], 0o644);
    for (const cmd of [SEM_STAT, SEM_STAT_ANY]) {
      expect(sys.semctl(indexOf(semid), 0, cmd)).toEqual({ ...stat(semid), id: semid });
    }
  });

  it('SEM_STAT and SEM_STAT_ANY fail with EINVAL at an index that has no set', () => {
    const semid = newSemaphores();
    const index = indexOf(semid);
    sys.semctl(semid, 0, IPC_RMID);
    for (const cmd of [SEM_STAT, SEM_STAT_ANY]) {
      for (const none of [index, 30_000, -1]) {
        expect(failure(() => sys.semctl(none, 0, cmd))).toMatchObject(systemError('EINVAL', 'semctl'));
      }
    }
  });

  const good: [string, number, unknown[]][] = [
    ['GETVAL', GETVAL, []],
    ['SETVAL', SETVAL, [1]],
    ['GETPID', GETPID, []],
    ['GETNCNT', GETNCNT, []],
    ['GETZCNT', GETZCNT, []],
    ['GETALL', GETALL, []],
    ['SETALL', SETALL, [[1]]],
    ['IPC_STAT', IPC_STAT, []],
    ['IPC_SET', IPC_SET, [{ sem_perm: { mode: 0o600 } }]],
    ['IPC_RMID', IPC_RMID, []],
  ];

  it.each(good)('%s fails with EINVAL for an id that is no set', (_name, cmd, rest) => {
    for (const semid of noSets()) {
      expect(failure(() => loose('semctl', [semid, 0, cmd, ...rest]))).toMatchObject(
        systemError('EINVAL', 'semctl'),
      );
    }
  });

  it.each(good.slice(0, 5))(
    '%s fails with EINVAL for a semaphore that the set has not',
    (_name, cmd, rest) => {
      const semid = newSemaphores([3, 3]);
      for (const semnum of [2, 65_536, 2 ** 31 - 1, -1, -(2 ** 31)]) {
        expect(failure(() => loose('semctl', [semid, semnum, cmd, ...rest]))).toMatchObject(
          systemError('EINVAL', 'semctl'),
        );
      }
      expect(valuesOf(semid)).toEqual([3, 3]);
    },
  );

  it.each([-1, 99, 2 ** 31 - 1, -(2 ** 31), 4, 10, 21])('fails with EINVAL for the command %d', (cmd) => {
    const semid = newSemaphores();
    expect(failure(() => sys.semctl(semid, 0, cmd))).toMatchObject(systemError('EINVAL', 'semctl'));
  });

  it.each([-1, SEMVMX + 1, 65_535, 65_536, 2 ** 31 - 1, -(2 ** 31)])(
    'SETVAL fails with ERANGE for the value %d, and changes nothing',
    (value) => {
      const semid = newSemaphores([3]);
      expect(failure(() => sys.semctl(semid, 0, SETVAL, value))).toMatchObject(
        systemError('ERANGE', 'semctl'),
      );
      expect(valuesOf(semid)).toEqual([3]);
    },
  );

  it('SETALL fails with ERANGE for a value over SEMVMX, and changes nothing', () => {
    const semid = newSemaphores([3, 4]);
    for (const values of [
      [1, SEMVMX + 1],
      [65_535, 1],
    ]) {
      expect(failure(() => sys.semctl(semid, 0, SETALL, values))).toMatchObject(
        systemError('ERANGE', 'semctl'),
      );
    }
    expect(valuesOf(semid)).toEqual([3, 4]);
  });

  it.each([
    ['reads', [GETVAL, GETALL, GETPID, GETNCNT, GETZCNT, IPC_STAT], [], 0o622],
    ['sets', [SETVAL], [1], 0o644],
    ['sets all', [SETALL], [[1]], 0o644],
  ])(
    'fails with EACCES where the mode does not let others do what %s',
    async (_what, commands, rest, mode) => {
      const semid = newSemaphores([0], mode & ~0o600);
      const peer = denied();
      for (const cmd of commands) {
        expect(await peer.failure('sys.semctl', semid, 0, cmd, ...rest)).toMatchObject(
          systemError('EACCES', 'semctl'),
        );
      }
      expect(valuesOf(semid)).toEqual([0]);
    },
  );

  it('SEM_STAT fails with EACCES for a set that may not be read, SEM_STAT_ANY does not', async () => {
    const semid = newSemaphores([0, 0], 0o222);
    const index = indexOf(semid);
    const peer = denied();
    expect(await peer.failure('sys.semctl', index, 0, SEM_STAT)).toMatchObject(
      systemError('EACCES', 'semctl'),
    );
    expect(await peer.call('sys.semctl', index, 0, SEM_STAT_ANY)).toEqual({ ...stat(semid), id: semid });
  });

  it('needs no right to read for SETALL, nor for IPC_SET of what is given', async () => {
    const key = unusedSemaphoreKey();
    const peer = denied();
    const semid = (await peer.call('sys.semget', key, 2, IPC_CREAT | 0o200)) as number;
    expect(await peer.failure('sys.semctl', semid, 0, GETALL)).toMatchObject({ code: 'EACCES' });
    await peer.call('sys.semctl', semid, 0, SETALL, [1, 2]);
    await peer.call('sys.semctl', semid, 1, SETVAL, 3);
    expect(valuesOf(semid)).toEqual([1, 3]);
    const { sem_perm } = stat(semid);
    await peer.call('sys.semctl', semid, 0, IPC_SET, { sem_perm: { mode: 0o004 } });
    expect(stat(semid).sem_perm).toEqual({ ...sem_perm, mode: 0o004 });
    await peer.call('sys.semctl', semid, 0, IPC_SET, { sem_perm: { mode: 0o600 } });
    expect(await peer.call('sys.semctl', semid, 0, GETALL)).toEqual([1, 3]);
  });

  it('IPC_SET and IPC_RMID fail with EPERM for a set of another user', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const semid = newSemaphores([0], 0o666);
    const peer = await otherUser();
    const changes = { sem_perm: { mode: 0o600 } };
    for (const args of [[IPC_SET, changes], [IPC_SET, { sem_perm: { uid: nobody } }], [IPC_RMID]]) {
      expect(await peer.failure('sys.semctl', semid, 0, ...args)).toMatchObject(
        systemError('EPERM', 'semctl'),
      );
    }
    expect(semaphoreRow(semid)).toMatchObject({ perms: '666' });
    // Who owns it now may do both, and so may who made it.
    sys.semctl(semid, 0, IPC_SET, { sem_perm: { uid: nobody } });
    await peer.call('sys.semctl', semid, 0, IPC_SET, { sem_perm: { mode: 0o640 } });
    await peer.call('sys.semctl', semid, 0, IPC_RMID);
    expect(semaphoreRow(semid)).toBeUndefined();
  });

  it('IPC_SET fails with EINVAL for a user or group that there can not be', () => {
    const semid = newSemaphores();
    for (const member of ['uid', 'gid']) {
      const changes = { sem_perm: { [member]: 2 ** 32 - 1 } };
      expect(failure(() => sys.semctl(semid, 0, IPC_SET, changes))).toMatchObject(
        systemError('EINVAL', 'semctl'),
      );
    }
  });

  it('sets the time of the change', () => {
    const semid = newSemaphores();
    const start = Math.floor(Date.now() / 1000) - 1;
    for (const call of [
      () => sys.semctl(semid, 0, SETVAL, 1),
      () => sys.semctl(semid, 0, SETALL, [2]),
      () => sys.semctl(semid, 0, IPC_SET, {}),
    ]) {
      call();
      expect(stat(semid).sem_ctime).toBeGreaterThanOrEqual(start);
    }
    expect(stat(semid).sem_otime).toBe(0);
  });

  it('does not care for an argument that its command does not take', () => {
    const semid = newSemaphores([4]);
    for (const arg of [undefined, null, 'x', {}, Symbol('x'), 1n]) {
      expect(loose('semctl', [semid, 0, GETVAL, arg])).toBe(4);
      expect(loose('semctl', [semid, 0, GETALL, arg])).toEqual([4]);
      expect(loose('semctl', [semid, 0, IPC_STAT, arg])).toMatchObject({ sem_nsems: 1 });
    }
  });

  refuses('semctl', { semid: 'int', semnum: 'int', cmd: 'int' }, () => [newSemaphores([5]), 0, GETVAL]);

  const unharmed = ([semid]: unknown[]): void => {
    expect(valuesOf(semid as number)).toEqual([5, 6]);
    expect(semaphoreRow(semid as number)).toMatchObject({ uid: process.getuid?.(), perms: '600' });
  };
  const args = (cmd: number, list: Wrong[]): void => {
    it.each(list)(
      `${cmd === SETVAL ? 'SETVAL' : cmd === SETALL ? 'SETALL' : 'IPC_SET'} refuses %s by %s`,
      (_what, code, arg) => {
        const semid = newSemaphores([5, 6]);
        expect(failure(() => loose('semctl', [semid, 0, cmd, arg]))).toMatchObject(refusal(code));
        unharmed([semid]);
      },
    );
  };
  args(SETVAL, [...wrong('int'), ['undefined', type, undefined]]);
  args(SETALL, [
    ['undefined', type, undefined],
    ...wrong('object'),
    ['an object', type, {}],
    ['an object like an array', type, { length: 2, 0: 1, 1: 1 }],
    ['no value', range, []],
    ['too few values', range, [1]],
    ['too many values', range, [1, 2, 3]],
    ['very many values', range, new Array(100_000).fill(1)],
    ['an array of holes', type, new Array(2)],
    ...[
      ...wrong('short').filter(([what]) => !what.includes('2^15')),
      ...([
        ['-1', range, -1],
        ['2^16', range, 2 ** 16],
      ] satisfies Wrong[]),
    ].map(([what, code, value]): Wrong => [`${what} as a value`, code, [1, value]]),
  ]);
  args(IPC_SET, [
    ['undefined', type, undefined],
    ...wrong('object'),
    ...wrong('object').map(([what, code, value]): Wrong => [
      `${what} as sem_perm`,
      code,
      { sem_perm: value },
    ]),
    ...['uid', 'gid', 'mode'].flatMap((member) =>
      wrong('unsigned').map(([what, code, value]): Wrong => [
        `${what} as ${member}`,
        code,
        { sem_perm: { [member]: value } },
      ]),
    ),
  ]);
});
