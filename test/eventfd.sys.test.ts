// eventfd(2) and what read(2), write(2) and poll(2) do with its counter.
import { spawnSync } from 'node:child_process';
import { endianness } from 'node:os';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { exhaustedPeer, fdinfo, flagsOf, interruptedPeer, ownFd, targetOf } from './helpers/descriptors.js';
import { failure, systemError } from './helpers/failures.js';
import { asleepIn } from './helpers/kernel.js';
import { nodePeer, plainEnvironment, program } from './helpers/peers.js';
import { until } from './helpers/until.js';
import { refuses } from './helpers/wrong-arguments.js';

const { EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE, O_CLOEXEC, O_NONBLOCK, O_RDWR, POLLIN, POLLOUT } = sys;

const most = 2n ** 64n - 2n;
const little = endianness() === 'LE';

/** A number as the 8 bytes that C has of it. */
function eight(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  if (little) bytes.writeBigUInt64LE(value);
  else bytes.writeBigUInt64BE(value);
  return bytes;
}

function number(bytes: Buffer): bigint {
  expect(bytes).toHaveLength(8);
  return little ? bytes.readBigUInt64LE() : bytes.readBigUInt64BE();
}

function ownEventfd(initval: number, flags = 0): number {
  return ownFd(sys.eventfd(initval, flags));
}

/** The counter by the kernel's own account. */
function count(fd: number): bigint {
  return BigInt(`0x${fdinfo(fd, 'eventfd-count')}`);
}

describe('eventfd', () => {
  it.each([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])('makes a counter of %d', (initval) => {
    const fd = ownEventfd(initval);
    expect(targetOf(fd)).toBe('anon_inode:[eventfd]');
    expect(count(fd)).toBe(BigInt(initval));
  });

  it.each([
    ['nothing', undefined, 0],
    ['0', 0, 0],
    ['EFD_CLOEXEC', EFD_CLOEXEC, O_CLOEXEC],
    ['EFD_NONBLOCK', EFD_NONBLOCK, O_NONBLOCK],
    ['EFD_SEMAPHORE', EFD_SEMAPHORE, 0],
    ['all of them', EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE, O_CLOEXEC | O_NONBLOCK],
  ])('with %s as flags sets these and no others', (_what, flags, expected) => {
    const fd = ownFd(flags === undefined ? sys.eventfd(0) : sys.eventfd(0, flags));
    expect(flagsOf(fd)).toBe(O_RDWR | expected);
  });

  it.each([2, 4, 2 ** 30, -1, -(2 ** 31)])('fails with EINVAL for flags of %d', (flags) => {
    expect(failure(() => sys.eventfd(0, flags))).toMatchObject(systemError('EINVAL', 'eventfd'));
  });

  it('fails with EMFILE where the process has no descriptor left', async () => {
    const peer = await exhaustedPeer();
    expect(await peer.failure('sys.eventfd', 0)).toMatchObject(systemError('EMFILE', 'eventfd'));
  });

  refuses('eventfd', { initval: 'unsigned', flags: 'int?' }, () => [0, 0]);
});

describe('the counter', () => {
  it('is read whole, and is 0 then', () => {
    const fd = ownEventfd(5, EFD_NONBLOCK);
    sys.write(fd, eight(2n ** 40n));
    expect(number(sys.read(fd, 8))).toBe(2n ** 40n + 5n);
    expect(failure(() => sys.read(fd, 8))).toMatchObject(systemError('EAGAIN', 'read'));
  });

  it('is read into memory of the caller', () => {
    const fd = ownEventfd(7);
    const memory = Buffer.alloc(16, '.');
    expect(sys.read(fd, memory.subarray(4))).toBe(8);
    expect(number(memory.subarray(4, 12))).toBe(7n);
    expect(memory.toString('utf8', 12)).toBe('....');
  });

  it('is read in 8 bytes whatever the count', () => {
    expect(number(sys.read(ownEventfd(3), 1000))).toBe(3n);
    const fd = ownEventfd(3);
    for (const size of [0, 1, 7]) {
      expect(failure(() => sys.read(fd, size))).toMatchObject(systemError('EINVAL', 'read'));
    }
    expect(count(fd)).toBe(3n);
  });

  it('is read one by one with EFD_SEMAPHORE', () => {
    const fd = ownEventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    expect(number(sys.read(fd, 8))).toBe(1n);
    expect(count(fd)).toBe(1n);
    expect(number(sys.read(fd, 8))).toBe(1n);
    expect(failure(() => sys.read(fd, 8)).code).toBe('EAGAIN');
  });

  it('takes up to 2^64 - 2 and fails with EAGAIN beyond, with EFD_NONBLOCK', () => {
    const fd = ownEventfd(0, EFD_NONBLOCK);
    expect(sys.write(fd, eight(most))).toBe(8);
    expect(sys.write(fd, eight(0n))).toBe(8);
    expect(failure(() => sys.write(fd, eight(1n)))).toMatchObject(systemError('EAGAIN', 'write'));
    expect(number(sys.read(fd, 8))).toBe(most);
  });

  it('fails with EINVAL for 2^64 - 1 and for less than 8 bytes', () => {
    const fd = ownEventfd(1);
    for (const data of [eight(2n ** 64n - 1n), eight(1n).subarray(0, 7), '', 'text']) {
      expect(failure(() => sys.write(fd, data))).toMatchObject(systemError('EINVAL', 'write'));
    }
    expect(count(fd)).toBe(1n);
  });

  it('is told by poll()', () => {
    const events = POLLIN | POLLOUT;
    const fds = [ownEventfd(0), ownEventfd(1), ownEventfd(1)].map((fd) => ({ fd, events }));
    sys.write(fds[2]?.fd ?? -1, eight(most - 1n));
    expect(sys.poll(fds, 0)).toEqual([POLLOUT, POLLIN | POLLOUT, POLLIN]);
  });

  it('is one for all descriptors of it', () => {
    const fd = ownEventfd(0);
    const copy = ownFd(sys.dup(fd));
    sys.write(copy, eight(9n));
    expect(number(sys.read(fd, 8))).toBe(9n);
  });
});

describe('waiting', () => {
  /** A Python process that has the eventfd too and adds to it where it is asked to. */
  function adding(fd: number): ReturnType<typeof program> {
    const script = `import os, sys
for line in sys.stdin: os.write(int(sys.argv[1]), int(line).to_bytes(8, sys.byteorder))`;
    return program('python3', '-c', script, fd);
  }

  it('read() waits until another process adds', async () => {
    const fd = ownEventfd(0);
    const peer = adding(fd);
    peer.write('6\n');
    expect(number(sys.read(fd, 8))).toBe(6n);
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0 });
  });

  it('read() waits in the call, in a process that inherited the counter', async () => {
    const fd = ownEventfd(0);
    const peer = await nodePeer();
    const reading = peer.call('sys.read', fd, 8);
    await until('the peer waits in read', () => asleepIn('read', fd, peer.pid) === 1);
    sys.write(fd, eight(11n));
    expect(await reading).toEqual(eight(11n));
  });

  it('write() waits while the counter would go over its end', async () => {
    const fd = ownEventfd(1);
    sys.write(fd, eight(most - 1n));
    const peer = await nodePeer();
    const written = peer.call('sys.write', fd, eight(2n));
    await until('the peer waits in write', () => asleepIn('write', fd, peer.pid) === 1);
    expect(number(sys.read(fd, 8))).toBe(most);
    expect(await written).toBe(8);
    expect(number(sys.read(fd, 8))).toBe(2n);
  });

  it.each([
    ['read', 0],
    ['write', 1],
  ] as const)('%s() fails with EINTR where a signal handler runs while it waits', async (call, initval) => {
    const peer = await interruptedPeer();
    const fd = (await peer.call('sys.eventfd', initval)) as number;
    if (call === 'write') await peer.call('sys.write', fd, eight(most - 1n));
    const failed = peer.failure(`sys.${call}`, fd, call === 'read' ? 8 : eight(1n));
    await until(`the peer waits in ${call}`, () => asleepIn(call, fd, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', call));
  });
});

describe('a child', () => {
  function python(script: string, fd: number): { status: number | null; stdout: string; stderr: string } {
    return spawnSync('python3', ['-c', `import os, sys; fd = int(sys.argv[1]); ${script}`, String(fd)], {
      env: plainEnvironment(),
      encoding: 'utf8',
    });
  }
  const noEventfd = python('os.eventfd_read', 0).status === 0 ? undefined : 'this Python knows no eventfd';

  it('inherits the counter and shares it', ({ skip }) => {
    skip(noEventfd !== undefined, noEventfd);
    const fd = ownEventfd(4);
    expect(python('print(os.eventfd_read(fd)); os.eventfd_write(fd, 12)', fd)).toMatchObject({
      status: 0,
      stdout: '4\n',
    });
    expect(number(sys.read(fd, 8))).toBe(12n);
  });

  it('inherits nothing with EFD_CLOEXEC', () => {
    const child = python('os.read(fd, 8)', ownEventfd(4, EFD_CLOEXEC));
    expect(child.status).toBe(1);
    expect(child.stderr).toContain('Bad file descriptor');
  });
});
