// Connections of Unix sockets: listen(2), accept(2), connect(2).
import { chmodSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { closeOwn, flagsOf, interruptedPeer, ownFd } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { noSecondUser, nodePeer, otherUser } from './helpers/peers.js';
import {
  asleepOn,
  boundTo,
  connectedTypes,
  connection,
  limitDescriptors,
  listeningAt,
  needsSocket,
  ownPair,
  ownSocket,
  unusedAbstract,
  unusedPath,
} from './helpers/unix-sockets.js';
import { until } from './helpers/until.js';
import { loose, refuses } from './helpers/wrong-arguments.js';

const { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM } = sys;
const { MSG_DONTWAIT } = sys;
const { O_CLOEXEC, O_NONBLOCK, O_RDWR, SHUT_RDWR } = sys;
const { POLLIN } = sys;
const { SOL_SOCKET, SO_ACCEPTCONN } = sys;

describe('listen', () => {
  it.each(connectedTypes)('gives nothing back, and lets connections of %s come', (_what, type) => {
    const address = unusedAbstract();
    const fd = boundTo(address, type);
    expect(sys.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN)).toBe(0);
    expect(loose('listen', [fd, 5])).toBeUndefined();
    expect(sys.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN)).toBe(1);
    sys.connect(ownSocket(type), address);
    expect(sys.poll([{ fd, events: POLLIN }], -1)).toEqual([POLLIN]);
  });

  it.each([0, 1, 3])('lets one more than a backlog of %d come before they are accepted', (backlog) => {
    const address = unusedAbstract();
    const listener = listeningAt(address, SOCK_STREAM, { backlog });
    const connect = (): void => sys.connect(ownSocket(SOCK_STREAM, SOCK_NONBLOCK), address);
    for (let count = 0; count <= backlog; count++) connect();
    expect(failure(connect)).toMatchObject({ ...systemError('EAGAIN', 'connect'), path: address });
    ownFd(sys.accept(listener));
    connect();
  });

  it('changes the backlog when it is called again', () => {
    const address = unusedAbstract();
    const listener = listeningAt(address, SOCK_STREAM, { backlog: 0 });
    const connect = (): void => sys.connect(ownSocket(SOCK_STREAM, SOCK_NONBLOCK), address);
    connect();
    expect(failure(connect).code).toBe('EAGAIN');
    sys.listen(listener, 1);
    connect();
  });

  it.each([-1, -(2 ** 31), 2 ** 31 - 1])('takes %d as the most that there may be', (backlog) => {
    const address = unusedAbstract();
    listeningAt(address, SOCK_STREAM, { backlog });
    for (let count = 0; count < 10; count++) sys.connect(ownSocket(SOCK_STREAM, SOCK_NONBLOCK), address);
  });

  it('fails with EINVAL for a socket that is not bound or is connected', () => {
    for (const fd of [
      ownSocket(SOCK_STREAM),
      ownSocket(SOCK_SEQPACKET),
      ownPair(SOCK_STREAM)[0],
      connection().client,
      connection().server,
    ]) {
      expect(failure(() => sys.listen(fd, 1))).toMatchObject(systemError('EINVAL', 'listen'));
    }
  });

  it('fails with EOPNOTSUPP for a datagram socket', () => {
    expect(failure(() => sys.listen(boundTo(unusedAbstract()), 1))).toMatchObject(
      systemError('EOPNOTSUPP', 'listen'),
    );
  });

  needsSocket('listen', 1);
  refuses('listen', { fd: 'int', backlog: 'int' }, () => [-1, 1]);
});

describe('accept', () => {
  it('gives the connections in their order, each a socket of its own', () => {
    const address = unusedAbstract();
    const listener = listeningAt(address);
    const clients = ['first', 'second', 'third'].map((name) => {
      const fd = ownSocket(SOCK_STREAM);
      sys.connect(fd, address);
      sys.send(fd, name);
      return fd;
    });
    const servers = clients.map(() => ownFd(sys.accept(listener)));
    expect(servers.map((fd) => sys.recv(fd, 100).toString())).toEqual(['first', 'second', 'third']);
    expect(new Set([...clients, ...servers, listener]).size).toBe(7);
  });

  it.each([
    ['without flags', [], 0],
    ['with 0', [0], 0],
    ['with SOCK_CLOEXEC', [SOCK_CLOEXEC], O_CLOEXEC],
    ['with SOCK_NONBLOCK', [SOCK_NONBLOCK], O_NONBLOCK],
    ['with both', [SOCK_CLOEXEC | SOCK_NONBLOCK], O_CLOEXEC | O_NONBLOCK],
  ])('%s sets these on the new descriptor, whatever the listening one has', (_what, flags, expected) => {
    const address = unusedAbstract();
    for (const ofListener of [0, SOCK_NONBLOCK]) {
      const listener = listeningAt(address, SOCK_STREAM, { flags: ofListener });
      sys.connect(ownSocket(SOCK_STREAM), address);
      expect(flagsOf(ownFd(loose('accept', [listener, ...flags]) as number))).toBe(O_RDWR | expected);
      closeOwn(listener);
    }
  });

  it('gives a connection whose other end has sent and gone', () => {
    const address = unusedAbstract();
    const listener = listeningAt(address);
    const client = ownSocket(SOCK_STREAM);
    sys.connect(client, address);
    sys.send(client, 'left behind');
    closeOwn(client);
    const server = ownFd(sys.accept(listener));
    expect(sys.recv(server, 100).toString()).toBe('left behind');
    expect(sys.recv(server, 100)).toHaveLength(0);
  });

  it.each(connectedTypes)('waits until a connection of %s comes', async (_what, type) => {
    const address = unusedAbstract();
    const peer = await nodePeer();
    const listener = (await peer.call('sys.socket', AF_UNIX, type)) as number;
    await peer.call('sys.bind', listener, address);
    await peer.call('sys.listen', listener, 1);
    const accepted = peer.call('sys.accept', listener);
    await until('the peer waits in accept', () => asleepOn(listener, peer.pid));
    const client = ownSocket(type);
    sys.connect(client, address);
    await peer.call('sys.send', await accepted, 'welcome');
    expect(sys.recv(client, 100).toString()).toBe('welcome');
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const peer = await interruptedPeer();
    const listener = (await peer.call('sys.socket', AF_UNIX, SOCK_STREAM)) as number;
    await peer.call('sys.bind', listener, '');
    await peer.call('sys.listen', listener, 1);
    const failed = peer.failure('sys.accept', listener);
    await until('the peer waits in accept', () => asleepOn(listener, peer.pid));
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', 'accept'));
  });

  it('fails with EAGAIN where it would wait, with O_NONBLOCK', () => {
    const listener = listeningAt(unusedAbstract(), SOCK_STREAM, { flags: SOCK_NONBLOCK });
    expect(failure(() => sys.accept(listener))).toMatchObject(systemError('EAGAIN', 'accept'));
  });

  it('fails with EINVAL for a socket that does not listen, or not any more', () => {
    const address = unusedAbstract();
    const listener = listeningAt(address);
    sys.shutdown(listener, SHUT_RDWR);
    const fds = [
      ownSocket(SOCK_STREAM),
      boundTo(unusedAbstract(), SOCK_STREAM),
      connection().server,
      listener,
    ];
    for (const fd of fds) {
      expect(failure(() => sys.accept(fd))).toMatchObject(systemError('EINVAL', 'accept'));
    }
    expect(failure(() => sys.connect(ownSocket(SOCK_STREAM), address)).code).toBe('ECONNREFUSED');
  });

  it.each([1, O_RDWR, SOCK_CLOEXEC | 1, -1, 2 ** 31 - 1])(
    'fails with EINVAL for flags of %d, and takes no connection',
    (flags) => {
      const address = unusedAbstract();
      const listener = listeningAt(address, SOCK_STREAM, { flags: SOCK_NONBLOCK });
      sys.connect(ownSocket(SOCK_STREAM), address);
      expect(failure(() => sys.accept(listener, flags))).toMatchObject(systemError('EINVAL', 'accept'));
      ownFd(sys.accept(listener));
    },
  );

  it('fails with EOPNOTSUPP for a datagram socket', () => {
    expect(failure(() => sys.accept(boundTo(unusedAbstract())))).toMatchObject(
      systemError('EOPNOTSUPP', 'accept'),
    );
  });

  it('fails with EMFILE where the process has no descriptor left, and the connection stays', async () => {
    const address = unusedAbstract();
    const peer = await nodePeer();
    const listener = (await peer.call('sys.socket', AF_UNIX, SOCK_STREAM)) as number;
    await peer.call('sys.bind', listener, address);
    await peer.call('sys.listen', listener, 1);
    sys.connect(ownSocket(SOCK_STREAM), address);
    await limitDescriptors(peer, listener + 1);
    expect(await peer.failure('sys.accept', listener)).toMatchObject(systemError('EMFILE', 'accept'));
    await limitDescriptors(peer, listener + 10);
    expect(await peer.call('sys.accept', listener)).toBeGreaterThan(listener);
  });

  needsSocket('accept');
  refuses('accept', { fd: 'int', flags: 'int?' }, () => [-1, 0]);
});

describe('connect', () => {
  it.each(connectedTypes)('gives nothing back, and connects a socket of %s', (_what, type) => {
    const address = unusedAbstract();
    const listener = listeningAt(address, type);
    const client = ownSocket(type);
    expect(loose('connect', [client, address])).toBeUndefined();
    sys.send(client, 'before it is accepted');
    expect(sys.recv(ownFd(sys.accept(listener)), 100).toString()).toBe('before it is accepted');
  });

  it('gives a datagram socket its destination, again and again, from which alone it receives', () => {
    const [first, second] = [unusedAbstract(), unusedAbstract()];
    const [one, other] = [boundTo(first), boundTo(second)];
    const name = unusedAbstract();
    const sender = boundTo(name, SOCK_DGRAM, SOCK_NONBLOCK);
    sys.connect(sender, first);
    sys.send(sender, 'to the first');
    expect(failure(() => sys.sendto(other, 'x', MSG_DONTWAIT, name))).toMatchObject(
      systemError('EPERM', 'sendto'),
    );
    sys.connect(sender, second);
    sys.send(sender, 'to the second');
    sys.sendto(other, 'back', 0, name);
    expect([one, other, sender].map((fd) => sys.recv(fd, 100).toString())).toEqual([
      'to the first',
      'to the second',
      'back',
    ]);
  });

  it.each(connectedTypes)('waits while the backlog of a socket of %s is full', async (_what, type) => {
    const address = unusedAbstract();
    const listener = listeningAt(address, type, { backlog: 0 });
    sys.connect(ownSocket(type), address);
    const peer = await nodePeer();
    const theirs = (await peer.call('sys.socket', AF_UNIX, type)) as number;
    const connected = peer.call('sys.connect', theirs, address);
    await until('the peer waits in connect', () => asleepOn(theirs, peer.pid));
    ownFd(sys.accept(listener));
    await connected;
    await peer.call('sys.send', theirs, 'at last');
    expect(sys.recv(ownFd(sys.accept(listener)), 100).toString()).toBe('at last');
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const address = unusedAbstract();
    listeningAt(address, SOCK_STREAM, { backlog: 0 });
    sys.connect(ownSocket(SOCK_STREAM), address);
    const peer = await interruptedPeer();
    const theirs = (await peer.call('sys.socket', AF_UNIX, SOCK_STREAM)) as number;
    const failed = peer.failure('sys.connect', theirs, address);
    await until('the peer waits in connect', () => asleepOn(theirs, peer.pid));
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject({ ...systemError('EINTR', 'connect'), path: address });
  });

  it('fails with ECONNREFUSED where it waits and the listening socket is closed', async () => {
    const address = unusedAbstract();
    const listener = listeningAt(address, SOCK_STREAM, { backlog: 0 });
    sys.connect(ownSocket(SOCK_STREAM), address);
    const peer = await nodePeer();
    const theirs = (await peer.call('sys.socket', AF_UNIX, SOCK_STREAM)) as number;
    const failed = peer.failure('sys.connect', theirs, address);
    await until('the peer waits in connect', () => asleepOn(theirs, peer.pid));
    closeOwn(listener);
    expect(await failed).toMatchObject({ ...systemError('ECONNREFUSED', 'connect'), path: address });
  });

  it('fails with EISCONN where it is connected, with EINVAL where it listens', () => {
    const { client, server } = connection();
    const other = unusedAbstract();
    const listener = listeningAt(other);
    for (const fd of [client, server, ownPair(SOCK_STREAM)[0]]) {
      expect(failure(() => sys.connect(fd, other))).toMatchObject(systemError('EISCONN', 'connect'));
    }
    expect(failure(() => sys.connect(listener, other))).toMatchObject(systemError('EINVAL', 'connect'));
  });

  it.each([
    [SOCK_STREAM, SOCK_DGRAM],
    [SOCK_STREAM, SOCK_SEQPACKET],
    [SOCK_DGRAM, SOCK_STREAM],
    [SOCK_DGRAM, SOCK_SEQPACKET],
    [SOCK_SEQPACKET, SOCK_STREAM],
    [SOCK_SEQPACKET, SOCK_DGRAM],
  ])('fails with EPROTOTYPE where a socket of type %d is there and it is one of type %d', (there, type) => {
    const [path, name] = [unusedPath(), unusedAbstract()];
    for (const address of [path, name]) {
      if (there === SOCK_DGRAM) boundTo(address, there);
      else listeningAt(address, there);
    }
    expect(failure(() => sys.connect(ownSocket(type), path))).toMatchObject({
      ...systemError('EPROTOTYPE', 'connect'),
      path,
    });
    // Each type has its own abstract names.
    expect(failure(() => sys.connect(ownSocket(type), name))).toMatchObject({
      ...systemError('ECONNREFUSED', 'connect'),
      path: name,
    });
  });

  it('fails with EPERM for a datagram socket that is connected with another', () => {
    const [first, second] = [unusedAbstract(), unusedAbstract()];
    const taken = boundTo(first);
    boundTo(second);
    sys.connect(taken, second);
    expect(failure(() => sys.connect(ownSocket(SOCK_DGRAM), first))).toMatchObject(
      systemError('EPERM', 'connect'),
    );
  });

  it('fails with EACCES for another user who may not write to the socket', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const path = unusedPath();
    chmodSync(dirname(path), 0o711);
    listeningAt(path);
    chmodSync(path, 0o600);
    const peer = await otherUser();
    const theirs = await peer.call('sys.socket', AF_UNIX, SOCK_STREAM);
    expect(await peer.failure('sys.connect', theirs, path)).toMatchObject({
      ...systemError('EACCES', 'connect'),
      path,
    });
    chmodSync(path, 0o602);
    await peer.call('sys.connect', theirs, path);
  });

  needsSocket('connect', '\0unix-ipc-nobody');
});
