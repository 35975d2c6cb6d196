// POSIX shared memory: which jobs are run, in what sizes, on how many cores; and a block handed over by every mechanism.
import { randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as sys from 'unix-ipc/sys';
import { declareTrials } from '../harness/declare.js';
import { Skipped } from '../harness/family.js';

/** @import { Variant } from '../harness/declare.js' */
/** @import { Family, Job } from '../harness/family.js' */

const PAGE = 4096;
const LARGE = 1 << 20;

/** @type {Job} */
const map = {
  name: 'map',
  description: 'map an open object and unmap it',
  measure: 'time',
};
/** @type {Job} */
const open = {
  name: 'open',
  description: 'open an object by its name, map it, unmap and close it',
  measure: 'time',
};
/** @type {Job} */
const handover = {
  name: 'handover',
  description:
    'a block from one process to another, which sums it, by each mechanism; C by shared memory in every row',
  measure: 'time',
  baseline: 'C shm',
  throughput: true,
};

/**
 * @param {string} name of the mechanism, and what `setUp` makes for it
 * @param {string} description
 * @param {number} speedup
 * @returns {Variant}
 */
function handedOver(name, description, speedup) {
  return {
    job: handover,
    name,
    description,
    cores: [1, 2],
    peers: [
      ['consumer', name],
      ['producer', name],
    ],
    setting: [name],
    sizes: [LARGE],
    warmup: 200,
    speedup,
  };
}

/** @type {Variant[]} */
const variants = [
  {
    job: map,
    name: 'sys',
    description: 'mmap, munmap',
    cores: [1],
    peers: [['map', 'sys']],
    speedup: 0.25,
  },
  {
    job: open,
    name: 'class',
    description: 'PosixSharedMemory.open, close',
    cores: [1],
    peers: [['open', 'class']],
    speedup: 0.25,
  },
  handedOver('sys', 'shared memory, POSIX semaphores: sys', 1),
  handedOver('class-sync', 'shared memory, POSIX semaphores: acquireSync', 1),
  handedOver('async', 'shared memory, POSIX semaphores: await acquire()', 0.8),
  handedOver('sysv-shm', 'System V shared memory, System V semaphores: sys', 1),
  handedOver('memfd', 'a new memfd each, passed over a Unix socket: sys', 0.3),
  handedOver('pipe', 'pipe: sys', 0.3),
  handedOver('fifo', 'FIFO: sys', 0.3),
  handedOver('stream', 'Unix stream: sys', 0.3),
  handedOver('seqpacket', 'Unix seqpacket in pieces of 64 KiB: sys', 0.3),
  handedOver('dgram', 'Unix datagrams of 64 KiB: sys', 0.3),
  handedOver('sysv-msg', 'System V messages of 8 KiB: sys', 0.2),
  handedOver('posix-mq', 'POSIX messages of 8 KiB: sys', 0.2),
];

/**
 * Roughly what an iteration costs in C: the system calls, in a handover the copy and the sum; between cores also the wake-ups.
 * @param {Job} job
 * @param {number} size
 * @param {1 | 2} cores
 */
function costInNanoseconds(job, size, cores) {
  if (job === map) return 1700;
  if (job === open) return 3300;
  return (cores === 1 ? 6000 : 60_000) + size / 10;
}

/** What the shared memory of a handover holds: two semaphores, and the block from the next page on. */
const OFFSETS = [0, 64];
const BLOCK = PAGE;

/**
 * What removes again what was made, the newest first.
 * @typedef {(() => void)[]} Undo
 */

/** Named by the shared memory, which every group of peers has. @type {Map<string, Undo>} */
const made = new Map();

/** @param {Undo} undo */
function undoAll(undo) {
  for (const remove of undo.toReversed()) remove();
}

/**
 * @param {string} name
 * @param {number} length
 * @param {(fd: number) => void} prepare
 * @param {Undo} undo
 */
function makeShared(name, length, prepare, undo) {
  const fd = sys.shm_open(name, sys.O_RDWR | sys.O_CREAT | sys.O_EXCL | sys.O_CLOEXEC, 0o600);
  try {
    undo.push(() => sys.shm_unlink(name));
    sys.ftruncate(fd, length);
    prepare(fd);
  } finally {
    closeSync(fd);
  }
}

/** @param {number} fd */
function makeSemaphores(fd) {
  const memory = sys.mmap(null, PAGE, sys.PROT_READ | sys.PROT_WRITE, sys.MAP_SHARED, fd);
  for (const offset of OFFSETS) sys.sem_init(memory, offset, 0);
  sys.munmap(memory);
}

/**
 * @param {string} name
 * @param {Undo} undo
 */
function makeQueue(name, undo) {
  const limits = { mq_maxmsg: 10, mq_msgsize: 8192 };
  try {
    sys.close(sys.mq_open(name, sys.O_RDWR | sys.O_CREAT | sys.O_EXCL, 0o600, limits));
  } catch (cause) {
    throw new Skipped('no queue of 10 messages of 8192 bytes', { cause });
  }
  undo.push(() => sys.mq_unlink(name));
}

/** @param {number} type */
function socketPair(type) {
  return sys.socketpair(sys.AF_UNIX, type | sys.SOCK_CLOEXEC);
}

/**
 * What a mechanism has besides the shared memory: as an argument, or as the descriptors of the consumer and the producer.
 * @type {Record<string, (name: string, size: number, undo: Undo) => string | number[]>}
 */
const objects = {
  'sysv-shm'(_name, size, undo) {
    const segment = sys.shmget(sys.IPC_PRIVATE, size, 0o600);
    undo.push(() => void sys.shmctl(segment, sys.IPC_RMID));
    const set = sys.semget(sys.IPC_PRIVATE, 2, 0o600);
    undo.push(() => void sys.semctl(set, 0, sys.IPC_RMID));
    return `${segment},${set}`;
  },
  'sysv-msg'(_name, _size, undo) {
    const queue = sys.msgget(sys.IPC_PRIVATE, 0o600);
    undo.push(() => void sys.msgctl(queue, sys.IPC_RMID));
    return String(queue);
  },
  'posix-mq'(name, _size, undo) {
    makeQueue(name, undo);
    return name;
  },
  fifo(_name, _size, undo) {
    const directory = mkdtempSync(join(tmpdir(), 'unix-ipc-bench-'));
    undo.push(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'fifo');
    sys.mkfifo(path, 0o600);
    return path;
  },
  pipe: () => sys.pipe2(sys.O_CLOEXEC),
  stream: () => socketPair(sys.SOCK_STREAM),
  seqpacket: () => socketPair(sys.SOCK_SEQPACKET),
  memfd: () => socketPair(sys.SOCK_SEQPACKET),
  dgram: () => socketPair(sys.SOCK_DGRAM),
};

/** @type {Family} */
export const family = {
  name: 'posix-shm',
  title: 'POSIX shared memory',
  setUp(_control, { job, size, setting: [mechanism = ''] = [] }) {
    const name = `/unix-ipc-bench-${randomUUID()}`;
    /** @type {Undo} */
    const undo = [];
    try {
      if (job === handover) makeShared(name, BLOCK + size, makeSemaphores, undo);
      else makeShared(name, size, () => {}, undo);
      const object = objects[mechanism]?.(name, size, undo) ?? [];
      made.set(name, undo);
      return typeof object === 'string'
        ? { args: ['-m', name, '-o', object] }
        : { args: ['-m', name], fds: object };
    } catch (error) {
      undoAll(undo);
      throw error;
    }
  },
  tearDown(_control, [, name = '']) {
    undoAll(made.get(name) ?? []);
    made.delete(name);
  },
  trials: declareTrials(variants, { sizes: [PAGE, LARGE], targetSize: LARGE, cost: costInNanoseconds }),
};
