import { closeSync, fstatSync, openSync, readdirSync, statfsSync } from 'node:fs';
import { cString } from './internal/arguments.js';
import { errno } from './internal/errors.js';
import { madeHere } from './internal/runtime-descriptors.js';
import { native } from './native/posix-shm.js';
import { explainOpen, explainTooSmall, explainUnlink, FOLDER } from './posix-shm.errors.js';
import { FileMemory, giveSize } from './posix-shm.file.js';
import { createOptions, type CreateOptions, type PosixSharedMemoryOptions } from './posix-shm.options.js';
import { isReadOnly, type SharedMemoryOpenOptions } from './internal/shared-memory.options.js';
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } from './sys/descriptor.js';

const EEXIST = errno('EEXIST');
const ENOENT = errno('ENOENT');
const EINVAL = errno('EINVAL');

/** Semaphores are there too. */
const SEMAPHORE = 'sem.';
const NAME = /^\/(?!\.{1,2}$)[^/]{1,255}$/;

/** What is free for shared memory objects, in bytes. */
export interface PosixSharedMemoryLimits {
  size: number;
  free: number;
}

/**
 * A POSIX shared memory object: memory with a name, that every process which opens it has in common.
 *
 * The object belongs to the system. It outlives the processes that use it; `close()` ends this object, `unlink()` takes the
 * name away.
 *
 * @example
 * const memory = PosixSharedMemory.create({ name: '/frames', size: 1 << 20 });
 * memory.write(0, 'hello');
 * @see https://man7.org/linux/man-pages/man7/shm_overview.7.html
 */
export class PosixSharedMemory extends FileMemory {
  /** Its name, with the slash. */
  readonly name: string;

  private constructor(fd: number, name: string, readOnly: boolean) {
    super('PosixSharedMemory', fd, readOnly, { name });
    this.name = name;
  }

  /**
   * shm_open(3) and mmap(2): makes an object and maps it. Its bytes are 0. Others find it when it has its size, and its
   * pages. Never waits.
   *
   * @throws IpcError EACCES, EEXIST, EINVAL, ENAMETOOLONG, ENOSPC (/dev/shm is full)
   */
  static create(options: PosixSharedMemoryOptions): PosixSharedMemory {
    const given = createOptions(options);
    return new PosixSharedMemory(given.exclusive ? make(given) : makeOrOpen(given), given.name, false);
  }

  /**
   * shm_open(3) and mmap(2): maps the object of this name. Never waits.
   *
   * @throws IpcError EACCES, EINVAL (has no bytes), ENOENT
   */
  static open(name: string, options?: SharedMemoryOpenOptions): PosixSharedMemory {
    cString(name, 'name');
    const readOnly = isReadOnly(options);
    const fd = native.shmOpen(name, readOnly ? O_RDONLY : O_RDWR, 0);
    if (fd < 0) throw explainOpen(fd, name);
    return new PosixSharedMemory(fd, name, readOnly);
  }

  /** The names of all objects. Never waits. */
  static list(): string[] {
    return readdirSync(FOLDER, { withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.startsWith(SEMAPHORE))
      .map((entry) => `/${entry.name}`);
  }

  /** The bytes that all objects may have, and those that are free. Never waits. */
  static limits(): PosixSharedMemoryLimits {
    const { bsize, blocks, bavail } = statfsSync(FOLDER);
    return { size: bsize * blocks, free: bsize * bavail };
  }

  /**
   * shm_unlink(3): takes the name away; the object goes when nobody has it open or mapped any more. Never waits.
   *
   * @throws IpcError EACCES, ENOENT
   */
  unlink(): void {
    this.checkOpen();
    const result = native.shmUnlink(this.name);
    if (result < 0) throw explainUnlink(result, this.name);
  }
}

/** Opens an object, or makes it, whoever else does so at the same time. */
function makeOrOpen(options: CreateOptions): number {
  for (;;) {
    const fd = native.shmOpen(options.name, O_RDWR, 0);
    if (fd >= 0) return checkSize(fd, options);
    if (fd !== ENOENT) throw explainOpen(fd, options.name);
    try {
      return make(options);
    } catch (error) {
      if ((error as { errno?: unknown }).errno !== EEXIST) throw error;
    }
  }
}

function checkSize(fd: number, { name, size }: CreateOptions): number {
  const { size: present } = fstatSync(fd);
  if (present >= size) return fd;
  closeSync(fd);
  throw explainTooSmall(EINVAL, name, size, present);
}

/** Makes a file without a name, and names it when it is whole: nobody sees one that is half made, whenever this ends. */
function make(options: CreateOptions): number {
  const { name, size, mode, reserve } = options;
  const fd = openUnnamed(mode, name);
  if (fd === undefined) return makeNamed(options);
  try {
    giveSize(fd, size, reserve, name);
    const result = native.linkDescriptor(fd, FOLDER + name);
    if (result < 0) throw explainOpen(result, name);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return madeHere(fd);
}

/** Undefined where such files can't be made, or the name is one that the C library must judge. */
function openUnnamed(mode: number, name: string): number | undefined {
  if (!NAME.test(name)) return undefined;
  try {
    return openSync(FOLDER, native.constants.O_TMPFILE | O_RDWR, mode);
  } catch {
    return undefined;
  }
}

function makeNamed({ name, size, mode, reserve }: CreateOptions): number {
  const fd = native.shmOpen(name, O_RDWR | O_CREAT | O_EXCL, mode);
  if (fd < 0) throw explainOpen(fd, name);
  try {
    giveSize(fd, size, reserve, name);
  } catch (error) {
    native.shmUnlink(name);
    closeSync(fd);
    throw error;
  }
  return fd;
}
