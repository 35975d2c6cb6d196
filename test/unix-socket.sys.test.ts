// Unix sockets by the calls of <sys/socket.h>: what they do, and a table of their errors. Connections, options, addresses,
// data and what goes along with it have files of their own.
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from './helpers/compile.js';
import { closeOwn, exhaustedPeer, flagsOf, ownFd, targetOf } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { nodePeer, program } from './helpers/peers.js';
import {
  asleepOn,
  connectedTypes,
  listeningAt,
  needsSocket,
  ownPair,
  ownSocket,
  pythonWith,
  socketTypes,
  unusedAbstract,
} from './helpers/unix-sockets.js';
import { until } from './helpers/until.js';
import { loose, refuses } from './helpers/wrong-arguments.js';

const { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM } = sys;
const { O_CLOEXEC, O_NONBLOCK, O_RDWR, SHUT_RD, SHUT_RDWR, SHUT_WR } = sys;
const { POLLHUP, POLLIN, POLLOUT, POLLRDHUP } = sys;
const { SOL_SOCKET, SO_DOMAIN } = sys;
const { SO_TYPE } = sys;

const wrongSockets: [code: Parameters<typeof systemError>[0], what: string, args: number[]][] = [
  ['EAFNOSUPPORT', 'a domain of 0', [0, SOCK_STREAM]],
  ['EAFNOSUPPORT', 'a domain of -1', [-1, SOCK_STREAM]],
  ['EAFNOSUPPORT', 'the largest int as domain', [2 ** 31 - 1, SOCK_STREAM]],
  ['EAFNOSUPPORT', 'the smallest int as domain', [-(2 ** 31), SOCK_STREAM]],
  ['EINVAL', 'a type of 11', [AF_UNIX, 11]],
  ['EINVAL', 'a flag that is none', [AF_UNIX, SOCK_STREAM | 16]],
  ['EINVAL', 'a type of -1', [AF_UNIX, -1]],
  ['EINVAL', 'the largest int as type', [AF_UNIX, 2 ** 31 - 1]],
  ['EPROTONOSUPPORT', 'a protocol of 2', [AF_UNIX, SOCK_STREAM, 2]],
  ['EPROTONOSUPPORT', 'a protocol of -1', [AF_UNIX, SOCK_DGRAM, -1]],
];

/** A type that there is not in this domain; Node's own table has no such error. */
function needsType(call: 'socket' | 'socketpair'): void {
  it.each([
    ['a type of 0', 0],
    ['SOCK_RDM', 4],
    ['flags without a type', SOCK_NONBLOCK],
  ])('fails with ESOCKTNOSUPPORT for %s', (_what, type) => {
    const expected = { code: 'ESOCKTNOSUPPORT', errno: -94, syscall: call };
    expect(failure(() => loose(call, [AF_UNIX, type]))).toMatchObject(expected);
  });
}

describe('constants', () => {
  it('are those of the headers that a C program is compiled with', async () => {
    const { code, stdout } = await program(compiled('sys-constants'), 'sockets').exited;
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(25);
    expect(sys).toMatchObject(
      Object.fromEntries(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])])),
    );
  });
});

describe('socket', () => {
  it.each(socketTypes)('makes a socket of %s that blocks and is left open by exec', (_what, type) => {
    const fd = ownFd(sys.socket(AF_UNIX, type));
    expect(targetOf(fd)).toMatch(/^socket:/);
    expect(flagsOf(fd)).toBe(O_RDWR);
    expect(sys.getsockopt(fd, SOL_SOCKET, SO_TYPE)).toBe(type);
    expect(sys.getsockopt(fd, SOL_SOCKET, SO_DOMAIN)).toBe(AF_UNIX);
    expect(pythonWith(fd, 'print(sock.family.name, int(sock.type))')).toBe(`AF_UNIX ${type}\n`);
  });

  it.each([
    ['SOCK_CLOEXEC', SOCK_CLOEXEC, O_CLOEXEC],
    ['SOCK_NONBLOCK', SOCK_NONBLOCK, O_NONBLOCK],
    ['both', SOCK_CLOEXEC | SOCK_NONBLOCK, O_CLOEXEC | O_NONBLOCK],
  ])('sets %s and nothing else', (_what, flags, expected) => {
    const fd = ownFd(sys.socket(AF_UNIX, SOCK_DGRAM | flags, 0));
    expect(flagsOf(fd)).toBe(O_RDWR | expected);
    if (flags & SOCK_CLOEXEC) expect(pythonWith(fd, '')).toContain('Bad file descriptor');
  });

  it('takes the domain as the protocol', () => {
    const fd = ownFd(sys.socket(AF_UNIX, SOCK_STREAM, AF_UNIX));
    expect(sys.getsockopt(fd, SOL_SOCKET, SO_TYPE)).toBe(SOCK_STREAM);
  });

  it.each(wrongSockets)('fails with %s for %s', (code, _what, args) => {
    expect(failure(() => loose('socket', args))).toMatchObject(systemError(code, 'socket'));
  });

  it('fails with EMFILE where the process has no descriptor left', async () => {
    const peer = await exhaustedPeer();
    expect(await peer.failure('sys.socket', AF_UNIX, SOCK_STREAM)).toMatchObject(
      systemError('EMFILE', 'socket'),
    );
  });

  needsType('socket');
  refuses('socket', { domain: 'int', type: 'int', protocol: 'int?' }, () => [-1, 0, 0]);
});

describe('socketpair', () => {
  it.each(socketTypes)('makes two sockets of %s that are connected, and left open by exec', (_what, type) => {
    const pair = sys.socketpair(AF_UNIX, type);
    pair.forEach(ownFd);
    expect(Array.isArray(pair)).toBe(true);
    expect(Object.keys(pair)).toEqual(['0', '1']);
    const [first, second] = pair;
    for (const fd of pair) {
      expect(flagsOf(fd)).toBe(O_RDWR);
      expect(sys.getsockopt(fd, SOL_SOCKET, SO_TYPE)).toBe(type);
    }
    expect(targetOf(first)).not.toBe(targetOf(second));
    expect(pythonWith(second, "sock.send(b'from python')")).toBe('');
    expect(sys.recv(first, 100).toString()).toBe('from python');
    sys.send(first, 'to python');
    expect(pythonWith(second, 'print(sock.recv(100))')).toBe("b'to python'\n");
  });

  it('sets the flags on both', () => {
    for (const fd of ownPair(SOCK_SEQPACKET, SOCK_NONBLOCK)) {
      expect(flagsOf(fd)).toBe(O_RDWR | O_CLOEXEC | O_NONBLOCK);
    }
  });

  it.each(wrongSockets)('fails with %s for %s', (code, _what, args) => {
    expect(failure(() => loose('socketpair', args))).toMatchObject(systemError(code, 'socketpair'));
  });

  it('fails with EOPNOTSUPP for a domain without pairs', () => {
    const AF_INET = 2;
    expect(failure(() => sys.socketpair(AF_INET, SOCK_STREAM))).toMatchObject(
      systemError('EOPNOTSUPP', 'socketpair'),
    );
  });

  it('fails with EMFILE where the process has no descriptor left', async () => {
    const peer = await exhaustedPeer();
    expect(await peer.failure('sys.socketpair', AF_UNIX, SOCK_STREAM)).toMatchObject(
      systemError('EMFILE', 'socketpair'),
    );
  });

  needsType('socketpair');
  refuses('socketpair', { domain: 'int', type: 'int', protocol: 'int?' }, () => [-1, 0, 0]);
});

describe('shutdown', () => {
  it.each(connectedTypes)(
    'with SHUT_WR gives the other end of %s the end, and still receives',
    (_what, type) => {
      const [one, other] = ownPair(type);
      sys.send(one, 'last');
      expect(loose('shutdown', [one, SHUT_WR])).toBeUndefined();
      expect(failure(() => sys.send(one, 'x'))).toMatchObject(systemError('EPIPE', 'send'));
      expect(sys.recv(other, 100).toString()).toBe('last');
      expect(sys.recv(other, 100)).toHaveLength(0);
      expect(sys.poll([{ fd: other, events: POLLRDHUP }], -1)).toEqual([POLLRDHUP]);
      sys.send(other, 'answer');
      expect(sys.recv(one, 100).toString()).toBe('answer');
    },
  );

  it.each(connectedTypes)('with SHUT_RD gives what was there, then the end of %s', (_what, type) => {
    const [one, other] = ownPair(type);
    sys.send(other, 'was there');
    sys.shutdown(one, SHUT_RD);
    expect(failure(() => sys.send(other, 'x'))).toMatchObject(systemError('EPIPE', 'send'));
    expect(sys.recv(one, 100).toString()).toBe('was there');
    expect(sys.recv(one, 100)).toHaveLength(0);
    sys.send(one, 'still goes');
    expect(sys.recv(other, 100).toString()).toBe('still goes');
  });

  it.each(connectedTypes)('with SHUT_RDWR ends both directions of %s', (_what, type) => {
    const [one, other] = ownPair(type);
    sys.shutdown(one, SHUT_RDWR);
    for (const fd of [one, other]) {
      expect(sys.recv(fd, 10)).toHaveLength(0);
      expect(failure(() => sys.send(fd, 'x'))).toMatchObject(systemError('EPIPE', 'send'));
    }
    const all = POLLIN | POLLOUT | POLLHUP | POLLRDHUP;
    expect(sys.poll([{ fd: other, events: all }], -1)).toEqual([all]);
  });

  it('wakes one who waits to receive', async () => {
    const address = unusedAbstract();
    const listener = listeningAt(address);
    const peer = await nodePeer();
    const theirs = (await peer.call('sys.socket', AF_UNIX, SOCK_STREAM)) as number;
    await peer.call('sys.connect', theirs, address);
    const server = ownFd(sys.accept(listener));
    const received = peer.call('sys.recv', theirs, 10);
    await until('the peer waits in recv', () => asleepOn(theirs, peer.pid));
    sys.shutdown(server, SHUT_WR);
    expect(await received).toEqual(Buffer.alloc(0));
  });

  it.each([-1, 3, 2 ** 31 - 1, -(2 ** 31)])('fails with EINVAL for %d', (how) => {
    const [fd] = ownPair(SOCK_STREAM);
    expect(failure(() => sys.shutdown(fd, how))).toMatchObject(systemError('EINVAL', 'shutdown'));
  });

  needsSocket('shutdown', SHUT_RD);
  refuses('shutdown', { fd: 'int', how: 'int' }, () => [-1, SHUT_RD]);
});

describe('a descriptor of a socket', () => {
  it('is told by poll(), read and written, and is duplicated', () => {
    const [one, other] = ownPair(SOCK_STREAM);
    expect(sys.poll([{ fd: one, events: POLLIN | POLLOUT }], 0)).toEqual([POLLOUT]);
    expect(sys.write(other, 'by write')).toBe(8);
    expect(sys.fionread(one)).toBe(8);
    expect(sys.read(one, 2).toString()).toBe('by');
    expect(sys.recv(ownFd(sys.dup(one)), 100).toString()).toBe(' write');
    closeOwn(other);
    expect(sys.poll([{ fd: one, events: POLLIN | POLLRDHUP }], -1)).toEqual([POLLIN | POLLHUP | POLLRDHUP]);
  });

  it('is closed by close(), and its address with the last copy', () => {
    const address = unusedAbstract();
    const fd = listeningAt(address);
    const copy = sys.dup(fd);
    closeOwn(fd);
    sys.connect(ownSocket(SOCK_STREAM), address);
    sys.close(copy);
    expect(failure(() => sys.connect(ownSocket(SOCK_STREAM), address))).toMatchObject(
      systemError('ECONNREFUSED', 'connect'),
    );
  });
});

describe('errors', () => {
  it('are Errors with code, errno and syscall, and without a path where none was given', () => {
    const error = failure(() => sys.listen(-1, 1));
    expect(error).toBeInstanceOf(sys.IpcError);
    expect(error.stack).toContain('unix-socket.sys.test');
    expect(error).not.toHaveProperty('path');
    expect(error.message).toMatch(/EBADF/);
  });
});
