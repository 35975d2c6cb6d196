// System V message queues: which jobs are run, in what sizes, on how many cores, and what is aimed at.

/** @import { Family, Job, Target, Trial } from '../harness/family.js' */

const SIZES = [1, 64, 1024, 4096, 8192];
/** The size that the targets are about. */
const TARGET_SIZE = 64;
/** How long C should take for one turn; the counts follow from the rough costs below. */
const TURN_IN_NANOSECONDS = 8e6;

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

/**
 * @typedef {object} Variant
 * @property {Job} job
 * @property {string} name
 * @property {string} description
 * @property {(1 | 2)[]} cores
 * @property {[string, string][]} peers who measures first; role and who plays it: 'c' stands for the C program on the Node side too
 * @property {number} [speedup] how many times the iterations of C Node needs to last about as long
 * @property {Partial<Record<1 | 2, Target>>} [targets] by number of cores
 */

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
 * @param {string} name
 * @returns {[string, string][]}
 */
function both(name) {
  return [
    ['client', name],
    ['server', name],
  ];
}

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

/**
 * @param {Variant} variant
 * @param {number} size
 * @param {1 | 2} cores
 * @returns {Trial}
 */
function declare({ job, name, description, peers, targets = {}, speedup = 1 }, size, cores) {
  const cost = costInNanoseconds(job, size, cores);
  const count = Math.round(TURN_IN_NANOSECONDS / cost);
  const target = size === TARGET_SIZE ? targets[cores] : undefined;
  return {
    job,
    variant: name,
    description,
    size,
    cores,
    // V8 optimises after some thousand calls; between cores most of the time is the wake-up.
    warmup: job === roundTrip && cores === 2 ? 2000 : 5000,
    count: { c: count, node: Math.round(count * speedup) },
    c: peers.map(([role]) => ({ runtime: 'c', args: [role] })),
    node: peers.map(([role, who]) =>
      who === 'c' ? { runtime: 'c', args: [role] } : { runtime: 'node', args: [role, who] },
    ),
    quick: target !== undefined,
    ...(target ? { target } : {}),
  };
}

/** @type {Family} */
export const family = {
  name: 'sysv-msg',
  title: 'System V message queues',
  setUp(control) {
    const [forth = '', back = ''] = control(['create']).trim().split(' ');
    return ['-q', forth, '-b', back];
  },
  tearDown(control, args) {
    control(['remove', ...args]);
  },
  trials: variants.flatMap((variant) =>
    SIZES.flatMap((size) => variant.cores.map((cores) => declare(variant, size, cores))),
  ),
};
