// Futexes: the jobs of bench/c/futex.c, call for call, through this package.
import { Futex } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { accompany, accompanyAsync, measure, measureAsync, readArguments } from './peer.js';

/**
 * The word that both wait on, never at the same time: it says whose turn it is.
 * @typedef {{ handTo(whom: number): void, waitWhile(whose: number): void }} SyncEnd
 * @typedef {{ handTo(whom: number): void, waitWhile(whose: number): Promise<void> }} AsyncEnd
 */

const { words, plan } = readArguments([]);

/** The family hands the memory down. */
const MEMORY = 3;
const PAGE = 4096;
const CLIENT = 0;
const SERVER = 1;
const SPIN_MICROSECONDS = 50;

function mapMemory() {
  return sys.mmap(null, PAGE, sys.PROT_READ | sys.PROT_WRITE, sys.MAP_SHARED, MEMORY);
}

/** @param {unknown} error */
function isNotEqual(error) {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}

/** @returns {SyncEnd} */
function sysEnd() {
  const memory = mapMemory();
  const word = new Uint32Array(memory, 0, 1);
  return {
    handTo(whom) {
      Atomics.store(word, 0, whom);
      sys.futex_wake(memory, 0, 1);
    },
    waitWhile(whose) {
      while (Atomics.load(word, 0) === whose) {
        try {
          sys.futex_wait(memory, 0, whose);
        } catch (error) {
          // The other was faster.
          if (!isNotEqual(error)) throw error;
        }
      }
    },
  };
}

/**
 * @param {number} [spin]
 * @returns {SyncEnd}
 */
function classEnd(spin = 0) {
  const futex = Futex.at(mapMemory(), 0, { spin });
  return {
    handTo(whom) {
      futex.value = whom;
      futex.wake();
    },
    waitWhile(whose) {
      while (futex.value === whose) futex.waitSync(whose);
    },
  };
}

/**
 * @param {number} [spin]
 * @returns {AsyncEnd}
 */
function asyncEnd(spin = 0) {
  const futex = Futex.at(mapMemory(), 0, { spin });
  return {
    handTo(whom) {
      futex.value = whom;
      futex.wake();
    },
    async waitWhile(whose) {
      while (futex.value === whose) await futex.wait(whose);
    },
  };
}

/** @type {Record<string, () => SyncEnd>} */
const syncEnds = {
  sys: sysEnd,
  'class-sync': () => classEnd(),
  spin: () => classEnd(SPIN_MICROSECONDS),
};

/** @type {Record<string, () => AsyncEnd>} */
const asyncEnds = {
  async: () => asyncEnd(),
  'spin-async': () => asyncEnd(SPIN_MICROSECONDS),
};

/** @type {Record<string, (end: SyncEnd) => void>} */
const syncJobs = {
  client(word) {
    measure((n) => {
      for (let i = 0; i < n; i++) {
        word.handTo(SERVER);
        word.waitWhile(SERVER);
      }
    }, plan);
  },

  server(word) {
    accompany((n) => {
      for (let i = 0; i < n; i++) {
        word.waitWhile(CLIENT);
        word.handTo(CLIENT);
      }
    }, plan);
  },
};

/** @type {Record<string, (end: AsyncEnd) => Promise<void>>} */
const asyncJobs = {
  async client(word) {
    await measureAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        word.handTo(SERVER);
        await word.waitWhile(SERVER);
      }
    }, plan);
  },

  async server(word) {
    await accompanyAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        await word.waitWhile(CLIENT);
        word.handTo(CLIENT);
      }
    }, plan);
  },
};

const [job = '', variant = ''] = words;
const syncEnd = syncEnds[variant];
const syncJob = syncJobs[job];
const asyncEndOf = asyncEnds[variant];
const asyncJob = asyncJobs[job];
if (syncEnd && syncJob) syncJob(syncEnd());
else if (asyncEndOf && asyncJob) await asyncJob(asyncEndOf());
else throw new Error(`no job ${words.join(' ')}`);
