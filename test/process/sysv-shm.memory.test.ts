// SysvSharedMemory between processes: what one writes the other has, and who may what.
import { describe, expect, it } from 'vitest';
import { SysvSharedMemory } from 'unix-ipc';
import { cases as limits } from '../fixtures/memory-limits.js';
import { cases as signals } from '../fixtures/memory-signals.js';
import { passesEach } from '../helpers/cases.js';
import { noSecondUser } from '../helpers/peers.js';
import { systemError } from '../helpers/failures.js';
import { segmentRow, unusedSegmentKey } from '../helpers/segments.js';
import {
  closing,
  memoryPeer,
  otherUserPeer,
  own,
  pages,
  pattern,
  segment,
} from '../helpers/shared-memory.js';

describe('two Node processes', () => {
  it('find the same segment by its key or id, and have it both ways until the last one leaves', async () => {
    const key = unusedSegmentKey();
    const memory = own(SysvSharedMemory.create({ size: 2 * pages, key }));
    memory.write(0, pattern(100));
    const peer = await memoryPeer();
    expect(await peer.call('SysvSharedMemory.open', key)).toEqual({
      size: 2 * pages,
      readOnly: false,
      id: memory.id,
      key,
    });
    expect(await peer.call('memory.read', 0, 100)).toEqual(pattern(100));
    await peer.call('memory.write', 2 * pages - 4, 'back');
    expect(memory.bytes.toString('latin1', 2 * pages - 4)).toBe('back');
    expect(memory.stat()).toMatchObject({ attached: 2, creatorPid: process.pid, lastPid: peer.pid });

    // A reader that writes through a view keeps it to itself.
    await peer.call('memory.close');
    await peer.call('SysvSharedMemory.openId', memory.id, { readOnly: true });
    await peer.call('keep');
    expect(await peer.call('poke', 1, 99)).toBe(99);
    expect(memory.bytes[1]).not.toBe(99);
    expect(await peer.failure('memory.read')).toMatchObject({ class: 'Error', code: 'ERR_MEMORY_LOST' });
    expect(await peer.call('memory.stat')).toMatchObject({ attached: 2 });

    memory.remove();
    memory.close();
    expect(segmentRow(memory.id)?.nattch).toBe(1);
    peer.signal('SIGKILL');
    await peer.exited;
    expect(segmentRow(memory.id)).toBeUndefined();
  });

  it('who is another user is told what is missing', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const [closed, open] = [unusedSegmentKey(), unusedSegmentKey()];
    const mine = own(SysvSharedMemory.create({ size: pages, key: closed }));
    const readable = own(SysvSharedMemory.create({ size: pages, key: open, mode: 0o644 }));
    readable.write(0, 'for all');
    const peer = await otherUserPeer();
    for (const [method, name] of [
      ['open', closed],
      ['openId', mine.id],
    ] as const) {
      for (const options of [{}, { readOnly: true }]) {
        const error = await peer.failure(`SysvSharedMemory.${method}`, name, options);
        expect(error, method).toMatchObject({ class: 'IpcError', code: 'EACCES' });
        expect(error.message, method).toMatch(/\b0o?600\b/);
        expect(error.message, method).toMatch(/\b(uid|user|owner|owned)\b.{0,12}\b0\b|\broot\b/);
      }
    }
    const error = await peer.failure('SysvSharedMemory.open', open);
    expect(error).toMatchObject({ class: 'IpcError', code: 'EACCES' });
    expect(error.message).toMatch(/readOnly/);
    const created = { size: pages, key: open, exclusive: false };
    expect(await peer.failure('SysvSharedMemory.create', created)).toMatchObject({
      code: 'EACCES',
      key: open,
    });
    expect([mine.stat().attached, readable.stat().attached]).toEqual([1, 1]);

    await peer.call('SysvSharedMemory.open', open, { readOnly: true });
    expect(await peer.call('memory.read', 0, 7)).toEqual(Buffer.from('for all'));
    for (const [method, args] of [
      ['remove', []],
      ['set', [{ mode: 0o666 }]],
      ['lock', []],
    ] as const) {
      const refused = await peer.failure(`memory.${method}`, ...args);
      expect(refused, method).toMatchObject({
        class: 'IpcError',
        ...systemError('EPERM', 'shmctl'),
        id: readable.id,
      });
      expect(refused.message, method).toMatch(/\b(uid|user|owner|owned|CAP_\w+)\b/);
    }
    expect(await peer.call('SysvSharedMemory.list')).toEqual(
      expect.arrayContaining([expect.objectContaining({ id: mine.id, mode: 0o600, size: pages })]),
    );
  });

  it('may lock as much as RLIMIT_MEMLOCK lets them', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const peer = await memoryPeer('prlimit', `--memlock=${pages}`);
    await peer.call('become', 65_534);
    const { id } = (await peer.call('SysvSharedMemory.create', { size: 8 * pages })) as { id: number };
    own(SysvSharedMemory.openId(id));
    const error = await peer.failure('memory.lock');
    expect(error).toMatchObject({ class: 'IpcError', ...systemError('ENOMEM', 'shmctl'), id });
    expect(error.message).toContain('RLIMIT_MEMLOCK');
    expect(await peer.call('memory.stat')).toMatchObject({ locked: false });
  });
});

it('a segment of a process that was killed is there for the next', async () => {
  const key = unusedSegmentKey();
  const peer = await memoryPeer();
  const made = (await peer.call('SysvSharedMemory.create', { size: 100, key })) as { id: number };
  await peer.call('memory.write', 0, 'left');
  peer.signal('SIGKILL');
  await peer.exited;
  const memory = own(SysvSharedMemory.open(key));
  expect([memory.id, memory.read(0, 4).toString()]).toEqual([made.id, 'left']);
  expect(memory.stat()).toMatchObject({ attached: 1, creatorPid: peer.pid });
  expect(closing(SysvSharedMemory.openId(made.id)).size).toBe(100);
  expect(segment().id).not.toBe(made.id);
});

describe('a process with more mappings than it may have', () => {
  passesEach('memory-limits.js', limits);
});

describe('memory that is not to be touched, in a process that has had a handler for faults', () => {
  passesEach('memory-signals.js', signals);
});
