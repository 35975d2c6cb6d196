// Data out of Unix sockets: recv(2) and its kin, as far as they are the same, and recvfrom(2).
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { closeOwn, interruptedPeer, ownPipe } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { nodePeer } from './helpers/peers.js';
import {
  asleepOn,
  boundTo,
  connectedTypes,
  connection,
  detach,
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
import { type Wrong, loose, refuses, wrong } from './helpers/wrong-arguments.js';

const { SOCK_DGRAM, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM } = sys;
const { MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITALL } = sys;

const MSG_OOB = 1;

interface Receiver {
  call: string;
  args: (fd: number, size: number, flags?: number) => unknown[];
  /** The data in the call's result. */
  data: (result: unknown, args: unknown[]) => Buffer;
}

const receivers: [what: string, receiver: Receiver][] = [
  [
    'recv',
    { call: 'recv', args: (fd, size, flags) => [fd, size, flags], data: (result) => result as Buffer },
  ],
  [
    'recv into memory',
    {
      call: 'recv',
      args: (fd, size, flags) => [fd, Buffer.alloc(size), flags],
      // With MSG_TRUNC the result is the length of the message.
      data: (result, [, memory]) => (memory as Buffer).subarray(0, result as number),
    },
  ],
  [
    'recvfrom',
    {
      call: 'recvfrom',
      args: (fd, size, flags) => [fd, size, flags],
      data: (result) => (result as { data: Buffer }).data,
    },
  ],
  [
    'recvmsg',
    {
      call: 'recvmsg',
      args: (fd, size, flags) => [fd, size, flags],
      data: (result) => (result as { data: Buffer }).data,
    },
  ],
];
/** Those that give Buffers. */
const givers = receivers.filter(([what]) => what !== 'recv into memory');

describe.each(receivers)('%s', (what, { call, args, data }) => {
  function receive(fd: number, size: number, flags?: number): Buffer {
    const all = args(fd, size, flags);
    const received = data(loose(call, all), all);
    expect(Buffer.isBuffer(received)).toBe(true);
    return received;
  }

  it('gives what is there of a stream, up to the size', () => {
    const [from, into] = ownPair(SOCK_STREAM);
    sys.send(into, 'some ');
    sys.send(into, 'bytes');
    expect(receive(from, 4).toString()).toBe('some');
    expect(receive(from, 1000).toString()).toBe(' bytes');
  });

  it.each(messageTypes)('gives one message of %s, and drops what there is no room for', (_what, type) => {
    const [from, into] = ownPair(type);
    for (const message of ['one', 'second', '', 'third', 'last']) sys.send(into, message);
    expect(receive(from, 100).toString()).toBe('one');
    expect(receive(from, 3).toString()).toBe('sec');
    expect(receive(from, 100)).toHaveLength(0);
    expect(receive(from, 0)).toHaveLength(0);
    expect(receive(from, 100).toString()).toBe('last');
    expect(failure(() => receive(from, 100, MSG_DONTWAIT)).code).toBe('EAGAIN');
  });

  it.each(socketTypes)('gives every size of %s unchanged', (_what, type) => {
    const [from, into] = ownPair(type);
    for (const size of [1, 63, 64, 4095, 4096, 4097, 8192, 8193, 65_535, 65_536, 65_537, 200_000]) {
      const bytes = Buffer.from(Array.from({ length: size }, (_, index) => (index * 31 + size) % 251));
      expect(sys.send(into, bytes)).toBe(size);
      expect(receive(from, size, MSG_WAITALL).equals(bytes)).toBe(true);
    }
  });

  it('waits for a message', async () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    const peer = await nodePeer();
    const theirs = await handOver(peer, from);
    const all = args(theirs, 100, 0);
    const result = peer.call(`sys.${call}`, ...all);
    await until('the peer waits for a message', () => asleepOn(theirs, peer.pid));
    sys.send(into, 'at last');
    if (what === 'recv into memory') expect(await result).toBe(7);
    else expect(data(await result, all).toString()).toBe('at last');
  });

  it.each(connectedTypes)('gives the end of %s, whoever waits for it', async (_what, type) => {
    const [from, into] = ownPair(type);
    const peer = await nodePeer();
    const theirs = await handOver(peer, from);
    const result = peer.call(`sys.${call}`, ...args(theirs, 100, 0));
    await until('the peer waits for the end', () => asleepOn(theirs, peer.pid));
    sys.shutdown(into, sys.SHUT_WR);
    const length = await result;
    if (what === 'recv into memory') expect(length).toBe(0);
    else expect(data(length, [])).toHaveLength(0);
    for (let again = 0; again < 3; again++) expect(receive(from, 10)).toHaveLength(0);
  });

  it('waits for all of a stream with MSG_WAITALL', async () => {
    const [from, into] = ownPair(SOCK_STREAM);
    const peer = await nodePeer();
    const theirs = await handOver(peer, from);
    const all = args(theirs, 6, MSG_WAITALL);
    const result = peer.call(`sys.${call}`, ...all);
    await until('the peer waits', () => asleepOn(theirs, peer.pid));
    sys.send(into, 'abc');
    await until('the peer has taken a part', () => sys.fionread(from) === 0);
    await until('the peer waits for the rest', () => asleepOn(theirs, peer.pid));
    sys.send(into, 'defgh');
    if (what === 'recv into memory') expect(await result).toBe(6);
    else expect(data(await result, all).toString()).toBe('abcdef');
    expect(receive(from, 100).toString()).toBe('gh');
  });

  it('gives less with MSG_WAITALL at the end, and with MSG_DONTWAIT', () => {
    const [from, into] = ownPair(SOCK_STREAM);
    sys.send(into, 'ab');
    expect(receive(from, 10, MSG_WAITALL | MSG_DONTWAIT).toString()).toBe('ab');
    sys.send(into, 'cd');
    closeOwn(into);
    expect(receive(from, 10, MSG_WAITALL).toString()).toBe('cd');
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const [from] = ownPair(SOCK_STREAM);
    const peer = await interruptedPeer();
    const theirs = await handOver(peer, from);
    const failed = peer.failure(`sys.${call}`, ...args(theirs, 100, 0));
    await until('the peer waits for bytes', () => asleepOn(theirs, peer.pid));
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', call));
  });

  it.each(socketTypes)('fails with EAGAIN where it would wait for %s', (_what, type) => {
    const [from, other] = ownPair(type);
    expect(failure(() => receive(from, 10, MSG_DONTWAIT))).toMatchObject(systemError('EAGAIN', call));
    const [nonblocking] = ownPair(type, SOCK_NONBLOCK);
    expect(failure(() => receive(nonblocking, 10))).toMatchObject(systemError('EAGAIN', call));
    expect(other).toBeGreaterThan(0);
  });

  it.each(socketTypes)('leaves what it gives of %s with MSG_PEEK', (_what, type) => {
    const [from, into] = ownPair(type);
    sys.send(into, 'stays');
    expect(receive(from, 2, MSG_PEEK).toString()).toBe('st');
    expect(receive(from, 100, MSG_PEEK | MSG_DONTWAIT).toString()).toBe('stays');
    expect(receive(from, 100).toString()).toBe('stays');
    expect(failure(() => receive(from, 1, MSG_PEEK | MSG_DONTWAIT)).code).toBe('EAGAIN');
  });

  it.each(messageTypes)(
    'gives no more than the size with MSG_TRUNC, however long a message of %s is',
    (_what, type) => {
      const [from, into] = ownPair(type);
      for (const length of [4, 100, 70_000, 200_000]) {
        for (const size of [0, 1, 3]) {
          sys.send(into, Buffer.alloc(length, 'm'));
          expect(receive(from, size, MSG_TRUNC | MSG_PEEK).toString()).toBe('m'.repeat(size));
          expect(receive(from, size, MSG_TRUNC).toString()).toBe('m'.repeat(size));
        }
      }
      sys.send(into, 'whole');
      expect(receive(from, 100, MSG_TRUNC).toString()).toBe('whole');
    },
  );

  it('takes no notice of MSG_TRUNC and MSG_CMSG_CLOEXEC in a stream', () => {
    const [from, into] = ownPair(SOCK_STREAM);
    sys.send(into, 'abcdef');
    expect(receive(from, 3, MSG_TRUNC | MSG_CMSG_CLOEXEC).toString()).toBe('abc');
    expect(receive(from, 100).toString()).toBe('def');
  });

  it('fails with ECONNRESET, once, where the other end was closed with data unread', () => {
    const reset = systemError('ECONNRESET', call);
    for (const [, type] of connectedTypes) {
      const [fd, other] = ownPair(type);
      sys.send(other, 'sent before');
      sys.send(fd, 'never read');
      closeOwn(other);
      // Of messages the kernel tells the error first.
      if (type === SOCK_SEQPACKET) expect(failure(() => receive(fd, 100))).toMatchObject(reset);
      expect(receive(fd, 100).toString()).toBe('sent before');
      if (type === SOCK_STREAM) expect(failure(() => receive(fd, 100))).toMatchObject(reset);
      expect(receive(fd, 100)).toHaveLength(0);
    }
  });

  it('fails with ECONNRESET where the listening socket was closed before it accepted', () => {
    const address = unusedAbstract();
    const listener = listeningAt(address);
    const fd = ownSocket(SOCK_STREAM);
    sys.connect(fd, address);
    closeOwn(listener);
    expect(failure(() => receive(fd, 100))).toMatchObject(systemError('ECONNRESET', call));
  });

  it('fails with EINVAL by a stream that is not connected, with ENOTCONN by a connection of messages', () => {
    expect(failure(() => receive(ownSocket(SOCK_STREAM), 10))).toMatchObject(systemError('EINVAL', call));
    expect(failure(() => receive(ownSocket(SOCK_SEQPACKET), 10))).toMatchObject(
      systemError('ENOTCONN', call),
    );
    const listener = listeningAt(unusedAbstract());
    expect(failure(() => receive(listener, 10))).toMatchObject(systemError('EINVAL', call));
  });

  it('fails with EOPNOTSUPP for MSG_OOB in messages, with EINVAL where a stream has none', () => {
    expect(failure(() => receive(ownPair(SOCK_DGRAM)[0], 1, MSG_OOB))).toMatchObject(
      systemError('EOPNOTSUPP', call),
    );
    expect(failure(() => receive(ownPair(SOCK_STREAM)[0], 1, MSG_OOB))).toMatchObject(
      systemError('EINVAL', call),
    );
  });

  it('fails with EBADF for a descriptor that is not open, with ENOTSOCK for another thing', () => {
    for (const fd of notOpen()) {
      expect(failure(() => receive(fd, 10))).toMatchObject(systemError('EBADF', call));
    }
    expect(failure(() => receive(ownPipe()[0], 10))).toMatchObject(systemError('ENOTSOCK', call));
  });
});

describe.each(givers)('%s', (_what, { call, args, data }) => {
  const receive = (fd: number, size: number, flags?: number): Buffer =>
    data(loose(call, args(fd, size, flags)), []);

  it('gives every message a Buffer of its own', () => {
    const [from, into] = ownPair(SOCK_SEQPACKET);
    const buffers = Array.from({ length: 500 }, (_, index) => {
      sys.send(into, `message ${index}`);
      sys.send(into, 'y'.repeat(500));
      const received = receive(from, 100);
      // What is cut must not come to lie over others.
      expect(receive(from, index % 100, MSG_TRUNC)).toHaveLength(index % 100);
      return received;
    });
    expect(buffers.map(String)).toEqual(buffers.map((_, index) => `message ${index}`));
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 40, Number.MAX_SAFE_INTEGER])(
    'gives what is there for a size as large as %d',
    (size) => {
      const before = process.memoryUsage().rss;
      for (const [, type] of socketTypes) {
        const [from, into] = ownPair(type);
        sys.send(into, 'few');
        expect(receive(from, size, MSG_TRUNC).toString()).toBe('few');
        sys.send(into, 'x'.repeat(100_000));
        expect(receive(from, size).toString()).toBe('x'.repeat(100_000));
      }
      expect(process.memoryUsage().rss - before).toBeLessThan(256 * 2 ** 20);
    },
  );

  it('gives a Buffer that stays when the one before is detached', () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    for (let again = 0; again < 3; again++) {
      sys.send(into, 'x'.repeat(40_000));
      sys.send(into, 'small');
      const large = receive(from, 40_000);
      try {
        detach(large);
      } catch (error) {
        expect(error).toMatchObject({ name: 'DataCloneError' });
      }
      expect(receive(from, 100).toString()).toBe('small');
    }
  });

  describe('takes nothing and', () => {
    const sizes = wrong('size').filter(([what]) => call !== 'recv' || !/^an? (object|array)$/.test(what));
    const missing: Wrong = ['undefined', 'ERR_INVALID_ARG_TYPE', undefined];
    refuses(
      call,
      { fd: 'int', size: [...sizes, missing], flags: 'int?' },
      () => {
        const [from, into] = ownPair(SOCK_DGRAM);
        sys.send(into, 'stays');
        return [from, 10, 0];
      },
      ([fd]) => expect(sys.recv(fd as number, 10, MSG_DONTWAIT).toString()).toBe('stays'),
    );
  });
});

describe('recv into memory', () => {
  it('fills only the bytes of the view that there are', () => {
    const [from, into] = ownPair(SOCK_STREAM);
    sys.send(into, 'abc');
    const whole = Buffer.alloc(12, '.');
    expect(sys.recv(from, whole.subarray(4, 10))).toBe(3);
    expect(whole.toString()).toBe('....abc.....');
  });

  it('takes no more than the view is long, whatever lies under it', () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    const whole = Buffer.alloc(12, '.');
    sys.send(into, 'abcdef');
    expect(sys.recv(from, whole.subarray(4, 6))).toBe(2);
    sys.send(into, 'ghijkl');
    expect(sys.recv(from, whole.subarray(8, 10), MSG_TRUNC)).toBe(6);
    expect(whole.toString()).toBe('....ab..gh..');
    sys.send(into, 'x');
    expect(sys.recv(from, whole.subarray(0, 0), MSG_TRUNC)).toBe(1);
    expect(whole.toString()).toBe('....ab..gh..');
  });

  it('fills memory that is shared, and memory that other calls have filled', () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    sys.send(into, 'abcd');
    expect(sys.recv(from, shared)).toBe(4);
    expect(Buffer.from(shared).toString()).toBe('abcd');
    const [read, write] = ownPipe();
    const memory = Buffer.alloc(8);
    for (const text of ['one', 'two', 'six']) {
      sys.write(write, text);
      expect(sys.read(read, memory)).toBe(3);
      expect(memory.toString('utf8', 0, 3)).toBe(text);
      sys.send(into, `${text} more`);
      expect(sys.recv(from, memory)).toBe(8);
      expect(memory.toString()).toBe(`${text} more`);
    }
  });

  it('refuses memory that was filled before and is detached since, and takes nothing', () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    const memory = new Uint8Array(16);
    for (const text of ['one', 'two']) {
      sys.send(into, text);
      expect(sys.recv(from, memory)).toBe(3);
    }
    detach(memory);
    sys.send(into, 'stays');
    expect(failure(() => sys.recv(from, memory))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(sys.recv(from, 10).toString()).toBe('stays');
  });

  it('refuses such memory also where the view says that it is as long as before', () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    const memory = new Uint8Array(16);
    sys.send(into, 'x');
    sys.recv(from, memory);
    Object.defineProperty(memory, 'length', { value: 16 });
    detach(memory);
    // Nothing is there that could be written to what was its memory.
    expect(failure(() => sys.recv(from, memory, MSG_DONTWAIT))).toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
  });

  const memories = wrong('memory').filter(([what]) => what !== 'a number');
  describe('takes nothing and', () => {
    refuses(
      'recv',
      { fd: 'int', into: memories, flags: 'int?' },
      () => {
        const [from, into] = ownPair(SOCK_DGRAM);
        sys.send(into, 'stays');
        return [from, new Uint8Array(10), 0];
      },
      ([fd]) => expect(sys.recv(fd as number, 10, MSG_DONTWAIT).toString()).toBe('stays'),
    );
  });
});

describe('recvfrom', () => {
  it('gives the address of every sender, of whichever kind', () => {
    const address = unusedAbstract();
    const to = boundTo(address);
    const bytes = Buffer.concat([Buffer.from(unusedAbstract()), Buffer.from([0xff])]);
    const names = [unusedPath(), unusedAbstract(), `${unusedAbstract()}\0\0`, bytes];
    for (const name of names) sys.sendto(boundTo(name), 'x', 0, address);
    sys.sendto(ownSocket(SOCK_DGRAM), 'y', 0, address);
    const received = [...names, ''].map(() => sys.recvfrom(to, 10));
    expect(received.map(({ address: name }) => name)).toEqual([...names, '']);
    expect(received.map(({ data }) => data.toString()).join('')).toBe('xxxxy');
  });

  it('gives each its own where senders and addresses of one length take turns', () => {
    const address = unusedAbstract();
    const to = boundTo(address);
    const base = unusedAbstract();
    const names: (string | Buffer)[] = [
      `${base}-a`,
      `${base}-b`,
      Buffer.concat([Buffer.from(`${base}-`), Buffer.from([0xff])]),
      Buffer.concat([Buffer.from(`${base}-`), Buffer.from([0xfe])]),
    ];
    const senders = names.map((name) => boundTo(name));
    const unnamed = ownSocket(SOCK_DGRAM);
    for (const order of [
      [0, 1, 0, 0, 2, 2, 3, 2, 0],
      [1, -1, 1, 2, -1, 2, 0, -1, -1],
    ]) {
      const expected = order.map((index) => names[index] ?? '');
      const received = order.map((index, turn) => {
        sys.sendto(senders[index] ?? unnamed, 'x', 0, address);
        if (turn % 3 === 0) sys.getsockname(to);
        return turn % 2 === 0 ? sys.recvfrom(to, 1).address : sys.recvmsg(to, 1).address;
      });
      expect(received).toEqual(expected);
    }
  });

  it('gives an address that an answer can be sent to', () => {
    const address = unusedAbstract();
    const server = boundTo(address);
    const client = boundTo('');
    sys.sendto(client, 'question', 0, address);
    const question = sys.recvfrom(server, 100);
    sys.sendto(server, 'answer', 0, question.address);
    expect(sys.recvfrom(client, 100)).toEqual({ data: Buffer.from('answer'), address });
  });

  it("gives data and address and nothing else, '' where there is no sender", () => {
    const [from, into] = ownPair(SOCK_STREAM);
    sys.send(into, 'x');
    closeOwn(into);
    expect(sys.recvfrom(from, 10)).toStrictEqual({ data: Buffer.from('x'), address: '' });
    expect(sys.recvfrom(from, 10)).toStrictEqual({ data: Buffer.alloc(0), address: '' });
  });

  it.each(connectedTypes)('gives the address of the other end of %s', (_what, type) => {
    const { client, server, address } = connection(type);
    sys.send(server, 'x');
    expect(sys.recvfrom(client, 10).address).toBe(address);
    sys.send(client, 'y');
    expect(sys.recvfrom(server, 10).address).toBe('');
  });
});
