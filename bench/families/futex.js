// Futexes: which jobs are run, on how many cores, and what is aimed at.
import { closeSync } from 'node:fs';
import * as sys from 'unix-ipc/sys';
import { declareTrials, roundTrips } from '../harness/declare.js';

/** @import { Variant } from '../harness/declare.js' */
/** @import { Family, Job } from '../harness/family.js' */

/** @type {Job} */
const roundTrip = {
  name: 'round-trip',
  description: 'client sets a word to 1 and waits until it is 0, server the other way round',
  measure: 'time',
};

/** @type {Variant[]} */
const variants = [
  ...roundTrips(
    roundTrip,
    {
      sys: 'Atomics, futex_wake, futex_wait',
      classSync: 'value, wake, waitSync',
      async: 'value, wake(), await wait() on both sides',
    },
    { sysTargets: { 1: { atMost: 1.2 } } },
  ),
];

/**
 * Roughly what an iteration costs in C: the system calls, and between cores the wake-ups.
 * @param {Job} _job
 * @param {number} _size
 * @param {1 | 2} cores
 */
function costInNanoseconds(_job, _size, cores) {
  return cores === 1 ? 2500 : 60_000;
}

/** The word. */
const SIZE = 4;
const PAGE = 4096;

/** @type {Family} */
export const family = {
  name: 'futex',
  title: 'Futexes',
  setUp() {
    const fd = sys.memfd_create('word', sys.MFD_CLOEXEC);
    try {
      sys.ftruncate(fd, PAGE);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return { args: [], fds: [fd] };
  },
  // It ends with the last process that has it.
  tearDown() {},
  trials: declareTrials(variants, { sizes: [SIZE], targetSize: SIZE, cost: costInNanoseconds }),
};
