// Unix domain sockets: the jobs of bench/c/unix-socket.c, call for call, through this package.
import { createRequire } from 'node:module';
import { UnixDatagramSocket, UnixSeqpacketSocket, UnixStream } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { netJobs } from './net.js';
import { accompany, accompanyAsync, measure, measureAsync, meter, readArguments } from './peer.js';

/** @import { EventEmitter } from 'node:events' */

/**
 * @typedef {UnixDatagramSocket | UnixSeqpacketSocket | UnixStream} Socket
 */

/**
 * @typedef {object} SyncEnd
 * @property {(data: Uint8Array) => void} send
 * @property {() => Uint8Array} receive takes one message
 * @property {() => number} take one message, or up to 64 KiB of a stream, and gives how much that was
 */

/**
 * What is used of the npm package unix-dgram.
 * @typedef {object} UnixDgramMethods
 * @property {(path: string) => void} bind
 * @property {(path: string) => void} connect
 * @property {(data: Uint8Array, offset?: number, length?: number, path?: string) => void} send
 * @property {() => void} close
 * @typedef {EventEmitter & UnixDgramMethods} UnixDgramSocket
 * @typedef {{ createSocket(type: 'unix_dgram', listener: (data: Buffer) => void): UnixDgramSocket }} UnixDgram
 */

const { words, options, size, plan } = readArguments(['k', 'f', 'b', 'u', 'm']);
const [job = '', variant = ''] = words;
const payload = Buffer.alloc(size, 'x');

/** Where they lie in every peer: the family hands them down in this order. */
const CLIENT = 3;
const SERVER = 4;
const GO_READER = 5;
const GO_WRITER = 6;

const SPIN_MICROSECONDS = 50;
const BATCH = 64;
/** UnixStream reads as much where nothing is said. */
const BUFFER_SIZE = 65_536;

/** Where the peer with this socket sends; nowhere in particular where the sockets are connected. */
const addresses = /** @type {Record<number, string | undefined>} */ ({
  [CLIENT]: options.f,
  [SERVER]: options.b,
});
/** One message of a stream; the other sockets keep messages apart themselves. */
const whole = options.k === 'stream' ? { size } : undefined;
/** @param {number} fd */
const destination = (fd) => (addresses[fd] === undefined ? undefined : { to: addresses[fd] });
const descriptors = [GO_READER];
const word = Buffer.from('x');

/** @param {number} length */
function checkLength(length) {
  if (length !== size) throw new Error(`${length} bytes instead of ${size} were transferred`);
}

/**
 * @template T
 * @param {T | null | undefined} message
 */
function present(message) {
  if (message === null || message === undefined) throw new Error('the connection has ended');
  return message;
}

/**
 * @param {number} fd
 * @param {{ spin?: number, descriptors?: boolean }} [how]
 * @returns {Socket}
 */
function openSocket(fd, how = {}) {
  if (options.k === 'stream') return UnixStream.fromFd(fd, how);
  if (options.k === 'seqpacket') return UnixSeqpacketSocket.fromFd(fd, how);
  return UnixDatagramSocket.fromFd(fd, how);
}

/** The sender waits for this word: unasked it could fill the socket before the clock starts. */
function letGo() {
  sys.write(GO_WRITER, word);
}

function awaitGo() {
  if (sys.read(GO_READER, word) !== 1) throw new Error('no word came');
}

/**
 * @param {number} fd
 * @returns {Pick<SyncEnd, 'send'>}
 */
function sysSender(fd) {
  const address = addresses[fd];
  if (address === undefined) return { send: (data) => checkLength(sys.send(fd, data)) };
  return { send: (data) => checkLength(sys.sendto(fd, data, 0, address)) };
}

/**
 * @param {number} fd
 * @returns {SyncEnd}
 */
function sysEnd(fd) {
  const message = Buffer.alloc(size);
  const memory = whole ? Buffer.alloc(BUFFER_SIZE) : message;
  return {
    ...sysSender(fd),
    receive() {
      checkLength(sys.recv(fd, message));
      return message;
    },
    take() {
      return sys.recv(fd, memory);
    },
  };
}

/**
 * @param {number} fd
 * @returns {SyncEnd}
 */
function freshEnd(fd) {
  return {
    ...sysSender(fd),
    receive() {
      const data = sys.recv(fd, size);
      checkLength(data.length);
      return data;
    },
    take() {
      return sys.recv(fd, whole ? BUFFER_SIZE : size).length;
    },
  };
}

/**
 * @param {number} fd
 * @param {number} spin
 * @returns {SyncEnd}
 */
function classEnd(fd, spin) {
  const socket = openSocket(fd, { spin });
  const to = destination(fd);
  return {
    send(data) {
      socket.sendSync(data, to);
    },
    receive() {
      const { data } = present(socket.receiveSync(whole));
      checkLength(data.length);
      return data;
    },
    take() {
      return present(socket.receiveSync()).data.length;
    },
  };
}

/** @type {Record<string, (fd: number) => SyncEnd>} */
const syncEnds = {
  sys: sysEnd,
  'sys-fresh': freshEnd,
  'class-sync': (fd) => classEnd(fd, 0),
  spin: (fd) => classEnd(fd, SPIN_MICROSECONDS),
};

/** @type {Record<string, (fd: number) => Socket>} */
const asyncEnds = {
  async: (fd) => openSocket(fd),
  'spin-async': (fd) => openSocket(fd, { spin: SPIN_MICROSECONDS }),
};

/** @type {Record<string, (open: (fd: number) => SyncEnd) => void>} */
const syncJobs = {
  pair(open) {
    const sender = open(CLIENT);
    const receiver = open(SERVER);
    measure((n) => {
      for (let i = 0; i < n; i++) {
        sender.send(payload);
        receiver.receive();
      }
    }, plan);
  },

  client(open) {
    const end = open(CLIENT);
    measure((n) => {
      for (let i = 0; i < n; i++) {
        end.send(payload);
        end.receive();
      }
    }, plan);
  },

  server(open) {
    const end = open(SERVER);
    accompany((n) => {
      for (let i = 0; i < n; i++) end.send(end.receive());
    }, plan);
  },

  receiver(open) {
    const end = open(SERVER);
    measure((n) => {
      letGo();
      for (let left = n * size; left > 0;) left -= end.take();
    }, plan);
  },

  sender(open) {
    const end = open(CLIENT);
    accompany((n) => {
      awaitGo();
      for (let i = 0; i < n; i++) end.send(payload);
    }, plan);
  },
};

/** @type {Record<string, (open: (fd: number) => Socket) => Promise<void>>} */
const asyncJobs = {
  async client(open) {
    const socket = open(CLIENT);
    const to = destination(CLIENT);
    await measureAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        await socket.send(payload, to);
        const { data } = present(await socket.receive(whole));
        checkLength(data.length);
      }
    }, plan);
  },

  async server(open) {
    const socket = open(SERVER);
    const to = destination(SERVER);
    await accompanyAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        const { data } = present(await socket.receive(whole));
        checkLength(data.length);
        await socket.send(data, to);
      }
    }, plan);
  },
};

/**
 * Sockets of the npm package, as its README has them: bound, and sending to a path or to the one they are connected to.
 * @param {string} own
 * @param {string} peer
 * @param {(data: Buffer) => void} listener
 */
function openUnixDgram(own, peer, listener) {
  /** @type {unknown} */
  const module = createRequire(import.meta.url)(options.m);
  const socket = /** @type {UnixDgram} */ (module).createSocket('unix_dgram', listener);
  socket.bind(own);
  let send = (/** @type {Buffer} */ data) => socket.send(data, 0, data.length, peer);
  /** Once the peer is bound. */
  const meet = () => {
    if (addresses[CLIENT] !== undefined) return;
    socket.connect(peer);
    send = (data) => socket.send(data);
  };
  return { meet, send: (/** @type {Buffer} */ data) => send(data), close: () => socket.close() };
}

/** @type {Record<string, () => Promise<void> | void>} */
const otherJobs = {
  async 'receiver for-await'() {
    const socket = openSocket(SERVER);
    const more = meter(letGo, plan, size);
    for await (const { data } of socket) {
      if (!more(data.length)) break;
    }
  },

  async 'receiver receive-many'() {
    const socket = openSocket(SERVER);
    if (!('receiveMany' in socket)) throw new Error('a stream has no messages');
    const more = meter(letGo, plan, size);
    for (;;) {
      let bytes = 0;
      for (const { data } of await socket.receiveMany(BATCH)) bytes += data.length;
      if (!more(bytes)) break;
    }
  },

  'receiver stream'() {
    const stream = UnixStream.fromFd(SERVER).stream();
    const more = meter(letGo, plan, size);
    stream.on('data', (/** @type {Buffer} */ chunk) => {
      if (!more(chunk.length)) stream.destroy();
    });
  },

  async 'sender send-batches'() {
    const socket = openSocket(CLIENT);
    const to = destination(CLIENT);
    await accompanyAsync(async (n) => {
      awaitGo();
      for (let left = n; left > 0; left -= BATCH) {
        const batch = [];
        for (let i = 0; i < Math.min(BATCH, left); i++) batch.push(socket.send(payload, to));
        await Promise.all(batch);
      }
    }, plan);
  },

  // As node/net.js does it.
  async 'client stream'() {
    const stream = UnixStream.fromFd(CLIENT).stream();
    let left = 0;
    let received = 0;
    let finish = () => {};
    stream.on('data', (/** @type {Buffer} */ chunk) => {
      received += chunk.length;
      if (received < size) return;
      received = 0;
      if (--left > 0) stream.write(payload);
      else finish();
    });
    await measureAsync((n) => {
      left = n;
      /** @type {Promise<void>} */
      const finished = new Promise((resolve) => (finish = resolve));
      stream.write(payload);
      return finished;
    }, plan);
    stream.destroy();
  },

  'server stream'() {
    const stream = UnixStream.fromFd(SERVER).stream();
    let left = (plan.warmup + plan.turns * plan.count) * size;
    stream.on('data', (/** @type {Buffer} */ chunk) => {
      stream.write(chunk);
      left -= chunk.length;
      // Both peers hold both descriptors: the client's end never ends for this one.
      if (left <= 0) stream.end(() => stream.destroy());
    });
  },

  async 'client unix-dgram'() {
    let left = 0;
    let finish = () => {};
    const socket = openUnixDgram(`${options.u}.client`, `${options.u}.server`, (data) => {
      checkLength(data.length);
      if (--left > 0) socket.send(payload);
      else finish();
    });
    awaitGo();
    socket.meet();
    // Without a promise per message: the package at its best.
    await measureAsync((n) => {
      left = n;
      /** @type {Promise<void>} */
      const finished = new Promise((resolve) => (finish = resolve));
      socket.send(payload);
      return finished;
    }, plan);
    socket.close();
  },

  'server unix-dgram'() {
    let left = plan.warmup + plan.turns * plan.count;
    let isFirst = true;
    const socket = openUnixDgram(`${options.u}.server`, `${options.u}.client`, (data) => {
      if (isFirst) socket.meet();
      isFirst = false;
      socket.send(data);
      if (--left === 0) socket.close();
    });
    // The client waits for this word: the peers are started together.
    letGo();
  },

  'descriptor-client sys'() {
    const message = Buffer.alloc(size);
    const parcel = { data: payload, fds: descriptors };
    measure((n) => {
      for (let i = 0; i < n; i++) {
        sys.sendmsg(CLIENT, parcel);
        checkLength(sys.recv(CLIENT, message));
      }
    }, plan);
  },

  'descriptor-server sys'() {
    accompany((n) => {
      for (let i = 0; i < n; i++) {
        const { data, fds } = sys.recvmsg(SERVER, size);
        sys.close(present(fds[0]));
        checkLength(sys.send(SERVER, data));
      }
    }, plan);
  },

  'descriptor-client class-sync'() {
    const socket = openSocket(CLIENT);
    const along = { descriptors };
    measure((n) => {
      for (let i = 0; i < n; i++) {
        socket.sendSync(payload, along);
        checkLength(present(socket.receiveSync()).data.length);
      }
    }, plan);
  },

  'descriptor-server class-sync'() {
    const socket = openSocket(SERVER, { descriptors: true });
    accompany((n) => {
      for (let i = 0; i < n; i++) {
        const message = present(socket.receiveSync());
        sys.close(present(message.descriptors[0]));
        socket.sendSync(message.data);
      }
    }, plan);
  },

  async 'descriptor-client async'() {
    const socket = openSocket(CLIENT);
    const along = { descriptors };
    await measureAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        await socket.send(payload, along);
        checkLength(present(await socket.receive()).data.length);
      }
    }, plan);
  },

  async 'descriptor-server async'() {
    const socket = openSocket(SERVER, { descriptors: true });
    await accompanyAsync(async (n) => {
      for (let i = 0; i < n; i++) {
        const message = present(await socket.receive());
        sys.close(present(message.descriptors[0]));
        await socket.send(message.data);
      }
    }, plan);
  },
};

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
