// UnixDatagramSocket: what its methods do where nothing has to be waited for. Waits are in unix-socket.waiting.test.ts,
// names in unix-socket.address.test.ts, descriptors in unix-socket.descriptors.test.ts.
import { openSync } from 'node:fs';
import { Server } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  type Codec,
  EventFd,
  IpcError,
  Pipe,
  UnixDatagramSocket,
  type UnixMessage,
  UnixSeqpacketServer,
} from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { failure, rejection } from './helpers/failures.js';
import { fixture } from './helpers/peers.js';
import { stateOf, turns } from './helpers/until.js';
import {
  abstractName,
  borrow,
  closing,
  connectedTo,
  datagramPair,
  descriptors,
  drain,
  fill,
  flagsOf,
  packetServer,
  patience,
  pattern,
  promised,
  queueLength,
  receiver,
  sender,
  socketPath,
  streamServer,
  targetOf,
  text,
  texts,
  there,
} from './helpers/unix-socket-ends.js';

/** A message as it comes where nothing is special about it. */
function plain(data: string | Buffer, address: string | Uint8Array = ''): UnixMessage {
  return {
    data: Buffer.from(data as string),
    address: address,
    descriptors: [],
    credentials: undefined,
    truncated: false,
    descriptorsTruncated: false,
  };
}

/** Its address, once nobody has it any more: the file is left behind, and a name of the other kind is free. */
function leftBehind(): string {
  const path = socketPath();
  UnixDatagramSocket.bind(path, { unlinkOnClose: false }).close();
  return path;
}

type Data = Uint8Array | string;
const sends: [string, (from: UnixDatagramSocket, data: Data, to?: string | Uint8Array) => unknown][] = [
  ['sendSync()', (from, data, to) => from.sendSync(data, to === undefined ? {} : { to, timeout: patience })],
  ['trySend()', (from, data, to) => from.trySend(data, to === undefined ? {} : { to })],
  ['send()', (from, data, to) => from.send(data, to === undefined ? {} : { to })],
];

interface Cut {
  maxBytes?: number;
  truncate?: boolean;
}
const receives: [string, (from: UnixDatagramSocket, options?: Cut) => Promise<UnixMessage | undefined>][] = [
  ['receiveSync()', (from, options) => promised(() => from.receiveSync({ timeout: patience, ...options }))],
  ['tryReceive()', (from, options) => promised(() => from.tryReceive(options))],
  ['receive()', (from, options) => from.receive(options)],
  [
    'receiveManySync()',
    (from, options) => promised(() => from.receiveManySync(1, { timeout: patience, ...options })[0]),
  ],
  ['tryReceiveMany()', (from, options) => promised(() => from.tryReceiveMany(1, options)[0])],
  ['receiveMany()', async (from, options) => (await from.receiveMany(1, options))[0]],
  [
    'messages()',
    async (from, options) => {
      for await (const message of from.messages(options)) return message;
      return undefined;
    },
  ],
];

const manys: [string, (from: UnixDatagramSocket, max: number, options?: Cut) => Promise<UnixMessage[]>][] = [
  [
    'receiveManySync()',
    (from, max, options) => promised(() => from.receiveManySync(max, { timeout: patience, ...options })),
  ],
  ['tryReceiveMany()', (from, max, options) => promised(() => from.tryReceiveMany(max, options))],
  ['receiveMany()', (from, max, options) => from.receiveMany(max, options)],
];

describe('bind()', () => {
  it('makes a socket that others send to', () => {
    const socket = receiver();
    expect(socket).toBeInstanceOf(UnixDatagramSocket);
    expect(socket.closed).toBe(false);
    expect(targetOf(socket.fd)).toMatch(/^socket:/);
    expect(sys.getsockopt(socket.fd, sys.SOL_SOCKET, sys.SO_TYPE)).toBe(sys.SOCK_DGRAM);
    expect(socket.peerAddress).toBeUndefined();
    sender().sendSync('hello', { to: socket.address });
    expect(socket.receiveSync({ timeout: patience })).toEqual(plain('hello'));
  });

  it('lets it send too', () => {
    const [a, b] = [receiver(), receiver()];
    a.sendSync('question', { to: b.address });
    const { data, address } = b.receiveSync({ timeout: patience });
    expect([data.toString(), address]).toEqual(['question', a.address]);
    b.sendSync('answer', { to: address });
    expect(a.receiveSync({ timeout: patience })).toEqual(plain('answer', b.address));
  });
});

it('makes descriptors that are closed on exec', () => {
  const bound = receiver();
  for (const { fd } of [bound, connectedTo(bound), sender(), ...datagramPair()])
    expect(flagsOf(fd) & sys.O_CLOEXEC, `flags of ${fd}`).not.toBe(0);
});

describe('connect()', () => {
  it('sends there where nothing else is said', () => {
    const to = receiver();
    const from = connectedTo(to);
    expect([from.address, from.peerAddress]).toEqual(['', to.address]);
    from.sendSync('one');
    expect(from.trySend('two')).toBe(true);
    expect(texts(to.tryReceiveMany(5))).toEqual(['one', 'two']);
  });

  it('receives only from there', async () => {
    const to = receiver();
    const from = connectedTo(to, { bind: socketPath() });
    to.sendSync('from there', { to: from.address });
    expect(from.receiveSync({ timeout: patience })).toEqual(plain('from there', to.address));
    const other = sender();
    for (const [name, send] of sends)
      expect(await rejection(promised(() => send(other, 'x', from.address))), name).toMatchObject({
        code: 'EPERM',
      });
    expect(from.tryReceive()).toBeUndefined();
  });

  it('still sends elsewhere where that is said', () => {
    const [to, other] = [receiver(), receiver()];
    const from = connectedTo(to);
    from.sendSync('elsewhere', { to: other.address });
    expect(texts(other.tryReceiveMany(5))).toEqual(['elsewhere']);
    expect(to.tryReceive()).toBeUndefined();
    from.sendSync('there');
    expect(texts(to.tryReceiveMany(5))).toEqual(['there']);
  });

  it('binds too where it is told to, and is answered', () => {
    const to = receiver();
    const path = socketPath();
    const from = connectedTo(to, { bind: path });
    expect([from.address, from.peerAddress]).toEqual([path, to.address]);
    from.sendSync('question');
    const { address } = to.receiveSync({ timeout: patience });
    expect(address).toBe(path);
    to.sendSync('answer', { to: address });
    expect(text(from.receiveSync({ timeout: patience }))).toBe('answer');
  });

  it.each([
    ['ENOENT', 'there is no such path', () => socketPath()],
    ['ECONNREFUSED', 'the path is left behind', leftBehind],
    ['ECONNREFUSED', 'nobody has the abstract name', () => abstractName()],
    ['EPROTOTYPE', 'a stream socket is there', () => streamServer().address],
    ['EPROTOTYPE', 'a seqpacket socket is there', () => packetServer().address],
    ['ECONNREFUSED', 'the path is no socket', () => fixture('peer.js')],
    ['ENOTDIR', 'the path goes through a file', () => `${fixture('peer.js')}/x`],
  ])('fails with %s where %s, and leaves no descriptor', (code, _why, address) => {
    const to = address();
    const before = descriptors();
    const error = failure(() => UnixDatagramSocket.connect(to));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code, syscall: 'connect' });
    if (typeof to === 'string' && to.startsWith('/')) expect(error.message).toContain(to);
    const path = socketPath('mine');
    expect(failure(() => UnixDatagramSocket.connect(to, { bind: path }))).toMatchObject({ code });
    expect(descriptors()).toBe(before);
    // A name that was taken for it is free again.
    expect(borrow(UnixDatagramSocket.bind(path)).address).toBe(path);
  });
});

describe('create()', () => {
  it('makes a socket without a name, which sends where it is told to', () => {
    const from = sender();
    expect([from.address, from.peerAddress]).toEqual(['', undefined]);
    const [a, b] = [receiver(), receiver()];
    from.sendSync('for a', { to: a.address });
    from.sendSync('for b', { to: b.address });
    expect([texts(a.tryReceiveMany(5)), texts(b.tryReceiveMany(5))]).toEqual([['for a'], ['for b']]);
  });

  it.each(sends)('makes %s without an address fail with ENOTCONN, explained', async (_name, send) => {
    const error = await rejection(promised(() => send(sender(), 'x')));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ENOTCONN' });
    expect(error.message).toMatch(/\bto\b|connect/);
  });
});

describe('pair()', () => {
  it('makes two that talk to each other alone', () => {
    const [a, b] = datagramPair();
    expect([a.address, a.peerAddress, b.address, b.peerAddress]).toEqual(['', '', '', '']);
    a.sendSync('to b');
    b.sendSync('to a');
    expect(a.receiveSync({ timeout: patience })).toEqual(plain('to a'));
    expect(b.receiveSync({ timeout: patience })).toEqual(plain('to b'));
  });

  it('holds more than a socket with a name, for only the send buffer is its limit', () => {
    const [a, b] = datagramPair();
    const count = fill(a);
    expect(count).toBeGreaterThan(queueLength() + 2);
    expect(b.tryReceiveMany(count + 5)).toHaveLength(count);
  });

  it('takes the options for both', () => {
    const [a, b] = UnixDatagramSocket.pair({ codec: 'utf8', credentials: true });
    borrow(a).sendSync('grün');
    expect(borrow(b).receiveSync({ timeout: patience })).toMatchObject({
      data: 'grün',
      credentials: { pid: process.pid },
    });
    b.sendSync('back');
    expect(a.receiveSync({ timeout: patience })).toMatchObject({ credentials: { pid: process.pid } });
  });

  it.each(sends)('whose other end is closed makes %s fail with ECONNREFUSED', async (_name, send) => {
    const [a, b] = datagramPair();
    b.close();
    expect(await rejection(promised(() => send(a, 'x')))).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('whose other end is closed still has what was sent, and then waits on', async () => {
    const [a, b] = datagramPair();
    a.sendSync('last');
    a.close();
    expect(text(await b.receive())).toBe('last');
    expect(b.tryReceive()).toBeUndefined();
    expect(await stateOf(b.receive().catch(() => undefined))).toBe('pending');
  });
});

describe('fromFd()', () => {
  it('adopts a datagram socket, with its address and its peer', async () => {
    const path = socketPath();
    const fd = sys.socket(sys.AF_UNIX, sys.SOCK_DGRAM | sys.SOCK_CLOEXEC);
    sys.bind(fd, path);
    const socket = borrow(UnixDatagramSocket.fromFd(fd));
    expect([socket.fd, socket.address, socket.peerAddress]).toEqual([fd, path, undefined]);
    const other = receiver();
    const raw = sys.socket(sys.AF_UNIX, sys.SOCK_DGRAM | sys.SOCK_CLOEXEC);
    sys.connect(raw, path);
    const connected = borrow(UnixDatagramSocket.fromFd(raw, { codec: 'utf8' }));
    expect([connected.address, connected.peerAddress]).toEqual(['', path]);
    connected.sendSync('adopted');
    expect(await socket.receive()).toEqual(plain('adopted'));
    connected.sendSync('elsewhere', { to: other.address });
    expect(texts(other.tryReceiveMany(2))).toEqual(['elsewhere']);
    socket.close();
    expect(targetOf(fd)).toBeUndefined();
  });

  it('adopts one end of a pair', () => {
    const [a, b] = sys.socketpair(sys.AF_UNIX, sys.SOCK_DGRAM | sys.SOCK_CLOEXEC);
    const [left, right] = [borrow(UnixDatagramSocket.fromFd(a)), borrow(UnixDatagramSocket.fromFd(b))];
    expect([left.address, left.peerAddress]).toEqual(['', '']);
    left.sendSync('x');
    expect(text(right.receiveSync({ timeout: patience }))).toBe('x');
  });

  it('adopts one that does not block, and calls that wait still wait', async () => {
    const flags = sys.SOCK_DGRAM | sys.SOCK_NONBLOCK | sys.SOCK_CLOEXEC;
    const [a, b] = sys.socketpair(sys.AF_UNIX, flags);
    const [left, right] = [borrow(UnixDatagramSocket.fromFd(a)), borrow(UnixDatagramSocket.fromFd(b))];
    expect(failure(() => left.receiveSync({ timeout: 10 }))).toMatchObject({ code: 'ETIMEDOUT' });
    const pending = left.receive();
    expect(await stateOf(pending)).toBe('pending');
    right.sendSync('x');
    expect(text(await pending)).toBe('x');
    fill(right);
    expect(failure(() => right.sendSync('y', { timeout: 10 }))).toMatchObject({ code: 'ETIMEDOUT' });
  });

  it.each<[string, () => number]>([
    ['a stream socket', () => closing(sys.socket(sys.AF_UNIX, sys.SOCK_STREAM | sys.SOCK_CLOEXEC))],
    ['a seqpacket socket', () => closing(sys.socket(sys.AF_UNIX, sys.SOCK_SEQPACKET | sys.SOCK_CLOEXEC))],
    ['a pipe', () => borrow(Pipe.create()).reader.fd],
    ['an eventfd', () => borrow(EventFd.create()).fd],
    ['a file', () => closing(openSync(fixture('peer.js'), 'r'))],
    ['a listening socket', () => packetServer().fd],
  ])('refuses %s and leaves it open', (_what, make) => {
    const fd = make();
    const error = failure(() => UnixDatagramSocket.fromFd(fd));
    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
    expect(error.message).toMatch(/datagram|SOCK_DGRAM/);
    expect(targetOf(fd)).toBeDefined();
  });

  it('refuses a socket of the Internet and leaves it open', async () => {
    const server = new Server();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
      expect(failure(() => UnixDatagramSocket.fromFd(fd))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
      expect(targetOf(fd)).toMatch(/^socket:/);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('fails with EBADF where the descriptor is not open', () => {
    const fd = sys.socket(sys.AF_UNIX, sys.SOCK_DGRAM | sys.SOCK_CLOEXEC);
    sys.close(fd);
    const error = failure(() => UnixDatagramSocket.fromFd(fd));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EBADF' });
  });
});

describe.each(sends)('%s', (name, send) => {
  it('sends a string, a Buffer, or what a Uint8Array shows', async () => {
    const to = receiver();
    const from = connectedTo(to);
    for (const each of [from, sender()]) {
      const address = each === from ? undefined : to.address;
      await send(each, 'grün', address);
      await send(each, Buffer.from([0, 1, 255]), address);
      await send(each, Uint8Array.of(9, 8, 7, 6).subarray(1, 3), address);
      expect(to.tryReceiveMany(9).map(({ data }) => data)).toEqual([
        Buffer.from('grün'),
        Buffer.from([0, 1, 255]),
        Buffer.from([8, 7]),
      ]);
    }
  });

  it('gives what the variant says', async () => {
    const [a] = datagramPair();
    expect(await send(a, 'x')).toBe(name === 'trySend()' ? true : undefined);
  });

  it('sends an empty message, which is one', async () => {
    const to = receiver();
    await send(connectedTo(to), '');
    await send(sender(), new Uint8Array(0), to.address);
    expect(to.tryReceiveMany(5)).toEqual([plain(''), plain('')]);
  });

  it('has its data copied when it is called', async () => {
    const [a, b] = datagramPair();
    const data = Buffer.from('before');
    const sent = send(a, data);
    data.fill('x');
    await sent;
    expect(text(b.receiveSync({ timeout: patience }))).toBe('before');
  });

  it.each([
    ['ENOENT', 'there is no such path', () => socketPath()],
    ['ECONNREFUSED', 'the path is left behind', leftBehind],
    ['ECONNREFUSED', 'nobody has the abstract name', () => abstractName()],
    ['EPROTOTYPE', 'a stream socket is there', () => streamServer().address],
    ['EPROTOTYPE', 'a seqpacket socket is there', () => packetServer().address],
  ])('fails with %s where %s', async (code, _why, address) => {
    const to = address();
    for (const from of [sender(), receiver(), connectedTo(receiver())]) {
      const error = await rejection(promised(() => send(from, 'x', to)));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({
        code,
        syscall: expect.stringMatching(/^(send|sendto|sendmsg|connect)$/) as unknown,
      });
      if (typeof to === 'string' && to.startsWith('/')) expect(error.message).toContain(to);
    }
  });

  it('sends to one that is there again after an error', async () => {
    const path = socketPath();
    const from = sender();
    expect(await rejection(promised(() => send(from, 'x', path)))).toMatchObject({ code: 'ENOENT' });
    const first = UnixDatagramSocket.bind(path);
    await send(from, 'first', path);
    expect(texts(first.tryReceiveMany(5))).toEqual(['first']);
    first.close();
    expect(await rejection(promised(() => send(from, 'x', path)))).toMatchObject({ code: 'ENOENT' });
    const second = borrow(UnixDatagramSocket.bind(path));
    await send(from, 'second', path);
    expect(texts(second.tryReceiveMany(5))).toEqual(['second']);
  });

  it('fails with ECONNREFUSED where the one it is connected to is gone', async () => {
    const to = receiver();
    const from = connectedTo(to);
    to.close();
    expect(await rejection(promised(() => send(from, 'x')))).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('sends as much as the send buffer lets, and fails with EMSGSIZE over it, with both numbers', async () => {
    for (const [from, address, to] of [
      (([a, b]) => [a, undefined, b] as const)(datagramPair()),
      ((to) => [sender(), to.address, to] as const)(receiver()),
    ]) {
      const buffer = sys.getsockopt(from.fd, sys.SOL_SOCKET, sys.SO_SNDBUF) as number;
      const data = pattern(buffer - 100);
      await send(from, data, address);
      expect(there(to.tryReceive()).data.equals(data)).toBe(true);
      const error = await rejection(promised(() => send(from, Buffer.alloc(buffer + 1), address)));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EMSGSIZE' });
      expect(error.message).toContain(String(buffer + 1));
      expect(error.message).toMatch(/sendBuffer|SO_SNDBUF|send buffer/);
      expect(to.tryReceive()).toBeUndefined();
    }
  });
});

describe('trySend()', () => {
  it('is false where the receiver is full, connected or not, and true when it has taken something', () => {
    const to = receiver();
    const [from, other] = [connectedTo(to), sender()];
    expect(fill(from)).toBe(queueLength() + 1);
    expect(from.trySend('x')).toBe(false);
    expect(other.trySend('x', { to: to.address })).toBe(false);
    expect(text(to.receiveSync({ timeout: patience }))).toBe('f');
    expect(other.trySend('x', { to: to.address })).toBe(true);
    expect(from.trySend('x')).toBe(false);
    expect(drain(to).filter((data) => data === 'x')).toHaveLength(1);
  });

  it('is false where the own send buffer is full', () => {
    const [a, b] = datagramPair({ sendBuffer: 20_000 });
    let count = 0;
    while (a.trySend(Buffer.alloc(1000))) count++;
    expect(count).toBeLessThan(60);
    expect(a.trySend(Buffer.alloc(1000))).toBe(false);
    b.receiveSync({ timeout: patience });
    expect(a.trySend(Buffer.alloc(1000))).toBe(true);
  });

  it('to one that is full says nothing of others', () => {
    const [full, free] = [receiver(), receiver()];
    const from = sender();
    fill(from, { to: full.address });
    expect(from.trySend('x', { to: full.address })).toBe(false);
    expect(from.trySend('x', { to: free.address })).toBe(true);
    expect(texts(free.tryReceiveMany(2))).toEqual(['x']);
  });
});

describe.each(receives)('%s', (name, receive) => {
  it('takes the oldest message', async () => {
    const to = receiver();
    const from = receiver();
    for (const data of ['one', 'two', 'three']) from.sendSync(data, { to: to.address });
    expect(await receive(to)).toEqual(plain('one', from.address));
    expect(await receive(to)).toEqual(plain('two', from.address));
    expect(await receive(to)).toEqual(plain('three', from.address));
    expect(to.tryReceive()).toBeUndefined();
  });

  it('cuts no message, however long', async () => {
    const [a, b] = datagramPair();
    for (const length of [0, 1, 4096, 65_536, 65_537, 200_000]) {
      const data = pattern(length);
      a.sendSync(data);
      const message = there(await receive(b));
      expect(message.data.length).toBe(length);
      expect(message.data.equals(data)).toBe(true);
      expect(message.truncated).toBe(false);
    }
  });

  it('gives every message a Buffer of its own', async () => {
    const [a, b] = datagramPair();
    const messages: UnixMessage[] = [];
    for (let index = 0; index < 200; index++) {
      a.sendSync(`message ${index} ${'x'.repeat(index)}`);
      messages.push(there(await receive(b)));
    }
    expect(texts(messages)).toEqual(messages.map((_, index) => `message ${index} ${'x'.repeat(index)}`));
  });

  it('with maxBytes takes what fits, and leaves what does not, with EMSGSIZE', async () => {
    const [a, b] = datagramPair();
    a.sendSync('four');
    expect(text(there(await receive(b, { maxBytes: 4 })))).toBe('four');
    a.sendSync('');
    expect(text(there(await receive(b, { maxBytes: 0 })))).toBe('');
    a.sendSync('longer');
    a.sendSync('next');
    for (const maxBytes of [5, 0, 1]) {
      const error = await rejection(receive(b, { maxBytes }));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EMSGSIZE' });
      expect(error.message).toContain(String(maxBytes));
    }
    expect(texts(b.tryReceiveMany(5))).toEqual(['longer', 'next']);
  });

  it('with truncate cuts the message and says so', async () => {
    const [a, b] = datagramPair();
    for (const data of ['longer', 'exact', 'gone', 'next']) a.sendSync(data);
    const cut = { maxBytes: 5, truncate: true };
    expect(there(await receive(b, cut))).toEqual({ ...plain('longe'), truncated: true });
    expect(there(await receive(b, cut))).toEqual(plain('exact'));
    expect(there(await receive(b, { maxBytes: 0, truncate: true }))).toEqual({
      ...plain(''),
      truncated: true,
    });
    expect(text(there(await receive(b, cut)))).toBe('next');
  });

  it('refuses truncate without maxBytes and takes nothing', async () => {
    const [a, b] = datagramPair();
    a.sendSync('stays');
    const error = await rejection(receive(b, { truncate: true }));
    expect(error).toMatchObject({
      name: 'TypeError',
      code: expect.stringMatching(/^ERR_INVALID_ARG/) as unknown,
    });
    expect(drain(b)).toEqual(['stays']);
  });

  it('gives the address of a sender that has one', async () => {
    const to = receiver();
    const named = [
      receiver().address,
      abstractName(),
      '\0'.concat(`unix-ipc-test-${process.pid}-${name}\0more`),
    ];
    for (const address of named) {
      const from = address === named[0] ? sender() : borrow(UnixDatagramSocket.bind(address));
      from.sendSync('x', { to: to.address });
      expect(there(await receive(to)).address).toEqual(from.address);
    }
  });
});

describe('tryReceive()', () => {
  it('gives undefined where nothing is there, and never waits', () => {
    expect(receiver().tryReceive()).toBeUndefined();
    expect(datagramPair()[0].tryReceive()).toBeUndefined();
  });
});

describe.each(manys)('%s', (name, receiveMany) => {
  it('takes up to max messages, oldest first, and waits for no more', async () => {
    const [a, b] = datagramPair();
    for (let index = 0; index < 10; index++) a.sendSync(String(index));
    expect(texts(await receiveMany(b, 3))).toEqual(['0', '1', '2']);
    expect(texts(await receiveMany(b, 100))).toEqual(['3', '4', '5', '6', '7', '8', '9']);
    expect(b.tryReceiveMany(5)).toEqual([]);
  });

  it('takes messages of all sizes in one go', async () => {
    const [a, b] = datagramPair();
    const lengths = [0, 100_000, 1, 0, 30_000, 65_536, 7];
    for (const length of lengths) a.sendSync(pattern(length));
    const messages = await receiveMany(b, 20);
    expect(messages.map(({ data }) => data.length)).toEqual(lengths);
    for (const { data } of messages) expect(data.equals(pattern(data.length))).toBe(true);
  });

  it('stops in front of a message that is longer than maxBytes', async () => {
    const [a, b] = datagramPair();
    for (const data of ['one', 'two', 'too long', 'last']) a.sendSync(data);
    expect(texts(await receiveMany(b, 10, { maxBytes: 4 }))).toEqual(['one', 'two']);
    expect(await rejection(receiveMany(b, 10, { maxBytes: 4 }))).toMatchObject({ code: 'EMSGSIZE' });
    expect(texts(await receiveMany(b, 10))).toEqual(['too long', 'last']);
  });

  it('cuts each message that is too long where truncate says so', async () => {
    const [a, b] = datagramPair();
    for (const data of ['one', 'too long', 'last']) a.sendSync(data);
    const messages = await receiveMany(b, 10, { maxBytes: 4, truncate: true });
    expect(messages.map(({ data, truncated }) => [data.toString(), truncated])).toEqual([
      ['one', false],
      ['too ', true],
      ['last', false],
    ]);
  });

  it('gives each message the address of its own sender', async () => {
    const to = receiver();
    const senders = [receiver(), sender(), receiver()];
    for (const from of senders) from.sendSync('x', { to: to.address });
    expect((await receiveMany(to, 10)).map(({ address }) => address)).toEqual(
      senders.map(({ address }) => address),
    );
  });

  it.skipIf(name !== 'tryReceiveMany()')('gives none where nothing is there', async () => {
    expect(await receiveMany(receiver(), 10)).toEqual([]);
  });
});

describe('for await', () => {
  it('gives messages as they come, until break, and leaves the rest', async () => {
    const [a, b] = datagramPair();
    a.sendSync('there');
    const seen: string[] = [];
    for await (const message of b) {
      seen.push(text(message));
      if (seen.length === 1) setImmediate(() => a.trySend('later'));
      if (seen.length === 2) break;
    }
    expect(seen).toEqual(['there', 'later']);
    a.sendSync('rest');
    expect(drain(b)).toEqual(['rest']);
    expect(b.closed).toBe(false);
  });

  it('ends when the socket is closed in its body', async () => {
    const [a, b] = datagramPair();
    for (const data of ['one', 'two']) a.sendSync(data);
    const seen: string[] = [];
    for await (const message of b.messages()) {
      seen.push(text(message));
      b.close();
    }
    expect(seen).toEqual(['one']);
  });

  it('ends when the socket is closed while it waits', async () => {
    const [, b] = datagramPair();
    const looped = (async () => {
      for await (const _ of b) throw new Error('was given a message');
      return 'ended';
    })();
    await turns();
    b.close();
    expect(await looped).toBe('ended');
  });

  it('by two loops gives each message to one of them', async () => {
    const [a, b] = datagramPair();
    const seen: string[] = [];
    const loop = async (): Promise<void> => {
      for await (const message of b) {
        seen.push(text(message));
        if (seen.length >= 10) b.close();
      }
    };
    const loops = [loop(), loop()];
    await turns();
    for (let index = 0; index < 10; index++) a.sendSync(String(index));
    await Promise.all(loops);
    expect(seen.sort()).toEqual(Array.from({ length: 10 }, (_, index) => String(index)));
  });
});

describe('a codec', () => {
  const pairOf = <T>(codec: Codec<T>): [UnixDatagramSocket<T>, UnixDatagramSocket<T>] => {
    const [a, b] = UnixDatagramSocket.pair({ codec });
    return [borrow(a), borrow(b)];
  };

  it("'utf8' makes messages strings", async () => {
    const [a, b] = UnixDatagramSocket.pair({ codec: 'utf8' });
    borrow(a);
    borrow(b);
    for (const value of ['', 'grüße €', '😀', 'a\0b']) {
      a.sendSync(value);
      expect(b.receiveSync({ timeout: patience }).data).toBe(value);
      await a.send(value);
      expect((await b.receive()).data).toBe(value);
      expect(a.trySend(value)).toBe(true);
      expect(b.tryReceive()?.data).toBe(value);
    }
  });

  it("'json' makes messages values", async () => {
    const path = socketPath();
    const to = borrow(UnixDatagramSocket.bind(path, { codec: 'json' }));
    const from = borrow(UnixDatagramSocket.connect(path, { codec: 'json' }));
    for (const value of [{ id: 1, list: [1, null, 'ü'] }, 'text', 0, false, null]) {
      from.sendSync(value);
      expect(to.receiveSync({ timeout: patience }).data).toEqual(value);
      await from.send(value);
      expect((await to.receiveMany(1)).map(({ data }) => data)).toEqual([value]);
    }
  });

  it('is for every way that a socket is made', () => {
    const path = socketPath();
    const options = { codec: 'utf8' } as const;
    const to = borrow(UnixDatagramSocket.bind(path, options));
    const raw = sys.socket(sys.AF_UNIX, sys.SOCK_DGRAM | sys.SOCK_CLOEXEC);
    const adopted: UnixDatagramSocket<string> = borrow(UnixDatagramSocket.fromFd(raw, options));
    borrow(UnixDatagramSocket.create(options)).sendSync('created', { to: path });
    borrow(UnixDatagramSocket.connect(path, options)).sendSync('connected');
    adopted.sendSync('adopted', { to: path });
    expect(to.tryReceiveMany(5).map(({ data }) => data)).toEqual(['created', 'connected', 'adopted']);
  });

  it('of your own encodes to bytes or a string, and decodes from a Buffer', () => {
    const [a, b] = pairOf({
      encode: (value: number) => (value < 0 ? String(value) : Buffer.from(String(value))),
      decode: (data: Buffer) => {
        expect(Buffer.isBuffer(data)).toBe(true);
        return Number(data);
      },
    });
    a.sendSync(-12);
    a.sendSync(34);
    expect(b.tryReceiveMany(5).map(({ data }) => data)).toEqual([-12, 34]);
  });

  it('that throws while it encodes passes its error on, and nothing is sent', async () => {
    const cause = new Error('can not be encoded');
    const [a, b] = pairOf<string>({
      encode: () => {
        throw cause;
      },
      decode: String,
    });
    for (const [name, send] of sends) {
      const error = await rejection(promised(() => send(a as unknown as UnixDatagramSocket, 'x')));
      expect([error, error.cause], name).toContain(cause);
    }
    expect(drain(b)).toEqual([]);
  });

  it("'json' refuses what is no JSON and sends nothing", async () => {
    const [a, b] = UnixDatagramSocket.pair({ codec: 'json' });
    borrow(a);
    borrow(b);
    for (const value of [undefined, () => 1, Symbol('s'), 1n]) {
      expect(failure(() => a.sendSync(value))).toBeInstanceOf(Error);
      expect(failure(() => a.trySend(value))).toBeInstanceOf(Error);
      expect(await rejection(a.send(value))).toBeInstanceOf(Error);
    }
    expect(drain(b)).toEqual([]);
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

    it.each(receives)('gives the bytes and the address with the error, by %s', async (_name, receive) => {
      const path = socketPath();
      const to = borrow(UnixDatagramSocket.bind(path, { codec }));
      const from = receiver();
      from.sendSync('bad', { to: path });
      from.sendSync('good', { to: path });
      const error = await rejection(receive(to as unknown as UnixDatagramSocket));
      expect(error).toMatchObject({
        code: 'ERR_DECODE',
        cause,
        data: Buffer.from('bad'),
        address: from.address,
        descriptors: [],
      });
      expect(there(await receive(to as unknown as UnixDatagramSocket)).data).toBe('good');
    });

    it('gives it for a message that comes while it waits', async () => {
      const [a, b] = pairOf(codec);
      const waiting = rejection(b.receive());
      await turns();
      a.sendSync('bad');
      expect(await waiting).toMatchObject({ code: 'ERR_DECODE', cause, data: Buffer.from('bad') });
    });

    it.each(manys)('loses no message around it in %s', async (_name, receiveMany) => {
      const [a, b] = pairOf(codec);
      for (const data of ['good 1', 'good 2', 'bad', 'good 3']) a.sendSync(data);
      const seen: string[] = [];
      for (let round = 0; round < 4 && seen.length < 4; round++) {
        try {
          seen.push(...texts(await receiveMany(b as unknown as UnixDatagramSocket, 10)));
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_DECODE', cause });
          seen.push(String((error as { data: Buffer }).data));
        }
      }
      expect(seen).toEqual(['good 1', 'good 2', 'bad', 'good 3']);
    });
  });
});

describe('credentials', () => {
  const own = (): { pid: number; uid: number; gid: number } => ({
    pid: process.pid,
    uid: process.getuid?.() ?? -1,
    gid: process.getgid?.() ?? -1,
  });

  it.each(receives)('come with every message where they are asked for, by %s', async (_name, receive) => {
    const to = receiver({ credentials: true });
    sender().sendSync('x', { to: to.address });
    connectedTo(to).sendSync('', {});
    expect(there(await receive(to))).toMatchObject({ data: Buffer.from('x'), credentials: own() });
    expect(there(await receive(to))).toMatchObject({ data: Buffer.from(''), credentials: own() });
  });

  it('are not there where they are not asked for', () => {
    const to = receiver();
    sender().sendSync('x', { to: to.address, credentials: own() });
    expect(to.receiveSync({ timeout: patience }).credentials).toBeUndefined();
  });

  it('are also those of messages that came before the receiver asked', () => {
    const path = socketPath();
    const fd = sys.socket(sys.AF_UNIX, sys.SOCK_DGRAM | sys.SOCK_CLOEXEC);
    sys.bind(fd, path);
    const to = borrow(UnixDatagramSocket.fromFd(fd, { credentials: true }));
    sender().sendSync('x', { to: path });
    expect(to.receiveSync({ timeout: patience }).credentials).toEqual(own());
  });

  it.each(sends)('of its own may be given by %s', async (name) => {
    const to = receiver({ credentials: true });
    const from = sender();
    const options = { to: to.address, credentials: own() };
    if (name === 'sendSync()') from.sendSync('x', options);
    else if (name === 'trySend()') from.trySend('x', options);
    else await from.send('x', options);
    expect(to.receiveSync({ timeout: patience }).credentials).toEqual(own());
  });
});

describe('buffers', () => {
  it('have the sizes that are asked for, as the kernel makes them', () => {
    const raw = closing(sys.socket(sys.AF_UNIX, sys.SOCK_DGRAM | sys.SOCK_CLOEXEC));
    sys.setsockopt(raw, sys.SOL_SOCKET, sys.SO_SNDBUF, 50_000);
    sys.setsockopt(raw, sys.SOL_SOCKET, sys.SO_RCVBUF, 60_000);
    const sizes = (fd: number): unknown[] =>
      [sys.SO_SNDBUF, sys.SO_RCVBUF].map((option) => sys.getsockopt(fd, sys.SOL_SOCKET, option));
    const options = { sendBuffer: 50_000, receiveBuffer: 60_000 };
    const to = receiver(options);
    for (const socket of [to, connectedTo(to, options), sender(options), ...datagramPair(options)])
      expect(sizes(socket.fd)).toEqual(sizes(raw));
  });

  it('that are larger let larger messages through', ({ skip }) => {
    const [a, b] = datagramPair({ sendBuffer: 1_000_000 });
    const size = sys.getsockopt(a.fd, sys.SOL_SOCKET, sys.SO_SNDBUF) as number;
    skip(size < 1_000_000, 'net.core.wmem_max is smaller here');
    const data = pattern(900_000);
    a.sendSync(data);
    expect(b.receiveSync({ timeout: patience }).data.equals(data)).toBe(true);
  });
});

describe('close()', () => {
  it('closes the descriptor, once', () => {
    const [a] = datagramPair();
    const { fd } = a;
    a.close();
    expect([a.closed, targetOf(fd)]).toEqual([true, undefined]);
    // The number is another's now.
    const [other] = datagramPair();
    a.close();
    a[Symbol.dispose]();
    expect(targetOf(other.fd)).toMatch(/^socket:/);
  });

  it('happens at the end of a block with using', () => {
    let outside: UnixDatagramSocket;
    {
      using socket = UnixDatagramSocket.create();
      outside = socket;
      expect(socket.closed).toBe(false);
    }
    expect(outside.closed).toBe(true);
  });

  it('makes every later call fail with ERR_INVALID_STATE, and touches no descriptor of another', async () => {
    const socket = receiver();
    const other = receiver();
    socket.close();
    const next = receiver();
    next.sendSync('stays', { to: next.address });
    const calls: Record<string, () => unknown> = {
      sendSync: () => socket.sendSync('x', { to: other.address }),
      trySend: () => socket.trySend('x', { to: other.address }),
      send: () => socket.send('x', { to: other.address }),
      receiveSync: () => socket.receiveSync({ timeout: patience }),
      tryReceive: () => socket.tryReceive(),
      receive: () => socket.receive(),
      receiveManySync: () => socket.receiveManySync(1, { timeout: patience }),
      tryReceiveMany: () => socket.tryReceiveMany(1),
      receiveMany: () => socket.receiveMany(1),
      release: () => socket.release(),
    };
    const before = descriptors();
    for (const [name, call] of Object.entries(calls))
      expect((await rejection(promised(call))).code, name).toBe('ERR_INVALID_STATE');
    expect(descriptors()).toBe(before);
    expect([drain(next), drain(other)]).toEqual([['stays'], []]);
  });
});

describe('release()', () => {
  it('gives the descriptor back, open, and ends the object', async () => {
    const [a, b] = datagramPair();
    const { fd } = a;
    const pending = rejection(a.receive());
    await turns();
    expect(a.release()).toBe(fd);
    closing(fd);
    expect(await pending).toMatchObject({ code: 'ECANCELED' });
    expect(a.closed).toBe(true);
    a.close();
    b.sendSync('still a socket');
    expect(drain({ fd })).toEqual(['still a socket']);
    const heir = borrow(UnixDatagramSocket.fromFd(fd));
    heir.sendSync('by the heir');
    expect(text(b.receiveSync({ timeout: patience }))).toBe('by the heir');
  });

  it('leaves the file of its name', () => {
    const path = socketPath();
    const socket = UnixDatagramSocket.bind(path);
    const fd = closing(socket.release());
    sender().sendSync('x', { to: path });
    expect(drain({ fd })).toEqual(['x']);
  });
});

describe('spin', () => {
  it('changes nothing but the time', async () => {
    const [a, b] = datagramPair({ spin: 200 });
    expect(failure(() => b.receiveSync({ timeout: 2 }))).toMatchObject({ code: 'ETIMEDOUT' });
    expect(await rejection(b.receive({ timeout: 2 }))).toMatchObject({ code: 'ETIMEDOUT' });
    const pending = b.receive();
    a.sendSync('x');
    expect(text(await pending)).toBe('x');
    fill(a);
    expect(failure(() => a.sendSync('z', { timeout: 2 }))).toMatchObject({ code: 'ETIMEDOUT' });
    expect(await rejection(a.send('z', { timeout: 2 }))).toMatchObject({ code: 'ETIMEDOUT' });
    expect(drain(b)).not.toContain('z');
  });
});

it('leaves no descriptor behind where it can not be made', () => {
  const path = socketPath();
  borrow(UnixSeqpacketServer.listen(path));
  const before = descriptors();
  const wrong = { codec: 'none' } as unknown as { codec: 'utf8' };
  for (const make of [
    () => UnixDatagramSocket.bind(path),
    () => UnixDatagramSocket.bind(socketPath(), wrong),
    () => UnixDatagramSocket.bind('/not/there/at/all'),
    () => UnixDatagramSocket.connect(path),
    () => UnixDatagramSocket.create(wrong),
    () => UnixDatagramSocket.pair(wrong),
    () => UnixDatagramSocket.create({ spin: -1 }),
  ])
    expect(failure(make)).toHaveProperty('code');
  expect(descriptors()).toBe(before);
});
