// Event counters: the jobs of bench/c/eventfd.c, call for call, through this package.
import { EventFd } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { accompany, accompanyAsync, measure, measureAsync, meter, readArguments } from './peer.js';

/**
 * One counter: adds 1, waits and takes all there is.
 * @typedef {{ signal(): void, wait(): number }} SyncEnd
 * @typedef {Pick<EventFd, 'signal' | 'wait'>} AsyncEnd
 */

const { words, options, plan } = readArguments(['f', 'b']);
const forth = Number(options.f);
const back = Number(options.b);

const SPIN_MICROSECONDS = 50;

/** @param {number | bigint} count */
function checkOne(count) {
  if (count !== 1) throw new Error(`the counter was ${String(count)} instead of 1`);
}

/**
 * @param {number} fd
 * @returns {SyncEnd}
 */
function sysEnd(fd) {
  const one = new BigUint64Array([1n]);
  const posted = new Uint8Array(one.buffer);
  const taken = new Uint32Array(2);
  const memory = new Uint8Array(taken.buffer);
  return {
    signal() {
      sys.write(fd, posted);
    },
    // Its lower half, on the machines that Node runs on.
    wait() {
      sys.read(fd, memory);
      return taken[0] ?? 0;
    },
  };
}

/**
 * @param {number} fd
 * @param {number} spin
 * @returns {SyncEnd}
 */
function classEnd(fd, spin) {
  const counter = EventFd.fromFd(fd, { spin });
  return {
    signal() {
      counter.signalSync();
    },
    wait() {
      return Number(counter.waitSync());
    },
  };
}

/** @type {Record<string, (fd: number) => SyncEnd>} */
const syncEnds = {
  sys: sysEnd,
  'class-sync': (fd) => classEnd(fd, 0),
  spin: (fd) => classEnd(fd, SPIN_MICROSECONDS),
};

/** @type {Record<string, (fd: number) => AsyncEnd>} */
const asyncEnds = {
  async: (fd) => EventFd.fromFd(fd),
  'spin-async': (fd) => EventFd.fromFd(fd, { spin: SPIN_MICROSECONDS }),
};

/** @type {Record<string, (open: (fd: number) => SyncEnd) => void>} */
const syncJobs = {
  pair(open) {
    const counter = open(forth);
    measure((n) => {
      for (let i = 0; i < n; i++) {
        counter.signal();
        checkOne(counter.wait());
      }
    }, plan);
  },

  client(open) {
    const requests = open(forth);
    const answers = open(back);
    measure((n) => {
      for (let i = 0; i < n; i++) {
        requests.signal();
        checkOne(answers.wait());
      }
    }, plan);
  },

  server(open) {
    const requests = open(forth);
    const answers = open(back);
    accompany((n) => {
      for (let i = 0; i < n; i++) {
        checkOne(requests.wait());
        answers.signal();
      }
    }, plan);
  },

  receiver(open) {
    const counter = open(forth);
    const go = sysEnd(back);
    measure((n) => {
      // The sender waits for this word: unasked it could begin before the clock starts.
      go.signal();
      for (let left = n; left > 0;) left -= counter.wait();
    }, plan);
  },

  sender(open) {
    const counter = open(forth);
    const go = sysEnd(back);
    accompany((n) => {
      checkOne(go.wait());
      for (let i = 0; i < n; i++) counter.signal();
    }, plan);
  },
};

/** @type {Record<string, (open: (fd: number) => AsyncEnd) => Promise<void>>} */
const asyncJobs = {
  async client(open) {
    const requests = open(forth);
    const answers = open(back);
    await measureAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        await requests.signal();
        checkOne(await answers.wait());
      }
    }, plan);
  },

  async server(open) {
    const requests = open(forth);
    const answers = open(back);
    await accompanyAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        checkOne(await requests.wait());
        await answers.signal();
      }
    }, plan);
  },
};

async function receiveInLoop() {
  const counter = EventFd.fromFd(forth);
  const go = sysEnd(back);
  const more = meter(() => go.signal(), plan);
  for await (const n of counter) {
    if (!more(Number(n))) break;
  }
}

const [job = '', variant = ''] = words;
const syncEnd = syncEnds[variant];
const syncJob = syncJobs[job];
const asyncEnd = asyncEnds[variant];
const asyncJob = asyncJobs[job];
if (job === 'receiver' && variant === 'for-await') await receiveInLoop();
else if (syncEnd && syncJob) syncJob(syncEnd);
else if (asyncEnd && asyncJob) await asyncJob(asyncEnd);
else throw new Error(`no job ${words.join(' ')}`);
