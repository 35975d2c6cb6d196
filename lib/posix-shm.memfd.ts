import { readlinkSync } from 'node:fs';
import { int } from './internal/arguments.js';
import { errno, invalidValue, IpcError } from './internal/errors.js';
import { isRuntimes, runtimes } from './internal/runtime-descriptors.js';
import { isReadOnly, type SharedMemoryOpenOptions } from './internal/shared-memory.options.js';
import { native } from './native/posix-shm.js';
import { explainSeal } from './posix-shm.errors.js';
import { FileMemory, giveSize } from './posix-shm.file.js';
import { memfdOptions, sealBits, sealNames, type MemfdOptions, type MemfdSeal } from './posix-shm.options.js';
import { close, F_ADD_SEALS, F_GET_SEALS, F_SEAL_WRITE, fcntl } from './sys/descriptor.js';
import { madeHere } from './internal/runtime-descriptors.js';
import { MFD_NOEXEC_SEAL } from './sys/posix-shm.js';

const EBADF = errno('EBADF');
const EINVAL = errno('EINVAL');

/**
 * A memfd: shared memory without a name. Another process gets it by its descriptor, which travels over a Unix socket, or
 * which a child is given. Seals promise the receiver that it will not change under its hands.
 *
 * @example
 * const frame = Memfd.create({ size: 1 << 20 });
 * frame.write(0, pixels);
 * frame.seal('write', 'shrink');
 * await socket.send('frame', { descriptors: [frame] });
 * @see https://man7.org/linux/man-pages/man2/memfd_create.2.html
 */
export class Memfd extends FileMemory {
  private constructor(fd: number, readOnly: boolean, adopted = false) {
    super('Memfd', fd, readOnly, { adopted });
  }

  /**
   * memfd_create(2) and mmap(2): makes one and maps it. Its bytes are 0. Its descriptor is close-on-exec. Never waits.
   *
   * @throws IpcError EINVAL, EMFILE, ENFILE, ENOMEM, ENOSPC (no huge pages)
   */
  static create(options: MemfdOptions): Memfd {
    const { name, size, flags, reserve } = memfdOptions(options);
    let fd = native.memfdCreate(name, flags | MFD_NOEXEC_SEAL);
    // Kernels before 6.3 don't know that it need not be executable.
    if (fd === EINVAL) fd = native.memfdCreate(name, flags);
    if (fd < 0) throw new IpcError(fd, 'memfd_create', { reason: createReason(fd) });
    try {
      giveSize(madeHere(fd), size, reserve);
    } catch (error) {
      close(fd);
      throw error;
    }
    return new Memfd(fd, false);
  }

  /**
   * The memory behind a descriptor, such as one that came over a Unix socket. It belongs to the object from then on; it stays open
   * and the caller's where this fails.
   *
   * @throws TypeError ERR_INVALID_ARG_VALUE (no memfd); IpcError EBADF, EPERM (sealed against writing: readOnly opens it)
   */
  static fromFd(fd: number, options?: SharedMemoryOpenOptions): Memfd {
    int(fd, 'fd');
    const readOnly = isReadOnly(options);
    if (isRuntimes(fd)) throw runtimes(fd, 'mmap');
    let what: string;
    try {
      what = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      throw new IpcError(EBADF, 'mmap', { reason: `descriptor ${fd} is not open` });
    }
    if (!what.startsWith('/memfd:')) throw invalidValue('fd', `must be a memfd. It is ${what}`);
    return new Memfd(fd, readOnly, true);
  }

  /** fcntl(2) with F_GET_SEALS: what the memory refuses. Never waits. */
  get seals(): MemfdSeal[] {
    this.checkOpen();
    return sealNames(fcntl(this.fd, F_GET_SEALS));
  }

  /**
   * fcntl(2) with F_ADD_SEALS: what the memory refuses from here on, to everybody and for ever. Before 'write' this object's
   * mapping becomes a read-only one: the views that were are empty. Never waits.
   *
   * @throws IpcError EBUSY ('write', while another mapping may write), EPERM (sealed against more seals)
   */
  seal(...seals: MemfdSeal[]): void {
    this.checkOpen();
    const bits = sealBits(seals);
    const withoutWriting = (bits & F_SEAL_WRITE) !== 0 && !this.readOnly;
    if (!withoutWriting) {
      this.#add(bits);
      return;
    }
    this.detachAll();
    try {
      this.#add(bits);
    } catch (error) {
      this.attachFor(false);
      throw error;
    }
    this.attachFor(true);
  }

  #add(bits: number): void {
    try {
      fcntl(this.fd, F_ADD_SEALS, bits);
    } catch (error) {
      if (error instanceof IpcError) throw explainSeal(error.errno);
      throw error;
    }
  }
}

function createReason(result: number): string | undefined {
  return result === EINVAL ? 'a name has at most 249 bytes' : undefined;
}
