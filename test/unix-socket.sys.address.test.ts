// Addresses of Unix sockets: bind(2), getsockname(2), getpeername(2), and unix(7) on what an address may be.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { closeOwn, closedFd, ownFd, ownFolder, ownPipe } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { noSecondUser, otherUser, plainEnvironment, program } from './helpers/peers.js';
import {
  boundTo,
  connectedTypes,
  connection,
  listeningAt,
  ownPair,
  ownSocket,
  pathOf,
  socketTypes,
  unusedAbstract,
  unusedPath,
} from './helpers/unix-sockets.js';
import { type Wrong, loose, refuses, wrong } from './helpers/wrong-arguments.js';

const { AF_UNIX, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_PASSCRED } = sys;

type Code = Parameters<typeof systemError>[0];

/** Values that are no address. */
const wrongAddresses: Wrong[] = [
  ...wrong('bytes'),
  ['undefined', 'ERR_INVALID_ARG_TYPE', undefined],
  ['a path with a NUL', 'ERR_INVALID_ARG_VALUE', '/tmp/pa\0th'],
  ['a path with a NUL at its end', 'ERR_INVALID_ARG_VALUE', '/tmp/path\0'],
  ['bytes with a NUL', 'ERR_INVALID_ARG_VALUE', Buffer.from('pa\0th')],
];

/** Every call that takes an address, as far as it has to be right. */
const calls: [call: string, (fd: number, address: unknown) => unknown][] = [
  ['bind', (fd, address) => loose('bind', [fd, address])],
  ['connect', (fd, address) => loose('connect', [fd, address])],
  ['sendto', (fd, address) => loose('sendto', [fd, 'x', 0, address])],
  ['sendmsg', (fd, address) => loose('sendmsg', [fd, { data: 'x', address }])],
];

/** What Python has to say of the address, its name first. */
function python(script: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync('python3', ['-c', `import socket, sys\n${script}`, ...args], {
    env: plainEnvironment(),
    encoding: 'utf8',
  });
  return stdout + stderr;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('an address', () => {
  it.each(calls)(
    'of %s that is longer than 108 bytes fails with ENAMETOOLONG before the call',
    (call, make) => {
      const folder = `${ownFolder()}/`;
      const long = folder + 'p'.repeat(109 - folder.length);
      const expected = systemError('ENAMETOOLONG', call);
      const fd = ownSocket(SOCK_DGRAM);
      for (const path of [
        long,
        `${long}${'p'.repeat(5000)}`,
        folder + 'ü'.repeat(60),
        `\0${'n'.repeat(108)}`,
      ]) {
        for (const of of [fd, -1]) {
          expect(failure(() => make(of, path))).toMatchObject({ ...expected, path });
          expect(failure(() => make(of, Buffer.from(path)))).toMatchObject(expected);
          expect(failure(() => make(of, new Uint8Array(Buffer.from(path))))).toMatchObject(expected);
        }
      }
      expect(sys.getsockname(fd)).toBe('');
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  it('may be a path of 108 bytes, which has no NUL at its end in C, and comes back whole', () => {
    for (const length of [107, 108]) {
      const path = pathOf(length);
      const listener = listeningAt(path);
      expect(statSync(path).isSocket()).toBe(true);
      expect(sys.getsockname(listener)).toBe(path);
      const client = ownSocket(SOCK_STREAM);
      sys.connect(client, path);
      expect(sys.getpeername(client)).toBe(path);
      const [receiver, sender] = [boundTo(pathOf(length)), boundTo(pathOf(length))];
      sys.sendto(sender, 'x', 0, sys.getsockname(receiver));
      expect(sys.recvfrom(receiver, 1).address).toBe(sys.getsockname(sender));
    }
  });

  it('may be a path in bytes, of which only the view counts', () => {
    const path = unusedPath();
    const whole = Buffer.from(`xx${path}xx`);
    const fd = boundTo(whole.subarray(2, 2 + path.length));
    expect(statSync(path).isSocket()).toBe(true);
    expect(sys.getsockname(fd)).toBe(path);
    expect(sys.sendto(ownSocket(SOCK_DGRAM), 'x', 0, new Uint8Array(Buffer.from(path)))).toBe(1);
  });

  it('is UTF-8 as a string, and a Buffer where it is not', () => {
    const path = unusedPath('grüße €');
    expect(sys.getsockname(boundTo(path))).toBe(path);
    const bytes = Buffer.concat([Buffer.from(`${ownFolder()}/`), Buffer.from([0xff, 0xfe, 0x80])]);
    const fd = boundTo(bytes);
    onTestFinished(() => unlinkSync(bytes));
    const address = sys.getsockname(fd);
    expect(Buffer.isBuffer(address)).toBe(true);
    expect(address).toEqual(bytes);
    const sender = ownSocket(SOCK_DGRAM);
    sys.connect(sender, address);
    expect(sys.getpeername(sender)).toEqual(bytes);
    const name = Buffer.concat([Buffer.from(unusedAbstract()), Buffer.from([0, 0xc3])]);
    expect(sys.getsockname(boundTo(name))).toEqual(name);
  });

  it('is one path relative to the folder as it is given', () => {
    const folder = ownFolder();
    const before = process.cwd();
    onTestFinished(() => process.chdir(before));
    process.chdir(folder);
    expect(sys.getsockname(boundTo('relative'))).toBe('relative');
    expect(sys.getsockname(boundTo('p'))).toBe('p');
    expect(readdirSync(folder).sort()).toEqual(['p', 'relative']);
  });

  it.each([
    ['a name', (unique: string) => unique],
    ['a name with NULs inside and at its end', (unique: string) => `${unique}\0a\0\0`],
    ['a name of UTF-8', (unique: string) => `${unique}-ü€`],
    ['a name of 108 bytes with the leading NUL', (unique: string) => unique.padEnd(108, 'n')],
    ['a name of 108 bytes that are NULs at the end', (unique: string) => unique.padEnd(108, '\0')],
  ])('that begins with a NUL is abstract, of exactly that length: %s', (_what, make) => {
    const name = make(unusedAbstract());
    const fd = boundTo(name);
    expect(sys.getsockname(fd)).toBe(name);
    const sender = ownSocket(SOCK_DGRAM);
    sys.sendto(sender, 'by the name', 0, name);
    sys.connect(sender, Buffer.from(name));
    expect(sys.getpeername(sender)).toBe(name);
    expect(sys.recv(fd, 100).toString()).toBe('by the name');
    for (const other of [name.slice(0, -1), `${name}\0`].filter(({ length }) => length <= 108)) {
      expect(failure(() => sys.connect(ownSocket(SOCK_DGRAM), other))).toMatchObject(
        systemError('ECONNREFUSED', 'connect'),
      );
    }
    closeOwn(fd);
    boundTo(name);
  });

  it('may be abstract names that differ in nothing but the NULs at their ends', () => {
    const name = unusedAbstract();
    const fds = [name, `${name}\0`, `${name}\0\0`].map((each) => boundTo(each));
    expect(fds.map((fd) => sys.getsockname(fd))).toEqual([name, `${name}\0`, `${name}\0\0`]);
  });

  it('may be an abstract name of one byte or two', () => {
    // Short names are nobody's own: another program may have them.
    for (const name of ['\0', '\0\0', Uint8Array.of(0, 1)]) {
      const fd = ownSocket(SOCK_DGRAM);
      try {
        sys.bind(fd, name);
      } catch (error) {
        expect(error).toMatchObject({ code: 'EADDRINUSE' });
        continue;
      }
      expect(Buffer.from(sys.getsockname(fd))).toEqual(Buffer.from(name));
    }
  });

  it('is what Python has, of either kind', async () => {
    const names = [unusedPath(), `${unusedAbstract()}\0x`, pathOf(107)];
    for (const name of names) {
      const fd = boundTo(name);
      const given = hex(Buffer.from(name));
      const script = `address = bytes.fromhex(sys.argv[1])
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(b''); sock.sendto(b'from python', address); print(sock.getsockname().hex())`;
      const theirs = python(script, given).trim();
      const { data, address } = sys.recvfrom(fd, 100);
      expect(data.toString()).toBe('from python');
      expect(hex(Buffer.from(address))).toBe(theirs);
    }
    const name = `${unusedAbstract()}\0of python`;
    const script = `import socket, sys
server = socket.socket(socket.AF_UNIX); server.bind(bytes.fromhex(sys.argv[1])); server.listen()
print('ready', flush=True); connection, address = server.accept(); print(address.hex(), flush=True)`;
    const peer = program('python3', '-c', script, hex(Buffer.from(name)));
    expect(await peer.line()).toBe('ready');
    const own = `${unusedAbstract()}\0`;
    const fd = boundTo(own, SOCK_STREAM);
    sys.connect(fd, name);
    expect(sys.getpeername(fd)).toBe(name);
    expect(await peer.line()).toBe(hex(Buffer.from(own)));
  });

  it.each(calls)('of %s that is sent to again and again is the one of that call', (call, make) => {
    if (call === 'bind' || call === 'connect') return;
    const fd = ownSocket(SOCK_DGRAM);
    const names = Array.from({ length: 100 }, () => unusedAbstract());
    const fds = names.map((name) => boundTo(name));
    const bytes = Buffer.from(names[0] ?? '');
    for (let round = 0; round < 2; round++) {
      for (const name of names) make(fd, name);
      // Bytes may change between two calls.
      bytes.set(Buffer.from(names[round] ?? ''));
      make(fd, bytes);
    }
    expect(fds.map((each) => sys.recv(each, 10, sys.MSG_DONTWAIT).toString()).join('')).toBe('x'.repeat(100));
    const waiting = fds.map((each) => sys.poll([{ fd: each, events: sys.POLLIN }], 0)[0]);
    expect(waiting.filter((events) => events === sys.POLLIN)).toHaveLength(100);
    for (const each of fds) sys.recv(each, 10, sys.MSG_DONTWAIT);
    expect(fds.filter((each) => sys.fionread(each) > 0)).toEqual([fds[0], fds[1]]);
  });

  it.each(calls)('of %s in bytes is what they are, whatever the object says of them', (_call, make) => {
    const fd = ownSocket(SOCK_DGRAM);
    const folder = ownFolder();
    const long = Object.defineProperty(Buffer.from(join(folder, 'p'.repeat(108))), 'length', { value: 5 });
    expect(failure(() => make(fd, long))).toMatchObject({ code: 'ENAMETOOLONG' });
    class Silent extends Uint8Array {
      override includes(): boolean {
        return false;
      }
    }
    const withNul = new Silent(Buffer.from(join(folder, 'pa\0th')));
    expect(failure(() => make(fd, withNul))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each(calls)('of %s is refused where its memory has become shorter than the view', (_call, make) => {
    // Newer than the types of the language here.
    const options = { maxByteLength: 64 };
    const memory = Reflect.construct(ArrayBuffer, [32, options]) as ArrayBuffer & {
      resize(length: number): void;
    };
    const view = new Uint8Array(memory, 16, 16).fill(65);
    memory.resize(8);
    expect(failure(() => make(ownSocket(SOCK_DGRAM), view))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  });

  it.each(calls)('of %s is refused where it is none', (call, make) => {
    const fd = ownSocket(SOCK_DGRAM);
    for (const [what, code, value] of wrongAddresses) {
      // A message may go without.
      if (value === undefined && call === 'sendmsg') continue;
      for (const of of [fd, -1])
        expect(
          failure(() => make(of, value)),
          what,
        ).toMatchObject({ code });
    }
    expect(sys.getsockname(fd)).toBe('');
  });
});

describe('bind', () => {
  it.each(socketTypes)('gives nothing back, and makes a socket of %s a file', (_what, type) => {
    const path = unusedPath();
    const before = process.umask(0o027);
    onTestFinished(() => {
      process.umask(before);
    });
    expect(loose('bind', [ownSocket(type), path])).toBeUndefined();
    expect(statSync(path).isSocket()).toBe(true);
    expect(statSync(path).mode & 0o7777).toBe(0o750);
  });

  it('leaves the file behind, which nobody can be reached by and nobody bound to', () => {
    const path = unusedPath();
    closeOwn(boundTo(path));
    expect(statSync(path).isSocket()).toBe(true);
    expect(failure(() => boundTo(path))).toMatchObject({ ...systemError('EADDRINUSE', 'bind'), path });
    const refused = { ...systemError('ECONNREFUSED', 'connect'), path };
    expect(failure(() => sys.connect(ownSocket(SOCK_DGRAM), path))).toMatchObject(refused);
    unlinkSync(path);
    boundTo(path);
  });

  it('reaches a socket whose file was moved, by the name that it was bound to', () => {
    const path = unusedPath();
    const fd = boundTo(path);
    unlinkSync(path);
    expect(sys.getsockname(fd)).toBe(path);
    expect(failure(() => sys.connect(ownSocket(SOCK_DGRAM), path)).code).toBe('ENOENT');
  });

  it('with an empty address has the kernel choose an abstract name, once', () => {
    const fds = ['', new Uint8Array(0), Buffer.alloc(0)].map((address) => boundTo(address));
    const names = fds.map((fd) => sys.getsockname(fd));
    for (const name of names) expect(name).toMatch(/^\0[0-9a-f]{5}$/);
    expect(new Set(names).size).toBe(3);
    const [fd = -1] = fds;
    sys.bind(fd, '');
    expect(sys.getsockname(fd)).toBe(names[0]);
    sys.sendto(ownSocket(SOCK_DGRAM), 'x', 0, sys.getsockname(fd));
    expect(sys.recv(fd, 10).toString()).toBe('x');
  });

  it('is what a socket with SO_PASSCRED does by itself when it connects or sends', () => {
    const address = unusedAbstract();
    const receiver = boundTo(address);
    for (const use of [
      (fd: number) => sys.connect(fd, address),
      (fd: number) => sys.sendto(fd, 'x', 0, address),
    ]) {
      const fd = ownSocket(SOCK_DGRAM);
      sys.setsockopt(fd, SOL_SOCKET, SO_PASSCRED, 1);
      expect(sys.getsockname(fd)).toBe('');
      use(fd);
      expect(sys.getsockname(fd)).toMatch(/^\0[0-9a-f]{5}$/);
    }
    expect(sys.recvfrom(receiver, 10).address).toMatch(/^\0[0-9a-f]{5}$/);
  });

  it('gives a client an address, which the server sees', () => {
    const [path, address] = [unusedPath(), unusedAbstract()];
    const listener = listeningAt(address);
    const client = boundTo(path, SOCK_STREAM);
    sys.connect(client, address);
    const server = ownFd(sys.accept(listener));
    expect(sys.getpeername(server)).toBe(path);
    expect(sys.getsockname(client)).toBe(path);
  });

  const failing: [code: Code, what: string, path: (folder: string) => string][] = [
    ['EADDRINUSE', 'a file', (folder) => join(folder, 'file')],
    ['EADDRINUSE', 'a folder', (folder) => folder],
    ['EADDRINUSE', 'a symbolic link to nothing', (folder) => join(folder, 'dangling')],
    ['EADDRINUSE', 'a dot', () => '.'],
    ['EADDRINUSE', 'the root', () => '/'],
    ['ENOENT', 'a folder that is not there', (folder) => join(folder, 'none', 'socket')],
    ['ENOENT', 'a slash at the end', (folder) => join(folder, 'new/')],
    ['ENOTDIR', 'a path below a file', (folder) => join(folder, 'file', 'socket')],
    ['ELOOP', 'a path through a link to itself', (folder) => join(folder, 'loop', 'socket')],
  ];

  it.each(failing)('fails with %s for %s', (code, _what, make) => {
    const folder = ownFolder();
    writeFileSync(join(folder, 'file'), '');
    symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'));
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
    const before = readdirSync(folder);
    const path = make(folder);
    const fd = ownSocket(SOCK_STREAM);
    expect(failure(() => sys.bind(fd, path))).toMatchObject({ ...systemError(code, 'bind'), path });
    expect(failure(() => sys.bind(fd, Buffer.from(path)))).toMatchObject(systemError(code, 'bind'));
    expect(readdirSync(folder)).toEqual(before);
    expect(sys.getsockname(fd)).toBe('');
  });

  it('fails with EADDRINUSE for an abstract name that a socket of the type has', () => {
    for (const [, type] of socketTypes) {
      const path = unusedAbstract();
      boundTo(path, type);
      expect(failure(() => boundTo(path, type))).toMatchObject({
        ...systemError('EADDRINUSE', 'bind'),
        path,
      });
    }
  });

  it('fails with EINVAL for a socket that has an address', () => {
    const fd = boundTo(unusedPath());
    for (const path of [unusedPath(), unusedAbstract()]) {
      expect(failure(() => sys.bind(fd, path))).toMatchObject({ ...systemError('EINVAL', 'bind'), path });
    }
    const chosen = boundTo('');
    expect(failure(() => sys.bind(chosen, unusedAbstract()))).toMatchObject(systemError('EINVAL', 'bind'));
  });

  it('fails with EACCES for another user where he may not write', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const folder = ownFolder();
    chmodSync(folder, 0o755);
    const peer = await otherUser();
    const theirs = await peer.call('sys.socket', AF_UNIX, SOCK_DGRAM);
    const path = join(folder, 'socket');
    expect(await peer.failure('sys.bind', theirs, path)).toMatchObject({
      ...systemError('EACCES', 'bind'),
      path,
    });
    mkdirSync(join(folder, 'closed'), { mode: 0o700 });
    expect(await peer.failure('sys.bind', theirs, join(folder, 'closed', 'socket'))).toMatchObject(
      systemError('EACCES', 'bind'),
    );
  });

  it('fails with EBADF for a descriptor that is not open, with ENOTSOCK for another thing', () => {
    const path = unusedPath();
    for (const fd of [-1, 2 ** 31 - 1, closedFd()]) {
      expect(failure(() => sys.bind(fd, path))).toMatchObject({ ...systemError('EBADF', 'bind'), path });
    }
    expect(failure(() => sys.bind(ownPipe()[0], path))).toMatchObject(systemError('ENOTSOCK', 'bind'));
    expect(failure(() => sys.bind(-1, ''))).not.toHaveProperty('path');
  });

  refuses('bind', { fd: 'int', address: wrongAddresses }, () => [-1, '']);
});

describe('connect', () => {
  const failing: [code: Code, what: string, path: (folder: string) => string][] = [
    ['ENOENT', 'a path at which nothing is', (folder) => join(folder, 'none')],
    ['ENOENT', 'a folder that is not there', (folder) => join(folder, 'none', 'socket')],
    ['ENOENT', 'a symbolic link to nothing', (folder) => join(folder, 'dangling')],
    ['ENOTDIR', 'a path below a file', (folder) => join(folder, 'file', 'socket')],
    ['ELOOP', 'a link to itself', (folder) => join(folder, 'loop')],
    ['ECONNREFUSED', 'a file', (folder) => join(folder, 'file')],
    ['ECONNREFUSED', 'a folder', (folder) => folder],
    ['ECONNREFUSED', 'an abstract name that nobody has', unusedAbstract],
    ['EINVAL', 'an empty address', () => ''],
  ];

  it.each(failing)('fails with %s for %s, and so does sending there', (code, _what, make) => {
    const folder = ownFolder();
    writeFileSync(join(folder, 'file'), '');
    symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'));
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
    const address = make(folder);
    const path = address === '' ? undefined : address;
    for (const [, type] of socketTypes) {
      const error = failure(() => sys.connect(ownSocket(type), address));
      expect(error).toMatchObject(systemError(code, 'connect'));
      expect(error.path).toBe(path);
    }
    const fd = ownSocket(SOCK_DGRAM);
    const error = failure(() => sys.sendto(fd, 'x', 0, address));
    expect(error).toMatchObject(systemError(code, 'sendto'));
    expect(error.path).toBe(path);
    const other = failure(() => sys.sendmsg(fd, { data: 'x', address }));
    expect(other).toMatchObject(systemError(code, 'sendmsg'));
    expect(other.path).toBe(path);
  });

  it('goes through symbolic links', () => {
    const path = unusedPath();
    listeningAt(path);
    symlinkSync(path, `${path}.link`);
    const fd = ownSocket(SOCK_STREAM);
    sys.connect(fd, `${path}.link`);
    expect(sys.getpeername(fd)).toBe(path);
  });

  it.each(connectedTypes)('fails with ECONNREFUSED where a socket of %s does not listen', (_what, type) => {
    for (const address of [unusedPath(), unusedAbstract()]) {
      boundTo(address, type);
      expect(failure(() => sys.connect(ownSocket(type), address))).toMatchObject({
        ...systemError('ECONNREFUSED', 'connect'),
        path: address,
      });
    }
  });

  refuses('connect', { fd: 'int', address: wrongAddresses }, () => [-1, '\0unix-ipc-nobody']);
});

describe.each(['getsockname', 'getpeername'] as const)('%s', (call) => {
  const name = sys[call];

  it.each(socketTypes)("gives '' for both of a pair of %s", (_what, type) => {
    expect(ownPair(type).map((fd) => name(fd))).toEqual(['', '']);
  });

  it('gives each end of a connection its own', () => {
    const { client, server, address } = connection();
    expect(name(client)).toBe(call === 'getsockname' ? '' : address);
    expect(name(server)).toBe(call === 'getsockname' ? address : '');
  });

  it('goes on giving it when the other end is gone', () => {
    const { client, server, address } = connection();
    closeOwn(server);
    expect(name(client)).toBe(call === 'getsockname' ? '' : address);
  });

  it('gives a value of its own at every call', () => {
    const bytes = Buffer.concat([Buffer.from(unusedAbstract()), Buffer.from([0xff])]);
    const fd = ownSocket(SOCK_DGRAM);
    boundTo(bytes);
    sys.connect(fd, bytes);
    const of = call === 'getsockname' ? boundTo(Buffer.concat([bytes, bytes.subarray(-1)])) : fd;
    const first = name(of) as Buffer;
    const before = Buffer.from(first);
    first.fill(0x41);
    expect(name(of)).toEqual(before);
    closeOwn(of);
  });

  it('fails with EBADF for a descriptor that is not open, with ENOTSOCK for another thing', () => {
    for (const fd of [-1, -(2 ** 31), 2 ** 31 - 1, closedFd()]) {
      expect(failure(() => name(fd))).toMatchObject(systemError('EBADF', call));
    }
    expect(failure(() => name(ownPipe()[1]))).toMatchObject(systemError('ENOTSOCK', call));
  });

  refuses(call, { fd: 'int' }, () => [-1]);
});

describe('getsockname', () => {
  it.each(socketTypes)("gives '' for a socket of %s without an address", (_what, type) => {
    expect(sys.getsockname(ownSocket(type))).toBe('');
  });
});

describe('getpeername', () => {
  it.each(socketTypes)('fails with ENOTCONN for a socket of %s that is not connected', (_what, type) => {
    for (const fd of [ownSocket(type), boundTo(unusedAbstract(), type)]) {
      expect(failure(() => sys.getpeername(fd))).toMatchObject(systemError('ENOTCONN', 'getpeername'));
    }
  });

  it('fails with ENOTCONN for one that listens', () => {
    expect(failure(() => sys.getpeername(listeningAt(unusedAbstract())))).toMatchObject(
      systemError('ENOTCONN', 'getpeername'),
    );
  });
});
