// Event counters: which jobs are run, on how many cores, and what is aimed at.
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
  description: 'client signals through one counter, server answers through another, client takes it',
  measure: 'time',
};
/** @type {Job} */
const oneWay = {
  name: 'one-way',
  description: 'signals from one process to another; what comes meanwhile is taken together',
  measure: 'rate',
};

/** @type {Variant[]} */
const variants = [
  {
    job: pair,
    name: 'sys',
    description: "sys, into the caller's memory",
    cores: [1],
    peers: [['pair', 'sys']],
  },
  {
    job: pair,
    name: 'class-sync',
    description: 'signalSync, waitSync',
    cores: [1],
    peers: [['pair', 'class-sync']],
  },
  ...roundTrips(
    roundTrip,
    {
      sys: "sys, into the caller's memory",
      classSync: 'signalSync, waitSync',
      async: 'await signal(), await wait() on both sides',
    },
    { sysTargets: { 1: { atMost: 1.2 } }, asyncSpeedup: 0.4 },
  ),
  {
    job: oneWay,
    name: 'sys',
    description: 'sys on both sides',
    cores: [1, 2],
    peers: [
      ['receiver', 'sys'],
      ['sender', 'sys'],
    ],
  },
  {
    job: oneWay,
    name: 'for-await',
    description: 'receiver: for await; sender: C in both',
    cores: [1, 2],
    peers: [
      ['receiver', 'for-await'],
      ['sender', 'c'],
    ],
  },
];

/**
 * Roughly what an iteration costs in C: the system calls, and between cores the wake-ups.
 * @param {Job} job
 * @param {number} _size
 * @param {1 | 2} cores
 */
function costInNanoseconds(job, _size, cores) {
  if (job !== roundTrip) return 400;
  return cores === 1 ? 4200 : 52_000;
}

/** A counter is eight bytes, whatever it counts. */
const SIZE = 8;

/** @type {Family} */
export const family = {
  name: 'eventfd',
  title: 'Event counters',
  setUp() {
    const fds = [sys.eventfd(0, sys.EFD_CLOEXEC), sys.eventfd(0, sys.EFD_CLOEXEC)];
    return { args: ['-f', '3', '-b', '4'], fds };
  },
  // They end with the last process that has them.
  tearDown() {},
  trials: declareTrials(variants, { sizes: [SIZE], targetSize: SIZE, cost: costInNanoseconds }),
};
