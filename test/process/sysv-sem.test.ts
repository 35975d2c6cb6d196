// System V semaphores between processes: Node peers, a C peer, Perl and util-linux.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from '../helpers/compile.js';
import { systemError } from '../helpers/failures.js';
import { type Peer, fixture, nodePeer, program, sharedPeer } from '../helpers/peers.js';
import { attach, newSegment } from '../helpers/segments.js';
import {
  asleepInSemop,
  newSemaphores,
  output,
  ownSemaphores,
  semaphoreLimits,
  semaphoreRow,
  sysPeer,
  unusedSemaphoreKey,
  valuesOf,
} from '../helpers/semaphores.js';

const { GETPID, GETVAL, IPC_CREAT, IPC_EXCL, IPC_NOWAIT, IPC_RMID, SEM_UNDO, SETVAL } = sys;

const op = (sem_num: number, sem_op: number, sem_flg = 0): sys.sembuf => ({ sem_num, sem_op, sem_flg });
const hex = (key: number): string => `0x${(key >>> 0).toString(16).padStart(8, '0')}`;
const cPeer = (...args: (string | number)[]): Peer => program(compiled('sysv-sem-peer'), ...args);
const c = (...args: (string | number)[]): Promise<string> => output(compiled('sysv-sem-peer'), ...args);
const perlPeer = (...args: (string | number)[]): Peer =>
  program('perl', fixture('sysv-sem-peer.pl'), ...args);
const perl = (...args: (string | number)[]): Promise<string> =>
  output('perl', fixture('sysv-sem-peer.pl'), ...args);

/** Other processes that make calls for tests, one after the other. */
const peers = [sharedPeer(sysPeer), sharedPeer(sysPeer)] as const;

/** A new segment that adders count in, attached by them under the name memory. */
async function counter(): Promise<{ words: Int32Array; shmid: number }> {
  const shmid = newSegment();
  for (const peer of peers) await peer().call('keep', 'memory', 'shmat', shmid);
  return { words: new Int32Array(attach(shmid), 0, 2), shmid };
}

describe('two Node processes', () => {
  it('find the same set by its key, and one made of a path', async () => {
    const [peer] = peers;
    for (const key of [unusedSemaphoreKey(), sys.ftok(fixture('sys-peer.js'), 's')]) {
      const semid = ownSemaphores(sys.semget(key, 2, IPC_CREAT | IPC_EXCL | 0o600));
      expect(await peer().call('sys.semget', key, 2, 0)).toBe(semid);
      await peer().call('sys.semop', semid, [op(1, 4)]);
      expect(valuesOf(semid)).toEqual([0, 4]);
      expect(sys.semctl(semid, 1, GETPID)).toBe(peer().pid);
    }
  });

  it('wake each other, over and over', async () => {
    const semid = newSemaphores([0, 0]);
    const [one, other] = peers;
    for (let round = 0; round < 20; round++) {
      const waits = [
        one().call('sys.semop', semid, [op(0, -1), op(1, 1)]),
        other().call('sys.semtimedop', semid, [op(1, -1)], { tv_sec: 100, tv_nsec: 0 }),
      ];
      await Promise.all(peers.map((peer) => asleepInSemop(semid, peer())));
      sys.semop(semid, [op(0, 1)]);
      await Promise.all(waits);
    }
    expect(valuesOf(semid)).toEqual([0, 0]);
  });

  it.each([
    ['semop()', 'sysv', 25_000],
    ['semop() with SEM_UNDO', 'undo', 10_000],
  ])('add to one counter under %s and lose nothing', async (_what, kind, times) => {
    const semid = newSemaphores([1]);
    const { words } = await counter();
    await Promise.all(peers.map((peer) => peer().call('add', kind, semid, 'memory', 2, times)));
    expect(words[0]).toBe(2 * times);
    expect(valuesOf(semid)).toEqual([1]);
  });

  it('leave the set and its values when they end, and take back what is to be undone', async () => {
    const key = unusedSemaphoreKey();
    const peer = await nodePeer();
    const semid = (await peer.call('sys.semget', key, 2, IPC_CREAT | 0o600)) as number;
    await peer.call('sys.semop', semid, [op(0, 3), op(1, 5, SEM_UNDO)]);
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
    expect(sys.semget(key, 2, 0)).toBe(semid);
    expect(valuesOf(semid)).toEqual([3, 0]);
  });
});

describe('a C program', () => {
  it('makes a set by a key that semget() finds, and finds one that semget() makes', async () => {
    const theirs = unusedSemaphoreKey();
    const semid = Number(await c('make', theirs, 3));
    expect(sys.semget(theirs, 3, 0)).toBe(semid);
    expect(valuesOf(semid)).toEqual([0, 0, 0]);
    const ours = unusedSemaphoreKey();
    const made = sys.semget(ours, 1, IPC_CREAT | 0o600);
    expect(await c('find', ours)).toBe(String(made));
  });

  it('reads what SETALL and semop() set, and sets what GETVAL reads', async () => {
    const semid = newSemaphores([1, 32_767, 0]);
    sys.semop(semid, [op(2, 5)]);
    expect(await c('values', semid)).toBe('1 32767 5');
    await c('set', semid, 1, 12);
    expect(sys.semctl(semid, 1, GETVAL)).toBe(12);
    await c('op', semid, 0, 7);
    expect(valuesOf(semid)).toEqual([8, 12, 5]);
  });

  it('wakes semop(), and is woken by it and by SETVAL', async () => {
    const semid = newSemaphores([0, 1]);
    const peer = peers[0]();
    const taking = peer.call('sys.semop', semid, [op(0, -2)]);
    await asleepInSemop(semid, peer);
    await c('op', semid, 0, 2);
    await taking;
    const waiting = cPeer('op', semid, 0, -1);
    await asleepInSemop(semid, waiting);
    sys.semop(semid, [op(0, 1)]);
    expect(await waiting.exited).toMatchObject({ code: 0, stdout: 'done\n' });
    const forZero = cPeer('op', semid, 1, 0);
    await asleepInSemop(semid, forZero);
    sys.semctl(semid, 1, SETVAL, 0);
    expect(await forZero.exited).toMatchObject({ code: 0, stdout: 'done\n' });
  });

  it.each(['ends', 'is killed'])('that %s gives back what it holds with SEM_UNDO to semop()', async (how) => {
    const semid = newSemaphores([1]);
    const holder = cPeer('hold', semid, 0, -1);
    expect(await holder.line()).toBe('held');
    const peer = peers[0]();
    const taking = peer.call('sys.semop', semid, [op(0, -1)]);
    await asleepInSemop(semid, peer);
    if (how === 'ends') holder.end();
    else holder.signal('SIGKILL');
    await taking;
    expect(valuesOf(semid)).toEqual([0]);
    await holder.exited;
  });

  it('is given back what a Node process holds with SEM_UNDO, which is killed', async () => {
    const semid = newSemaphores([1]);
    const holder = await nodePeer();
    await holder.call('sys.semop', semid, [op(0, -1, SEM_UNDO)]);
    const waiting = cPeer('op', semid, 0, -1);
    await asleepInSemop(semid, waiting);
    holder.signal('SIGKILL');
    expect(await waiting.exited).toMatchObject({ code: 0, stdout: 'done\n' });
  });

  it('gets EIDRM where the set is removed, and gives it', async () => {
    const semid = newSemaphores([0]);
    const waiting = cPeer('op', semid, 0, -1);
    await asleepInSemop(semid, waiting);
    sys.semctl(semid, 0, IPC_RMID);
    expect(await waiting.exited).toMatchObject({ code: 1, stderr: 'semop: Identifier removed\n' });
  });

  it('adds to one counter beside Node processes, and nothing is lost', async () => {
    const semid = newSemaphores([1]);
    const { words, shmid } = await counter();
    const times = 10_000;
    const adding = cPeer('add', semid, shmid, 3, times);
    await Promise.all(peers.map((peer) => peer().call('add', 'sysv', semid, 'memory', 3, times)));
    expect(await adding.exited).toMatchObject({ code: 0, stderr: '' });
    expect(words[0]).toBe(3 * times);
  });
});

describe('Perl', () => {
  it('operates and reads by its built-in calls', async () => {
    const semid = newSemaphores([2, 0, 7]);
    expect(await perl('semop', semid, 0, -2, IPC_NOWAIT)).toBe('done');
    expect(await perl('semctl', semid)).toBe('0 0 7');
    const waiting = perlPeer('semop', semid, 1, -3, 0);
    await asleepInSemop(semid, waiting);
    sys.semop(semid, [op(1, 4)]);
    expect(await waiting.exited).toMatchObject({ code: 0, stdout: 'done\n' });
    expect(valuesOf(semid)).toEqual([0, 1, 7]);
  });

  it('makes, sets, reads and removes a set by IPC::Semaphore', async () => {
    const key = unusedSemaphoreKey();
    const semid = Number(await perl('make', key, 3));
    expect(sys.semget(key, 3, 0)).toBe(semid);
    expect(valuesOf(semid)).toEqual([1, 2, 3]);
    sys.semop(semid, [op(0, -1), op(2, 6)]);
    expect(await perl('values', key)).toBe('0 2 9');
    await perl('set', key, 1, 40);
    expect(sys.semctl(semid, 1, GETVAL)).toBe(40);
    expect(await perl('stat', key)).toBe(`3 ${process.getuid?.() ?? ''} 600`);
    const peer = peers[0]();
    const removed = peer.failure('sys.semop', semid, [op(0, -1)]);
    await asleepInSemop(semid, peer);
    expect(await perl('waiting', key, 0)).toBe(`1 0 ${process.pid}`);
    await perl('remove', key);
    expect(await removed).toMatchObject(systemError('EIDRM', 'semop'));
  });

  it('wakes semop() by an operation of IPC::Semaphore, which is undone when it ends', async () => {
    const key = unusedSemaphoreKey();
    const semid = sys.semget(key, 1, IPC_CREAT | 0o600);
    const perl = perlPeer('op', key, 0, 5);
    expect(await perl.line()).toBe('done');
    await peers[0]().call('sys.semop', semid, [op(0, -2)]);
    expect(valuesOf(semid)).toEqual([3]);
    perl.end();
    expect(await perl.exited).toMatchObject({ code: 0, stderr: '' });
    expect(valuesOf(semid)).toEqual([0]);
  });
});

describe('util-linux', () => {
  it('ipcmk makes a set that semop() uses', async () => {
    const text = await output('ipcmk', '--semaphore', '3', '--mode', '0640');
    const semid = ownSemaphores(Number(/\d+$/.exec(text)?.[0]));
    expect(semaphoreRow(semid)).toMatchObject({ nsems: 3, perms: '640' });
    sys.semop(semid, [op(2, 1)]);
    expect(valuesOf(semid)).toEqual([0, 0, 1]);
  });

  it('ipcs lists a set of semget() and what is in it', async () => {
    const key = unusedSemaphoreKey();
    const semid = sys.semget(key, 2, IPC_CREAT | 0o640);
    const peer = peers[0]();
    await peer.call('sys.semop', semid, [op(1, 6)]);
    const line = (await output('ipcs', '--semaphores')).split('\n').find((row) => row.startsWith(hex(key)));
    const [, id, , mode, count] = line?.split(/\s+/) ?? [];
    expect([id, mode, count]).toEqual([String(semid), '640', '2']);
    const waiting = peer.call('sys.semop', semid, [op(1, -7)]);
    await asleepInSemop(semid, peer);
    const rows = (await output('ipcs', '--semaphores', '--id', semid)).split('\n');
    // semnum, value, ncount, zcount, pid
    const cells = rows.slice(-2).map((row) => row.trim().split(/\s+/).map(Number));
    expect(cells).toEqual([
      [0, 0, 0, 0, 0],
      [1, 6, 1, 0, peer.pid],
    ]);
    sys.semop(semid, [op(1, 1)]);
    await waiting;
  });

  it('ipcs has the limits that IPC_INFO has', async () => {
    const { semmni, semmsl, semmns, semopm, semvmx } = sys.semctl(0, 0, sys.IPC_INFO) as sys.seminfo;
    const text = await output('ipcs', '--semaphores', '--limits');
    const numbers = [...text.matchAll(/= (\d+)$/gm)].map(([, number]) => Number(number));
    expect(numbers).toEqual([semmni, semmsl, semmns, semopm, semvmx]);
    expect({ semmni, semmsl, semmns, semopm }).toEqual(semaphoreLimits());
  });

  it('ipcrm ends waits with EIDRM, by id and by key', async () => {
    const key = unusedSemaphoreKey();
    const peer = peers[0]();
    for (const option of ['--semaphore-id', '--semaphore-key']) {
      const semid = sys.semget(key, 1, IPC_CREAT | IPC_EXCL | 0o600);
      const removed = peer.failure('sys.semop', semid, [op(0, -1)]);
      await asleepInSemop(semid, peer);
      await output('ipcrm', option, option === '--semaphore-id' ? semid : key);
      expect(await removed).toMatchObject(systemError('EIDRM', 'semop'));
      expect(semaphoreRow(semid)).toBeUndefined();
    }
  });

  it('ipcs shows no set that a removed one left', async () => {
    const key = unusedSemaphoreKey();
    const semid = sys.semget(key, 1, IPC_CREAT | 0o600);
    sys.semctl(semid, 0, IPC_RMID);
    expect(await output('ipcs', '--semaphores')).not.toContain(hex(key));
    expect(readFileSync('/proc/sysvipc/sem', 'utf8')).not.toContain(String(key));
  });
});
