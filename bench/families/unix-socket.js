// Unix domain sockets: which jobs are run, over which sockets, in what sizes, on how many cores, and what is aimed at.
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as sys from 'unix-ipc/sys';
import { both, declareTrials } from '../harness/declare.js';
import { installPackage } from '../harness/package.js';

/** @import { Variant } from '../harness/declare.js' */
/** @import { Family, Job } from '../harness/family.js' */

/**
 * Two sockets, one for each peer: what they are and how one finds the other.
 * @typedef {object} Ends
 * @property {string} name
 * @property {'dgram' | 'seqpacket' | 'stream'} type
 * @property {'pair' | 'connected' | 'unconnected'} wiring the last two are bound to paths
 * @property {string} description
 * @property {number[]} sizes
 */

const TARGET_SIZE = 64;
const SIZES = [TARGET_SIZE, 1024, 16_384];
const UNIX_DGRAM_VERSION = '2.0.7';

/** @type {Ends[]} */
const allEnds = [
  { name: 'dgram', type: 'dgram', wiring: 'pair', description: 'a socketpair', sizes: SIZES },
  {
    name: 'dgram-connected',
    type: 'dgram',
    wiring: 'connected',
    description: 'sockets bound to paths, connected',
    sizes: [TARGET_SIZE],
  },
  {
    name: 'dgram-unconnected',
    type: 'dgram',
    wiring: 'unconnected',
    description: 'sockets bound to paths, an address with every message',
    sizes: [TARGET_SIZE],
  },
  { name: 'seqpacket', type: 'seqpacket', wiring: 'pair', description: 'a socketpair', sizes: SIZES },
  { name: 'stream', type: 'stream', wiring: 'pair', description: 'a socketpair', sizes: SIZES },
];

/**
 * @param {Ends} ends
 * @returns {Variant[]}
 */
function pairVariants({ name, description }) {
  /** @type {Job} */
  const job = {
    name: `${name}-pair`,
    description: `send and receive in one process over ${description}`,
    measure: 'time',
  };
  return [
    {
      job,
      name: 'sys',
      description: "sys, into the caller's memory",
      cores: [1],
      peers: [['pair', 'sys']],
    },
    {
      job,
      name: 'sys-fresh',
      description: 'sys, a Buffer per message',
      cores: [1],
      peers: [['pair', 'sys-fresh']],
    },
    {
      job,
      name: 'class-sync',
      description: 'sendSync, receiveSync',
      cores: [1],
      peers: [['pair', 'class-sync']],
    },
  ];
}

/**
 * @param {Ends} ends
 * @returns {Variant[]}
 */
function roundTripVariants({ name, description, type }) {
  /** @type {Job} */
  const job = {
    name: `${name}-round-trip`,
    description: `client sends, server answers, client receives, over ${description}`,
    measure: 'time',
  };
  return [
    {
      job,
      name: 'sys',
      description: "sys, into the caller's memory",
      cores: [1, 2],
      peers: both('sys'),
      targets: type === 'stream' ? {} : { 1: { atMost: 1.2 } },
    },
    {
      job,
      name: 'sys-fresh',
      description: 'sys, a Buffer per message',
      cores: [1, 2],
      peers: both('sys-fresh'),
    },
    {
      job,
      name: 'class-sync',
      description: 'sendSync, receiveSync',
      cores: [1, 2],
      peers: both('class-sync'),
    },
    {
      job,
      name: 'async',
      description: 'await send(), await receive() on both sides',
      cores: [1, 2],
      peers: both('async'),
      speedup: 0.4,
    },
    {
      job,
      name: 'spin',
      description: 'sync, spin: 50 against blocking C',
      cores: [2],
      peers: both('spin'),
      speedup: 15,
    },
    {
      job,
      name: 'spin-async',
      description: 'await, spin: 50 against blocking C',
      cores: [2],
      peers: both('spin-async'),
      speedup: 5,
    },
  ];
}

/**
 * The npm package for datagrams, which binds its sockets to paths; for a connection node:net.
 * @param {Ends} ends
 * @returns {Variant[]}
 */
function rivalVariants({ name, type, wiring }) {
  if (type === 'dgram' && wiring === 'pair') return [];
  /** @type {Pick<Variant, 'name' | 'description' | 'cores' | 'peers'>} */
  const asynchronous = {
    name: 'async',
    description: 'await send(), await receive() on both sides',
    cores: [1, 2],
    peers: both('async'),
  };
  if (type === 'dgram') {
    /** @type {Job} */
    const job = {
      name: `${name}-npm-round-trip`,
      description: 'the round trip, beside the npm package unix-dgram',
      measure: 'time',
      baseline: 'unix-dgram',
    };
    const targets = { 1: { atMost: 1 }, 2: { atMost: 1 } };
    return [{ ...asynchronous, job, baseline: both('unix-dgram'), setting: ['unix-dgram'], targets }];
  }
  /** @type {Job} */
  const job = {
    name: `${name}-net-round-trip`,
    description: 'the round trip, beside node:net on a Unix socket',
    measure: 'time',
    baseline: 'node:net',
  };
  const variants = [{ ...asynchronous, job, baseline: both('net') }];
  if (type === 'stream') {
    variants.push({
      job,
      name: 'stream',
      description: "stream(): 'data' and write() on both sides",
      cores: [1, 2],
      peers: both('stream'),
      baseline: both('net'),
    });
  }
  return variants;
}

/**
 * @param {Ends} ends
 * @returns {Variant[]}
 */
function oneWayVariants({ name, description, type }) {
  /** @type {Job} */
  const job = {
    name: `${name}-one-way`,
    description: `messages from one process to another over ${description}`,
    measure: 'rate',
  };
  /** @type {Variant} */
  const receiveMany = {
    job,
    name: 'receive-many',
    description: 'receiver: await receiveMany(64); sender: C in both',
    cores: [1, 2],
    peers: [
      ['receiver', 'receive-many'],
      ['sender', 'c'],
    ],
  };
  /** @type {Variant} */
  const stream = {
    job,
    name: 'stream',
    description: "receiver: stream(), 'data'; sender: C in both",
    cores: [1, 2],
    peers: [
      ['receiver', 'stream'],
      ['sender', 'c'],
    ],
  };
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
      targets: { 1: { atLeast: 0.6 }, 2: { atLeast: 0.6 } },
    },
    type === 'stream' ? stream : receiveMany,
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
 * @param {Ends} ends
 * @returns {Variant[]}
 */
function descriptorVariants({ name, type, wiring }) {
  if (type === 'stream' || wiring !== 'pair') return [];
  /** @type {Job} */
  const job = {
    name: `${name}-descriptors`,
    description: 'the round trip with a descriptor there, which the server closes',
    measure: 'time',
  };
  const descriptions = {
    sys: 'sendmsg, recvmsg, close',
    'class-sync': 'sendSync, receiveSync',
    async: 'await send(), await receive() on both sides',
  };
  return Object.entries(descriptions).map(([variant, description]) => ({
    job,
    name: variant,
    description,
    cores: [1, 2],
    peers: [
      ['descriptor-client', variant],
      ['descriptor-server', variant],
    ],
    sizes: [TARGET_SIZE],
    speedup: variant === 'async' ? 0.4 : 1,
  }));
}

/**
 * Roughly what an iteration costs in C: the system calls and the copies; between cores also the wake-ups, and in one-way
 * jobs those that the ten datagrams of a bound socket make. In node:net and unix-dgram their loop besides.
 * @param {Ends} ends
 * @returns {(job: Job, size: number, cores: 1 | 2) => number}
 */
function costOf({ wiring }) {
  return ({ name, measure, baseline }, size, cores) => {
    if (name.endsWith('-pair')) return 900 + size / 8;
    if (measure === 'rate') return (wiring === 'pair' ? 1200 : 4500) + size / 4;
    if (baseline) return cores === 1 ? (baseline === 'unix-dgram' ? 16_000 : 21_000) + size : 110_000;
    return cores === 1 ? 6000 + size / 4 : 70_000;
  };
}

/**
 * @param {Ends} ends
 * @returns {import('../harness/family.js').Trial[]}
 */
function trialsOf(ends) {
  const { type, wiring, sizes } = ends;
  const variants = [
    ...pairVariants(ends),
    ...roundTripVariants(ends),
    ...rivalVariants(ends),
    ...oneWayVariants(ends),
    ...descriptorVariants(ends),
  ].map((variant) => ({ ...variant, setting: [type, wiring, ...(variant.setting ?? [])] }));
  return declareTrials(variants, { sizes, targetSize: TARGET_SIZE, cost: costOf(ends) });
}

/** @type {Partial<Record<string, number>>} */
const types = { dgram: sys.SOCK_DGRAM, seqpacket: sys.SOCK_SEQPACKET, stream: sys.SOCK_STREAM };

/** @type {Family} */
export const family = {
  name: 'unix-socket',
  title: 'Unix domain sockets',
  setUp(_control, { job, setting = [] }) {
    const [name = '', wiring, rival] = setting;
    const type = (types[name] ?? 0) | sys.SOCK_CLOEXEC;
    const rivals = rival ? ['-m', installPackage(rival, UNIX_DGRAM_VERSION)] : [];
    const directory = mkdtempSync(join(tmpdir(), 'unix-ipc-bench-'));
    const [forth, back] = [join(directory, 'forth'), join(directory, 'back')];
    const args = ['-k', name, '-u', join(directory, 'socket'), ...rivals];
    /** @type {number[]} */
    const fds = [];
    try {
      if (wiring === 'pair') {
        fds.push(...sys.socketpair(sys.AF_UNIX, type));
      } else {
        const [client, server] = [sys.socket(sys.AF_UNIX, type), sys.socket(sys.AF_UNIX, type)];
        fds.push(client, server);
        sys.bind(client, back);
        sys.bind(server, forth);
        if (wiring === 'unconnected') {
          args.push('-f', forth, '-b', back);
        } else {
          sys.connect(client, forth);
          // The kernel bounds how many datagrams wait only where the receiver is not connected to the sender.
          if (job.measure === 'time') sys.connect(server, back);
        }
      }
      fds.push(...sys.pipe2(sys.O_CLOEXEC));
    } catch (error) {
      for (const fd of fds) closeSync(fd);
      rmSync(directory, { recursive: true });
      throw error;
    }
    return { args, fds };
  },
  tearDown(_control, args) {
    const socket = args[args.indexOf('-u') + 1] ?? '';
    rmSync(dirname(socket), { recursive: true });
  },
  trials: allEnds.flatMap(trialsOf),
};
