// UnixSeqpacketSocket and UnixSeqpacketServer: what their methods do where nothing has to be waited for.
import { openSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  EventFd,
  IpcError,
  Pipe,
  type UnixMessage,
  UnixSeqpacketServer,
  UnixSeqpacketSocket,
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
  drain,
  fill,
  fillBacklog,
  flagsOf,
  packetConnection,
  packetPair,
  packetServer,
  patience,
  pattern,
  promised,
  receiver,
  socketPath,
  streamServer,
  targetOf,
  text,
  texts,
  there,
} from './helpers/unix-socket-ends.js';

const own = {
  pid: process.pid,
  uid: process.getuid?.() ?? -1,
  gid: process.getgid?.() ?? -1,
};

function plain(data: string | Buffer): UnixMessage {
  return {
    data: Buffer.from(data as string),
    address: '',
    descriptors: [],
    credentials: undefined,
    truncated: false,
    descriptorsTruncated: false,
  };
}

/** A path on which a server listened that is gone. */
function leftBehind(): string {
  const path = socketPath();
  UnixSeqpacketServer.listen(path, { unlinkOnClose: false }).close();
  return path;
}

type Address = string | Uint8Array;
interface ConnectOptions {
  bind?: Address;
}
const connects: [
  string,
  (address: Address, options?: ConnectOptions) => Promise<UnixSeqpacketSocket | undefined>,
][] = [
  [
    'connectSync()',
    (address, options) =>
      promised(() => UnixSeqpacketSocket.connectSync(address, { timeout: patience, ...options })),
  ],
  ['tryConnect()', (address, options) => promised(() => UnixSeqpacketSocket.tryConnect(address, options))],
  ['connect()', (address, options) => UnixSeqpacketSocket.connect(address, options)],
];

const accepts: [string, (server: UnixSeqpacketServer) => Promise<UnixSeqpacketSocket | undefined>][] = [
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
const sends: [string, (from: UnixSeqpacketSocket, data: Data) => unknown][] = [
  ['sendSync()', (from, data) => from.sendSync(data, { timeout: patience })],
  ['trySend()', (from, data) => from.trySend(data)],
  ['send()', (from, data) => from.send(data)],
];

interface Cut {
  maxBytes?: number;
  truncate?: boolean;
}
type Received = UnixMessage | null | undefined;
const receives: [string, (from: UnixSeqpacketSocket, options?: Cut) => Promise<Received>][] = [
  ['receiveSync()', (from, options) => promised(() => from.receiveSync({ timeout: patience, ...options }))],
  ['tryReceive()', (from, options) => promised(() => from.tryReceive(options))],
  ['receive()', (from, options) => from.receive(options)],
  [
    'messages()',
    async (from, options) => {
      for await (const message of from.messages(options)) return message;
      return null;
    },
  ],
];

const manys: [string, (from: UnixSeqpacketSocket, max: number, options?: Cut) => Promise<UnixMessage[]>][] = [
  [
    'receiveManySync()',
    (from, max, options) => promised(() => from.receiveManySync(max, { timeout: patience, ...options })),
  ],
  ['tryReceiveMany()', (from, max, options) => promised(() => from.tryReceiveMany(max, options))],
  ['receiveMany()', (from, max, options) => from.receiveMany(max, options)],
];

describe('listen()', () => {
  it('makes a server that others connect to', () => {
    const path = socketPath();
    const server = packetServer(path);
    expect(server).toBeInstanceOf(UnixSeqpacketServer);
    expect([server.address, server.closed]).toEqual([path, false]);
    expect(sys.getsockopt(server.fd, sys.SOL_SOCKET, sys.SO_TYPE)).toBe(sys.SOCK_SEQPACKET);
    expect(sys.getsockopt(server.fd, sys.SOL_SOCKET, sys.SO_ACCEPTCONN)).toBe(1);
    expect(flagsOf(server.fd) & sys.O_CLOEXEC).not.toBe(0);
  });

  it('takes in as many as backlog says, and one more, before they are accepted', () => {
    for (const backlog of [0, 1, 5])
      expect(fillBacklog(packetServer(socketPath(), { backlog })), `a backlog of ${backlog}`).toBe(
        backlog + 1,
      );
  });

  it('takes in 511 and one more where nothing is said, and the system allows it', () => {
    const most = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
    expect(fillBacklog(packetServer())).toBe(Math.min(511, most) + 1);
  });

  it('fails with EADDRINUSE where somebody listens, and with the path', () => {
    const { address } = packetServer();
    for (const listen of [() => UnixSeqpacketServer.listen(address), () => streamServer(address)]) {
      const error = failure(listen);
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EADDRINUSE' });
      expect(error.message).toContain(String(address));
    }
  });
});

describe.each(connects)('%s', (name, connect) => {
  it.each(accepts)('makes a connection, which %s takes', async (_accept, accept) => {
    const server = packetServer();
    const near = borrow(there(await connect(server.address)));
    const far = borrow(there(await accept(server)));
    expect(near).toBeInstanceOf(UnixSeqpacketSocket);
    expect(far).toBeInstanceOf(UnixSeqpacketSocket);
    for (const { fd } of [near, far]) expect(flagsOf(fd) & sys.O_CLOEXEC, `flags of ${fd}`).not.toBe(0);
    near.sendSync('question');
    expect(far.receiveSync({ timeout: patience })).toEqual(plain('question'));
    far.sendSync('answer');
    expect(near.receiveSync({ timeout: patience })).toEqual(plain('answer'));
  });

  it('says who is who', async () => {
    const server = packetServer();
    const near = borrow(there(await connect(server.address)));
    const far = borrow(there(server.tryAccept()));
    expect([near.address, near.peerAddress]).toEqual(['', server.address]);
    expect([far.address, far.peerAddress]).toEqual([server.address, '']);
    expect([near.peerCredentials, far.peerCredentials]).toEqual([own, own]);
  });

  it('binds too where it is told to', async () => {
    const server = packetServer();
    const [path, abstract] = [socketPath(), abstractName()];
    for (const address of [path, abstract]) {
      const near = borrow(there(await connect(server.address, { bind: address })));
      const far = borrow(there(server.tryAccept()));
      expect([near.address, far.peerAddress]).toEqual([address, address]);
    }
  });

  it('connects to an abstract name', async () => {
    const server = packetServer(abstractName('\0with a NUL'));
    const near = borrow(there(await connect(server.address)));
    expect(near.peerAddress).toBe(server.address);
    borrow(there(server.tryAccept()));
  });

  it('sends before it is accepted', async () => {
    const server = packetServer();
    const near = borrow(there(await connect(server.address)));
    near.sendSync('early');
    near.end();
    const far = borrow(there(server.tryAccept()));
    expect(text(there(await far.receive()))).toBe('early');
    expect(await far.receive()).toBeNull();
  });

  it('types the connection by its codec', async () => {
    const server = borrow(UnixSeqpacketServer.listen(socketPath(), { codec: 'json' }));
    const near = borrow(
      there(
        name === 'tryConnect()'
          ? UnixSeqpacketSocket.tryConnect(server.address, { codec: 'json' })
          : name === 'connectSync()'
            ? UnixSeqpacketSocket.connectSync(server.address, { codec: 'json' })
            : await UnixSeqpacketSocket.connect(server.address, { codec: 'json' }),
      ),
    );
    const far = borrow(await server.accept());
    near.sendSync({ id: 1 });
    expect(there(await far.receive()).data).toEqual({ id: 1 });
    await far.send([1, 'two']);
    expect(there(near.receiveSync({ timeout: patience })).data).toEqual([1, 'two']);
  });

  it.each([
    ['ENOENT', 'there is no such path', () => socketPath()],
    ['ECONNREFUSED', 'the path is left behind', leftBehind],
    ['ECONNREFUSED', 'nobody has the abstract name', () => abstractName()],
    ['EPROTOTYPE', 'a stream server is there', () => streamServer().address],
    ['EPROTOTYPE', 'a datagram socket is there', () => receiver().address],
  ])('fails with %s where %s, and leaves no descriptor', async (code, _why, address) => {
    const to = address();
    const before = descriptors();
    const error = await rejection(connect(to));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code, syscall: 'connect' });
    if (typeof to === 'string' && to.startsWith('/')) expect(error.message).toContain(to);
    const path = socketPath('mine');
    expect(await rejection(connect(to, { bind: path }))).toMatchObject({ code });
    expect(descriptors()).toBe(before);
    // A name that was taken for it is free again.
    expect(packetServer(path).address).toBe(path);
  });
});

describe('tryConnect()', () => {
  it('gives undefined where the backlog is full, and a connection when there is room', () => {
    const server = packetServer(socketPath(), { backlog: 1 });
    fillBacklog(server);
    const before = descriptors();
    expect(UnixSeqpacketSocket.tryConnect(server.address)).toBeUndefined();
    const path = socketPath('mine');
    expect(UnixSeqpacketSocket.tryConnect(server.address, { bind: path })).toBeUndefined();
    expect(descriptors()).toBe(before);
    borrow(there(server.tryAccept()));
    expect(borrow(there(UnixSeqpacketSocket.tryConnect(server.address, { bind: path }))).address).toBe(path);
  });
});

describe('accepting', () => {
  it('gives the connections in the order in which they were made', async () => {
    const server = packetServer();
    const ends = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const near = borrow(await UnixSeqpacketSocket.connect(server.address));
        near.sendSync(String(index));
        return near;
      }),
    );
    const seen: string[] = [];
    for (let index = 0; index < ends.length; index++)
      seen.push(text(there(await borrow(await server.accept()).receive())));
    expect(seen).toEqual(ends.map((_, index) => String(index)));
  });

  it('by tryAccept() gives undefined where nobody has connected', () => {
    expect(packetServer().tryAccept()).toBeUndefined();
  });

  it('gives a connection whose other end is gone already, with what it sent', async () => {
    const server = packetServer();
    const near = UnixSeqpacketSocket.connectSync(server.address);
    near.sendSync('last words');
    near.close();
    const far = borrow(await server.accept());
    expect(text(there(await far.receive()))).toBe('last words');
    expect(await far.receive()).toBeNull();
  });

  it('by for await gives every connection, until break', async () => {
    const server = packetServer();
    const connected = Array.from({ length: 3 }, () =>
      borrow(UnixSeqpacketSocket.connectSync(server.address)),
    );
    let count = 0;
    for await (const connection of server) {
      borrow(connection);
      if (++count === connected.length) break;
    }
    borrow(UnixSeqpacketSocket.connectSync(server.address));
    expect(server.closed).toBe(false);
    borrow(there(server.tryAccept()));
  });

  it('ends with the server, also where it waits', async () => {
    const server = packetServer();
    const looped = (async () => {
      for await (const _ of server.connections()) throw new Error('was given a connection');
      return 'ended';
    })();
    await turns();
    server.close();
    expect(await looped).toBe('ended');
  });

  it('goes on with connections that are there when the server closes', async () => {
    const { server, near, far } = packetConnection();
    server.close();
    await near.send('still');
    expect(text(there(await far.receive()))).toBe('still');
  });

  it('that never comes ends those who have connected: ECONNRESET', async () => {
    const server = packetServer();
    const near = borrow(UnixSeqpacketSocket.connectSync(server.address));
    server.close();
    expect(await rejection(near.receive())).toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('UnixSeqpacketServer.fromFd()', () => {
  function listening(path: string): number {
    const fd = sys.socket(sys.AF_UNIX, sys.SOCK_SEQPACKET | sys.SOCK_CLOEXEC);
    sys.bind(fd, path);
    sys.listen(fd, 5);
    return fd;
  }

  it('adopts a socket that listens, as a service manager gives it', async () => {
    const path = socketPath();
    const fd = listening(path);
    const server = borrow(UnixSeqpacketServer.fromFd(fd, { codec: 'utf8' }));
    expect([server.fd, server.address]).toEqual([fd, path]);
    const near = borrow(await UnixSeqpacketSocket.connect(path));
    const far = borrow(server.acceptSync({ timeout: patience }));
    near.sendSync('grün');
    expect(there(far.receiveSync({ timeout: patience })).data).toBe('grün');
    server.close();
    expect(targetOf(fd)).toBeUndefined();
  });

  it('leaves the file of what it has adopted', () => {
    const path = socketPath();
    UnixSeqpacketServer.fromFd(listening(path)).close();
    expect(failure(() => UnixSeqpacketSocket.connectSync(path))).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('adopts what another server released', async () => {
    const first = UnixSeqpacketServer.listen(socketPath());
    const { address } = first;
    const second = borrow(UnixSeqpacketServer.fromFd(first.release()));
    expect(first.closed).toBe(true);
    const near = borrow(await UnixSeqpacketSocket.connect(address));
    borrow(await second.accept());
    expect(near.peerAddress).toBe(address);
  });

  it.each<[string, () => number]>([
    ['a connection', () => packetPair()[0].fd],
    [
      'a socket that does not listen',
      () => closing(sys.socket(sys.AF_UNIX, sys.SOCK_SEQPACKET | sys.SOCK_CLOEXEC)),
    ],
    ['a stream server', () => streamServer().fd],
    ['a datagram socket', () => receiver().fd],
    ['a pipe', () => borrow(Pipe.create()).reader.fd],
    ['a file', () => closing(openSync(fixture('peer.js'), 'r'))],
  ])('refuses %s and leaves it open', (_what, make) => {
    const fd = make();
    expect(failure(() => UnixSeqpacketServer.fromFd(fd))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
    });
    expect(targetOf(fd)).toBeDefined();
  });

  it('fails with EBADF where the descriptor is not open', () => {
    const fd = sys.socket(sys.AF_UNIX, sys.SOCK_SEQPACKET | sys.SOCK_CLOEXEC);
    sys.close(fd);
    const error = failure(() => UnixSeqpacketServer.fromFd(fd));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EBADF' });
  });
});

describe('pair()', () => {
  it('makes both ends of a connection', () => {
    const [a, b] = packetPair();
    expect([a.address, a.peerAddress, b.address, b.peerAddress]).toEqual(['', '', '', '']);
    expect([a.peerCredentials, b.peerCredentials]).toEqual([own, own]);
    a.sendSync('to b');
    b.sendSync('to a');
    expect(a.receiveSync({ timeout: patience })).toEqual(plain('to a'));
    expect(b.receiveSync({ timeout: patience })).toEqual(plain('to b'));
  });
});

describe('UnixSeqpacketSocket.fromFd()', () => {
  it('adopts an end of a connection', async () => {
    const [a, b] = sys.socketpair(sys.AF_UNIX, sys.SOCK_SEQPACKET | sys.SOCK_CLOEXEC);
    const [left, right] = [borrow(UnixSeqpacketSocket.fromFd(a)), borrow(UnixSeqpacketSocket.fromFd(b))];
    expect([left.fd, left.address, left.peerAddress]).toEqual([a, '', '']);
    await left.send('adopted');
    expect(await right.receive()).toEqual(plain('adopted'));
    left.close();
    expect(targetOf(a)).toBeUndefined();
    expect(await right.receive()).toBeNull();
  });

  it('adopts one that does not block, and calls that wait still wait', async () => {
    const flags = sys.SOCK_SEQPACKET | sys.SOCK_NONBLOCK | sys.SOCK_CLOEXEC;
    const [a, b] = sys.socketpair(sys.AF_UNIX, flags);
    const [left, right] = [borrow(UnixSeqpacketSocket.fromFd(a)), borrow(UnixSeqpacketSocket.fromFd(b))];
    expect(failure(() => left.receiveSync({ timeout: 10 }))).toMatchObject({ code: 'ETIMEDOUT' });
    const pending = left.receive();
    expect(await stateOf(pending)).toBe('pending');
    right.sendSync('x');
    expect(text(there(await pending))).toBe('x');
    fill(right);
    expect(failure(() => right.sendSync('y', { timeout: 10 }))).toMatchObject({ code: 'ETIMEDOUT' });
  });

  it.each<[string, () => number]>([
    ['a socket that listens', () => packetServer().fd],
    ['a datagram socket', () => receiver().fd],
    ['a stream server', () => streamServer().fd],
    ['a pipe', () => borrow(Pipe.create()).reader.fd],
    ['an eventfd', () => borrow(EventFd.create()).fd],
    ['a file', () => closing(openSync(fixture('peer.js'), 'r'))],
  ])('refuses %s and leaves it open', (_what, make) => {
    const fd = make();
    expect(failure(() => UnixSeqpacketSocket.fromFd(fd))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
    });
    expect(targetOf(fd)).toBeDefined();
  });

  it('fails with EBADF where the descriptor is not open', () => {
    const [a, b] = sys.socketpair(sys.AF_UNIX, sys.SOCK_SEQPACKET | sys.SOCK_CLOEXEC);
    sys.close(a);
    sys.close(b);
    const error = failure(() => UnixSeqpacketSocket.fromFd(a));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EBADF' });
  });
});

describe.each(sends)('%s', (name, send) => {
  it('sends a string, a Buffer, or what a Uint8Array shows, each as one message', async () => {
    const [a, b] = packetPair();
    await send(a, 'grün');
    await send(a, Buffer.from([0, 1, 255]));
    await send(a, '');
    await send(a, Uint8Array.of(9, 8, 7, 6).subarray(1, 3));
    expect(b.tryReceiveMany(9).map(({ data }) => data)).toEqual([
      Buffer.from('grün'),
      Buffer.from([0, 1, 255]),
      Buffer.alloc(0),
      Buffer.from([8, 7]),
    ]);
  });

  it('gives what the variant says', async () => {
    const [a] = packetPair();
    expect(await send(a, 'x')).toBe(name === 'trySend()' ? true : undefined);
  });

  it('sends as much as the send buffer lets, and fails with EMSGSIZE over it, with both numbers', async () => {
    const [a, b] = packetPair();
    const buffer = sys.getsockopt(a.fd, sys.SOL_SOCKET, sys.SO_SNDBUF) as number;
    const data = pattern(buffer - 100);
    await send(a, data);
    expect(there(b.tryReceive()).data.equals(data)).toBe(true);
    const error = await rejection(promised(() => send(a, Buffer.alloc(buffer + 1))));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EMSGSIZE' });
    expect(error.message).toContain(String(buffer + 1));
    expect(b.tryReceive()).toBeUndefined();
  });

  it('fails with EPIPE where the other end is closed, and the program lives on', async () => {
    const { near, far } = packetConnection();
    far.close();
    for (let round = 0; round < 2; round++) {
      const error = await rejection(promised(() => send(near, 'x')));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EPIPE' });
    }
  });

  it('fails with EPIPE after end()', async () => {
    const [a, b] = packetPair();
    a.end();
    expect(await rejection(promised(() => send(a, 'x')))).toMatchObject({ code: 'EPIPE' });
    expect(b.tryReceive()).toBeNull();
  });
});

describe('trySend()', () => {
  it('is false where no message more goes in, and true when there is room', () => {
    const [a, b] = packetPair({ sendBuffer: 20_000 });
    const count = fill(a);
    expect(count).toBeGreaterThan(0);
    expect(a.trySend('x')).toBe(false);
    for (let index = 0; index < count; index++) expect(text(there(b.tryReceive()))).toBe('f');
    expect(b.tryReceive()).toBeUndefined();
    expect(a.trySend('x')).toBe(true);
  });
});

describe.each(receives)('%s', (_name, receive) => {
  it('takes one message at a time, oldest first, also empty ones', async () => {
    const [a, b] = packetPair();
    for (const data of ['one', '', 'three']) a.sendSync(data);
    expect(await receive(b)).toEqual(plain('one'));
    expect(await receive(b)).toEqual(plain(''));
    expect(await receive(b)).toEqual(plain('three'));
  });

  it('cuts no message, however long', async () => {
    const [a, b] = packetPair();
    for (const length of [0, 1, 4096, 65_536, 65_537, 200_000]) {
      const data = pattern(length);
      a.sendSync(data);
      const message = there(await receive(b));
      expect(message.data.length).toBe(length);
      expect(message.data.equals(data)).toBe(true);
      expect(message.truncated).toBe(false);
    }
  });

  it.each([
    ['closed', (end: UnixSeqpacketSocket) => end.close()],
    ['called end()', (end: UnixSeqpacketSocket) => end.end()],
  ])('gives null when the peer has %s, again and again, and what was sent first', async (_how, end) => {
    for (const sent of [[], ['last'], ['one', ''], ['', ''], ['']]) {
      const [a, b] = packetPair();
      for (const data of sent) a.sendSync(data);
      end(a);
      for (const data of sent) expect(await receive(b)).toEqual(plain(data));
      expect(await receive(b)).toBeNull();
      expect(await receive(b)).toBeNull();
      expect(b.closed).toBe(false);
    }
  });

  it('gives null and not an empty message also where credentials are asked for', async () => {
    const [a, b] = packetPair({ credentials: true });
    a.sendSync('');
    a.close();
    expect(await receive(b)).toEqual({ ...plain(''), credentials: own });
    expect(await receive(b)).toBeNull();
  });

  it('with maxBytes takes what fits, and leaves what does not, with EMSGSIZE', async () => {
    const [a, b] = packetPair();
    for (const data of ['four', 'longer', 'next']) a.sendSync(data);
    expect(text(there(await receive(b, { maxBytes: 4 })))).toBe('four');
    for (const maxBytes of [5, 0]) {
      const error = await rejection(receive(b, { maxBytes }));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EMSGSIZE' });
    }
    a.close();
    expect(text(there(await receive(b)))).toBe('longer');
    expect(text(there(await receive(b, { maxBytes: 4 })))).toBe('next');
    expect(await receive(b, { maxBytes: 4 })).toBeNull();
    expect(await receive(b, { maxBytes: 0 })).toBeNull();
  });

  it('with truncate cuts the message and says so', async () => {
    const [a, b] = packetPair();
    for (const data of ['longer', 'exact', '', 'gone', 'next']) a.sendSync(data);
    a.close();
    const cut = { maxBytes: 5, truncate: true };
    expect(await receive(b, cut)).toEqual({ ...plain('longe'), truncated: true });
    expect(await receive(b, cut)).toEqual(plain('exact'));
    expect(await receive(b, { maxBytes: 0, truncate: true })).toEqual(plain(''));
    expect(await receive(b, { maxBytes: 0, truncate: true })).toEqual({ ...plain(''), truncated: true });
    expect(await receive(b, cut)).toEqual(plain('next'));
    expect(await receive(b, cut)).toBeNull();
  });

  it('gives what was sent, then ECONNRESET once, where the peer has closed with our data unread', async () => {
    const { near, far } = packetConnection();
    near.sendSync('never read');
    for (const data of ['sent before', '', 'last']) far.sendSync(data);
    far.close();
    for (const data of ['sent before', '', 'last']) expect(await receive(near)).toEqual(plain(data));
    const error = await rejection(receive(near));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    expect(await receive(near)).toBeNull();
  });
});

describe('tryReceive()', () => {
  it('gives undefined where nothing is there yet, and null at the end', () => {
    const [a, b] = packetPair();
    expect(b.tryReceive()).toBeUndefined();
    a.close();
    expect(b.tryReceive()).toBeNull();
  });
});

describe.each(manys)('%s', (_name, receiveMany) => {
  it('takes up to max messages, oldest first, and waits for no more', async () => {
    const [a, b] = packetPair();
    for (let index = 0; index < 10; index++) a.sendSync(index === 4 ? '' : String(index));
    expect(texts(await receiveMany(b, 3))).toEqual(['0', '1', '2']);
    expect(texts(await receiveMany(b, 100))).toEqual(['3', '', '5', '6', '7', '8', '9']);
  });

  it('gives none at the end, again and again, and what was sent first', async () => {
    const [a, b] = packetPair();
    for (const data of ['one', '']) a.sendSync(data);
    a.close();
    expect(texts(await receiveMany(b, 10))).toEqual(['one', '']);
    expect(await receiveMany(b, 10)).toEqual([]);
    expect(await receiveMany(b, 10)).toEqual([]);
    expect(b.tryReceive()).toBeNull();
  });

  it('stops in front of a message that is longer than maxBytes', async () => {
    const [a, b] = packetPair();
    for (const data of ['one', 'two', 'too long', 'last']) a.sendSync(data);
    expect(texts(await receiveMany(b, 10, { maxBytes: 4 }))).toEqual(['one', 'two']);
    expect(await rejection(receiveMany(b, 10, { maxBytes: 4 }))).toMatchObject({ code: 'EMSGSIZE' });
    expect(texts(await receiveMany(b, 10))).toEqual(['too long', 'last']);
  });

  it('loses nothing where the peer has closed with our data unread', async () => {
    const { near, far } = packetConnection();
    near.sendSync('never read');
    for (const data of ['one', 'two']) far.sendSync(data);
    far.close();
    const seen: string[] = [];
    let resets = 0;
    for (let round = 0; round < 5; round++) {
      const messages = await receiveMany(near, 10).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'ECONNRESET' });
        resets++;
        return [];
      });
      seen.push(...texts(messages));
    }
    expect([seen, resets]).toEqual([['one', 'two'], 1]);
  });
});

describe('tryReceiveMany()', () => {
  it('gives none where nothing is there yet', () => {
    expect(packetPair()[0].tryReceiveMany(10)).toEqual([]);
  });
});

describe('for await', () => {
  it('gives every message, and ends at the end', async () => {
    const [a, b] = packetPair();
    const seen: string[] = [];
    const sending = (async () => {
      for (let index = 0; index < 1000; index++) await a.send(index % 3 === 0 ? '' : String(index));
      a.end();
    })();
    for await (const message of b) seen.push(text(message));
    await sending;
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, index) => (index % 3 === 0 ? '' : String(index))));
    expect(b.closed).toBe(false);
  });

  it('left by break leaves the rest', async () => {
    const [a, b] = packetPair();
    for (const data of ['one', 'two', 'three']) a.sendSync(data);
    for await (const message of b.messages()) {
      expect(text(message)).toBe('one');
      break;
    }
    expect(drain(b)).toEqual(['two', 'three']);
  });

  it('ends when the socket is closed in its body, or while it waits', async () => {
    const [a, b] = packetPair();
    for (const data of ['one', 'two']) a.sendSync(data);
    const seen: string[] = [];
    for await (const message of b) {
      seen.push(text(message));
      b.close();
    }
    expect(seen).toEqual(['one']);
    const [waiting] = packetPair();
    const looped = (async () => {
      for await (const _ of waiting) throw new Error('was given a message');
      return 'ended';
    })();
    await turns();
    waiting.close();
    expect(await looped).toBe('ended');
  });

  it('throws ECONNRESET where the peer has closed with our data unread', async () => {
    const { near, far } = packetConnection();
    near.sendSync('never read');
    far.close();
    const looped = (async () => {
      for await (const _ of near) throw new Error('was given a message');
    })();
    expect(await rejection(looped)).toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('end()', () => {
  it('lets the peer read the end, and this side still receives', async () => {
    const { near, far } = packetConnection();
    near.sendSync('question');
    near.end();
    expect(text(there(await far.receive()))).toBe('question');
    expect(await far.receive()).toBeNull();
    await far.send('answer');
    far.sendSync('more');
    expect(text(there(await near.receive()))).toBe('answer');
    far.close();
    expect(text(there(near.receiveSync({ timeout: patience })))).toBe('more');
    expect(await near.receive()).toBeNull();
  });

  it('may be called again', async () => {
    const [a, b] = packetPair();
    a.end();
    expect(() => a.end()).not.toThrow();
    b.close();
    expect(() => a.end()).not.toThrow();
    expect(await a.receive()).toBeNull();
  });

  it('wakes the peer that waits', async () => {
    const [a, b] = packetPair();
    const [pending, many] = [b.receive(), b.receiveMany(5)];
    await turns();
    a.end();
    expect([await pending, await many]).toEqual([null, []]);
  });
});

describe('a codec', () => {
  it("'utf8' makes messages strings, and the end is null all the same", async () => {
    const [a, b] = UnixSeqpacketSocket.pair({ codec: 'utf8' });
    borrow(a);
    borrow(b);
    for (const value of ['grün', '', 'a\0b']) {
      a.sendSync(value);
      expect(there(await b.receive()).data).toBe(value);
    }
    a.end();
    expect(await b.receive()).toBeNull();
  });

  it("'json' makes messages values, and null is one", async () => {
    const [a, b] = UnixSeqpacketSocket.pair({ codec: 'json' });
    borrow(a);
    borrow(b);
    for (const value of [{ id: 1 }, null, 0, false, 'text']) {
      await a.send(value);
      expect(there(b.tryReceive()).data).toEqual(value);
    }
  });

  it('that can not read a message gives ERR_DECODE with the bytes, and the next message follows', async () => {
    const [a, b] = sys.socketpair(sys.AF_UNIX, sys.SOCK_SEQPACKET | sys.SOCK_CLOEXEC);
    const plainEnd = borrow(UnixSeqpacketSocket.fromFd(a));
    const end = borrow(UnixSeqpacketSocket.fromFd(b, { codec: 'json' }));
    const calls: [string, () => unknown][] = [
      ['receiveSync()', () => end.receiveSync({ timeout: patience })],
      ['tryReceive()', () => end.tryReceive()],
      ['receive()', () => end.receive()],
      ['messages()', () => end.messages().next()],
      ['receiveManySync()', () => end.receiveManySync(1, { timeout: patience })],
      ['tryReceiveMany()', () => end.tryReceiveMany(1)],
      ['receiveMany()', () => end.receiveMany(1)],
    ];
    for (const [name, call] of calls) {
      plainEnd.sendSync('{ no json');
      plainEnd.sendSync('"good"');
      expect(await rejection(promised(call)), name).toMatchObject({
        code: 'ERR_DECODE',
        data: Buffer.from('{ no json'),
        cause: expect.any(SyntaxError) as unknown,
        address: '',
        descriptors: [],
      });
      expect(there(await end.receive()).data, name).toBe('good');
    }
  });
});

describe('credentials', () => {
  it('come with every message where they are asked for', async () => {
    const { near, far } = packetConnection({ credentials: true });
    near.sendSync('x');
    await near.send('', { credentials: own });
    expect(far.receiveSync({ timeout: patience })).toEqual({ ...plain('x'), credentials: own });
    expect(await far.receive()).toEqual({ ...plain(''), credentials: own });
    far.sendSync('back');
    expect(there(near.tryReceive()).credentials).toBeUndefined();
  });
});

describe('close()', () => {
  it('closes the descriptor, once, of a connection and of a server', () => {
    const { server, near } = packetConnection();
    const fds = [server.fd, near.fd];
    server.close();
    near.close();
    expect([server.closed, near.closed, ...fds.map(targetOf)]).toEqual([true, true, undefined, undefined]);
    const others = packetPair();
    server.close();
    near.close();
    server[Symbol.dispose]();
    near[Symbol.dispose]();
    for (const { fd } of others) expect(targetOf(fd)).toMatch(/^socket:/);
  });

  it('happens at the end of a block with using', () => {
    const outside: { readonly closed: boolean }[] = [];
    {
      using server = UnixSeqpacketServer.listen(socketPath());
      using near = UnixSeqpacketSocket.connectSync(server.address, { timeout: patience });
      outside.push(server, near);
    }
    expect(outside.map(({ closed }) => closed)).toEqual([true, true]);
  });

  it('makes every later call fail with ERR_INVALID_STATE', async () => {
    const { server, near } = packetConnection();
    server.close();
    near.close();
    const calls: Record<string, () => unknown> = {
      sendSync: () => near.sendSync('x'),
      trySend: () => near.trySend('x'),
      send: () => near.send('x'),
      receiveSync: () => near.receiveSync({ timeout: patience }),
      tryReceive: () => near.tryReceive(),
      receive: () => near.receive(),
      receiveManySync: () => near.receiveManySync(1, { timeout: patience }),
      tryReceiveMany: () => near.tryReceiveMany(1),
      receiveMany: () => near.receiveMany(1),
      end: () => near.end(),
      release: () => near.release(),
      acceptSync: () => server.acceptSync({ timeout: patience }),
      tryAccept: () => server.tryAccept(),
      accept: () => server.accept(),
      'release of the server': () => server.release(),
    };
    const before = descriptors();
    for (const [name, call] of Object.entries(calls))
      expect((await rejection(promised(call))).code, name).toBe('ERR_INVALID_STATE');
    expect(descriptors()).toBe(before);
  });

  it('ends the connection for the peer that waits', async () => {
    const { near, far } = packetConnection();
    const pending = far.receive();
    await turns();
    near.close();
    expect(await pending).toBeNull();
  });
});

describe('release()', () => {
  it('gives the descriptor back, open, and ends the object', async () => {
    const [a, b] = packetPair();
    const { fd } = a;
    const pending = rejection(a.receive());
    await turns();
    expect(a.release()).toBe(fd);
    closing(fd);
    expect(await pending).toMatchObject({ code: 'ECANCELED' });
    a.close();
    b.sendSync('still a socket');
    expect(drain({ fd })).toEqual(['still a socket']);
  });
});

it('leaves no descriptor behind where it can not be made', async () => {
  const { address } = packetServer();
  const wrong = { codec: 'none' } as unknown as { codec: 'utf8' };
  const before = descriptors();
  const makes: (() => unknown)[] = [
    () => UnixSeqpacketServer.listen(address),
    () => UnixSeqpacketServer.listen(socketPath(), wrong),
    () => UnixSeqpacketSocket.connectSync(address, wrong),
    () => UnixSeqpacketSocket.tryConnect(address, wrong),
    () => UnixSeqpacketSocket.connect(address, wrong),
    () => UnixSeqpacketSocket.pair(wrong),
    () => UnixSeqpacketSocket.connect(address, { spin: -1 }),
    () => UnixSeqpacketSocket.connect(address, { bind: '/not/there/at/all' }),
  ];
  for (const make of makes) expect(await rejection(promised(make))).toHaveProperty('code');
  await until('all of them are gone', () => descriptors() === before);
});
