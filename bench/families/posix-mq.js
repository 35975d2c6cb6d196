// POSIX message queues: which jobs are run, in what sizes, on how many cores, and what is aimed at.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { both, declareTrials } from '../harness/declare.js';

/** @import { Variant } from '../harness/declare.js' */
/** @import { Family, Job } from '../harness/family.js' */

/** Both queues of both groups must stay below RLIMIT_MSGQUEUE, 819,200 bytes unless somebody has raised it. */
const SIZES_OF_DEEP = [64, 256];
const DEPTH = '10';
const DEEP = '256';

/** @type {Job} */
const pair = {
  name: 'pair',
  description: 'mq_send and mq_receive in one process',
  measure: 'time',
};
/** @type {Job} */
const roundTrip = {
  name: 'round-trip',
  description: 'client sends on one queue, server answers on another, client receives',
  measure: 'time',
};
/** @type {Job} */
const netRoundTrip = {
  name: 'net-round-trip',
  description: 'the round trip, beside node:net on a Unix socket',
  measure: 'time',
  baseline: 'node:net',
};
/** @type {Job} */
const oneWay = {
  name: 'one-way',
  description: `messages from one process to another, as fast as the queue of ${DEPTH} takes them`,
  measure: 'rate',
};
/** @type {Job} */
const deepOneWay = {
  name: 'deep-one-way',
  description: `messages from one process to another, as fast as a queue of ${DEEP} takes them`,
  measure: 'rate',
};

/**
 * @param {Job} job
 * @returns {Variant[]}
 */
function oneWayVariants(job) {
  return [
    {
      job,
      name: 'sys',
      description: 'sys on both sides',
      cores: [1, 2],
      peers: [
        ['receiver', 'sys'],
        ['sender', 'sys'],
      ],
    },
    {
      job,
      name: 'for-await',
      description: 'receiver: for await; sender: C in both',
      cores: [1, 2],
      peers: [
        ['receiver', 'for-await'],
        ['sender', 'c'],
      ],
      targets: job === oneWay ? reach(0.5) : reach(0.7),
    },
    {
      job,
      name: 'receive-many',
      description: 'receiver: await receiveMany(64); sender: C in both',
      cores: [1, 2],
      peers: [
        ['receiver', 'receive-many'],
        ['sender', 'c'],
      ],
    },
    {
      job,
      name: 'send-batches',
      description: 'sender: 64 send() at a time; receiver: C in both',
      cores: [1, 2],
      peers: [
        ['receiver', 'c'],
        ['sender', 'send-batches'],
      ],
      speedup: 0.5,
    },
  ];
}

/**
 * @param {number} atLeast
 * @returns {NonNullable<Variant['targets']>}
 */
function reach(atLeast) {
  return { 1: { atLeast }, 2: { atLeast } };
}

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
    description: 'sendSync, receiveSync: a Buffer per message',
    cores: [1],
    peers: [['pair', 'class-sync']],
  },
  {
    job: roundTrip,
    name: 'sys',
    description: "sys, into the caller's memory",
    cores: [1, 2],
    peers: both('sys'),
    targets: { 1: { atMost: 1.2 } },
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
  },
  {
    job: roundTrip,
    name: 'spin',
    description: 'sync, spin: 50 against blocking C',
    cores: [2],
    peers: both('spin'),
    speedup: 15,
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
    job: netRoundTrip,
    name: 'async',
    description: 'await send(), await receive() on both sides',
    cores: [1, 2],
    peers: both('async'),
    baseline: both('net'),
    targets: { 1: { atMost: 1 }, 2: { atMost: 1 } },
  },
  ...oneWayVariants(oneWay),
  ...oneWayVariants(deepOneWay).map((variant) => ({
    ...variant,
    setting: ['-d', DEEP],
    sizes: SIZES_OF_DEEP,
  })),
];

/**
 * Roughly what an iteration costs in C: the system calls and the copies of the text; between cores also the wake-ups,
 * and in one-way jobs those that the short queue makes. In node:net its loop and its streams besides.
 * @param {Job} job
 * @param {number} size
 * @param {1 | 2} cores
 */
function costInNanoseconds(job, size, cores) {
  if (job === pair) return 1000 + size / 4;
  if (job === oneWay) return cores === 1 ? 1500 + size / 2 : 5000 + size;
  if (job === deepOneWay) return 1500 + size / 2;
  if (job === netRoundTrip) return cores === 1 ? 21_000 + size : 110_000;
  return cores === 1 ? 5600 + size / 2 : 66_000;
}

/** @type {Family} */
export const family = {
  name: 'posix-mq',
  title: 'POSIX message queues',
  setUp(control, { size, setting = [] }) {
    // Its name is unique: the queues take it for theirs.
    const directory = mkdtempSync(join(tmpdir(), 'unix-ipc-bench-'));
    const name = `/${basename(directory)}`;
    const args = ['-f', `${name}-forth`, '-b', `${name}-back`, '-u', join(directory, 'socket')];
    try {
      control(['create', ...args, '-s', String(size), '-d', DEPTH, ...setting]);
    } catch (error) {
      rmSync(directory, { recursive: true });
      throw error;
    }
    return { args };
  },
  tearDown(control, args) {
    const socket = args[args.indexOf('-u') + 1] ?? '';
    try {
      control(['remove', ...args]);
    } finally {
      rmSync(dirname(socket), { recursive: true });
    }
  },
  trials: declareTrials(variants, {
    sizes: [1, 64, 1024, 4096, 8192],
    targetSize: 64,
    cost: costInNanoseconds,
  }),
};
