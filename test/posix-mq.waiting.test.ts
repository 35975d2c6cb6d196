// PosixMessageQueue: time limits, aborts, close and full queues during a wait, the order of waits, no threads.
import { getEventListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { IpcError, PosixMessageQueue, waitThreads } from 'unix-ipc';
import { compiled } from './helpers/compile.js';
import { type Failure, failure, rejection } from './helpers/failures.js';
import { threadCount } from './helpers/kernel.js';
import { program } from './helpers/peers.js';
import {
  type PosixMessage,
  again,
  closing,
  descriptorsOf,
  drain,
  fullQueue,
  isBlocked,
  messagesIn,
  newQueue,
  queuePeer,
  small,
  unusedName,
} from './helpers/posix-queues.js';
import { scale, stateOf, turns, until } from './helpers/until.js';

/** A blocking call as a promise, so that all variants can be tested by one text. */
function promised<T>(call: () => T): Promise<T> {
  return Promise.resolve().then(call);
}

function text(message: { data: Buffer }): string {
  return message.data.toString();
}

function texts(messages: Iterable<{ data: unknown }>): string[] {
  return Array.from(messages, ({ data }) => String(data));
}

const sending = /^mq_(timed)?send$/;
const receiving = /^mq_(timed)?receive$/;

type Wait = (
  queue: PosixMessageQueue,
  options?: { signal?: AbortSignal; timeout?: number },
) => Promise<unknown>;

const receivers: [string, Wait][] = [
  ['receive()', (queue, options) => queue.receive(options)],
  ['receiveMany()', (queue, options) => queue.receiveMany(10, options)],
  // It may throw at once what it would reject with: to a for await that is the same.
  ['messages()', async (queue, options) => queue.messages(options).next()],
];
const waits: [string, () => PosixMessageQueue, Wait, RegExp][] = [
  ...receivers.map(([name, wait]): [string, () => PosixMessageQueue, Wait, RegExp] => [
    name,
    () => newQueue(),
    wait,
    receiving,
  ]),
  ['send()', () => fullQueue(), (queue, options) => queue.send('x', options), sending],
];

/** Makes what the wait waits for come true: a message where it receives, room where it sends. */
function satisfy(queue: PosixMessageQueue, call: RegExp): void {
  if (call === receiving) queue.sendSync('there');
  else queue.tryReceive();
}

describe('time limits', () => {
  const limits: [string, () => PosixMessageQueue, (queue: PosixMessageQueue, timeout: number) => unknown][] =
    [
      ['receiveSync()', () => newQueue(), (queue, timeout) => queue.receiveSync({ timeout })],
      ['receiveManySync()', () => newQueue(), (queue, timeout) => queue.receiveManySync(5, { timeout })],
      ['sendSync()', () => fullQueue(), (queue, timeout) => queue.sendSync('x', { timeout })],
      ['receive()', () => newQueue(), (queue, timeout) => queue.receive({ timeout })],
      ['receiveMany()', () => newQueue(), (queue, timeout) => queue.receiveMany(5, { timeout })],
      ['messages()', () => newQueue(), (queue, timeout) => queue.messages({ timeout }).next()],
      ['send()', () => fullQueue(), (queue, timeout) => queue.send('x', { timeout })],
    ];

  it.each(limits)('of %s are never early and kept within 20 ms', async (_name, open, call) => {
    const queue = open();
    const before = messagesIn(queue);
    const late: number[] = [];
    for (const timeout of [1, 2, 5, 10, 20, 33, 50, 10, 5]) {
      const start = performance.now();
      const error = await rejection(promised(() => call(queue, timeout)));
      const took = performance.now() - start;
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ETIMEDOUT' });
      expect(error.message).toContain(queue.name);
      expect(took).toBeGreaterThanOrEqual(timeout);
      late.push(took - timeout);
    }
    late.sort((a, b) => a - b);
    expect(late[Math.floor(late.length / 2)]).toBeLessThan(20 * scale);
    expect(messagesIn(queue)).toBe(before);
  });

  it('of fractions of a millisecond are not early', () => {
    const [queue, full] = [newQueue(), fullQueue()];
    for (const timeout of [0.5, 1.5, 3.25]) {
      for (const call of [
        () => queue.receiveSync({ timeout }),
        () => full.sendSync('x', { timeout }),
      ] as const) {
        const start = performance.now();
        expect(failure(call).code).toBe('ETIMEDOUT');
        expect(performance.now() - start).toBeGreaterThanOrEqual(timeout);
      }
    }
  });

  it('of 0 take what is there and wait for nothing', async () => {
    const queue = newQueue();
    queue.sendSync('a', { timeout: 0 });
    await queue.send('b', { timeout: 0 });
    expect(text(queue.receiveSync({ timeout: 0 }))).toBe('a');
    expect(text(await queue.receive({ timeout: 0 }))).toBe('b');
    expect(failure(() => queue.receiveSync({ timeout: 0 })).code).toBe('ETIMEDOUT');
    expect((await rejection(queue.receive({ timeout: 0 }))).code).toBe('ETIMEDOUT');
    const full = fullQueue();
    expect(failure(() => full.sendSync('x', { timeout: 0 })).code).toBe('ETIMEDOUT');
    expect((await rejection(full.send('x', { timeout: 0 }))).code).toBe('ETIMEDOUT');
  });

  it('of Infinity and undefined are none', async () => {
    const queue = newQueue();
    for (const timeout of [Infinity, undefined]) {
      const received = queue.receive({ timeout });
      await turns();
      queue.sendSync('came', { timeout });
      expect(text(await received)).toBe('came');
      queue.sendSync('there');
      expect(text(queue.receiveSync({ timeout }))).toBe('there');
    }
  });

  it('do nothing where the message comes in time', async () => {
    const queue = newQueue();
    const received = queue.receive({ timeout: 5_000 });
    await turns();
    queue.sendSync('in time');
    expect(text(await received)).toBe('in time');
  });

  it('of one wait leave the others alone, in front of it and behind', async () => {
    const queue = newQueue();
    const patient = queue.receive();
    const hasty = rejection(queue.receive({ timeout: 20 }));
    const last = queue.receive();
    expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
    queue.sendSync('first');
    queue.sendSync('second');
    expect([text(await patient), text(await last)]).toEqual(['first', 'second']);
  });

  it('of the wait in front let those behind go on', async () => {
    const queue = newQueue();
    const hasty = rejection(queue.receive({ timeout: 20 }));
    const patient = queue.receive();
    expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
    queue.sendSync('for the patient');
    expect(text(await patient)).toBe('for the patient');
    const full = fullQueue();
    const hastySend = rejection(full.send('hasty', { timeout: 20 }));
    const patientSend = full.send('patient');
    expect(await hastySend).toMatchObject({ code: 'ETIMEDOUT' });
    full.tryReceive();
    await patientSend;
    expect(drain(full)).toEqual(['f', 'f', 'patient']);
  });

  it('hold with spin too', async () => {
    const queue = newQueue({ spin: 200 });
    for (const timeout of [0, 1, 10]) {
      const start = performance.now();
      expect(failure(() => queue.receiveSync({ timeout })).code).toBe('ETIMEDOUT');
      expect((await rejection(queue.receive({ timeout }))).code).toBe('ETIMEDOUT');
      expect(performance.now() - start).toBeGreaterThanOrEqual(2 * timeout);
    }
  });

  it('hold while the event loop is busy, and what has come by then is taken or stays', async () => {
    const queue = newQueue();
    const received = queue.receive({ timeout: 5 }).then(text, (error: unknown) => (error as Failure).code);
    await turns();
    const end = performance.now() + 20;
    while (performance.now() < end);
    queue.sendSync('late');
    const result = await received;
    expect([...(result === 'ETIMEDOUT' ? [] : [result]), ...drain(queue)]).toEqual(['late']);
  });
});

describe('an abort', () => {
  it.each(waits)('before %s rejects with the reason and makes no call', async (_name, open, wait, call) => {
    const queue = open();
    const reason = new Error('not today');
    const signal = AbortSignal.abort(reason);
    expect(await rejection(wait(queue, { signal }))).toBe(reason);
    satisfy(queue, call);
    const now = messagesIn(queue);
    expect(await rejection(wait(queue, { signal }))).toBe(reason);
    expect(messagesIn(queue)).toBe(now);
  });

  it.each(waits)('during %s rejects with the reason', async (_name, open, wait) => {
    const queue = open();
    const before = messagesIn(queue);
    const controller = new AbortController();
    const reason = { any: 'value' };
    const ended = wait(queue, { signal: controller.signal }).then(
      () => 'fulfilled',
      (error: unknown) => error,
    );
    expect(await stateOf(ended)).toBe('pending');
    controller.abort(reason);
    expect(await ended).toBe(reason);
    expect(messagesIn(queue)).toBe(before);
  });

  it.each(receivers)('during %s leaves a message that comes later to others', async (_name, wait) => {
    const queue = newQueue();
    for (let round = 0; round < 20; round++) {
      const controller = new AbortController();
      const ended = rejection(wait(queue, { signal: controller.signal }));
      if (round % 2 === 0) await turns();
      controller.abort();
      expect((await ended).name).toBe('AbortError');
      queue.sendSync(`message ${round}`);
      if (round % 3 === 0) await turns();
      expect(queue.tryReceive()?.data.toString()).toBe(`message ${round}`);
    }
  });

  it.each(receivers)(
    'at the moment when a message comes for %s loses it not, and does not double it',
    async (_name, wait) => {
      const queue = newQueue();
      const other = again(queue);
      for (let round = 0; round < 60; round++) {
        const controller = new AbortController();
        const ended = wait(queue, { signal: controller.signal }).then(
          (value) => {
            const message = Array.isArray(value)
              ? (value[0] as PosixMessage)
              : ((value as { value?: PosixMessage }).value ?? (value as PosixMessage));
            return text(message);
          },
          (error: unknown) => {
            expect(error).toBe(controller.signal.reason);
            return undefined;
          },
        );
        if (round % 2 === 0) await turns();
        other.sendSync(`message ${round}`);
        if (round % 3 === 0) await Promise.resolve();
        if (round % 3 === 1) await turns(1);
        controller.abort();
        const taken = await ended;
        expect([taken, ...drain(queue)].filter((data) => data !== undefined)).toEqual([`message ${round}`]);
      }
    },
  );

  it('during send() sends nothing, also when there is room later', async () => {
    const queue = fullQueue();
    const controller = new AbortController();
    const ended = rejection(queue.send('never', { signal: controller.signal }));
    await turns();
    controller.abort();
    await ended;
    expect(drain(queue)).toEqual(['f', 'f', 'f']);
    await turns();
    expect(messagesIn(queue)).toBe(0);
  });

  it('at the moment when there is room for send() says rightly whether it was sent', async () => {
    for (let round = 0; round < 40; round++) {
      const queue = fullQueue({ maxMessages: 1 });
      const controller = new AbortController();
      const ended = queue.send('sent', { signal: controller.signal }).then(
        () => true,
        () => false,
      );
      await turns(round % 3);
      queue.tryReceive();
      await turns(round % 2);
      controller.abort();
      expect(drain(queue)).toEqual((await ended) ? ['sent'] : []);
      queue.unlink();
      queue.close();
    }
  });

  it.each(waits)(
    'after %s changes nothing, and no listener stays on the signal',
    async (_name, open, wait, call) => {
      const queue = open();
      const controller = new AbortController();
      const ended = wait(queue, { signal: controller.signal });
      await turns();
      satisfy(queue, call);
      await ended;
      await until('the listener is gone', () => getEventListeners(controller.signal, 'abort').length === 0);
      controller.abort();
      await turns();
      expect(await stateOf(ended)).toBe('fulfilled');
    },
  );

  it('of one wait leaves the others waiting', async () => {
    const queue = newQueue();
    const controllers = Array.from({ length: 5 }, () => new AbortController());
    const results = controllers.map(({ signal }) =>
      queue.receive({ signal }).then(text, (error: unknown) => (error as Error).name),
    );
    await turns();
    for (const index of [0, 2]) controllers[index]?.abort();
    expect(await results[0]).toBe('AbortError');
    expect(await results[2]).toBe('AbortError');
    for (const data of ['a', 'b', 'c']) queue.sendSync(data);
    expect(await Promise.all(results)).toEqual(['AbortError', 'a', 'AbortError', 'b', 'c']);
  });

  it('of a signal shared by many waits ends them all', async () => {
    const queues = Array.from({ length: 10 }, () => newQueue());
    const controller = new AbortController();
    const ended = queues.flatMap((queue) => [
      rejection(queue.receive({ signal: controller.signal })),
      rejection(queue.receiveMany(2, { signal: controller.signal })),
    ]);
    await turns();
    controller.abort();
    for (const error of await Promise.all(ended)) expect(error.name).toBe('AbortError');
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('of AbortSignal.timeout() rejects with its TimeoutError', async () => {
    expect((await rejection(newQueue().receive({ signal: AbortSignal.timeout(10) }))).name).toBe(
      'TimeoutError',
    );
  });
});

describe('close() during a wait', () => {
  it.each(waits.filter(([name]) => name !== 'messages()'))(
    'by %s rejects it with ECANCELED',
    async (_name, open, wait, call) => {
      const queue = open();
      const other = again(queue);
      const ended = rejection(wait(queue));
      await turns();
      queue.close();
      const error = await ended;
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ECANCELED', syscall: expect.stringMatching(call) as unknown });
      expect(descriptorsOf(queue)).toBe(1);
      const before = messagesIn(other);
      satisfy(other, call);
      await turns();
      expect(messagesIn(other)).toBe(before + (call === receiving ? 1 : -1));
    },
  );

  it('rejects every wait of the object, receiving and sending', async () => {
    const queue = newQueue();
    const full = fullQueue();
    const ended = [
      ...Array.from({ length: 10 }, () => rejection(queue.receive())),
      ...Array.from({ length: 10 }, () => rejection(full.send('x'))),
    ];
    await turns();
    queue.close();
    full.close();
    for (const error of await Promise.all(ended)) expect(error).toMatchObject({ code: 'ECANCELED' });
    expect(drain(full)).toEqual(['f', 'f', 'f']);
  });

  it('in the turn of the call rejects it too', async () => {
    const queue = newQueue();
    const ended = rejection(queue.receive());
    queue.close();
    expect(await ended).toMatchObject({ code: 'ECANCELED' });
  });

  it('leaves the waits of another object of the same queue alone', async () => {
    const queue = newQueue();
    const other = again(queue);
    const ended = rejection(queue.receive());
    const received = other.receive();
    await turns();
    queue.close();
    expect(await ended).toMatchObject({ code: 'ECANCELED' });
    other.sendSync('for the other');
    expect(text(await received)).toBe('for the other');
  });

  it('leaves the waits of the next object, whose descriptor has the same number, alone', async () => {
    for (let round = 0; round < 20; round++) {
      const queue = newQueue();
      const ended = rejection(queue.receive());
      if (round % 2 === 0) await turns();
      queue.close();
      const next = newQueue();
      const received = next.receive();
      expect(await ended).toMatchObject({ code: 'ECANCELED' });
      await turns();
      next.sendSync(`round ${round}`);
      expect(text(await received)).toBe(`round ${round}`);
      next.unlink();
      next.close();
    }
  });

  it('loses no message that comes at the same time', async () => {
    const owner = newQueue();
    for (let round = 0; round < 50; round++) {
      const queue = again(owner);
      const received = queue.receive().then(text, () => undefined);
      if (round % 2 === 0) await turns();
      owner.sendSync(`message ${round}`);
      queue.close();
      const taken = await received;
      expect([taken, ...drain(owner)].filter((data) => data !== undefined)).toEqual([`message ${round}`]);
    }
  });
});

describe('a signal handler', () => {
  const calls = [
    ['receiveSync()', 'queue.receiveSync', [], receiving, false],
    ['receiveSync() with a time limit', 'queue.receiveSync', [{ timeout: 60_000 }], receiving, false],
    ['receiveManySync()', 'queue.receiveManySync', [5], receiving, false],
    ['sendSync()', 'queue.sendSync', ['x'], sending, true],
    ['sendSync() with a time limit', 'queue.sendSync', ['x', { timeout: 60_000 }], sending, true],
  ] as const;

  it.each(calls)(
    'that runs during %s makes it throw EINTR, and then runs',
    async (_name, method, args, call, full) => {
      const queue = full ? fullQueue() : newQueue();
      const peer = await queuePeer();
      await peer.call('open', queue.name);
      await peer.call('watch', 'SIGUSR2');
      const failed = peer.failure(method, ...args);
      await until('the peer waits', () => isBlocked(peer.pid));
      peer.signal('SIGUSR2');
      expect(await failed).toMatchObject({
        class: 'IpcError',
        code: 'EINTR',
        syscall: expect.stringMatching(call) as unknown,
      });
      let signals: unknown;
      do signals = await peer.call('signals');
      while (Array.isArray(signals) && signals.length === 0);
      expect(signals).toEqual(['SIGUSR2']);
    },
  );

  it('that runs during receive() runs at once, and the wait goes on', async () => {
    const queue = newQueue();
    const peer = await queuePeer();
    await peer.call('open', queue.name);
    await peer.call('watch', 'SIGUSR2');
    const received = peer.call('queue.receive');
    await peer.call('running');
    peer.signal('SIGUSR2');
    let signals: unknown;
    do signals = await peer.call('signals');
    while (Array.isArray(signals) && signals.length === 0);
    expect(signals).toEqual(['SIGUSR2']);
    queue.sendSync('after the signal');
    expect(await received).toEqual({ priority: 0, data: Buffer.from('after the signal') });
  });

  it('of none: Ctrl-C ends a program that waits in receiveSync()', async () => {
    const queue = newQueue();
    const peer = await queuePeer();
    await peer.call('open', queue.name);
    const ended = rejection(peer.call('queue.receiveSync'));
    await until('the peer waits', () => isBlocked(peer.pid));
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
    const error = failure(() => queue.sendSync('x', { timeout: 10 }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: expect.stringMatching(sending) as unknown });
    expect(drain(queue)).toEqual(['f', 'f', 'f']);
  });

  it('makes send() wait until there is room', async () => {
    const queue = fullQueue();
    const sent = queue.send('went through', { priority: 4 });
    expect(await stateOf(sent)).toBe('pending');
    queue.tryReceive();
    await sent;
    expect(queue.receiveSync({ timeout: 1000 })).toEqual({ priority: 4, data: Buffer.from('went through') });
  });

  it('makes sendSync() wait until there is room', async () => {
    const queue = fullQueue();
    const peer = await queuePeer();
    await peer.call('open', queue.name);
    for (const options of [{}, { timeout: 60_000 }]) {
      const sent = peer.call('queue.sendSync', 'went through', options);
      await until('the peer waits', () => isBlocked(peer.pid));
      queue.tryReceive();
      await sent;
      expect(messagesIn(queue)).toBe(3);
    }
    expect(drain(queue)).toEqual(['f', 'went through', 'went through']);
  });

  it('lets sends through in the order of the calls, whatever their priorities', async () => {
    const queue = fullQueue({ maxMessages: 1 });
    const order: number[] = [];
    const sent = Array.from({ length: 20 }, (_, index) =>
      queue.send(String(index), { priority: index }).then(() => order.push(index)),
    );
    await turns();
    const received: string[] = [];
    while (received.length < 21) received.push(text(await queue.receive({ timeout: 5_000 * scale })));
    await Promise.all(sent);
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    expect(received).toEqual(['f', ...numbers.map(String)]);
    expect(order).toEqual(numbers);
  });

  it('does not let a later send() overtake one that waits', async () => {
    const queue = fullQueue({ maxMessages: 1 });
    const first = queue.send('first');
    await turns();
    queue.tryReceive();
    const second = queue.send('second');
    const received = [text(await queue.receive()), text(await queue.receive())];
    await Promise.all([first, second]);
    expect(received).toEqual(['first', 'second']);
  });

  it('does not keep receive() of the same object waiting', async () => {
    const queue = fullQueue();
    const sent = queue.send('in');
    await turns();
    expect(text(await queue.receive())).toBe('f');
    await sent;
    expect(drain(queue)).toEqual(['f', 'f', 'in']);
  });
});

describe('waits of one process', () => {
  it('get the messages in the order of the calls', async () => {
    const queue = newQueue();
    const received = Array.from({ length: 20 }, () => queue.receive().then(text));
    await turns();
    const expected = Array.from({ length: 20 }, (_, index) => `message ${index}`);
    for (const data of expected) await queue.send(data);
    expect(await Promise.all(received)).toEqual(expected);
  });

  it('get a batch that comes at once in the order of the calls', async () => {
    const queue = newQueue();
    for (let round = 0; round < 10; round++) {
      const received = Array.from({ length: 10 }, () => queue.receive().then(text));
      if (round % 2 === 0) await turns();
      const expected = Array.from({ length: 10 }, (_, index) => `message ${index}`);
      for (const data of expected) queue.sendSync(data);
      expect(await Promise.all(received)).toEqual(expected);
    }
  });

  it('are not overtaken by a call that is made when the message has just come', async () => {
    const queue = newQueue();
    for (let round = 0; round < 20; round++) {
      const first = queue.receive().then(text);
      const second = queue.receive().then(text);
      await turns();
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

  it('of two objects of one queue both get their messages', async () => {
    const queue = newQueue();
    const other = again(queue);
    const received = [queue.receive(), other.receive(), queue.receive(), other.receive()];
    await turns();
    for (const data of ['a', 'b', 'c', 'd']) queue.sendSync(data);
    expect(texts(await Promise.all(received)).sort()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('take no threads', async () => {
    // libuv's pool comes to life once and stays, and so may one thread that watches descriptors.
    await Promise.all(Array.from({ length: 8 }, () => readFile(new URL(import.meta.url))));
    const first = newQueue();
    const warm = first.receive();
    await turns();
    first.sendSync('warm');
    await warm;
    const before = threadCount();
    await until('no wait of another family is left', () => waitThreads.running === 0);
    const queues = Array.from({ length: 20 }, () => newQueue({ maxMessages: 1 }));
    const full = Array.from({ length: 20 }, () => fullQueue({ maxMessages: 1 }));
    const ended = Promise.allSettled([
      ...queues.flatMap((queue) => [queue.receive(), queue.receive()]),
      ...full.map((queue) => queue.send('x')),
    ]);
    await turns();
    expect(waitThreads.running).toBe(0);
    expect(threadCount()).toBeLessThanOrEqual(before);
    for (const queue of [...queues, ...full]) queue.close();
    await ended;
  });

  it("leave libuv's pool to the file system", async () => {
    const queues = Array.from({ length: 16 }, () => newQueue({ maxMessages: 1 }));
    const received = Promise.all(queues.map((queue) => queue.receive()));
    await turns();
    await Promise.all(Array.from({ length: 20 }, () => readFile(new URL(import.meta.url))));
    expect(await stateOf(received)).toBe('pending');
    for (const queue of queues) queue.sendSync('now');
    expect(texts(await received)).toEqual(queues.map(() => 'now'));
  });

  it('are as many as are asked for, whatever waitThreads.limit is', async () => {
    await until('no wait of another family is left', () => waitThreads.running === 0);
    const before = waitThreads.limit;
    onTestFinished(() => {
      waitThreads.limit = before;
    });
    waitThreads.limit = 1;
    const queues = Array.from({ length: 5 }, () => newQueue({ maxMessages: 1 }));
    const received = Promise.all(queues.map((queue) => queue.receive()));
    await turns();
    for (const queue of queues) queue.sendSync('x');
    expect(await received).toHaveLength(5);
  });
});

describe('the event loop', () => {
  it('goes on while for await has more messages than it can take', async () => {
    const queue = newQueue();
    const flood = program(compiled('posix-mq-peer'), 'flood', queue.name);
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
    const queue = newQueue();
    const flood = program(compiled('posix-mq-peer'), 'flood', queue.name);
    expect(await flood.line()).toBe('flooding');
    const timer = new AbortController();
    setTimeout(() => timer.abort(), 1);
    const start = performance.now();
    while (!timer.signal.aborted && performance.now() - start < 5_000 * scale) await queue.receive();
    expect(timer.signal.aborted).toBe(true);
  });

  it('goes on while send() is awaited in a loop that never has to wait', async () => {
    const queue = newQueue();
    const swallow = program(compiled('posix-mq-peer'), 'swallow', queue.name);
    expect(await swallow.line()).toBe('swallowing');
    const timer = new AbortController();
    setTimeout(() => timer.abort(), 1);
    const start = performance.now();
    while (!timer.signal.aborted && performance.now() - start < 5_000 * scale) await queue.send('x');
    expect(timer.signal.aborted).toBe(true);
  });
});

describe('spin', () => {
  it('takes messages as without it, in all variants', async () => {
    const [queue, answers] = [newQueue({ spin: 100 }), newQueue({ spin: 100 })];
    const echo = program(compiled('posix-mq-peer'), 'echo', queue.name, answers.name, 40);
    for (let round = 0; round < 20; round++) {
      queue.sendSync(`sync ${round}`);
      expect(text(answers.receiveSync({ timeout: 5_000 * scale }))).toBe(`sync ${round}`);
      await queue.send(`promise ${round}`);
      expect(text(await answers.receive())).toBe(`promise ${round}`);
    }
    expect((await echo.exited).code).toBe(0);
  });

  it('does not put off EINTR', async () => {
    const queue = newQueue();
    const peer = await queuePeer();
    await peer.call('open', queue.name, { spin: 1000 });
    await peer.call('watch', 'SIGUSR2');
    const interrupted = peer.failure('queue.receiveSync');
    await until('the peer waits', () => isBlocked(peer.pid));
    peer.signal('SIGUSR2');
    expect(await interrupted).toMatchObject({ code: 'EINTR' });
  });

  it.each([-1, NaN, Infinity])('refuses %s', (spin) => {
    expect(failure(() => PosixMessageQueue.open(unusedName(), { ...small, spin }))).toMatchObject({
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
  });
});

describe("the caller's own code within a call", () => {
  const full = (encode: () => string): PosixMessageQueue<string> => {
    const codec = { encode, decode: (data: Buffer) => data.toString() };
    return closing(PosixMessageQueue.open(fullQueue().name, { create: false, codec }));
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
    expect(drain(queue)).toEqual(['f', 'f', 'f']);
  });

  it('that closes the queue while it encodes makes sends of every variant fail', async () => {
    const calls = [
      (queue: PosixMessageQueue<string>) => promised(() => queue.sendSync('')),
      (queue: PosixMessageQueue<string>) => promised(() => queue.trySend('')),
      (queue: PosixMessageQueue<string>) => queue.send(''),
    ];
    for (const call of calls) {
      const queue = full(() => {
        queue.close();
        return 'x';
      });
      expect(await rejection(call(queue))).toMatchObject({ code: 'ERR_INVALID_STATE' });
      expect(drain(queue)).toEqual(['f', 'f', 'f']);
    }
  });

  it('that closes the queue while its options are read makes receive() reject', async () => {
    const queue = newQueue();
    const options = {
      get timeout(): undefined {
        queue.close();
        return undefined;
      },
    };
    expect(await rejection(queue.receive(options))).toMatchObject({ code: 'ERR_INVALID_STATE' });
  });

  it('that throws in the signal itself leaves no wait behind, and no message lost', async () => {
    const queue = newQueue();
    const { signal } = new AbortController();
    signal.addEventListener = () => {
      throw new Error('no listeners here');
    };
    expect((await rejection(queue.receive({ signal }))).message).toBe('no listeners here');
    queue.sendSync('still there');
    await turns();
    expect(text(queue.receiveSync({ timeout: 1000 }))).toBe('still there');
  });

  it('that waits anew and closes while a batch is settled loses nothing', async () => {
    const plain = newQueue();
    const inner: Promise<unknown>[] = [];
    const decoding = closing(
      PosixMessageQueue.open(plain.name, {
        create: false,
        codec: {
          encode: (value: string) => value,
          decode: (data: Buffer): string => {
            if (inner.length < 5) inner.push(decoding.receive());
            return data.toString();
          },
        },
      }),
    );
    const outer = Array.from({ length: 5 }, () => decoding.receive());
    await turns();
    for (let index = 0; index < 10; index++) plain.sendSync(String(index));
    const data = texts((await Promise.all([...outer, ...inner])) as { data: string }[]);
    const rest = texts((await Promise.all(inner)) as { data: string }[]);
    expect([...new Set([...data, ...rest])].map(Number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 10 }, (_, index) => index),
    );
  });
});
