// Names of Unix sockets: paths with their files, abstract names, none; what bind() and close() do with files.
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  Fifo,
  IpcError,
  UnixDatagramSocket,
  UnixSeqpacketServer,
  UnixSeqpacketSocket,
  UnixStream,
  UnixStreamServer,
} from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { failure, rejection, systemError } from './helpers/failures.js';
import { type NodePeer, noSecondUser, nobody } from './helpers/peers.js';
import { scale } from './helpers/until.js';
import {
  abstractName,
  borrow,
  cPeer,
  descriptors,
  fillBacklog,
  fill,
  ownFolder,
  patience,
  sender,
  socketPath,
  socketPeer,
  text,
  there,
} from './helpers/unix-socket-ends.js';

type Address = string | Uint8Array;
interface BindOptions {
  mode?: number;
  replaceStale?: boolean;
  unlinkOnClose?: boolean;
}
interface Bound {
  readonly address: Address;
  readonly fd: number;
  readonly closed: boolean;
  close(): void;
  unlink(): void;
  release(): number;
}
interface Kind {
  name: string;
  method: string;
  type: number;
  bind(address: Address, options?: BindOptions): Bound;
  /** Whether somebody is there who takes what is sent, or a connection. */
  reach(address: Address): void;
}

const kinds: Kind[] = [
  {
    name: 'UnixDatagramSocket.bind()',
    method: 'UnixDatagramSocket.bind',
    type: sys.SOCK_DGRAM,
    bind: (address, options) => borrow(UnixDatagramSocket.bind(address, options)),
    reach: (address) => sender().sendSync('reached', { to: address, timeout: patience }),
  },
  {
    name: 'UnixSeqpacketServer.listen()',
    method: 'UnixSeqpacketServer.listen',
    type: sys.SOCK_SEQPACKET,
    bind: (address, options) => borrow(UnixSeqpacketServer.listen(address, options)),
    reach: (address) => void borrow(UnixSeqpacketSocket.connectSync(address, { timeout: patience })),
  },
  {
    name: 'UnixStreamServer.listen()',
    method: 'UnixStreamServer.listen',
    type: sys.SOCK_STREAM,
    bind: (address, options) => borrow(UnixStreamServer.listen(address, options)),
    reach: (address) => void borrow(UnixStream.connectSync(address, { timeout: patience })),
  },
];
const each = kinds.map((kind): [string, Kind] => [kind.name, kind]);

/** A file on which nobody listens any more, made without the classes. */
function stale(path: string, type: number): string {
  const fd = sys.socket(sys.AF_UNIX, type | sys.SOCK_CLOEXEC);
  sys.bind(fd, path);
  sys.close(fd);
  return path;
}

function withUmask(mask: number): void {
  const before = process.umask(mask);
  onTestFinished(() => void process.umask(before));
}

const modeOf = (path: string): number => lstatSync(path).mode & 0o777;

describe.each(each)('%s of a path', (_name, kind) => {
  it('makes a socket file, for its owner alone', () => {
    const path = socketPath();
    const bound = kind.bind(path);
    expect(bound.address).toBe(path);
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(modeOf(path)).toBe(0o600);
    expect(sys.getsockname(bound.fd)).toBe(path);
    kind.reach(path);
  });

  it('leaves nothing else in the folder', () => {
    const path = socketPath('only');
    kind.bind(path);
    expect(readdirSync(dirname(path))).toEqual(['only']);
  });

  it('takes the mode, less the umask', () => {
    withUmask(0o027);
    const [a, b, c] = [socketPath(), socketPath(), socketPath()];
    kind.bind(a, { mode: 0o666 });
    kind.bind(b, { mode: 0o777 });
    kind.bind(c, { mode: 0 });
    expect([a, b, c].map(modeOf)).toEqual([0o640, 0o750, 0]);
    process.umask(0);
    const d = socketPath();
    kind.bind(d, { mode: 0o622 });
    expect(modeOf(d)).toBe(0o622);
    expect(process.umask(0)).toBe(0);
  });

  it('has the mode from the first moment on that the file can be found', async () => {
    withUmask(0);
    for (const options of [{}, { replaceStale: true }]) {
      for (let round = 0; round < 10; round++) {
        const path = socketPath();
        const watcher = cPeer('first-mode', path);
        expect(await watcher.line()).toBe('watching');
        kind.bind(path, { mode: 0o640, ...options });
        expect(await watcher.line()).toBe('640');
      }
    }
  });

  it('keeps the path as it was given, also where it is relative or has a slash too many', async () => {
    const folder = ownFolder();
    const peer = await socketPeer();
    await peer.call('process.chdir', folder);
    for (const path of ['relative', './dotted', `${folder}//double`]) {
      await peer.call('make', 'it', kind.method, path);
      expect(await peer.call('it.address')).toBe(path);
      await peer.call('it.close');
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  it('takes letters of any language, and bytes that are no letters', () => {
    const folder = ownFolder();
    const words = join(folder, 'grün 😀 %s');
    expect(kind.bind(words).address).toBe(words);
    kind.reach(words);
    const bytes = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe, 0x80])]);
    const bound = kind.bind(bytes);
    expect(Buffer.from(bound.address as Uint8Array).equals(bytes)).toBe(true);
    kind.reach(bytes);
    expect(readdirSync(folder, { encoding: 'buffer' })).toContainEqual(Buffer.from([0xff, 0xfe, 0x80]));
    bound.close();
    expect(readdirSync(folder)).toHaveLength(1);
    const same = kind.bind(Buffer.from(join(folder, 'plain')));
    expect(same.address).toBe(join(folder, 'plain'));
  });

  it('of 108 bytes can be had, of more fails with ENAMETOOLONG, and never a shorter name is made', () => {
    const folder = ownFolder();
    for (const length of [107, 108]) {
      const path = `${folder}/`.padEnd(length, 'n');
      const bound = kind.bind(path);
      expect(bound.address).toBe(path);
      expect(readdirSync(folder)).toEqual([path.slice(folder.length + 1)]);
      kind.reach(path);
      bound.close();
      expect(readdirSync(folder)).toEqual([]);
    }
    for (const path of [
      `${folder}/`.padEnd(109, 'n'),
      `${folder}/${'ü'.repeat(60)}`,
      Buffer.from(`${folder}/`.padEnd(109, 'n')),
      `${folder}/`.padEnd(5000, 'n'),
    ]) {
      const error = failure(() => kind.bind(path));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ENAMETOOLONG' });
      expect(error.message).toContain('108');
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of 108 bytes is replaced too where it is stale', () => {
    const folder = ownFolder();
    const path = stale(`${folder}/`.padEnd(108, 'n'), kind.type);
    expect(kind.bind(path, { replaceStale: true }).address).toBe(path);
    kind.reach(path);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('with a NUL in it is refused', () => {
    const folder = ownFolder();
    expect(failure(() => kind.bind(`${folder}/a\0b`))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('fails with what the kernel says, and the path', () => {
    const missing = join(ownFolder(), 'none', 'socket');
    const error = failure(() => kind.bind(missing));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'bind'), path: missing });
    expect(error.message).toContain(missing);
  });

  it('on which somebody listens fails with EADDRINUSE, with replaceStale or without', () => {
    const path = socketPath();
    const bound = kind.bind(path);
    const { ino } = statSync(path);
    const before = descriptors();
    for (const other of kinds) {
      for (const options of [{}, { replaceStale: false }, { replaceStale: true }]) {
        const error = failure(() => other.bind(path, options));
        expect(error).toBeInstanceOf(IpcError);
        expect(error).toMatchObject({ ...systemError('EADDRINUSE', 'bind'), path });
        expect(error.message).toContain(path);
      }
    }
    expect(statSync(path).ino).toBe(ino);
    expect(readdirSync(dirname(path))).toEqual(['socket']);
    expect(descriptors()).toBe(before);
    kind.reach(bound.address);
  });

  it('that was left behind fails with EADDRINUSE, which says what helps', () => {
    const path = stale(socketPath(), kind.type);
    const { ino } = lstatSync(path);
    for (const options of [{}, { replaceStale: false }]) {
      const error = failure(() => kind.bind(path, options));
      expect(error).toMatchObject({ ...systemError('EADDRINUSE', 'bind'), path });
      expect(error.message).toContain('replaceStale');
    }
    expect(lstatSync(path).ino).toBe(ino);
  });

  it.each(each)(
    'that was left behind is replaced where replaceStale says so, as it was by %s',
    (_other, other) => {
      withUmask(0);
      const path = stale(socketPath(), other.type);
      const bound = kind.bind(path, { replaceStale: true, mode: 0o640 });
      expect(bound.address).toBe(path);
      expect(sys.getsockname(bound.fd)).toBe(path);
      expect([lstatSync(path).isSocket(), modeOf(path)]).toEqual([true, 0o640]);
      expect(readdirSync(dirname(path))).toEqual(['socket']);
      kind.reach(path);
      bound.close();
      expect(readdirSync(dirname(path))).toEqual([]);
    },
  );

  it('where nothing is needs no replacing', () => {
    const path = socketPath();
    const bound = kind.bind(path, { replaceStale: true });
    expect([bound.address, modeOf(path)]).toEqual([path, 0o600]);
    expect(readdirSync(dirname(path))).toEqual(['socket']);
    kind.reach(path);
  });

  it.each<[string, (path: string) => void]>([
    ['a file', (path) => writeFileSync(path, 'precious')],
    ['an empty file', (path) => writeFileSync(path, '')],
    ['a folder', (path) => mkdirSync(path)],
    ['a FIFO', (path) => void Fifo.make(path)],
    ['a link that leads nowhere', (path) => symlinkSync('nowhere', path)],
    ['a link to a file', (path) => symlinkSync('/etc/passwd', path)],
  ])('that is %s is never replaced', (_what, make) => {
    const path = socketPath();
    make(path);
    const { ino } = lstatSync(path);
    for (const options of [{}, { replaceStale: true }])
      expect(failure(() => kind.bind(path, options))).toMatchObject({
        ...systemError('EADDRINUSE', 'bind'),
        path,
      });
    expect(lstatSync(path).ino).toBe(ino);
    expect(readdirSync(dirname(path))).toEqual(['socket']);
    if (_what === 'a file') expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('of another user who has it live, and lets nobody in, is not replaced', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const path = socketPath();
    const bound = kind.bind(path, { mode: 0o600 });
    chmodSync(dirname(path), 0o777);
    const { ino } = lstatSync(path);
    const peer = await socketPeer();
    await peer.call('become', nobody);
    const error = await peer.failure('make', 'it', kind.method, path, { replaceStale: true });
    expect(error.code).toMatch(/^(EADDRINUSE|EACCES)$/);
    expect(lstatSync(path).ino).toBe(ino);
    expect(readdirSync(dirname(path))).toEqual(['socket']);
    kind.reach(bound.address);
  });

  it('that another user may not use fails with EACCES on the way there', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const path = socketPath();
    kind.bind(path, { mode: 0o600 });
    chmodSync(dirname(path), 0o755);
    const peer = await socketPeer();
    await peer.call('become', nobody);
    const calls: [string, ...unknown[]][] =
      kind.type === sys.SOCK_DGRAM
        ? [
            ['make', 'it', 'UnixDatagramSocket.connect', path],
            ['make', 'it', 'UnixDatagramSocket.create'],
            ['it.sendSync', 'x', { to: path }],
          ]
        : kind.type === sys.SOCK_STREAM
          ? [
              ['make', 'it', 'UnixStream.connectSync', path],
              ['make', 'it', 'UnixStream.connect', path],
            ]
          : [
              ['make', 'it', 'UnixSeqpacketSocket.connectSync', path],
              ['make', 'it', 'UnixSeqpacketSocket.tryConnect', path],
            ];
    for (const [name, ...args] of calls) {
      if (args[1] === 'UnixDatagramSocket.create') {
        await peer.call(name, ...args);
        continue;
      }
      const error = await peer.failure(name, ...args);
      expect(error).toMatchObject({ class: 'IpcError', code: 'EACCES' });
      expect(error.message).toContain(path);
    }
    expect(await peer.failure('make', 'it', kind.method, join(dirname(path), 'other'))).toMatchObject({
      code: 'EACCES',
    });
    chownSync(path, nobody, nobody);
    for (const [name, ...args] of calls) await peer.call(name, ...args);
  });
});

describe('replaceStale', () => {
  it('does not replace a server whose backlog is full, and does not wait for it', () => {
    for (const kind of kinds.slice(1)) {
      const path = socketPath();
      const server =
        kind.type === sys.SOCK_STREAM
          ? borrow(UnixStreamServer.listen(path, { backlog: 0 }))
          : borrow(UnixSeqpacketServer.listen(path, { backlog: 0 }));
      const count = fillBacklog(server);
      for (const other of kinds)
        expect(failure(() => other.bind(path, { replaceStale: true }))).toMatchObject({ code: 'EADDRINUSE' });
      // Nor is one more connection there.
      let accepted = 0;
      for (let end = server.tryAccept(); end !== undefined; end = server.tryAccept(), accepted++) borrow(end);
      expect(accepted).toBe(count);
    }
  });

  it('does not replace a datagram socket whose queue is full, and sends nothing to it', () => {
    const path = socketPath();
    const socket = borrow(UnixDatagramSocket.bind(path));
    const from = sender();
    expect(failure(() => UnixDatagramSocket.bind(path, { replaceStale: true }))).toMatchObject({
      code: 'EADDRINUSE',
    });
    expect(socket.tryReceive()).toBeUndefined();
    const count = fill(from, { to: path });
    expect(failure(() => UnixDatagramSocket.bind(path, { replaceStale: true }))).toMatchObject({
      code: 'EADDRINUSE',
    });
    expect(socket.tryReceiveMany(count + 5)).toHaveLength(count);
  });

  it('does not replace a datagram socket that is connected elsewhere, and so refuses others', () => {
    const [path, elsewhere] = [socketPath(), socketPath()];
    borrow(UnixDatagramSocket.bind(elsewhere));
    const connected = borrow(UnixDatagramSocket.connect(elsewhere, { bind: path }));
    for (const kind of kinds)
      expect(failure(() => kind.bind(path, { replaceStale: true }))).toMatchObject({ code: 'EADDRINUSE' });
    expect(connected.address).toBe(path);
    expect(existsSync(path)).toBe(true);
  });

  it('is for the name of a connecting socket too', () => {
    const server = borrow(UnixSeqpacketServer.listen(socketPath()));
    const path = stale(socketPath(), sys.SOCK_SEQPACKET);
    expect(failure(() => UnixSeqpacketSocket.connectSync(server.address, { bind: path }))).toMatchObject({
      code: 'EADDRINUSE',
    });
    const near = borrow(
      UnixSeqpacketSocket.connectSync(server.address, { bind: path, replaceStale: true, timeout: patience }),
    );
    expect(borrow(there(server.tryAccept())).peerAddress).toBe(path);
    near.close();
    expect(existsSync(path)).toBe(false);
    stale(path, sys.SOCK_DGRAM);
    const to = borrow(UnixDatagramSocket.bind(socketPath()));
    expect(failure(() => UnixDatagramSocket.connect(to.address, { bind: path }))).toMatchObject({
      code: 'EADDRINUSE',
    });
    borrow(UnixDatagramSocket.connect(to.address, { bind: path, replaceStale: true })).sendSync('x');
    expect(to.receiveSync({ timeout: patience }).address).toBe(path);
  });

  it(
    'goes round what two do at once: only one has the path, and the other gets EADDRINUSE',
    async () => {
      const peers = await Promise.all([socketPeer(), socketPeer()]);
      for (const kind of kinds) {
        for (let round = 0; round < 60; round++) {
          const path = socketPath();
          // With a file that was left behind, with none, and with one that is live.
          if (round % 3 !== 2) stale(path, kind.type);
          await race(peers, kind, path);
          expect(readdirSync(dirname(path))).toEqual(['socket']);
          for (const peer of peers) await peer.outcome('it.close');
          expect(readdirSync(dirname(path))).toEqual([]);
        }
      }
    },
    60_000 * scale,
  );

  it(
    'never takes the path of one that has just got it',
    async () => {
      const peers = await Promise.all([socketPeer(), socketPeer(), socketPeer()]);
      for (const kind of kinds) {
        for (let round = 0; round < 20; round++) {
          const path = stale(socketPath(), kind.type);
          await race(peers, kind, path);
          const { ino } = lstatSync(path);
          for (const peer of peers)
            expect(
              await peer.failure('make', 'other', kind.method, path, { replaceStale: true }),
            ).toMatchObject({
              code: 'EADDRINUSE',
            });
          expect(lstatSync(path).ino).toBe(ino);
          kind.reach(path);
          for (const peer of peers) await peer.outcome('it.close');
        }
      }
    },
    60_000 * scale,
  );
});

/** All bind at the same moment; exactly one must have the path, and be reached there. */
async function race(peers: NodePeer[], kind: Kind, path: string): Promise<void> {
  for (const peer of peers) await peer.call('forget', 'it');
  const moment = performance.timeOrigin + performance.now() + 3;
  const outcomes = await Promise.all(
    peers.map((peer) => peer.outcome('at', moment, 'it', kind.method, path, { replaceStale: true })),
  );
  const lost = outcomes.flatMap(({ error }) => (error === undefined ? [] : [error]));
  expect(lost.map(({ code }) => code)).toEqual(peers.slice(1).map(() => 'EADDRINUSE'));
  const winner = peers[outcomes.findIndex(({ error }) => error === undefined)];
  if (winner === undefined) throw new Error('nobody has it');
  if (kind.type === sys.SOCK_DGRAM) {
    kind.reach(path);
    expect(await winner.call('it.tryReceive')).toMatchObject({ data: Buffer.from('reached') });
  } else {
    const type = kind.type === sys.SOCK_STREAM ? UnixStream : UnixSeqpacketSocket;
    const near = type.connectSync(path, { timeout: patience });
    try {
      expect(await winner.call('make', 'end', 'it.tryAccept')).toBe('made');
    } finally {
      near.close();
      await winner.call('end.close');
    }
  }
}

describe.each(each)('close() after %s', (_name, kind) => {
  it('removes the file', () => {
    const path = socketPath();
    kind.bind(path).close();
    expect(existsSync(path)).toBe(false);
    // So that the path can be used again.
    kind.bind(path).close();
    kind.bind(path, { unlinkOnClose: true }).close();
    expect(existsSync(path)).toBe(false);
  });

  it('leaves it where unlinkOnClose is false', () => {
    const path = socketPath();
    kind.bind(path, { unlinkOnClose: false }).close();
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(failure(() => kind.reach(path)).code).toBe('ECONNREFUSED');
  });

  it('leaves a file that is not the one it made', () => {
    const path = socketPath();
    const first = kind.bind(path);
    unlinkSync(path);
    const second = kind.bind(path);
    first.close();
    kind.reach(second.address);
    unlinkSync(path);
    writeFileSync(path, 'precious');
    second.close();
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('leaves a file that was moved elsewhere, and what is at its place now', () => {
    const path = socketPath();
    const bound = kind.bind(path);
    renameSync(path, `${path}-moved`);
    bound.close();
    expect(readdirSync(dirname(path))).toEqual(['socket-moved']);
  });

  it('leaves the file of another that has replaced it', () => {
    const path = socketPath();
    const first = kind.bind(path, { unlinkOnClose: false });
    first.close();
    const second = kind.bind(path, { replaceStale: true });
    first.close();
    kind.reach(second.address);
  });

  it('does not complain where the file or its folder is gone', () => {
    const path = socketPath();
    const bound = kind.bind(path);
    unlinkSync(path);
    expect(() => bound.close()).not.toThrow();
    expect(bound.closed).toBe(true);
  });

  it('removes the right file after the folder of the process has changed', async () => {
    const [folder, other] = [ownFolder(), ownFolder()];
    const peer = await socketPeer();
    await peer.call('process.chdir', folder);
    await peer.call('make', 'it', kind.method, 'socket');
    await peer.call('process.chdir', other);
    writeFileSync(join(other, 'socket'), 'precious');
    await peer.call('it.close');
    expect(readFileSync(join(other, 'socket'), 'utf8')).toBe('precious');
  });

  it('leaves a file that it did not make', () => {
    const path = socketPath();
    const raw = sys.socket(sys.AF_UNIX, kind.type | sys.SOCK_CLOEXEC);
    sys.bind(raw, path);
    if (kind.type === sys.SOCK_DGRAM) UnixDatagramSocket.fromFd(raw).close();
    else {
      sys.listen(raw, 1);
      if (kind.type === sys.SOCK_STREAM) UnixStreamServer.fromFd(raw).close();
      else UnixSeqpacketServer.fromFd(raw).close();
    }
    expect(existsSync(path)).toBe(true);
  });

  it('is for a block with using too', () => {
    const path = socketPath();
    {
      using _bound = { [Symbol.dispose]: () => bound.close() };
      const bound = kind.bind(path);
      expect(existsSync(path)).toBe(true);
    }
    expect(existsSync(path)).toBe(false);
  });
});

it('a connection has no file of its own, and its end leaves that of the server', () => {
  const path = socketPath();
  const server = borrow(UnixStreamServer.listen(path));
  const near = borrow(UnixStream.connectSync(path));
  const far = borrow(there(server.tryAccept()));
  near.close();
  far.close();
  expect(existsSync(path)).toBe(true);
  kinds[2]?.reach(path);
});

describe.each(each)('unlink() after %s', (_name, kind) => {
  it('removes the file at once, and the socket goes on', () => {
    const path = socketPath();
    const bound = kind.bind(path);
    bound.unlink();
    expect(existsSync(path)).toBe(false);
    expect(bound.closed).toBe(false);
    expect(failure(() => kind.reach(path))).toMatchObject({ code: 'ENOENT' });
    // Another may have it.
    const next = kind.bind(path);
    bound.close();
    kind.reach(next.address);
  });

  it('fails with ENOENT where there is none', () => {
    const path = socketPath();
    const bound = kind.bind(path);
    unlinkSync(path);
    const error = failure(() => bound.unlink());
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'unlink'), path });
  });

  it('does not remove the file of another', () => {
    const path = socketPath();
    const first = kind.bind(path);
    first.unlink();
    const second = kind.bind(path);
    expect(failure(() => first.unlink())).toHaveProperty('code');
    kind.reach(second.address);
  });
});

describe.each(each)('%s of an abstract name', (_name, kind) => {
  it('makes no file, and is free again with the last descriptor', () => {
    const name = abstractName();
    const bound = kind.bind(name);
    expect(bound.address).toBe(name);
    kind.reach(name);
    expect(failure(() => kind.bind(name))).toMatchObject({ code: 'EADDRINUSE' });
    expect(failure(() => kind.bind(name, { replaceStale: true }))).toMatchObject({ code: 'EADDRINUSE' });
    bound.close();
    expect(failure(() => kind.reach(name))).toMatchObject({ code: 'ECONNREFUSED' });
    kind.bind(name);
  });

  it('has exactly its own length, NULs and all', () => {
    const stem = abstractName();
    const names = [stem, `${stem}\0`, `${stem}\0\0`, `${stem}\0end`, `${stem}end`];
    const bound = names.map((name) => kind.bind(name));
    expect(bound.map(({ address }) => address)).toEqual(names);
    for (const name of names) kind.reach(name);
    bound[1]?.close();
    expect(failure(() => kind.reach(`${stem}\0`))).toMatchObject({ code: 'ECONNREFUSED' });
    kind.reach(stem);
    kind.reach(`${stem}\0\0`);
  });

  it('of 108 bytes with the first NUL can be had, of more fails with ENAMETOOLONG', () => {
    const longest = abstractName().padEnd(108, 'n');
    expect(kind.bind(longest).address).toBe(longest);
    kind.reach(longest);
    const error = failure(() => kind.bind(`${longest}n`));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ENAMETOOLONG' });
    expect(failure(() => kind.reach(`${longest}n`))).toMatchObject({ code: 'ENAMETOOLONG' });
  });

  it('of bytes that are no letters comes back as bytes', () => {
    const name = Buffer.concat([Buffer.from(abstractName()), Buffer.from([0xff, 0, 0x80])]);
    const bound = kind.bind(name);
    expect(Buffer.isBuffer(bound.address)).toBe(true);
    expect(Buffer.from(bound.address as Uint8Array).equals(name)).toBe(true);
    kind.reach(name);
    const words = Buffer.from(abstractName('grün'));
    expect(kind.bind(words).address).toBe(words.toString());
  });

  it('as an empty one is chosen by the kernel', () => {
    const [a, b] = [kind.bind(''), kind.bind(new Uint8Array(0))];
    for (const { address } of [a, b]) expect(address).toMatch(/^\0[0-9a-f]{5}$/);
    expect(a.address).not.toBe(b.address);
    kind.reach(a.address);
  });

  it('is not changed when the bytes that it was made of are', () => {
    const name = abstractName();
    const bytes = Buffer.from(name);
    const bound = kind.bind(bytes);
    bytes.fill('x');
    expect(bound.address).toBe(name);
    kind.reach(name);
  });
});

describe('an abstract name', () => {
  it('of a sender comes with its messages, exactly', () => {
    const to = borrow(UnixDatagramSocket.bind(socketPath()));
    const stem = abstractName();
    const bytes = Buffer.concat([Buffer.from(stem), Buffer.from([0xff])]);
    for (const name of [stem, `${stem}\0\0`, bytes, '', undefined]) {
      const from = name === undefined ? sender() : borrow(UnixDatagramSocket.bind(name));
      from.sendSync('x', { to: to.address });
      const [message] = to.tryReceiveMany(1);
      expect(there(message).address).toEqual(from.address);
      if (name instanceof Uint8Array) expect(there(message).address).toEqual(bytes);
      else if (name !== '') expect(there(message).address).toBe(name ?? '');
    }
  });

  it('that came with a message can be answered', () => {
    const to = borrow(UnixDatagramSocket.bind(abstractName('\0\0a')));
    const from = borrow(UnixDatagramSocket.bind(Buffer.from([...Buffer.from(abstractName()), 0xfe, 0])));
    from.sendSync('question', { to: to.address });
    to.sendSync('answer', { to: to.receiveSync({ timeout: patience }).address });
    expect(text(from.receiveSync({ timeout: patience }))).toBe('answer');
  });

  it('is shown by the kernel as what it is', () => {
    const name = abstractName('-shown');
    borrow(UnixDatagramSocket.bind(name));
    expect(readFileSync('/proc/net/unix', 'utf8')).toContain(`@${name.slice(1)}`);
  });
});

describe('an address', () => {
  it('of 109 bytes is refused wherever it is given', async () => {
    const long = `/${'n'.repeat(108)}`;
    const to = borrow(UnixDatagramSocket.bind(socketPath()));
    const calls: [string, () => unknown][] = [
      ['UnixDatagramSocket.connect()', () => UnixDatagramSocket.connect(long)],
      ['bind of connect()', () => UnixDatagramSocket.connect(to.address, { bind: long })],
      ['sendSync()', () => to.sendSync('x', { to: long })],
      ['trySend()', () => to.trySend('x', { to: long })],
      ['send()', () => to.send('x', { to: long })],
      ['UnixSeqpacketSocket.connect()', () => UnixSeqpacketSocket.connect(long)],
      ['UnixStream.connectSync()', () => UnixStream.connectSync(long)],
      ['UnixStream.tryConnect()', () => UnixStream.tryConnect(long)],
    ];
    for (const [name, call] of calls) {
      const error = await rejection(Promise.resolve().then(call));
      expect(error, name).toBeInstanceOf(IpcError);
      expect(error, name).toMatchObject({ code: 'ENAMETOOLONG' });
    }
  });

  it('that is unnamed can not be sent or connected to', async () => {
    const from = sender();
    for (const call of [
      () => from.sendSync('x', { to: '' }),
      () => from.send('x', { to: '' }),
      () => UnixDatagramSocket.connect(''),
      () => UnixStream.connect(''),
      () => UnixSeqpacketSocket.tryConnect(''),
    ])
      expect(await rejection(Promise.resolve().then<unknown>(call))).toHaveProperty(
        'code',
        expect.stringMatching(/^(EINVAL|ENOTCONN|ECONNREFUSED|ERR_INVALID_ARG_VALUE)$/),
      );
  });
});
