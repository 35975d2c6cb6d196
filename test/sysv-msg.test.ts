// SysvMessageQueue: what its methods do where nothing has to be waited for. What waits is in waiting.test.ts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Codec, IPC_PRIVATE, IpcError, type SysvMessage as Message, SysvMessageQueue } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { compiled } from './helpers/compile.js';
import { failure, rejection, systemError } from './helpers/failures.js';
import {
  asleepIn,
  changeSetting,
  mayExceedLimits,
  queueRow,
  queueRows,
  setting,
  settingsAreFixed,
} from './helpers/kernel.js';
import { nobody, noSecondUser, otherUser, program, unprivileged } from './helpers/peers.js';
import { borrow, drain, fill, own, privateId, privateQueue, removedId, unusedKey } from './helpers/queues.js';
import { until } from './helpers/until.js';

/** A blocking call as a promise, so that all variants can be tested by one text. */
function promised<T>(call: () => T): Promise<T> {
  return Promise.resolve().then(call);
}

function texts(messages: Iterable<Message<unknown>>): string[] {
  return Array.from(messages, ({ data }) => String(data));
}

describe('open()', () => {
  it('makes the queue of a key that has none, for its owner alone', () => {
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key));
    expect(queueRow(queue.id)).toMatchObject({ key, perms: '600', qnum: 0 });
    expect(queue.key).toBe(key);
    expect(queue.closed).toBe(false);
  });

  it('opens the queue of a key that has one', () => {
    const key = unusedKey();
    const first = own(SysvMessageQueue.open(key));
    const second = own(SysvMessageQueue.open(key));
    expect(second.id).toBe(first.id);
    first.sendSync('between');
    expect(second.receiveSync().data.toString()).toBe('between');
  });

  it('makes a new queue at every call with IPC_PRIVATE', () => {
    expect(IPC_PRIVATE).toBe(sys.IPC_PRIVATE);
    expect(privateQueue().id).not.toBe(privateQueue().id);
    expect(privateQueue().key).toBe(0);
  });

  it('opens by { path, projId }, as ftok makes the key', () => {
    const folder = mkdtempSync(join(tmpdir(), 'unix-ipc-key-'));
    try {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      const queue = own(SysvMessageQueue.open({ path, projId: 'q' }));
      expect(queueRow(queue.id)?.key).toBe(sys.ftok(path, 'q'));
      expect(own(SysvMessageQueue.open({ path, projId: 113 })).id).toBe(queue.id);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('takes a key of 32 bits signed and unsigned', () => {
    const unsigned = 2 ** 31 + (unusedKey() % 2 ** 30);
    const queue = own(SysvMessageQueue.open(unsigned, { exclusive: true }));
    expect(SysvMessageQueue.open(unsigned - 2 ** 32, { create: false }).id).toBe(queue.id);
    expect(queueRow(queue.id)?.key).toBe(unsigned - 2 ** 32);
  });

  it('makes the queue with the mode', () => {
    expect(queueRow(own(SysvMessageQueue.open(unusedKey(), { mode: 0o620 })).id)?.perms).toBe('620');
    expect(queueRow(own(SysvMessageQueue.open(IPC_PRIVATE, { mode: 0o640 })).id)?.perms).toBe('640');
  });

  it('fails with ENOENT and the key where there is none and create is false', () => {
    const key = unusedKey();
    const error = failure(() => SysvMessageQueue.open(key, { create: false }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'msgget'), key });
    expect(error.message).toMatch(new RegExp(`0x${key.toString(16)}|${key}`));
    expect(queueRows().some((row) => row.key === key)).toBe(false);
  });

  it('fails with EEXIST and the key where there is one and exclusive is given', () => {
    const key = unusedKey();
    own(SysvMessageQueue.open(key, { exclusive: true }));
    const error = failure(() => SysvMessageQueue.open(key, { exclusive: true }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('EEXIST', 'msgget'), key });
  });

  it('fails with ENOENT and the path where the file is not there', () => {
    const path = join(tmpdir(), 'unix-ipc-no-such-file');
    const error = failure(() => SysvMessageQueue.open({ path, projId: 1 }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'ftok'), path });
    expect(error.message).toContain(path);
  });

  it('opens a queue that may only be written', async () => {
    const key = unusedKey();
    const owner = own(SysvMessageQueue.open(key, { mode: 0o222 }));
    const peer = await unprivileged();
    await peer.call('open', key, { create: false, mode: 0o200 });
    await peer.call('queue.sendSync', 'written');
    expect(owner.stat().messages).toBe(1);
  });
});

describe('openId()', () => {
  it('opens the queue of an id', () => {
    const key = unusedKey();
    const msqid = sys.msgget(key, sys.IPC_CREAT | 0o600);
    sys.msgsnd(msqid, 3, 'by id');
    const queue = own(SysvMessageQueue.openId(msqid, { codec: 'utf8' }));
    expect(queue.id).toBe(msqid);
    expect(queue.key).toBe(key);
    expect(queue.receiveSync()).toEqual({ type: 3, data: 'by id' });
  });

  it('fails with EINVAL and the id where there is no such queue, then or at the first use', () => {
    const msqid = removedId();
    const error = failure(() => SysvMessageQueue.openId(msqid).trySend('x'));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EINVAL', id: msqid });
  });
});

describe('sending', () => {
  const variants: [
    string,
    (queue: SysvMessageQueue, data: Uint8Array | string, options?: { type?: number | bigint }) => unknown,
  ][] = [
    ['sendSync()', (queue, data, options) => queue.sendSync(data, options)],
    ['trySend()', (queue, data, options) => expect(queue.trySend(data, options)).toBe(true)],
    ['send()', (queue, data, options) => queue.send(data, options)],
  ];

  describe.each(variants)('by %s', (_name, send) => {
    it('puts a string, a Buffer or any Uint8Array in the queue', async () => {
      const queue = privateQueue();
      await send(queue, 'grün');
      await send(queue, Buffer.from([0, 1, 255]));
      await send(queue, Uint8Array.of(9, 8, 7, 6).subarray(1, 3));
      await send(queue, '');
      const received = queue.receiveManySync(10);
      expect(received.map(({ data }) => data)).toEqual([
        Buffer.from('grün'),
        Buffer.from([0, 1, 255]),
        Buffer.from([8, 7]),
        Buffer.alloc(0),
      ]);
    });

    it('gives the message the type, 1 where none is given', async () => {
      const queue = privateQueue();
      const types = [1, 2, 2 ** 31, Number.MAX_SAFE_INTEGER, 2n ** 60n + 1n, 2n ** 63n - 1n];
      await send(queue, 'x');
      for (const type of types) await send(queue, 'x', { type });
      await send(queue, 'x', { type: 7n });
      expect(queue.receiveManySync(10).map(({ type }) => type)).toEqual([1, ...types, 7]);
    });

    it.each([0, -1, -(2n ** 60n), 2n ** 63n])('refuses the type %s', async (type) => {
      const queue = privateQueue();
      const error = await rejection(Promise.resolve().then(() => send(queue, 'x', { type })));
      expect(error).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
      expect(queue.stat().messages).toBe(0);
    });

    it("sends a message of this system's msgmax", async () => {
      const queue = privateQueue();
      const data = Buffer.alloc(setting('msgmax'), 'm');
      await send(queue, data);
      expect(queue.receiveSync().data.equals(data)).toBe(true);
    });

    it('fails with EINVAL over msgmax and says so with both numbers', async () => {
      const queue = privateQueue();
      const size = setting('msgmax') + 1;
      const error = await rejection(Promise.resolve().then(() => send(queue, Buffer.alloc(size))));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('EINVAL', 'msgsnd'), id: queue.id });
      expect(error.message).toContain('msgmax');
      expect(error.message).toContain(String(size));
      expect(error.message).toContain(String(setting('msgmax')));
    });

    it('fails with EMSGSIZE at once where the message is longer than the whole queue', async () => {
      const queue = privateQueue();
      queue.set({ maxBytes: 100 });
      const error = await rejection(Promise.resolve().then(() => send(queue, Buffer.alloc(101))));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject(systemError('EMSGSIZE', 'msgsnd'));
      expect(error.message).toContain('101');
      expect(error.message).toContain('100');
      await send(queue, Buffer.alloc(100));
      expect(queue.stat().bytes).toBe(100);
    });

    it('fails with EINVAL where the queue was removed', async () => {
      const queue = privateQueue();
      sys.msgctl(queue.id, sys.IPC_RMID);
      const error = await rejection(Promise.resolve().then(() => send(queue, 'x')));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('EINVAL', 'msgsnd'), id: queue.id });
    });
  });

  it('trySend() is false where the queue is full, and nothing is sent', () => {
    const queue = privateQueue();
    const count = fill(queue.id);
    expect(queue.trySend('x')).toBe(false);
    expect(queue.trySend('')).toBe(true);
    expect(queue.stat().messages).toBe(count + 1);
  });

  it('send() has taken the bytes when it returns', async () => {
    const queue = privateQueue();
    fill(queue.id);
    const data = Buffer.from('as it was');
    const sent = queue.send(data, { type: 2 });
    data.fill('!');
    drain(queue.id, 9);
    await sent;
    expect(queue.receiveSync({ type: 2 }).data.toString()).toBe('as it was');
  });
});

describe('receiving', () => {
  interface Options {
    type?: number | bigint;
    except?: boolean;
    maxBytes?: number;
    truncate?: boolean;
  }
  const variants: [string, (queue: SysvMessageQueue, options?: Options) => Promise<Message | undefined>][] = [
    ['receiveSync()', (queue, options) => promised(() => queue.receiveSync({ timeout: 1000, ...options }))],
    ['tryReceive()', (queue, options) => promised(() => queue.tryReceive(options))],
    ['receive()', (queue, options) => queue.receive(options)],
    [
      'receiveManySync(1)',
      (queue, options) => promised(() => queue.receiveManySync(1, { timeout: 1000, ...options })[0]),
    ],
    ['tryReceiveMany(1)', (queue, options) => promised(() => queue.tryReceiveMany(1, options)[0])],
    ['receiveMany(1)', async (queue, options) => (await queue.receiveMany(1, options))[0]],
    [
      'messages()',
      async (queue, options) => {
        for await (const message of queue.messages(options)) return message;
        return undefined;
      },
    ],
  ];

  describe.each(variants)('by %s', (_name, receive) => {
    it('takes the oldest message, whatever its type, with its type', async () => {
      const queue = privateQueue();
      queue.sendSync('first', { type: 5 });
      queue.sendSync('second', { type: 2 });
      expect(await receive(queue)).toEqual({ type: 5, data: Buffer.from('first') });
      expect(await receive(queue)).toEqual({ type: 2, data: Buffer.from('second') });
      expect(queueRow(queue.id)?.qnum).toBe(0);
    });

    it('takes the oldest message of the type', async () => {
      const queue = privateQueue();
      for (const [type, data] of [
        [1, 'a'],
        [2, 'b'],
        [1, 'c'],
        [2, 'd'],
      ] as const)
        queue.sendSync(data, { type });
      expect((await receive(queue, { type: 2 }))?.data.toString()).toBe('b');
      expect((await receive(queue, { type: 2 }))?.data.toString()).toBe('d');
      expect(drain(queue.id)).toEqual(['a', 'c']);
    });

    it('takes the lowest type up to the magnitude of a negative one', async () => {
      const queue = privateQueue();
      for (const type of [5, 3, 4]) queue.sendSync(`of ${type}`, { type });
      expect((await receive(queue, { type: -4 }))?.type).toBe(3);
      expect((await receive(queue, { type: -4n }))?.type).toBe(4);
      expect(drain(queue.id)).toEqual(['of 5']);
    });

    it('takes any other type with except', async () => {
      const queue = privateQueue();
      for (const type of [1, 2, 1, 3]) queue.sendSync(`of ${type}`, { type });
      expect((await receive(queue, { type: 1, except: true }))?.type).toBe(2);
      expect((await receive(queue, { type: 1, except: true }))?.type).toBe(3);
      expect(drain(queue.id)).toEqual(['of 1', 'of 1']);
    });

    it('keeps types past 2^53', async () => {
      const queue = privateQueue();
      queue.sendSync('one', { type: 2n ** 60n + 1n });
      queue.sendSync('two', { type: 2n ** 60n + 2n });
      expect((await receive(queue, { type: 2n ** 60n + 2n }))?.data.toString()).toBe('two');
      expect((await receive(queue))?.type).toBe(2n ** 60n + 1n);
    });

    it('takes an empty message', async () => {
      const queue = privateQueue();
      queue.sendSync('');
      expect(await receive(queue)).toEqual({ type: 1, data: Buffer.alloc(0) });
    });

    it('fails with E2BIG for more than maxBytes and leaves the message', async () => {
      const queue = privateQueue();
      queue.sendSync('longer');
      const error = await rejection(receive(queue, { maxBytes: 5 }));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('E2BIG', 'msgrcv'), id: queue.id });
      expect((await receive(queue, { maxBytes: 6 }))?.data.toString()).toBe('longer');
    });

    it('cuts a message to maxBytes with truncate', async () => {
      const queue = privateQueue();
      queue.sendSync('longer');
      queue.sendSync('longer');
      expect((await receive(queue, { maxBytes: 4, truncate: true }))?.data.toString()).toBe('long');
      expect((await receive(queue, { maxBytes: 0, truncate: true }))?.data).toEqual(Buffer.alloc(0));
      expect(queueRow(queue.id)?.qnum).toBe(0);
    });

    it('refuses truncate without maxBytes and takes nothing', async () => {
      const queue = privateQueue();
      queue.sendSync('stays');
      expect((await rejection(receive(queue, { truncate: true }))).code).toMatch(
        /^ERR_INVALID_ARG|^ERR_OUT_OF_RANGE/,
      );
      expect(drain(queue.id)).toEqual(['stays']);
    });

    it('gives every message a Buffer of its own', async () => {
      const queue = privateQueue();
      const data: Buffer[] = [];
      for (let index = 0; index < 300; index++) {
        queue.sendSync(`message ${index} ${'x'.repeat(index)}`);
        const message = await receive(queue);
        if (message) data.push(message.data);
      }
      expect(data.map(String)).toEqual(data.map((_, index) => `message ${index} ${'x'.repeat(index)}`));
    });

    it('fails with EINVAL where the queue was removed', async () => {
      const queue = privateQueue();
      sys.msgctl(queue.id, sys.IPC_RMID);
      const error = await rejection(receive(queue));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('EINVAL', 'msgrcv'), id: queue.id });
    });

    it('takes a message that grew past the msgmax of the time when the object was made', async ({ skip }) => {
      const reason = settingsAreFixed();
      skip(reason !== undefined, reason);
      changeSetting('msgmnb', 2 ** 20);
      const queue = privateQueue();
      queue.sendSync('small');
      await receive(queue);
      changeSetting('msgmax', 2 ** 20);
      const data = Buffer.alloc(2 ** 20, 'large');
      sys.msgsnd(queue.id, 1, data, sys.IPC_NOWAIT);
      expect((await receive(queue))?.data.equals(data)).toBe(true);
    });
  });

  it('tryReceive() gives undefined where there is no such message', () => {
    const queue = privateQueue();
    expect(queue.tryReceive()).toBeUndefined();
    queue.sendSync('one');
    expect(queue.tryReceive({ type: 2 })).toBeUndefined();
    expect(queue.stat().messages).toBe(1);
  });

  it('receive() that already waits takes a message past the msgmax of the time when it began', async ({
    skip,
  }) => {
    const reason = settingsAreFixed();
    skip(reason !== undefined, reason);
    changeSetting('msgmnb', 2 ** 20);
    const queue = privateQueue();
    const received = queue.receive();
    await until('receive() waits', () => asleepIn('msgrcv', queue.id) === 1);
    changeSetting('msgmax', 2 ** 20);
    const peer = program(compiled('sysv-msg-peer'), 'send-size', queue.id, 4, 2 ** 20);
    const { type, data } = await received;
    expect(type).toBe(4);
    expect(data.equals(Buffer.alloc(2 ** 20, 's'))).toBe(true);
    expect((await peer.exited).code).toBe(0);
  });

  it('receiveMany() of each variant takes what is there, in order, up to max', async () => {
    const queue = privateQueue();
    const send = (): void => {
      for (const data of ['a', 'b', 'c', 'd', 'e']) queue.sendSync(data);
    };
    send();
    expect(texts(queue.receiveManySync(3))).toEqual(['a', 'b', 'c']);
    expect(texts(queue.receiveManySync(3))).toEqual(['d', 'e']);
    send();
    expect(texts(queue.tryReceiveMany(4))).toEqual(['a', 'b', 'c', 'd']);
    expect(texts(queue.tryReceiveMany(4))).toEqual(['e']);
    expect(queue.tryReceiveMany(4)).toEqual([]);
    send();
    expect(texts(await queue.receiveMany(2))).toEqual(['a', 'b']);
    expect(texts(await queue.receiveMany(1000))).toEqual(['c', 'd', 'e']);
    expect(queue.stat().messages).toBe(0);
  });

  it('receiveMany() of each variant takes only what the options ask for', async () => {
    const queue = privateQueue();
    for (const type of [1, 2, 1, 2, 1, 2]) queue.sendSync(`of ${type}`, { type });
    expect(texts(queue.receiveManySync(2, { type: 2 }))).toEqual(['of 2', 'of 2']);
    expect(texts(await queue.receiveMany(2, { type: 2, except: true }))).toEqual(['of 1', 'of 1']);
    expect(texts(queue.tryReceiveMany(5, { type: 2 }))).toEqual(['of 2']);
    expect(drain(queue.id)).toEqual(['of 1']);
  });

  it('receiveMany() of each variant stops before a message over maxBytes, and loses none', async () => {
    const queue = privateQueue();
    for (const receive of [
      () => promised(() => queue.receiveManySync(5, { maxBytes: 4 })),
      () => promised(() => queue.tryReceiveMany(5, { maxBytes: 4 })),
      () => queue.receiveMany(5, { maxBytes: 4 }),
    ]) {
      queue.sendSync('fits');
      queue.sendSync('does not');
      const taken = await receive().then(texts, () => []);
      expect([...taken, ...drain(queue.id)]).toEqual(['fits', 'does not']);
    }
  });

  it.each([0, -1, NaN, 1.5, 2 ** 53])('receiveMany() of each variant refuses %s as max', async (max) => {
    const queue = privateQueue();
    queue.sendSync('stays');
    const expected = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
    expect(failure(() => queue.receiveManySync(max))).toMatchObject(expected);
    expect(failure(() => queue.tryReceiveMany(max))).toMatchObject(expected);
    expect(await rejection(queue.receiveMany(max))).toMatchObject(expected);
    expect(drain(queue.id)).toEqual(['stays']);
  });
});

describe('peek()', () => {
  it('gives the message at an index and leaves it in the queue', () => {
    const queue = privateQueue();
    queue.sendSync('zero', { type: 5 });
    queue.sendSync('', { type: 2n ** 60n });
    expect(queue.peek()).toEqual({ type: 5, data: Buffer.from('zero') });
    expect(queue.peek(1)).toEqual({ type: 2n ** 60n, data: Buffer.alloc(0) });
    expect(queue.peek(2)).toBeUndefined();
    expect(queue.stat()).toMatchObject({ messages: 2, lastReceiveTime: undefined });
  });

  it('gives undefined for an empty queue', () => {
    expect(privateQueue().peek()).toBeUndefined();
  });

  it('decodes as receiving does', () => {
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { codec: 'utf8' }));
    queue.sendSync('text');
    expect(queue.peek()?.data).toBe('text');
  });

  it('gives a message past the msgmax of the time when the object was made', ({ skip }) => {
    const reason = settingsAreFixed();
    skip(reason !== undefined, reason);
    changeSetting('msgmnb', 2 ** 20);
    const queue = privateQueue();
    expect(queue.peek()).toBeUndefined();
    changeSetting('msgmax', 2 ** 20);
    const data = Buffer.alloc(2 ** 20, 'large');
    sys.msgsnd(queue.id, 1, data, sys.IPC_NOWAIT);
    expect(queue.peek()?.data.equals(data)).toBe(true);
    expect(queue.stat().messages).toBe(1);
  });

  it.each([-1, NaN, 0.5, 2 ** 60])('refuses %s as index', (index) => {
    expect(failure(() => privateQueue().peek(index))).toMatchObject({
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
  });
});

describe('for await', () => {
  it('gives every message in order', async () => {
    const queue = privateQueue();
    for (let index = 0; index < 100; index++) queue.sendSync(String(index));
    const received: string[] = [];
    for await (const { data } of queue) {
      received.push(data.toString());
      if (received.length === 100) break;
    }
    expect(received).toEqual(Array.from({ length: 100 }, (_, index) => String(index)));
  });

  it('leaves the rest in the queue on break, for other processes too', async () => {
    const queue = privateQueue();
    for (let index = 0; index < 10; index++) queue.sendSync(String(index));
    let count = 0;
    for await (const { data } of queue) {
      expect(data.toString()).toBe(String(count));
      if (++count === 3) break;
    }
    expect(drain(queue.id)).toEqual(['3', '4', '5', '6', '7', '8', '9']);
  });

  it('leaves the rest in the queue where its body throws', async () => {
    const queue = privateQueue();
    for (const data of ['a', 'b', 'c']) queue.sendSync(data);
    const looped = (async () => {
      for await (const { data } of queue) throw new Error(`at ${data.toString()}`);
    })();
    expect((await rejection(looped)).message).toBe('at a');
    expect(drain(queue.id)).toEqual(['b', 'c']);
  });

  it('takes only the messages that messages() was asked for', async () => {
    const queue = privateQueue();
    for (const type of [1, 2, 1, 2]) queue.sendSync(`of ${type}`, { type });
    let count = 0;
    for await (const { type } of queue.messages({ type: 2 })) {
      expect(type).toBe(2);
      if (++count === 2) break;
    }
    expect(drain(queue.id)).toEqual(['of 1', 'of 1']);
  });

  it('can be begun again after a break', async () => {
    const queue = privateQueue();
    for (const data of ['a', 'b']) queue.sendSync(data);
    for (const expected of ['a', 'b']) {
      for await (const { data } of queue) {
        expect(data.toString()).toBe(expected);
        break;
      }
    }
  });

  it('gives each message to one of two loops', async () => {
    const queue = privateQueue();
    const received: string[] = [];
    const loop = async (): Promise<void> => {
      for await (const { data } of queue) received.push(data.toString());
    };
    const loops = [loop(), loop()];
    for (let index = 0; index < 50; index++) await queue.send(String(index));
    await until('all messages are received', () => received.length === 50);
    queue.close();
    await Promise.all(loops);
    expect(received.map(Number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, index) => index),
    );
  });

  it('is an iterator by hand: next() after return() is done', async () => {
    const queue = privateQueue();
    queue.sendSync('one');
    queue.sendSync('two');
    const iterator = queue.messages();
    expect(iterator[Symbol.asyncIterator]()).toBe(iterator);
    expect((await iterator.next()).value).toEqual({ type: 1, data: Buffer.from('one') });
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(drain(queue.id)).toEqual(['two']);
  });
});

describe('codec', () => {
  it("'utf8' makes messages strings", async () => {
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { codec: 'utf8' }));
    for (const text of ['', 'grüße €', '😀', 'a\0b']) {
      queue.sendSync(text);
      expect(queue.receiveSync().data).toBe(text);
      await queue.send(text);
      expect((await queue.receive()).data).toBe(text);
      expect(queue.trySend(text)).toBe(true);
      expect(queue.tryReceive()?.data).toBe(text);
    }
  });

  it("'json' makes messages values", async () => {
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { codec: 'json' }));
    for (const value of [{ id: 1, list: [1, null, 'ü'] }, 'text', 0, false, null]) {
      queue.sendSync(value);
      expect(queue.receiveSync().data).toEqual(value);
      await queue.send(value);
      expect(await queue.receiveMany(1)).toEqual([{ type: 1, data: value }]);
      queue.trySend(value);
      for await (const { data } of queue) {
        expect(data).toEqual(value);
        break;
      }
    }
  });

  it("'json' refuses what is no JSON and sends nothing", async () => {
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { codec: 'json' }));
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    for (const value of [undefined, () => 1, Symbol('s'), 1n, cyclic]) {
      expect(failure(() => queue.sendSync(value))).toBeInstanceOf(Error);
      expect(failure(() => queue.trySend(value))).toBeInstanceOf(Error);
      expect(await rejection(queue.send(value))).toBeInstanceOf(Error);
    }
    expect(queue.stat().messages).toBe(0);
  });

  it('of your own encodes to bytes or a string, and decodes from a Buffer', () => {
    const codec = {
      encode: (value: number) => (value < 0 ? String(value) : Buffer.from(String(value))),
      decode: (data: Buffer) => {
        expect(Buffer.isBuffer(data)).toBe(true);
        return Number(data);
      },
    };
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { codec }));
    queue.sendSync(-12);
    queue.sendSync(34);
    expect(queue.receiveSync()).toEqual({ type: 1, data: -12 });
    expect(queue.receiveSync()).toEqual({ type: 1, data: 34 });
  });

  it('that throws while it encodes passes its error on, and nothing is sent', async () => {
    const cause = new Error('can not be encoded');
    const codec: Codec<string> = {
      encode: () => {
        throw cause;
      },
      decode: String,
    };
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { codec }));
    expect([failure(() => queue.sendSync('x')), failure(() => queue.sendSync('x')).cause]).toContain(cause);
    const error = await rejection(queue.send('x'));
    expect([error, error.cause]).toContain(cause);
    expect(queue.stat().messages).toBe(0);
  });

  describe('that throws while it decodes', () => {
    const cause = new Error('can not be decoded');
    const codec = {
      encode: (value: string) => value,
      decode(data: Buffer): string {
        if (data.toString().startsWith('bad')) throw cause;
        return data.toString();
      },
    };
    const expected = { code: 'ERR_DECODE', cause, type: 6, data: Buffer.from('bad') };
    const open = (): SysvMessageQueue<string> => own(SysvMessageQueue.open(IPC_PRIVATE, { codec }));

    it('gives the bytes and the type with the error, by every variant', async () => {
      const queue = open();
      const send = (): void => queue.sendSync('bad', { type: 6 });
      send();
      expect(failure(() => queue.peek())).toMatchObject(expected);
      expect(failure(() => queue.receiveSync())).toMatchObject(expected);
      send();
      expect(failure(() => queue.tryReceive())).toMatchObject(expected);
      send();
      expect(await rejection(queue.receive())).toMatchObject(expected);
      const waiting = rejection(queue.receive());
      send();
      expect(await waiting).toMatchObject(expected);
      send();
      const looped = (async () => {
        for await (const _ of queue) throw new Error('was given a message');
      })();
      expect(await rejection(looped)).toMatchObject(expected);
      expect(queue.stat().messages).toBe(0);
    });

    it.each([
      [
        'receiveManySync()',
        (queue: SysvMessageQueue<string>) => promised(() => queue.receiveManySync(10, { timeout: 500 })),
      ],
      ['tryReceiveMany()', (queue: SysvMessageQueue<string>) => promised(() => queue.tryReceiveMany(10))],
      ['receiveMany()', (queue: SysvMessageQueue<string>) => queue.receiveMany(10, { timeout: 500 })],
    ])('loses no message around it in %s', async (_name, receive) => {
      const queue = open();
      for (const data of ['good 1', 'good 2', 'bad', 'good 3']) queue.sendSync(data);
      const seen: string[] = [];
      for (let round = 0; round < 4 && seen.length < 4; round++) {
        try {
          seen.push(...texts(await receive(queue)));
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_DECODE', cause });
          seen.push(String((error as { data: Buffer }).data));
        }
      }
      expect(seen).toEqual(['good 1', 'good 2', 'bad', 'good 3']);
    });
  });

  it("'json' gives ERR_DECODE for a message that is no JSON", () => {
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { codec: 'json' }));
    sys.msgsnd(queue.id, 3, '{ broken');
    expect(failure(() => queue.receiveSync())).toMatchObject({
      code: 'ERR_DECODE',
      type: 3,
      data: Buffer.from('{ broken'),
      cause: expect.any(SyntaxError) as unknown,
    });
  });
});

describe('stat()', () => {
  it('gives what the kernel has', () => {
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key, { mode: 0o640 }));
    queue.sendSync('hello');
    queue.sendSync('there');
    queue.receiveSync();
    const row = queueRow(queue.id);
    expect(queue.stat()).toEqual({
      key,
      uid: row?.uid,
      gid: row?.gid,
      creatorUid: row?.cuid,
      creatorGid: row?.cgid,
      mode: 0o640,
      messages: 1,
      bytes: 5,
      maxBytes: setting('msgmnb'),
      lastSendPid: process.pid,
      lastReceivePid: process.pid,
      lastSendTime: new Date((row?.stime ?? 0) * 1000),
      lastReceiveTime: new Date((row?.rtime ?? 0) * 1000),
      changeTime: new Date((row?.ctime ?? 0) * 1000),
    });
  });

  it('has no times for what has not happened', () => {
    const stat = privateQueue().stat();
    expect(stat).toMatchObject({ lastSendTime: undefined, lastReceiveTime: undefined, lastSendPid: 0 });
    expect(stat.changeTime).toBeInstanceOf(Date);
  });
});

describe('set()', () => {
  it('changes what is given and nothing else', () => {
    const queue = own(SysvMessageQueue.open(IPC_PRIVATE, { mode: 0o640 }));
    queue.set({ maxBytes: 500 });
    expect(queue.stat()).toMatchObject({ maxBytes: 500, mode: 0o640 });
    queue.set({ mode: 0o600 });
    expect(queue.stat()).toMatchObject({ maxBytes: 500, mode: 0o600 });
    queue.set({});
    expect(queue.stat()).toMatchObject({ maxBytes: 500, mode: 0o600 });
  });

  it('gives the queue to another owner', ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const queue = privateQueue();
    queue.set({ uid: nobody, gid: nobody });
    expect(queueRow(queue.id)).toMatchObject({
      uid: nobody,
      gid: nobody,
      cuid: process.getuid?.(),
      perms: '600',
    });
  });

  it('fails with EPERM for more than msgmnb without CAP_SYS_RESOURCE', ({ skip }) => {
    skip(mayExceedLimits(), 'this process may');
    const queue = privateQueue();
    const error = failure(() => queue.set({ maxBytes: setting('msgmnb') + 1 }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('EPERM', 'msgctl'), id: queue.id });
  });
});

describe('remove()', () => {
  it('destroys the queue with its messages', () => {
    const queue = privateQueue();
    queue.sendSync('lost');
    queue.remove();
    expect(queueRow(queue.id)).toBeUndefined();
  });

  it('fails with EINVAL where somebody else removed it before', () => {
    const queue = privateQueue();
    sys.msgctl(queue.id, sys.IPC_RMID);
    const error = failure(() => queue.remove());
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('EINVAL', 'msgctl'), id: queue.id });
  });

  it("fails with EPERM for another user's queue", async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const msqid = privateId(0o666);
    const peer = await otherUser();
    await peer.call('openId', msqid);
    expect(await peer.failure('queue.remove')).toMatchObject({
      class: 'IpcError',
      code: 'EPERM',
      syscall: 'msgctl',
    });
    expect(queueRow(msqid)).toBeDefined();
  });
});

describe('list() and limits()', () => {
  it('list() has every queue of the namespace', () => {
    const queue = privateQueue();
    queue.sendSync('listed');
    const rows = queueRows();
    const list = SysvMessageQueue.list();
    expect(list.map(({ id }) => id).sort()).toEqual(rows.map(({ msqid }) => msqid).sort());
    expect(list.find(({ id }) => id === queue.id)).toEqual({ id: queue.id, ...queue.stat() });
  });

  it('list() is empty where there is none', ({ skip }) => {
    skip(queueRows().length > 0, 'there are queues of others in the namespace');
    expect(SysvMessageQueue.list()).toEqual([]);
    expect(SysvMessageQueue.limits()).toMatchObject({ queues: 0, messages: 0, bytes: 0 });
  });

  it('list() has queues too that may not be read', async () => {
    const msqid = privateId(0o000);
    const peer = await unprivileged();
    expect(await peer.call('list')).toEqual(
      expect.arrayContaining([expect.objectContaining({ id: msqid, mode: 0 })]),
    );
  });

  it('limits() gives the settings of the namespace and what is in use', () => {
    privateQueue().sendSync('counted');
    const rows = queueRows();
    expect(SysvMessageQueue.limits()).toEqual({
      maxMessageSize: setting('msgmax'),
      maxQueueBytes: setting('msgmnb'),
      maxQueues: setting('msgmni'),
      queues: rows.length,
      messages: rows.reduce((sum, row) => sum + row.qnum, 0),
      bytes: rows.reduce((sum, row) => sum + row.cbytes, 0),
    });
  });
});

describe('close()', () => {
  it('ends this object only: the queue and its messages stay', () => {
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key));
    const other = own(SysvMessageQueue.open(key));
    queue.sendSync('stays');
    queue.close();
    expect(queue.closed).toBe(true);
    expect(other.closed).toBe(false);
    expect(other.receiveSync().data.toString()).toBe('stays');
  });

  it('may be called again', () => {
    const queue = privateQueue();
    queue.close();
    expect(() => queue.close()).not.toThrow();
    expect(() => queue[Symbol.dispose]()).not.toThrow();
  });

  it('happens at the end of a block with using', () => {
    let outside: SysvMessageQueue;
    {
      using queue = privateQueue();
      outside = queue;
      expect(queue.closed).toBe(false);
    }
    expect(outside.closed).toBe(true);
    expect(queueRow(outside.id)).toBeDefined();
  });

  it('leaves id and key to be read', () => {
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key));
    const { id } = queue;
    queue.close();
    expect([queue.id, queue.key]).toEqual([id, key]);
  });

  it.each([
    ['sendSync()', (queue: SysvMessageQueue) => queue.sendSync('x')],
    ['trySend()', (queue: SysvMessageQueue) => queue.trySend('x')],
    ['receiveSync()', (queue: SysvMessageQueue) => queue.receiveSync()],
    ['tryReceive()', (queue: SysvMessageQueue) => queue.tryReceive()],
    ['receiveManySync()', (queue: SysvMessageQueue) => queue.receiveManySync(1)],
    ['tryReceiveMany()', (queue: SysvMessageQueue) => queue.tryReceiveMany(1)],
    ['peek()', (queue: SysvMessageQueue) => queue.peek()],
    ['stat()', (queue: SysvMessageQueue) => queue.stat()],
    ['set()', (queue: SysvMessageQueue) => queue.set({ mode: 0o600 })],
    ['remove()', (queue: SysvMessageQueue) => queue.remove()],
  ])('makes %s throw ERR_INVALID_STATE', (_name, call) => {
    const queue = privateQueue();
    const other = borrow(SysvMessageQueue.openId(queue.id));
    queue.sendSync('there');
    queue.close();
    expect(failure(() => call(queue))).toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect(other.stat().messages).toBe(1);
  });

  it.each([
    ['send()', (queue: SysvMessageQueue) => queue.send('x')],
    ['receive()', (queue: SysvMessageQueue) => queue.receive()],
    ['receiveMany()', (queue: SysvMessageQueue) => queue.receiveMany(1)],
  ])('makes %s reject with ERR_INVALID_STATE', async (_name, call) => {
    const queue = privateQueue();
    const other = borrow(SysvMessageQueue.openId(queue.id));
    queue.sendSync('there');
    queue.close();
    expect(await rejection(call(queue))).toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect(other.stat().messages).toBe(1);
  });
});

describe('errors of another user', () => {
  it("EACCES tells the queue's owner and mode", async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key, { mode: 0o600 }));
    const peer = await otherUser();
    const opened = await peer.failure('open', key, { create: false, mode: 0o600 });
    expect(opened).toMatchObject({ class: 'IpcError', ...systemError('EACCES', 'msgget'), key });
    await peer.call('openId', queue.id);
    for (const [method, args] of [
      ['queue.sendSync', ['x']],
      ['queue.trySend', ['x']],
      ['queue.send', ['x']],
      ['queue.receiveSync', []],
      ['queue.tryReceive', []],
      ['queue.receive', []],
    ] as const) {
      const error = await peer.failure(method, ...args);
      expect(error, method).toMatchObject({ class: 'IpcError', code: 'EACCES', id: queue.id });
      expect(error.message, method).toMatch(/\b0o?600\b/);
      expect(error.message, method).toMatch(/\b(uid|user|owner|owned)\b.{0,12}\b0\b|\broot\b/);
    }
  });
});

it('tryReceiveMany() takes all there is, wherever its memory ends', () => {
  const queue = own(SysvMessageQueue.open(IPC_PRIVATE));
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 15; index++) queue.sendSync(Buffer.alloc(1000, index));
    const messages = queue.tryReceiveMany(100);
    expect(messages.map(({ data }) => data[999])).toEqual(Array.from({ length: 15 }, (_, index) => index));
  }
});
