// System V shared memory: the jobs of bench/c/sysv-shm.c, call for call, through this package; and its segments beside
// the memory of an ordinary ArrayBuffer.
import { SysvSharedMemory } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { measure, readArguments } from './peer.js';

/** @typedef {Uint8Array | Int32Array | Float64Array} Elements */

const { words, options, size, plan } = readArguments(['i']);
const id = Number(options.i);
const [job = '', variant = ''] = words;

/** @type {Record<string, (memory: ArrayBuffer) => Elements>} */
const views = {
  Uint8Array: (memory) => new Uint8Array(memory),
  Int32Array: (memory) => new Int32Array(memory),
  Float64Array: (memory) => new Float64Array(memory),
};

/** @type {Record<string, () => void>} */
const attachments = {
  sys() {
    sys.shmdt(sys.shmat(id, null, 0));
  },
  class() {
    SysvSharedMemory.openId(id).close();
  },
};

/** A loop like a program's own, not fill(). @param {Elements} elements */
function fillAndSum(elements) {
  for (let i = 0; i < elements.length; i++) elements[i] = i & 127;
  let sum = 0;
  for (let i = 0; i < elements.length; i++) sum += elements[i] ?? NaN;
  return sum;
}

/**
 * By turns in the one and in the other, both in the warm-up.
 * @param {ArrayBuffer} first
 * @param {ArrayBuffer} second
 */
function alternate(first, second) {
  const view = views[variant];
  if (!view) throw new Error(`no view ${variant}`);
  const expected = (view(first).length / 128) * ((127 * 128) / 2);
  /** @type {Elements[]} */
  let turns = [view(first), view(second)];
  let isWarm = false;
  measure((n) => {
    const memories = isWarm ? turns.slice(0, 1) : turns;
    for (const elements of memories) {
      for (let i = 0; i < n; i++) {
        const sum = fillAndSum(elements);
        if (sum !== expected) throw new Error(`the sum is ${sum} instead of ${expected}`);
      }
    }
    if (isWarm) turns = turns.toReversed();
    isWarm = true;
  }, plan);
}

/** @type {Record<string, () => void>} */
const jobs = {
  attach() {
    const attach = attachments[variant];
    if (!attach) throw new Error(`no way to attach by ${variant}`);
    measure((n) => {
      for (let i = 0; i < n; i++) attach();
    }, plan);
  },

  ordinary() {
    alternate(new ArrayBuffer(size), new ArrayBuffer(size));
  },

  segment() {
    alternate(new ArrayBuffer(size), sys.shmat(id, null, 0));
  },
};

const run = jobs[job];
if (!run) throw new Error(`no job ${words.join(' ')}`);
run();
