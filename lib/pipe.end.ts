// What both ends of a pipe have.
import { int, size } from './internal/arguments.js';
import { commonReason, Descriptor } from './internal/descriptor.js';
import { invalidValue, IpcError } from './internal/errors.js';
import { isRuntimes, runtimes } from './internal/runtime-descriptors.js';
import { native } from './native/descriptor.js';
import { explainCapacity } from './pipe.errors.js';

const { F_GETFL, F_GETPIPE_SZ, F_SETPIPE_SZ, O_ACCMODE, O_RDWR } = native.constants;

export abstract class PipeEnd implements Disposable {
  protected readonly descriptor: Descriptor;

  protected constructor(fd: number, owner: string) {
    this.descriptor = new Descriptor(fd, owner);
  }

  /** The descriptor. */
  get fd(): number {
    return this.descriptor.fd;
  }

  /** Whether close(), release() or stream() was called. */
  get closed(): boolean {
    return this.descriptor.closed;
  }

  /** fcntl(2) with F_GETPIPE_SZ: how many bytes fit into the pipe. Never waits. */
  get capacity(): number {
    this.descriptor.checkOpen();
    const bytes = native.fcntl(this.fd, F_GETPIPE_SZ, 0);
    if (bytes < 0) throw explainCapacity(bytes, 0, this.fd);
    return bytes;
  }

  /**
   * fcntl(2) with F_SETPIPE_SZ: changes how many bytes fit into the pipe. Never waits.
   *
   * @returns what fits from now on, which may be more: the kernel rounds up
   * @throws IpcError EBUSY (more is in it), EPERM (over fs.pipe-max-size, without CAP_SYS_RESOURCE)
   */
  setCapacity(bytes: number): number {
    this.descriptor.checkOpen();
    const result = native.fcntl(this.fd, F_SETPIPE_SZ, int(size(bytes, 'bytes', 1), 'bytes'));
    if (result < 0) throw explainCapacity(result, bytes, this.fd);
    return result;
  }

  /** Gives the descriptor away: it stays open, and is the caller's to close. Promises that wait reject with ECANCELED. */
  release(): number {
    return this.descriptor.release('released');
  }

  /** Closes the descriptor. Promises that wait reject with ECANCELED; iterations end. */
  close(): void {
    this.descriptor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A descriptor of the caller's that is to be an end of a pipe. */
export function pipeEnd(fd: unknown, access: number, what: string): number {
  const number = int(fd, 'fd');
  if (isRuntimes(number)) throw runtimes(number, 'fcntl');
  const flags = native.fcntl(number, F_GETFL, 0);
  if (flags < 0) throw new IpcError(flags, 'fcntl', { reason: commonReason(flags, number) });
  if (!isPipe(number)) throw invalidValue('fd', 'must be a pipe or FIFO');
  const mode = flags & O_ACCMODE;
  if (mode !== access && mode !== O_RDWR) throw invalidValue('fd', `must be ${what} of a pipe`);
  return number;
}

/** Whether the open file is a pipe or FIFO. */
export function isPipe(fd: number): boolean {
  return native.fcntl(fd, F_GETPIPE_SZ, 0) >= 0;
}
