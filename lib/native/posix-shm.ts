import { family } from '../internal/binding.js';

/** native/posix-shm.cc. Results are -errno where a call failed. */
interface Addon {
  shmOpen: (name: string, oflag: number, mode: number) => number;
  shmUnlink: (name: string) => number;
  memfdCreate: (name: string, flags: number) => number;
  ftruncate: (fd: number, length: number) => number;
  /** Gives the file all its pages. */
  fallocate: (fd: number, length: number) => number;
  /** Gives a file that was opened without a name its name. */
  linkDescriptor: (fd: number, path: string) => number;
  /** Without the first `skip` bytes of what is mapped. */
  mmap: (
    length: number,
    prot: number,
    flags: number,
    fd: number,
    offset: number,
    skip: number,
  ) => ArrayBuffer | number;
  msync: (buffer: ArrayBuffer, flags: number) => number;
  mlock: (buffer: ArrayBuffer) => number;
  munlock: (buffer: ArrayBuffer) => number;
  constants: Record<
    | 'PROT_NONE'
    | 'PROT_READ'
    | 'PROT_WRITE'
    | 'MAP_SHARED'
    | 'MAP_PRIVATE'
    | 'MAP_ANONYMOUS'
    | 'MAP_POPULATE'
    | 'MAP_HUGETLB'
    | 'MAP_FIXED'
    | 'MAP_FIXED_NOREPLACE'
    | 'MAP_GROWSDOWN'
    | 'MS_SYNC'
    | 'MS_ASYNC'
    | 'MS_INVALIDATE'
    | 'MFD_CLOEXEC'
    | 'MFD_ALLOW_SEALING'
    | 'MFD_HUGETLB'
    | 'MFD_NOEXEC_SEAL'
    | 'O_TMPFILE',
    number
  >;
}

export const native = family('posix-shm') as Addon;
