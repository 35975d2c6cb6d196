// System V semaphores: the jobs of bench/c/sysv-sem.c, call for call, through this package.
import { SysvSemaphoreSet } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { readArguments } from './peer.js';
import { runSemaphoreJob } from './semaphores.js';

/** @import { AsyncEnd, SyncEnd, Which } from './semaphores.js' */

const { words, options, plan } = readArguments(['i']);
const id = Number(options.i);

/** Both are of one set. */
const indices = { forth: 0, back: 1 };
const SPIN_MICROSECONDS = 50;

/**
 * @param {Which} which
 * @returns {SyncEnd}
 */
function sysEnd(which) {
  const upwards = [{ sem_num: indices[which], sem_op: 1, sem_flg: 0 }];
  const downwards = [{ sem_num: indices[which], sem_op: -1, sem_flg: 0 }];
  return {
    release() {
      sys.semop(id, upwards);
    },
    acquire() {
      sys.semop(id, downwards);
    },
  };
}

/**
 * @param {Which} which
 * @param {number} [spin]
 * @returns {SyncEnd}
 */
function classEnd(which, spin = 0) {
  const set = SysvSemaphoreSet.openId(id, { spin });
  const index = indices[which];
  return {
    release() {
      set.release(index);
    },
    acquire() {
      set.acquireSync(index);
    },
  };
}

/**
 * @param {Which} which
 * @returns {SyncEnd}
 */
function tryingEnd(which) {
  const set = SysvSemaphoreSet.openId(id);
  const index = indices[which];
  return {
    release() {
      set.release(index);
    },
    acquire() {
      if (!set.tryAcquire(index)) throw new Error('the semaphore is not free');
    },
  };
}

/**
 * @param {Which} which
 * @param {number} [spin]
 * @returns {AsyncEnd}
 */
function asyncEnd(which, spin = 0) {
  const set = SysvSemaphoreSet.openId(id, { spin });
  const index = indices[which];
  return {
    release() {
      set.release(index);
    },
    acquire() {
      return set.acquire(index);
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
