// What the methods of PosixSharedMemory and Memfd may be given, and how it is checked.
import { boolean, cString, object, size as sizeOf } from './internal/arguments.js';
import { invalidType, invalidValue } from './internal/errors.js';
import { permissions } from './internal/permissions.js';
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_HUGETLB } from './sys/posix-shm.js';

export interface PosixSharedMemoryOptions {
  /** Begins with a slash and has no other. */
  name: string;
  /** Bytes. */
  size: number;
  /** Permissions, less the umask; 0o600 by default. */
  mode?: number | undefined;
  /** Fail with EEXIST where there is one; true by default. false opens it, if it has as many bytes. */
  exclusive?: boolean | undefined;
  /** Give it all its pages at once; true by default. Without, a large object may be made of which little is used. */
  reserve?: boolean | undefined;
}

export interface MemfdOptions {
  /** Bytes. */
  size: number;
  /** Shown in /proc/self/fd and /proc/self/maps; empty by default. */
  name?: string | undefined;
  /** Make it of huge pages, of which the system must have free ones (vm.nr_hugepages). The size is a multiple of theirs. */
  hugePages?: boolean | undefined;
  /** Give it all its pages at once; true by default. */
  reserve?: boolean | undefined;
}

/** What a memfd refuses from then on: writing, writing through new mappings, becoming shorter, longer, executable, more seals. */
export type MemfdSeal = 'write' | 'future-write' | 'shrink' | 'grow' | 'exec' | 'seal';

export interface CreateOptions {
  name: string;
  size: number;
  mode: number;
  exclusive: boolean;
  reserve: boolean;
}

export function createOptions(options: PosixSharedMemoryOptions): CreateOptions {
  if (object(options, 'options') === undefined) throw invalidType('options', 'an object', options);
  const { name, size, mode = 0o600, exclusive = true, reserve = true } = options;
  return {
    name: cString(name, 'options.name'),
    size: sizeOf(size, 'options.size', 1),
    mode: permissions(mode, 'options.mode'),
    exclusive: boolean(exclusive, 'options.exclusive'),
    reserve: boolean(reserve, 'options.reserve'),
  };
}

export function memfdOptions(options: MemfdOptions): {
  name: string;
  size: number;
  flags: number;
  reserve: boolean;
} {
  if (object(options, 'options') === undefined) throw invalidType('options', 'an object', options);
  const { name = '', size, hugePages = false, reserve = true } = options;
  return {
    name: cString(name, 'options.name'),
    size: sizeOf(size, 'options.size', 1),
    flags: MFD_CLOEXEC | MFD_ALLOW_SEALING | (boolean(hugePages, 'options.hugePages') ? MFD_HUGETLB : 0),
    reserve: boolean(reserve, 'options.reserve'),
  };
}

/** <linux/fcntl.h>. */
const SEALS: readonly [MemfdSeal, number][] = [
  ['seal', 0x1],
  ['shrink', 0x2],
  ['grow', 0x4],
  ['write', 0x8],
  ['future-write', 0x10],
  ['exec', 0x20],
];

export function sealBits(seals: readonly MemfdSeal[]): number {
  return seals.reduce((bits, seal) => {
    if (typeof seal !== 'string') throw invalidType('seals', 'the names of seals', seal);
    const found = SEALS.find(([name]) => name === seal);
    if (found === undefined) {
      throw invalidValue('seals', `must be of ${SEALS.map(([name]) => `'${name}'`).join(', ')}`);
    }
    return bits | found[1];
  }, 0);
}

export function sealNames(bits: number): MemfdSeal[] {
  return SEALS.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name);
}
