// POSIX semaphores: the jobs of bench/c/posix-sem.c, call for call, through this package.
import { PosixSemaphore } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { readArguments } from './peer.js';
import { runSemaphoreJob } from './semaphores.js';

/** @import { AsyncEnd, SyncEnd, Which } from './semaphores.js' */

const { words, options, plan } = readArguments(['f']);
const name = /** @type {string | undefined} */ (options.f);

/** Where the memory lies in every peer that is given no name: the family hands it down. */
const MEMORY = 3;
const PAGE = 4096;
const offsets = { forth: 0, back: 64 };
const SPIN_MICROSECONDS = 50;

function mapMemory() {
  return sys.mmap(null, PAGE, sys.PROT_READ | sys.PROT_WRITE, sys.MAP_SHARED, MEMORY);
}

/**
 * @param {Which} which
 * @param {number} [spin]
 */
function openSemaphore(which, spin = 0) {
  return name === undefined
    ? PosixSemaphore.at(mapMemory(), offsets[which], { spin })
    : PosixSemaphore.open(name, { create: false, spin });
}

/**
 * @param {Which} which
 * @returns {SyncEnd}
 */
function sysEnd(which) {
  const semaphore = name === undefined ? sys.sem_at(mapMemory(), offsets[which]) : sys.sem_open(name, 0);
  return {
    release() {
      sys.sem_post(semaphore);
    },
    acquire() {
      sys.sem_wait(semaphore);
    },
  };
}

/**
 * @param {Which} which
 * @param {number} [spin]
 * @returns {SyncEnd}
 */
function classEnd(which, spin) {
  const semaphore = openSemaphore(which, spin);
  return {
    release() {
      semaphore.release();
    },
    acquire() {
      semaphore.acquireSync();
    },
  };
}

/**
 * @param {Which} which
 * @returns {SyncEnd}
 */
function tryingEnd(which) {
  const semaphore = openSemaphore(which);
  return {
    release() {
      semaphore.release();
    },
    acquire() {
      if (!semaphore.tryAcquire()) throw new Error('the semaphore is not free');
    },
  };
}

/**
 * @param {Which} which
 * @param {number} [spin]
 * @returns {AsyncEnd}
 */
function asyncEnd(which, spin) {
  const semaphore = openSemaphore(which, spin);
  return {
    release() {
      semaphore.release();
    },
    acquire() {
      return semaphore.acquire();
    },
  };
}

await runSemaphoreJob(
  words,
  {
    sync: {
      sys: sysEnd,
      'class-sync': (which) => classEnd(which),
      'class-try': tryingEnd,
      spin: (which) => classEnd(which, SPIN_MICROSECONDS),
    },
    async: {
      async: (which) => asyncEnd(which),
      'spin-async': (which) => asyncEnd(which, SPIN_MICROSECONDS),
    },
  },
  plan,
);
