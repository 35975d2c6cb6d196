// Shared memory that tests make by a name, a descriptor or nothing at all, and what the kernel itself says of it.
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { ownFd } from './descriptors.js';

const { MAP_SHARED, O_CREAT, O_EXCL, O_RDWR, PROT_READ, PROT_WRITE } = sys;

let names = 0;

/** Where the C library has the object of that name. */
export function pathOf(name: string): string {
  return `/dev/shm/${name.replace(/^\/+/, '')}`;
}

/** A name that a test gave to shared memory: unlinked when the test is over. */
export function ownMemoryName(name: string): string {
  onTestFinished(() => {
    if (existsSync(pathOf(name))) unlinkSync(pathOf(name));
  });
  return name;
}

/** A name that nobody uses; an object that has it when the test is over is the test's own and unlinked. */
export function unusedMemoryName(): string {
  return ownMemoryName(`/unix-ipc-mapped-${process.pid}-${names++}`);
}

/** A new object of the test's own with a size. */
export function newObject({
  name = unusedMemoryName(),
  size = 4096,
  mode = 0o600,
  flags = O_RDWR,
} = {}): number {
  const fd = ownFd(sys.shm_open(name, O_CREAT | O_EXCL | flags, mode));
  if (size > 0) sys.ftruncate(fd, size);
  return fd;
}

/** A new file of memory without a name. */
export function newMemfd(size = 4096, flags = 0): number {
  const fd = ownFd(sys.memfd_create('unix-ipc-test', sys.MFD_CLOEXEC | flags));
  if (size > 0) sys.ftruncate(fd, size);
  return fd;
}

/** A mapping of the test's own: unmapped when the test is over. */
export function ownMapping(buffer: ArrayBuffer): ArrayBuffer {
  onTestFinished(() => {
    if (buffer.byteLength > 0) sys.munmap(buffer);
  });
  return buffer;
}

/** A shared mapping of a descriptor, from its beginning. */
export function mapped(fd: number, length = 4096, prot = PROT_READ | PROT_WRITE): ArrayBuffer {
  return ownMapping(sys.mmap(null, length, prot, MAP_SHARED, fd));
}

/** The lines of /proc/<pid>/maps that have the text, such as the name of an object: one for each mapping. */
export function mapsWith(text: string, pid: number | 'self' = 'self'): string[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return lines.filter((line) => line.includes(text));
}

/** The lines of /proc/<pid>/maps of shared memory, whoever made it: segments, objects with a name, files of memory. */
export function sharedMaps(pid: number | 'self' = 'self'): string[] {
  return mapsWith('', pid).filter((line) => /\s(\/SYSV|\/dev\/shm\/|\/memfd:|\/dev\/zero)/.test(line));
}

/** Bytes of address space that a process has taken. */
export function addressSpace(pid: number): number {
  const [, size] = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (size === undefined) throw new Error(`/proc/${pid}/status tells no VmSize`);
  return Number(size) * 1024;
}
