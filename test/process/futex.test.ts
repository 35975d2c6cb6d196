// Futexes between processes: Node peers, a C peer that makes the system call itself, and Python, which does so too.
import { arch } from 'node:os';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from '../helpers/compile.js';
import { mapped, newObject, unusedMemoryName } from '../helpers/mappings.js';
import { type Peer, program, sharedPeer } from '../helpers/peers.js';
import { attach, newSegment } from '../helpers/segments.js';
import { type Place, asleepOnWord, output, sleepersOnWord, sysPeer, told } from '../helpers/semaphores.js';
import { until } from '../helpers/until.js';

const all = 2 ** 31 - 1;
const cPeer = (...args: (string | number)[]): Peer => program(compiled('futex-peer'), ...args);
const c = (...args: (string | number)[]): Promise<string> => output(compiled('futex-peer'), ...args);

/** Other processes that make calls for tests, one after the other. */
const peers = [sharedPeer(sysPeer), sharedPeer(sysPeer)] as const;

/** A new segment, attached here and by both peers, who call it memory. */
async function shared(): Promise<{ memory: ArrayBuffer; at: (offset: number) => Place }> {
  const shmid = newSegment();
  for (const peer of peers) await peer().call('keep', 'memory', 'shmat', shmid);
  return { memory: attach(shmid), at: (offset) => ({ of: shmid, offset }) };
}

describe('two Node processes', () => {
  it('wake each other through a segment, through a view of it too', async () => {
    const { memory, at } = await shared();
    const [one, other] = peers;
    for (let round = 0; round < 20; round++) {
      const waits = [
        one().call('sys.futex_wait', '@memory', 64, 0),
        other().call('sys.futex_wait', '@memory', 64, 0, { tv_sec: 1000, tv_nsec: 0 }),
      ];
      await Promise.all(peers.map((peer) => asleepOnWord(at(64), peer())));
      expect(sys.futex_wake(new DataView(memory, 60), 4, all)).toBe(2);
      await Promise.all(waits);
    }
  });

  it('wake each other through an object with a name, wherever each has mapped it', async () => {
    const name = unusedMemoryName();
    const memory = mapped(newObject({ name, size: 3 * 4096 }), 3 * 4096);
    const [peer] = peers;
    await peer().call('keep', 'fd', 'shm_open', name, sys.O_RDWR);
    const args = [sys.PROT_READ | sys.PROT_WRITE, sys.MAP_SHARED, '@fd', 4096];
    await peer().call('keep', 'mapping', 'mmap', null, 2 * 4096, ...args);
    await peer().call('sys.close', '@fd');
    const woken = peer().call('sys.futex_wait', '@mapping', 4096 + 8, 0);
    await asleepOnWord({ of: `/dev/shm${name}`, offset: 2 * 4096 + 8 }, peer());
    expect(sys.futex_wake(memory, 4096 + 8, all)).toBe(0);
    expect(sys.futex_wake(memory, 2 * 4096 + 8, all)).toBe(1);
    await woken;
    await peer().call('sys.munmap', '@mapping');
  });

  it('add to one counter under a mutex made of a futex: nothing is lost', async () => {
    const { memory } = await shared();
    for (const peer of peers) await peer().call('view', 'mutex', 'Int32Array', 'memory', 128, 1);
    const times = 500_000;
    await Promise.all(peers.map((peer) => peer().call('add', 'futex', '@mutex', 'memory', 2, times)));
    expect([...new Int32Array(memory, 0, 2)]).toEqual([2 * times, 2]);
    expect(new Int32Array(memory, 128, 1)[0]).toBe(0);
  });
});

describe('a C program', () => {
  it('is woken by futex_wake(), as many of its threads as told', async () => {
    const { memory, at } = await shared();
    const sleepers = cPeer('sleepers', told(at(64)), 0, 5);
    await until('all wait', () => sleepersOnWord(at(64), sleepers.pid) === 5);
    expect(sys.futex_wake(memory, 64, 3)).toBe(3);
    await until('two are left', () => sleepersOnWord(at(64), sleepers.pid) === 2);
    expect(sys.futex_wake(memory, 64, all)).toBe(2);
    expect(await sleepers.exited).toMatchObject({ code: 0, stdout: '0\n'.repeat(5) });
  });

  it('wakes futex_wait(), and counts who waits with its own', async () => {
    const { at } = await shared();
    const sleepers = cPeer('sleepers', told(at(192)), 0, 2);
    await until('its threads wait', () => sleepersOnWord(at(192), sleepers.pid) === 2);
    const waits = peers.map((peer) => peer().call('sys.futex_wait', '@memory', 192, 0));
    await Promise.all(peers.map((peer) => asleepOnWord(at(192), peer())));
    expect(await c('wake', told(at(192)), all)).toBe('4');
    await Promise.all(waits);
    expect(await c('wake', told(at(192)), all)).toBe('0');
    expect(await sleepers.exited).toMatchObject({ code: 0 });
  });

  it.each([
    [0, 1],
    [-1, 1],
    [1, 1],
    [2, 2],
    [all, 3],
  ])('and futex_wake() wake as many where the count is %d', async (count, woken) => {
    const { memory, at } = await shared();
    for (const wake of [
      () => Promise.resolve(sys.futex_wake(memory, 64, count)),
      async () => Number(await c('wake', told(at(64)), count)),
    ]) {
      const sleepers = cPeer('sleepers', told(at(64)), 0, 3);
      await until('all wait', () => sleepersOnWord(at(64), sleepers.pid) === 3);
      expect(await wake()).toBe(woken);
      sys.futex_wake(memory, 64, all);
      await sleepers.exited;
    }
  });

  it('and a Node process go on for 10,000 rounds: no wake-up is lost', async () => {
    const { memory, at } = await shared();
    const [peer] = peers;
    await peer().call('view', 'ping', 'Int32Array', 'memory', 256, 1);
    await peer().call('view', 'pong', 'Int32Array', 'memory', 320, 1);
    const rounds = 10_000;
    const there = c('ping-pong', told(at(320)), told(at(256)), rounds);
    new Int32Array(memory, 256, 1)[0] = 1;
    sys.futex_wake(memory, 256, 1);
    // Who gets the number of the round gives it back; the C program begins the next.
    await Promise.all([peer().call('wordPingPong', 'ping', 'pong', rounds), there]);
    expect(new Int32Array(memory, 256, 1)[0]).toBe(rounds + 1);
    expect(new Int32Array(memory, 320, 1)[0]).toBe(rounds);
  });

  it('adds to one counter beside Node processes under a mutex made of a futex: nothing is lost', async () => {
    const { memory, at } = await shared();
    for (const peer of peers) await peer().call('view', 'mutex', 'Int32Array', 'memory', 128, 1);
    const times = 200_000;
    const adding = c('add', told(at(128)), told(at(0)), 3, times);
    await Promise.all(peers.map((peer) => peer().call('add', 'futex', '@mutex', 'memory', 3, times)));
    await adding;
    expect([...new Int32Array(memory, 0, 2)]).toEqual([3 * times, 3]);
  });
});

describe('Python', () => {
  const script = `
import ctypes, mmap, os, sys
task, name, call, *rest = sys.argv[1:]
fd = os.open('/dev/shm' + name, os.O_RDWR)
memory = mmap.mmap(fd, 4096)
libc = ctypes.CDLL(None, use_errno=True)
word = ctypes.addressof(ctypes.c_uint32.from_buffer(memory, 100 * 4))
# FUTEX_WAIT is 0, FUTEX_WAKE 1.
print(libc.syscall(int(call), ctypes.c_void_p(word), 0 if task == 'wait' else 1, int(rest[0]), None))
`;

  it('waits for futex_wake(), and wakes futex_wait()', async ({ skip }) => {
    const call = { x64: 202, arm64: 98 }[arch()];
    if (call === undefined) {
      skip(true, `the number of futex(2) on ${arch()} is not known here`);
      return;
    }
    const name = unusedMemoryName();
    const memory = mapped(newObject({ name }));
    const place = { of: `/dev/shm${name}`, offset: 400 };
    const waiting = program('python3', '-c', script, 'wait', name, call, 0);
    await asleepOnWord(place, waiting);
    expect(sys.futex_wake(memory, 400, all)).toBe(1);
    expect(await waiting.exited).toMatchObject({ code: 0, stdout: '0\n', stderr: '' });
    const peer = peers[0]();
    await peer.call('keep', 'fd', 'shm_open', name, sys.O_RDWR);
    const args = [sys.PROT_READ | sys.PROT_WRITE, sys.MAP_SHARED, '@fd'];
    await peer.call('keep', 'mapping', 'mmap', null, 4096, ...args);
    await peer.call('sys.close', '@fd');
    const woken = peer.call('sys.futex_wait', '@mapping', 400, 0);
    await asleepOnWord(place, peer);
    expect(await output('python3', '-c', script, 'wake', name, call, 5)).toBe('1');
    await woken;
  });
});
