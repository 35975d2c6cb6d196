// System V semaphores: which jobs are run, on how many cores, and what is aimed at.
import * as sys from 'unix-ipc/sys';
import { declareTrials, roundTrips } from '../harness/declare.js';

/** @import { Variant } from '../harness/declare.js' */
/** @import { Family, Job } from '../harness/family.js' */

/** @type {Job} */
const pair = {
  name: 'pair',
  description: 'add 1 and take it in one process',
  measure: 'time',
};
/** @type {Job} */
const roundTrip = {
  name: 'round-trip',
  description:
    'client adds 1 to one semaphore and takes 1 from the other, server the other way round; one set',
  measure: 'time',
};

/** @type {Variant[]} */
const variants = [
  {
    job: pair,
    name: 'sys',
    description: 'semop, semop',
    cores: [1],
    peers: [['pair', 'sys']],
    targets: { 1: { atMost: 1.3 } },
  },
  {
    job: pair,
    name: 'class-sync',
    description: 'release, acquireSync',
    cores: [1],
    peers: [['pair', 'class-sync']],
  },
  {
    job: pair,
    name: 'class-try',
    description: 'release, tryAcquire',
    cores: [1],
    peers: [['pair', 'class-try']],
  },
  ...roundTrips(roundTrip, {
    sys: 'semop',
    classSync: 'release, acquireSync',
    async: 'release(), await acquire() on both sides',
  }),
];

/**
 * Roughly what an iteration costs in C: the system calls, and between cores the wake-ups.
 * @param {Job} job
 * @param {number} _size
 * @param {1 | 2} cores
 */
function costInNanoseconds(job, _size, cores) {
  if (job === pair) return 650;
  return cores === 1 ? 2500 : 56_000;
}

/** Nothing but the fact goes over. */
const SIZE = 0;

/** @type {Family} */
export const family = {
  name: 'sysv-sem',
  title: 'System V semaphores',
  setUp() {
    return { args: ['-i', String(sys.semget(sys.IPC_PRIVATE, 2, 0o600))] };
  },
  tearDown(_control, [, id]) {
    sys.semctl(Number(id), 0, sys.IPC_RMID);
  },
  trials: declareTrials(variants, { sizes: [SIZE], targetSize: SIZE, cost: costInNanoseconds }),
};
