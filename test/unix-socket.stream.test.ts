// UnixStream, UnixStreamServer and peerCredentials(): what they do where nothing has to be waited for.
import { openSync, readFileSync } from 'node:fs';
import { Server, Socket, connect as connectNet, createServer } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  EventFd,
  IpcError,
  Pipe,
  type UnixChunk,
  UnixStream,
  UnixStreamServer,
  peerCredentials,
} from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { failure, rejection } from './helpers/failures.js';
import { fixture } from './helpers/peers.js';
import { stateOf, turns, until } from './helpers/until.js';
import {
  abstractName,
  borrow,
  closing,
  descriptors,
  drainStream,
  fillBacklog,
  fillStream,
  flagsOf,
  packetPair,
  packetServer,
  patience,
  pattern,
  promised,
  received,
  receiver,
  socketPath,
  streamConnection,
  streamPair,
  streamServer,
  targetOf,
  text,
  there,
} from './helpers/unix-socket-ends.js';

const own = {
  pid: process.pid,
  uid: process.getuid?.() ?? -1,
  gid: process.getgid?.() ?? -1,
};

function plain(data: string | Buffer): UnixChunk {
  return {
    data: Buffer.from(data as string),
    descriptors: [],
    credentials: undefined,
    descriptorsTruncated: false,
  };
}

function leftBehind(): string {
  const path = socketPath();
  UnixStreamServer.listen(path, { unlinkOnClose: false }).close();
  return path;
}

type Address = string | Uint8Array;
interface ConnectOptions {
  bind?: Address;
}
const connects: [string, (address: Address, options?: ConnectOptions) => Promise<UnixStream | undefined>][] =
  [
    [
      'connectSync()',
      (address, options) =>
        promised(() => UnixStream.connectSync(address, { timeout: patience, ...options })),
    ],
    ['tryConnect()', (address, options) => promised(() => UnixStream.tryConnect(address, options))],
    ['connect()', (address, options) => UnixStream.connect(address, options)],
  ];

const accepts: [string, (server: UnixStreamServer) => Promise<UnixStream | undefined>][] = [
  ['acceptSync()', (server) => promised(() => server.acceptSync({ timeout: patience }))],
  ['tryAccept()', (server) => promised(() => server.tryAccept())],
  ['accept()', (server) => server.accept()],
  [
    'connections()',
    async (server) => {
      for await (const connection of server.connections()) return connection;
      return undefined;
    },
  ],
];

type Data = Uint8Array | string;
const sends: [string, (end: UnixStream, data: Data, options?: { descriptors?: number[] }) => unknown][] = [
  ['sendSync()', (end, data, options) => end.sendSync(data, { timeout: patience, ...options })],
  ['trySend()', (end, data, options) => end.trySend(data, options)],
  ['send()', (end, data, options) => end.send(data, options)],
];

type Received = UnixChunk | null | undefined;
const receives: [string, (end: UnixStream, options?: { size?: number }) => Promise<Received>][] = [
  ['receiveSync()', (end, options) => promised(() => end.receiveSync({ timeout: patience, ...options }))],
  ['tryReceive()', (end, options) => promised(() => end.tryReceive(options))],
  ['receive()', (end, options) => end.receive(options)],
  [
    'chunks()',
    async (end, options) => {
      for await (const chunk of end.chunks(options)) return chunk;
      return null;
    },
  ],
];

/** Receives until so many bytes are there, or the end. */
async function collect(end: UnixStream, length = Infinity): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let bytes = 0; bytes < length;) {
    const chunk = await end.receive();
    if (chunk === null) break;
    chunks.push(chunk.data);
    bytes += chunk.data.length;
  }
  return Buffer.concat(chunks);
}

describe('UnixStreamServer.listen()', () => {
  it('makes a server that others connect to', () => {
    const path = socketPath();
    const server = streamServer(path);
    expect(server).toBeInstanceOf(UnixStreamServer);
    expect([server.address, server.closed]).toEqual([path, false]);
    expect(sys.getsockopt(server.fd, sys.SOL_SOCKET, sys.SO_TYPE)).toBe(sys.SOCK_STREAM);
    expect(sys.getsockopt(server.fd, sys.SOL_SOCKET, sys.SO_ACCEPTCONN)).toBe(1);
    expect(flagsOf(server.fd) & sys.O_CLOEXEC).not.toBe(0);
  });

  it('takes in as many as backlog says, and one more, before they are accepted', () => {
    for (const backlog of [0, 1, 5])
      expect(fillBacklog(streamServer(socketPath(), { backlog })), `a backlog of ${backlog}`).toBe(
        backlog + 1,
      );
    const most = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
    expect(fillBacklog(streamServer())).toBe(Math.min(511, most) + 1);
  });
});

describe.each(connects)('%s', (_name, connect) => {
  it.each(accepts)('makes a connection, which %s takes', async (_accept, accept) => {
    const server = streamServer();
    const near = borrow(there(await connect(server.address)));
    const far = borrow(there(await accept(server)));
    expect(near).toBeInstanceOf(UnixStream);
    expect(far).toBeInstanceOf(UnixStream);
    for (const { fd } of [near, far]) expect(flagsOf(fd) & sys.O_CLOEXEC, `flags of ${fd}`).not.toBe(0);
    near.sendSync('question');
    expect(far.receiveSync({ timeout: patience })).toEqual(plain('question'));
    far.sendSync('answer');
    expect(near.receiveSync({ timeout: patience })).toEqual(plain('answer'));
  });

  it('says who is who', async () => {
    const server = streamServer();
    const near = borrow(there(await connect(server.address)));
    const far = borrow(there(server.tryAccept()));
    expect([near.address, near.peerAddress]).toEqual(['', server.address]);
    expect([far.address, far.peerAddress]).toEqual([server.address, '']);
    expect([near.peerCredentials, far.peerCredentials]).toEqual([own, own]);
  });

  it('binds too where it is told to, and connects to abstract names', async () => {
    const server = streamServer(abstractName('\0with a NUL'));
    const path = socketPath();
    const near = borrow(there(await connect(server.address, { bind: path })));
    const far = borrow(there(server.tryAccept()));
    expect([near.peerAddress, near.address, far.peerAddress]).toEqual([server.address, path, path]);
  });

  it.each([
    ['ENOENT', 'there is no such path', () => socketPath()],
    ['ECONNREFUSED', 'the path is left behind', leftBehind],
    ['ECONNREFUSED', 'nobody has the abstract name', () => abstractName()],
    ['EPROTOTYPE', 'a seqpacket server is there', () => packetServer().address],
    ['EPROTOTYPE', 'a datagram socket is there', () => receiver().address],
  ])('fails with %s where %s, and leaves no descriptor', async (code, _why, address) => {
    const to = address();
    const before = descriptors();
    const error = await rejection(connect(to));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code, syscall: 'connect' });
    if (typeof to === 'string' && to.startsWith('/')) expect(error.message).toContain(to);
    expect(descriptors()).toBe(before);
  });
});

describe('tryConnect()', () => {
  it('gives undefined where the backlog is full, and a connection when there is room', () => {
    const server = streamServer(socketPath(), { backlog: 1 });
    fillBacklog(server);
    const before = descriptors();
    expect(UnixStream.tryConnect(server.address)).toBeUndefined();
    expect(descriptors()).toBe(before);
    borrow(there(server.tryAccept()));
    borrow(there(UnixStream.tryConnect(server.address)));
  });
});

describe('accepting', () => {
  it('by tryAccept() gives undefined where nobody has connected', () => {
    expect(streamServer().tryAccept()).toBeUndefined();
  });

  it('by for await gives every connection, until break, and ends with the server', async () => {
    const server = streamServer();
    for (let index = 0; index < 3; index++)
      borrow(UnixStream.connectSync(server.address)).sendSync(String(index));
    const seen: string[] = [];
    for await (const connection of server) {
      seen.push(text(there(borrow(connection).receiveSync({ timeout: patience }))));
      if (seen.length === 3) break;
    }
    expect(seen).toEqual(['0', '1', '2']);
    const looped = (async () => {
      for await (const _ of server.connections()) throw new Error('was given a connection');
      return 'ended';
    })();
    await turns();
    server.close();
    expect(await looped).toBe('ended');
  });
});

describe.each(sends)('%s', (name, send) => {
  it('sends a string, a Buffer, or what a Uint8Array shows', async () => {
    const [a, b] = streamPair();
    await send(a, 'grün');
    await send(a, Buffer.from([0, 1, 255]));
    await send(a, '');
    await send(a, Uint8Array.of(9, 8, 7, 6).subarray(1, 3));
    expect(
      (await collect(b, 10)).equals(Buffer.concat([Buffer.from('grün'), Buffer.from([0, 1, 255, 8, 7])])),
    ).toBe(true);
    expect([a.bytesWritten, b.bytesRead, a.bytesRead, b.bytesWritten]).toEqual([10, 10, 0, 0]);
  });

  it('gives what the variant says', async () => {
    const [a] = streamPair();
    expect(await send(a, 'four')).toBe(name === 'trySend()' ? 4 : undefined);
    expect(await send(a, '')).toBe(name === 'trySend()' ? 0 : undefined);
  });

  it('fails with EPIPE where the other end is closed, and the program lives on', async () => {
    const { near, far } = streamConnection();
    far.close();
    for (const data of ['x', Buffer.alloc(1_000_000)]) {
      const error = await rejection(promised(() => send(near, data)));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EPIPE' });
    }
    expect(near.bytesWritten).toBe(0);
  });

  it('fails with EPIPE after end()', async () => {
    const [a, b] = streamPair();
    a.end();
    expect(await rejection(promised(() => send(a, 'x')))).toMatchObject({ code: 'EPIPE' });
    expect(b.tryReceive()).toBeNull();
  });

  it('refuses descriptors with no byte of data', async () => {
    const [a, b] = streamPair({ descriptors: true });
    const before = descriptors();
    for (const data of ['', new Uint8Array(0)]) {
      const error = await rejection(promised(() => send(a, data, { descriptors: [0] })));
      expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
      expect(error.message).toMatch(/byte/);
    }
    expect(b.tryReceive()).toBeUndefined();
    expect(descriptors()).toBe(before);
  });
});

describe('trySend()', () => {
  it('gives how much went in: all, a part, nothing', () => {
    const [a, b] = streamPair();
    const data = pattern(2_000_000);
    const first = a.trySend(data);
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(data.length);
    let bytes = first;
    for (let more = a.trySend(data.subarray(bytes)); more > 0; more = a.trySend(data.subarray(bytes)))
      bytes += more;
    expect(a.trySend('x')).toBe(0);
    expect(a.bytesWritten).toBe(bytes);
    expect(drainStream(b)).toBe(data.subarray(0, bytes).toString());
    expect(a.trySend('x')).toBe(1);
  });
});

describe('sendSync() and send()', () => {
  it('tell how much went in where the time was over in the middle', async () => {
    for (const send of [
      (end: UnixStream, data: Buffer) => promised(() => end.sendSync(data, { timeout: 20 })),
      (end: UnixStream, data: Buffer) => end.send(data, { timeout: 20 }),
    ]) {
      const [a, b] = streamPair();
      const data = pattern(2_000_000);
      const error = await rejection(send(a, data));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ETIMEDOUT' });
      const { bytesWritten } = error as unknown as { bytesWritten: number };
      expect(bytesWritten).toBeGreaterThan(0);
      expect(a.bytesWritten).toBe(bytesWritten);
      const rest = a.send(data.subarray(bytesWritten)).then(() => a.end());
      expect((await collect(b)).equals(data)).toBe(true);
      await rest;
    }
  });

  it('of what is far longer than the buffer send all of it', async () => {
    const [a, b] = streamPair();
    const data = pattern(3_000_000);
    const sent = a.send(data).then(() => a.end());
    expect((await collect(b)).equals(data)).toBe(true);
    await sent;
    expect([a.bytesWritten, b.bytesRead]).toEqual([data.length, data.length]);
  });

  it('of several calls do not mix, however long', async () => {
    const [a, b] = streamPair();
    const lengths = [900_000, 10, 500_000, 1, 4096, 700_000];
    const sent = Promise.all(lengths.map((length, index) => a.send(Buffer.alloc(length, 65 + index))));
    const expected = Buffer.concat(lengths.map((length, index) => Buffer.alloc(length, 65 + index)));
    expect((await collect(b, expected.length)).equals(expected)).toBe(true);
    await sent;
  });

  it('copy what they are given when they are called', async () => {
    const [a, b] = streamPair();
    const data = Buffer.from(pattern(1_000_000));
    const sent = a.send(data);
    data.fill(0);
    expect((await collect(b, data.length)).equals(pattern(1_000_000))).toBe(true);
    await sent;
  });

  it('fail with EPIPE and the number of bytes when the peer goes while they wait', async () => {
    const [a, b] = streamPair();
    const [long, short] = [rejection(a.send(Buffer.alloc(2_000_000))), rejection(a.send('x'))];
    await turns();
    const before = a.bytesWritten;
    // What has been read does not reset the connection.
    drainStream(b);
    await until('more is sent', () => a.bytesWritten > before);
    b.close();
    const error = await long;
    expect(error.code).toMatch(/^(EPIPE|ECONNRESET)$/);
    expect((error as unknown as { bytesWritten: number }).bytesWritten).toBe(a.bytesWritten);
    expect((await short).code).toMatch(/^(EPIPE|ECONNRESET)$/);
  });
});

describe.each(receives)('%s', (_name, receive) => {
  it('gives what is there, in order', async () => {
    const [a, b] = streamPair();
    a.sendSync('one ');
    a.sendSync('two');
    expect(await receive(b)).toEqual(plain('one two'));
    a.sendSync('three');
    expect(await receive(b)).toEqual(plain('three'));
    expect(b.bytesRead).toBe(12);
  });

  it('gives up to size bytes and leaves the rest', async () => {
    const [a, b] = streamPair();
    a.sendSync('abcdef');
    expect(await receive(b, { size: 4 })).toEqual(plain('abcd'));
    expect(await receive(b, { size: 4 })).toEqual(plain('ef'));
  });

  it('gives up to 65536 bytes where no size is given, and more where it is asked for', async () => {
    const [a, b] = streamPair();
    const data = pattern(150_000);
    expect(a.trySend(data)).toBe(data.length);
    const first = there(await receive(b));
    expect(first.data.equals(data.subarray(0, 65_536))).toBe(true);
    const rest = there(await receive(b, { size: 1_000_000 }));
    expect(rest.data.equals(data.subarray(65_536))).toBe(true);
  });

  it.each([
    ['closed', (end: UnixStream) => end.close()],
    ['called end()', (end: UnixStream) => end.end()],
  ])('gives null when the peer has %s, again and again, and what was sent first', async (_how, end) => {
    const [a, b] = streamPair();
    a.sendSync('last');
    end(a);
    expect(await receive(b, { size: 2 })).toEqual(plain('la'));
    expect(await receive(b)).toEqual(plain('st'));
    expect(await receive(b)).toBeNull();
    expect(await receive(b)).toBeNull();
    expect([b.closed, b.bytesRead]).toEqual([false, 4]);
  });

  it('gives every chunk a Buffer of its own', async () => {
    const [a, b] = streamPair();
    const chunks: string[] = [];
    const kept: Buffer[] = [];
    for (let index = 0; index < 200; index++) {
      a.sendSync(`chunk ${index} ${'x'.repeat(index)}`);
      kept.push(there(await receive(b)).data);
      chunks.push(`chunk ${index} ${'x'.repeat(index)}`);
    }
    expect(kept.map(String)).toEqual(chunks);
  });

  it('gives what was sent, then ECONNRESET once, where the peer has closed with our data unread', async () => {
    for (const words of ['', 'sent before']) {
      const { near, far } = streamConnection();
      near.sendSync('never read');
      far.sendSync(words);
      far.close();
      if (words !== '') expect(await receive(near)).toEqual(plain(words));
      const error = await rejection(receive(near));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ECONNRESET' });
      expect(await receive(near)).toBeNull();
    }
  });

  it('says who sent it where credentials are asked for', async () => {
    const { near, far } = streamConnection({ credentials: true });
    near.sendSync('x');
    expect(await receive(far)).toEqual({ ...plain('x'), credentials: own });
    near.close();
    expect(await receive(far)).toBeNull();
  });
});

describe('tryReceive()', () => {
  it('gives undefined where nothing is there yet', () => {
    expect(streamPair()[0].tryReceive()).toBeUndefined();
  });
});

describe('for await', () => {
  it('gives all that is sent, and ends at the end', async () => {
    const [a, b] = streamPair();
    const data = pattern(1_500_000);
    const sent = a.send(data).then(() => a.end());
    const chunks: Buffer[] = [];
    for await (const chunk of b) chunks.push(chunk.data);
    await sent;
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
    expect(b.closed).toBe(false);
  });

  it('left by break, or by close() in its body, leaves the rest', async () => {
    const [a, b] = streamPair();
    a.sendSync('abcdef');
    for await (const chunk of b.chunks({ size: 2 })) {
      expect(text(chunk)).toBe('ab');
      break;
    }
    const copy = { fd: closing(sys.fcntl(b.fd, sys.F_DUPFD_CLOEXEC, 0)) };
    const seen: string[] = [];
    for await (const chunk of b.chunks({ size: 2 })) {
      seen.push(text(chunk));
      b.close();
    }
    expect([seen, drainStream(copy)]).toEqual([['cd'], 'ef']);
  });
});

describe('end()', () => {
  it('lets the peer read the end, and this side still receives', async () => {
    const { near, far } = streamConnection();
    near.sendSync('question');
    near.end();
    near.end();
    expect((await collect(far)).toString()).toBe('question');
    await far.send('answer');
    far.close();
    expect((await collect(near)).toString()).toBe('answer');
  });

  it('waits for nobody, and ends what was sent before in order', async () => {
    const [a, b] = streamPair();
    const data = pattern(1_000_000);
    await Promise.all([
      a.send(data).then(() => a.end()),
      (async () => expect((await collect(b)).equals(data)).toBe(true))(),
    ]);
  });
});

describe('UnixStream.fromFd()', () => {
  it('adopts an end of a connection', async () => {
    const [a, b] = sys.socketpair(sys.AF_UNIX, sys.SOCK_STREAM | sys.SOCK_CLOEXEC);
    const [left, right] = [borrow(UnixStream.fromFd(a)), borrow(UnixStream.fromFd(b))];
    expect([left.fd, left.address, left.peerAddress, left.peerCredentials]).toEqual([a, '', '', own]);
    await left.send('adopted');
    expect(await right.receive()).toEqual(plain('adopted'));
    left.close();
    expect(targetOf(a)).toBeUndefined();
  });

  it('adopts one that does not block, and calls that wait still wait', async () => {
    const flags = sys.SOCK_STREAM | sys.SOCK_NONBLOCK | sys.SOCK_CLOEXEC;
    const [a, b] = sys.socketpair(sys.AF_UNIX, flags);
    const [left, right] = [borrow(UnixStream.fromFd(a)), borrow(UnixStream.fromFd(b))];
    expect(failure(() => left.receiveSync({ timeout: 10 }))).toMatchObject({ code: 'ETIMEDOUT' });
    const pending = left.receive();
    expect(await stateOf(pending)).toBe('pending');
    right.sendSync('x');
    expect(text(there(await pending))).toBe('x');
    fillStream(right);
    expect(failure(() => right.sendSync('y', { timeout: 10 }))).toMatchObject({ code: 'ETIMEDOUT' });
  });

  it.each<[string, () => number]>([
    ['a socket that listens', () => streamServer().fd],
    ['a datagram socket', () => receiver().fd],
    ['a seqpacket socket', () => packetPair()[0].fd],
    ['a pipe', () => borrow(Pipe.create()).reader.fd],
    ['an eventfd', () => borrow(EventFd.create()).fd],
    ['a file', () => closing(openSync(fixture('peer.js'), 'r'))],
  ])('refuses %s and leaves it open', (_what, make) => {
    const fd = make();
    expect(failure(() => UnixStream.fromFd(fd))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
    });
    expect(targetOf(fd)).toBeDefined();
  });

  it('of a server refuses what does not listen, or is of another type', () => {
    const raw = closing(sys.socket(sys.AF_UNIX, sys.SOCK_STREAM | sys.SOCK_CLOEXEC));
    for (const fd of [
      streamPair()[0].fd,
      raw,
      packetServer().fd,
      receiver().fd,
      borrow(EventFd.create()).fd,
    ]) {
      expect(failure(() => UnixStreamServer.fromFd(fd))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_VALUE',
      });
      expect(targetOf(fd)).toBeDefined();
    }
  });

  it('of a server adopts what listens', async () => {
    const path = socketPath();
    const fd = sys.socket(sys.AF_UNIX, sys.SOCK_STREAM | sys.SOCK_CLOEXEC);
    sys.bind(fd, path);
    sys.listen(fd, 5);
    const server = borrow(UnixStreamServer.fromFd(fd));
    expect([server.fd, server.address]).toEqual([fd, path]);
    const near = borrow(await UnixStream.connect(path));
    const far = borrow(await server.accept());
    near.sendSync('x');
    expect(text(there(await far.receive()))).toBe('x');
  });

  it('fails with EBADF where the descriptor is not open', () => {
    const fd = sys.socket(sys.AF_UNIX, sys.SOCK_STREAM | sys.SOCK_CLOEXEC);
    sys.close(fd);
    for (const adopt of [() => UnixStream.fromFd(fd), () => UnixStreamServer.fromFd(fd)]) {
      const error = failure(adopt);
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EBADF' });
    }
  });
});

describe('stream()', () => {
  it('gives a net.Socket over the same descriptor, which is its now', async () => {
    const { near, far } = streamConnection();
    const { fd } = near;
    const pending = rejection(near.receive());
    await turns();
    const stream = near.stream();
    expect(stream).toBeInstanceOf(Socket);
    expect([near.closed, stream.readable, stream.writable]).toEqual([true, true, true]);
    expect(await pending).toMatchObject({ code: 'ECANCELED' });
    expect(failure(() => near.trySend('x'))).toMatchObject({ code: 'ERR_INVALID_STATE' });
    near.close();
    expect(targetOf(fd)).toMatch(/^socket:/);
    stream.write('as a stream');
    expect(text(there(await far.receive()))).toBe('as a stream');
    await far.send('back');
    far.end();
    expect(await textOf(stream)).toBe('back');
    stream.end();
    await until('the descriptor is closed', () => targetOf(fd) === undefined);
    expect(await far.receive()).toBeNull();
  });

  it('leaves what had not been received to the stream', async () => {
    const { near, far } = streamConnection();
    near.sendSync('taken, left');
    near.end();
    expect(text(there(far.tryReceive({ size: 7 })))).toBe('taken, ');
    const stream = far.stream();
    expect(await textOf(stream)).toBe('left');
    stream.destroy();
  });

  it('carries much both ways, with backpressure', async () => {
    const { near, far } = streamConnection();
    const stream = far.stream();
    stream.pipe(stream);
    const data = pattern(3_000_000);
    const sent = near.send(data).then(() => near.end());
    expect((await collect(near, data.length)).equals(data)).toBe(true);
    await sent;
    stream.destroy();
  });

  it('of both ends talk to each other', async () => {
    const [a, b] = streamPair();
    const [left, right] = [a.stream(), b.stream()];
    left.end('hello');
    expect(await textOf(right)).toBe('hello');
    right.end();
  });
});

describe('server()', () => {
  it.each([
    ['a path', () => socketPath()],
    ['an abstract name', () => abstractName('\0x')],
  ])('gives a net.Server that goes on listening on %s', async (_what, make) => {
    const address = make();
    const own = streamServer(address);
    const early = borrow(await UnixStream.connect(address));
    const { fd } = own;
    const server = own.server((connection) => {
      connection.end('welcome');
      connection.resume();
    });
    onTestFinished(() => void server.close());
    expect(server).toBeInstanceOf(Server);
    expect([own.closed, targetOf(fd)]).toEqual([true, expect.stringMatching(/^socket:/)]);
    own.close();
    expect((await collect(early)).toString()).toBe('welcome');
    const late = borrow(await UnixStream.connect(address));
    expect((await collect(late)).toString()).toBe('welcome');
    early.end();
    late.end();
    await new Promise((resolve) => server.close(resolve));
    await until('the descriptor is closed', () => targetOf(fd) === undefined);
    expect(await rejection(UnixStream.connect(address))).toHaveProperty('code');
  });

  it('without a listener emits connections', async () => {
    const own = streamServer();
    const { address } = own;
    const server = own.server();
    onTestFinished(() => void server.close());
    const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const near = borrow(await UnixStream.connect(address));
    const far = await connected;
    far.end('x');
    far.resume();
    expect((await collect(near)).toString()).toBe('x');
    near.end();
  });

  it('ends the waits of the object', async () => {
    const own = streamServer();
    const pending = rejection(own.accept());
    await turns();
    const server = own.server();
    onTestFinished(() => void server.close());
    expect(await pending).toMatchObject({ code: 'ECANCELED' });
  });
});

describe('peerCredentials()', () => {
  it('of what has a descriptor, or its number', () => {
    const { near, far } = streamConnection();
    for (const end of [near, far, ...packetPair()])
      expect([peerCredentials(end), peerCredentials(end.fd)]).toEqual([own, own]);
  });

  it('of sockets of node:net', async () => {
    const path = socketPath();
    const accepted = new Promise<Socket>((resolve) => {
      const server = createServer(resolve).listen(path);
      onTestFinished(() => void server.close());
    });
    const near = connectNet(path);
    onTestFinished(() => void near.destroy());
    const far = await accepted;
    onTestFinished(() => void far.destroy());
    expect([peerCredentials(near), peerCredentials(far)]).toEqual([own, own]);
  });

  it('of a socket that is not open fails', async () => {
    const closed = new Socket();
    expect((await rejection(promised(() => peerCredentials(closed)))).code).toMatch(/^(EBADF|ERR_\w+)$/);
    const [a] = streamPair();
    a.close();
    expect((await rejection(promised(() => peerCredentials(a)))).code).toMatch(/^(EBADF|ERR_\w+)$/);
    expect(failure(() => peerCredentials(1_000_000))).toMatchObject({ code: 'EBADF' });
  });

  it('of what is no socket fails with ENOTSOCK', () => {
    const error = failure(() => peerCredentials(borrow(Pipe.create()).reader));
    expect(error.code).toMatch(/^(ENOTSOCK|ERR_INVALID_ARG_VALUE)$/);
  });
});

describe('close()', () => {
  it('closes the descriptor, once, of a connection and of a server', () => {
    const { server, near } = streamConnection();
    const fds = [server.fd, near.fd];
    server.close();
    near.close();
    expect([server.closed, near.closed, ...fds.map(targetOf)]).toEqual([true, true, undefined, undefined]);
    const others = streamPair();
    server.close();
    near.close();
    server[Symbol.dispose]();
    near[Symbol.dispose]();
    for (const { fd } of others) expect(targetOf(fd)).toMatch(/^socket:/);
  });

  it('makes every later call fail with ERR_INVALID_STATE', async () => {
    const { server, near } = streamConnection();
    server.close();
    near.close();
    const calls: Record<string, () => unknown> = {
      sendSync: () => near.sendSync('x'),
      trySend: () => near.trySend('x'),
      send: () => near.send('x'),
      receiveSync: () => near.receiveSync({ timeout: patience }),
      tryReceive: () => near.tryReceive(),
      receive: () => near.receive(),
      end: () => near.end(),
      stream: () => near.stream(),
      release: () => near.release(),
      acceptSync: () => server.acceptSync({ timeout: patience }),
      tryAccept: () => server.tryAccept(),
      accept: () => server.accept(),
      server: () => server.server(),
      'release of the server': () => server.release(),
    };
    const before = descriptors();
    for (const [name, call] of Object.entries(calls))
      expect((await rejection(promised(call))).code, name).toBe('ERR_INVALID_STATE');
    expect(descriptors()).toBe(before);
  });

  it('leaves the counts of what went through', () => {
    const [a, b] = streamPair();
    a.sendSync('four');
    received(there(b.tryReceive()).descriptors);
    a.close();
    b.close();
    expect([a.bytesWritten, b.bytesRead]).toEqual([4, 4]);
  });
});

describe('release()', () => {
  it('gives the descriptor back, open, and ends the object', async () => {
    const [a, b] = streamPair();
    const { fd } = a;
    const pending = rejection(a.receive());
    await turns();
    expect(a.release()).toBe(fd);
    closing(fd);
    expect(await pending).toMatchObject({ code: 'ECANCELED' });
    a.close();
    b.sendSync('still a socket');
    expect(drainStream({ fd })).toBe('still a socket');
  });
});
