// Pipes and FIFOs: which jobs are run, in what sizes, on how many cores, and what is aimed at.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as sys from 'unix-ipc/sys';
import { both, declareTrials } from '../harness/declare.js';

/** @import { Variant } from '../harness/declare.js' */
/** @import { Family, Job } from '../harness/family.js' */

/** @type {Job} */
const pair = {
  name: 'pair',
  description: 'write and read in one process',
  measure: 'time',
};
/** @type {Job} */
const roundTrip = {
  name: 'round-trip',
  description: 'client writes into one pipe, server answers through another, client reads',
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
  description:
    'messages from one process to another, as fast as the pipe takes them; read with 64 KiB of memory',
  measure: 'rate',
};
/** @type {Job} */
const fifoRoundTrip = {
  name: 'fifo-round-trip',
  description: 'the round trip through two FIFOs',
  measure: 'time',
};
/** @type {Job} */
const fifoNetRoundTrip = {
  name: 'fifo-net-round-trip',
  description: 'the round trip through two FIFOs, beside node:net on a Unix socket',
  measure: 'time',
  baseline: 'node:net',
};
/** @type {Job} */
const fifoOneWay = {
  name: 'fifo-one-way',
  description: 'one way through a FIFO',
  measure: 'rate',
};

/**
 * What pipes and FIFOs have in common.
 * @param {{ roundTrip: Job, netRoundTrip: Job, oneWay: Job }} jobs
 * @returns {Variant[]}
 */
function variantsOf({ roundTrip, netRoundTrip, oneWay }) {
  return [
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
      description: 'writeSync, readSync',
      cores: [1, 2],
      peers: both('class-sync'),
    },
    {
      job: roundTrip,
      name: 'async',
      description: 'await write(), await read() on both sides',
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
      description: 'await write(), await read() on both sides',
      cores: [1, 2],
      peers: both('async'),
      baseline: both('net'),
      targets: { 1: { atMost: 1 }, 2: { atMost: 1 } },
    },
    {
      job: netRoundTrip,
      name: 'stream',
      description: "stream(): 'data' and write() on both sides",
      cores: [1, 2],
      peers: both('stream'),
      baseline: both('net'),
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
      targets: { 1: { atLeast: 0.6 }, 2: { atLeast: 0.6 } },
    },
    {
      job: oneWay,
      name: 'stream',
      description: "receiver: stream(), 'data'; sender: C in both",
      cores: [1, 2],
      peers: [
        ['receiver', 'stream'],
        ['sender', 'c'],
      ],
      targets: { 1: { atLeast: 0.6 }, 2: { atLeast: 0.6 } },
    },
    {
      job: oneWay,
      name: 'write-batches',
      description: 'sender: 64 write() at a time; receiver: C in both',
      cores: [1, 2],
      peers: [
        ['receiver', 'c'],
        ['sender', 'write-batches'],
      ],
      speedup: 0.5,
    },
  ];
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
    description: 'writeSync, readSync: a Buffer per message',
    cores: [1],
    peers: [['pair', 'class-sync']],
  },
  ...variantsOf({ roundTrip, netRoundTrip, oneWay }),
  {
    job: oneWay,
    name: 'packets',
    description: 'packets, receiver: for await; sender: C in both',
    cores: [1, 2],
    peers: [
      ['receiver', 'packets'],
      ['sender', 'c'],
    ],
    setting: ['packets'],
    sizes: [64, 1024, 4096],
  },
  ...variantsOf({ roundTrip: fifoRoundTrip, netRoundTrip: fifoNetRoundTrip, oneWay: fifoOneWay }).map(
    (variant) => ({ ...variant, setting: ['fifo'] }),
  ),
];

/**
 * Roughly what an iteration costs in C: the system calls and the copies; between cores also the wake-ups. In node:net
 * its loop and its streams besides.
 * @param {Job} job
 * @param {number} size
 * @param {1 | 2} cores
 */
function costInNanoseconds(job, size, cores) {
  if (job.measure === 'rate') return 500 + size / 2;
  if (job === pair) return 500 + size / 4;
  if (job.baseline) return cores === 1 ? 21_000 + size : 110_000;
  return cores === 1 ? 5000 + size / 2 : 60_000;
}

/** @type {Family} */
export const family = {
  name: 'pipe',
  title: 'Pipes and FIFOs',
  setUp(_control, { setting = [] }) {
    const directory = mkdtempSync(join(tmpdir(), 'unix-ipc-bench-'));
    const socket = ['-u', join(directory, 'socket')];
    try {
      if (setting.includes('fifo')) {
        const [forth, back] = [join(directory, 'forth'), join(directory, 'back')];
        sys.mkfifo(forth, 0o600);
        sys.mkfifo(back, 0o600);
        return { args: ['-f', forth, '-b', back, ...socket] };
      }
      const flags = sys.O_CLOEXEC | (setting.includes('packets') ? sys.O_DIRECT : 0);
      const fds = [...sys.pipe2(flags), ...sys.pipe2(flags)];
      return { args: ['-f', '3,4', '-b', '5,6', ...socket], fds };
    } catch (error) {
      rmSync(directory, { recursive: true });
      throw error;
    }
  },
  tearDown(_control, args) {
    const socket = args[args.indexOf('-u') + 1] ?? '';
    rmSync(dirname(socket), { recursive: true });
  },
  trials: declareTrials(variants, {
    sizes: [1, 64, 1024, 4096, 16_384],
    targetSize: 64,
    cost: costInNanoseconds,
  }),
};
