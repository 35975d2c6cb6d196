import { int } from './internal/arguments.js';
import { errno, IpcError } from './internal/errors.js';
import { SharedMemory, type Mapper } from './internal/shared-memory.js';
import { isReadOnly, type SharedMemoryOpenOptions } from './internal/shared-memory.options.js';
import { resolveKey, type Key } from './internal/sysv-key.js';
import { ownerChanges, type SysvOwnerChanges } from './internal/sysv-owner.js';
import { native } from './native/sysv-shm.js';
import { explainAttach, explainControl, explainGet } from './sysv-shm.errors.js';
import { createOptions, type SysvSharedMemoryOptions } from './sysv-shm.options.js';
import * as table from './sysv-shm.table.js';
import type { SysvSharedMemoryInfo, SysvSharedMemoryLimits, SysvSharedMemoryStat } from './sysv-shm.table.js';
import { IPC_RMID, IPC_SET } from './sys/sysv-ipc.js';
import { SHM_LOCK, SHM_RDONLY, SHM_UNLOCK, shmctl } from './sys/sysv-shm.js';

const EINVAL = errno('EINVAL');

class Segment implements Mapper {
  readonly what = 'SysvSharedMemory';
  readonly syscall = 'shmat';
  readonly #id: number;
  readonly #flags: number;

  constructor(id: number, readOnly: boolean) {
    this.#id = id;
    this.#flags = readOnly ? SHM_RDONLY : 0;
  }

  map(offset: number, length: number): ArrayBuffer {
    const result = native.shmat(this.#id, this.#flags, offset, length);
    if (typeof result === 'number') throw explainAttach(result, this.#id, length);
    return result;
  }
}

/**
 * A System V shared memory segment: memory that the kernel keeps, and that every process which attaches it has in common.
 *
 * The segment belongs to the system. It outlives the processes that use it; `close()` detaches it from this one, `remove()`
 * destroys it as soon as nobody has it attached.
 *
 * @example
 * const memory = SysvSharedMemory.create({ key: { path: '/etc/hostname', projId: 'm' }, size: 4096 });
 * const counters = new Int32Array(memory.buffer);
 * Atomics.add(counters, 0, 1);
 * @see https://man7.org/linux/man-pages/man7/sysvipc.7.html
 */
export class SysvSharedMemory extends SharedMemory {
  /** The identifier that the calls take (shmid). */
  readonly id: number;
  /** The key that the segment was made with; 0 for none. */
  readonly key: number;

  private constructor(id: number, key: number, size: number, readOnly: boolean) {
    super(new Segment(id, readOnly), size, readOnly);
    this.id = id;
    this.key = key;
  }

  /**
   * shmget(2) and shmat(2): makes a segment and attaches it. Its bytes are 0. Never waits.
   *
   * @throws IpcError EACCES, EEXIST, EINVAL (kernel.shmmax), ENOMEM, ENOSPC (kernel.shmmni, kernel.shmall)
   */
  static create(options: SysvSharedMemoryOptions): SysvSharedMemory {
    const { key, size, flags } = createOptions(options);
    const id = native.shmget(key, size, flags);
    if (id < 0) throw explainGet(id, key, size);
    return SysvSharedMemory.#attach(id, key, false);
  }

  /**
   * shmget(2) and shmat(2): attaches the segment of this key. Never waits.
   *
   * @param key a number, or `{ path, projId }` for ftok(3)
   * @throws IpcError EACCES, ENOENT
   */
  static open(key: Key, options?: SharedMemoryOpenOptions): SysvSharedMemory {
    const readOnly = isReadOnly(options);
    const number = resolveKey(key);
    const id = native.shmget(number, 0, 0);
    if (id < 0) throw explainGet(id, number, 0);
    return SysvSharedMemory.#attach(id, number, readOnly);
  }

  /**
   * shmat(2): attaches the segment of this identifier, such as one that another process has passed on. Never waits.
   *
   * @throws IpcError EACCES, EINVAL where there is none
   */
  static openId(shmid: number, options?: SharedMemoryOpenOptions): SysvSharedMemory {
    return SysvSharedMemory.#attach(int(shmid, 'shmid'), undefined, isReadOnly(options));
  }

  static #attach(id: number, key: number | undefined, readOnly: boolean): SysvSharedMemory {
    const found = table.find(id);
    if (found === undefined) throw explainControl(EINVAL, id);
    return new SysvSharedMemory(id, key ?? found.key, found.size, readOnly);
  }

  /** Every segment of this IPC namespace, those included that this process may not read. Never waits. */
  static list(): SysvSharedMemoryInfo[] {
    return table.list();
  }

  /** The system's limits, and what is in use of them. Never waits. */
  static limits(): SysvSharedMemoryLimits {
    return table.limits();
  }

  /** shmctl(2) with IPC_STAT. Never waits. */
  stat(): SysvSharedMemoryStat {
    this.checkOpen();
    const found = table.find(this.id);
    if (found === undefined) throw explainControl(EINVAL, this.id);
    const { id: _, ...stat } = found;
    return stat;
  }

  /**
   * shmctl(2) with IPC_SET: changes owner or permissions. What is not given stays. Never waits.
   *
   * @throws IpcError EINVAL, EPERM (not the owner)
   */
  set(changes: SysvOwnerChanges): void {
    this.checkOpen();
    const shm_perm = ownerChanges(changes);
    try {
      shmctl(this.id, IPC_SET, { shm_perm });
    } catch (error) {
      if (error instanceof IpcError) throw explainControl(error.errno, this.id);
      throw error;
    }
  }

  /**
   * shmctl(2) with SHM_LOCK: keeps the pages in memory, out of swap, once they are there. Never waits.
   *
   * @throws IpcError ENOMEM (RLIMIT_MEMLOCK), EPERM
   */
  lock(): void {
    this.#control(SHM_LOCK);
  }

  /** shmctl(2) with SHM_UNLOCK. Never waits. */
  unlock(): void {
    this.#control(SHM_UNLOCK);
  }

  /**
   * shmctl(2) with IPC_RMID: takes the key away; the segment goes as soon as nobody has it attached, this object included.
   * Never waits.
   *
   * @throws IpcError EINVAL (gone already), EPERM (neither owner nor creator)
   */
  remove(): void {
    this.#control(IPC_RMID);
  }

  /** shmdt(2): what close() does, by its name here. */
  detach(): void {
    this.close();
  }

  #control(cmd: number): void {
    this.checkOpen();
    const result = native.shmctl(this.id, cmd);
    if (typeof result === 'number') throw explainControl(result, this.id);
  }

  protected override giveBack(): void {
    // Attached memory is all that it had.
  }
}
