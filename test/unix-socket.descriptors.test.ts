// Descriptors that travel with messages: of every kind of socket, in every variant, and none that stays behind.
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Socket, connect as connectNet, createServer } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  EventFd,
  IpcError,
  Pipe,
  UnixDatagramSocket,
  type UnixDescriptor,
  UnixSeqpacketSocket,
  UnixStream,
} from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { failure, rejection } from './helpers/failures.js';
import { turns, until } from './helpers/until.js';
import {
  borrow,
  closing,
  datagramPair,
  descriptors,
  flagsOf,
  ownFolder,
  packetConnection,
  packetPair,
  patience,
  promised,
  received,
  receiver,
  sender,
  socketPath,
  streamConnection,
  streamPair,
  targetOf,
  text,
  there,
} from './helpers/unix-socket-ends.js';

/** What a message of any kind has in common. */
interface Taken {
  data: Buffer;
  descriptors: number[];
  descriptorsTruncated: boolean;
}
interface SendOptions {
  descriptors?: UnixDescriptor[];
}
interface End {
  readonly fd: number;
  sendSync(data: string, options?: SendOptions & { timeout?: number }): void;
  trySend(data: string, options?: SendOptions): unknown;
  send(data: string, options?: SendOptions & { signal?: AbortSignal; timeout?: number }): Promise<void>;
  receiveSync(options?: { timeout?: number }): Taken | null;
  tryReceive(): Taken | null | undefined;
  receive(): Promise<Taken | null>;
  close(): void;
}
interface Options {
  descriptors?: boolean;
}

const pairs: [string, (options?: Options) => [near: End, far: End]][] = [
  ['a datagram pair', (options) => datagramPair(options)],
  [
    'connected datagram sockets',
    (options) => {
      const to = receiver(options);
      return [borrow(UnixDatagramSocket.connect(to.address)), to];
    },
  ],
  ['a seqpacket pair', (options) => packetPair(options)],
  [
    'a seqpacket connection',
    (options) => {
      const { near, far } = packetConnection(options);
      return [near, far];
    },
  ],
  ['a stream pair', (options) => streamPair(options)],
  [
    'a stream connection',
    (options) => {
      const { near, far } = streamConnection(options);
      return [near, far];
    },
  ],
];

const sends: [string, (end: End, data: string, options?: SendOptions) => unknown][] = [
  ['sendSync()', (end, data, options) => end.sendSync(data, { timeout: patience, ...options })],
  ['trySend()', (end, data, options) => end.trySend(data, options)],
  ['send()', (end, data, options) => end.send(data, options)],
];

const receives: [string, (end: End) => Promise<Taken>][] = [
  ['receiveSync()', (end) => promised(() => there(end.receiveSync({ timeout: patience })))],
  ['tryReceive()', (end) => promised(() => there(end.tryReceive()))],
  ['receive()', async (end) => there(await end.receive())],
];

const variants = sends.flatMap(([sendName, send]) =>
  receives.map(([receiveName, receive]) => [sendName, receiveName, send, receive] as const),
);

/** Everything that was made for descriptors is there before they are counted. */
beforeAll(async () => {
  const [a, b] = UnixStream.pair();
  await b.send('x');
  await a.receive();
  a.close();
  b.close();
});

/** A file of the test's own, opened to be read. */
function file(content: string): number {
  const path = join(ownFolder(), 'file');
  writeFileSync(path, content);
  return closing(openSync(path, 'r'));
}

/** What can be read of a descriptor from its beginning. */
function contentOf(fd: number): string {
  const memory = Buffer.alloc(1000);
  return memory.toString('utf8', 0, readSync(fd, memory, 0, memory.length, 0));
}

/** A pipe whose reader sees the end when the last copy of the writing end is closed. */
function watchedPipe(): { fd: number; copies(): number; last(): boolean } {
  const { reader, writer } = borrow(Pipe.create());
  const fd = closing(sys.fcntl(writer.fd, sys.F_DUPFD_CLOEXEC, 0));
  writer.close();
  const is = targetOf(reader.fd);
  return {
    fd,
    copies: () => {
      let count = 0;
      for (let number = 0; number < 1024; number++) if (targetOf(number) === is) count++;
      return count - 1;
    },
    last: () => reader.tryRead() === null,
  };
}

describe.each(pairs)('%s', (name, make) => {
  it.each(variants)('carries a descriptor by %s and %s', async (_send, _receive, send, receive) => {
    const [near, far] = make({ descriptors: true });
    const fd = file('content');
    await send(near, 'data', { descriptors: [fd] });
    const message = await receive(far);
    const [copy = -1, ...others] = received(message.descriptors);
    expect([text(message), others.length, message.descriptorsTruncated]).toEqual(['data', 0, false]);
    expect(copy).not.toBe(fd);
    expect(targetOf(copy)).toBe(targetOf(fd));
    expect(contentOf(copy)).toBe('content');
    expect(flagsOf(copy) & sys.O_CLOEXEC).not.toBe(0);
    // The sender's own stays the sender's.
    expect(contentOf(fd)).toBe('content');
  });

  it('carries several in order, and the same one twice', async () => {
    const [near, far] = make({ descriptors: true });
    const files = ['a', 'b', 'c'].map(file);
    const [a = -1, b = -1, c = -1] = files;
    near.sendSync('x', { descriptors: [c, a, a, b] });
    const message = there(await far.receive());
    expect(received(message.descriptors).map(contentOf)).toEqual(['c', 'a', 'a', 'b']);
    expect(new Set(message.descriptors).size).toBe(4);
  });

  it('carries none where none are given', async () => {
    const [near, far] = make({ descriptors: true });
    near.sendSync('x', { descriptors: [] });
    expect(there(await far.receive())).toMatchObject({ descriptors: [], descriptorsTruncated: false });
    near.sendSync('y');
    expect(there(await far.receive())).toMatchObject({ descriptors: [], descriptorsTruncated: false });
  });

  it.each(receives)('gives each message its own by %s', async (_name, receive) => {
    const [near, far] = make({ descriptors: true });
    for (const word of ['one', 'two', 'three']) near.sendSync(word, { descriptors: [file(word)] });
    const seen: string[][] = [];
    // A stream may give what was sent before together with the first byte that brings descriptors, and never more.
    while (seen.flat().length < 3) seen.push(received((await receive(far)).descriptors).map(contentOf));
    expect(seen).toEqual([['one'], ['two'], ['three']]);
  });

  it.each(receives)(
    'that are not asked for are closed by the kernel, and %s says so',
    async (_name, receive) => {
      const [near, far] = make();
      const pipe = watchedPipe();
      near.sendSync('data', { descriptors: [pipe.fd, pipe.fd] });
      closeSync(pipe.fd);
      expect(pipe.last()).toBe(false);
      const before = descriptors();
      const message = await receive(far);
      expect([text(message), message.descriptors, message.descriptorsTruncated]).toEqual(['data', [], true]);
      expect(descriptors()).toBe(before);
      expect(pipe.last()).toBe(true);
      near.sendSync('next');
      expect((await receive(far)).descriptorsTruncated).toBe(false);
    },
  );

  it('goes with the message that nobody receives', async () => {
    const [near, far] = make({ descriptors: true });
    const pipe = watchedPipe();
    near.sendSync('never received', { descriptors: [pipe.fd] });
    closeSync(pipe.fd);
    expect(pipe.last()).toBe(false);
    far.close();
    near.close();
    await until('the descriptor is gone with its message', () => pipe.last());
  });

  it.each(sends)('of 253 are the most, and more are refused by %s with a clear text', async (_name, send) => {
    const [near, far] = make({ descriptors: true });
    const pipe = watchedPipe();
    const before = descriptors();
    for (const count of [254, 300, 1000]) {
      const error = await rejection(
        promised(() => send(near, 'x', { descriptors: Array.from({ length: count }, () => pipe.fd) })),
      );
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EINVAL' });
      expect(error.message).toContain('253');
      expect(error.message).toContain(String(count));
      expect(far.tryReceive()).toBeUndefined();
    }
    expect(descriptors()).toBe(before);
    await send(near, 'x', { descriptors: Array.from({ length: 253 }, () => pipe.fd) });
    const message = there(await far.receive());
    expect([message.descriptors.length, message.descriptorsTruncated]).toEqual([253, false]);
    for (const fd of message.descriptors) closeSync(fd);
    expect(descriptors()).toBe(before);
  });

  it.each(sends)(
    'of a number that is not open fails with EBADF by %s, and sends nothing',
    async (_name, send) => {
      const [near, far] = make({ descriptors: true });
      const pipe = watchedPipe();
      const [gone, other] = sys.pipe2(sys.O_CLOEXEC);
      closing(other);
      sys.close(gone);
      const before = descriptors();
      for (const list of [[gone], [pipe.fd, gone, pipe.fd], [gone, pipe.fd], [pipe.fd, -1], [1_000_000]]) {
        const error = await rejection(promised(() => send(near, 'x', { descriptors: list })));
        expect(error.code).toMatch(list.includes(-1) ? /^(EBADF|ERR_OUT_OF_RANGE)$/ : /^EBADF$/);
      }
      expect(far.tryReceive()).toBeUndefined();
      expect([descriptors(), pipe.copies()]).toEqual([before, 1]);
      closeSync(pipe.fd);
      expect(pipe.last()).toBe(true);
    },
  );

  it.each(sends)('of what has none is refused by %s before any call', async (_name, send) => {
    const [near, far] = make({ descriptors: true });
    const fd = file('x');
    for (const wrong of [
      null,
      undefined,
      'text',
      {},
      { fd: 'text' },
      { fd: null },
      true,
      1n,
      () => fd,
      [fd],
      Symbol(),
    ])
      expect(
        await rejection(
          promised(() => send(near, 'x', { descriptors: [fd, wrong as unknown as UnixDescriptor] })),
        ),
        typeof wrong,
      ).toMatchObject({
        name: 'TypeError',
        code: expect.stringMatching(/^ERR_INVALID_ARG_(TYPE|VALUE)$/) as unknown,
      });
    for (const wrong of [NaN, 0.5, Infinity, 2 ** 31])
      expect(
        await rejection(promised(() => send(near, 'x', { descriptors: [fd, wrong] }))),
        typeof wrong,
      ).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    for (const wrong of [null, fd, 'x', { 0: fd, length: 1 }])
      expect(
        await rejection(promised(() => send(near, 'x', { descriptors: wrong as unknown as number[] }))),
        typeof wrong,
      ).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    expect(far.tryReceive()).toBeUndefined();
  });

  it('to one that is gone leaves none behind', async () => {
    const [near, far] = make({ descriptors: true });
    const pipe = watchedPipe();
    far.close();
    const before = descriptors();
    for (const [variant, send] of sends)
      expect(
        await rejection(promised(() => send(near, 'x', { descriptors: [pipe.fd, pipe.fd] }))),
        variant,
      ).toHaveProperty('code');
    expect([descriptors(), pipe.copies()]).toEqual([before, 1]);
    closeSync(pipe.fd);
    expect(pipe.last()).toBe(true);
  });

  it('that waits and is aborted, or is over in time, leaves none behind and sends nothing', async () => {
    const [near, far] = make({ descriptors: true });
    let filled = 0;
    while (near.trySend('f') !== false && near.trySend('f') !== 0) filled++;
    expect(filled).toBeGreaterThan(0);
    const pipe = watchedPipe();
    const before = descriptors();
    const list = [pipe.fd, pipe.fd];
    for (let round = 0; round < 10; round++) {
      const controller = new AbortController();
      const aborted = rejection(near.send('never', { descriptors: list, signal: controller.signal }));
      await turns(round % 3);
      controller.abort();
      expect((await aborted).name).toBe('AbortError');
      expect(await rejection(near.send('never', { descriptors: list, timeout: 2 }))).toMatchObject({
        code: 'ETIMEDOUT',
      });
      expect(failure(() => near.sendSync('never', { descriptors: list, timeout: 1 }))).toMatchObject({
        code: 'ETIMEDOUT',
      });
      expect([false, 0]).toContain(near.trySend('never', { descriptors: list }));
    }
    await until('copies for the waits are gone', () => descriptors() === before && pipe.copies() === 1);
    closeSync(pipe.fd);
    expect(pipe.last()).toBe(true);
    for (let message = far.tryReceive(); message; message = far.tryReceive()) {
      expect(text(message)).not.toContain('never');
      expect(message.descriptors).toEqual([]);
    }
  });

  it('that waits sends what it was given, also where the caller closes it meanwhile', async () => {
    const [near, far] = make({ descriptors: true });
    while (near.trySend('f') !== false && near.trySend('f') !== 0);
    const fd = file('as it was');
    const list = [fd];
    const sent = near.send('with a file', { descriptors: list });
    await turns();
    list.length = 0;
    closeSync(fd);
    // The number is another's now.
    const next = file('another');
    let found: number[] = [];
    let words = '';
    while (!words.endsWith('with a file')) {
      const message = there(await far.receive());
      words = (words + text(message)).slice(-20);
      found = [...found, ...received(message.descriptors)];
    }
    await sent;
    expect(found.map(contentOf)).toEqual(['as it was']);
    expect(contentOf(next)).toBe('another');
  });

  it('that waits when its socket is closed leaves none behind', async () => {
    const [near] = make({ descriptors: true });
    while (near.trySend('f') !== false && near.trySend('f') !== 0);
    const pipe = watchedPipe();
    const sent = rejection(near.send('never', { descriptors: [pipe.fd] }));
    await turns();
    near.close();
    expect(await sent).toMatchObject({ code: 'ECANCELED' });
    closeSync(pipe.fd);
    await until('no copy is left', () => pipe.copies() === 0);
    expect(pipe.last()).toBe(true);
  });

  it.each<[string, () => Promise<{ given: UnixDescriptor; is: number; done?: () => unknown }>]>([
    [
      'a number',
      () => {
        const fd = file('x');
        return Promise.resolve({ given: fd, is: fd });
      },
    ],
    [
      "a pipe's end",
      () => {
        const { writer } = borrow(Pipe.create());
        return Promise.resolve({ given: writer, is: writer.fd });
      },
    ],
    [
      'an EventFd',
      () => {
        const event = borrow(EventFd.create());
        return Promise.resolve({ given: event, is: event.fd });
      },
    ],
    [
      'a socket of this package',
      () => {
        const [end] = packetPair();
        return Promise.resolve({ given: end, is: end.fd });
      },
    ],
    [
      'a FileHandle',
      async () => {
        const handle: FileHandle = await open(import.meta.filename);
        return { given: handle, is: handle.fd, done: () => handle.close() };
      },
    ],
    [
      'a net.Server',
      async () => {
        const server = createServer();
        await new Promise<void>((resolve) => server.listen(socketPath(), resolve));
        return { given: server, is: handleOf(server), done: () => server.close() };
      },
    ],
    [
      'a net.Socket',
      async () => {
        const path = socketPath();
        const server = createServer((connection) => {
          connection.on('error', () => undefined);
          onTestFinished(() => void connection.destroy());
        });
        await new Promise<void>((resolve) => server.listen(path, resolve));
        const socket = connectNet(path);
        await new Promise<void>((resolve) => socket.once('connect', resolve));
        return {
          given: socket,
          is: handleOf(socket),
          done: () => {
            socket.destroy();
            server.close();
          },
        };
      },
    ],
  ])('carries %s', async (_what, give) => {
    const { given, is, done } = await give();
    onTestFinished(async () => {
      await done?.();
    });
    for (const [variant, send] of sends) {
      const [near, far] = make({ descriptors: true });
      await send(near, 'x', { descriptors: [given] });
      const [copy = -1] = received(there(await far.receive()).descriptors);
      expect(targetOf(copy), variant).toBe(targetOf(is));
    }
  });

  it('refuses what is closed already', async () => {
    const [near, far] = make({ descriptors: true });
    const pipe = Pipe.create();
    pipe.close();
    const { reader } = pipe;
    const server = createServer();
    const socket = new Socket();
    for (const given of [reader, server, socket])
      expect(
        await rejection(promised(() => near.sendSync('x', { descriptors: [given as UnixDescriptor] }))),
      ).toHaveProperty('code');
    expect(far.tryReceive()).toBeUndefined();
  });

  it('can carry itself, and its other end', async () => {
    const [near, far] = make({ descriptors: true });
    near.sendSync('x', { descriptors: [near, far] });
    const before = [targetOf(near.fd), targetOf(far.fd)];
    const message = there(await far.receive());
    expect(received(message.descriptors).map(targetOf)).toEqual(before);
    if (name.includes('connected')) return;
    const [copy = -1] = message.descriptors;
    sys.send(copy, 'through the copy');
    expect(text(there(await far.receive()))).toBe('through the copy');
  });
});

function handleOf(socket: object): number {
  return (socket as { _handle: { fd: number } })._handle.fd;
}

describe('a datagram sent with an address', () => {
  it.each(sends)('carries descriptors by %s', async (_name, send) => {
    const to = receiver({ descriptors: true });
    const from = sender();
    const options = { descriptors: [file('content')], to: to.address };
    await send(from, 'x', options);
    const message = await to.receive();
    expect([text(message), ...received(message.descriptors).map(contentOf)]).toEqual(['x', 'content']);
  });

  it('that waits for room carries them when there is', async () => {
    const to = receiver({ descriptors: true });
    const from = sender();
    while (from.trySend('f', { to: to.address }));
    const fd = file('content');
    const sent = from.send('x', { to: to.address, descriptors: [fd] });
    await turns();
    closeSync(fd);
    let last = await to.receive();
    while (text(last) !== 'x') last = await to.receive();
    await sent;
    expect(received(last.descriptors).map(contentOf)).toEqual(['content']);
  });
});

describe.each<
  [string, () => [UnixDatagramSocket, UnixDatagramSocket] | [UnixSeqpacketSocket, UnixSeqpacketSocket]]
>([
  ['a datagram socket', () => datagramPair({ descriptors: true })],
  ['a seqpacket socket', () => packetPair({ descriptors: true })],
])('%s', (_name, make) => {
  it('gives many messages each its own', async () => {
    const [near, far] = make();
    const calls: [string, () => unknown][] = [
      ['receiveManySync()', () => far.receiveManySync(10, { timeout: patience })],
      ['tryReceiveMany()', () => far.tryReceiveMany(10)],
      ['receiveMany()', () => far.receiveMany(10)],
    ];
    for (const [name, call] of calls) {
      for (const words of [['a'], [], ['b', 'c'], [], ['d']])
        near.sendSync(words.join(), { descriptors: words.map(file) });
      const messages = (await promised(call)) as Taken[];
      expect(
        messages.map((message) => received(message.descriptors).map(contentOf)),
        name,
      ).toEqual([['a'], [], ['b', 'c'], [], ['d']]);
    }
  });

  it('carries them with an empty message', async () => {
    const [near, far] = make();
    near.sendSync('', { descriptors: [file('content')] });
    const message = there(await far.receive());
    expect([text(message), ...received(message.descriptors).map(contentOf)]).toEqual(['', 'content']);
  });

  it('keeps them with a message that is longer than maxBytes, and takes none', async () => {
    const [near, far] = make();
    near.sendSync('too long', { descriptors: [file('content')] });
    const before = descriptors();
    const calls: (() => unknown)[] = [
      () => far.receiveSync({ maxBytes: 3, timeout: patience }),
      () => far.tryReceive({ maxBytes: 3 }),
      () => far.receive({ maxBytes: 3 }),
      () => far.receiveManySync(5, { maxBytes: 3, timeout: patience }),
      () => far.tryReceiveMany(5, { maxBytes: 3 }),
      () => far.receiveMany(5, { maxBytes: 3 }),
    ];
    for (const call of calls) expect(await rejection(promised(call))).toMatchObject({ code: 'EMSGSIZE' });
    expect(descriptors()).toBe(before);
    const message = there(await far.receive());
    expect([text(message), ...received(message.descriptors).map(contentOf)]).toEqual(['too long', 'content']);
  });

  it('gives them with a message that is cut', async () => {
    const [near, far] = make();
    near.sendSync('too long', { descriptors: [file('content')] });
    const message = there(await far.receive({ maxBytes: 3, truncate: true }));
    expect([text(message), message.truncated]).toEqual(['too', true]);
    expect(received(message.descriptors).map(contentOf)).toEqual(['content']);
  });
});

describe('a codec that can not read a message', () => {
  const codec = {
    encode: (value: string) => value,
    decode: (data: Buffer): string => {
      if (data.toString().startsWith('bad')) throw new Error('can not be decoded');
      return data.toString();
    },
  };

  it('gives its descriptors with the error, in every variant, and loses none', async () => {
    const options = { codec, descriptors: true };
    for (const [near, far] of [UnixDatagramSocket.pair(options), UnixSeqpacketSocket.pair(options)]) {
      borrow(near);
      borrow(far);
      const calls: Record<string, () => unknown> = {
        receiveSync: () => far.receiveSync({ timeout: patience }),
        tryReceive: () => far.tryReceive(),
        receive: () => far.receive(),
        messages: () => far.messages().next(),
        receiveManySync: () => far.receiveManySync(1, { timeout: patience }),
        tryReceiveMany: () => far.tryReceiveMany(1),
        receiveMany: () => far.receiveMany(1),
      };
      for (const [name, call] of Object.entries(calls)) {
        near.sendSync('bad', { descriptors: [file(name)] });
        const error = (await rejection(promised(call))) as Error & { descriptors: number[] };
        expect(error, name).toMatchObject({ code: 'ERR_DECODE', data: Buffer.from('bad') });
        expect(received(error.descriptors).map(contentOf), name).toEqual([name]);
      }
      const seen: string[] = [];
      for (const word of ['good 1', 'bad 2', 'good 3']) near.sendSync(word, { descriptors: [file(word)] });
      for (let round = 0; round < 4 && seen.length < 3; round++) {
        const messages = await far.receiveMany(10).catch((error: unknown) => [error as Taken]);
        for (const message of messages) seen.push(...received(message.descriptors).map(contentOf));
      }
      expect(seen).toEqual(['good 1', 'bad 2', 'good 3']);
    }
  });
});

describe('a stream', () => {
  it('brings descriptors with the first byte that they were sent with', async () => {
    const [near, far] = streamPair({ descriptors: true });
    near.sendSync('before ');
    near.sendSync('with', { descriptors: [file('content')] });
    near.sendSync(' after');
    let words = '';
    let at = -1;
    while (words.length < 17) {
      const chunk = there(await far.receive());
      if (chunk.descriptors.length > 0) {
        at = words.length + chunk.data.length;
        expect(received(chunk.descriptors).map(contentOf)).toEqual(['content']);
      }
      words += text(chunk);
    }
    expect(words).toBe('before with after');
    // In the chunk that has its first byte in it.
    expect(at).toBeGreaterThan(7);
  });

  it('brings them once, however the bytes are received', async () => {
    const [near, far] = streamPair({ descriptors: true });
    near.sendSync('abcdef', { descriptors: [file('content')] });
    const counts: number[] = [];
    for (let index = 0; index < 6; index++)
      counts.push(received(there(await far.receive({ size: 1 })).descriptors).length);
    expect(counts).toEqual([1, 0, 0, 0, 0, 0]);
  });

  it('sends them once, however many calls the data takes', async () => {
    const [near, far] = streamPair({ descriptors: true });
    const length = 1_500_000;
    const sent = near
      .send(Buffer.alloc(length, 'x'), { descriptors: [file('content')] })
      .then(() => near.end());
    let bytes = 0;
    const found: number[] = [];
    for await (const chunk of far) {
      if (bytes > 0) expect(chunk.descriptors).toEqual([]);
      bytes += chunk.data.length;
      found.push(...received(chunk.descriptors));
    }
    await sent;
    expect([bytes, ...found.map(contentOf)]).toEqual([length, 'content']);
  });

  it('as a stream of node:net closes those that come', async () => {
    const [near, far] = streamPair({ descriptors: true });
    const stream = far.stream();
    const pipe = watchedPipe();
    near.sendSync('x', { descriptors: [pipe.fd] });
    closeSync(pipe.fd);
    const chunk = await new Promise<Buffer>((resolve) => stream.once('data', resolve));
    expect(chunk.toString()).toBe('x');
    expect(pipe.last()).toBe(true);
    stream.destroy();
  });
});

it('a pipe that travels is the same at both ends', async () => {
  const [near, far] = packetPair({ descriptors: true });
  const { reader, writer } = borrow(Pipe.create());
  near.sendSync('a pipe', { descriptors: [writer] });
  const [copy = -1] = received(there(await far.receive()).descriptors);
  writer.close();
  sys.write(copy, 'through the copy');
  closeSync(copy);
  expect(String(await reader.read())).toBe('through the copy');
  expect(await reader.read()).toBeNull();
});
