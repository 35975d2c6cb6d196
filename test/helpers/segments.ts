// System V shared memory segments that tests make, and what the kernel itself says of them.
import { randomInt } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { ownNamespace } from './kernel.js';

/** One line of /proc/sysvipc/shm: what the kernel says, independent of the code under test. */
export interface SegmentRow {
  key: number;
  shmid: number;
  /** Octal, with 1000 where it is marked to be destroyed and 2000 where it is locked. */
  perms: string;
  size: number;
  cpid: number;
  lpid: number;
  nattch: number;
  uid: number;
  gid: number;
  cuid: number;
  cgid: number;
  atime: number;
  dtime: number;
  ctime: number;
  rss: number;
  swap: number;
}

const columns = [
  'key',
  'shmid',
  'perms',
  'size',
  'cpid',
  'lpid',
  'nattch',
  'uid',
  'gid',
  'cuid',
  'cgid',
  'atime',
  'dtime',
  'ctime',
  'rss',
  'swap',
];

export function segmentRows(): SegmentRow[] {
  const [header = '', ...lines] = readFileSync('/proc/sysvipc/shm', 'utf8').trim().split('\n');
  if (header.trim().split(/\s+/).join() !== columns.join())
    throw new Error(`columns of /proc/sysvipc/shm: ${header}`);
  return lines.map((line) => {
    const cells = line.trim().split(/\s+/);
    const numbers = Object.fromEntries(columns.map((name, index) => [name, Number(cells[index])]));
    return { ...(numbers as unknown as SegmentRow), perms: cells[2] ?? '' };
  });
}

export function segmentRow(shmid: number): SegmentRow | undefined {
  return segmentRows().find((row) => row.shmid === shmid);
}

/** How many mappings the kernel counts; undefined where the segment is gone. */
export function attached(shmid: number): number | undefined {
  return segmentRow(shmid)?.nattch;
}

function removeIfThere(shmid: number): void {
  // An id is not given again so soon, but the row of one that is marked and attached is still there.
  const row = segmentRow(shmid);
  if (row !== undefined && parseInt(row.perms, 8) < 0o1000) sys.shmctl(shmid, sys.IPC_RMID);
}

/** A segment's id that the test made: removed when the test is over. */
export function ownSegment(shmid: number): number {
  onTestFinished(() => removeIfThere(shmid));
  return shmid;
}

/** A new private segment. */
export function newSegment(size = 4096, mode = 0o600): number {
  return ownSegment(sys.shmget(sys.IPC_PRIVATE, size, mode));
}

/** An attachment of the test's own: detached when the test is over. */
export function attach(shmid: number, flags = 0): ArrayBuffer {
  const buffer = sys.shmat(shmid, null, flags);
  onTestFinished(() => {
    if (buffer.byteLength > 0) sys.shmdt(buffer);
  });
  return buffer;
}

/** A key that nobody uses; a segment that has it when the test is over is the test's own and removed. */
export function unusedSegmentKey(): number {
  for (;;) {
    const key = randomInt(0x1000_0000, 0x7fff_ffff);
    if (segmentRows().some((row) => row.key === key)) continue;
    onTestFinished(() => {
      for (const row of segmentRows()) if (row.key === key) removeIfThere(row.shmid);
    });
    return key;
  }
}

/** An id that was a segment's and is none now. */
export function removedSegment(): number {
  const shmid = sys.shmget(sys.IPC_PRIVATE, 1, 0o600);
  sys.shmctl(shmid, sys.IPC_RMID);
  return shmid;
}

export type SegmentSetting = 'shmmax' | 'shmall' | 'shmmni' | 'shm_rmid_forced';

/** As text, for some are more than a number holds. */
export function segmentSetting(name: SegmentSetting): string {
  return readFileSync(`/proc/sys/kernel/${name}`, 'utf8').trim();
}

/** Why the namespace's limits of segments can't be changed here, or undefined where they can. */
export function segmentSettingsAreFixed(): string | undefined {
  if (!ownNamespace) return 'the IPC namespace is shared with others';
  try {
    writeFileSync('/proc/sys/kernel/shmmni', segmentSetting('shmmni'));
  } catch (error) {
    return `/proc/sys/kernel/shmmni can't be written: ${String(error)}`;
  }
  return undefined;
}

/** Changes a limit of the namespace until the test is over. Only after segmentSettingsAreFixed() gave undefined. */
export function changeSegmentSetting(name: SegmentSetting, value: number | bigint): void {
  if (!ownNamespace) throw new Error('limits are changed only in a namespace of our own');
  const before = segmentSetting(name);
  writeFileSync(`/proc/sys/kernel/${name}`, String(value));
  onTestFinished(() => writeFileSync(`/proc/sys/kernel/${name}`, before));
}

/** The kernel's page size, which is what segments are made of. */
export const pageSize = sys.SHMLBA;
