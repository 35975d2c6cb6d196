// PosixSharedMemory and Memfd between processes: objects that appear whole, peers that take memory away, other users,
// a full /dev/shm, descriptors that travel.
import { fstatSync, statSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Memfd, PosixSharedMemory, UnixDatagramSocket, UnixStreamServer } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { targetOf } from '../helpers/descriptors.js';
import { failure } from '../helpers/failures.js';
import { noSecondUser, program, sharedPeer } from '../helpers/peers.js';
import { unusedMemoryName } from '../helpers/mappings.js';
import {
  closing,
  locksAreIgnored,
  memfd,
  memoryPeer,
  noSmallFolder,
  otherUserPeer,
  pages,
  pattern,
  peerWithFolderOf,
  posix,
} from '../helpers/shared-memory.js';
import { unusedAbstract } from '../helpers/unix-sockets.js';
import { scale } from '../helpers/until.js';

/** Processes that tests use in turn. */
const [shared, another] = [sharedPeer(memoryPeer), sharedPeer(memoryPeer)];

describe('two Node processes', () => {
  it('have the same memory by its name, and see each other resize it', async () => {
    const memory = posix(2 * pages);
    memory.write(0, pattern(100));
    const peer = await memoryPeer();
    expect(await peer.call('PosixSharedMemory.open', memory.name)).toMatchObject({
      size: 2 * pages,
      readOnly: false,
    });
    expect(await peer.call('memory.read', 0, 100)).toEqual(pattern(100));
    await peer.call('memory.write', 2 * pages - 4, 'back');
    expect(memory.bytes.toString('latin1', 2 * pages - 4)).toBe('back');

    await peer.call('keep');
    await peer.call('memory.resize', 3 * pages);
    expect(await peer.call('kept')).toBe(0);
    expect(await peer.call('memory.read', 2 * pages - 4, 8)).toEqual(Buffer.from('back\0\0\0\0'));
    await peer.call('memory.write', 2 * pages, 'more');
    expect([memory.size, memory.stat().size]).toEqual([2 * pages, 3 * pages]);
    expect(
      closing(PosixSharedMemory.open(memory.name))
        .read(2 * pages, 4)
        .toString(),
    ).toBe('more');

    // A reader that writes through a view keeps it to itself.
    await peer.call('PosixSharedMemory.open', memory.name, { readOnly: true });
    await peer.call('keep');
    expect(await peer.call('poke', 1000, 99)).toBe(99);
    expect(memory.bytes[1000]).not.toBe(99);
    expect(await peer.failure('memory.read')).toMatchObject({ class: 'Error', code: 'ERR_MEMORY_LOST' });
    peer.signal('SIGKILL');
    await peer.exited;
    memory.write(0, 'goes on');
    expect(memory.read(0, 7).toString()).toBe('goes on');
  });

  it('get an object whole or not at all while another makes and unlinks it', async () => {
    const name = unusedMemoryName();
    const size = 3 * pages + 1;
    const peer = shared();
    const maker = { done: false };
    const made = peer.call('makeAndUnlink', name, size).finally(() => (maker.done = true));
    const seen = { class: 0, call: 0, none: 0 };
    const errors = new Set<string | undefined>();
    const missing = (error: unknown): void => {
      const { code } = error as { code?: string };
      if (code === 'ENOENT') seen.none++;
      else errors.add(code ?? String(error));
    };
    while (!maker.done && errors.size === 0 && (seen.class < 50 || seen.call < 50)) {
      try {
        const memory = PosixSharedMemory.open(name);
        if (memory.size !== size) errors.add(`opened with a size of ${memory.size}`);
        memory.close();
        seen.class++;
      } catch (error) {
        missing(error);
      }
      try {
        const fd = sys.shm_open(name, sys.O_RDONLY);
        const found = fstatSync(fd);
        if (found.size !== size || found.blocks * 512 < size)
          errors.add(`a size of ${found.size} with ${found.blocks} blocks`);
        sys.close(fd);
        seen.call++;
      } catch (error) {
        missing(error);
      }
      if ((seen.class + seen.call + seen.none) % 100 === 0)
        await new Promise((resolve) => setImmediate(resolve));
    }
    await peer.call('stop');
    expect([...errors]).toEqual([]);
    expect(await made).toBeGreaterThan(0);
  });

  it('with exclusive: false make one object of a name, whoever is first', async () => {
    const names = Array.from({ length: 100 }, unusedMemoryName);
    await Promise.all([shared(), another()].map((peer) => peer.call('makeOrOpen', names, pages)));
    const counts = names.map((name) =>
      closing(PosixSharedMemory.open(name))
        .read(pages - 8, 4)
        .readInt32LE(),
    );
    expect(counts).toEqual(names.map(() => 2));
  });
});

describe('memory that a peer takes away', () => {
  it('ends no process, whatever it does meanwhile', async () => {
    const name = unusedMemoryName();
    const size = 16 * pages;
    const memory = posix(size, { name });
    const peer = shared();
    const one = Buffer.of(1);
    for (const how of ['read', 'write', 'loop', 'fill']) {
      const peers = { done: false };
      const survived = peer.call('survive', how, name, 100 * scale).finally(() => (peers.done = true));
      let rounds = 0;
      for (; !peers.done; rounds++) {
        // Not to nothing each time: what is at the beginning is there or not apart from the rest.
        sys.ftruncate(memory.fd, rounds % 3 === 0 ? 0 : 4 * pages);
        sys.ftruncate(memory.fd, size);
        writeSync(memory.fd, one, 0, 1, rounds % size);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const result = (await survived) as { opened: number; strangers: number; codes: string[] };
      expect(result.strangers, how).toBe(0);
      expect(result.opened, how).toBeGreaterThan(0);
      // EINVAL is what an object of no size is opened with.
      const others = result.codes.filter((code) => code !== 'ERR_MEMORY_LOST' && code !== 'EINVAL');
      expect(others, how).toEqual([]);
      expect(rounds, how).toBeGreaterThan(0);
    }
    await peer.call('PosixSharedMemory.open', name);
    await peer.call('memory.write', size - 1, 'x');
    expect(memory.stat().size).toBe(size);
    sys.ftruncate(memory.fd, 0);
    expect(await peer.failure('memory.read')).toMatchObject({ class: 'Error', code: 'ERR_MEMORY_LOST' });
    await peer.call('memory.stat');
    await peer.call('memory.unlink');
    await peer.call('memory.close');
    expect(memory.stat().unlinked).toBe(true);
  });
});

describe('another user', () => {
  it('is told what is missing, and may what the mode says', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const mine = posix(pages);
    const readable = posix(pages, { mode: 0o644 });
    readable.write(0, 'for all');
    const peer = await otherUserPeer();
    for (const options of [{}, { readOnly: true }]) {
      const error = await peer.failure('PosixSharedMemory.open', mine.name, options);
      expect(error).toMatchObject({ class: 'IpcError', code: 'EACCES', path: mine.name });
      expect(error.message).toMatch(/\b0o?600\b|\bmode\b/);
    }
    const error = await peer.failure('PosixSharedMemory.open', readable.name);
    expect(error).toMatchObject({ class: 'IpcError', code: 'EACCES', path: readable.name });
    expect(error.message).toMatch(/readOnly/);
    await peer.call('PosixSharedMemory.open', readable.name, { readOnly: true });
    expect(await peer.call('memory.read', 0, 7)).toEqual(Buffer.from('for all'));
    expect(await peer.call('memory.stat')).toMatchObject({
      uid: process.getuid?.(),
      mode: 0o644,
      unlinked: false,
    });
    const unlinked = await peer.failure('memory.unlink');
    expect(unlinked).toMatchObject({ class: 'IpcError', code: 'EACCES', path: readable.name });
    expect(unlinked.message).toMatch(/owner/);
    expect(statSync(`/dev/shm${readable.name}`).size).toBe(pages);
  });

  it('may lock as much as RLIMIT_MEMLOCK lets it', async ({ skip }) => {
    const reason = noSecondUser() ?? locksAreIgnored();
    skip(reason !== undefined, reason);
    const peer = await memoryPeer('prlimit', `--memlock=${pages}`);
    await peer.call('become', 65_534);
    await peer.call('Memfd.create', { size: 8 * pages });
    const error = await peer.failure('memory.lock');
    expect(error).toMatchObject({ class: 'IpcError', code: 'ENOMEM' });
    expect(error.message).toContain('RLIMIT_MEMLOCK');
    await peer.call('memory.write', 0, 'usable');
    await peer.call('memory.resize', pages);
    await peer.call('memory.lock');
    await peer.call('memory.unlock');
  });
});

it('a full /dev/shm is ENOSPC at once, with nothing left behind; without reserve it is no death either', async ({
  skip,
}) => {
  const reason = noSmallFolder();
  skip(reason !== undefined, reason);
  const size = 16 * pages;
  const peer = await peerWithFolderOf(String(size));
  expect(await peer.call('PosixSharedMemory.limits')).toEqual({ size, free: size });
  await peer.call('PosixSharedMemory.create', { name: '/first', size: 10 * pages });
  await peer.call('memory.write', 0, 'stays');
  for (const exclusive of [true, false]) {
    const error = await peer.failure('PosixSharedMemory.create', {
      name: '/second',
      size: 10 * pages,
      exclusive,
    });
    expect(error).toMatchObject({ class: 'IpcError', code: 'ENOSPC', path: '/second' });
    expect(error.message).toMatch(/\/dev\/shm/);
  }
  expect(await peer.call('PosixSharedMemory.list')).toEqual(['/first']);
  expect(await peer.call('PosixSharedMemory.limits')).toEqual({ size, free: 6 * pages });
  expect(await peer.failure('memory.resize', 17 * pages)).toMatchObject({ code: 'ENOSPC' });
  expect(await peer.failure('memory.resize', 2 * size)).toMatchObject({ code: 'ENOSPC' });
  expect(await peer.call('memory.size')).toBe(10 * pages);
  expect(await peer.call('memory.read', 0, 5)).toEqual(Buffer.from('stays'));
  expect(await peer.call('PosixSharedMemory.limits')).toEqual({ size, free: 6 * pages });
  await peer.call('memory.resize', 12 * pages);
  await peer.call('memory.write', 12 * pages - 1, 'x');

  const sparse = { name: '/sparse', size: 10 * pages, reserve: false };
  expect(await peer.call('PosixSharedMemory.create', sparse)).toMatchObject({ size: 10 * pages });
  await peer.call('memory.write', 0, 'room for this');
  const full = await peer.failure('memory.write', 0, Buffer.alloc(10 * pages, 1));
  expect(full.code).toMatch(/^(ERR_MEMORY_LOST|ENOSPC)$/);
  expect(full.message).toMatch(/full|truncat|\/dev\/shm/);
  expect((await peer.failure('memory.read')).code).toBe('ERR_MEMORY_LOST');
  await peer.call('memory.unlink');
  await peer.call('memory.close');
  expect(await peer.call('PosixSharedMemory.list')).toEqual(['/first']);
});

describe('a memfd that was sent over', () => {
  it('a datagram socket is the same memory there', async () => {
    const memory = memfd(2 * pages);
    memory.write(0, 'from here');
    const address = unusedAbstract();
    const peer = shared();
    await peer.call('bindDatagram', address);
    const socket = closing(UnixDatagramSocket.connect(address));
    socket.sendSync('memory', { descriptors: [memory.fd] });
    expect(await peer.call('receiveMemfd')).toMatchObject({ size: 2 * pages, readOnly: false });
    expect(await peer.call('memory.read', 0, 9)).toEqual(Buffer.from('from here'));
    await peer.call('memory.write', 2 * pages - 5, 'there');
    expect(memory.read(2 * pages - 5).toString()).toBe('there');
    expect(failure(() => memory.seal('write'))).toMatchObject({ code: 'EBUSY' });
    await peer.call('memory.close');
    memory.seal('write');
    expect(memory.read(0, 9).toString()).toBe('from here');
  });

  it('a stream is the same memory there, sealed if it is here', async () => {
    const memory = memfd(pages);
    memory.write(0, 'sealed');
    memory.seal('shrink', 'grow', 'write', 'seal');
    const address = unusedAbstract();
    const server = closing(UnixStreamServer.listen(address));
    const peer = shared();
    await peer.call('connectStream', address);
    const stream = closing(server.acceptSync({ timeout: 5_000 * scale }));
    // The object itself stands for its descriptor.
    stream.sendSync('memory', { descriptors: [memory] });
    expect(await peer.call('receiveMemfd', { readOnly: true })).toMatchObject({
      size: pages,
      readOnly: true,
    });
    expect(await peer.call('memory.read', 0, 6)).toEqual(Buffer.from('sealed'));
    expect(await peer.call('memory.seals')).toEqual(memory.seals);
    expect(await peer.failure('memory.resize', 10)).toMatchObject({ class: 'IpcError' });
    memory.close();
    expect(await peer.call('memory.read', 0, 6)).toEqual(Buffer.from('sealed'));
  });
});

it('descriptors that were released or adopted stay with this process alone', async () => {
  const memory = Memfd.create({ size: 100 });
  const fd = memory.release();
  const peer = program('sh', '-c', 'ls -l /proc/self/fd | grep -c memfd || true');
  expect((await peer.exited).stdout.trim()).toBe('0');
  expect(targetOf(fd)).toMatch(/memfd/);
  closing(Memfd.fromFd(fd)).write(0, 'x');
});
