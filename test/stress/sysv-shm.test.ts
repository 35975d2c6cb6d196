// Mappings made and given back without end: nothing may be left of them.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { mapsWith, newMemfd } from '../helpers/mappings.js';
import { attached, newSegment, segmentRow } from '../helpers/segments.js';
import { scale } from '../helpers/until.js';

const { MAP_SHARED, PROT_READ, PROT_WRITE, SHM_RDONLY } = sys;

/** Bytes of memory that this process has. */
function resident(): number {
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * sys.SHMLBA;
}

function lines(): number {
  return mapsWith('').length;
}

/** Makes mappings in a loop that never lets the event loop run, and tells what is more afterwards. */
function more(times: number, once: () => void): { lines: number; bytes: number } {
  for (let time = 0; time < 100; time++) once();
  globalThis.gc?.();
  const before = { lines: lines(), bytes: resident() };
  for (let time = 0; time < times; time++) once();
  globalThis.gc?.();
  return { lines: lines() - before.lines, bytes: resident() - before.bytes };
}

describe('in one go', () => {
  it('100,000 attachments leave nothing', () => {
    const shmid = newSegment(65_536);
    let sum = 0;
    const left = more(100_000, () => {
      const bytes = new Uint8Array(sys.shmat(shmid));
      sum += bytes.length;
      bytes[5] = (bytes[5] ?? 0) + 1;
      sys.shmdt(bytes.buffer);
    });
    expect(sum).toBe(100_100 * 65_536);
    expect(attached(shmid)).toBe(0);
    expect(left.lines).toBeLessThan(100);
    expect(left.bytes).toBeLessThan(64 * 2 ** 20 * scale);
    const bytes = new Uint8Array(sys.shmat(shmid, null, SHM_RDONLY));
    expect(bytes[5]).toBe(100_100 % 256);
    sys.shmdt(bytes.buffer);
  });

  it('6,000 mappings with faults in them leave nothing', () => {
    const shmid = newSegment(65_536);
    const fd = newMemfd(65_536);
    const left = more(3_000, () => {
      const first = new Uint8Array(sys.shmat(shmid, null, SHM_RDONLY));
      const second = new Uint8Array(sys.mmap(null, 131_072, PROT_READ | PROT_WRITE, MAP_SHARED, fd));
      first[9000] = 1;
      second[100_000] = 1;
      sys.shmdt(first.buffer);
      sys.munmap(second.buffer);
    });
    expect(segmentRow(shmid)).toMatchObject({ nattch: 0 });
    expect(left.lines).toBeLessThan(100);
    expect(left.bytes).toBeLessThan(64 * 2 ** 20 * scale);
  });

  it('1,000 attachments at a time are there, and go in any order', () => {
    const shmid = newSegment(4096);
    const before = lines();
    const buffers = Array.from({ length: 1000 }, () => sys.shmat(shmid));
    expect(new Set(buffers).size).toBe(1000);
    expect(attached(shmid)).toBe(1000);
    const all = buffers.map((buffer) => new Uint8Array(buffer));
    all.at(-1)?.set([7]);
    expect(all.every((each) => each[0] === 7)).toBe(true);
    const [even, odd] = [0, 1].map((rest) => buffers.filter((_, index) => index % 2 === rest));
    even?.forEach((buffer) => sys.shmdt(buffer));
    expect(attached(shmid)).toBe(500);
    all.at(-1)?.set([8]);
    expect(all.filter((each) => each[0] === 8)).toHaveLength(500);
    odd?.reverse().forEach((buffer) => sys.shmdt(buffer));
    expect(attached(shmid)).toBe(0);
    expect(lines()).toBeLessThan(before + 100);
  });
});
