// Semaphores that tests make by the calls of `unix-ipc/sys`, what the kernel itself says of them, and others that use them.
import { randomInt } from 'node:crypto';
import { readFileSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { onTestFinished } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from './compile.js';
import { interrupting } from './descriptors.js';
import { ownNamespace } from './kernel.js';
import { type Exit, NodePeer, type Peer, fixture, nobody, noSecondUser, program } from './peers.js';
import { until } from './until.js';

/** One line of /proc/sysvipc/sem: what the kernel says, independent of the code under test. */
export interface SemaphoreRow {
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

const columns = ['key', 'semid', 'perms', 'nsems', 'uid', 'gid', 'cuid', 'cgid', 'otime', 'ctime'];

export function semaphoreRows(): SemaphoreRow[] {
  const [header = '', ...lines] = readFileSync('/proc/sysvipc/sem', 'utf8').trim().split('\n');
  if (header.trim().split(/\s+/).join() !== columns.join())
    throw new Error(`columns of /proc/sysvipc/sem: ${header}`);
  return lines.map((line) => {
    const cells = line.trim().split(/\s+/);
    const numbers = Object.fromEntries(columns.map((name, index) => [name, Number(cells[index])]));
    return { ...(numbers as unknown as SemaphoreRow), perms: cells[2] ?? '' };
  });
}

export function semaphoreRow(semid: number): SemaphoreRow | undefined {
  return semaphoreRows().find((row) => row.semid === semid);
}

export function removeIfThere(semid: number): void {
  if (semaphoreRow(semid) !== undefined) sys.semctl(semid, 0, sys.IPC_RMID);
}

/** A set's id that the test made: removed when the test is over. */
export function ownSemaphores(semid: number): number {
  onTestFinished(() => removeIfThere(semid));
  return semid;
}

/** A new private set with these values. */
export function newSemaphores(values: number[] = [0], mode = 0o600): number {
  const semid = ownSemaphores(sys.semget(sys.IPC_PRIVATE, values.length, mode | 0o600));
  if (values.some((value) => value !== 0)) sys.semctl(semid, 0, sys.SETALL, values);
  if ((mode & 0o600) !== 0o600) sys.semctl(semid, 0, sys.IPC_SET, { sem_perm: { mode } });
  return semid;
}

/** A key that nobody uses; a set that has it when the test is over is the test's own and removed. */
export function unusedSemaphoreKey(pick: () => number = () => randomInt(0x1000_0000, 0x5000_0000)): number {
  for (;;) {
    const key = pick();
    if (semaphoreRows().some((row) => row.key === key)) continue;
    onTestFinished(() => {
      for (const row of semaphoreRows()) if (row.key === key) removeIfThere(row.semid);
    });
    return key;
  }
}

/** An id that was a set's and is none now. */
export function removedSemaphores(): number {
  const semid = sys.semget(sys.IPC_PRIVATE, 1, 0o600);
  sys.semctl(semid, 0, sys.IPC_RMID);
  return semid;
}

/** The values of all semaphores of a set. */
export function valuesOf(semid: number): number[] {
  return sys.semctl(semid, 0, sys.GETALL) as number[];
}

/** The highest value of a semaphore, in this and every other kernel. */
export const SEMVMX = 32_767;

const limitsFile = '/proc/sys/kernel/sem';
const limitNames = ['semmsl', 'semmns', 'semopm', 'semmni'] as const;
type Limits = Record<(typeof limitNames)[number], number>;

export function semaphoreLimits(): Limits {
  const numbers = readFileSync(limitsFile, 'utf8').trim().split(/\s+/).map(Number);
  return Object.fromEntries(limitNames.map((name, index) => [name, numbers[index]])) as Limits;
}

/** Why the namespace's limits of semaphores can't be changed here, or undefined where they can. */
export function semaphoreLimitsAreFixed(): string | undefined {
  if (!ownNamespace) return 'the IPC namespace is shared with others';
  try {
    writeFileSync(limitsFile, readFileSync(limitsFile, 'utf8'));
  } catch (error) {
    return `${limitsFile} can't be written: ${String(error)}`;
  }
  return undefined;
}

/** Changes limits of the namespace until the test is over. Only after semaphoreLimitsAreFixed() gave undefined. */
export function changeSemaphoreLimits(changes: Partial<Limits>): void {
  if (!ownNamespace) throw new Error('limits are changed only in a namespace of our own');
  const before = readFileSync(limitsFile, 'utf8');
  const limits = { ...semaphoreLimits(), ...changes };
  writeFileSync(limitsFile, limitNames.map((name) => limits[name]).join(' '));
  onTestFinished(() => writeFileSync(limitsFile, before));
}

// semop, semtimedop
const semaphoreCalls: Record<string, readonly number[]> = { x64: [65, 220], arm64: [193, 192] };
// futex, futex_waitv, futex_wait
const futexCalls: Record<string, readonly number[]> = { x64: [202, 449, 455], arm64: [98, 449, 455] };

/** Whether the main thread of a process is asleep in one of the calls with that first argument, as the kernel sees it. */
function asleepWith(table: Record<string, readonly number[]>, first: bigint, pid: number): boolean {
  const calls = table[arch()];
  if (calls === undefined) throw new Error(`the system call numbers of ${arch()} are not known here`);
  const text = readFileSync(`/proc/${pid}/task/${pid}/syscall`, 'utf8');
  return calls.some((call) => text.startsWith(`${call} 0x${first.toString(16)} `));
}

/** Waits until the main thread of a process is asleep in semop or semtimedop on the set. */
export function asleepInSemop(semid: number, peer: Peer): Promise<void> {
  return until(`the peer waits in semop for ${semid}`, () =>
    asleepWith(semaphoreCalls, BigInt(semid), peer.pid),
  );
}

/** A place in memory that processes share: an offset in a System V segment, or in a file of /dev/shm. */
export interface Place {
  of: number | string;
  offset: number;
}

/** How a C peer is told of a place. */
export function told({ of, offset }: Place): string {
  return `${of}:${offset}`;
}

/** Where a process has the place in its memory. The inode of the mapping of a segment is the segment's id. */
function addressesOf({ of, offset }: Place, pid: number): bigint[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, start = '', end = '', from = '', inode = '', path = ''] =
        /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ (\d+)\s+(\/.*)$/.exec(line) ?? [];
      const same = typeof of === 'number' ? Number(inode) === of && path.startsWith('/SYSV') : path === of;
      const at = BigInt(`0x${start || '0'}`) + BigInt(offset) - BigInt(`0x${from || '0'}`);
      return same && at >= BigInt(`0x${start}`) && at < BigInt(`0x${end}`) ? [at] : [];
    });
}

/** Waits until the main thread of a process is asleep on the word at the place. */
export function asleepOnWord(place: Place, peer: Peer): Promise<void> {
  return until(`the peer waits on the word at ${told(place)}`, () =>
    addressesOf(place, peer.pid).some((address) => asleepWith(futexCalls, address, peer.pid)),
  );
}

/** How many threads of a process are asleep on the word at the place. */
export function sleepersOnWord(place: Place, pid = process.pid): number {
  const calls = futexCalls[arch()] ?? [];
  const prefixes = addressesOf(place, pid).flatMap((address) =>
    calls.map((call) => `${call} 0x${address.toString(16)} `),
  );
  return readdirSync(`/proc/${pid}/task`).filter((tid) => {
    try {
      const text = readFileSync(`/proc/${pid}/task/${tid}/syscall`, 'utf8');
      return prefixes.some((prefix) => text.startsWith(prefix));
    } catch (error) {
      // The thread has ended since.
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
        return false;
      throw error;
    }
  }).length;
}

let names = 0;

/** Where the C library has the semaphore of that name. */
export function semaphoreFile(name: string): string {
  return `/dev/shm/sem.${name.replace(/^\/+/, '')}`;
}

/** A name that a test gave to a semaphore: unlinked when the test is over. */
export function ownSemaphoreName(name: string): string {
  onTestFinished(() => {
    try {
      unlinkSync(semaphoreFile(name));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  });
  return name;
}

/** A name that nobody uses; a semaphore that has it when the test is over is the test's own and unlinked. */
export function unusedSemaphoreName(): string {
  return ownSemaphoreName(`/unix-ipc-test-${process.pid}-${names++}`);
}

const ended = 'EINVAL';

/** A handle of the test's own: closed when the test is over, if it is not by then. */
export function ownHandle(sem: sys.sem_t): sys.sem_t {
  onTestFinished(() => {
    try {
      sys.sem_close(sem);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === ended)) throw error;
    }
  });
  return sem;
}

/** A new named semaphore of the test's own, and where it is. */
export function namedSemaphore(value = 0, mode = 0o600): { sem: sys.sem_t; name: string; place: Place } {
  const name = unusedSemaphoreName();
  const sem = ownHandle(sys.sem_open(name, sys.O_CREAT | sys.O_EXCL, mode, value));
  return { sem, name, place: { of: semaphoreFile(name), offset: 0 } };
}

/** The absolute time so many milliseconds from now. */
export function fromNow(milliseconds: number): sys.timespec {
  const time = Date.now() + milliseconds;
  return { tv_sec: Math.floor(time / 1000), tv_nsec: (time % 1000) * 1_000_000 };
}

function nodeEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment['NODE_OPTIONS'];
  return environment;
}

/** A Node process that runs a fixture, started by another program where one is given. */
export async function startedPeer(file: string, ...starter: string[]): Promise<NodePeer> {
  const [command, ...args] = [...starter, process.execPath, '--expose-gc', fixture(file)];
  const peer = new NodePeer(command, args, nodeEnvironment());
  const line = await peer.line();
  if (line !== 'ready') throw new Error(`the peer began with ${line}`);
  return peer;
}

/** A Node process that keeps what calls of `unix-ipc/sys` give, started by another program where one is given. */
export function sysPeer(...starter: string[]): Promise<NodePeer> {
  return startedPeer('sys-peer.js', ...starter);
}

/** The same where SIGUSR2 interrupts calls that wait, without a handler of JavaScript's. */
export function interruptedSysPeer(): Promise<NodePeer> {
  return sysPeer('env', interrupting());
}

/** The same as another user, or an explanation why there is none. */
export async function otherUserSysPeer(): Promise<NodePeer> {
  const reason = noSecondUser();
  if (reason !== undefined) throw new Error(reason);
  const peer = await sysPeer();
  await peer.call('become', nobody);
  return peer;
}

/** Runs a program to its end, which must be a good one, and gives what it printed. */
export async function output(command: string, ...args: (string | number)[]): Promise<string> {
  const { code, signal, stdout, stderr }: Exit = await program(command, ...args).exited;
  if (code !== 0 || stderr !== '')
    throw new Error(`${command} ${args.join(' ')} ended with ${code ?? signal}: ${stderr}`);
  return stdout.trim();
}

/** The constants of a header as a C program has them. */
export async function headerConstants(header: string): Promise<Record<string, number>> {
  const lines = (await output(compiled('sys-constants'), header)).split('\n');
  return Object.fromEntries(
    lines.map((line): [string, number] => {
      const [name = '', value] = line.split(' ');
      return [name, Number(value)];
    }),
  );
}
