// Messages of Unix sockets with what goes along: sendmsg(2), recvmsg(2), and the credentials of unix(7).
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { closeOwn, ownFd } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { nobody, noSecondUser, nodePeer } from './helpers/peers.js';
import {
  boundTo,
  connection,
  handOver,
  mayClaimProcesses,
  me,
  messageTypes,
  ownPair,
  ownSocket,
  pythonWith,
  receive,
  socketTypes,
  unusedAbstract,
} from './helpers/unix-sockets.js';
import { type Wrong, loose, refuses, wrong } from './helpers/wrong-arguments.js';

const { AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM } = sys;
const { MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC } = sys;
const { SOL_SOCKET, SO_PASSCRED } = sys;

const empty = (fd: number): void => {
  expect(failure(() => sys.recvmsg(fd, 10, MSG_DONTWAIT))).toMatchObject(systemError('EAGAIN', 'recvmsg'));
};

/** A socket that is told the credentials of every sender, and one to send to it. */
function passing(type: number): { to: number; fd: number } {
  const [fd, to] = ownPair(type);
  sys.setsockopt(to, SOL_SOCKET, SO_PASSCRED, 1);
  return { fd, to };
}

describe('recvmsg', () => {
  it.each(socketTypes)('gives of %s the data and that nothing went along', (_what, type) => {
    const [from, into] = ownPair(type);
    expect(sys.sendmsg(into, { data: 'alone' })).toBe(5);
    const message = sys.recvmsg(from, 100);
    expect(message).toEqual({
      data: Buffer.from('alone'),
      fds: [],
      address: '',
      truncated: false,
      controlTruncated: false,
    });
    expect(message.credentials).toBeUndefined();
  });

  it('gives the address of the sender, and sendmsg sends to one', () => {
    const address = unusedAbstract();
    const to = boundTo(address);
    const bytes = Buffer.concat([Buffer.from(unusedAbstract()), Buffer.from([0xff])]);
    sys.sendmsg(boundTo(bytes), { data: 'x', address: Buffer.from(address) });
    sys.sendmsg(ownSocket(SOCK_DGRAM), { data: 'y', address });
    expect(sys.recvmsg(to, 10)).toMatchObject({ data: Buffer.from('x'), address: bytes });
    expect(sys.recvmsg(to, 10)).toMatchObject({ data: Buffer.from('y'), address: '' });
    const { client, server, address: name } = connection(SOCK_SEQPACKET);
    sys.send(server, 'z');
    expect(sys.recvmsg(client, 10).address).toBe(name);
  });

  it.each(messageTypes)('tells of a message of %s that was truncated', (_what, type) => {
    const [from, into] = ownPair(type);
    for (const flags of [0, MSG_TRUNC]) {
      for (const [size, truncated] of [
        [0, true],
        [5, true],
        [6, false],
        [100, false],
      ] as const) {
        sys.send(into, 'abcdef');
        expect(sys.recvmsg(from, size, flags | MSG_PEEK)).toMatchObject({ truncated });
        const message = sys.recvmsg(from, size, flags);
        expect(message.data.toString()).toBe('abcdef'.slice(0, size));
        expect(message).toMatchObject({ truncated, controlTruncated: false });
      }
    }
  });

  it('truncates nothing of a stream', () => {
    const [from, into] = ownPair(SOCK_STREAM);
    sys.send(into, 'abcdef');
    expect(sys.recvmsg(from, 2, MSG_TRUNC)).toMatchObject({ data: Buffer.from('ab'), truncated: false });
    expect(sys.recvmsg(from, 10)).toMatchObject({ data: Buffer.from('cdef'), truncated: false });
  });

  it('gives nothing at the end', () => {
    const [from, into] = ownPair(SOCK_SEQPACKET);
    closeOwn(into);
    expect(sys.recvmsg(from, 10)).toMatchObject({
      data: Buffer.alloc(0),
      fds: [],
      address: '',
      truncated: false,
    });
  });

  it('gives every message values of its own', () => {
    const [from, into] = ownPair(SOCK_SEQPACKET);
    sys.sendmsg(into, { data: 'one', fds: [0, 1] });
    sys.sendmsg(into, { data: 'two' });
    const first = receive(from);
    const second = receive(from);
    expect(first.fds).toHaveLength(2);
    expect(second.fds).toEqual([]);
    expect(first.data.toString()).toBe('one');
  });
});

describe('credentials', () => {
  it.each(socketTypes)('come with every message of %s to a socket with SO_PASSCRED', (_what, type) => {
    const { fd, to } = passing(type);
    sys.send(fd, 'x');
    expect(receive(to).credentials).toEqual(me);
    sys.sendmsg(fd, { data: 'y', credentials: me });
    expect(receive(to).credentials).toEqual(me);
    sys.setsockopt(to, SOL_SOCKET, SO_PASSCRED, 0);
    sys.send(fd, 'z');
    expect(receive(to).credentials).toBeUndefined();
  });

  it('that are given are not there for a socket without SO_PASSCRED', () => {
    const [fd, to] = ownPair(SOCK_SEQPACKET);
    sys.sendmsg(fd, { data: 'x', credentials: me });
    expect(receive(to)).toMatchObject({ data: Buffer.from('x'), controlTruncated: false });
    sys.sendmsg(fd, { data: 'x', credentials: me });
    expect(receive(to).credentials).toBeUndefined();
  });

  it.each(socketTypes)('come together with 253 descriptors of %s', (_what, type) => {
    const { fd, to } = passing(type);
    const fds = Array.from({ length: 253 }, () => fd);
    sys.sendmsg(fd, { data: 'x', fds, credentials: me });
    const message = receive(to);
    expect(message.fds).toHaveLength(253);
    expect(message).toMatchObject({ credentials: me, controlTruncated: false });
  });

  it.each([
    ['SO_TIMESTAMP', 29],
    ['SO_TIMESTAMPNS', 35],
  ])('come together with 253 descriptors also where %s has the kernel add the time', (_what, option) => {
    const { fd, to } = passing(SOCK_DGRAM);
    sys.setsockopt(to, SOL_SOCKET, option, 1);
    sys.sendmsg(fd, { data: 'x', fds: Array.from({ length: 253 }, () => fd) });
    const message = receive(to);
    expect(message.fds).toHaveLength(253);
    expect(message).toMatchObject({ credentials: me, controlTruncated: false });
  });

  it('are those of the process that sent, and a border in a stream', () => {
    const [theirs, to] = sys.socketpair(AF_UNIX, SOCK_STREAM).map(ownFd) as [number, number];
    sys.setsockopt(to, SOL_SOCKET, SO_PASSCRED, 1);
    sys.send(theirs, 'ours');
    const pid = Number(pythonWith(theirs, "sock.send(b'of python'); print(os.getpid())"));
    expect(receive(to)).toMatchObject({ data: Buffer.from('ours'), credentials: me });
    expect(receive(to)).toMatchObject({ data: Buffer.from('of python'), credentials: { ...me, pid } });
  });

  it('reach Python', () => {
    const [fd, theirs] = sys.socketpair(AF_UNIX, SOCK_DGRAM).map(ownFd) as [number, number];
    sys.setsockopt(theirs, SOL_SOCKET, SO_PASSCRED, 1);
    sys.sendmsg(fd, { data: 'x', credentials: me });
    const script = `data, control, flags, address = sock.recvmsg(10, socket.CMSG_SPACE(12))
print(*struct.unpack('iII', control[0][2]))`;
    expect(pythonWith(theirs, script)).toBe(`${me.pid} ${me.uid} ${me.gid}\n`);
  });

  it('of another user and process may be claimed by one who may', ({ skip }) => {
    skip(!mayClaimProcesses(), 'only root may name others as the sender');
    const { fd, to } = passing(SOCK_DGRAM);
    for (const claimed of [
      { pid: process.ppid, uid: 0, gid: 0 },
      { ...me, uid: nobody },
      { ...me, gid: 5 },
      { ...me, uid: 2 ** 32 - 2, gid: 2 ** 31 },
    ]) {
      sys.sendmsg(fd, { data: 'x', credentials: claimed });
      expect(receive(to).credentials).toEqual(claimed);
    }
  });

  it.each([0, -1, -(2 ** 31), 2 ** 31 - 1])('of a process %d that is not there fail', (pid) => {
    const { fd, to } = passing(SOCK_DGRAM);
    expect(failure(() => sys.sendmsg(fd, { data: 'x', credentials: { ...me, pid } }))).toMatchObject(
      systemError(mayClaimProcesses() ? 'ESRCH' : 'EPERM', 'sendmsg'),
    );
    empty(to);
  });

  it('fail with EINVAL for an id that is none', () => {
    const { fd, to } = passing(SOCK_DGRAM);
    for (const credentials of [
      { ...me, uid: 2 ** 32 - 1 },
      { ...me, gid: 2 ** 32 - 1 },
    ]) {
      expect(failure(() => sys.sendmsg(fd, { data: 'x', credentials }))).toMatchObject(
        systemError('EINVAL', 'sendmsg'),
      );
    }
    empty(to);
  });

  it("of others fail with EPERM where they are not one's own, and nothing leaks", async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const { fd, to } = passing(SOCK_DGRAM);
    const peer = await nodePeer();
    const theirs = await handOver(peer, fd);
    await peer.call('become', nobody);
    const own = { pid: peer.pid, uid: nobody, gid: nobody };
    for (const claimed of [
      { ...own, pid: process.pid },
      { ...own, pid: 1 },
      { ...own, pid: 0 },
      { ...own, uid: 0 },
      { ...own, gid: 0 },
      me,
    ]) {
      const message = { data: 'x', fds: [theirs], credentials: claimed };
      expect(await peer.failure('sys.sendmsg', theirs, message)).toMatchObject(
        systemError('EPERM', 'sendmsg'),
      );
    }
    await peer.call('sys.sendmsg', theirs, { data: 'x', credentials: own });
    expect(receive(to).credentials).toEqual(own);
    await peer.call('sys.send', theirs, 'y');
    expect(receive(to).credentials).toEqual(own);
    empty(to);
  });
});

describe('a message', () => {
  const type = 'ERR_INVALID_ARG_TYPE';
  const member = (name: string, values: Wrong[]): Wrong[] =>
    values.map(([what, code, value]) => [`${what} as ${name}`, code, { data: 'x', [name]: value }]);
  const lists: Wrong[] = [
    ...wrong('object'),
    ['an object', type, {}],
    ['an object like an array', type, { length: 1, 0: 0 }],
    ['a Uint8Array', type, new Uint8Array(1)],
    ['an array of a string', type, ['1']],
    ['an array of null', type, [0, null]],
    ['an array with a hole', type, Object.assign([], { length: 2 })],
    ['an array of an object', type, [{ fd: 0 }]],
    ['an array of NaN', 'ERR_OUT_OF_RANGE', [NaN]],
    ['an array of 2^31', 'ERR_OUT_OF_RANGE', [0, 2 ** 31]],
    ['an array of a fraction', 'ERR_OUT_OF_RANGE', [0.5]],
  ];
  const id = (name: string, kind: 'int' | 'unsigned'): Wrong[] =>
    [...wrong(kind), ['undefined', type, undefined] as Wrong].map(([what, code, value]) => [
      `${what} as credentials.${name}`,
      code,
      { data: 'x', credentials: { ...me, [name]: value } },
    ]);

  describe('that is none is not sent and', () => {
    refuses(
      'sendmsg',
      {
        fd: 'int',
        msg: [
          ...wrong('object'),
          ['undefined', type, undefined],
          ['an empty object', type, {}],
          ['bytes', type, Buffer.from('x')],
          ...member('data', [...wrong('bytes'), ['undefined', type, undefined]]),
          ...member('fds', lists),
          ...member('address', [
            ...wrong('bytes'),
            ['a path with a NUL', 'ERR_INVALID_ARG_VALUE', '/tmp/pa\0th'],
          ]),
          ...member('credentials', [...wrong('object'), ['an empty object', type, {}]]),
          ...id('pid', 'int'),
          ...id('uid', 'unsigned'),
          ...id('gid', 'unsigned'),
        ],
        flags: 'int?',
      },
      () => [ownPair(SOCK_DGRAM)[0], { data: 'x' }, MSG_DONTWAIT],
    );
  });

  it('may have members that are undefined', () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    const message = { data: 'x', fds: undefined, address: undefined, credentials: undefined };
    expect(loose('sendmsg', [into, message, undefined])).toBe(1);
    expect(receive(from).data.toString()).toBe('x');
  });

  it('is left as it was', () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    const credentials = Object.freeze({ ...me });
    const message = Object.freeze({ data: 'x', fds: Object.freeze([into]) as number[], credentials });
    sys.sendmsg(into, message);
    expect(message).toEqual({ data: 'x', fds: [into], credentials: me });
    receive(from);
  });

  it('passes on an error that a getter throws, and is not sent', () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    const thrown = new RangeError('from the getter');
    for (const name of ['data', 'fds', 'address', 'credentials']) {
      const message = Object.defineProperty({ data: 'x' }, name, {
        get: () => {
          throw thrown;
        },
      });
      expect(failure(() => sys.sendmsg(into, message))).toBe(thrown);
    }
    empty(from);
  });

  it('survives a getter that makes the descriptors more or fewer, or detaches the data', () => {
    for (const length of [0, 1, 1000]) {
      const [from, into] = ownPair(SOCK_DGRAM, SOCK_NONBLOCK);
      const fds = Array.from({ length: 100 }, () => 0);
      Object.defineProperty(fds, 0, {
        get: () => {
          fds.length = length;
          return 0;
        },
      });
      try {
        sys.sendmsg(into, { data: 'x', fds });
        receive(from);
      } catch (error) {
        expect(error).toMatchObject({
          code: expect.stringMatching(/^(ERR_INVALID_ARG_TYPE|EINVAL)$/) as string,
        });
        empty(from);
      }
    }
    const [from, into] = ownPair(SOCK_DGRAM, SOCK_NONBLOCK);
    const data = new Uint8Array(100);
    const message = {
      data,
      get fds(): number[] {
        structuredClone(data.buffer, { transfer: [data.buffer] });
        return [0];
      },
    };
    expect(failure(() => sys.sendmsg(into, message))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    empty(from);
  });

  it('fails with EINTR, EAGAIN and all else as send does', () => {
    const [fd] = ownPair(SOCK_STREAM, SOCK_NONBLOCK);
    expect(
      failure(() => {
        for (;;) sys.sendmsg(fd, { data: Buffer.alloc(100_000), fds: [] });
      }),
    ).toMatchObject(systemError('EAGAIN', 'sendmsg'));
    expect(failure(() => sys.sendmsg(fd, { data: 'x', fds: [fd] }))).toMatchObject(
      systemError('EAGAIN', 'sendmsg'),
    );
  });
});
