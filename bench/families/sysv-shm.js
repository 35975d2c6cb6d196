// System V shared memory: which jobs are run, in what sizes, and what is aimed at.
import * as sys from 'unix-ipc/sys';
import { declareTrials } from '../harness/declare.js';

/** @import { Variant } from '../harness/declare.js' */
/** @import { Family, Job } from '../harness/family.js' */

const PAGE = 4096;
const LARGE = 64 << 20;

/** @type {Job} */
const attach = {
  name: 'attach',
  description: 'attach a segment and detach it',
  measure: 'time',
};
/** @type {Job} */
const fillAndSum = {
  name: 'fill-and-sum',
  description: 'a loop fills a segment, another sums it, beside an ordinary ArrayBuffer in the same process',
  measure: 'time',
  baseline: 'ordinary',
  subject: 'segment',
};

/**
 * @param {number} size
 * @param {{ sys: number, class: number }} speedups every attachment counts as memory that the garbage collector should free
 * @returns {Variant[]}
 */
function attachVariants(size, speedups) {
  /** @type {Pick<Variant, 'job' | 'cores' | 'sizes' | 'warmup'>} */
  const common = { job: attach, cores: [1], sizes: [size], warmup: 2000 };
  return [
    {
      ...common,
      name: 'sys',
      description: 'shmat, shmdt',
      peers: [['attach', 'sys']],
      speedup: speedups.sys,
    },
    {
      ...common,
      name: 'class',
      description: 'SysvSharedMemory.openId, close',
      peers: [['attach', 'class']],
      speedup: speedups.class,
    },
  ];
}

/** @type {Variant[]} */
const variants = [
  ...attachVariants(PAGE, { sys: 0.25, class: 0.15 }),
  ...attachVariants(LARGE, { sys: 0.02, class: 0.02 }),
  ...['Uint8Array', 'Int32Array', 'Float64Array'].map((elements) => ({
    job: fillAndSum,
    name: elements,
    description: elements,
    cores: /** @type {[1]} */ ([1]),
    peers: /** @type {Variant['peers']} */ ([['segment', elements]]),
    baseline: /** @type {Variant['peers']} */ ([['ordinary', elements]]),
    alternating: true,
    warmup: 3,
    targets: { 1: { atMost: 1.05 } },
  })),
];

/**
 * Roughly what an iteration costs in C, or with an ordinary ArrayBuffer.
 * @param {Job} job
 */
function costInNanoseconds(job) {
  return job === attach ? 4000 : 4e7;
}

/** @type {Family} */
export const family = {
  name: 'sysv-shm',
  title: 'System V shared memory',
  setUp(_control, { size }) {
    return { args: ['-i', String(sys.shmget(sys.IPC_PRIVATE, size, 0o600))] };
  },
  tearDown(_control, [, id]) {
    sys.shmctl(Number(id), sys.IPC_RMID);
  },
  trials: declareTrials(variants, { sizes: [LARGE], targetSize: LARGE, cost: costInNanoseconds }),
};
