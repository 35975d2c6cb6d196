// Unix sockets between processes: Node, C, Python's socket module, socat.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  UnixDatagramSocket,
  UnixSeqpacketServer,
  UnixSeqpacketSocket,
  UnixStream,
  UnixStreamServer,
  peerCredentials,
} from 'unix-ipc';
import { interrupting } from '../helpers/descriptors.js';
import { failure, rejection } from '../helpers/failures.js';
import {
  type NodePeer,
  type Peer,
  noSecondUser,
  nobody,
  plainEnvironment,
  program,
} from '../helpers/peers.js';
import { stateOf, turns, until } from '../helpers/until.js';
import {
  abstractName,
  blocked,
  borrow,
  cPeer,
  child,
  connectedTo,
  descriptors,
  descriptorsOf,
  drain,
  fill,
  ownFolder,
  packetServer,
  patience,
  pattern,
  python,
  received,
  receiver,
  sender,
  socketPath,
  socketPeer,
  spoken,
  streamServer,
  targetOf,
  text,
  texts,
  there,
} from '../helpers/unix-socket-ends.js';

const own = {
  uid: process.getuid?.() ?? -1,
  gid: process.getgid?.() ?? -1,
};

/** Runs a program to its end, which must be a good one, and gives what it printed. */
async function outputOf(peer: {
  exited: Promise<{ code: number | null; stdout: string; stderr: string }>;
}): Promise<string> {
  const { code, stdout, stderr } = await peer.exited;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trim();
}

function file(content: string): string {
  const path = join(ownFolder(), 'file');
  writeFileSync(path, content);
  return path;
}

function contentOf(fd: number): string {
  return readFileSync(`/proc/self/fd/${fd}`, 'utf8');
}

async function collect(end: UnixStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const { data } of end) chunks.push(data);
  return Buffer.concat(chunks);
}

/** Another process that has a socket of the name 'it'. */
async function peerWith(method: string, ...args: unknown[]): Promise<NodePeer> {
  const peer = await socketPeer();
  await peer.call('make', 'it', method, ...args);
  return peer;
}

async function peerBlocks(peer: Peer): Promise<void> {
  await until('the peer waits in a call', () => blocked(peer.pid));
}

describe('two Node processes', () => {
  it('talk by datagrams, both ways, and know each other', async () => {
    const [ours, theirs] = [socketPath(), socketPath()];
    const socket = borrow(UnixDatagramSocket.bind(ours, { credentials: true }));
    const peer = await peerWith('UnixDatagramSocket.bind', theirs);
    const asked = peer.call('it.receive');
    await socket.send('question', { to: theirs });
    expect(await asked).toMatchObject({ data: Buffer.from('question'), address: ours });
    await peer.call('it.sendSync', 'answer', { to: ours });
    expect(await socket.receive()).toMatchObject({
      data: Buffer.from('answer'),
      address: theirs,
      credentials: { pid: peer.pid, ...own },
    });
  });

  it.each([
    ['UnixSeqpacketSocket', 'a path', () => packetServer()],
    ['UnixSeqpacketSocket', 'an abstract name', () => packetServer(abstractName('\0x'))],
    ['UnixStream', 'a path', () => streamServer()],
    ['UnixStream', 'an abstract name', () => streamServer(abstractName('\0x'))],
  ])('talk by a %s of %s, and know each other', async (type, _what, listen) => {
    const server = listen();
    const peer = await peerWith(`${type}.connect`, server.address);
    const far = borrow(await server.accept());
    expect(far.peerCredentials).toEqual({ pid: peer.pid, ...own });
    expect(await peer.call('it.peerCredentials')).toEqual({ pid: process.pid, ...own });
    expect(await peer.call('it.peerAddress')).toBe(server.address);
    const asked = peer.call('it.receive');
    await far.send('question');
    expect(await asked).toMatchObject({ data: Buffer.from('question') });
    await peer.call('it.sendSync', 'answer');
    expect(text(there(await far.receive()))).toBe('answer');
    await peer.call('it.end');
    expect(await far.receive()).toBeNull();
    far.sendSync('still');
    far.close();
    expect(await peer.call('it.receiveSync')).toMatchObject({ data: Buffer.from('still') });
    expect(await peer.call('it.receiveSync')).toBeNull();
  });

  it('hand over descriptors, whose files both have then', async () => {
    const path = file('to be read by both');
    const server = packetServer(socketPath(), { descriptors: true });
    const peer = await peerWith('UnixSeqpacketSocket.connect', server.address);
    const far = borrow(await server.accept());
    const fd = (await peer.call('sys.open', path, 0)) as number;
    await peer.call('it.send', 'a file', { descriptors: [fd] });
    await peer.call('sys.close', fd);
    const message = there(await far.receive());
    const [copy = -1] = received(message.descriptors);
    expect([text(message), targetOf(copy), contentOf(copy)]).toEqual(['a file', path, 'to be read by both']);
  });

  it.each(['receiveSync', 'receiveManySync'] as const)('wake each other out of %s()', async (method) => {
    const path = socketPath();
    const peer = await peerWith('UnixDatagramSocket.bind', path);
    const many = method === 'receiveManySync';
    for (const options of [{}, { timeout: 60_000 }]) {
      const waiting = peer.call(`it.${method}`, ...(many ? [5, options] : [options]));
      await peerBlocks(peer);
      sender().sendSync('awake', { to: path });
      const expected: unknown = { data: Buffer.from('awake') };
      expect(await waiting).toMatchObject((many ? [expected] : expected) as object);
    }
  });

  it.each([
    ['connected', true],
    ['to an address', false],
  ])('wake each other out of sendSync() %s', async (_what, connected) => {
    const to = receiver();
    const peer = connected
      ? await peerWith('UnixDatagramSocket.connect', to.address)
      : await peerWith('UnixDatagramSocket.create');
    const options = connected ? {} : { to: to.address };
    const count = fill(sender(), { to: to.address });
    for (const timeout of [undefined, 60_000]) {
      const sent = peer.call('it.sendSync', 'went through', { ...options, timeout });
      await peerBlocks(peer);
      expect(text(to.receiveSync({ timeout: patience }))).toBe('f');
      await sent;
    }
    expect(texts(to.tryReceiveMany(count + 5)).filter((data) => data !== 'f')).toEqual([
      'went through',
      'went through',
    ]);
  });

  it.each([
    ['connected', true],
    ['to an address', false],
  ])('wake each other out of send() %s', async (_what, connected) => {
    const to = receiver();
    const peer = connected
      ? await peerWith('UnixDatagramSocket.connect', to.address)
      : await peerWith('UnixDatagramSocket.create');
    const options = connected ? {} : { to: to.address };
    fill(sender(), { to: to.address });
    const sent = peer.call('it.send', 'went through', options);
    await peer.call('running');
    to.receiveSync({ timeout: patience });
    await sent;
    expect(drain(to)).toContain('went through');
  });

  it('wake each other out of acceptSync(), connectSync() and of sends into a connection', async () => {
    const path = socketPath();
    const peer = await peerWith('UnixSeqpacketServer.listen', path, { backlog: 0 });
    const accepted = peer.call('make', 'end', 'it.acceptSync');
    await peerBlocks(peer);
    const near = borrow(UnixSeqpacketSocket.connectSync(path, { timeout: patience }));
    expect(await accepted).toBe('made');
    const count = fill(near);
    const sent = near.send('last');
    await turns();
    for (let index = 0; index < count; index++) await peer.call('end.tryReceive');
    await sent;
    expect(await peer.call('end.receiveSync')).toMatchObject({ data: Buffer.from('last') });

    const server = packetServer(socketPath(), { backlog: 0 });
    borrow(UnixSeqpacketSocket.connectSync(server.address));
    const connected = peer.call('make', 'other', 'UnixSeqpacketSocket.connectSync', server.address);
    await until('the peer waits', () => blocked(peer.pid));
    borrow(there(server.tryAccept()));
    expect(await connected).toBe('made');
    borrow(await server.accept());
  });

  it('share a server that was inherited, each connection to one of them', async () => {
    const server = packetServer();
    const script = `import('unix-ipc').then(async ({ UnixSeqpacketServer }) => {
      const server = UnixSeqpacketServer.fromFd(3);
      console.log('ready');
      for await (const connection of server) {
        await connection.send(String(process.pid));
        connection.close();
      }
    });`;
    const started = [1, 2].map(() =>
      child(['ignore', 'pipe', 'pipe', server.fd], process.execPath, '-e', script),
    );
    const pids = new Set<string>();
    for (let round = 0; round < 40; round++) {
      const near = borrow(await UnixSeqpacketSocket.connect(server.address));
      pids.add(text(there(await near.receive())));
      expect(await near.receive()).toBeNull();
    }
    for (const pid of pids) expect(started.map((one) => String(one.pid))).toContain(pid);
  });
});

describe('a process that is killed', () => {
  it('while it receives takes no datagram with it, and its path is stale', async () => {
    const path = socketPath();
    const peer = await peerWith('UnixDatagramSocket.bind', path);
    peer.call('it.receive').catch(() => undefined);
    await peer.call('running');
    const from = borrow(UnixDatagramSocket.connect(path));
    peer.signal('SIGKILL');
    await peer.exited;
    expect(failure(() => from.sendSync('x'))).toMatchObject({ code: 'ECONNREFUSED' });
    expect(existsSync(path)).toBe(true);
    expect(failure(() => sender().sendSync('x', { to: path }))).toMatchObject({ code: 'ECONNREFUSED' });
    const next = borrow(UnixDatagramSocket.bind(path, { replaceStale: true }));
    sender().sendSync('for the next', { to: path });
    expect(drain(next)).toEqual(['for the next']);
  });

  it('while we wait for room at it makes send() fail, connected or not', async () => {
    const path = socketPath();
    const peer = await peerWith('UnixDatagramSocket.bind', path);
    const [connected, free] = [borrow(UnixDatagramSocket.connect(path)), sender()];
    fill(connected);
    const waits = [rejection(connected.send('x')), rejection(free.send('x', { to: path }))];
    await turns();
    peer.signal('SIGKILL');
    for (const error of await Promise.all(waits)) expect(error.code).toMatch(/^(ECONNREFUSED|ENOENT)$/);
  });

  it('while we receive from it gives the end, and what it sent first', async () => {
    for (const listen of [packetServer, streamServer]) {
      const server = listen();
      const type = server instanceof UnixStreamServer ? 'UnixStream' : 'UnixSeqpacketSocket';
      const peer = await peerWith(`${type}.connect`, server.address);
      const far = borrow(await server.accept());
      const first = far.receive();
      await peer.call('it.send', 'last words');
      expect(text(there(await first))).toBe('last words');
      const second = far.receive();
      expect(await stateOf(second)).toBe('pending');
      peer.signal('SIGKILL');
      expect(await second).toBeNull();
    }
  });

  it('while we send to it gives EPIPE or ECONNRESET', async () => {
    for (const listen of [packetServer, streamServer]) {
      const server = listen();
      const type = server instanceof UnixStreamServer ? 'UnixStream' : 'UnixSeqpacketSocket';
      const peer = await peerWith(`${type}.connect`, server.address);
      const far = borrow(await server.accept());
      let sent = 0;
      const sending = (async () => {
        for (;;) {
          await far.send(pattern(10_000));
          sent++;
        }
      })();
      const failed = rejection(sending);
      await until('it waits', () => sent > 1);
      await turns(10);
      peer.signal('SIGKILL');
      expect((await failed).code).toMatch(/^(EPIPE|ECONNRESET)$/);
    }
  });

  it('with our data unread gives ECONNRESET', async () => {
    const server = packetServer();
    const peer = await peerWith('UnixSeqpacketSocket.connect', server.address);
    const far = borrow(await server.accept());
    far.sendSync('never read');
    peer.signal('SIGKILL');
    await peer.exited;
    expect(await rejection(far.receive())).toMatchObject({ code: 'ECONNRESET' });
  });

  it('with descriptors of ours in messages that it has not received closes them', async () => {
    const path = socketPath();
    const peer = await peerWith('UnixDatagramSocket.bind', path, { descriptors: true });
    const [near, far] = UnixSeqpacketSocket.pair();
    borrow(near);
    sender().sendSync('x', { to: path, descriptors: [far] });
    far.close();
    const end = near.receive();
    expect(await stateOf(end)).toBe('pending');
    peer.signal('SIGKILL');
    expect(await end).toBeNull();
  });

  it('while it listens gives ECONNREFUSED to those who come, and ECONNRESET to those not yet accepted', async () => {
    const path = socketPath();
    const peer = await peerWith('UnixSeqpacketServer.listen', path);
    const near = borrow(UnixSeqpacketSocket.connectSync(path));
    const waiting = rejection(near.receive());
    await turns();
    peer.signal('SIGKILL');
    expect(await waiting).toMatchObject({ code: 'ECONNRESET' });
    expect(await rejection(UnixSeqpacketSocket.connect(path))).toMatchObject({ code: 'ECONNREFUSED' });
    borrow(UnixSeqpacketServer.listen(path, { replaceStale: true }));
    borrow(await UnixSeqpacketSocket.connect(path));
  });
});

describe('a signal handler', () => {
  const waits: [string, (peer: NodePeer) => Promise<[string, ...unknown[]]>][] = [
    [
      'receiveSync() of datagrams',
      async (peer) => {
        await peer.call('make', 'it', 'UnixDatagramSocket.bind', socketPath());
        return ['it.receiveSync'];
      },
    ],
    [
      'receiveSync() of datagrams with a time limit',
      async (peer) => {
        await peer.call('make', 'it', 'UnixDatagramSocket.bind', socketPath());
        return ['it.receiveSync', { timeout: 60_000 }];
      },
    ],
    [
      'receiveManySync() of datagrams',
      async (peer) => {
        await peer.call('make', 'it', 'UnixDatagramSocket.bind', socketPath());
        return ['it.receiveManySync', 5];
      },
    ],
    [
      'sendSync() to a full receiver',
      async (peer) => {
        const to = receiver();
        fill(sender(), { to: to.address });
        await peer.call('make', 'it', 'UnixDatagramSocket.create');
        return ['it.sendSync', 'x', { to: to.address }];
      },
    ],
    [
      'sendSync() to a full receiver, connected, with a time limit',
      async (peer) => {
        const to = receiver();
        fill(sender(), { to: to.address });
        await peer.call('make', 'it', 'UnixDatagramSocket.connect', to.address);
        return ['it.sendSync', 'x', { timeout: 60_000 }];
      },
    ],
    [
      'receiveSync() of a connection',
      async (peer) => {
        await peer.call('pair', ['it', 'other'], 'UnixSeqpacketSocket.pair');
        return ['it.receiveSync'];
      },
    ],
    [
      'sendSync() into a stream',
      async (peer) => {
        await peer.call('pair', ['it', 'other'], 'UnixStream.pair');
        return ['it.sendSync', Buffer.alloc(2_000_000)];
      },
    ],
    [
      'receiveSync() of a stream with a time limit',
      async (peer) => {
        await peer.call('pair', ['it', 'other'], 'UnixStream.pair');
        return ['it.receiveSync', { timeout: 60_000 }];
      },
    ],
    [
      'acceptSync()',
      async (peer) => {
        await peer.call('make', 'it', 'UnixSeqpacketServer.listen', socketPath());
        return ['it.acceptSync'];
      },
    ],
    [
      'acceptSync() of streams with a time limit',
      async (peer) => {
        await peer.call('make', 'it', 'UnixStreamServer.listen', socketPath());
        return ['it.acceptSync', { timeout: 60_000 }];
      },
    ],
    [
      'connectSync() to a full backlog',
      async (peer) => {
        const server = packetServer(socketPath(), { backlog: 0 });
        borrow(UnixSeqpacketSocket.connectSync(server.address));
        await peer.call('make', 'type', 'UnixSeqpacketSocket.pair');
        return ['UnixSeqpacketSocket.connectSync', server.address];
      },
    ],
    [
      'connectSync() to a full backlog with a time limit',
      async (peer) => {
        const server = streamServer(socketPath(), { backlog: 0 });
        borrow(UnixStream.connectSync(server.address));
        await peer.call('descriptors');
        return ['UnixStream.connectSync', server.address, { timeout: 60_000 }];
      },
    ],
  ];

  it.each(waits)(
    'of process.on("SIGUSR2") that runs during %s makes it throw EINTR, and then runs',
    async (_name, make) => {
      const peer = await socketPeer();
      const [method, ...args] = await make(peer);
      await peer.call('watch', 'SIGUSR2');
      const failed = peer.failure(method, ...args);
      await peerBlocks(peer);
      peer.signal('SIGUSR2');
      expect(await failed).toMatchObject({ class: 'IpcError', code: 'EINTR' });
      await told(peer, 'SIGUSR2');
    },
  );

  it.each(waits.filter((_, index) => index % 2 === 0))(
    'of process.on("SIGINT") lets Ctrl-C out of %s',
    async (_name, make) => {
      const peer = await socketPeer();
      const [method, ...args] = await make(peer);
      await peer.call('watch', 'SIGINT');
      const failed = peer.failure(method, ...args);
      await peerBlocks(peer);
      peer.signal('SIGINT');
      expect(await failed).toMatchObject({ class: 'IpcError', code: 'EINTR' });
      await told(peer, 'SIGINT');
    },
  );

  it.each(waits)('without SA_RESTART that runs during %s makes it throw EINTR', async (_name, make) => {
    const peer = await socketPeer('env', interrupting());
    const [method, ...args] = await make(peer);
    const failed = peer.failure(method, ...args);
    await peerBlocks(peer);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject({ class: 'IpcError', code: 'EINTR' });
  });

  it('that interrupts sendSync() in the middle of much tells how much went in', async () => {
    const server = streamServer();
    const peer = await peerWith('UnixStream.connect', server.address);
    const far = borrow(await server.accept());
    await peer.call('watch', 'SIGUSR2');
    const failed = peer.failure('it.sendSync', pattern(2_000_000));
    await peerBlocks(peer);
    peer.signal('SIGUSR2');
    const error = (await failed) as unknown as { code: string; bytesWritten: number };
    expect(error).toMatchObject({ code: 'EINTR', bytesWritten: expect.any(Number) as unknown });
    expect(error.bytesWritten).toBeGreaterThan(0);
    await peer.call('it.end');
    expect((await collect(far)).equals(pattern(2_000_000).subarray(0, error.bytesWritten))).toBe(true);
  });

  it('that runs during promises runs at once, and they go on', async () => {
    const path = socketPath();
    const server = packetServer();
    const peer = await peerWith('UnixDatagramSocket.bind', path);
    await peer.call('make', 'end', 'UnixSeqpacketSocket.connect', server.address);
    const far = borrow(await server.accept());
    await peer.call('watch', 'SIGUSR2');
    const [datagram, message] = [peer.call('it.receive'), peer.call('end.receive')];
    await peer.call('running');
    peer.signal('SIGUSR2');
    await told(peer, 'SIGUSR2');
    sender().sendSync('after the signal', { to: path });
    await far.send('too');
    expect(await Promise.all([datagram, message])).toMatchObject([
      { data: Buffer.from('after the signal') },
      { data: Buffer.from('too') },
    ]);
  });

  it('of none: Ctrl-C ends a program that waits in receiveSync()', async () => {
    const path = socketPath();
    const peer = await peerWith('UnixDatagramSocket.bind', path);
    const ended = rejection(peer.call('it.receiveSync'));
    await peerBlocks(peer);
    peer.signal('SIGINT');
    await ended;
    expect((await peer.exited).signal).toBe('SIGINT');
  });
});

async function told(peer: NodePeer, signal: string): Promise<void> {
  let signals: unknown;
  do signals = await peer.call('signals');
  while (Array.isArray(signals) && signals.length === 0);
  expect(signals).toEqual([signal]);
}

describe('a program', () => {
  const run = (script: string, ...fds: number[]): ReturnType<typeof child> =>
    child(
      ['ignore', 'pipe', 'pipe', ...fds],
      process.execPath,
      '-e',
      `import('unix-ipc').then((ipc) => { const { UnixDatagramSocket, UnixSeqpacketSocket, UnixSeqpacketServer } = ipc; ${script} });`,
    );

  it('stays alive while receive() waits, and ends by itself afterwards', async () => {
    const path = socketPath();
    const running = run(`
      const socket = UnixDatagramSocket.bind(${JSON.stringify(path)});
      socket.receive().then(({ data }) => console.log(String(data)));`);
    const from = sender();
    await until('it is there', () => existsSync(path));
    from.sendSync('at last', { to: path });
    expect(await outputOf(running)).toBe('at last');
  });

  it('ends by itself when the wait is aborted', async () => {
    const running = run(`
      const controller = new AbortController();
      const [a] = UnixSeqpacketSocket.pair();
      a.receive({ signal: controller.signal }).catch((error) => console.log(error.name));
      setTimeout(() => controller.abort(), 10);`);
    expect(await outputOf(running)).toBe('AbortError');
  });

  it('that has sockets open but waits for nothing ends', async () => {
    const path = socketPath();
    const running = run(`
      globalThis.kept = [UnixDatagramSocket.bind(${JSON.stringify(path)}), UnixSeqpacketServer.listen(${JSON.stringify(`${path}-2`)}),
        ...UnixSeqpacketSocket.pair()];
      console.log('done');`);
    expect(await outputOf(running)).toBe('done');
  });

  it('ends by process.exit(), or an error that nobody catches, while waits are pending', async () => {
    const to = receiver();
    fill(sender(), { to: to.address });
    const waits = `
      const [a] = UnixSeqpacketSocket.pair();
      a.receive();
      UnixDatagramSocket.create().send('never', { to: ${JSON.stringify(to.address)} });`;
    expect(await run(`${waits} setTimeout(() => process.exit(7), 20)`).exited).toMatchObject({
      code: 7,
      signal: null,
      stderr: '',
    });
    expect(
      await run(`${waits} setTimeout(() => { throw new Error('nobody catches this') }, 20)`).exited,
    ).toMatchObject({ code: 1, signal: null });
    expect(drain(to)).not.toContain('never');
  });

  it('leaves its abstract names free, and its paths stale, when it ends without close()', async () => {
    const [path, name] = [socketPath(), abstractName()];
    const running = run(`
      UnixDatagramSocket.bind(${JSON.stringify(path)});
      UnixDatagramSocket.bind(${JSON.stringify(name)});`);
    await outputOf(running);
    borrow(UnixDatagramSocket.bind(name));
    borrow(UnixDatagramSocket.bind(path, { replaceStale: true }));
  });

  it('gets no descriptor that it was not given', async () => {
    const before = await outputOf(child(['ignore', 'pipe', 'pipe'], 'sh', '-c', 'ls /proc/self/fd | wc -l'));
    const to = receiver();
    const server = packetServer();
    const near = borrow(UnixSeqpacketSocket.connectSync(server.address));
    const far = borrow(there(server.tryAccept()));
    const from = sender();
    fill(from, { to: to.address });
    const waits = [
      rejection(from.send('x', { to: to.address })),
      rejection(near.receive()),
      rejection(server.accept()),
    ];
    await turns();
    expect(await outputOf(child(['ignore', 'pipe', 'pipe'], 'sh', '-c', 'ls /proc/self/fd | wc -l'))).toBe(
      before,
    );
    for (const end of [from, near, far, server]) end.close();
    await Promise.all(waits);
  });
});

describe('a C program', () => {
  it.each([
    ['a path', () => socketPath()],
    ['an abstract name', () => abstractName('-c')],
  ])('receives datagrams at %s, with their addresses', async (_what, make) => {
    const address = make();
    const peer = cPeer('receive', 'dgram', spoken(address), 4);
    expect(await peer.line()).toBe('listening');
    const bound = receiver();
    bound.sendSync('sync', { to: address });
    expect(bound.trySend('', { to: address })).toBe(true);
    await connectedTo({ address }).send('grün');
    const named = borrow(UnixDatagramSocket.bind(abstractName('-ours')));
    await named.send('x', { to: address });
    expect((await outputOf(peer)).split('\n').slice(1)).toEqual([
      `4 sync ${String(bound.address)}`,
      `0  ${String(bound.address)}`,
      '5 grün -',
      `1 x ${spoken(named.address)}`,
    ]);
  });

  it('sends datagrams that every variant takes', async () => {
    const to = receiver();
    const waiting = to.receive();
    await outputOf(cPeer('send', 'dgram', spoken(to.address), 'one', 'two', '', 'three', 'four'));
    expect(text(await waiting)).toBe('one');
    expect(text(to.receiveSync({ timeout: patience }))).toBe('two');
    expect(text(there(to.tryReceive()))).toBe('');
    expect(texts(await to.receiveMany(5))).toEqual(['three', 'four']);
  });

  it('sends messages into a connection, and ends it', async () => {
    const server = packetServer(abstractName('-server'));
    const peer = cPeer('send', 'seqpacket', spoken(server.address), 'one', '', 'three');
    const far = borrow(await server.accept());
    const seen: string[] = [];
    for await (const message of far) seen.push(text(message));
    expect(seen).toEqual(['one', '', 'three']);
    expect(far.peerCredentials).toEqual({ pid: peer.pid, ...own });
    await outputOf(peer);
  });

  it('receives messages of a connection one by one, and its end', async () => {
    const path = socketPath();
    const peer = cPeer('receive', 'seqpacket', path, 10);
    expect(await peer.line()).toBe('listening');
    const near = borrow(UnixSeqpacketSocket.connectSync(path, { timeout: patience }));
    near.sendSync('one');
    await near.send('second');
    near.trySend('x');
    near.end();
    expect((await outputOf(peer)).split('\n').slice(1)).toEqual(['3 one -', '6 second -', '1 x -', 'end']);
  });

  it.each(['dgram', 'seqpacket', 'stream'])('answers by %s, and waits blocking for each', async (type) => {
    const path = socketPath();
    const peer = cPeer('echo', type, path, 200);
    expect(await peer.line()).toBe('listening');
    const near =
      type === 'dgram'
        ? borrow(UnixDatagramSocket.connect(path, { bind: socketPath() }))
        : type === 'seqpacket'
          ? borrow(await UnixSeqpacketSocket.connect(path))
          : borrow(await UnixStream.connect(path));
    for (let round = 0; round < 100; round++) {
      await near.send(`promise ${round}`);
      expect(text(there(await near.receive()))).toBe(`promise ${round}`);
      near.sendSync(`blocking ${round}`);
      expect(text(there(near.receiveSync({ timeout: patience })))).toBe(`blocking ${round}`);
    }
    near.close();
    await outputOf(peer);
  });

  it.each(['dgram', 'seqpacket', 'stream'])(
    'gives and takes descriptors and credentials by %s',
    async (type) => {
      const files = ['alpha', 'beta', 'gamma'].map(file);
      const address = socketPath();
      const options = { descriptors: true, credentials: true };
      const [end, peer] = await (async () => {
        const start = (): Peer => cPeer('send-files', type, address, 'with files', ...files);
        if (type === 'dgram') return [borrow(UnixDatagramSocket.bind(address, options)), start()] as const;
        const server = type === 'seqpacket' ? packetServer(address, options) : streamServer(address, options);
        const started = start();
        return [borrow(await server.accept()), started] as const;
      })();
      const message = there(await end.receive());
      expect(text(message)).toBe('with files');
      expect(message.credentials).toEqual({ pid: peer.pid, ...own });
      expect(received(message.descriptors).map(contentOf)).toEqual(['alpha', 'beta', 'gamma']);
      await outputOf(peer);

      const theirs = socketPath();
      const taker = cPeer('receive-files', type, theirs);
      expect(await taker.line()).toBe('listening');
      const near =
        type === 'dgram'
          ? borrow(UnixDatagramSocket.connect(theirs))
          : type === 'seqpacket'
            ? borrow(await UnixSeqpacketSocket.connect(theirs))
            : borrow(await UnixStream.connect(theirs));
      expect(await taker.line()).toBe('ready');
      await near.send('take these', { descriptors: message.descriptors });
      expect(await taker.line()).toBe(
        `take these from ${process.pid} ${own.uid} ${own.gid} alpha beta gamma`,
      );
    },
  );
});

describe('Python', () => {
  const tried = spawnSync('python3', ['-c', 'import socket; socket.send_fds'], { env: plainEnvironment() });
  const reason = tried.status === 0 ? undefined : 'there is no Python with socket.send_fds here';

  it('talks by datagrams, both ways, at a path and an abstract name', async ({ skip }) => {
    skip(reason !== undefined, reason);
    for (const address of [socketPath(), abstractName('\0py')]) {
      const to = receiver();
      const peer = python(
        `
import socket, sys
mine = bytes.fromhex(sys.argv[1])
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(mine)
print('bound', flush=True)
data, sender = s.recvfrom(1000)
print(data.decode(), sender if isinstance(sender, str) else sender.hex(), flush=True)
s.sendto(data.upper(), sender)
s.sendto(b'', sender)
`,
        Buffer.from(address).toString('hex'),
      );
      expect(await peer.line()).toBe('bound');
      await to.send('from Node', { to: address });
      expect(await peer.line()).toBe(`from Node ${String(to.address)}`);
      expect(await to.receive()).toMatchObject({ data: Buffer.from('FROM NODE'), address });
      expect(await to.receive()).toMatchObject({ data: Buffer.alloc(0), address });
      await peer.exited;
      expect(peer.errors).toBe('');
    }
  });

  it('sees abstract names byte by byte', async ({ skip }) => {
    skip(reason !== undefined, reason);
    const name = Buffer.concat([Buffer.from(abstractName()), Buffer.from([0, 0xff, 0])]);
    const server = packetServer(name);
    const peer = python(
      `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(bytes.fromhex(sys.argv[1]))
print(s.getpeername().hex())
s.send(b'one'); s.send(b'two')
`,
      name.toString('hex'),
    );
    const far = borrow(await server.accept());
    expect(texts([there(await far.receive()), there(await far.receive())])).toEqual(['one', 'two']);
    expect(await far.receive()).toBeNull();
    expect(await outputOf(peer)).toBe(name.toString('hex'));
  });

  it('serves a connection of ours, message by message', async ({ skip }) => {
    skip(reason !== undefined, reason);
    const path = socketPath();
    const peer = python(
      `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1]); s.listen()
print('listening', flush=True)
c, _ = s.accept()
while True:
    data = c.recv(1000)
    if not data: break
    c.send(data[::-1])
c.send(b'bye')
`,
      path,
    );
    expect(await peer.line()).toBe('listening');
    const near = borrow(await UnixSeqpacketSocket.connect(path));
    for (let round = 0; round < 50; round++) {
      near.sendSync(`abc${round}`);
      expect(text(there(await near.receive()))).toBe(`abc${round}`.split('').reverse().join(''));
    }
    near.end();
    expect(text(there(await near.receive()))).toBe('bye');
    expect(await near.receive()).toBeNull();
    await peer.exited;
  });

  it.for([
    ['datagrams', 'SOCK_DGRAM'],
    ['seqpacket', 'SOCK_SEQPACKET'],
    ['a stream', 'SOCK_STREAM'],
  ])(
    'gives descriptors with send_fds and takes them with recv_fds, by %s',
    async ([, type = ''], { skip }) => {
      skip(reason !== undefined, reason);
      const files = ['alpha', 'beta'].map(file);
      const path = socketPath();
      const options = { descriptors: true };
      const peer = (): Peer =>
        python(
          `
import array, os, socket, sys
path, kind, mine, *files = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, getattr(socket, kind))
if kind == 'SOCK_DGRAM': s.bind(mine)
s.connect(path)
socket.send_fds(s, [b'with files'], [os.open(f, os.O_RDONLY) for f in files])
data, fds, flags, _ = socket.recv_fds(s, 1000, 10)
print(data.decode(), flags, *[os.read(fd, 100).decode() for fd in fds])
`,
          path,
          type,
          `${path}-python`,
          ...files,
        );
      if (type === 'SOCK_DGRAM') {
        const socket = borrow(UnixDatagramSocket.bind(path, options));
        const running = peer();
        const message = await socket.receive();
        expect(message.address).toBe(`${path}-python`);
        expect(received(message.descriptors).map(contentOf)).toEqual(['alpha', 'beta']);
        await socket.send('back', { to: message.address, descriptors: message.descriptors });
        expect(await outputOf(running)).toBe('back 0 alpha beta');
        return;
      }
      const server = type === 'SOCK_SEQPACKET' ? packetServer(path, options) : streamServer(path, options);
      const running = peer();
      const end = borrow(await server.accept());
      const message = there(await end.receive());
      expect(text(message)).toBe('with files');
      expect(received(message.descriptors).map(contentOf)).toEqual(['alpha', 'beta']);
      await end.send('back', { descriptors: message.descriptors });
      expect(await outputOf(running)).toBe('back 0 alpha beta');
    },
  );

  it('gives and takes credentials by SCM_CREDENTIALS', async ({ skip }) => {
    skip(reason !== undefined, reason);
    const path = socketPath();
    const socket = borrow(UnixDatagramSocket.bind(path, { credentials: true }));
    const peer = python(
      `
import os, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[2])
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.sendto(b'plain', sys.argv[1])
me = struct.pack('3i', os.getpid(), os.getuid(), os.getgid())
s.sendmsg([b'claimed'], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, me)], 0, sys.argv[1])
data, control, flags, sender = s.recvmsg(100, socket.CMSG_SPACE(100))
for level, kind, value in control:
    if kind == socket.SCM_CREDENTIALS: print(data.decode(), *struct.unpack('3i', value))
`,
      path,
      `${path}-python`,
    );
    for (const words of ['plain', 'claimed'])
      expect(await socket.receive()).toMatchObject({
        data: Buffer.from(words),
        credentials: { pid: peer.pid, ...own },
      });
    socket.sendSync('ours', { to: `${path}-python` });
    expect(await outputOf(peer)).toBe(`ours ${process.pid} ${own.uid} ${own.gid}`);
  });

  it('is full, and is told of by backpressure', async ({ skip }) => {
    skip(reason !== undefined, reason);
    const path = socketPath();
    const peer = python(
      `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
sys.stdin.readline()
numbers = [int(s.recv(100)) for _ in range(500)]
print(numbers == list(range(500)))
`,
      path,
    );
    expect(await peer.line()).toBe('bound');
    const from = sender();
    const sent = Promise.all(
      Array.from({ length: 500 }, (_, index) => from.send(String(index), { to: path })),
    );
    expect(await stateOf(sent)).toBe('pending');
    peer.write('\n');
    await sent;
    expect(await outputOf(peer)).toBe('bound\nTrue');
  });
});

describe('socat', () => {
  const found = spawnSync('sh', ['-c', 'command -v socat'], { env: plainEnvironment() });
  const reason = found.status === 0 ? undefined : 'there is no socat here';

  it('sends datagrams to us, from a path and an abstract name', async ({ skip }) => {
    skip(reason !== undefined, reason);
    const to = receiver();
    const mine = socketPath();
    const running = program(
      'sh',
      '-c',
      `printf hello | socat -u STDIN UNIX-SENDTO:'${String(to.address)}',bind='${mine}'`,
    );
    expect(await to.receive()).toMatchObject({ data: Buffer.from('hello'), address: mine });
    await outputOf(running);
    const abstract = borrow(UnixDatagramSocket.bind(abstractName('-socat')));
    const again = program(
      'sh',
      '-c',
      `printf hello | socat -u STDIN ABSTRACT-SENDTO:'${spoken(abstract.address).slice(1)}'`,
    );
    expect(text(await abstract.receive())).toBe('hello');
    await outputOf(again);
  });

  it('receives datagrams of ours', async ({ skip }) => {
    skip(reason !== undefined, reason);
    const path = socketPath();
    const running = program('socat', '-u', `UNIX-RECV:${path}`, 'STDOUT');
    await until('socat has its socket', () => existsSync(path));
    const from = sender();
    from.sendSync('one\n', { to: path });
    await from.send('two\n', { to: path });
    expect([await running.line(), await running.line()]).toEqual(['one', 'two']);
    running.signal('SIGTERM');
    await running.exited;
  });

  it('connects to a seqpacket server of ours, and serves one', async ({ skip }) => {
    skip(reason !== undefined, reason);
    const server = packetServer();
    const client = program('socat', 'STDIO', `UNIX-CONNECT:${String(server.address)},type=5`);
    const far = borrow(await server.accept());
    client.write('question\n');
    expect(text(there(await far.receive()))).toBe('question\n');
    await far.send('answer\n');
    expect(await client.line()).toBe('answer');
    client.end();
    expect(await far.receive()).toBeNull();
    far.close();
    await client.exited;

    const path = socketPath();
    const listening = program('socat', `UNIX-LISTEN:${path},type=5`, 'EXEC:cat');
    const connected = await connectWhenThere(path, () => UnixSeqpacketSocket.connectSync(path));
    connected.sendSync('through cat');
    expect(text(there(await connected.receive()))).toBe('through cat');
    connected.close();
    await listening.exited;
  });

  it('connects to a stream server of ours, and serves one', async ({ skip }) => {
    skip(reason !== undefined, reason);
    const server = streamServer(abstractName('-socat'));
    const client = program('socat', '-t', 5, 'STDIO', `ABSTRACT-CONNECT:${spoken(server.address).slice(1)}`);
    const far = borrow(await server.accept());
    client.write('hello');
    client.end();
    expect((await collect(far)).toString()).toBe('hello');
    await far.send('back');
    far.end();
    expect(await outputOf(client)).toBe('back');

    const path = socketPath();
    const listening = program('socat', `UNIX-LISTEN:${path}`, 'EXEC:cat');
    const connected = await connectWhenThere(path, () => UnixStream.connectSync(path));
    const data = pattern(300_000);
    const sent = connected.send(data).then(() => connected.end());
    expect((await collect(connected)).equals(data)).toBe(true);
    await sent;
    await listening.exited;
  });

  /** The file of a socket is there before anybody listens on it. */
  async function connectWhenThere<End extends { close(): void }>(
    path: string,
    connect: () => End,
  ): Promise<End> {
    let end: End | undefined;
    await until(`somebody listens on ${path}`, () => {
      try {
        end = connect();
        return true;
      } catch (error) {
        if (error instanceof Error && 'code' in error && /^(ENOENT|ECONNREFUSED)$/.test(String(error.code)))
          return false;
        throw error;
      }
    });
    return borrow(there(end));
  }
});

describe('another user', () => {
  it('is known by its credentials, and may use what the mode lets it', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const place = ownFolder();
    chmodSync(place, 0o755);
    const path = join(place, 'socket');
    const socket = borrow(UnixDatagramSocket.bind(path, { mode: 0o622, credentials: true }));
    const server = borrow(UnixSeqpacketServer.listen(`${path}-2`, { mode: 0o622 }));
    const peer = await socketPeer();
    await peer.call('become', nobody);
    await peer.call('make', 'it', 'UnixDatagramSocket.create');
    await peer.call('it.sendSync', 'x', { to: path });
    const who = { pid: peer.pid, uid: nobody, gid: nobody };
    expect(await socket.receive()).toMatchObject({ credentials: who });
    await peer.call('make', 'end', 'UnixSeqpacketSocket.connect', `${path}-2`);
    const far = borrow(await server.accept());
    expect([far.peerCredentials, peerCredentials(far.fd)]).toEqual([who, who]);
  });

  it('may not claim to be somebody else: EPERM, and the text says so', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const name = abstractName();
    const socket = borrow(UnixDatagramSocket.bind(name, { credentials: true }));
    const peer = await socketPeer();
    await peer.call('become', nobody);
    await peer.call('make', 'it', 'UnixDatagramSocket.create');
    for (const method of ['it.sendSync', 'it.trySend', 'it.send']) {
      const error = await peer.failure(method, 'x', {
        to: name,
        credentials: { pid: peer.pid, uid: 0, gid: 0 },
      });
      expect(error).toMatchObject({ class: 'IpcError', code: 'EPERM' });
      expect(error.message).toMatch(/credentials|CAP_/);
    }
    expect(socket.tryReceive()).toBeUndefined();
  });

  it('is what a process with the capabilities may claim to be', async ({ skip }) => {
    skip(process.getuid?.() !== 0, 'only root may claim others');
    const socket = receiver({ credentials: true });
    const peer = await socketPeer();
    const claimed = { pid: peer.pid, uid: nobody, gid: 12 };
    const error = await socket
      .send('x', { to: socket.address, credentials: claimed })
      .catch((reason: unknown) => reason);
    skip(error !== undefined, 'root has no CAP_SETUID, CAP_SETGID or CAP_SYS_ADMIN here');
    expect((await socket.receive()).credentials).toEqual(claimed);
  });
});

describe('a receiver that can have no descriptor more', () => {
  it('gets as many as there is room for, and is told that others are lost', async () => {
    const path = socketPath();
    const peer = await peerWith('UnixDatagramSocket.bind', path, { descriptors: true });
    const first = await peer.call('sys.dup', 0);
    const open = descriptorsOf(peer.pid);
    const limit = program('prlimit', '--pid', peer.pid, `--nofile=${Number(first) + 3}`);
    await limit.exited;
    const from = sender();
    const ours = descriptors();
    from.sendSync('x', { to: path, descriptors: [0, 0, 0, 0, 0, 0] });
    const message = (await peer.call('it.receiveSync')) as {
      descriptors: number[];
      descriptorsTruncated: boolean;
    };
    expect(message.descriptorsTruncated).toBe(true);
    expect(message.descriptors.length).toBeLessThan(6);
    expect(descriptorsOf(peer.pid)).toBe(open + message.descriptors.length);
    for (const fd of message.descriptors) await peer.call('sys.close', fd);
    expect(descriptorsOf(peer.pid)).toBe(open);
    expect(descriptors()).toBe(ours);
  });

  it('fails with EMFILE where it accepts, connects or makes a pair, and leaves nothing', async () => {
    const path = socketPath();
    const peer = await peerWith('UnixSeqpacketServer.listen', path);
    const near = borrow(UnixSeqpacketSocket.connectSync(path));
    const first = await peer.call('sys.dup', 0);
    await program('prlimit', '--pid', peer.pid, `--nofile=${Number(first) + 1}`).exited;
    const open = descriptorsOf(peer.pid);
    for (const [name, ...args] of [
      ['it.tryAccept'],
      ['it.acceptSync'],
      ['it.accept'],
      ['UnixSeqpacketSocket.connectSync', path],
      ['UnixSeqpacketSocket.connect', path],
      ['UnixSeqpacketSocket.pair'],
      ['UnixDatagramSocket.create'],
    ] as [string, ...unknown[]][])
      expect(await peer.failure('make', 'x', name, ...args), name).toMatchObject({
        class: 'IpcError',
        code: 'EMFILE',
      });
    expect(descriptorsOf(peer.pid)).toBe(open);
    await peer.call('sys.close', first);
    await peer.call('make', 'end', 'it.accept');
    await peer.call('end.sendSync', 'after all');
    expect(text(there(await near.receive()))).toBe('after all');
  });
});

it('a folder that the socket is in can go, and the connection stays', async () => {
  const folder = join(ownFolder(), 'inside');
  mkdirSync(folder);
  const server = packetServer(join(folder, 'socket'));
  const peer = await peerWith('UnixSeqpacketSocket.connect', server.address);
  const far = borrow(await server.accept());
  server.close();
  expect(spawnSync('rmdir', [folder]).status).toBe(0);
  await far.send('still');
  expect(await peer.call('it.receive')).toMatchObject({ data: Buffer.from('still') });
});
