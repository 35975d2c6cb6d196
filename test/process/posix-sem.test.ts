// POSIX semaphores between processes: Node peers, a C peer and Python.
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from '../helpers/compile.js';
import type { Failure } from '../helpers/failures.js';
import { type Peer, program, sharedPeer } from '../helpers/peers.js';
import { attach, newSegment } from '../helpers/segments.js';
import {
  type Place,
  asleepOnWord,
  fromNow,
  namedSemaphore,
  output,
  ownHandle,
  semaphoreFile,
  sleepersOnWord,
  sysPeer,
  told,
  unusedSemaphoreName,
} from '../helpers/semaphores.js';
import { scale, until } from '../helpers/until.js';

const { O_CREAT, O_EXCL, SEM_VALUE_MAX } = sys;

const cPeer = (...args: (string | number)[]): Peer => program(compiled('posix-sem-peer'), ...args);
const c = (...args: (string | number)[]): Promise<string> => output(compiled('posix-sem-peer'), ...args);

/** Other processes that make calls for tests, one after the other. */
const peers = [sharedPeer(sysPeer), sharedPeer(sysPeer)] as const;

interface Meeting {
  sem: sys.sem_t;
  place: Place;
  /** How a C peer is told of it. */
  told: string;
  /** Gives it a name in another process. */
  open: (peer: (typeof peers)[0], name: string) => Promise<void>;
}

/** A new semaphore with a name. */
function withName(initial: number): Meeting {
  const { sem, name, place } = namedSemaphore(initial);
  const open: Meeting['open'] = async (peer, as) => {
    await peer().call('keep', as, 'sem_open', name, 0);
  };
  return { sem, place, told: name, open };
}

/** A new semaphore in a segment of its own. */
function inMemory(initial: number): Meeting {
  const shmid = newSegment();
  const place = { of: shmid, offset: 96 };
  const open: Meeting['open'] = async (peer, as) => {
    await peer().call('keep', `memory of ${as}`, 'shmat', shmid);
    await peer().call('keep', as, 'sem_at', `@memory of ${as}`, place.offset);
  };
  return { sem: sys.sem_init(attach(shmid), place.offset, initial), place, told: told(place), open };
}

/** A new segment whose first two words adders count in, attached by them under the name memory. */
async function counter(): Promise<{ words: Int32Array; shmid: number }> {
  const shmid = newSegment();
  for (const peer of peers) await peer().call('keep', 'memory', 'shmat', shmid);
  return { words: new Int32Array(attach(shmid), 0, 2), shmid };
}

describe.each([
  ['with a name', withName],
  ['in memory', inMemory],
])('a semaphore %s', (_what, make) => {
  it('guards a counter that two Node processes add to: nothing is lost', async () => {
    const { sem, open } = make(1);
    const { words } = await counter();
    for (const peer of peers) await open(peer, 'sem');
    const times = 500_000;
    await Promise.all(peers.map((peer) => peer().call('add', 'posix', '@sem', 'memory', 2, times)));
    expect(words[0]).toBe(2 * times);
    expect(sys.sem_getvalue(sem)).toBe(1);
  });

  it('guards a counter that a C program adds to as well: nothing is lost', async () => {
    const { sem, open, told } = make(1);
    const { words, shmid } = await counter();
    for (const peer of peers) await open(peer, 'sem');
    const times = 100_000;
    const adding = cPeer('add', told, shmid, 3, times);
    await Promise.all(peers.map((peer) => peer().call('add', 'posix', '@sem', 'memory', 3, times)));
    expect(await adding.exited).toMatchObject({ code: 0, stderr: '' });
    expect(words[0]).toBe(3 * times);
    expect(sys.sem_getvalue(sem)).toBe(1);
  });

  it('is posted and taken by a C program and by Node, the value the same for both', async () => {
    const { sem, told } = make(3);
    expect(await c('value', told)).toBe('3');
    await c('post', told, 2);
    expect(sys.sem_getvalue(sem)).toBe(5);
    for (let count = 0; count < 4; count++) sys.sem_wait(sem);
    expect(await c('value', told)).toBe('1');
    expect(await c('wait', told, 1)).toBe('taken');
    expect(() => sys.sem_trywait(sem)).toThrow(/EAGAIN/);
  });

  it('lets C programs through that wait, one for each sem_post()', async () => {
    const { sem, place, told } = make(0);
    const waiting = [0, 1, 2].map(() => cPeer('wait', told, 2));
    const asleep = (): number => waiting.reduce((sum, { pid }) => sum + sleepersOnWord(place, pid), 0);
    await until('all wait', () => asleep() === 3);
    for (let count = 0; count < 6; count++) sys.sem_post(sem);
    for (const peer of waiting) {
      expect(await peer.exited).toMatchObject({ code: 0, stdout: 'taken\ntaken\n', stderr: '' });
    }
    expect(sys.sem_getvalue(sem)).toBe(0);
  });

  it('lets sem_wait() and sem_timedwait() through that wait for a C program', async () => {
    const { place, told, open } = make(0);
    const [one, other] = peers;
    for (const peer of peers) await open(peer, 'sem');
    const waits = [
      one().call('sys.sem_wait', '@sem'),
      other().call('sys.sem_timedwait', '@sem', fromNow(1e6)),
    ];
    await Promise.all(peers.map((peer) => asleepOnWord(place, peer())));
    await c('post', told, 2);
    await Promise.all(waits);
    expect(await c('value', told)).toBe('0');
  });

  it('answers sem_timedwait() as it answers C, whatever the time', async () => {
    const { sem, told } = make(0);
    const times = [
      { tv_sec: 0, tv_nsec: 0 },
      { tv_sec: -1, tv_nsec: 0 },
      { tv_sec: 2 ** 33, tv_nsec: -1 },
      { tv_sec: 2 ** 33, tv_nsec: 1_000_000_000 },
      { tv_sec: 0, tv_nsec: 999_999_999 },
    ];
    for (const value of [0, 10]) {
      for (const time of times) {
        const theirs = Number(await c('timed-wait', told, time.tv_sec, time.tv_nsec));
        const ours = errnoOf(() => sys.sem_timedwait(sem, time));
        expect(ours, `${JSON.stringify(time)} where the value is ${value}`).toBe(theirs);
      }
      for (let count = 0; count < 10; count++) sys.sem_post(sem);
    }
  });

  it('wakes one of several waiters of C and of Node at each post, whoever posts', async () => {
    const [work, done] = [make(0), make(0)];
    const { words: stop } = await counter();
    const threads = cPeer('answer', work.told, done.told, 3);
    const answers = [];
    for (const peer of peers) {
      await work.open(peer, 'work');
      await done.open(peer, 'done');
      answers.push(peer().call('answer', 'work', 'done', 'memory'));
    }
    const pids = [threads.pid, ...peers.map((peer) => peer().pid)];
    const asleep = (): number => pids.reduce((sum, pid) => sum + sleepersOnWord(work.place, pid), 0);
    await until('all wait', () => asleep() === 5);
    const rounds = 4_000;
    for (let round = 0; round < rounds; round++) {
      // One, two or all of them at once.
      const posts = [1, 1, 2, 5][round % 4] ?? 1;
      for (let count = 0; count < posts; count++) sys.sem_post(work.sem);
      for (let count = 0; count < posts; count++) sys.sem_timedwait(done.sem, fromNow(10_000 * scale));
    }
    await until('all wait again', () => asleep() === 5);
    expect([work.sem, done.sem].map((sem) => sys.sem_getvalue(sem))).toEqual([0, 0]);
    threads.signal('SIGKILL');
    await threads.exited;
    Atomics.store(stop, 0, 1);
    for (let count = 0; count < 2; count++) sys.sem_post(work.sem);
    const counts = (await Promise.all(answers)) as number[];
    // Otherwise the test has shown nothing.
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });
});

/** What errno says after a call, 0 where it went well. */
function errnoOf(call: () => unknown): number {
  try {
    call();
  } catch (error) {
    return -((error as Failure).errno ?? 0);
  }
  return 0;
}

describe('names', () => {
  it('are refused as the C library refuses them', async () => {
    const unique = unusedSemaphoreName().slice(1);
    const long = (length: number): string => unique + 'n'.repeat(length - unique.length);
    const names = [
      ['/', '', '//', `/${unique}`, unique, `///${unique}`, `/${unique}/x`, `${unique}/x`, `/x/${unique}`],
      [`/${unique}/`, `${unique}//x`],
      [251, 252, 255, 256, 257, 300, 4095, 4096, 5000].map((length) => `/${long(length)}`),
    ].flat();
    const [opener, unlinker] = [cPeer('open'), cPeer('unlink')];
    for (const name of names) {
      let there = false;
      for (const [flags, value] of [
        [0, 0],
        [O_CREAT, 2 ** 31],
        [O_CREAT, 1],
        [O_CREAT, 2 ** 31],
        [0, 0],
        [O_EXCL, 0],
        [O_CREAT | O_EXCL, 2 ** 31],
        [O_CREAT | O_EXCL, 1],
      ] as const) {
        opener.write(`${flags} ${value} ${name}\n`);
        const theirs = Number(await opener.line());
        // What they made has to be made here too.
        if (theirs === 0 && !there) sys.sem_unlink(name);
        there ||= theirs === 0;
        const ours = errnoOf(() => sys.sem_close(sys.sem_open(name, flags, 0o600, value)));
        expect(ours, `${flags} ${value} ${name}`).toBe(theirs);
      }
      for (let time = 0; time < 2; time++) {
        const ours = errnoOf(() => sys.sem_unlink(name));
        if (ours === 0) await c('make', `/${name.replace(/^\/+/, '')}`, 0);
        unlinker.write(`${name}\n`);
        expect(ours, name).toBe(Number(await unlinker.line()));
      }
    }
  });
});

describe('a C program', () => {
  it('makes a semaphore by a name that sem_open() finds, and finds one that sem_open() makes', async () => {
    const theirs = unusedSemaphoreName();
    await c('make', theirs, 41);
    expect(sys.sem_getvalue(ownHandle(sys.sem_open(theirs, 0)))).toBe(41);
    const { name, sem } = namedSemaphore(SEM_VALUE_MAX);
    expect(await c('value', name)).toBe(String(SEM_VALUE_MAX));
    const posting = await cPeer('post', name, 1).exited;
    expect(posting.stderr).toMatch(/sem_post: Value too large/);
    expect(sys.sem_getvalue(sem)).toBe(SEM_VALUE_MAX);
    sys.sem_unlink(name);
    expect((await cPeer('value', name).exited).stderr).toMatch(/sem_open: No such file/);
  });

  it('makes a semaphore in memory that sem_at() finds, and finds one that sem_init() makes', async () => {
    const shmid = newSegment();
    const memory = attach(shmid);
    await c('init', told({ of: shmid, offset: 48 }), 17);
    expect(sys.sem_getvalue(sys.sem_at(memory, 48))).toBe(17);
    sys.sem_init(memory, 160, 18);
    expect(await c('value', told({ of: shmid, offset: 160 }))).toBe('18');
  });

  it('is killed while it waits, and takes nothing with it', async () => {
    const { sem, name, place } = namedSemaphore(0);
    const waiting = cPeer('wait', name, 1);
    await asleepOnWord(place, waiting);
    waiting.signal('SIGKILL');
    await waiting.exited;
    sys.sem_post(sem);
    expect(sys.sem_getvalue(sem)).toBe(1);
    sys.sem_wait(sem);
  });
});

describe('a post', () => {
  // One that finds nobody waiting makes no system call, so it must not miss who is about to wait.
  it.each([
    ['two Node processes, in memory', inMemory, false, 20_000],
    ['two Node processes, by names', withName, false, 5_000],
    ['a Node process and a C program, in memory', inMemory, true, 20_000],
  ])('is never lost between %s: both go on', async (_what, make, withC, rounds) => {
    const [ping, pong] = [make(1), make(0)];
    for (const peer of peers) {
      await ping.open(peer, 'ping');
      await pong.open(peer, 'pong');
    }
    const [one, other] = peers;
    const there = withC
      ? c('ping-pong', pong.told, ping.told, rounds)
      : other().call('pingPong', 'pong', 'ping', rounds);
    await Promise.all([one().call('pingPong', 'ping', 'pong', rounds), there]);
    expect([ping, pong].map(({ sem }) => sys.sem_getvalue(sem))).toEqual([1, 0]);
  });

  it('is not lost where it comes at the moment when the other begins to wait', async () => {
    const { sem, open } = inMemory(0);
    await counter();
    for (const peer of peers) await open(peer, 'sem');
    const [one, other] = peers;
    // On processors that are busy otherwise there is time for few rounds.
    const limit = 1_000 * scale;
    const [waited, posted] = await Promise.all([
      one().call('collide', 'wait', 'sem', 'memory', 20_000, limit),
      other().call('collide', 'post', 'sem', 'memory', 20_000, limit),
    ]);
    expect(waited).toBe(posted);
    expect(waited).toBeGreaterThan(0);
    expect(sys.sem_getvalue(sem)).toBe(0);
  });
});

describe('Python', () => {
  // What multiprocessing.Semaphore is made of, with a name of our own.
  const script = `
import sys
from _multiprocessing import SemLock, sem_unlink
task, name, *rest = sys.argv[1:]
if task == 'make':
    SemLock(1, int(rest[0]), 2**31 - 1, name, False)
    sys.exit()
sem = SemLock._rebuild(0, 1, 2**31 - 1, name)
if task == 'value':
    print(sem._get_value())
elif task == 'post':
    sem.release()
elif task == 'wait':
    print('taken' if sem.acquire(True, float(rest[0]) if rest else None) else 'in vain')
elif task == 'unlink':
    sem_unlink(name)
`;
  const pythonPeer = (...args: (string | number)[]): Peer => program('python3', '-c', script, ...args);
  const python = (...args: (string | number)[]): Promise<string> => output('python3', '-c', script, ...args);

  it('waits for sem_post(), and lets sem_wait() through', async () => {
    const { sem, name, place } = namedSemaphore(0);
    const waiting = pythonPeer('wait', name);
    await asleepOnWord(place, waiting);
    sys.sem_post(sem);
    expect(await waiting.exited).toMatchObject({ code: 0, stdout: 'taken\n', stderr: '' });
    const peer = peers[0]();
    await peer.call('keep', 'sem', 'sem_open', name, 0);
    const taking = peer.call('sys.sem_wait', '@sem');
    await asleepOnWord(place, peer);
    await python('post', name);
    await taking;
    expect(sys.sem_getvalue(sem)).toBe(0);
    expect(await python('wait', name, 0.01)).toBe('in vain');
  });

  it('makes a semaphore that sem_open() finds, and reads and unlinks one that sem_open() made', async () => {
    const name = unusedSemaphoreName();
    await python('make', name, 6);
    const sem = ownHandle(sys.sem_open(name, 0));
    sys.sem_post(sem);
    expect(await python('value', name)).toBe('7');
    await python('unlink', name);
    expect(errnoOf(() => sys.sem_open(name, 0))).toBe(constants.errno.ENOENT);
    expect(semaphoreFile(name)).toContain(name.slice(1));
    expect(sys.sem_getvalue(sem)).toBe(7);
  });
});
