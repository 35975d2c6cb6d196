// A block of bytes handed over from one process to another, by each mechanism. Every producer fills from the same prepared
// block, every consumer ends up with all of the bytes in memory of its own or shared, and sums one of each cache line.
import { PosixSemaphore, PosixSharedMemory } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { accompany, accompanyAsync, measure, measureAsync } from './peer.js';

/** @import { Plan } from './peer.js' */

/**
 * @typedef {object} Objects
 * @property {string} name shared memory that every mechanism has: two semaphores, and room for the block
 * @property {string} object what the mechanism has besides: ids, a name or a path; descriptors are inherited
 * @property {number} size of the block
 */

/**
 * The block is handed over when it is asked for.
 * @typedef {object} Producer
 * @property {() => void} awaitAsking
 * @property {() => void} put
 *
 * @typedef {object} Consumer
 * @property {() => void} ask
 * @property {() => Uint8Array} take
 * @property {() => void} [release] after each block
 *
 * @typedef {object} Mechanism
 * @property {(objects: Objects, block: Uint8Array) => Producer} producer
 * @property {(objects: Objects) => Consumer} consumer
 */

/** What the shared memory holds. */
const GO = 0;
const FULL = 64;
const BLOCK = 4096;

/** Where they lie in peers that inherit a pipe or a pair of sockets. */
const CONSUMER = 3;
const PRODUCER = 4;

const STRIDE = 64;
/** The limits of queues, unless somebody has changed them. */
const QUEUE_PIECE = 8192;
/** Well below the room of a socket. */
const SOCKET_PIECE = 65_536;

/** @param {number} size */
function prepare(size) {
  const block = new Uint8Array(size);
  for (let i = 0; i < size; i++) block[i] = i / STRIDE;
  return block;
}

/** @param {Uint8Array} block */
function sumOf(block) {
  let sum = 0;
  for (let i = 0; i < block.length; i += STRIDE) sum += block[i] ?? NaN;
  return sum;
}

/**
 * @param {Uint8Array} block
 * @param {number} length
 */
function piecesOf(block, length) {
  return Array.from({ length: Math.ceil(block.length / length) }, (_, i) =>
    block.subarray(i * length, (i + 1) * length),
  );
}

/**
 * @param {number} actual
 * @param {number} expected
 */
function checkLength(actual, expected) {
  if (actual !== expected) throw new Error(`${actual} bytes instead of ${expected} were transferred`);
}

/**
 * @param {number} fd
 * @param {number} length
 */
function map(fd, length) {
  return sys.mmap(null, length, sys.PROT_READ | sys.PROT_WRITE, sys.MAP_SHARED, fd);
}

/** @param {Objects} objects */
function mapShared({ name, size }) {
  const fd = sys.shm_open(name, sys.O_RDWR | sys.O_CLOEXEC);
  try {
    return map(fd, BLOCK + size);
  } finally {
    sys.close(fd);
  }
}

/**
 * How a mechanism that brings the bytes is asked for them, whatever it is.
 * @param {Objects} objects
 */
function asking(objects) {
  const go = sys.sem_at(mapShared(objects), GO);
  return { ask: () => sys.sem_post(go), awaitAsking: () => sys.sem_wait(go) };
}

/**
 * A mechanism that takes the block in pieces, each whole.
 * @param {number} length of a piece
 * @param {(objects: Objects) => (piece: Uint8Array) => void} sender
 * @param {(objects: Objects) => (piece: Uint8Array) => number} receiver
 * @returns {Mechanism}
 */
function inPieces(length, sender, receiver) {
  return {
    producer(objects, block) {
      const { awaitAsking } = asking(objects);
      const send = sender(objects);
      const pieces = piecesOf(block, length);
      return {
        awaitAsking,
        put() {
          for (const piece of pieces) send(piece);
        },
      };
    },
    consumer(objects) {
      const { ask } = asking(objects);
      const receive = receiver(objects);
      const block = new Uint8Array(objects.size);
      const pieces = piecesOf(block, length);
      return {
        ask,
        take() {
          for (const piece of pieces) checkLength(receive(piece), piece.length);
          return block;
        },
      };
    },
  };
}

/**
 * Bytes that come in whatever pieces the kernel makes.
 * @param {(objects: Objects) => number} openWriter
 * @param {(objects: Objects) => number} openReader
 * @returns {Mechanism}
 */
function pipe(openWriter, openReader) {
  return {
    producer(objects, block) {
      const { awaitAsking } = asking(objects);
      const fd = openWriter(objects);
      return {
        awaitAsking,
        put() {
          checkLength(sys.write(fd, block), block.length);
        },
      };
    },
    consumer(objects) {
      const { ask } = asking(objects);
      const fd = openReader(objects);
      const block = new Uint8Array(objects.size);
      return {
        ask,
        take() {
          for (let taken = 0; taken < block.length;) {
            const length = sys.read(fd, block.subarray(taken));
            if (length === 0) throw new Error('the pipe has ended');
            taken += length;
          }
          return block;
        },
      };
    },
  };
}

const packets = inPieces(
  SOCKET_PIECE,
  () => (piece) => checkLength(sys.send(PRODUCER, piece), piece.length),
  () => (piece) => sys.recv(CONSUMER, piece),
);

/** @type {Record<string, Mechanism>} */
const mechanisms = {
  sys: {
    producer(objects, block) {
      const memory = mapShared(objects);
      const shared = new Uint8Array(memory, BLOCK);
      const go = sys.sem_at(memory, GO);
      const full = sys.sem_at(memory, FULL);
      return {
        awaitAsking: () => sys.sem_wait(go),
        put() {
          shared.set(block);
          sys.sem_post(full);
        },
      };
    },
    consumer(objects) {
      const memory = mapShared(objects);
      const shared = new Uint8Array(memory, BLOCK);
      const go = sys.sem_at(memory, GO);
      const full = sys.sem_at(memory, FULL);
      return {
        ask: () => sys.sem_post(go),
        take() {
          sys.sem_wait(full);
          return shared;
        },
      };
    },
  },

  'class-sync': {
    producer({ name }, block) {
      const memory = PosixSharedMemory.open(name);
      const go = PosixSemaphore.at(memory, GO);
      const full = PosixSemaphore.at(memory, FULL);
      return {
        awaitAsking: () => go.acquireSync(),
        put() {
          memory.write(BLOCK, block);
          full.release();
        },
      };
    },
    consumer({ name }) {
      const memory = PosixSharedMemory.open(name);
      const go = PosixSemaphore.at(memory, GO);
      const full = PosixSemaphore.at(memory, FULL);
      const shared = memory.bytes.subarray(BLOCK);
      return {
        ask: () => go.release(),
        take() {
          full.acquireSync();
          return shared;
        },
      };
    },
  },

  'sysv-shm': {
    producer({ object }, block) {
      const [segment = -1, set = -1] = object.split(',').map(Number);
      const shared = new Uint8Array(sys.shmat(segment));
      const go = [{ sem_num: 0, sem_op: -1, sem_flg: 0 }];
      const full = [{ sem_num: 1, sem_op: 1, sem_flg: 0 }];
      return {
        awaitAsking: () => sys.semop(set, go),
        put() {
          shared.set(block);
          sys.semop(set, full);
        },
      };
    },
    consumer({ object }) {
      const [segment = -1, set = -1] = object.split(',').map(Number);
      const shared = new Uint8Array(sys.shmat(segment));
      const go = [{ sem_num: 0, sem_op: 1, sem_flg: 0 }];
      const full = [{ sem_num: 1, sem_op: -1, sem_flg: 0 }];
      return {
        ask: () => sys.semop(set, go),
        take() {
          sys.semop(set, full);
          return shared;
        },
      };
    },
  },

  memfd: {
    producer(objects, block) {
      const { awaitAsking } = asking(objects);
      return {
        awaitAsking,
        put() {
          const fd = sys.memfd_create('block', sys.MFD_CLOEXEC);
          sys.ftruncate(fd, block.length);
          const memory = map(fd, block.length);
          new Uint8Array(memory).set(block);
          sys.munmap(memory);
          sys.sendmsg(PRODUCER, { data: 'x', fds: [fd] });
          sys.close(fd);
        },
      };
    },
    consumer(objects) {
      const { ask } = asking(objects);
      let memory = new ArrayBuffer(0);
      return {
        ask,
        take() {
          const [fd = -1] = sys.recvmsg(CONSUMER, 1).fds;
          memory = map(fd, objects.size);
          sys.close(fd);
          return new Uint8Array(memory);
        },
        release: () => sys.munmap(memory),
      };
    },
  },

  pipe: pipe(
    () => PRODUCER,
    () => CONSUMER,
  ),
  fifo: pipe(
    ({ object }) => sys.open(object, sys.O_WRONLY | sys.O_CLOEXEC),
    ({ object }) => sys.open(object, sys.O_RDONLY | sys.O_CLOEXEC),
  ),
  stream: {
    producer(objects, block) {
      const { awaitAsking } = asking(objects);
      return { awaitAsking, put: () => checkLength(sys.send(PRODUCER, block), block.length) };
    },
    consumer(objects) {
      const { ask } = asking(objects);
      const block = new Uint8Array(objects.size);
      return {
        ask,
        take() {
          checkLength(sys.recv(CONSUMER, block, sys.MSG_WAITALL), block.length);
          return block;
        },
      };
    },
  },
  dgram: packets,
  seqpacket: packets,

  'sysv-msg': inPieces(
    QUEUE_PIECE,
    ({ object }) => {
      const id = Number(object);
      return (piece) => sys.msgsnd(id, 1, piece, 0);
    },
    ({ object }) => {
      const id = Number(object);
      return (piece) => sys.msgrcv(id, piece, 0, 0);
    },
  ),
  'posix-mq': inPieces(
    QUEUE_PIECE,
    ({ object }) => {
      const queue = sys.mq_open(object, sys.O_WRONLY | sys.O_CLOEXEC);
      return (piece) => sys.mq_send(queue, piece, 0);
    },
    ({ object }) => {
      const queue = sys.mq_open(object, sys.O_RDONLY | sys.O_CLOEXEC);
      return (piece) => sys.mq_receive(queue, piece);
    },
  ),
};

/** @type {Record<string, (objects: Objects, plan: Plan, mechanism: Mechanism) => void>} */
const syncJobs = {
  producer(objects, plan, mechanism) {
    const { awaitAsking, put } = mechanism.producer(objects, prepare(objects.size));
    accompany((n) => {
      for (let i = 0; i < n; i++) {
        awaitAsking();
        put();
      }
    }, plan);
  },

  consumer(objects, plan, mechanism) {
    const expected = sumOf(prepare(objects.size));
    const { ask, take, release } = mechanism.consumer(objects);
    measure((n) => {
      for (let i = 0; i < n; i++) {
        ask();
        if (sumOf(take()) !== expected) throw new Error('other bytes have come');
        release?.();
      }
    }, plan);
  },
};

/** By promises, in shared memory. @type {Record<string, (objects: Objects, plan: Plan) => Promise<void>>} */
const asyncJobs = {
  async producer({ name, size }, plan) {
    const block = prepare(size);
    const memory = PosixSharedMemory.open(name);
    const go = PosixSemaphore.at(memory, GO);
    const full = PosixSemaphore.at(memory, FULL);
    await accompanyAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        await go.acquire();
        memory.write(BLOCK, block);
        full.release();
      }
    }, plan);
  },

  async consumer({ name, size }, plan) {
    const expected = sumOf(prepare(size));
    const memory = PosixSharedMemory.open(name);
    const go = PosixSemaphore.at(memory, GO);
    const full = PosixSemaphore.at(memory, FULL);
    const shared = memory.bytes.subarray(BLOCK);
    await measureAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        go.release();
        await full.acquire();
        if (sumOf(shared) !== expected) throw new Error('other bytes have come');
      }
    }, plan);
  },
};

/**
 * @param {string} job
 * @param {string} variant
 * @param {Objects} objects
 * @param {Plan} plan
 */
export async function runHandover(job, variant, objects, plan) {
  const mechanism = mechanisms[variant];
  const syncJob = syncJobs[job];
  const asyncJob = asyncJobs[job];
  if (mechanism && syncJob) syncJob(objects, plan, mechanism);
  else if (variant === 'async' && asyncJob) await asyncJob(objects, plan);
  else throw new Error(`no job ${job} ${variant}`);
}
