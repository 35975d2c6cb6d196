import { statfsSync, statSync, type Stats } from 'node:fs';
import { freemem } from 'node:os';
import { size as sizeOf } from './internal/arguments.js';
import { Descriptor } from './internal/descriptor.js';
import { errno } from './internal/errors.js';
import { SharedMemory, type Mapper } from './internal/shared-memory.js';
import { native } from './native/posix-shm.js';
import { explainLock, explainMap, explainSize } from './posix-shm.errors.js';
import { MAP_SHARED, PROT_READ, PROT_WRITE } from './sys/posix-shm.js';

const EBADF = errno('EBADF');
const EINTR = errno('EINTR');
const ENOMEM = errno('ENOMEM');
const EOPNOTSUPP = errno('EOPNOTSUPP');

/** stat(2) counts in these. */
const BLOCK = 512;
/** statfs(2): the type of a file system of huge pages. */
const HUGETLBFS = 0x958458f6;

/** The state of memory that is a file. */
export interface PosixSharedMemoryStat {
  /** Bytes. */
  size: number;
  uid: number;
  gid: number;
  /** Permissions: the lower 9 bits. */
  mode: number;
  /** Whether it has no name any more, and goes with the last who has it open or mapped. */
  unlinked: boolean;
  accessTime: Date;
  modifyTime: Date;
  changeTime: Date;
}

/** Not every runtime knows a descriptor that it has not opened itself, but this name of it. */
function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

function statusOf(fd: number): Stats {
  return statSync(pathOf(fd));
}

/** Gives a file its length and, with `reserve`, its pages. */
export function giveSize(fd: number, size: number, reserve: boolean, name?: string): void {
  // First: it makes the file longer as well, but only where there is room for all of it.
  if (reserve) givePages(fd, size, name);
  const result = native.ftruncate(fd, size);
  if (result < 0) throw explainSize(result, 'ftruncate', size, name);
}

function givePages(fd: number, size: number, name?: string): void {
  // The kernel gives what it has until it has to end a process to get more.
  if (isTooMuch(fd, size)) throw explainSize(ENOMEM, 'fallocate', size, name);
  let result: number;
  // Of a large file it takes a while, and any signal interrupts it.
  do result = native.fallocate(fd, size);
  while (result === EINTR);
  // A descriptor for reading alone has an error of its own in the call that follows.
  if (result < 0 && result !== EOPNOTSUPP && result !== EBADF)
    throw explainSize(result, 'fallocate', size, name);
}

/** Whether the pages that a file lacks are more than the machine has, and nothing else says so. */
function isTooMuch(fd: number, size: number): boolean {
  const missing = size - statusOf(fd).blocks * BLOCK;
  const available = 'availableMemory' in process ? process.availableMemory() : freemem();
  if (missing <= available) return false;
  const { type, blocks, bavail, bsize } = statfsSync(pathOf(fd));
  // Huge pages are there already, or not.
  return type !== HUGETLBFS && (blocks === 0 || missing <= bavail * bsize);
}

/** What maps a file. Its protection is what its memory has at the time. */
export class FileMapper implements Mapper {
  readonly syscall = 'mmap';
  readonly what: string;
  readonly fd: number;
  readOnly: boolean;
  readonly #granularity: number;
  readonly #name: string | undefined;

  constructor(what: string, fd: number, readOnly: boolean, granularity: number, name?: string) {
    this.what = what;
    this.fd = fd;
    this.readOnly = readOnly;
    this.#granularity = granularity;
    this.#name = name;
  }

  map(offset: number, length: number): ArrayBuffer {
    const skip = offset % this.#granularity;
    const prot = this.readOnly ? PROT_READ : PROT_READ | PROT_WRITE;
    const result = native.mmap(length + skip, prot, MAP_SHARED, this.fd, offset - skip, skip);
    if (typeof result === 'number') throw explainMap(result, length, this.#name);
    return result;
  }
}

/** Shared memory that is a file, with a name or without. */
export abstract class FileMemory extends SharedMemory {
  readonly #descriptor: Descriptor;
  readonly #file: FileMapper;

  /** @internal The descriptor is this object's from here on; where it can be none, an `adopted` one stays open. */
  protected constructor(
    what: string,
    fd: number,
    readOnly: boolean,
    { name, adopted = false }: { name?: string; adopted?: boolean } = {},
  ) {
    const descriptor = new Descriptor(fd, what);
    try {
      const { size, blksize } = statusOf(fd);
      const file = new FileMapper(what, fd, readOnly, blksize, name);
      super(file, size, readOnly);
      this.#file = file;
    } catch (error) {
      if (adopted) descriptor.release('released');
      else descriptor.close();
      throw error;
    }
    this.#descriptor = descriptor;
  }

  /** The descriptor. */
  get fd(): number {
    return this.#descriptor.fd;
  }

  /** fstat(2). Never waits. */
  stat(): PosixSharedMemoryStat {
    this.checkOpen();
    const { size, uid, gid, mode, nlink, atime, mtime, ctime } = statusOf(this.fd);
    return {
      size,
      uid,
      gid,
      mode: mode & 0o777,
      unlinked: nlink === 0,
      accessTime: atime,
      modifyTime: mtime,
      changeTime: ctime,
    };
  }

  /**
   * ftruncate(2): gives the memory another size, in pages of its own where it grows. All views and windows of this object are
   * empty afterwards; `buffer` and `bytes` give new ones. Never waits.
   *
   * Other processes keep the mappings that they have: they see the new bytes when they open it anew, and lose those that were
   * cut off.
   *
   * @throws IpcError EINVAL, ENOSPC, EPERM (sealed)
   */
  resize(size: number): void {
    this.checkOpen();
    sizeOf(size, 'size', 1);
    giveSize(this.fd, size, size > statusOf(this.fd).size);
    this.detachAll();
    this.attachAnew(size, this.readOnly);
  }

  /**
   * mlock(2): brings the pages into memory, and keeps them out of swap.
   *
   * @throws IpcError ENOMEM, EPERM (RLIMIT_MEMLOCK)
   */
  lock(): void {
    const result = native.mlock(this.buffer);
    if (result < 0) throw explainLock(result, 'mlock');
  }

  /** munlock(2). Never waits. */
  unlock(): void {
    const result = native.munlock(this.buffer);
    if (result < 0) throw explainLock(result, 'munlock');
  }

  /** Gives the descriptor away, and closes this object: it stays open, and is the caller's to close. */
  release(): number {
    this.checkOpen();
    const fd = this.#descriptor.release('released');
    this.close();
    return fd;
  }

  /** @internal Maps it for reading alone, or for writing as well. */
  protected attachFor(readOnly: boolean): void {
    this.#file.readOnly = readOnly;
    this.attachAnew(this.size, readOnly);
  }

  protected override giveBack(): void {
    if (!this.#descriptor.closed) this.#descriptor.close();
  }
}
