// Futex between processes.
import { describe, expect, it } from 'vitest';
import { type NodePeer } from '../helpers/peers.js';
import {
  type Word,
  handled,
  sharedMemory,
  sharedPeers,
  signalsOf,
  syncPeer,
  watchingPeer,
  word,
} from '../helpers/sync-objects.js';
import { until } from '../helpers/until.js';

/** Processes that tests use one after the other. */
const [watching, one, other] = sharedPeers(watchingPeer, syncPeer, syncPeer);

async function given(peer: NodePeer, of: Word): Promise<NodePeer> {
  await of.open(peer);
  return peer;
}

function asleep(of: Word, pid: number, count = 1): Promise<void> {
  return until(`${count} of ${pid} asleep on the word`, () => of.asleep(pid) === count);
}

describe('two processes', () => {
  it('wake each other out of both variants that wait, and are told of a changed value', async () => {
    const of = word();
    const peer = await given(one(), of);
    for (const [method, ...args] of [
      ['waitSync', 0],
      ['waitSync', 0, { timeout: 60_000 }],
      ['wait', 0],
      ['wait', 0, { timeout: 60_000 }],
    ] as [string, ...unknown[]][]) {
      const waits = peer.call(`futex.${method}`, ...args);
      await asleep(of, peer.pid);
      expect(of.futex.wake()).toBe(1);
      expect(await waits, method).toBe('ok');
    }
    const mine = of.futex.wait(0);
    await asleep(of, process.pid);
    expect(await peer.call('futex.wake', 5)).toBe(1);
    expect(await mine).toBe('ok');
    expect(await peer.call('futex.add', 7)).toBe(0);
    expect(of.futex.value).toBe(7);
    expect(of.futex.exchange(8)).toBe(7);
    expect(await peer.call('futex.compareExchange', 8, 9)).toBe(8);
    expect(await of.futex.wait(8)).toBe('not-equal');
    expect(await peer.call('futex.waitSync', 8)).toBe('not-equal');
  });

  it('count those that wait in all of them', async () => {
    const of = word();
    const peers = [await given(one(), of), await given(other(), of)] as const;
    const waits = peers.flatMap((peer) => [1, 2, 3].map(() => peer.call('futex.wait', 0)));
    waits.push(of.futex.wait(0), of.futex.wait(0));
    for (const peer of peers) await asleep(of, peer.pid, 3);
    await asleep(of, process.pid, 2);
    let woken = 0;
    for (const wait of waits) void wait.then(() => woken++);
    expect(of.futex.wake(1)).toBe(1);
    await until('one is woken', () => woken === 1);
    expect(await peers[0].call('futex.wake', 3)).toBe(3);
    await until('four are woken', () => woken === 4);
    expect(of.futex.wake(Infinity)).toBe(4);
    expect(await Promise.all(waits)).toEqual(Array.from({ length: 8 }, () => 'ok'));
  });

  it('do not count one that was ended while it waited, by SIGKILL or by SIGINT that nobody handles', async () => {
    const of = word();
    const [killed, interrupted] = await Promise.all([syncPeer(), syncPeer()]);
    for (const peer of [killed, interrupted]) await of.open(peer);
    killed.outcome('futex.wait', 0).catch(() => undefined);
    interrupted.outcome('futex.waitSync', 0).catch(() => undefined);
    for (const peer of [killed, interrupted]) await asleep(of, peer.pid);
    killed.signal('SIGKILL');
    await killed.exited;
    interrupted.signal('SIGINT');
    expect((await interrupted.exited).signal).toBe('SIGINT');
    const mine = of.futex.wait(0);
    await asleep(of, process.pid);
    expect(of.futex.wake(Infinity)).toBe(1);
    expect(await mine).toBe('ok');
  });

  it('add to one counter under a lock of it, and nothing is lost', async () => {
    const of = word();
    const counter = sharedMemory();
    const peers = [await given(one(), of), await given(other(), of)];
    const times = 50_000;
    for (const peer of peers) await peer.call('make', 'counter', 'SysvSharedMemory', 'openId', counter.id);
    await Promise.all(peers.map((peer) => peer.call('count', 'Futex', 'futex', 'counter', times)));
    expect(new Int32Array(counter.buffer)[0]).toBe(2 * times);
    expect(of.futex.value).toBe(0);
  });

  it('add to the word itself, and nothing is lost', async () => {
    const of = word();
    const peer = await given(one(), of);
    const others = Array.from({ length: 500 }, () => peer.call('futex.add', 3));
    for (let index = 0; index < 500; index++) {
      of.futex.add(2);
      if (index % 50 === 0) await others[index];
    }
    await Promise.all(others);
    expect(of.futex.value).toBe(2500);
  });
});

describe('a signal handler of process.on()', () => {
  it('makes waitSync() throw EINTR and then runs, and wait() goes on', async () => {
    const of = word();
    const peer = await given(watching(), of);
    const before = await signalsOf(peer);
    for (const [index, options] of [{}, { timeout: 60_000 }].entries()) {
      const failed = peer.failure('futex.waitSync', 0, options);
      await asleep(of, peer.pid);
      peer.signal('SIGUSR2');
      const error = await failed;
      expect(error).toMatchObject({ class: 'IpcError', code: 'EINTR' });
      expect(error.syscall).toMatch(/^futex/);
      await handled(peer, before + index + 1);
    }
    const waits = peer.call('futex.wait', 0);
    await asleep(of, peer.pid);
    peer.signal('SIGUSR2');
    await handled(peer, before + 3);
    await asleep(of, peer.pid);
    expect(of.futex.wake()).toBe(1);
    expect(await waits).toBe('ok');
  });
});

describe('memory that fails', () => {
  it('beneath a word does not end the process, and a wait can be ended', async () => {
    const peer = await syncPeer();
    const of = word();
    await peer.call('make', 'readOnly', 'SysvSharedMemory', 'openId', of.memory.id, { readOnly: true });
    await peer.outcome('make', 'readOnlyFutex', 'Futex', 'at', '@readOnly', 128);
    const readOnly = peer.outcome('readOnlyFutex.wait', 0, { timeout: 20 });
    for (const [method, ...args] of [
      ['value'],
      ['tryWait', 0],
      ['add', 1],
      ['exchange', 1],
      ['compareExchange', 0, 1],
      ['wake'],
      ['waitSync', 0, { timeout: 1 }],
    ] as [string, ...unknown[]][])
      await peer.outcome(`readOnlyFutex.${method}`, ...args);
    await readOnly;
    expect(of.futex.value).toBe(0);
    await peer.call('make', 'memfd', 'Memfd', 'create', { size: 4096 });
    const fd = await peer.call('memfd.fd');
    await peer.call('make', 'cut', 'Futex', 'at', '@memfd', 0);
    const waits = peer.outcome('cut.wait', 0);
    await peer.call('sys.ftruncate', fd, 0);
    for (const [method, ...args] of [
      ['wake', 1],
      ['wait', 0, { timeout: 5 }],
      ['waitSync', 0, { timeout: 1 }],
      ['tryWait', 0],
      ['add', 1],
      ['value'],
    ] as [string, ...unknown[]][])
      await peer.outcome(`cut.${method}`, ...args);
    await peer.call('memfd.close');
    await waits;
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
  });
});
