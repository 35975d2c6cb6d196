// Options of Unix sockets: getsockopt(2), setsockopt(2).
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { closeOwn, ownFd } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { nobody, noSecondUser, nodePeer, otherUser } from './helpers/peers.js';
import {
  boundTo,
  connectedTypes,
  listeningAt,
  me,
  needsSocket,
  ownPair,
  ownSocket,
  socketTypes,
  unusedAbstract,
} from './helpers/unix-sockets.js';
import { loose, refusal, refuses } from './helpers/wrong-arguments.js';

const { AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } = sys;
const { SOL_SOCKET, SO_ACCEPTCONN, SO_DOMAIN, SO_ERROR, SO_PASSCRED, SO_PEERCRED } = sys;
const { SO_RCVBUF, SO_SNDBUF, SO_TYPE } = sys;

describe('getsockopt', () => {
  it('tells the type, the domain and what listens', () => {
    const fd = listeningAt(unusedAbstract(), SOCK_SEQPACKET);
    expect(sys.getsockopt(fd, SOL_SOCKET, SO_TYPE)).toBe(SOCK_SEQPACKET);
    expect(sys.getsockopt(fd, SOL_SOCKET, SO_DOMAIN)).toBe(AF_UNIX);
    expect(sys.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN)).toBe(1);
    expect(sys.getsockopt(fd, SOL_SOCKET, SO_PASSCRED)).toBe(0);
  });

  it('gives the error that is pending, once', () => {
    const [one, other] = ownPair(SOCK_STREAM);
    sys.send(one, 'never read');
    closeOwn(other);
    expect(sys.getsockopt(one, SOL_SOCKET, SO_ERROR)).toBe(-systemError('ECONNRESET', '').errno);
    expect(sys.getsockopt(one, SOL_SOCKET, SO_ERROR)).toBe(0);
  });

  it.each([
    ['SO_REUSEADDR', 2],
    ['SO_KEEPALIVE', 9],
    ['SO_RCVLOWAT', 18],
    ['SO_PROTOCOL', 38],
  ])('gives %s, which is a number', (_what, option) => {
    expect(sys.getsockopt(ownSocket(SOCK_STREAM), SOL_SOCKET, option)).toEqual(expect.any(Number));
  });

  it.each(socketTypes)('SO_PEERCRED tells of a pair of %s who made it', (_what, type) => {
    for (const fd of ownPair(type)) expect(sys.getsockopt(fd, SOL_SOCKET, SO_PEERCRED)).toEqual(me);
  });

  it.each(socketTypes)('SO_PEERCRED of %s is -1 for nobody', (_what, type) => {
    expect(sys.getsockopt(ownSocket(type), SOL_SOCKET, SO_PEERCRED)).toEqual({ pid: 0, uid: -1, gid: -1 });
  });

  it.each(connectedTypes)('SO_PEERCRED tells either end of %s of the other', async (_what, type) => {
    const address = unusedAbstract();
    const listener = listeningAt(address, type);
    const peer = await nodePeer();
    const theirs = await peer.call('sys.socket', AF_UNIX, type);
    await peer.call('sys.connect', theirs, address);
    const server = ownFd(sys.accept(listener));
    expect(sys.getsockopt(server, SOL_SOCKET, SO_PEERCRED)).toEqual({ ...me, pid: peer.pid });
    expect(await peer.call('sys.getsockopt', theirs, SOL_SOCKET, SO_PEERCRED)).toEqual(me);
  });

  it('SO_PEERCRED tells of another user', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const address = unusedAbstract();
    const listener = listeningAt(address);
    const peer = await otherUser();
    const theirs = await peer.call('sys.socket', AF_UNIX, SOCK_STREAM);
    await peer.call('sys.connect', theirs, address);
    const server = ownFd(sys.accept(listener));
    const expected = { pid: peer.pid, uid: nobody, gid: nobody };
    expect(sys.getsockopt(server, SOL_SOCKET, SO_PEERCRED)).toEqual(expected);
  });

  it('SO_PEERCRED of a datagram socket that is connected by its address is nobody', () => {
    const address = unusedAbstract();
    boundTo(address);
    const fd = ownSocket(SOCK_DGRAM);
    sys.connect(fd, address);
    expect(sys.getsockopt(fd, SOL_SOCKET, SO_PEERCRED)).toEqual({ pid: 0, uid: -1, gid: -1 });
  });

  needsSocket('getsockopt', SOL_SOCKET, SO_TYPE);
  needsSocket('getsockopt', SOL_SOCKET, SO_PEERCRED);
  refuses('getsockopt', { fd: 'int', level: 'int', option: 'int' }, () => [-1, SOL_SOCKET, SO_TYPE]);
});

describe('setsockopt', () => {
  it('gives nothing back, and sets SO_PASSCRED to 0 or 1', () => {
    const fd = ownSocket(SOCK_DGRAM);
    for (const [value, expected] of [
      [1, 1],
      [0, 0],
      [2 ** 31 - 1, 1],
      [-1, 1],
    ] as const) {
      expect(loose('setsockopt', [fd, SOL_SOCKET, SO_PASSCRED, value])).toBeUndefined();
      expect(sys.getsockopt(fd, SOL_SOCKET, SO_PASSCRED)).toBe(expected);
    }
  });

  it.each([
    ['SO_SNDBUF', SO_SNDBUF],
    ['SO_RCVBUF', SO_RCVBUF],
  ])('sets %s to twice the value, as the kernel does', (_what, option) => {
    const fd = ownSocket(SOCK_STREAM);
    sys.setsockopt(fd, SOL_SOCKET, option, 20_000);
    expect(sys.getsockopt(fd, SOL_SOCKET, option)).toBe(40_000);
    sys.setsockopt(fd, SOL_SOCKET, option, 0);
    const least = sys.getsockopt(fd, SOL_SOCKET, option);
    expect(least).toBeGreaterThan(0);
    expect(least).toBeLessThan(20_000);
    sys.setsockopt(fd, SOL_SOCKET, option, 2 ** 31 - 1);
    expect(sys.getsockopt(fd, SOL_SOCKET, option)).toBeGreaterThan(20_000);
  });

  it('changes what a socket has room for', () => {
    const [fd] = ownPair(SOCK_DGRAM);
    sys.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, 10_000);
    expect(failure(() => sys.send(fd, Buffer.alloc(20_000)))).toMatchObject(systemError('EMSGSIZE', 'send'));
    sys.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, 20_000);
    expect(sys.send(fd, Buffer.alloc(20_000))).toBe(20_000);
  });

  it.each([
    ['SO_TYPE', SO_TYPE],
    ['SO_DOMAIN', SO_DOMAIN],
    ['SO_ERROR', SO_ERROR],
    ['SO_ACCEPTCONN', SO_ACCEPTCONN],
  ])('fails with ENOPROTOOPT for %s, which can only be asked for', (_what, option) => {
    const fd = ownSocket(SOCK_STREAM);
    expect(failure(() => sys.setsockopt(fd, SOL_SOCKET, option, 1))).toMatchObject(
      systemError('ENOPROTOOPT', 'setsockopt'),
    );
  });

  it('does not set SO_PEERCRED', () => {
    const [fd] = ownPair(SOCK_STREAM);
    expect(failure(() => sys.setsockopt(fd, SOL_SOCKET, SO_PEERCRED, 1)).code).toMatch(
      /^(ENOPROTOOPT|ERR_INVALID_ARG_VALUE)$/,
    );
  });

  needsSocket('setsockopt', SOL_SOCKET, SO_PASSCRED, 1);
  refuses('setsockopt', { fd: 'int', level: 'int', option: 'int', value: 'int' }, () => [
    -1,
    SOL_SOCKET,
    SO_PASSCRED,
    1,
  ]);
});

describe('options that are no number', () => {
  it.each([
    ['SO_LINGER', SOL_SOCKET, 13],
    ['SO_RCVTIMEO', SOL_SOCKET, 20],
    ['SO_SNDTIMEO', SOL_SOCKET, 21],
    ['SO_BINDTODEVICE', SOL_SOCKET, 25],
    ['SO_ATTACH_FILTER', SOL_SOCKET, 26],
    ['SO_PEERSEC', SOL_SOCKET, 31],
    ['SO_ATTACH_REUSEPORT_CBPF', SOL_SOCKET, 51],
    ['SO_MEMINFO', SOL_SOCKET, 55],
    ['SO_COOKIE', SOL_SOCKET, 57],
    ['SO_PEERGROUPS', SOL_SOCKET, 59],
    ['SO_TXTIME', SOL_SOCKET, 61],
    ['an option of another level', 6, 1],
    ['an option of 0', SOL_SOCKET, 0],
    ['an option of -1', SOL_SOCKET, -1],
    ['the largest int as option', SOL_SOCKET, 2 ** 31 - 1],
    ['a level of -1', -1, SO_TYPE],
  ])('are refused: %s', (_what, level, option) => {
    const fd = ownSocket(SOCK_STREAM);
    for (const of of [fd, -1]) {
      expect(failure(() => sys.getsockopt(of, level, option))).toMatchObject(
        refusal('ERR_INVALID_ARG_VALUE'),
      );
      expect(failure(() => sys.setsockopt(of, level, option, 1))).toMatchObject(
        refusal('ERR_INVALID_ARG_VALUE'),
      );
    }
  });
});
