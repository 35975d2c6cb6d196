// POSIX semaphores: which jobs are run, on how many cores, and what is aimed at.
import { randomUUID } from 'node:crypto';
import { closeSync } from 'node:fs';
import * as sys from 'unix-ipc/sys';
import { declareTrials, roundTrips } from '../harness/declare.js';

/** @import { Variant } from '../harness/declare.js' */
/** @import { Family, Job } from '../harness/family.js' */

/** @type {Job} */
const pair = {
  name: 'pair',
  description: 'add 1 and take it in one process, on shared memory: no system call, in C neither',
  measure: 'time',
};
/** @type {Job} */
const namedPair = {
  name: 'named-pair',
  description: 'add 1 and take it in one process, by name: no system call, in C neither',
  measure: 'time',
};
/** @type {Job} */
const roundTrip = {
  name: 'round-trip',
  description: 'client adds 1 to one semaphore and takes 1 from the other, server the other way round',
  measure: 'time',
};

/**
 * @param {Job} job
 * @returns {Variant[]}
 */
function pairVariants(job) {
  /** @type {Pick<Variant, 'job' | 'cores' | 'speedup'>} */
  const common = { job, cores: [1], speedup: 0.2 };
  return [
    {
      ...common,
      name: 'sys',
      description: 'sem_post, sem_wait',
      peers: [['pair', 'sys']],
      targets: { 1: { atMost: 1.3 } },
    },
    { ...common, name: 'class-sync', description: 'release, acquireSync', peers: [['pair', 'class-sync']] },
    { ...common, name: 'class-try', description: 'release, tryAcquire', peers: [['pair', 'class-try']] },
  ];
}

/** @type {Variant[]} */
const variants = [
  ...pairVariants(pair),
  ...pairVariants(namedPair).map((variant) => ({ ...variant, setting: ['named'] })),
  ...roundTrips(roundTrip, {
    sys: 'sem_post, sem_wait',
    classSync: 'release, acquireSync',
    async: 'release(), await acquire() on both sides',
  }),
];

/**
 * Roughly what an iteration costs in C: where somebody waits the system calls, and between cores the wake-ups.
 * @param {Job} job
 * @param {number} _size
 * @param {1 | 2} cores
 */
function costInNanoseconds(job, _size, cores) {
  if (job !== roundTrip) return 20;
  return cores === 1 ? 2500 : 60_000;
}

/** Nothing but the fact goes over. */
const SIZE = 0;
const PAGE = 4096;
/** A cache line each. */
const OFFSETS = [0, 64];

/** Memory with two semaphores, for the peers to inherit. */
function semaphoresInMemory() {
  const fd = sys.memfd_create('semaphores', sys.MFD_CLOEXEC);
  try {
    sys.ftruncate(fd, PAGE);
    const memory = sys.mmap(null, PAGE, sys.PROT_READ | sys.PROT_WRITE, sys.MAP_SHARED, fd);
    for (const offset of OFFSETS) sys.sem_init(memory, offset, 0);
    sys.munmap(memory);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** @type {Family} */
export const family = {
  name: 'posix-sem',
  title: 'POSIX semaphores',
  setUp(_control, { setting = [] }) {
    if (!setting.includes('named')) return { args: [], fds: [semaphoresInMemory()] };
    const name = `/unix-ipc-bench-${randomUUID()}`;
    sys.sem_close(sys.sem_open(name, sys.O_CREAT | sys.O_EXCL, 0o600, 0));
    return { args: ['-f', name] };
  },
  tearDown(_control, [, name]) {
    if (name) sys.sem_unlink(name);
  },
  trials: declareTrials(variants, { sizes: [SIZE], targetSize: SIZE, cost: costInNanoseconds }),
};
