// System V message queues: which jobs are run, in what sizes, on how many cores, and what is aimed at.

import { both, declareTrials } from '../harness/declare.js';

/** @import { Variant } from '../harness/declare.js' */
/** @import { Family, Job } from '../harness/family.js' */

/** @type {Job} */
const pair = {
  name: 'pair',
  description: 'msgsnd and msgrcv in one process',
  measure: 'time',
};
/** @type {Job} */
const roundTrip = {
  name: 'round-trip',
  description: 'client sends on one queue, server answers on another, client receives',
  measure: 'time',
};
/** @type {Job} */
const oneWay = {
  name: 'one-way',
  description: 'messages from one process to another, as fast as the queue takes them',
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
    targets: { 1: { atMost: 1.15 } },
  },
  {
    job: pair,
    name: 'class-sync',
    description: 'sendSync, receiveSync: a Buffer per message',
    cores: [1],
    peers: [['pair', 'class-sync']],
    targets: { 1: { atMost: 1.5 } },
  },
  {
    job: roundTrip,
    name: 'sys',
    description: "sys, into the caller's memory",
    cores: [1, 2],
    peers: both('sys'),
    targets: { 1: { atMost: 1.15 } },
  },
  {
    job: roundTrip,
    name: 'class-sync',
    description: 'sendSync, receiveSync',
    cores: [1, 2],
    peers: both('class-sync'),
  },
  {
    job: roundTrip,
    name: 'async',
    description: 'await send(), await receive() on both sides',
    cores: [1, 2],
    peers: both('async'),
    speedup: 0.4,
    targets: { 1: { atMost: 4 } },
  },
  {
    job: roundTrip,
    name: 'spin',
    description: 'sync, spin: 50 against blocking C',
    cores: [2],
    peers: both('spin'),
    speedup: 15,
    targets: { 2: { atMost: 0.1 } },
  },
  {
    job: roundTrip,
    name: 'spin-async',
    description: 'await, spin: 50 against blocking C',
    cores: [2],
    peers: both('spin-async'),
    speedup: 5,
  },
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
    targets: { 1: { atLeast: 0.8 }, 2: { atLeast: 0.8 } },
  },
  {
    job: oneWay,
    name: 'send-batches',
    description: 'sender: 64 send() at a time; receiver: C in both',
    cores: [1, 2],
    peers: [
      ['receiver', 'c'],
      ['sender', 'send-batches'],
    ],
    targets: { 1: { atLeast: 0.6 }, 2: { atLeast: 0.6 } },
  },
];

/**
 * Roughly what an iteration costs in C: the system calls and the copies of the text; between cores also the wake-ups,
 * in one-way jobs only where the queue (16 KiB) takes but a few messages.
 * @param {Job} job
 * @param {number} size
 * @param {1 | 2} cores
 */
function costInNanoseconds(job, size, cores) {
  if (job === pair) return 1100 + size / 4;
  if (job === oneWay) return cores === 2 && size > 2048 ? size * 4 : 1500 + size / 2;
  return cores === 1 ? 6000 + size / 2 : 65_000;
}

/** @type {Family} */
export const family = {
  name: 'sysv-msg',
  title: 'System V message queues',
  setUp(control) {
    const [forth = '', back = ''] = control(['create']).trim().split(' ');
    return { args: ['-q', forth, '-b', back] };
  },
  tearDown(control, args) {
    control(['remove', ...args]);
  },
  trials: declareTrials(variants, {
    sizes: [1, 64, 1024, 4096, 8192],
    targetSize: 64,
    cost: costInNanoseconds,
  }),
};
