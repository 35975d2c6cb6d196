// System V message queues: the jobs of bench/c/sysv-msg.c, call for call, through this package.
import { SysvMessageQueue } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { accompany, accompanyAsync, measure, measureAsync, meter, readArguments } from './peer.js';

const { words, options, size, plan } = readArguments(['q', 'b']);
const forth = Number(options.q);
const back = Number(options.b);
const payload = Buffer.alloc(size, 'x');

const SPIN_MICROSECONDS = 50;
const BATCH = 64;

/**
 * One end of one queue.
 * @typedef {{ send(data: Uint8Array): void, receive(): Uint8Array }} SyncEnd
 * @typedef {Pick<SysvMessageQueue, 'send' | 'receive'>} AsyncEnd
 */

/** @param {number} length */
function checkLength(length) {
  if (length !== size) throw new Error(`received ${length} bytes instead of ${size}`);
}

/**
 * @param {number} id
 * @returns {SyncEnd}
 */
function sysEnd(id) {
  const memory = Buffer.alloc(size);
  return {
    send(data) {
      sys.msgsnd(id, 1, data, 0);
    },
    receive() {
      checkLength(sys.msgrcv(id, memory, 0, 0));
      return memory;
    },
  };
}

/**
 * @param {number} id
 * @param {number} spin
 * @returns {SyncEnd}
 */
function classEnd(id, spin) {
  const queue = SysvMessageQueue.openId(id, { spin });
  return {
    send(data) {
      queue.sendSync(data);
    },
    receive() {
      const { data } = queue.receiveSync();
      checkLength(data.length);
      return data;
    },
  };
}

/** @type {Record<string, (id: number) => SyncEnd>} */
const syncEnds = {
  sys: sysEnd,
  'class-sync': (id) => classEnd(id, 0),
  spin: (id) => classEnd(id, SPIN_MICROSECONDS),
};

/** @type {Record<string, (id: number) => AsyncEnd>} */
const asyncEnds = {
  async: (id) => SysvMessageQueue.openId(id),
  'spin-async': (id) => SysvMessageQueue.openId(id, { spin: SPIN_MICROSECONDS }),
};

/** @type {Record<string, (open: (id: number) => SyncEnd) => void>} */
const syncJobs = {
  pair(open) {
    const queue = open(forth);
    measure((n) => {
      for (let i = 0; i < n; i++) {
        queue.send(payload);
        queue.receive();
      }
    }, plan);
  },

  client(open) {
    const requests = open(forth);
    const answers = open(back);
    measure((n) => {
      for (let i = 0; i < n; i++) {
        requests.send(payload);
        answers.receive();
      }
    }, plan);
  },

  server(open) {
    const requests = open(forth);
    const answers = open(back);
    accompany((n) => {
      for (let i = 0; i < n; i++) answers.send(requests.receive());
    }, plan);
  },

  receiver(open) {
    const queue = open(forth);
    const go = sysEnd(back);
    measure((n) => {
      // The sender waits for this word: unasked it could fill the queue before the clock starts.
      go.send(payload);
      for (let i = 0; i < n; i++) queue.receive();
    }, plan);
  },

  sender(open) {
    const queue = open(forth);
    const go = sysEnd(back);
    accompany((n) => {
      go.receive();
      for (let i = 0; i < n; i++) queue.send(payload);
    }, plan);
  },
};

/** @type {Record<string, (open: (id: number) => AsyncEnd) => Promise<void>>} */
const asyncJobs = {
  async client(open) {
    const requests = open(forth);
    const answers = open(back);
    await measureAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        await requests.send(payload);
        const { data } = await answers.receive();
        checkLength(data.length);
      }
    }, plan);
  },

  async server(open) {
    const requests = open(forth);
    const answers = open(back);
    await accompanyAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        const { data } = await requests.receive();
        checkLength(data.length);
        await answers.send(data);
      }
    }, plan);
  },
};

/** @type {Record<string, () => Promise<void>>} */
const otherJobs = {
  async 'receiver for-await'() {
    const queue = SysvMessageQueue.openId(forth);
    const go = sysEnd(back);
    const more = meter(() => go.send(payload), plan);
    for await (const { data } of queue) {
      checkLength(data.length);
      if (!more(1)) break;
    }
  },

  async 'sender send-batches'() {
    const queue = SysvMessageQueue.openId(forth);
    const go = sysEnd(back);
    await accompanyAsync(async (n) => {
      go.receive();
      for (let left = n; left > 0; left -= BATCH) {
        const batch = [];
        for (let i = 0; i < Math.min(BATCH, left); i++) batch.push(queue.send(payload));
        await Promise.all(batch);
      }
    }, plan);
  },
};

const [job = '', variant = ''] = words;
const other = otherJobs[`${job} ${variant}`];
const syncEnd = syncEnds[variant];
const syncJob = syncJobs[job];
const asyncEnd = asyncEnds[variant];
const asyncJob = asyncJobs[job];
if (other) await other();
else if (syncEnd && syncJob) syncJob(syncEnd);
else if (asyncEnd && asyncJob) await asyncJob(asyncEnd);
else throw new Error(`no job ${words.join(' ')}`);
