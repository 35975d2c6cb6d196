// POSIX message queues: the jobs of bench/c/posix-mq.c, call for call, through this package.
import { PosixMessageQueue } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { netJobs } from './net.js';
import { accompany, accompanyAsync, measure, measureAsync, meter, readArguments } from './peer.js';

/**
 * One end of one queue.
 * @typedef {{ send(data: Uint8Array): void, receive(): Uint8Array }} SyncEnd
 * @typedef {Pick<PosixMessageQueue, 'send' | 'receive'>} AsyncEnd
 */

const { words, options, size, plan } = readArguments(['f', 'b', 'u']);
const { f: forth, b: back } = options;
const payload = Buffer.alloc(size, 'x');

const SPIN_MICROSECONDS = 50;
const BATCH = 64;

/** @param {number} length */
function checkLength(length) {
  if (length !== size) throw new Error(`received ${length} bytes instead of ${size}`);
}

/**
 * @param {string} name
 * @param {number} [spin]
 */
function openQueue(name, spin = 0) {
  return PosixMessageQueue.open(name, { create: false, spin });
}

/**
 * @param {string} name
 * @returns {SyncEnd}
 */
function sysEnd(name) {
  const queue = sys.mq_open(name, sys.O_RDWR | sys.O_CLOEXEC);
  const memory = Buffer.alloc(size);
  return {
    send(data) {
      sys.mq_send(queue, data, 0);
    },
    receive() {
      checkLength(sys.mq_receive(queue, memory));
      return memory;
    },
  };
}

/**
 * @param {string} name
 * @param {number} spin
 * @returns {SyncEnd}
 */
function classEnd(name, spin) {
  const queue = openQueue(name, spin);
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

/** @type {Record<string, (name: string) => SyncEnd>} */
const syncEnds = {
  sys: sysEnd,
  'class-sync': (name) => classEnd(name, 0),
  spin: (name) => classEnd(name, SPIN_MICROSECONDS),
};

/** @type {Record<string, (name: string) => AsyncEnd>} */
const asyncEnds = {
  async: (name) => openQueue(name),
  'spin-async': (name) => openQueue(name, SPIN_MICROSECONDS),
};

/** @type {Record<string, (open: (name: string) => SyncEnd) => void>} */
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

/** @type {Record<string, (open: (name: string) => AsyncEnd) => Promise<void>>} */
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
    const queue = openQueue(forth);
    const go = sysEnd(back);
    const more = meter(() => go.send(payload), plan);
    for await (const { data } of queue) {
      checkLength(data.length);
      if (!more(1)) break;
    }
  },

  async 'receiver receive-many'() {
    const queue = openQueue(forth);
    const go = sysEnd(back);
    const more = meter(() => go.send(payload), plan);
    for (;;) {
      const messages = await queue.receiveMany(BATCH);
      for (const { data } of messages) checkLength(data.length);
      if (!more(messages.length)) break;
    }
  },

  async 'sender send-batches'() {
    const queue = openQueue(forth);
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
const netJob = netJobs[job];
if (other) await other();
else if (variant === 'net' && netJob) await netJob(options.u, size, plan);
else if (syncEnd && syncJob) syncJob(syncEnd);
else if (asyncEnd && asyncJob) await asyncJob(asyncEnd);
else throw new Error(`no job ${words.join(' ')}`);
