// Descriptors through Unix sockets: SCM_RIGHTS of unix(7), by sendmsg(2) and recvmsg(2).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { closeOwn, closedFd, flagsOf, ownFd, ownFolder, ownPipe, targetOf } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { nobody, noSecondUser, nodePeer, nodeProgram } from './helpers/peers.js';
import { descriptors } from './helpers/pipe-ends.js';
import {
  handOver,
  limitDescriptors,
  messageTypes,
  ownPair,
  pythonWith,
  receive,
  socketTypes,
} from './helpers/unix-sockets.js';

const { AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } = sys;
const { MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_PEEK } = sys;
const { O_CLOEXEC, O_NONBLOCK, O_RDONLY } = sys;

const empty = (fd: number): void => {
  expect(failure(() => sys.recvmsg(fd, 10, MSG_DONTWAIT))).toMatchObject(systemError('EAGAIN', 'recvmsg'));
};

describe('descriptors', () => {
  it.each(socketTypes)(
    'go along with data of %s, for the same open file, and exec closes them',
    (_what, type) => {
      const path = join(ownFolder(), 'file');
      writeFileSync(path, 'what is in the file');
      const file = ownFd(sys.open(path, O_RDONLY));
      const [from, into] = ownPair(type);
      for (const flags of [0, MSG_CMSG_CLOEXEC]) {
        expect(sys.sendmsg(into, { data: 'x', fds: [file] })).toBe(1);
        const { data, fds, controlTruncated } = receive(from, 100, flags);
        expect(data.toString()).toBe('x');
        expect(fds).toHaveLength(1);
        expect(controlTruncated).toBe(false);
        const [fd = -1] = fds;
        expect(fd).not.toBe(file);
        expect(targetOf(fd)).toBe(path);
        expect(flagsOf(fd)).toBe(O_RDONLY | O_CLOEXEC);
        expect(flagsOf(file)).toBe(O_RDONLY);
      }
      expect(sys.read(file, 8).toString()).toBe('what is ');
      sys.sendmsg(into, { data: 'x', fds: [file] });
      closeOwn(file);
      expect(sys.read(receive(from).fds[0] ?? -1, 100).toString()).toBe('in the file');
    },
  );

  it('come in their order, the same ones twice, at most 253', () => {
    const [from, into] = ownPair(SOCK_STREAM);
    const [read, write] = ownPipe();
    const fds = Array.from({ length: 253 }, (_, index) => [read, write, from][index % 3] ?? -1);
    const before = descriptors();
    expect(sys.sendmsg(into, { data: 'x', fds })).toBe(1);
    expect(descriptors()).toBe(before);
    const message = receive(from);
    expect(message).toMatchObject({ truncated: false, controlTruncated: false });
    expect(message.fds.map(targetOf)).toEqual(fds.map(targetOf));
    expect(new Set(message.fds).size).toBe(253);
    message.fds.forEach(closeOwn);
    expect(descriptors()).toBe(before);
  });

  it.each([254, 255, 256, 1000, 100_000])('are not sent at all where they are %d: EINVAL', (length) => {
    const [from, into] = ownPair(SOCK_SEQPACKET);
    const before = descriptors();
    const fds = Array.from({ length }, () => from);
    expect(failure(() => sys.sendmsg(into, { data: 'x', fds }))).toMatchObject(
      systemError('EINVAL', 'sendmsg'),
    );
    empty(from);
    expect(descriptors()).toBe(before);
  });

  it.each([
    ['-1', () => -1],
    ['the smallest int', () => -(2 ** 31)],
    ['the largest int', () => 2 ** 31 - 1],
    ['one that is closed', closedFd],
  ])('are not sent at all where one of them is %s: EBADF', (_what, make) => {
    const [from, into] = ownPair(SOCK_SEQPACKET);
    const bad = make();
    const before = descriptors();
    for (const fds of [[bad], [from, bad], [from, into, bad, from]]) {
      expect(failure(() => sys.sendmsg(into, { data: 'x', fds }))).toMatchObject(
        systemError('EBADF', 'sendmsg'),
      );
    }
    empty(from);
    expect(descriptors()).toBe(before);
  });

  it.each(messageTypes)('go along with an empty message of %s', (_what, type) => {
    const [from, into] = ownPair(type);
    expect(sys.sendmsg(into, { data: '', fds: [into] })).toBe(0);
    expect(receive(from)).toMatchObject({ data: Buffer.alloc(0), fds: [expect.any(Number)] });
  });

  it('do not go with no byte of a stream', () => {
    const [from, into] = ownPair(SOCK_STREAM);
    expect(sys.sendmsg(into, { data: '', fds: [into] })).toBe(0);
    empty(from);
  });

  it('may be none', () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    sys.sendmsg(into, { data: 'x', fds: [] });
    expect(receive(from).fds).toEqual([]);
  });

  it('are a border in a stream: what is sent after them is received after them', () => {
    const [from, into] = ownPair(SOCK_STREAM);
    sys.sendmsg(into, { data: 'abc', fds: [into] });
    sys.send(into, 'def');
    sys.sendmsg(into, { data: 'ghi', fds: [into, into] });
    expect(receive(from)).toMatchObject({ data: Buffer.from('abc'), fds: [expect.any(Number)] });
    let text = '';
    const fds: number[] = [];
    while (text !== 'defghi') {
      const message = receive(from);
      text += message.data.toString();
      fds.push(...message.fds);
    }
    expect(fds).toHaveLength(2);
  });

  it('come with the first byte that is taken of theirs', () => {
    const [from, into] = ownPair(SOCK_STREAM);
    sys.sendmsg(into, { data: 'abc', fds: [into] });
    expect(receive(from, 1).fds).toHaveLength(1);
    expect(receive(from)).toMatchObject({ data: Buffer.from('bc'), fds: [] });
  });

  it.each(socketTypes)('are copied from %s with MSG_PEEK, each time anew', (_what, type) => {
    const [from, into] = ownPair(type);
    const [read] = ownPipe();
    sys.sendmsg(into, { data: 'x', fds: [read] });
    const before = descriptors();
    const fds = [MSG_PEEK, MSG_PEEK | MSG_DONTWAIT, 0].map((flags) => receive(from, 10, flags).fds[0] ?? -1);
    expect(new Set([...fds, read]).size).toBe(4);
    for (const fd of fds) {
      expect(targetOf(fd)).toBe(targetOf(read));
      expect(flagsOf(fd) & O_CLOEXEC).toBe(O_CLOEXEC);
    }
    expect(descriptors()).toBe(before + 3);
    empty(from);
  });

  it.each([
    ['recv', (fd: number) => sys.recv(fd, 10)],
    ['recv into memory', (fd: number) => sys.recv(fd, new Uint8Array(10))],
    ['recvfrom', (fd: number) => sys.recvfrom(fd, 10)],
    ['read', (fd: number) => sys.read(fd, 10)],
  ])('that nobody takes are closed by the kernel: %s', (_what, take) => {
    for (const [, type] of socketTypes) {
      const [from, into] = ownPair(type);
      const [read, write] = ownPipe(O_NONBLOCK);
      sys.sendmsg(into, { data: 'x', fds: [write, write] });
      closeOwn(write);
      const before = descriptors();
      expect(failure(() => sys.read(read, 1)).code).toBe('EAGAIN');
      take(from);
      expect(sys.read(read, 1)).toHaveLength(0);
      expect(descriptors()).toBe(before);
    }
  });

  it('that are on their way are closed with the socket', () => {
    const [from, into] = ownPair(SOCK_DGRAM);
    const [read, write] = ownPipe(O_NONBLOCK);
    sys.sendmsg(into, { data: 'x', fds: [write] });
    closeOwn(write);
    expect(failure(() => sys.read(read, 1)).code).toBe('EAGAIN');
    closeOwn(from);
    expect(sys.read(read, 1)).toHaveLength(0);
  });

  it('may be the socket itself', () => {
    const [from, into] = ownPair(SOCK_STREAM);
    sys.sendmsg(into, { data: 'x', fds: [into, from] });
    const [copy = -1, other = -1] = receive(from).fds;
    sys.send(copy, 'by the copy');
    expect(sys.recv(other, 100).toString()).toBe('by the copy');
  });

  it("are the program's, whatever they are: an eventfd and a pipe that do not block", () => {
    const [from, into] = ownPair(SOCK_STREAM);
    const event = ownFd(sys.eventfd(5, sys.EFD_NONBLOCK | sys.EFD_CLOEXEC));
    const pipe = ownPipe(O_NONBLOCK | O_CLOEXEC);
    sys.sendmsg(into, { data: 'x', fds: [event, ...pipe] });
    for (const fd of [event, ...pipe]) closeOwn(fd);
    const [theirs = -1, read = -1, write = -1] = receive(from).fds;
    expect(sys.read(theirs, 8).readBigUInt64LE()).toBe(5n);
    sys.write(write, 'through');
    expect(sys.read(read, 10).toString()).toBe('through');
    const copy = sys.dup(theirs);
    sys.close(copy);
    for (const fd of [theirs, read, write]) closeOwn(fd);
  });

  it('are partly there where the process has no more left, and controlTruncated tells', async () => {
    for (const [, type] of socketTypes) {
      const [from, into] = ownPair(type);
      const [read, write] = ownPipe(O_NONBLOCK | O_CLOEXEC);
      const peer = await nodePeer();
      const theirs = await handOver(peer, from);
      // What a first call opens is open by then. None is free below the last two, which are given back.
      const copy = async (): Promise<number> => (await peer.call('sys.dup', 0)) as number;
      while ((await copy()) <= theirs);
      const [first, second] = [await copy(), await copy()];
      const free = async (): Promise<void> => {
        for (const fd of [first, second]) await peer.call('sys.close', fd);
      };
      await free();
      await limitDescriptors(peer, second + 1);
      sys.sendmsg(into, { data: 'x', fds: [write, write, write] });
      closeOwn(write);
      expect(await peer.call('sys.recvmsg', theirs, 10)).toMatchObject({
        data: Buffer.from('x'),
        fds: [first, second],
        truncated: false,
        controlTruncated: true,
      });
      // The third is closed.
      await free();
      expect(sys.read(read, 1)).toHaveLength(0);
      sys.sendmsg(into, { data: 'y', fds: [read] });
      await limitDescriptors(peer, first);
      expect(await peer.call('sys.recvmsg', theirs, 10)).toMatchObject({
        data: Buffer.from('y'),
        fds: [],
        controlTruncated: true,
      });
    }
  });

  it('fail with ETOOMANYREFS where too many are on their way', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const peer = await nodePeer();
    const [, into] = (await peer.call('sys.socketpair', AF_UNIX, SOCK_DGRAM)) as [number, number];
    await limitDescriptors(peer, 100);
    await peer.call('become', nobody);
    const fds = Array.from({ length: 253 }, () => 0);
    expect(await peer.call('sys.sendmsg', into, { data: 'x', fds })).toBe(1);
    expect(await peer.failure('sys.sendmsg', into, { data: 'x', fds })).toMatchObject({
      code: 'ETOOMANYREFS',
      errno: -109,
      syscall: 'sendmsg',
    });
  });

  it('go to Python and come from Python', () => {
    const [ours, theirs] = sys.socketpair(AF_UNIX, SOCK_STREAM).map(ownFd) as [number, number];
    const [read, write] = ownPipe(O_CLOEXEC);
    sys.sendmsg(ours, { data: 'take this', fds: [write] });
    const script = `data, fds, flags, address = socket.recv_fds(sock, 100, 10)
os.write(fds[0], b'from python')
print(data, len(fds), flags & socket.MSG_CTRUNC)
r, w = os.pipe(); os.write(w, b'in its pipe'); socket.send_fds(sock, [b'take that'], [r, w])`;
    expect(pythonWith(theirs, script)).toBe("b'take this' 1 0\n");
    expect(sys.read(read, 100).toString()).toBe('from python');
    const { data, fds } = receive(ours);
    expect(data.toString()).toBe('take that');
    expect(fds).toHaveLength(2);
    expect(sys.read(fds[0] ?? -1, 100).toString()).toBe('in its pipe');
  });

  it.each([
    ['runtime', /eventpoll/],
    ['worker', /eventpoll/],
    ['waits', /^/],
  ])('that a process lives on are not sent, or of no use to who gets them: %s', async (group, expected) => {
    const peer = nodeProgram('runtime-descriptors.js', group, 'sent');
    const { code, signal, stdout, stderr } = await peer.exited;
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    const report = JSON.parse(stdout) as { kept: string[]; accepted: string[]; works: object };
    expect(report.accepted).toEqual([]);
    expect(report.kept.join()).toMatch(expected);
    expect(report.works).toMatchObject({ timer: true, pool: true, worker: 'still there' });
  });
});
