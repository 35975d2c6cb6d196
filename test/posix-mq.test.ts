// PosixMessageQueue: what its methods do where nothing has to be waited for.
import { execFileSync, spawnSync } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Codec, IpcError, PosixMessageQueue } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { failure, rejection, systemError } from './helpers/failures.js';
import { nobody, noSecondUser, plainEnvironment } from './helpers/peers.js';
import {
  type PosixMessage,
  again,
  changeMqueueSetting,
  closing,
  descriptorsOf,
  drain,
  fullQueue,
  maxQueueBytes,
  messagesIn,
  mqueueSetting,
  mqueueSettingsAreFixed,
  newQueue,
  ownName,
  queueFile,
  queuePeer,
  small,
  unprivilegedPeer,
  unusedName,
} from './helpers/posix-queues.js';
import { stateOf, turns, until } from './helpers/until.js';

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

describe('open()', () => {
  it('makes the queue of a name that has none, for its owner alone', () => {
    const name = unusedName();
    const queue = closing(PosixMessageQueue.open(name, small));
    expect(queue.name).toBe(name);
    expect(queue.closed).toBe(false);
    expect(fstatSync(queue.fd).mode & 0o777).toBe(0o600);
    expect(queueFile(queue.fd)).toEqual({ bytes: 0, notifyPid: 0 });
  });

  it('opens the queue of a name that has one', () => {
    const first = newQueue();
    const second = closing(PosixMessageQueue.open(first.name));
    expect(second.fd).not.toBe(first.fd);
    first.sendSync('between');
    expect(text(second.receiveSync())).toBe('between');
  });

  it('makes the queue with maxMessages and messageSize', () => {
    const queue = newQueue({ maxMessages: 3, messageSize: 77 });
    expect([queue.maxMessages, queue.messageSize]).toEqual([3, 77]);
    expect(sys.mq_getattr(queue.fd)).toMatchObject({ mq_maxmsg: 3, mq_msgsize: 77 });
  });

  it("makes the queue with the system's defaults where they are not given", () => {
    const [count, size] = [mqueueSetting('msg_default'), mqueueSetting('msgsize_default')];
    const queue = closing(PosixMessageQueue.open(unusedName()));
    expect([queue.maxMessages, queue.messageSize]).toEqual([count, size]);
    queue.unlink();
    queue.close();
    const short = closing(PosixMessageQueue.open(unusedName(), { messageSize: 5 }));
    expect([short.maxMessages, short.messageSize]).toEqual([count, 5]);
    const few = closing(PosixMessageQueue.open(unusedName(), { maxMessages: 2 }));
    expect([few.maxMessages, few.messageSize]).toEqual([2, size]);
  });

  it('leaves maxMessages and messageSize of a queue that is there as they are', () => {
    const { name } = newQueue({ maxMessages: 3, messageSize: 77 });
    const queue = closing(PosixMessageQueue.open(name, { maxMessages: 5, messageSize: 5 }));
    expect([queue.maxMessages, queue.messageSize]).toEqual([3, 77]);
  });

  it('makes the queue with the mode, less the umask', () => {
    const before = process.umask(0o027);
    onTestFinished(() => void process.umask(before));
    expect(fstatSync(newQueue({ mode: 0o666 }).fd).mode & 0o777).toBe(0o640);
    expect(fstatSync(newQueue({ mode: 0o200 }).fd).mode & 0o777).toBe(0o200);
  });

  it('fails with ENOENT and the name where there is none and create is false', () => {
    const name = unusedName();
    const error = failure(() => PosixMessageQueue.open(name, { create: false }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'mq_open'), path: name });
    expect(error.message).toContain(name);
  });

  it('fails with EEXIST and the name where there is one and exclusive is given', () => {
    const { name } = newQueue();
    const error = failure(() => PosixMessageQueue.open(name, { exclusive: true }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('EEXIST', 'mq_open'), path: name });
    expect(error.message).toContain(name);
  });

  it('makes descriptors that programs it starts do not get', () => {
    const queue = newQueue();
    expect(descriptorsOf(queue)).toBe(1);
    expect(sys.fcntl(queue.fd, sys.F_GETFD) & sys.FD_CLOEXEC).toBe(sys.FD_CLOEXEC);
    const inherited = execFileSync('sh', ['-c', 'ls -l /proc/self/fd'], { encoding: 'utf8' });
    expect(inherited).not.toContain(queue.name);
  });

  describe('of a name', () => {
    it.each(['no-slash', '', 'a/b'])('without a slash in front, as %j, fails and says so', (name) => {
      const error = failure(() => PosixMessageQueue.open(name, small));
      expect(error.code).toMatch(/^(EINVAL|ERR_INVALID_ARG_VALUE)$/);
      expect(error.message).toMatch(/slash|"\/"|'\/'/);
    });

    it('of 255 bytes after the slash can be had, of 256 fails with ENAMETOOLONG', () => {
      const longest = ownName(`/${`unix-ipc-test-${process.pid}-`.padEnd(255, 'n')}`);
      expect(longest.length).toBe(256);
      const queue = closing(PosixMessageQueue.open(longest, { exclusive: true, ...small }));
      expect(queue.name).toBe(longest);
      queue.sendSync('through');
      expect(drain(queue)).toEqual(['through']);
      const error = failure(() => PosixMessageQueue.open(`${longest}n`, small));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('ENAMETOOLONG', 'mq_open'), path: `${longest}n` });
      expect(error.message).toContain('255');
    });

    it('counts bytes, not characters', () => {
      const name = ownName(`/${'ü'.repeat(127)}${process.pid % 10}`);
      expect(closing(PosixMessageQueue.open(name, small)).name).toBe(name);
      expect(failure(() => PosixMessageQueue.open(`/${'ü'.repeat(128)}`, small)).code).toBe('ENAMETOOLONG');
    });

    it('that is "/" alone fails with ENOENT', () => {
      const error = failure(() => PosixMessageQueue.open('/', small));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('ENOENT', 'mq_open'), path: '/' });
    });

    it.each(['/a/b', '//a', '/a/'])('with a second slash, as %j, fails with EACCES and says so', (name) => {
      const error = failure(() => PosixMessageQueue.open(name, small));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('EACCES', 'mq_open'), path: name });
      expect(error.message).toMatch(/slash/);
    });

    it('with a NUL is refused before any call', () => {
      expect(failure(() => PosixMessageQueue.open('/a\0b', small))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_VALUE',
      });
    });

    it('with spaces, dots and letters of any language can be had', () => {
      const name = ownName(`/unix ipc.test ${process.pid} ü€😀 %s`);
      const queue = closing(PosixMessageQueue.open(name, small));
      queue.sendSync('x');
      expect(messagesIn({ name })).toBe(1);
    });
  });

  it.each(['maxMessages', 'messageSize'])('refuses a %s that is no positive whole number', (option) => {
    const name = unusedName();
    for (const value of [0, -1, 1.5, NaN, 2 ** 53]) {
      expect(failure(() => PosixMessageQueue.open(name, { ...small, [option]: value }))).toMatchObject({
        name: 'RangeError',
        code: 'ERR_OUT_OF_RANGE',
      });
    }
    expect(failure(() => PosixMessageQueue.open(name, { ...small, [option]: '5' }))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
    });
    expect(failure(() => PosixMessageQueue.open(name, { create: false })).code).toBe('ENOENT');
  });

  it('refuses an access that is none', () => {
    const options = { ...small, access: 'rw' } as unknown as typeof small;
    expect(failure(() => PosixMessageQueue.open(unusedName(), options))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
    });
  });

  it.each([
    ['maxMessages', 'msg_max'],
    ['messageSize', 'msgsize_max'],
  ] as const)(
    'fails with EINVAL where %s is over %s, with both numbers in the text',
    async (option, limit) => {
      const name = unusedName();
      const most = mqueueSetting(limit);
      const peer = await unprivilegedPeer();
      const error = await peer.failure('open', name, { ...small, [option]: most + 1 });
      expect(error).toMatchObject({ class: 'IpcError', ...systemError('EINVAL', 'mq_open'), path: name });
      expect(error.message).toContain(`${option} of ${most + 1} is over this system's ${limit} of ${most}`);
      expect(error.message).toContain(`fs.mqueue.${limit}`);
      expect(error.message).not.toContain(option === 'maxMessages' ? 'messageSize of' : 'maxMessages of');
      await peer.call('open', name, { maxMessages: 1, messageSize: 8, [option]: most });
    },
  );

  it('fails with EMFILE where RLIMIT_MSGQUEUE would be passed, and names it', async () => {
    const name = unusedName();
    const peer = await queuePeer('prlimit', '--msgqueue=100');
    expect(await peer.call('limits')).toMatchObject({ maxBytes: 100 });
    const error = await peer.failure('open', name, { maxMessages: 1, messageSize: 1000 });
    expect(error).toMatchObject({ class: 'IpcError', ...systemError('EMFILE', 'mq_open'), path: name });
    expect(error.message).toContain('RLIMIT_MSGQUEUE');
    expect(error.message).toContain('100');
    expect(await peer.failure('open', name, { create: false })).toMatchObject({ code: 'ENOENT' });
  });

  it("fails with EMFILE where the user's queues together pass RLIMIT_MSGQUEUE, and not after one is unlinked", async ({
    skip,
  }) => {
    skip(maxQueueBytes() === Infinity, 'RLIMIT_MSGQUEUE is unlimited here');
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const peer = await queuePeer('prlimit', '--msgqueue=20000');
    await peer.call('become', nobody);
    const [first, second] = [unusedName(), unusedName()];
    await peer.call('open', first, { maxMessages: 1, messageSize: 8000 });
    await peer.call('queue.close');
    await peer.call('open', second, { maxMessages: 1, messageSize: 8000 });
    expect(await peer.failure('open', unusedName(), { maxMessages: 1, messageSize: 8000 })).toMatchObject({
      code: 'EMFILE',
    });
    await peer.call('unlink', first);
    await peer.call('open', unusedName(), { maxMessages: 1, messageSize: 8000 });
  });

  it('fails with ENOSPC where queues_max is reached, and names it', async ({ skip }) => {
    const reason = mqueueSettingsAreFixed();
    skip(reason !== undefined, reason);
    const name = unusedName();
    const peer = await unprivilegedPeer();
    newQueue();
    changeMqueueSetting('queues_max', 1);
    const error = await peer.failure('open', name, small);
    expect(error).toMatchObject({ class: 'IpcError', ...systemError('ENOSPC', 'mq_open'), path: name });
    expect(error.message).toContain('queues_max');
    expect(error.message).toMatch(/\b1\b/);
  });

  it("fails with EACCES and a helping text for another user's queue, by every access", async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const { name } = newQueue();
    const peer = await queuePeer();
    await peer.call('become', nobody);
    for (const access of ['both', 'read', 'write']) {
      const error = await peer.failure('open', name, { access });
      expect(error).toMatchObject({ class: 'IpcError', ...systemError('EACCES', 'mq_open'), path: name });
      expect(error.message).toContain(name);
      expect(error.message).toMatch(/permission|mode|owner/);
    }
  });
});

describe('access', () => {
  it('read takes and does not send: EBADF, explained', async () => {
    const owner = newQueue();
    const queue = closing(PosixMessageQueue.open(owner.name, { access: 'read' }));
    for (const error of [
      failure(() => queue.sendSync('x')),
      failure(() => queue.trySend('x')),
      await rejection(queue.send('x')),
    ]) {
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EBADF', syscall: expect.stringMatching(sending) as unknown });
      expect(error.message).toMatch(/access/);
    }
    owner.sendSync('in');
    expect(text(queue.receiveSync())).toBe('in');
    expect(queue.stat()).toMatchObject({ messages: 0, bytes: 0 });
  });

  it('write sends and does not take: EBADF, explained', async () => {
    const owner = newQueue();
    const queue = closing(PosixMessageQueue.open(owner.name, { access: 'write' }));
    queue.sendSync('in');
    for (const error of [
      failure(() => queue.receiveSync()),
      failure(() => queue.tryReceive()),
      await rejection(queue.receive()),
      failure(() => queue.receiveManySync(2)),
      failure(() => queue.tryReceiveMany(2)),
      await rejection(queue.receiveMany(2)),
      await rejection(promised(() => queue.messages().next())),
    ]) {
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EBADF', syscall: expect.stringMatching(receiving) as unknown });
      expect(error.message).toMatch(/access/);
    }
    expect(drain(owner)).toEqual(['in']);
  });

  it('write does not see bytes and notifyPid, and sees the rest', () => {
    const owner = newQueue({ mode: 0o620 });
    const queue = closing(PosixMessageQueue.open(owner.name, { access: 'write' }));
    queue.sendSync('hello');
    expect(queue.stat()).toEqual({
      ...owner.stat(),
      messages: 1,
      bytes: undefined,
      notifyPid: undefined,
    });
  });

  it.each(['read', 'write', 'both'] as const)('%s can make the queue', (access) => {
    const queue = newQueue({ access });
    expect(sys.fcntl(queue.fd, sys.F_GETFL) & sys.O_ACCMODE).toBe(
      { read: sys.O_RDONLY, write: sys.O_WRONLY, both: sys.O_RDWR }[access],
    );
  });

  it('asks for no more than it says', async () => {
    const owner = newQueue({ mode: 0o622 });
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const writable = newQueue({ mode: 0o222 });
    const readable = newQueue({ mode: 0o444 });
    const peer = await unprivilegedPeer();
    await peer.call('open', writable.name, { access: 'write', create: false });
    await peer.call('queue.sendSync', 'written');
    expect(text(writable.receiveSync())).toBe('written');
    expect(await peer.failure('open', writable.name, { create: false })).toMatchObject({ code: 'EACCES' });
    readable.sendSync('to be read');
    await peer.call('open', readable.name, { access: 'read', create: false });
    expect(await peer.call('queue.receiveSync')).toMatchObject({ data: Buffer.from('to be read') });
    expect(await peer.failure('open', readable.name, { access: 'write' })).toMatchObject({ code: 'EACCES' });
    expect(owner.closed).toBe(false);
  });
});

describe('sending', () => {
  type Send = (
    queue: PosixMessageQueue,
    data: Uint8Array | string,
    options?: { priority?: number },
  ) => unknown;
  const variants: [string, Send][] = [
    ['sendSync()', (queue, data, options) => queue.sendSync(data, options)],
    ['trySend()', (queue, data, options) => expect(queue.trySend(data, options)).toBe(true)],
    ['send()', (queue, data, options) => queue.send(data, options)],
  ];

  describe.each(variants)('by %s', (_name, send) => {
    it('puts a string, a Buffer or any Uint8Array in the queue', async () => {
      const queue = newQueue();
      await send(queue, 'grün');
      await send(queue, Buffer.from([0, 1, 255]));
      await send(queue, Uint8Array.of(9, 8, 7, 6).subarray(1, 3));
      await send(queue, '');
      expect(queue.receiveManySync(10).map(({ data }) => data)).toEqual([
        Buffer.from('grün'),
        Buffer.from([0, 1, 255]),
        Buffer.from([8, 7]),
        Buffer.alloc(0),
      ]);
    });

    it('gives the message the priority, 0 where none is given', async () => {
      const queue = newQueue();
      await send(queue, 'none');
      for (const priority of [1, 31, 0, 32_767]) await send(queue, `of ${priority}`, { priority });
      expect(queue.receiveManySync(10).map(({ priority, data }) => [priority, data.toString()])).toEqual([
        [32_767, 'of 32767'],
        [31, 'of 31'],
        [1, 'of 1'],
        [0, 'none'],
        [0, 'of 0'],
      ]);
    });

    it.each([-1, 32_768, 2 ** 31, 2 ** 32, 1.5, NaN])('refuses the priority %s', async (priority) => {
      const queue = newQueue();
      const error = await rejection(promised(() => send(queue, 'x', { priority })));
      expect(error).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
      expect(messagesIn(queue)).toBe(0);
    });

    it('refuses a priority that is no number', async () => {
      const options = { priority: '1' } as unknown as { priority: number };
      expect(await rejection(promised(() => send(newQueue(), 'x', options)))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    });

    it('sends a message of messageSize', async () => {
      const queue = newQueue({ messageSize: 100 });
      const data = Buffer.alloc(100, 'm');
      await send(queue, data);
      expect(queue.receiveSync().data.equals(data)).toBe(true);
    });

    it('fails with EMSGSIZE over messageSize and says so with both numbers, in a full queue too', async () => {
      for (const queue of [newQueue({ messageSize: 100 }), fullQueue({ messageSize: 100 })]) {
        const before = messagesIn(queue);
        const error = await rejection(promised(() => send(queue, Buffer.alloc(101))));
        expect(error).toBeInstanceOf(IpcError);
        expect(error).toMatchObject({
          code: 'EMSGSIZE',
          syscall: expect.stringMatching(sending) as unknown,
        });
        expect(error.message).toContain('101');
        expect(error.message).toMatch(/\b100\b/);
        expect(error.message).toContain('messageSize');
        expect(messagesIn(queue)).toBe(before);
      }
    });

    it('goes on in a queue that was unlinked', async () => {
      const queue = newQueue();
      queue.unlink();
      await send(queue, 'still');
      expect(text(queue.receiveSync())).toBe('still');
    });
  });

  it('trySend() is false where the queue is full, and nothing is sent', () => {
    const queue = fullQueue();
    expect(queue.trySend('x')).toBe(false);
    expect(queue.trySend('', { priority: 100 })).toBe(false);
    expect(drain(queue)).toEqual(['f', 'f', 'f']);
  });

  it('send() has taken the bytes when it returns', async () => {
    const queue = fullQueue();
    const data = Buffer.from('as it was');
    const sent = queue.send(data);
    data.fill('!');
    queue.tryReceive();
    await sent;
    expect(drain(queue)).toEqual(['f', 'f', 'as it was']);
  });
});

describe('receiving', () => {
  const variants: [string, (queue: PosixMessageQueue) => Promise<PosixMessage | undefined>][] = [
    ['receiveSync()', (queue) => promised(() => queue.receiveSync({ timeout: 1000 }))],
    ['tryReceive()', (queue) => promised(() => queue.tryReceive())],
    ['receive()', (queue) => queue.receive()],
    ['receiveManySync(1)', (queue) => promised(() => queue.receiveManySync(1, { timeout: 1000 })[0])],
    ['tryReceiveMany(1)', (queue) => promised(() => queue.tryReceiveMany(1)[0])],
    ['receiveMany(1)', async (queue) => (await queue.receiveMany(1))[0]],
    [
      'messages()',
      async (queue) => {
        for await (const message of queue.messages()) return message;
        return undefined;
      },
    ],
  ];

  describe.each(variants)('by %s', (_name, receive) => {
    it('takes the message of the highest priority, the oldest of it', async () => {
      const queue = newQueue();
      for (const [priority, data] of [
        [5, 'a'],
        [0, 'b'],
        [32_767, 'c'],
        [5, 'd'],
        [0, 'e'],
        [32_767, 'f'],
        [6, 'g'],
      ] as const)
        queue.sendSync(data, { priority });
      const received: [number, string][] = [];
      for (let index = 0; index < 7; index++) {
        const message = await receive(queue);
        if (message) received.push([message.priority, text(message)]);
      }
      expect(received).toEqual([
        [32_767, 'c'],
        [32_767, 'f'],
        [6, 'g'],
        [5, 'a'],
        [5, 'd'],
        [0, 'b'],
        [0, 'e'],
      ]);
      expect(messagesIn(queue)).toBe(0);
    });

    it('takes an empty message, with nothing but data and priority', async () => {
      const queue = newQueue();
      queue.sendSync('');
      expect(await receive(queue)).toEqual({ priority: 0, data: Buffer.alloc(0) });
    });

    it('takes every size up to messageSize', async () => {
      const queue = newQueue({ messageSize: 8192, maxMessages: 2 });
      for (const size of [1, 7, 8, 9, 4095, 4096, 4097, 8191, 8192]) {
        const data = Buffer.alloc(size, `${size} `);
        queue.sendSync(data);
        expect((await receive(queue))?.data.equals(data), `${size} bytes`).toBe(true);
      }
    });

    it('gives every message a Buffer of its own', async () => {
      const queue = newQueue();
      const data: Buffer[] = [];
      for (let index = 0; index < 300; index++) {
        queue.sendSync(`message ${index} ${'x'.repeat(index % 200)}`);
        const message = await receive(queue);
        if (message) data.push(message.data);
      }
      expect(data.map(String)).toEqual(data.map((_, index) => `message ${index} ${'x'.repeat(index % 200)}`));
      expect(data).toHaveLength(300);
    });

    it('takes messages that are larger than the memory they are usually received in', async ({ skip }) => {
      const reason = mqueueSettingsAreFixed();
      skip(reason !== undefined, reason);
      changeMqueueSetting('msgsize_max', 200_000);
      const queue = newQueue({ maxMessages: 2, messageSize: 200_000 });
      for (const size of [65_535, 65_536, 65_537, 200_000, 3]) {
        const data = Buffer.alloc(size, 'large');
        queue.sendSync(data);
        expect((await receive(queue))?.data.equals(data), `${size} bytes`).toBe(true);
      }
    });
  });

  it('tryReceive() gives undefined where there is no message', () => {
    const queue = newQueue();
    expect(queue.tryReceive()).toBeUndefined();
    queue.sendSync('one');
    expect(queue.tryReceive()).toBeDefined();
    expect(queue.tryReceive()).toBeUndefined();
  });

  it('receiveMany() of each variant takes what is there, in order, up to max', async () => {
    const queue = newQueue();
    const send = (): void => {
      for (const data of ['a', 'b', 'c', 'd', 'e']) queue.sendSync(data);
      queue.sendSync('urgent', { priority: 9 });
    };
    send();
    expect(texts(queue.receiveManySync(3))).toEqual(['urgent', 'a', 'b']);
    expect(texts(queue.receiveManySync(4))).toEqual(['c', 'd', 'e']);
    send();
    expect(texts(queue.tryReceiveMany(4))).toEqual(['urgent', 'a', 'b', 'c']);
    expect(texts(queue.tryReceiveMany(4))).toEqual(['d', 'e']);
    expect(queue.tryReceiveMany(4)).toEqual([]);
    send();
    expect(texts(await queue.receiveMany(2))).toEqual(['urgent', 'a']);
    expect(await queue.receiveMany(1000)).toEqual(
      ['b', 'c', 'd', 'e'].map((data) => ({ priority: 0, data: Buffer.from(data) })),
    );
    expect(messagesIn(queue)).toBe(0);
  });

  it('receiveMany() that waits gives the message that comes', async () => {
    const queue = newQueue();
    const received = queue.receiveMany(10);
    await turns();
    queue.sendSync('came');
    expect(texts(await received)).toEqual(['came']);
  });

  it('tryReceiveMany() takes all there is, wherever its memory ends', () => {
    const queue = newQueue({ maxMessages: 10, messageSize: 8000 });
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 10; index++) queue.sendSync(Buffer.alloc(8000, index));
      const messages = queue.tryReceiveMany(100);
      expect(messages.map(({ data }) => data[7999])).toEqual(Array.from({ length: 10 }, (_, index) => index));
    }
  });

  it.each([0, -1, NaN, 1.5, 2 ** 53])('receiveMany() of each variant refuses %s as max', async (max) => {
    const queue = newQueue();
    queue.sendSync('stays');
    const expected = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
    expect(failure(() => queue.receiveManySync(max))).toMatchObject(expected);
    expect(failure(() => queue.tryReceiveMany(max))).toMatchObject(expected);
    expect(await rejection(queue.receiveMany(max))).toMatchObject(expected);
    expect(drain(queue)).toEqual(['stays']);
  });

  it('is aligned for every typed array, in a batch too', async () => {
    const queue = newQueue();
    const waiting = Array.from({ length: 10 }, () => queue.receive());
    for (let length = 1; length <= 10; length++) queue.sendSync(Buffer.alloc(length));
    for (const { data } of await Promise.all(waiting)) expect(data.byteOffset % 8).toBe(0);
    for (let length = 1; length <= 10; length++) queue.sendSync(Buffer.alloc(length));
    for (const { data } of queue.tryReceiveMany(10)) expect(data.byteOffset % 8).toBe(0);
  });
});

describe('for await', () => {
  it('gives every message in order', async () => {
    const queue = newQueue();
    const sent = Promise.all(Array.from({ length: 100 }, (_, index) => queue.send(String(index))));
    const received: string[] = [];
    for await (const { priority, data } of queue) {
      expect(priority).toBe(0);
      received.push(data.toString());
      if (received.length === 100) break;
    }
    await sent;
    expect(received).toEqual(Array.from({ length: 100 }, (_, index) => String(index)));
  });

  it('leaves the rest in the queue on break, for other processes too', async () => {
    const queue = newQueue();
    for (let index = 0; index < 10; index++) queue.sendSync(String(index));
    let count = 0;
    for await (const { data } of queue) {
      expect(data.toString()).toBe(String(count));
      if (++count === 3) break;
    }
    expect(drain(queue)).toEqual(['3', '4', '5', '6', '7', '8', '9']);
  });

  it('leaves the rest in the queue where its body throws', async () => {
    const queue = newQueue();
    for (const data of ['a', 'b', 'c']) queue.sendSync(data);
    const looped = (async () => {
      for await (const { data } of queue) throw new Error(`at ${data.toString()}`);
    })();
    expect((await rejection(looped)).message).toBe('at a');
    expect(drain(queue)).toEqual(['b', 'c']);
  });

  it('can be begun again after a break', async () => {
    const queue = newQueue();
    for (const data of ['a', 'b']) queue.sendSync(data);
    for (const expected of ['a', 'b']) {
      for await (const { data } of queue) {
        expect(data.toString()).toBe(expected);
        break;
      }
    }
  });

  it('gives each message to one of two loops', async () => {
    const queue = newQueue();
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
    const queue = newQueue();
    queue.sendSync('one');
    queue.sendSync('two');
    const iterator = queue.messages();
    expect(iterator[Symbol.asyncIterator]()).toBe(iterator);
    expect((await iterator.next()).value).toEqual({ priority: 0, data: Buffer.from('one') });
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(drain(queue)).toEqual(['two']);
  });

  it('return() during next() ends it, and a message that comes later stays in the queue', async () => {
    const queue = newQueue();
    const iterator = queue.messages();
    const next = iterator.next();
    await turns();
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await next).toEqual({ done: true, value: undefined });
    queue.sendSync('stays');
    await turns();
    expect(drain(queue)).toEqual(['stays']);
  });

  it('that waits ends without an error when the queue is closed', async () => {
    const queue = newQueue();
    queue.sendSync('one');
    const received: string[] = [];
    const looped = (async () => {
      for await (const message of queue) received.push(text(message));
      return 'ended';
    })();
    await until('the first is received', () => received.length === 1);
    queue.close();
    expect(await looped).toBe('ended');
  });

  it('whose body closes the queue ends without an error and leaves the rest', async () => {
    const queue = newQueue();
    for (const data of ['a', 'b', 'c']) queue.sendSync(data);
    const received: string[] = [];
    for await (const message of queue) {
      received.push(text(message));
      queue.close();
    }
    expect(received).toEqual(['a']);
    expect(drain(queue)).toEqual(['b', 'c']);
  });

  it('that is aborted throws the reason, and nothing is lost', async () => {
    const queue = newQueue();
    queue.sendSync('one');
    const controller = new AbortController();
    const reason = new Error('enough');
    const received: string[] = [];
    const looped = (async () => {
      for await (const message of queue.messages({ signal: controller.signal })) received.push(text(message));
    })();
    const ended = rejection(looped);
    await until('the first is received', () => received.length === 1);
    controller.abort(reason);
    expect(await ended).toBe(reason);
    queue.sendSync('stays');
    await turns();
    expect(drain(queue)).toEqual(['stays']);
  });
});

describe('codec', () => {
  const open = <T>(codec: Codec<T>): PosixMessageQueue<T> =>
    closing(PosixMessageQueue.open(unusedName(), { ...small, codec }));

  it("'utf8' makes messages strings", async () => {
    const queue = closing(PosixMessageQueue.open(unusedName(), { ...small, codec: 'utf8' }));
    for (const value of ['', 'grüße €', '😀', 'a\0b']) {
      queue.sendSync(value);
      expect(queue.receiveSync().data).toBe(value);
      await queue.send(value);
      expect((await queue.receive()).data).toBe(value);
      expect(queue.trySend(value, { priority: 3 })).toBe(true);
      expect(queue.tryReceive()).toEqual({ priority: 3, data: value });
    }
  });

  it("'json' makes messages values", async () => {
    const queue = closing(PosixMessageQueue.open(unusedName(), { ...small, codec: 'json' }));
    for (const value of [{ id: 1, list: [1, null, 'ü'] }, 'text', 0, false, null]) {
      queue.sendSync(value);
      expect(queue.receiveSync().data).toEqual(value);
      await queue.send(value);
      expect(await queue.receiveMany(1)).toEqual([{ priority: 0, data: value }]);
      queue.trySend(value);
      for await (const { data } of queue) {
        expect(data).toEqual(value);
        break;
      }
    }
  });

  it("'json' refuses what is no JSON and sends nothing", async () => {
    const queue = closing(PosixMessageQueue.open(unusedName(), { ...small, codec: 'json' }));
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    for (const value of [undefined, () => 1, Symbol('s'), 1n, cyclic]) {
      expect(failure(() => queue.sendSync(value))).toBeInstanceOf(Error);
      expect(failure(() => queue.trySend(value))).toBeInstanceOf(Error);
      expect(await rejection(queue.send(value))).toBeInstanceOf(Error);
    }
    expect(messagesIn(queue)).toBe(0);
  });

  it('of your own encodes to bytes or a string, and decodes from a Buffer', () => {
    const queue = open({
      encode: (value: number) => (value < 0 ? String(value) : Buffer.from(String(value))),
      decode: (data: Buffer) => {
        expect(Buffer.isBuffer(data)).toBe(true);
        return Number(data);
      },
    });
    queue.sendSync(-12);
    queue.sendSync(34, { priority: 2 });
    expect(queue.receiveSync()).toEqual({ priority: 2, data: 34 });
    expect(queue.receiveSync()).toEqual({ priority: 0, data: -12 });
  });

  it('that encodes more than messageSize fails with EMSGSIZE', async () => {
    const queue = closing(PosixMessageQueue.open(unusedName(), { ...small, codec: 'json' }));
    const value = 'x'.repeat(small.messageSize);
    expect(failure(() => queue.sendSync(value)).code).toBe('EMSGSIZE');
    expect((await rejection(queue.send(value))).code).toBe('EMSGSIZE');
  });

  it('that throws while it encodes passes its error on, and nothing is sent', async () => {
    const cause = new Error('can not be encoded');
    const queue = open<string>({
      encode: () => {
        throw cause;
      },
      decode: String,
    });
    expect([failure(() => queue.sendSync('x')), failure(() => queue.sendSync('x')).cause]).toContain(cause);
    const error = await rejection(queue.send('x'));
    expect([error, error.cause]).toContain(cause);
    expect(messagesIn(queue)).toBe(0);
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
    const expected = { code: 'ERR_DECODE', cause, priority: 6, data: Buffer.from('bad') };

    it('gives the bytes and the priority with the error, by every variant', async () => {
      const queue = open(codec);
      const send = (): void => queue.sendSync('bad', { priority: 6 });
      send();
      expect(failure(() => queue.receiveSync())).toMatchObject(expected);
      send();
      expect(failure(() => queue.tryReceive())).toMatchObject(expected);
      send();
      expect(await rejection(queue.receive())).toMatchObject(expected);
      const waiting = rejection(queue.receive());
      await turns();
      send();
      expect(await waiting).toMatchObject(expected);
      send();
      const looped = (async () => {
        for await (const _ of queue) throw new Error('was given a message');
      })();
      expect(await rejection(looped)).toMatchObject(expected);
      expect(messagesIn(queue)).toBe(0);
    });

    it.each([
      [
        'receiveManySync()',
        (queue: PosixMessageQueue<string>) => promised(() => queue.receiveManySync(10, { timeout: 500 })),
      ],
      ['tryReceiveMany()', (queue: PosixMessageQueue<string>) => promised(() => queue.tryReceiveMany(10))],
      ['receiveMany()', (queue: PosixMessageQueue<string>) => queue.receiveMany(10, { timeout: 500 })],
    ])('loses no message around it in %s', async (_name, receive) => {
      const queue = open(codec);
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
    const plain = newQueue();
    const queue = closing(PosixMessageQueue.open(plain.name, { codec: 'json' }));
    plain.sendSync('{ broken', { priority: 3 });
    expect(failure(() => queue.receiveSync())).toMatchObject({
      code: 'ERR_DECODE',
      priority: 3,
      data: Buffer.from('{ broken'),
      cause: expect.any(SyntaxError) as unknown,
    });
  });
});

describe('stat()', () => {
  it('gives what the kernel has', () => {
    const queue = newQueue({ maxMessages: 4, messageSize: 32, mode: 0o640 });
    queue.sendSync('hello');
    queue.sendSync('there', { priority: 7 });
    queue.sendSync('gone', { priority: 9 });
    queue.receiveSync();
    const { uid, gid, mode } = fstatSync(queue.fd);
    expect(queue.stat()).toEqual({
      maxMessages: 4,
      messageSize: 32,
      messages: 2,
      bytes: 10,
      notifyPid: undefined,
      uid,
      gid,
      mode: mode & 0o777,
    });
    expect(queueFile(queue.fd).bytes).toBe(10);
  });

  it('says who is registered for notifications', async () => {
    const queue = newQueue();
    expect(queue.stat().notifyPid).toBeUndefined();
    const registration = queue.notify(() => undefined);
    expect(queue.stat().notifyPid).toBe(process.pid);
    expect(again(queue).stat().notifyPid).toBe(process.pid);
    registration.close();
    expect(queue.stat().notifyPid).toBeUndefined();
    const peer = await queuePeer();
    await peer.call('open', queue.name);
    await peer.call('notify');
    expect(queue.stat().notifyPid).toBe(peer.pid);
  });
});

describe('limits()', () => {
  it('gives the settings of the namespace and of this user', () => {
    expect(PosixMessageQueue.limits()).toEqual({
      maxMessages: mqueueSetting('msg_max'),
      messageSize: mqueueSetting('msgsize_max'),
      defaultMaxMessages: mqueueSetting('msg_default'),
      defaultMessageSize: mqueueSetting('msgsize_default'),
      maxQueues: mqueueSetting('queues_max'),
      maxBytes: maxQueueBytes(),
    });
  });

  it('sees when they change', ({ skip }) => {
    const reason = mqueueSettingsAreFixed();
    skip(reason !== undefined, reason);
    changeMqueueSetting('msg_max', 20);
    changeMqueueSetting('msg_default', 3);
    expect(PosixMessageQueue.limits()).toMatchObject({ maxMessages: 20, defaultMaxMessages: 3 });
    expect(newQueue({ maxMessages: 20, messageSize: 8 }).maxMessages).toBe(20);
    expect(closing(PosixMessageQueue.open(unusedName(), { messageSize: 8 })).maxMessages).toBe(3);
  });

  it('gives Infinity where RLIMIT_MSGQUEUE is unlimited', async ({ skip }) => {
    const tried = spawnSync('prlimit', ['--msgqueue=unlimited', 'true'], { env: plainEnvironment() });
    skip(tried.status !== 0, 'RLIMIT_MSGQUEUE can not be raised here');
    const peer = await queuePeer('prlimit', '--msgqueue=unlimited');
    expect(await peer.call('limits')).toMatchObject({ maxBytes: Infinity });
  });
});

describe('unlink()', () => {
  it('takes the name away at once, and the queue stays for those who have it open', () => {
    const queue = newQueue();
    const other = again(queue);
    queue.sendSync('before');
    queue.unlink();
    expect(failure(() => PosixMessageQueue.open(queue.name, { create: false })).code).toBe('ENOENT');
    other.sendSync('after');
    expect(texts(queue.tryReceiveMany(5))).toEqual(['before', 'after']);
    expect(queue.stat().messages).toBe(0);
  });

  it('lets the name be given to a new queue, which is another', () => {
    const old = newQueue();
    old.sendSync('old');
    PosixMessageQueue.unlink(old.name);
    const fresh = closing(PosixMessageQueue.open(old.name, { exclusive: true, ...small }));
    expect(fresh.tryReceive()).toBeUndefined();
    fresh.sendSync('fresh');
    expect(texts(old.tryReceiveMany(5))).toEqual(['old']);
    expect(texts(fresh.tryReceiveMany(5))).toEqual(['fresh']);
  });

  it('does not end waits', async () => {
    const queue = newQueue();
    const other = again(queue);
    const received = queue.receive();
    await turns();
    queue.unlink();
    expect(await stateOf(received)).toBe('pending');
    other.sendSync('after all');
    expect(text(await received)).toBe('after all');
  });

  it('leaves the messages to whoever has the queue open, and takes them with the last', () => {
    const queue = newQueue();
    queue.sendSync('lost');
    queue.unlink();
    queue.close();
    const fresh = closing(PosixMessageQueue.open(queue.name, small));
    expect(fresh.tryReceive()).toBeUndefined();
  });

  it('fails with ENOENT and the name where there is no such queue', () => {
    const queue = newQueue();
    PosixMessageQueue.unlink(queue.name);
    for (const error of [
      failure(() => queue.unlink()),
      failure(() => PosixMessageQueue.unlink(queue.name)),
    ]) {
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ ...systemError('ENOENT', 'mq_unlink'), path: queue.name });
      expect(error.message).toContain(queue.name);
    }
  });

  it("fails with EACCES for another user's queue, and leaves it", async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const { name } = newQueue({ mode: 0o666 });
    const peer = await queuePeer();
    await peer.call('become', nobody);
    const error = await peer.failure('unlink', name);
    expect(error).toMatchObject({ class: 'IpcError', ...systemError('EACCES', 'mq_unlink'), path: name });
    await peer.call('open', name, { create: false });
    expect(await peer.failure('queue.unlink')).toMatchObject({ code: 'EACCES' });
    expect(messagesIn({ name })).toBe(0);
  });
});

describe('close()', () => {
  it('ends this object only, with its descriptor: the queue and its messages stay', () => {
    const queue = newQueue();
    const other = again(queue);
    queue.sendSync('stays');
    queue.close();
    expect(queue.closed).toBe(true);
    expect(other.closed).toBe(false);
    expect(descriptorsOf(queue)).toBe(1);
    expect(text(other.receiveSync())).toBe('stays');
  });

  it('may be called again, and closes no descriptor of another', () => {
    const queue = newQueue();
    queue.close();
    const next = newQueue();
    expect(() => queue.close()).not.toThrow();
    expect(() => queue[Symbol.dispose]()).not.toThrow();
    expect(next.trySend('x')).toBe(true);
  });

  it('happens at the end of a block with using', () => {
    let outside: PosixMessageQueue;
    {
      using queue = newQueue();
      outside = queue;
      expect(queue.closed).toBe(false);
    }
    expect(outside.closed).toBe(true);
    expect(descriptorsOf(outside)).toBe(0);
    expect(messagesIn(outside)).toBe(0);
  });

  it('leaves name, maxMessages and messageSize to be read', () => {
    const queue = newQueue({ maxMessages: 4, messageSize: 20 });
    const { name } = queue;
    queue.close();
    expect([queue.name, queue.maxMessages, queue.messageSize]).toEqual([name, 4, 20]);
  });

  it.each([
    ['sendSync()', (queue: PosixMessageQueue) => queue.sendSync('x')],
    ['trySend()', (queue: PosixMessageQueue) => queue.trySend('x')],
    ['receiveSync()', (queue: PosixMessageQueue) => queue.receiveSync()],
    ['tryReceive()', (queue: PosixMessageQueue) => queue.tryReceive()],
    ['receiveManySync()', (queue: PosixMessageQueue) => queue.receiveManySync(1)],
    ['tryReceiveMany()', (queue: PosixMessageQueue) => queue.tryReceiveMany(1)],
    ['notify()', (queue: PosixMessageQueue) => queue.notify(() => undefined)],
    ['stat()', (queue: PosixMessageQueue) => queue.stat()],
    ['unlink()', (queue: PosixMessageQueue) => queue.unlink()],
  ])('makes %s throw ERR_INVALID_STATE', (_name, call) => {
    const queue = newQueue();
    queue.sendSync('there');
    queue.close();
    // Whoever has the number next must not be touched.
    const next = newQueue();
    next.sendSync('there too');
    expect(failure(() => call(queue))).toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect([messagesIn(queue), messagesIn(next)]).toEqual([1, 1]);
  });

  it.each([
    ['send()', (queue: PosixMessageQueue) => queue.send('x')],
    ['receive()', (queue: PosixMessageQueue) => queue.receive()],
    ['receiveMany()', (queue: PosixMessageQueue) => queue.receiveMany(1)],
  ])('makes %s reject with ERR_INVALID_STATE', async (_name, call) => {
    const queue = newQueue();
    queue.sendSync('there');
    queue.close();
    const next = newQueue();
    next.sendSync('there too');
    expect(await rejection(call(queue))).toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect([messagesIn(queue), messagesIn(next)]).toEqual([1, 1]);
  });
});

it('leaves no descriptor behind after opens that fail', () => {
  const { name } = newQueue();
  for (let round = 0; round < 10; round++) {
    const wrong = [{ exclusive: true }, { create: false, codec: 'none' }, { create: false, spin: -1 }];
    for (const options of wrong) {
      expect(failure(() => PosixMessageQueue.open(name, options as unknown as typeof small))).toHaveProperty(
        'code',
      );
    }
  }
  expect(descriptorsOf({ name })).toBe(1);
});
