// The jobs of semaphores, of whatever kind: both families do the same with theirs.
import { accompany, accompanyAsync, measure, measureAsync } from './peer.js';

/** @import { Plan } from './peer.js' */

/**
 * One of two semaphores, which begin at 0.
 * @typedef {'forth' | 'back'} Which
 * @typedef {{ release(): void, acquire(): void }} SyncEnd
 * @typedef {{ release(): void, acquire(): Promise<void> }} AsyncEnd
 */

/**
 * By the names of the variants.
 * @typedef {object} Ends
 * @property {Record<string, (which: Which) => SyncEnd>} sync
 * @property {Record<string, (which: Which) => AsyncEnd>} async
 */

/** @type {Record<string, (open: (which: Which) => SyncEnd, plan: Plan) => void>} */
const syncJobs = {
  pair(open, plan) {
    const semaphore = open('forth');
    measure((n) => {
      for (let i = 0; i < n; i++) {
        semaphore.release();
        semaphore.acquire();
      }
    }, plan);
  },

  client(open, plan) {
    const requests = open('forth');
    const answers = open('back');
    measure((n) => {
      for (let i = 0; i < n; i++) {
        requests.release();
        answers.acquire();
      }
    }, plan);
  },

  server(open, plan) {
    const requests = open('forth');
    const answers = open('back');
    accompany((n) => {
      for (let i = 0; i < n; i++) {
        requests.acquire();
        answers.release();
      }
    }, plan);
  },
};

/** @type {Record<string, (open: (which: Which) => AsyncEnd, plan: Plan) => Promise<void>>} */
const asyncJobs = {
  async client(open, plan) {
    const requests = open('forth');
    const answers = open('back');
    await measureAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        requests.release();
        await answers.acquire();
      }
    }, plan);
  },

  async server(open, plan) {
    const requests = open('forth');
    const answers = open('back');
    await accompanyAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        await requests.acquire();
        answers.release();
      }
    }, plan);
  },
};

/**
 * @param {string[]} words the job and the variant
 * @param {Ends} ends
 * @param {Plan} plan
 */
export async function runSemaphoreJob([job = '', variant = ''], ends, plan) {
  const openSync = ends.sync[variant];
  const syncJob = syncJobs[job];
  const openAsync = ends.async[variant];
  const asyncJob = asyncJobs[job];
  if (openSync && syncJob) syncJob(openSync, plan);
  else if (openAsync && asyncJob) await asyncJob(openAsync, plan);
  else throw new Error(`no job ${job} ${variant}`);
}
