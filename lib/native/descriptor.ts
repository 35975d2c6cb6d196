import { family } from '../internal/binding.js';
import { block as shared, filled, given, result } from './core.js';

const block = shared;

/** native/core/descriptor.cc. Numbers and results of read and write cross in the block. */
interface Addon {
  read: (into?: Uint8Array) => void;
  write: (data?: Uint8Array) => void;
  close: (fd: number) => number;
  /** Whether it is closed when the environment, such as a Worker, ends. */
  own: (fd: number, owned: boolean) => void;
  /** Takes notice, for the whole process, that this package has made the descriptor. close() forgets it. */
  note: (fd: number, made: boolean) => void;
  isNoted: (fd: number) => boolean;
  /** Another open file, with O_NONBLOCK, of the pipe or FIFO behind the descriptor. */
  reopen: (fd: number) => number;
  dup: (fd: number) => number;
  dup2: (oldfd: number, newfd: number) => number;
  fcntl: (fd: number, cmd: number, arg: number) => number;
  fionread: (fd: number) => number;
  poll: (descriptors: Int32Array, timeout: number) => number;
  pollOne: (fd: number, events: number, timeout: number) => number;
  constants: Record<
    | 'O_RDONLY'
    | 'O_WRONLY'
    | 'O_RDWR'
    | 'O_ACCMODE'
    | 'O_CREAT'
    | 'O_EXCL'
    | 'O_TRUNC'
    | 'O_APPEND'
    | 'O_NONBLOCK'
    | 'O_CLOEXEC'
    | 'O_DIRECT'
    | 'O_NOFOLLOW'
    | 'F_DUPFD'
    | 'F_DUPFD_CLOEXEC'
    | 'F_GETFL'
    | 'F_SETFL'
    | 'F_GETFD'
    | 'F_SETFD'
    | 'FD_CLOEXEC'
    | 'F_SETPIPE_SZ'
    | 'F_GETPIPE_SZ'
    | 'F_ADD_SEALS'
    | 'F_GET_SEALS'
    | 'F_SEAL_SEAL'
    | 'F_SEAL_SHRINK'
    | 'F_SEAL_GROW'
    | 'F_SEAL_WRITE'
    | 'F_SEAL_FUTURE_WRITE'
    | 'POLLIN'
    | 'POLLOUT'
    | 'POLLERR'
    | 'POLLHUP'
    | 'POLLNVAL'
    | 'POLLPRI'
    | 'POLLRDHUP'
    | 'EPOLL_CTL_ADD'
    | 'EPOLL_CTL_MOD'
    | 'EPOLL_CTL_DEL'
    | 'EPOLLET',
    number
  >;
}

const addon = family('descriptor') as Addon;

/** Results are -errno where a call failed. */
export const native = {
  ...addon,

  /**
   * Copies what it reads to into[offset] where `size` bytes fit there or what came does; else takeReceived() copies it.
   * Without `wait` it never waits; EOPNOTSUPP where only O_NONBLOCK could say so.
   */
  read(fd: number, into: Uint8Array, offset: number, size: number, wait: boolean): number {
    block[0] = fd;
    block[1] = offset;
    block[2] = size;
    block[3] = wait ? 1 : 0;
    addon.read(into);
    return result();
  },

  /** Waits. Reads as many bytes as `into` has. */
  readInto(fd: number, into: Uint8Array): number {
    block[0] = fd;
    block[1] = 0;
    block[2] = -1;
    block[3] = 1;
    addon.read(into);
    filled.keep(into);
    return result();
  },

  /** The same into the view of the call before: see filled. */
  readAgain(fd: number): number {
    block[0] = fd;
    block[1] = 0;
    block[2] = -1;
    block[3] = 1;
    addon.read();
    return result();
  },

  write(fd: number, data: Uint8Array, offset: number, wait: boolean): number {
    block[0] = fd;
    block[1] = offset;
    block[2] = wait ? 1 : 0;
    addon.write(data);
    given.keep(data);
    return result();
  },

  /** Waits. Writes the view of the call before: see given. */
  writeAgain(fd: number): number {
    block[0] = fd;
    block[1] = 0;
    block[2] = 1;
    addon.write();
    return result();
  },
};
