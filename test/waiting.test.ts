// The engine's rules, seen through SysvMessageQueue: time limits, aborts, close and removal during a wait, threads.
import { getEventListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { IPC_PRIVATE, IpcError, SysvMessageQueue, waitThreads } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { compiled } from './helpers/compile.js';
import { failure, rejection, systemError } from './helpers/failures.js';
import { asleepIn, queueRow, threadCount } from './helpers/kernel.js';
import { type NodePeer, noSecondUser, nodePeer, otherUser, program, unprivileged } from './helpers/peers.js';
import { borrow, drain, fill, own, privateId, privateQueue } from './helpers/queues.js';
import { scale, stateOf, turns, until } from './helpers/until.js';

function fullQueue(): SysvMessageQueue {
  const queue = privateQueue();
  fill(queue.id);
  return queue;
}

/** Waits until this process has that many threads asleep on the queue. */
function asleep(queue: { id: number }, count = 1, call: 'msgrcv' | 'msgsnd' = 'msgrcv'): Promise<void> {
  return until(`${count} asleep in ${call}`, () => asleepIn(call, queue.id) === count);
}

function text(message: { data: Buffer }): string {
  return message.data.toString();
}

/** Waits until the peer's handler has run: its event loop may have other things to do first. */
async function handled(peer: NodePeer): Promise<void> {
  let signals: unknown;
  do signals = await peer.call('signals');
  while (Array.isArray(signals) && signals.length === 0);
  expect(signals).toEqual(['SIGUSR2']);
}

type Wait = (
  queue: SysvMessageQueue,
  options?: { signal?: AbortSignal; timeout?: number },
) => Promise<unknown>;

const receivers: [string, Wait][] = [
  ['receive()', (queue, options) => queue.receive(options)],
  ['receive() of a type', (queue, options) => queue.receive({ type: 5, ...options })],
  ['receiveMany()', (queue, options) => queue.receiveMany(10, options)],
  // It may throw at once what it would reject with: to a for await that is the same.
  ['messages()', async (queue, options) => queue.messages(options).next()],
];
const waits: [string, () => SysvMessageQueue, Wait, 'msgrcv' | 'msgsnd'][] = [
  ...receivers.map(([name, wait]): [string, () => SysvMessageQueue, Wait, 'msgrcv'] => [
    name,
    privateQueue,
    wait,
    'msgrcv',
  ]),
  ['send()', fullQueue, (queue, options) => queue.send('x', options), 'msgsnd'],
];

describe('time limits', () => {
  const limits: [string, () => SysvMessageQueue, (queue: SysvMessageQueue, timeout: number) => unknown][] = [
    ['receiveSync()', privateQueue, (queue, timeout) => queue.receiveSync({ timeout })],
    ['receiveManySync()', privateQueue, (queue, timeout) => queue.receiveManySync(5, { timeout })],
    ['sendSync()', fullQueue, (queue, timeout) => queue.sendSync('x', { timeout })],
    ['receive()', privateQueue, (queue, timeout) => queue.receive({ timeout })],
    ['receiveMany()', privateQueue, (queue, timeout) => queue.receiveMany(5, { timeout })],
    ['messages()', privateQueue, (queue, timeout) => queue.messages({ timeout }).next()],
    ['send()', fullQueue, (queue, timeout) => queue.send('x', { timeout })],
  ];

  it.each(limits)('of %s are never early and kept within 20 ms', async (_name, open, call) => {
    const queue = open();
    const late: number[] = [];
    for (const timeout of [1, 2, 5, 10, 20, 33, 50, 10, 5]) {
      const start = performance.now();
      const error = await rejection(Promise.resolve().then(() => call(queue, timeout)));
      const took = performance.now() - start;
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ETIMEDOUT', id: queue.id });
      expect(took).toBeGreaterThanOrEqual(timeout);
      late.push(took - timeout);
    }
    late.sort((a, b) => a - b);
    expect(late[Math.floor(late.length / 2)]).toBeLessThan(20 * scale);
  });

  it('of fractions of a millisecond are not early', () => {
    const queue = privateQueue();
    for (const timeout of [0.5, 1.5, 3.25]) {
      const start = performance.now();
      expect(failure(() => queue.receiveSync({ timeout })).code).toBe('ETIMEDOUT');
      expect(performance.now() - start).toBeGreaterThanOrEqual(timeout);
    }
  });

  it('of 0 take what is there and wait for nothing', async () => {
    const queue = privateQueue();
    queue.sendSync('a', { timeout: 0 });
    await queue.send('b', { timeout: 0 });
    expect(text(queue.receiveSync({ timeout: 0 }))).toBe('a');
    expect(text(await queue.receive({ timeout: 0 }))).toBe('b');
    expect(failure(() => queue.receiveSync({ timeout: 0 })).code).toBe('ETIMEDOUT');
    expect((await rejection(queue.receive({ timeout: 0 }))).code).toBe('ETIMEDOUT');
  });

  it('do nothing where the message comes in time', async () => {
    const queue = privateQueue();
    const received = queue.receive({ timeout: 5_000 });
    await asleep(queue);
    queue.sendSync('in time');
    expect(text(await received)).toBe('in time');
  });

  it('of one wait leave the others on the same thread alone', async () => {
    const queue = privateQueue();
    const patient = queue.receive();
    const hasty = rejection(queue.receive({ timeout: 20 }));
    const last = queue.receive();
    expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
    queue.sendSync('first');
    queue.sendSync('second');
    expect([text(await patient), text(await last)]).toEqual(['first', 'second']);
  });

  it('of the wait in front let those behind go on', async () => {
    const queue = privateQueue();
    const hasty = rejection(queue.receive({ timeout: 20 }));
    const patient = queue.receive();
    expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
    queue.sendSync('for the patient');
    expect(text(await patient)).toBe('for the patient');
  });

  it('hold with spin too', async () => {
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { spin: 200 }));
    for (const timeout of [0, 1, 10]) {
      const start = performance.now();
      expect(failure(() => queue.receiveSync({ timeout })).code).toBe('ETIMEDOUT');
      expect((await rejection(queue.receive({ timeout }))).code).toBe('ETIMEDOUT');
      expect(performance.now() - start).toBeGreaterThanOrEqual(2 * timeout);
    }
  });
});

describe('an abort', () => {
  it.each(waits)('before %s rejects with the reason and makes no call', async (_name, open, wait) => {
    const queue = open();
    const reason = new Error('not today');
    const before = queueRow(queue.id);
    expect(await rejection(wait(queue, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    queue.tryReceive();
    queue.sendSync('stays', { type: 5 });
    const now = queueRow(queue.id)?.qnum;
    expect(await rejection(wait(queue, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(queueRow(queue.id)?.qnum).toBe(now);
    expect(before?.msqid).toBe(queue.id);
  });

  it.each(waits)('during %s rejects with the reason', async (_name, open, wait, call) => {
    const queue = open();
    const controller = new AbortController();
    const reason = { any: 'value' };
    const ended = wait(queue, { signal: controller.signal }).then(
      () => 'fulfilled',
      (error: unknown) => error,
    );
    await asleep(queue, 1, call);
    controller.abort(reason);
    expect(await ended).toBe(reason);
    await asleep(queue, 0, call);
  });

  it.each(receivers)('during %s leaves a message that comes later to others', async (_name, wait) => {
    const queue = privateQueue();
    for (let round = 0; round < 20; round++) {
      const controller = new AbortController();
      const ended = rejection(wait(queue, { signal: controller.signal }));
      if (round % 2 === 0) await asleep(queue);
      controller.abort();
      expect((await ended).name).toBe('AbortError');
      queue.sendSync(`message ${round}`, { type: 5 });
      expect(queue.tryReceive()?.data.toString()).toBe(`message ${round}`);
    }
  });

  it('during send() sends nothing', async () => {
    const queue = fullQueue();
    const controller = new AbortController();
    const ended = rejection(queue.send('never', { type: 2, signal: controller.signal }));
    await asleep(queue, 1, 'msgsnd');
    controller.abort();
    await ended;
    expect(drain(queue.id)).not.toContain('never');
  });

  it.each(waits)(
    'after %s changes nothing, and no listener stays on the signal',
    async (_name, open, wait) => {
      const queue = open();
      const controller = new AbortController();
      const ended = wait(queue, { signal: controller.signal });
      await turns();
      drain(queue.id);
      if (open === privateQueue) queue.sendSync('there', { type: 5 });
      await ended;
      await until('the listener is gone', () => getEventListeners(controller.signal, 'abort').length === 0);
      controller.abort();
      await turns();
      expect(await stateOf(ended)).toBe('fulfilled');
    },
  );

  it('of one wait leaves the others of the same signal-less thread waiting', async () => {
    const queue = privateQueue();
    const controllers = Array.from({ length: 5 }, () => new AbortController());
    const results = controllers.map(({ signal }) =>
      queue.receive({ signal }).then(text, (error: unknown) => (error as Error).name),
    );
    await asleep(queue);
    for (const index of [0, 2]) controllers[index]?.abort();
    expect(await results[0]).toBe('AbortError');
    expect(await results[2]).toBe('AbortError');
    for (const data of ['a', 'b', 'c']) queue.sendSync(data);
    expect(await Promise.all(results)).toEqual(['AbortError', 'a', 'AbortError', 'b', 'c']);
  });

  it('of a signal shared by many waits ends them all', async () => {
    const queues = Array.from({ length: 10 }, privateQueue);
    const controller = new AbortController();
    const ended = queues.flatMap((queue) => [
      rejection(queue.receive({ signal: controller.signal })),
      rejection(queue.receive({ type: 2, signal: controller.signal })),
    ]);
    for (const queue of queues) await asleep(queue, 2);
    controller.abort();
    for (const error of await Promise.all(ended)) expect(error.name).toBe('AbortError');
    for (const queue of queues) await asleep(queue, 0);
  });

  it('of AbortSignal.timeout() rejects with its TimeoutError', async () => {
    expect((await rejection(privateQueue().receive({ signal: AbortSignal.timeout(10) }))).name).toBe(
      'TimeoutError',
    );
  });

  it('ends for await by throwing the reason', async () => {
    const queue = privateQueue();
    queue.sendSync('one');
    const controller = new AbortController();
    const reason = new Error('enough');
    const received: string[] = [];
    const looped = (async () => {
      for await (const message of queue.messages({ signal: controller.signal })) received.push(text(message));
    })();
    const ended = rejection(looped);
    await asleep(queue);
    controller.abort(reason);
    expect(await ended).toBe(reason);
    expect(received).toEqual(['one']);
  });
});

describe('close()', () => {
  it.each(waits.filter(([name]) => name !== 'messages()'))(
    'during %s rejects it with ECANCELED',
    async (_name, open, wait, call) => {
      const queue = open();
      const ended = rejection(wait(queue));
      await asleep(queue, 1, call);
      queue.close();
      const error = await ended;
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject(systemError('ECANCELED', call));
      await asleep(queue, 0, call);
    },
  );

  it('rejects every wait of the object, also those that only queue for a thread', async () => {
    const queue = privateQueue();
    const ended = Array.from({ length: 10 }, (_, index) => rejection(queue.receive({ type: index % 3 })));
    await asleep(queue, 3);
    queue.close();
    for (const error of await Promise.all(ended)) expect(error).toMatchObject({ code: 'ECANCELED' });
  });

  it('leaves the waits of another object of the same queue alone', async () => {
    const queue = privateQueue();
    const other = borrow(SysvMessageQueue.openId(queue.id));
    const ended = rejection(queue.receive());
    const received = other.receive();
    await asleep(queue);
    queue.close();
    expect(await ended).toMatchObject({ code: 'ECANCELED' });
    other.sendSync('for the other');
    expect(text(await received)).toBe('for the other');
  });

  it('ends for await that waits, without an error', async () => {
    const queue = privateQueue();
    queue.sendSync('one');
    const received: string[] = [];
    const looped = (async () => {
      for await (const message of queue) received.push(text(message));
      return 'ended';
    })();
    await asleep(queue);
    queue.close();
    expect(await looped).toBe('ended');
    expect(received).toEqual(['one']);
  });

  it('in the body ends for await, without an error, and leaves the rest', async () => {
    const queue = privateQueue();
    for (const data of ['a', 'b', 'c']) queue.sendSync(data);
    const received: string[] = [];
    for await (const message of queue) {
      received.push(text(message));
      queue.close();
    }
    expect(received).toEqual(['a']);
    expect(drain(queue.id)).toEqual(['b', 'c']);
  });

  it('loses no message that comes at the same time', async () => {
    const owner = privateQueue();
    for (let round = 0; round < 50; round++) {
      const queue = borrow(SysvMessageQueue.openId(owner.id));
      const received = queue.receive().then(text, () => undefined);
      if (round % 2 === 0) await asleep(queue);
      owner.sendSync(`message ${round}`);
      queue.close();
      const taken = await received;
      expect([taken, ...drain(owner.id)].filter((data) => data !== undefined)).toEqual([`message ${round}`]);
    }
  });
});

describe('return() of an iterator', () => {
  it('during next() ends it, and a message that comes later stays in the queue', async () => {
    const queue = privateQueue();
    const iterator = queue.messages();
    const next = iterator.next();
    await asleep(queue);
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await next).toEqual({ done: true, value: undefined });
    await asleep(queue, 0);
    queue.sendSync('stays');
    expect(drain(queue.id)).toEqual(['stays']);
  });
});

describe('removal of the queue', () => {
  it.each(waits)(
    'during %s rejects it with EIDRM, and the text says why',
    async (_name, open, wait, call) => {
      const queue = open();
      const ended = rejection(wait(queue));
      await asleep(queue, 1, call);
      sys.msgctl(queue.id, sys.IPC_RMID);
      const error = await ended;
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('EIDRM', call), id: queue.id });
      expect(error.message).toMatch(/removed/);
    },
  );

  it('rejects every wait with EIDRM, also those that share a thread', async () => {
    const queue = privateQueue();
    const ended = Array.from({ length: 6 }, () => rejection(queue.receive()));
    await asleep(queue);
    sys.msgctl(queue.id, sys.IPC_RMID);
    for (const error of await Promise.all(ended)) expect(error).toMatchObject({ code: 'EIDRM' });
  });

  it('by remove() of the object itself ends its waits with EIDRM', async () => {
    const queue = privateQueue();
    const ended = rejection(queue.receive());
    await asleep(queue);
    queue.remove();
    expect(await ended).toMatchObject({ code: 'EIDRM' });
  });

  it.each([
    ['receiveSync()', 'queue.receiveSync', [], 'msgrcv', false],
    ['receiveSync() with a time limit', 'queue.receiveSync', [{ timeout: 60_000 }], 'msgrcv', false],
    ['receiveManySync()', 'queue.receiveManySync', [5], 'msgrcv', false],
    ['sendSync()', 'queue.sendSync', ['x'], 'msgsnd', true],
    ['sendSync() with a time limit', 'queue.sendSync', ['x', { timeout: 60_000 }], 'msgsnd', true],
  ] as const)('during %s throws EIDRM', async (_name, method, args, call, full) => {
    const msqid = privateId();
    if (full) fill(msqid);
    const peer = await nodePeer();
    await peer.call('openId', msqid);
    const failed = peer.failure(method, ...args);
    await until(`the peer waits in ${call}`, () => asleepIn(call, msqid, peer.pid) === 1);
    sys.msgctl(msqid, sys.IPC_RMID);
    const error = await failed;
    expect(error).toMatchObject({ class: 'IpcError', ...systemError('EIDRM', call), id: msqid });
    expect(error.message).toMatch(/removed/);
  });
});

describe('permission that IPC_SET takes away', () => {
  it.each(['queue.receiveSync', 'queue.receive'])('during %s gives EACCES', async (method) => {
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { mode: 0o666 }));
    const peer = await unprivileged();
    await peer.call('openId', queue.id);
    const failed = peer.failure(method);
    await until('the peer waits', () => asleepIn('msgrcv', queue.id, peer.pid) === 1);
    queue.set({ mode: 0o000 });
    expect(await failed).toMatchObject({
      class: 'IpcError',
      ...systemError('EACCES', 'msgrcv'),
      id: queue.id,
    });
  });

  it("ends the waits of another user's process, and the owner's go on", async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { mode: 0o666 }));
    const peer = await otherUser();
    await peer.call('openId', queue.id);
    const failed = peer.failure('queue.receive');
    await until('the peer waits', () => asleepIn('msgrcv', queue.id, peer.pid) === 1);
    const received = queue.receive();
    await asleep(queue);
    queue.set({ mode: 0o600 });
    expect(await failed).toMatchObject({ code: 'EACCES' });
    queue.sendSync('for the owner');
    expect(text(await received)).toBe('for the owner');
  });
});

describe('a signal handler', () => {
  it.each([
    ['receiveSync()', 'queue.receiveSync', [], 'msgrcv', false],
    ['receiveSync() with a time limit', 'queue.receiveSync', [{ timeout: 60_000 }], 'msgrcv', false],
    ['receiveManySync()', 'queue.receiveManySync', [5], 'msgrcv', false],
    ['sendSync()', 'queue.sendSync', ['x'], 'msgsnd', true],
    ['sendSync() with a time limit', 'queue.sendSync', ['x', { timeout: 60_000 }], 'msgsnd', true],
  ] as const)(
    'that runs during %s makes it throw EINTR, and then runs',
    async (_name, method, args, call, full) => {
      const msqid = privateId();
      if (full) fill(msqid);
      const peer = await nodePeer();
      await peer.call('openId', msqid);
      await peer.call('watch', 'SIGUSR2');
      const failed = peer.failure(method, ...args);
      await until(`the peer waits in ${call}`, () => asleepIn(call, msqid, peer.pid) === 1);
      peer.signal('SIGUSR2');
      expect(await failed).toMatchObject({ class: 'IpcError', ...systemError('EINTR', call), id: msqid });
      await handled(peer);
    },
  );

  it('that runs during receive() runs at once, and the wait goes on', async () => {
    const queue = privateQueue();
    const peer = await nodePeer();
    await peer.call('openId', queue.id);
    await peer.call('watch', 'SIGUSR2');
    const received = peer.call('queue.receive');
    await until('the peer waits', () => asleepIn('msgrcv', queue.id, peer.pid) === 1);
    peer.signal('SIGUSR2');
    await handled(peer);
    expect(asleepIn('msgrcv', queue.id, peer.pid)).toBe(1);
    queue.sendSync('after the signal');
    expect(await received).toEqual({ type: 1, data: Buffer.from('after the signal') });
  });

  it('of none: Ctrl-C ends a program that waits in receiveSync()', async () => {
    const msqid = privateId();
    const peer = await nodePeer();
    await peer.call('openId', msqid);
    const ended = rejection(peer.call('queue.receiveSync'));
    await until('the peer waits', () => asleepIn('msgrcv', msqid, peer.pid) === 1);
    peer.signal('SIGINT');
    await ended;
    expect((await peer.exited).signal).toBe('SIGINT');
  });
});

describe('a full queue', () => {
  it('makes trySend() false', () => {
    expect(fullQueue().trySend('x')).toBe(false);
  });

  it('makes sendSync() with a time limit throw ETIMEDOUT, and nothing is sent', () => {
    const queue = fullQueue();
    const before = queueRow(queue.id)?.qnum;
    const error = failure(() => queue.sendSync('x', { timeout: 10 }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ETIMEDOUT', 'msgsnd'), id: queue.id });
    expect(queueRow(queue.id)?.qnum).toBe(before);
  });

  it('makes send() wait until there is room', async () => {
    const queue = fullQueue();
    const sent = queue.send('went through', { type: 2 });
    await asleep(queue, 1, 'msgsnd');
    expect(await stateOf(sent)).toBe('pending');
    drain(queue.id, 9);
    await sent;
    expect(text(queue.receiveSync({ type: 2, timeout: 1000 }))).toBe('went through');
  });

  it('makes sendSync() wait until there is room', async () => {
    const queue = fullQueue();
    const peer = await nodePeer();
    await peer.call('openId', queue.id);
    const sent = peer.call('queue.sendSync', 'went through', { type: 2, timeout: 60_000 });
    await until('the peer waits', () => asleepIn('msgsnd', queue.id, peer.pid) === 1);
    drain(queue.id, 9);
    await sent;
    expect(text(queue.receiveSync({ type: 2, timeout: 1000 }))).toBe('went through');
  });

  it('lets sends through in the order of the calls, per type', async () => {
    const queue = fullQueue();
    const sent = Array.from({ length: 40 }, (_, index) => queue.send(`${index}`, { type: 1 + (index % 2) }));
    await until('sends wait', () => asleepIn('msgsnd', queue.id) > 0);
    drain(queue.id, 9);
    await Promise.all(sent);
    const numbers = (type: number): number[] => drain(queue.id, type).map(Number);
    expect(numbers(1)).toEqual(Array.from({ length: 20 }, (_, index) => 2 * index));
    expect(numbers(2)).toEqual(Array.from({ length: 20 }, (_, index) => 2 * index + 1));
  });

  it('does not let a later send() of the type overtake one that waits', async () => {
    const queue = fullQueue();
    const long = queue.send(Buffer.alloc(4000, 'l'), { type: 2 });
    await asleep(queue, 1, 'msgsnd');
    const short = queue.send('', { type: 2 });
    await turns();
    drain(queue.id, 9);
    await Promise.all([long, short]);
    expect(drain(queue.id, 2).map((data) => data.length)).toEqual([4000, 0]);
  });

  it('lets send() through where the limit is raised', async () => {
    const queue = privateQueue();
    queue.set({ maxBytes: 100 });
    queue.sendSync(Buffer.alloc(100));
    const sent = queue.send('more');
    await asleep(queue, 1, 'msgsnd');
    queue.set({ maxBytes: 200 });
    await sent;
    expect(queue.stat().messages).toBe(2);
  });
});

describe('waits of one process', () => {
  it('get the messages in the order of the calls', async () => {
    const queue = privateQueue();
    const received = Array.from({ length: 20 }, () => queue.receive().then(text));
    await asleep(queue);
    const expected = Array.from({ length: 20 }, (_, index) => `message ${index}`);
    for (const data of expected) queue.sendSync(data);
    expect(await Promise.all(received)).toEqual(expected);
  });

  it('are not overtaken by a call that is made when the message has just come', async () => {
    const queue = privateQueue();
    for (let round = 0; round < 20; round++) {
      const first = queue.receive().then(text);
      const second = queue.receive().then(text);
      await asleep(queue);
      queue.sendSync('a');
      queue.sendSync('b');
      const third = queue.receive().then(text);
      const many = queue.receiveMany(5).then((messages) => messages.map(text));
      await Promise.all([first, second]);
      queue.sendSync('c');
      await third;
      queue.sendSync('d');
      expect(await Promise.all([first, second, third, many])).toEqual(['a', 'b', 'c', ['d']]);
    }
  });

  it('get the messages of their types', async () => {
    const queue = privateQueue();
    const received = [3, 1, 2, 1, 3].map((type) => queue.receive({ type }).then(text));
    await asleep(queue, 3);
    for (const [type, data] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
      [3, 'd'],
      [1, 'e'],
    ] as const) {
      queue.sendSync(data, { type });
    }
    expect(await Promise.all(received)).toEqual(['c', 'a', 'b', 'e', 'd']);
  });

  it('on one queue and type share one thread, and others have their own', async () => {
    const queue = privateQueue();
    const other = privateQueue();
    const before = waitThreads.running;
    const received = Array.from({ length: 10 }, () => queue.receive());
    await asleep(queue, 1);
    expect(waitThreads.running - before).toBe(1);
    received.push(queue.receive({ type: 2 }), queue.receive({ type: 2 }));
    await asleep(queue, 2);
    expect(waitThreads.running - before).toBe(2);
    received.push(other.receive());
    await asleep(other, 1);
    expect(waitThreads.running - before).toBe(3);
    expect(asleepIn('msgrcv', queue.id)).toBe(2);
    const ended = Promise.allSettled(received);
    queue.close();
    other.close();
    await ended;
    await until('the threads are done', () => waitThreads.running === before);
  });

  it('are no thread each: threads are used again', async () => {
    const queue = privateQueue();
    const waitOnce = async (): Promise<void> => {
      const received = queue.receive();
      await asleep(queue);
      queue.sendSync('x');
      await received;
    };
    await waitOnce();
    const before = threadCount();
    for (let round = 0; round < 20; round++) await waitOnce();
    expect(threadCount()).toBeLessThanOrEqual(before + 1);
  });

  it('take no thread where the message is there already', async () => {
    const queue = privateQueue();
    queue.sendSync('a');
    const before = waitThreads.running;
    const received = queue.receive();
    expect(waitThreads.running).toBe(before);
    expect(text(await received)).toBe('a');
  });

  it("leave libuv's pool to the file system", async () => {
    const queues = Array.from({ length: 16 }, privateQueue);
    const ended = Promise.allSettled(queues.map((queue) => queue.receive()));
    for (const queue of queues) await asleep(queue);
    await Promise.all(Array.from({ length: 20 }, () => readFile(new URL(import.meta.url))));
    for (const queue of queues) {
      expect(asleepIn('msgrcv', queue.id)).toBe(1);
      queue.close();
    }
    await ended;
  });
});

describe('waitThreads.limit', () => {
  async function limitTo(limit: number): Promise<void> {
    await until('no wait of another test is left', () => waitThreads.running === 0);
    const before = waitThreads.limit;
    onTestFinished(() => {
      waitThreads.limit = before;
    });
    waitThreads.limit = limit;
  }

  it('is 1024 unless it is set', () => {
    expect(waitThreads.limit).toBe(1024);
  });

  it('makes a wait too many reject with ERR_TOO_MANY_WAITS, and the next is possible when one ends', async () => {
    const queue = privateQueue();
    await limitTo(3);
    const controllers = [1, 2, 3].map(() => new AbortController());
    const ended = controllers.map(({ signal }, index) =>
      rejection(queue.receive({ type: index + 1, signal })),
    );
    await asleep(queue, 3);
    const error = await rejection(queue.receive({ type: 4 }));
    expect(error).toMatchObject({ code: 'ERR_TOO_MANY_WAITS' });
    expect(error.message).toContain(String(waitThreads.limit));
    const shared = queue.receive({ type: 2 });
    expect(await stateOf(shared)).toBe('pending');
    controllers[0]?.abort();
    await ended[0];
    await until('its thread is done', () => asleepIn('msgrcv', queue.id) === 2);
    const next = queue.receive({ type: 4 });
    await asleep(queue, 3);
    queue.sendSync('again', { type: 4 });
    expect(text(await next)).toBe('again');
    controllers[1]?.abort();
    controllers[2]?.abort();
    await Promise.all(ended);
    queue.sendSync('for the shared one', { type: 2 });
    expect(text(await shared)).toBe('for the shared one');
  });

  it('does not hold for what needs no wait', async () => {
    const queue = privateQueue();
    await limitTo(1);
    const ended = rejection(queue.receive({ type: 1 }));
    await asleep(queue);
    await queue.send('there', { type: 2 });
    expect(text(await queue.receive({ type: 2 }))).toBe('there');
    queue.close();
    await ended;
  });

  it.each([
    [0.5, 'ERR_OUT_OF_RANGE'],
    [-1, 'ERR_OUT_OF_RANGE'],
    [NaN, 'ERR_OUT_OF_RANGE'],
    ['5', 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %s', (value, code) => {
    const before = waitThreads.limit;
    const error = failure(() => {
      Reflect.set(waitThreads, 'limit', value);
    });
    expect(error).toMatchObject({ code });
    expect(waitThreads.limit).toBe(before);
  });
});

describe('the event loop', () => {
  it('goes on while for await has more messages than it can take', async () => {
    const queue = privateQueue();
    const flood = program(compiled('sysv-msg-peer'), 'flood', queue.id);
    expect(await flood.line()).toBe('flooding');
    let fired = 0;
    const timer = setInterval(() => fired++, 1);
    const start = performance.now();
    let count = 0;
    for await (const { data } of queue) {
      expect(data.length).toBe(1);
      count++;
      if (fired >= 5) break;
      if (performance.now() - start > 5_000 * scale) break;
    }
    clearInterval(timer);
    expect(fired, `timers fired among ${count} messages`).toBeGreaterThanOrEqual(5);
  });

  it('goes on while receive() is awaited in a loop that never has to wait', async () => {
    const queue = privateQueue();
    const flood = program(compiled('sysv-msg-peer'), 'flood', queue.id);
    expect(await flood.line()).toBe('flooding');
    const timer = new AbortController();
    setTimeout(() => timer.abort(), 1);
    const start = performance.now();
    while (!timer.signal.aborted && performance.now() - start < 5_000 * scale) await queue.receive();
    expect(timer.signal.aborted).toBe(true);
  });
});

describe('spin', () => {
  it('takes messages as without it, in all variants', async () => {
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { spin: 100 }));
    const echo = program(compiled('sysv-msg-peer'), 'echo', queue.id, 40);
    for (let round = 0; round < 20; round++) {
      queue.sendSync(`sync ${round}`);
      expect(text(queue.receiveSync({ type: 2, timeout: 5_000 * scale }))).toBe(`sync ${round}`);
      await queue.send(`promise ${round}`);
      expect(text(await queue.receive({ type: 2 }))).toBe(`promise ${round}`);
    }
    expect((await echo.exited).code).toBe(0);
  });

  it('does not put off EIDRM and EINTR', async () => {
    const msqid = privateId();
    const peer = await nodePeer();
    await peer.call('openId', msqid, { spin: 1000 });
    await peer.call('watch', 'SIGUSR2');
    const interrupted = peer.failure('queue.receiveSync');
    await until('the peer waits', () => asleepIn('msgrcv', msqid, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await interrupted).toMatchObject({ code: 'EINTR' });
    const removed = peer.failure('queue.receiveSync');
    await until('the peer waits', () => asleepIn('msgrcv', msqid, peer.pid) === 1);
    sys.msgctl(msqid, sys.IPC_RMID);
    expect(await removed).toMatchObject({ code: 'EIDRM' });
  });
});

describe("the caller's own code within a call", () => {
  const full = (encode: () => string): SysvMessageQueue<string> => {
    const codec = { encode, decode: (data: Buffer) => data.toString() };
    return borrow(SysvMessageQueue.openId(fullQueue().id, { codec }));
  };

  it('that aborts its signal while it encodes makes send() reject', async () => {
    const controller = new AbortController();
    const queue = full(() => {
      controller.abort(new Error('stopped by the codec'));
      return 'x';
    });
    expect((await rejection(queue.send('', { signal: controller.signal }))).message).toBe(
      'stopped by the codec',
    );
  });

  it('that closes the queue while it encodes makes send() reject', async () => {
    const queue = full(() => {
      queue.close();
      return 'x';
    });
    expect(await rejection(queue.send(''))).toMatchObject({ code: 'ERR_INVALID_STATE' });
  });

  it('that closes the queue while its options are read makes receive() reject', async () => {
    const queue = privateQueue();
    const options = {
      get timeout(): undefined {
        queue.close();
        return undefined;
      },
    };
    expect(await rejection(queue.receive(options))).toMatchObject({ code: 'ERR_INVALID_STATE' });
  });

  it('that throws in the signal itself leaves no wait behind, and no message lost', async () => {
    const queue = privateQueue();
    const { signal } = new AbortController();
    signal.addEventListener = () => {
      throw new Error('no listeners here');
    };
    expect((await rejection(queue.receive({ signal }))).message).toBe('no listeners here');
    queue.sendSync('still there');
    expect(text(queue.receiveSync({ timeout: 1000 }))).toBe('still there');
  });

  it('that waits anew while a batch is settled gets answers of its own', async () => {
    const queue = borrow(SysvMessageQueue.openId(privateQueue().id, { codec: 'utf8' }));
    const inner: Promise<unknown>[] = [];
    const decoding = borrow(
      SysvMessageQueue.openId(queue.id, {
        codec: {
          encode: (value: string) => value,
          decode: (data: Buffer) => {
            if (inner.length < 10) inner.push(queue.receive({ type: 2 }));
            return data.toString();
          },
        },
      }),
    );
    const outer = Array.from({ length: 10 }, () => decoding.receive({ type: 1 }));
    await asleep(decoding);
    for (let index = 0; index < 10; index++) queue.sendSync(`outer ${index}`, { type: 1 });
    expect((await Promise.all(outer)).map(({ data }) => data)).toEqual(
      Array.from({ length: 10 }, (_, index) => `outer ${index}`),
    );
    for (let index = 0; index < 10; index++) queue.sendSync(`inner ${index}`, { type: 2 });
    expect(await Promise.all(inner)).toEqual(
      Array.from({ length: 10 }, (_, index) => ({ type: 2, data: `inner ${index}` })),
    );
  });
});

describe('the memory of messages', () => {
  it('is aligned for every typed array, in a batch too', async () => {
    const queue = privateQueue();
    const waiting = Array.from({ length: 20 }, () => queue.receive());
    await asleep(queue);
    for (let length = 1; length <= 20; length++) queue.sendSync(Buffer.alloc(length));
    for (const { data } of await Promise.all(waiting)) expect(data.byteOffset % 8).toBe(0);
  });

  it('is not emptied when the buffer of another message is transferred', async () => {
    const queue = privateQueue();
    const waiting = Array.from({ length: 3 }, () => queue.receive());
    await asleep(queue);
    for (let index = 0; index < 3; index++) queue.sendSync(Buffer.alloc(5000, index));
    const [first, ...others] = await Promise.all(waiting);
    try {
      structuredClone(first?.data.buffer, { transfer: [first?.data.buffer as ArrayBuffer] });
    } catch {
      // Refused, which is what keeps the others whole.
    }
    expect(others.map(({ data }) => data.length)).toEqual([5000, 5000]);
  });
});
