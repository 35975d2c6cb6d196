// Data into Unix sockets: send(2) and its kin, as far as they are the same, and sendto(2).
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { closeOwn, interruptedPeer, ownFd, ownPipe } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { nodePeer } from './helpers/peers.js';
import {
  asleepOn,
  boundTo,
  connectedTypes,
  detach,
  fillSocket,
  handOver,
  listeningAt,
  messageTypes,
  notOpen,
  ownPair,
  ownSocket,
  socketTypes,
  unusedAbstract,
  unusedPath,
} from './helpers/unix-sockets.js';
import { until } from './helpers/until.js';
import { loose, refuses } from './helpers/wrong-arguments.js';

const { AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } = sys;
const { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL } = sys;
const { SOL_SOCKET } = sys;
const { SO_SNDBUF } = sys;

const MSG_OOB = 1;

interface Sender {
  call: string;
  /** The call, with an address where it takes one and is given one. */
  args: (fd: number, data: unknown, flags?: number, address?: string) => unknown[];
}

const senders: [what: string, sender: Sender][] = [
  ['send', { call: 'send', args: (fd, data, flags) => [fd, data, flags] }],
  ['sendmsg', { call: 'sendmsg', args: (fd, data, flags) => [fd, { data }, flags] }],
  [
    'sendmsg with an address',
    { call: 'sendmsg', args: (fd, data, flags, address) => [fd, { data, address }, flags] },
  ],
  ['sendto', { call: 'sendto', args: (fd, data, flags, address) => [fd, data, flags ?? 0, address] }],
];
/** Those that send where the socket is connected to. */
const plainSenders = senders.slice(0, 2);

describe.each(senders)('%s', (what, { call, args }) => {
  const addressed = /to|address/.test(what);
  const send = (fd: number, data: unknown, flags?: number, address?: string): unknown =>
    loose(call, args(fd, data, flags, address));

  /** A socket to send by, one to receive with, and the address that the call is given. */
  function ends(type = SOCK_DGRAM): { fd: number; to: number; address: string | undefined } {
    if (!addressed) {
      const [fd, to] = ownPair(type);
      return { fd, to, address: undefined };
    }
    const address = unusedAbstract();
    return { to: boundTo(address), fd: ownSocket(SOCK_DGRAM), address };
  }

  it.each([
    ['a string as UTF-8', 'grüße €', Buffer.from('grüße €')],
    ['a string with a NUL', 'a\0b', Buffer.from([97, 0, 98])],
    ['a lone surrogate as Node does', 'a\ud800', Buffer.from('a\ufffd')],
    ['a Uint8Array', Uint8Array.of(0, 255, 1), Buffer.from([0, 255, 1])],
    ['only what the view shows', new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4), Buffer.from([2, 3, 4])],
    ['a Buffer out of the pool', Buffer.from('pooled'), Buffer.from('pooled')],
    ['memory that is shared', new Uint8Array(new SharedArrayBuffer(3)).fill(7), Buffer.from([7, 7, 7])],
    ['nothing', '', Buffer.alloc(0)],
    ['no bytes', new Uint8Array(0), Buffer.alloc(0)],
  ])('sends %s and gives the number of bytes', (_what, data, expected) => {
    const { fd, to, address } = ends();
    expect(send(fd, data, MSG_NOSIGNAL, address)).toBe(expected.length);
    expect(sys.recv(to, 100)).toEqual(expected);
  });

  it('sends the same memory again as it is by then', () => {
    const { fd, to, address } = ends();
    const memory = Buffer.from('first');
    send(fd, memory, 0, address);
    memory.write('again');
    send(fd, memory, MSG_DONTWAIT, address);
    expect([sys.recv(to, 100), sys.recv(to, 100)].map(String)).toEqual(['first', 'again']);
    sys.write(ownPipe()[1], memory);
    memory.write('third');
    expect(send(fd, memory, 0, address)).toBe(5);
    expect(sys.recv(to, 100).toString()).toBe('third');
  });

  it('refuses memory that was sent before and is detached since, and sends nothing', () => {
    const { fd, to, address } = ends();
    const memory = new Uint8Array(16).fill(1);
    for (let again = 0; again < 3; again++) {
      send(fd, memory, 0, address);
      sys.recv(to, 100);
    }
    detach(memory);
    expect(failure(() => send(fd, memory, 0, address))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(failure(() => sys.recv(to, 100, MSG_DONTWAIT)).code).toBe('EAGAIN');
  });

  it('refuses such memory also where the view says that it is as long as before', () => {
    const { fd, to, address } = ends();
    const memory = new Uint8Array(16).fill(1);
    send(fd, memory, 0, address);
    sys.recv(to, 100);
    Object.defineProperty(memory, 'length', { value: 16 });
    detach(memory);
    expect(failure(() => send(fd, memory, 0, address))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  });

  it('fails with EAGAIN where there is no room, with MSG_DONTWAIT and with O_NONBLOCK', () => {
    const { fd, address } = ends();
    expect(fillSocket(fd, 'x'.repeat(1000), address)).toBeGreaterThan(0);
    const expected = systemError('EAGAIN', call);
    expect(failure(() => send(fd, 'x'.repeat(1000), MSG_DONTWAIT, address))).toMatchObject(expected);
    sys.fcntl(fd, sys.F_SETFL, sys.O_NONBLOCK);
    expect(failure(() => send(fd, 'x'.repeat(1000), 0, address))).toMatchObject(expected);
  });

  it('waits for room', async () => {
    const { fd, to, address } = ends();
    fillSocket(fd, 'x'.repeat(1000), address);
    const peer = await nodePeer();
    const theirs = await handOver(peer, fd);
    const sent = peer.call(`sys.${call}`, ...args(theirs, 'y'.repeat(1000), 0, address));
    await until('the peer waits for room', () => asleepOn(theirs, peer.pid));
    let text = '';
    while (!text.startsWith('y')) text = sys.recv(to, 1000).toString();
    expect(await sent).toBe(1000);
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const { fd, address } = ends();
    fillSocket(fd, 'x'.repeat(1000), address);
    const peer = await interruptedPeer();
    const theirs = await handOver(peer, fd);
    const failed = peer.failure(`sys.${call}`, ...args(theirs, 'y'.repeat(1000), 0, address));
    await until('the peer waits for room', () => asleepOn(theirs, peer.pid));
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', call));
  });

  it.each(messageTypes.filter(([, type]) => !addressed || type === SOCK_DGRAM))(
    'fails with EMSGSIZE for a message of %s that is longer than the send buffer',
    (_what, type) => {
      const { fd, to, address } = ends(type);
      const room = sys.getsockopt(fd, SOL_SOCKET, SO_SNDBUF) as number;
      expect(failure(() => send(fd, Buffer.alloc(room + 1), 0, address))).toMatchObject(
        systemError('EMSGSIZE', call),
      );
      expect(failure(() => sys.recv(to, 1, MSG_DONTWAIT)).code).toBe('EAGAIN');
      expect(send(fd, Buffer.alloc(room - 1000), 0, address)).toBe(room - 1000);
      expect(sys.recv(to, room)).toHaveLength(room - 1000);
    },
  );

  it('fails with EOPNOTSUPP for MSG_OOB in messages', () => {
    const { fd, address } = ends();
    expect(failure(() => send(fd, 'x', MSG_OOB, address))).toMatchObject(systemError('EOPNOTSUPP', call));
  });

  it('fails with EBADF for a descriptor that is not open, with ENOTSOCK for another thing', () => {
    const { address } = ends();
    for (const fd of notOpen()) {
      expect(failure(() => send(fd, 'x', 0, address))).toMatchObject(systemError('EBADF', call));
    }
    expect(failure(() => send(ownPipe()[1], 'x', 0, address))).toMatchObject(systemError('ENOTSOCK', call));
  });
});

describe.each(plainSenders)('%s by a connection', (_what, { call, args }) => {
  const send = (fd: number, data: unknown, flags?: number): unknown => loose(call, args(fd, data, flags));

  it('sends a part where there is no room for all of a stream, with MSG_DONTWAIT', () => {
    const [fd, to] = ownPair(SOCK_STREAM);
    const data = Buffer.from(Array.from({ length: 1_000_000 }, (_, index) => index % 251));
    const sent = send(fd, data, MSG_DONTWAIT) as number;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(data.length);
    expect(failure(() => send(fd, 'x', MSG_DONTWAIT)).code).toBe('EAGAIN');
    expect(sys.recv(to, sent, MSG_WAITALL).equals(data.subarray(0, sent))).toBe(true);
  });

  it('gives what was sent where a signal handler runs after a part', async () => {
    const [fd, to] = ownPair(SOCK_STREAM);
    const peer = await interruptedPeer();
    const theirs = await handOver(peer, fd);
    const sent = peer.call(`sys.${call}`, ...args(theirs, Buffer.alloc(4_000_000), 0));
    await until('the peer waits for room', () => asleepOn(theirs, peer.pid));
    peer.signal('SIGUSR2');
    const count = (await sent) as number;
    expect(count).toBeGreaterThan(0);
    expect(sys.fionread(to)).toBe(count);
  });

  it.each(socketTypes)('fails with ENOTCONN by a socket of %s that is not connected', (_type, type) => {
    for (const data of ['x', '']) {
      expect(failure(() => send(ownSocket(type), data))).toMatchObject(systemError('ENOTCONN', call));
    }
  });

  it.each(connectedTypes)(
    'fails with EPIPE where the other end of %s is gone, again and again',
    (_type, type) => {
      const [fd, other] = ownPair(type);
      closeOwn(other);
      for (const flags of [0, MSG_NOSIGNAL, MSG_DONTWAIT, 0]) {
        expect(failure(() => send(fd, 'x', flags))).toMatchObject(systemError('EPIPE', call));
      }
    },
  );

  it('fails with ECONNREFUSED where the other end of datagrams is gone, and with ENOTCONN from then on', () => {
    const address = unusedAbstract();
    const receiver = boundTo(address);
    const fd = ownSocket(SOCK_DGRAM);
    sys.connect(fd, address);
    closeOwn(receiver);
    expect(failure(() => send(fd, 'x'))).toMatchObject(systemError('ECONNREFUSED', call));
    expect(failure(() => send(fd, 'x'))).toMatchObject(systemError('ENOTCONN', call));
  });
});

describe('sendto', () => {
  it('sends to one address after the other', () => {
    const addresses = [unusedAbstract(), unusedPath(), unusedAbstract()];
    const fds = addresses.map((address) => boundTo(address));
    const fd = ownSocket(SOCK_DGRAM);
    for (const address of addresses) sys.sendto(fd, address, 0, address);
    expect(fds.map((each) => sys.recv(each, 200).toString())).toEqual(addresses);
  });

  it('sends elsewhere than the socket is connected to', () => {
    const [first, second] = [unusedAbstract(), unusedAbstract()];
    const [one, other] = [boundTo(first), boundTo(second)];
    const fd = ownSocket(SOCK_DGRAM);
    sys.connect(fd, first);
    sys.sendto(fd, 'to the second', 0, second);
    sys.send(fd, 'to the first');
    expect([one, other].map((each) => sys.recv(each, 100).toString())).toEqual([
      'to the first',
      'to the second',
    ]);
  });

  it.each([
    ['sendto', (fd: number, address: string) => sys.sendto(fd, 'x', 0, address)],
    ['sendmsg', (fd: number, address: string) => sys.sendmsg(fd, { data: 'x', address })],
  ] as const)('as %s names the address where it fails', (call, send) => {
    const [path, name] = [unusedPath(), unusedAbstract()];
    listeningAt(path);
    const table: [Parameters<typeof systemError>[0], number, string][] = [
      ['EPROTOTYPE', ownSocket(SOCK_DGRAM), path],
      ['ECONNREFUSED', ownSocket(SOCK_DGRAM), name],
      ['EISCONN', ownPair(SOCK_STREAM)[0], path],
      ['EOPNOTSUPP', ownSocket(SOCK_STREAM), path],
      ['ENOTCONN', ownSocket(SOCK_SEQPACKET), path],
    ];
    for (const [code, fd, address] of table) {
      expect(failure(() => send(fd, address))).toMatchObject({ ...systemError(code, call), path: address });
    }
  });

  it('does not look at the address on a connection of messages', () => {
    const [fd, to] = ownPair(SOCK_SEQPACKET);
    expect(sys.sendto(fd, 'x', 0, '\0unix-ipc-nobody')).toBe(1);
    expect(sys.recv(to, 10).toString()).toBe('x');
  });

  it('fails with EPERM where the receiver is connected with another', () => {
    const [first, second] = [unusedAbstract(), unusedAbstract()];
    const receiver = boundTo(first);
    boundTo(second);
    sys.connect(receiver, second);
    expect(failure(() => sys.sendto(ownSocket(SOCK_DGRAM), 'x', 0, first))).toMatchObject({
      ...systemError('EPERM', 'sendto'),
      path: first,
    });
  });
});

describe('what is sent', () => {
  refuses('send', { fd: 'int', data: 'bytes', flags: 'int?' }, () => [-1, 'x', 0]);
  const to = '\0unix-ipc-nobody';
  refuses('sendto', { fd: 'int', data: 'bytes', flags: 'int' }, () => [-1, 'x', 0, to]);

  it('goes between processes, to whoever accepts', async () => {
    const address = unusedPath();
    const peer = await nodePeer();
    const listener = await peer.call('sys.socket', AF_UNIX, SOCK_SEQPACKET);
    await peer.call('sys.bind', listener, address);
    await peer.call('sys.listen', listener, 1);
    const fd = ownSocket(SOCK_SEQPACKET);
    sys.connect(fd, address);
    sys.send(fd, 'hello');
    const theirs = await peer.call('sys.accept', listener);
    expect(await peer.call('sys.recv', theirs, 100)).toEqual(Buffer.from('hello'));
    await peer.call('sys.send', theirs, 'and back');
    expect(sys.recv(fd, 100).toString()).toBe('and back');
    await peer.call('sys.close', theirs);
    expect(sys.recv(fd, 100)).toHaveLength(0);
  });

  it('is received while nobody else has the descriptor', () => {
    const fds = sys.socketpair(AF_UNIX, SOCK_DGRAM).map(ownFd) as [number, number];
    sys.send(fds[0], 'x');
    closeOwn(fds[0]);
    expect(sys.recv(fds[1], 10).toString()).toBe('x');
  });
});
