// Semaphores and shared words that tests make by the classes, and others that use them: see semaphores.ts for those of the
// calls of `unix-ipc/sys`, and for what the kernel says of all of them.
import { closeSync, openSync, readSync, readdirSync } from 'node:fs';
import { endianness } from 'node:os';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import {
  Futex,
  IPC_PRIVATE,
  PosixSemaphore,
  type SharedMemory,
  SysvSemaphoreSet,
  SysvSharedMemory,
} from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import {
  type NodePeer,
  type Outcome,
  type RemoteFailure,
  fixture,
  nobody,
  noSecondUser,
  sharedPeer,
} from './peers.js';
import { borrow } from './queues.js';
import {
  removeIfThere,
  semaphoreFile,
  sleepersOnWord,
  startedPeer,
  unusedSemaphoreName,
} from './semaphores.js';
import { until } from './until.js';

/** A set that the test made: closed and removed when the test is over. */
export function ownSet<Set extends { readonly id: number; close(): void }>(set: Set): Set {
  const { id } = set;
  onTestFinished(() => {
    set.close();
    removeIfThere(id);
  });
  return set;
}

/** A new private set with these values. */
export function privateSet(...initial: number[]): SysvSemaphoreSet {
  return ownSet(SysvSemaphoreSet.open(IPC_PRIVATE, { initial: initial.length === 0 ? [0] : initial }));
}

/** How many threads of all processes sleep until a semaphore of the set has more, or is zero. */
export function asleepOnSet(set: { readonly id: number; readonly count: number }): number {
  let sum = 0;
  for (let index = 0; index < set.count; index++) {
    sum += sys.semctl(set.id, index, sys.GETNCNT) as number;
    sum += sys.semctl(set.id, index, sys.GETZCNT) as number;
  }
  return sum;
}

/** Waits until that many threads sleep on the set. */
export function asleep(set: { readonly id: number; readonly count: number }, count = 1): Promise<void> {
  return until(`${count} asleep on the set`, () => asleepOnSet(set) === count);
}

/** New shared memory of the test's own. */
export function sharedMemory(size = 4096): SysvSharedMemory {
  const memory = SysvSharedMemory.create({ size });
  const { id } = memory;
  onTestFinished(() => {
    memory.close();
    try {
      sys.shmctl(id, sys.IPC_RMID);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EINVAL')) throw error;
    }
  });
  return memory;
}

/** Memory of sys.shmat() that is the test's own. */
export function attachedMemory(size = 4096): { buffer: ArrayBuffer; id: number } {
  const id = sys.shmget(sys.IPC_PRIVATE, size, 0o600);
  try {
    const buffer = sys.shmat(id);
    onTestFinished(() => {
      if (buffer.byteLength > 0) sys.shmdt(buffer);
    });
    return { buffer, id };
  } finally {
    // Processes that have it attached keep it, and its id still attaches.
    sys.shmctl(id, sys.IPC_RMID);
  }
}

/** Memory of sys.mmap() that is the test's own, shared with children alone. */
export function mappedMemory(length = 4096): ArrayBuffer {
  const flags = sys.MAP_SHARED | sys.MAP_ANONYMOUS;
  const buffer = sys.mmap(null, length, sys.PROT_READ | sys.PROT_WRITE, flags, -1);
  onTestFinished(() => {
    if (buffer.byteLength > 0) sys.munmap(buffer);
  });
  return buffer;
}

/** The names of all semaphores, as files. */
export function semaphoreFiles(): string[] {
  return readdirSync('/dev/shm').flatMap((file) => (file.startsWith('sem.') ? [`/${file.slice(4)}`] : []));
}

/** A POSIX semaphore, and what the C library has in its memory. */
export interface Placed {
  semaphore: PosixSemaphore;
  /** Another object of the same semaphore. */
  again(options?: { spin?: number }): PosixSemaphore;
  value(): number;
  /** How many threads of all processes wait. */
  waiters(): number;
  /** How another process opens it, for calls of fixtures/sync-peer.js. */
  open(user: { call(name: string, ...args: unknown[]): Promise<unknown> }): Promise<void>;
}

interface Made {
  initial?: number;
  spin?: number;
}

// glibc's struct new_sem where words of 64 bits are atomic: the value in the low half of one, the waiters in the high.
const waitersOffset = endianness() === 'LE' ? 4 : 0;

export function named(options: Made = {}): Placed {
  const name = unusedSemaphoreName();
  const semaphore = borrow(PosixSemaphore.open(name, { exclusive: true, ...options }));
  const fd = openSync(semaphoreFile(name), 'r');
  onTestFinished(() => closeSync(fd));
  const read = (offset: number): number => {
    const word = Buffer.alloc(4);
    readSync(fd, word, 0, 4, offset);
    return endianness() === 'LE' ? word.readUInt32LE() : word.readUInt32BE();
  };
  return {
    semaphore,
    again: (more) => borrow(PosixSemaphore.open(name, { create: false, ...more })),
    value: () => read(4 - waitersOffset),
    waiters: () => read(waitersOffset),
    open: async (user) => {
      await user.call('make', 'semaphore', 'PosixSemaphore', 'open', name, { create: false });
    },
  };
}

/** At an offset of shared memory, which must be a multiple of 8. */
export function placed(
  { initial = 0, ...options }: Made = {},
  memory = sharedMemory(),
  offset = 64,
): Placed & { memory: SysvSharedMemory } {
  const semaphore = borrow(PosixSemaphore.at(memory, offset, { initial, ...options }));
  const words = new Uint32Array(memory.buffer, offset, 2);
  return {
    memory,
    semaphore,
    again: (more) => borrow(PosixSemaphore.at(memory, offset, more)),
    value: () => words[1 - waitersOffset / 4] ?? NaN,
    waiters: () => words[waitersOffset / 4] ?? NaN,
    open: async (user) => {
      await user.call('make', 'memory', 'SysvSharedMemory', 'openId', memory.id);
      await user.call('make', 'semaphore', 'PosixSemaphore', 'at', '@memory', offset);
    },
  };
}

/** A word of shared memory of the test's own, zero at first. */
export interface Word {
  memory: SysvSharedMemory;
  futex: Futex;
  /** How many threads of a process sleep on it. */
  asleep(pid?: number): number;
  open(user: { call(name: string, ...args: unknown[]): Promise<unknown> }): Promise<void>;
}

export function word(options: { spin?: number } = {}, memory = sharedMemory(), offset = 128): Word {
  return {
    memory,
    futex: borrow(Futex.at(memory, offset, options)),
    asleep: (pid) => sleepersOnWord({ of: memory.id, offset }, pid),
    open: async (user) => {
      await user.call('make', 'memory', 'SysvSharedMemory', 'openId', memory.id);
      await user.call('make', 'futex', 'Futex', 'at', '@memory', offset);
    },
  };
}

/** A Node process that uses semaphores and words on request, started by another program where one is given. */
export function syncPeer(...starter: string[]): Promise<NodePeer> {
  return startedPeer('sync-peer.js', ...starter);
}

/** A Node process that the permissions of a set hold for: for root's own they do not. */
export async function unprivilegedSyncPeer(): Promise<NodePeer> {
  if (process.getuid?.() !== 0) return syncPeer();
  if (noSecondUser() !== undefined) return syncPeer('setpriv', '--bounding-set=-all', '--inh-caps=-all');
  const peer = await syncPeer();
  await peer.call('become', nobody);
  return peer;
}

/** A Worker of this process that makes the calls of a peer: see fixtures/sync-worker.js. */
export class WorkerPeer {
  readonly worker: Worker;
  readonly #pending = new Map<number, (outcome: Outcome) => void>();
  #next = 0;

  constructor() {
    this.worker = new Worker(fixture('sync-worker.js'), { execArgv: [] });
    onTestFinished(() => this.end());
    this.worker.on('message', ([id, outcome]: [number, Outcome]) => this.#pending.get(id)?.(outcome));
  }

  async #outcome(name: string, args: unknown[]): Promise<Outcome> {
    const id = this.#next++;
    const outcome = new Promise<Outcome>((resolve) => this.#pending.set(id, resolve));
    this.worker.postMessage([id, name, args]);
    return outcome;
  }

  async call(name: string, ...args: unknown[]): Promise<unknown> {
    const outcome = await this.#outcome(name, args);
    if (outcome.error) throw new Error(`${name} failed: ${outcome.error.message}`, { cause: outcome.error });
    return outcome.value;
  }

  async failure(name: string, ...args: unknown[]): Promise<RemoteFailure> {
    const outcome = await this.#outcome(name, args);
    if (!outcome.error) throw new Error(`${name} did not fail, but gave ${String(outcome.value)}`);
    return outcome.error;
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }
}

/** Processes that the tests of a file use in turn, started at once: see sharedPeer(). */
export function sharedPeers<Starts extends readonly (() => Promise<NodePeer>)[]>(
  ...starts: Starts
): { [Index in keyof Starts]: () => NodePeer } {
  const peers: NodePeer[] = [];
  const first = sharedPeer(async () => {
    peers.push(...(await Promise.all(starts.map((start) => start()))));
    const [peer] = peers;
    if (peer === undefined) throw new Error('no peer was to be shared');
    return peer;
  });
  return starts.map((_, index) => () => peers[index] ?? first()) as {
    [Index in keyof Starts]: () => NodePeer;
  };
}

/** One that has a handler of process.on() for SIGUSR2. */
export async function watchingPeer(): Promise<NodePeer> {
  const peer = await syncPeer();
  await peer.call('watch', 'SIGUSR2');
  return peer;
}

/** How often the peer's handler has run. */
export async function signalsOf(peer: NodePeer): Promise<number> {
  return ((await peer.call('signals')) as unknown[]).length;
}

/** Waits until the peer's handler has run so often: its event loop may have other things to do first. */
export async function handled(peer: NodePeer, count: number): Promise<void> {
  while ((await signalsOf(peer)) < count);
}

/** A blocking call as a promise, so that all variants can be tested by one text. */
export function promised<T>(call: () => T | Promise<T>): Promise<T> {
  return Promise.resolve().then(call);
}

/** Aborts at one of many moments, so that every step of a wait is hit by some. */
export function abortAtRandom(controller: AbortController, random: () => number): void {
  const moment = random();
  if (moment < 0.2) controller.abort();
  else if (moment < 0.4) queueMicrotask(() => controller.abort());
  else if (moment < 0.6) setImmediate(() => controller.abort());
  else if (moment < 0.8) setTimeout(() => controller.abort(), 1);
  else {
    const end = performance.now() + random() * 0.3;
    while (performance.now() < end);
    controller.abort();
  }
}

/**
 * Acquires that are aborted at random moments, four at a time, until so many at least were let through and as many were
 * not; how many exactly.
 */
export async function acquireAndAbort(
  acquire: (signal: AbortSignal) => Promise<unknown>,
  random: () => number,
  least: number,
): Promise<{ acquired: number; aborted: number }> {
  const counts = { acquired: 0, aborted: 0 };
  async function lane(): Promise<void> {
    while (Math.min(counts.acquired, counts.aborted) < least) {
      const controller = new AbortController();
      const done = acquire(controller.signal).then(
        () => counts.acquired++,
        (error: unknown) => {
          if (error !== controller.signal.reason) throw error;
          counts.aborted++;
        },
      );
      abortAtRandom(controller, random);
      await done;
    }
  }
  await Promise.all([lane(), lane(), lane(), lane()]);
  return counts;
}

/** Memory that is closed while somebody sleeps on the word at its offset 64, one way or the other. */
export const closedMemories: [
  string,
  () => { memory: SharedMemory; asleep: () => number; detach: () => void },
][] = [
  [
    'close() of its shared memory',
    () => {
      const memory = sharedMemory();
      return {
        memory,
        asleep: () => sleepersOnWord({ of: memory.id, offset: 64 }),
        detach: () => memory.close(),
      };
    },
  ],
  [
    'close() of the memory of its window',
    () => {
      const owner = sharedMemory(8192);
      const memory = borrow(owner.window(4096, 4096));
      return {
        memory,
        asleep: () => sleepersOnWord({ of: owner.id, offset: 4096 + 64 }),
        detach: () => owner.close(),
      };
    },
  ],
];
