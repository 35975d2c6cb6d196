// Semaphores and shared words that tests make, what the kernel itself says of them, and others that use them.
import { randomInt } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, readdirSync, writeFileSync } from 'node:fs';
import { arch, endianness } from 'node:os';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { Futex, IPC_PRIVATE, PosixSemaphore, SysvSemaphoreSet, SysvSharedMemory } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { ownNamespace } from './kernel.js';
import { NodePeer, type Outcome, type RemoteFailure, fixture, nobody, noSecondUser } from './peers.js';
import { borrow } from './queues.js';
import { until } from './until.js';

/** One line of /proc/sysvipc/sem: what the kernel says, independent of the code under test. */
export interface SetRow {
  key: number;
  semid: number;
  perms: string;
  nsems: number;
  uid: number;
  gid: number;
  cuid: number;
  cgid: number;
  otime: number;
  ctime: number;
}

export function setRows(): SetRow[] {
  const [header = '', ...lines] = readFileSync('/proc/sysvipc/sem', 'utf8').trim().split('\n');
  const names = header.trim().split(/\s+/);
  const expected = 'key,semid,perms,nsems,uid,gid,cuid,cgid,otime,ctime';
  if (names.join() !== expected) throw new Error(`columns of /proc/sysvipc/sem: ${header}`);
  return lines.map((line) => {
    const cells = line.trim().split(/\s+/);
    const [key, semid, , nsems, uid, gid, cuid, cgid, otime, ctime] = cells.map(Number);
    return { key, semid, perms: cells[2], nsems, uid, gid, cuid, cgid, otime, ctime } as SetRow;
  });
}

export function setRow(semid: number): SetRow | undefined {
  return setRows().find((row) => row.semid === semid);
}

function removeSet(semid: number): void {
  try {
    sys.semctl(semid, 0, sys.IPC_RMID);
  } catch (error) {
    // The test itself may have removed it; ids are not used again so soon.
    if (!(error instanceof Error && 'code' in error && error.code === 'EINVAL')) throw error;
  }
}

/** A set that the test made: closed and removed when the test is over. */
export function ownSet<Set extends { readonly id: number; close(): void }>(set: Set): Set {
  const { id } = set;
  onTestFinished(() => {
    set.close();
    removeSet(id);
  });
  return set;
}

/** A set's id that the test made: removed when the test is over. */
export function ownSetId(semid: number): number {
  onTestFinished(() => removeSet(semid));
  return semid;
}

/** A new private set with these values. */
export function privateSet(...initial: number[]): SysvSemaphoreSet {
  return ownSet(SysvSemaphoreSet.open(IPC_PRIVATE, { initial: initial.length === 0 ? [0] : initial }));
}

/** A key that no set has; a set that has it when the test is over is the test's own and removed. */
export function unusedSetKey(pick: () => number = () => randomInt(0x1000_0000, 0x5000_0000)): number {
  for (;;) {
    const key = pick();
    if (setRows().some((row) => row.key === key)) continue;
    onTestFinished(() => {
      for (const row of setRows()) if (row.key === key) removeSet(row.semid);
    });
    return key;
  }
}

/** The values of a set, without the class under test. */
export function valuesOf(semid: number): number[] {
  return sys.semctl(semid, 0, sys.GETALL) as number[];
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

export interface SetLimits {
  /** semmsl */
  perSet: number;
  /** semmns */
  semaphores: number;
  /** semopm */
  operations: number;
  /** semmni */
  sets: number;
}

const limitsFile = '/proc/sys/kernel/sem';

export function setLimits(): SetLimits {
  const [perSet = 0, semaphores = 0, operations = 0, sets = 0] = readFileSync(limitsFile, 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number);
  return { perSet, semaphores, operations, sets };
}

/** Why the namespace's limits can't be changed here, or undefined where they can. */
export function setLimitsAreFixed(): string | undefined {
  if (!ownNamespace) return 'the IPC namespace is shared with others';
  try {
    writeFileSync(limitsFile, readFileSync(limitsFile, 'utf8'));
  } catch (error) {
    return `${limitsFile} can't be written: ${String(error)}`;
  }
  return undefined;
}

/** Changes limits of the namespace until the test is over. Only after setLimitsAreFixed() gave undefined. */
export function changeSetLimits(changes: Partial<SetLimits>): void {
  if (!ownNamespace) throw new Error('limits are changed only in a namespace of our own');
  const before = readFileSync(limitsFile, 'utf8');
  const { perSet, semaphores, operations, sets } = { ...setLimits(), ...changes };
  writeFileSync(limitsFile, `${perSet} ${semaphores} ${operations} ${sets}`);
  onTestFinished(() => writeFileSync(limitsFile, before));
}

/** SEMVMX of the kernel, which no setting changes. */
export const SEMVMX = 32_767;

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

// futex, futex_waitv, futex_wait
const futexCalls: Record<string, readonly number[]> = { x64: [202, 449, 455], arm64: [98, 449, 455] };

/** Where a process has the System V segment mapped: the inode of such a mapping is the segment's id. */
function addressesOf(shmid: number, offset: number, pid: number | 'self'): bigint[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, start = '', end = '', from = '', inode] =
        /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ (\d+)\s+\/SYSV/.exec(line) ?? [];
      if (Number(inode) !== shmid || inode === undefined) return [];
      const address = BigInt(`0x${start}`) + BigInt(offset) - BigInt(`0x${from}`);
      return address >= BigInt(`0x${start}`) && address < BigInt(`0x${end}`) ? [address] : [];
    });
}

/** How many threads of a process sleep on the word at that offset of a System V segment, as the kernel sees it. */
export function asleepAt(shmid: number, offset: number, pid: number | 'self' = 'self'): number {
  const calls = futexCalls[arch()];
  if (calls === undefined) throw new Error(`the system call numbers of ${arch()} are not known here`);
  const addresses = addressesOf(shmid, offset, pid);
  const prefixes = calls.flatMap((call) => addresses.map((at) => `${call} 0x${at.toString(16)} `));
  return readdirSync(`/proc/${pid}/task`).filter((tid) => {
    try {
      const text = readFileSync(`/proc/${pid}/task/${tid}/syscall`, 'utf8');
      return prefixes.some((prefix) => text.startsWith(prefix));
    } catch {
      // The thread has ended since.
      return false;
    }
  }).length;
}

let names = 0;

/** A name that no semaphore has; one that has it when the test is over is the test's own and unlinked. */
export function unusedSemaphoreName(): string {
  const name = `/unix-ipc-test-${process.pid}-${names++}`;
  onTestFinished(() => {
    try {
      sys.sem_unlink(name);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  });
  return name;
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
  const fd = openSync(`/dev/shm/sem.${name.slice(1)}`, 'r');
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
    asleep: (pid) => asleepAt(memory.id, offset, pid),
    open: async (user) => {
      await user.call('make', 'memory', 'SysvSharedMemory', 'openId', memory.id);
      await user.call('make', 'futex', 'Futex', 'at', '@memory', offset);
    },
  };
}

function nodeEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment['NODE_OPTIONS'];
  return environment;
}

/** A Node process that uses semaphores and words on request, started by another program where one is given. */
export async function syncPeer(...starter: string[]): Promise<NodePeer> {
  const [command, ...args] = [...starter, process.execPath, '--expose-gc', fixture('sync-peer.js')];
  const peer = new NodePeer(command, args, nodeEnvironment());
  const line = await peer.line();
  if (line !== 'ready') throw new Error(`the peer began with ${line}`);
  return peer;
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

/** Waits until the peer's handler has run: its event loop may have other things to do first. */
export async function handled(peer: NodePeer, count = 1): Promise<void> {
  for (;;) {
    const signals = await peer.call('signals');
    if (Array.isArray(signals) && signals.length >= count) return;
  }
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

/** Acquires that are aborted at random moments, four at a time; how many were let through, and how many were not. */
export async function acquireAndAbort(
  acquire: (signal: AbortSignal) => Promise<unknown>,
  random: () => number,
  calls: number,
): Promise<{ acquired: number; aborted: number }> {
  const counts = { acquired: 0, aborted: 0 };
  let begun = 0;
  async function lane(): Promise<void> {
    while (begun < calls) {
      begun++;
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
