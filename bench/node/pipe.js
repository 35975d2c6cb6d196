// Pipes and FIFOs: the jobs of bench/c/pipe.c, call for call, through this package.
import { Fifo, PipeReader, PipeWriter } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { netJobs } from './net.js';
import { accompany, accompanyAsync, measure, measureAsync, meter, readArguments } from './peer.js';

/**
 * The two descriptors of a pipe, inherited, or a FIFO that each peer opens by its path.
 * @typedef {{ reader: number, writer: number } | { path: string }} Channel
 */

/**
 * @typedef {object} SyncReader
 * @property {() => Uint8Array} read takes one message
 * @property {() => number} take takes up to 64 KiB and gives how much that was
 * @typedef {{ write(data: Uint8Array): void }} SyncWriter
 */

/**
 * Opens either end of a channel.
 * @typedef {{ reader(channel: Channel): SyncReader, writer(channel: Channel): SyncWriter }} SyncEnds
 * @typedef {{ reader(channel: Channel): Promise<PipeReader>, writer(channel: Channel): Promise<PipeWriter> }} AsyncEnds
 */

const { words, options, size, plan } = readArguments(['f', 'b', 'u']);
const forth = parseChannel(options.f);
const back = parseChannel(options.b);
const payload = Buffer.alloc(size, 'x');

const SPIN_MICROSECONDS = 50;
const BATCH = 64;
/** The classes read as much where nothing is said. */
const BUFFER_SIZE = 65_536;
/** One message. */
const whole = { size };

/**
 * @param {string} text
 * @returns {Channel}
 */
function parseChannel(text) {
  if (text.startsWith('/')) return { path: text };
  const [reader = -1, writer = -1] = text.split(',').map(Number);
  return { reader, writer };
}

/** @param {number} length */
function checkLength(length) {
  if (length !== size) throw new Error(`${length} bytes instead of ${size} were transferred`);
}

/**
 * @template T
 * @param {T | null} data
 */
function present(data) {
  if (data === null) throw new Error('the pipe has ended');
  return data;
}

/** @type {SyncEnds} */
const sysEnds = {
  reader(channel) {
    const fd = 'path' in channel ? sys.open(channel.path, sys.O_RDONLY | sys.O_CLOEXEC) : channel.reader;
    const message = Buffer.alloc(size);
    const memory = Buffer.alloc(BUFFER_SIZE);
    return {
      read() {
        checkLength(sys.read(fd, message));
        return message;
      },
      take() {
        return sys.read(fd, memory);
      },
    };
  },
  writer(channel) {
    const fd = 'path' in channel ? sys.open(channel.path, sys.O_WRONLY | sys.O_CLOEXEC) : channel.writer;
    return {
      write(data) {
        checkLength(sys.write(fd, data));
      },
    };
  },
};

/**
 * @param {number} spin
 * @returns {SyncEnds}
 */
function classEnds(spin) {
  return {
    reader(channel) {
      const reader =
        'path' in channel
          ? Fifo.openReaderSync(channel.path, { spin })
          : PipeReader.fromFd(channel.reader, { spin });
      return {
        read() {
          const data = present(reader.readSync(whole));
          checkLength(data.length);
          return data;
        },
        take() {
          return present(reader.readSync()).length;
        },
      };
    },
    writer(channel) {
      const writer =
        'path' in channel
          ? Fifo.openWriterSync(channel.path, { spin })
          : PipeWriter.fromFd(channel.writer, { spin });
      return {
        write(data) {
          writer.writeSync(data);
        },
      };
    },
  };
}

/**
 * @param {{ spin?: number, packets?: boolean }} [options]
 * @returns {AsyncEnds}
 */
function asyncEndsWith(options = {}) {
  return {
    async reader(channel) {
      return 'path' in channel
        ? await Fifo.openReader(channel.path, options)
        : PipeReader.fromFd(channel.reader, options);
    },
    async writer(channel) {
      return 'path' in channel
        ? await Fifo.openWriter(channel.path, options)
        : PipeWriter.fromFd(channel.writer, options);
    },
  };
}

/** @type {Record<string, SyncEnds>} */
const syncEnds = {
  sys: sysEnds,
  'class-sync': classEnds(0),
  spin: classEnds(SPIN_MICROSECONDS),
};

/** @type {Record<string, AsyncEnds>} */
const asyncEnds = {
  async: asyncEndsWith(),
  'spin-async': asyncEndsWith({ spin: SPIN_MICROSECONDS }),
};

// Both sides open the same FIFO first: opening waits for the other side.
/** @type {Record<string, (ends: SyncEnds) => void>} */
const syncJobs = {
  pair(ends) {
    const reader = ends.reader(forth);
    const writer = ends.writer(forth);
    measure((n) => {
      for (let i = 0; i < n; i++) {
        writer.write(payload);
        reader.read();
      }
    }, plan);
  },

  client(ends) {
    const requests = ends.writer(forth);
    const answers = ends.reader(back);
    measure((n) => {
      for (let i = 0; i < n; i++) {
        requests.write(payload);
        answers.read();
      }
    }, plan);
  },

  server(ends) {
    const requests = ends.reader(forth);
    const answers = ends.writer(back);
    accompany((n) => {
      for (let i = 0; i < n; i++) answers.write(requests.read());
    }, plan);
  },

  receiver(ends) {
    const reader = ends.reader(forth);
    const go = sysEnds.writer(back);
    measure((n) => {
      // The sender waits for this word: unasked it could fill the pipe before the clock starts.
      go.write(payload);
      for (let left = n * size; left > 0;) left -= reader.take();
    }, plan);
  },

  sender(ends) {
    const writer = ends.writer(forth);
    const go = sysEnds.reader(back);
    accompany((n) => {
      go.read();
      for (let i = 0; i < n; i++) writer.write(payload);
    }, plan);
  },
};

/** @type {Record<string, (ends: AsyncEnds) => Promise<void>>} */
const asyncJobs = {
  async client(ends) {
    const requests = await ends.writer(forth);
    const answers = await ends.reader(back);
    await measureAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        await requests.write(payload);
        checkLength(present(await answers.read(whole)).length);
      }
    }, plan);
  },

  async server(ends) {
    const requests = await ends.reader(forth);
    const answers = await ends.writer(back);
    await accompanyAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        const data = present(await requests.read(whole));
        checkLength(data.length);
        await answers.write(data);
      }
    }, plan);
  },
};

/**
 * @param {{ packets?: boolean }} [options]
 */
async function receiveInLoop(options) {
  const reader = await asyncEndsWith(options).reader(forth);
  const go = sysEnds.writer(back);
  const more = meter(() => go.write(payload), plan, size);
  for await (const chunk of reader) {
    if (!more(chunk.length)) break;
  }
}

/** @type {Record<string, () => Promise<void>>} */
const otherJobs = {
  'receiver for-await': () => receiveInLoop(),
  'receiver packets': () => receiveInLoop({ packets: true }),

  async 'receiver stream'() {
    const reader = await asyncEndsWith().reader(forth);
    const go = sysEnds.writer(back);
    const more = meter(() => go.write(payload), plan, size);
    const stream = reader.stream();
    stream.on('data', (/** @type {Buffer} */ chunk) => {
      if (!more(chunk.length)) stream.destroy();
    });
  },

  async 'sender write-batches'() {
    const writer = await asyncEndsWith().writer(forth);
    const go = sysEnds.reader(back);
    await accompanyAsync(async (n) => {
      go.read();
      for (let left = n; left > 0; left -= BATCH) {
        const batch = [];
        for (let i = 0; i < Math.min(BATCH, left); i++) batch.push(writer.write(payload));
        await Promise.all(batch);
      }
    }, plan);
  },

  // As node/net.js does it.
  async 'client stream'() {
    const requests = (await asyncEndsWith().writer(forth)).stream();
    const answers = (await asyncEndsWith().reader(back)).stream();
    let left = 0;
    let received = 0;
    let finish = () => {};
    answers.on('data', (/** @type {Buffer} */ chunk) => {
      received += chunk.length;
      if (received < size) return;
      received = 0;
      if (--left > 0) requests.write(payload);
      else finish();
    });
    await measureAsync((n) => {
      left = n;
      /** @type {Promise<void>} */
      const finished = new Promise((resolve) => (finish = resolve));
      requests.write(payload);
      return finished;
    }, plan);
    requests.destroy();
    answers.destroy();
  },

  async 'server stream'() {
    const requests = (await asyncEndsWith().reader(forth)).stream();
    const answers = (await asyncEndsWith().writer(back)).stream();
    let left = (plan.warmup + plan.turns * plan.count) * size;
    requests.on('data', (/** @type {Buffer} */ chunk) => {
      answers.write(chunk);
      left -= chunk.length;
      if (left > 0) return;
      answers.end();
      requests.destroy();
    });
  },
};

const [job = '', variant = ''] = words;
const other = otherJobs[`${job} ${variant}`];
const syncJob = syncJobs[job];
const asyncJob = asyncJobs[job];
const netJob = netJobs[job];
const ofSync = syncEnds[variant];
const ofAsync = asyncEnds[variant];
if (other) await other();
else if (variant === 'net' && netJob) await netJob(options.u, size, plan);
else if (ofSync && syncJob) syncJob(ofSync);
else if (ofAsync && asyncJob) await asyncJob(ofAsync);
else throw new Error(`no job ${words.join(' ')}`);
