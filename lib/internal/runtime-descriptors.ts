import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { native } from '../native/descriptor.js';
import { errno, IpcError } from './errors.js';

const { O_CLOEXEC, O_NONBLOCK } = native.constants;
const EPERM = errno('EPERM');

// The descriptors that event loops live on: closed, written to or made to wait, they end the process, and no call with a
// wrong number may do that. An event loop of libuv has an epoll instance, an eventfd and a pipe to itself.

/** What is known of a descriptor, by number, so that calls whose speed counts need not look at it again. */
const known = new Uint8Array(4096);
const UNKNOWN = 0;
const FINE = 1;
const RUNTIMES = 2;

/** What it is called in /proc; empty where it is not open. */
function target(fd: number | string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

function targets(): Map<number, string> {
  try {
    return new Map(readdirSync('/proc/self/fd').map((name) => [Number(name), target(name)]));
  } catch {
    // Without /proc nothing can be told.
    return new Map();
  }
}

function hasFlags(fd: number, wanted: number): boolean {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
    const flags = Number.parseInt(/flags:\s*([0-7]+)/.exec(info)?.[1] ?? '0', 8);
    return (flags & wanted) === wanted;
  } catch {
    return false;
  }
}

function isPoll(what: string): boolean {
  return what === 'anon_inode:[eventpoll]' || what === 'anon_inode:[io_uring]';
}

/** The lowest number of an event loop's epoll instance: what a parent has left open is below, as a rule. */
let firstPoll = Infinity;
/** The pipe that libuv keeps as a lock for signals. It alone is not told by its flags. */
let lockPipe: string | undefined;

function inode(pipe: string): number {
  return Number(/^pipe:\[(\d+)\]$/.exec(pipe)?.[1]);
}

/** Both ends are in this process, above the first event loop, and were opened as libuv opens its own. */
function isLoopsPipe(fd: number, what: string, open = targets()): boolean {
  if (fd < firstPoll || !what.startsWith('pipe:') || native.isNoted(fd)) return false;
  return (
    hasFlags(fd, O_CLOEXEC | O_NONBLOCK) && [...open].some(([other, same]) => same === what && other !== fd)
  );
}

function findFirst(): void {
  const open = targets();
  firstPoll = Math.min(...[...open].filter(([, what]) => isPoll(what)).map(([fd]) => fd));
  const loops = [...open].filter(([fd, what]) => isLoopsPipe(fd, what, open));
  const lowest = Math.min(...loops.map(([fd]) => fd));
  const inodes = new Set(loops.map(([, what]) => inode(what)));
  // It is made in one go with the pipe of the first event loop, just before.
  const isLock = ([fd, what]: [number, string]): boolean =>
    fd > firstPoll && fd < lowest && inodes.has(inode(what) + 1) && !native.isNoted(fd);
  lockPipe = [...open].find(isLock)?.[1];
}

findFirst();

function look(fd: number, what: string): boolean {
  if (isPoll(what) || what === lockPipe) return true;
  if (what !== 'anon_inode:[eventfd]') return isLoopsPipe(fd, what);
  return !native.isNoted(fd) && fd > firstPoll && hasFlags(fd, O_CLOEXEC | O_NONBLOCK);
}

/** Whether it is a descriptor that has been looked at before, and is the program's: in few instructions. */
export function isKnown(fd: number): boolean {
  return (fd | 0) === fd && known[fd] === FINE;
}

/** Whether a call on it would hurt the runtime. */
export function isRuntimes(fd: number): boolean {
  const state = known[fd];
  if (state === FINE) return false;
  if (state === RUNTIMES) return true;
  const what = target(fd);
  const is = look(fd, what);
  // Not for ever: event loops of Workers come and go.
  if (what !== '' && !is) known[fd] = FINE;
  return is;
}

/** Takes notice of a descriptor that this package has made for the program. */
export function madeHere(fd: number): number {
  native.note(fd, true);
  known[fd] = FINE;
  return fd;
}

/** When it has been closed. */
export function forget(fd: number): void {
  known[fd] = UNKNOWN;
}

/** Takes notice of a descriptor that this package needs for its own event loop's sake. */
export function keepForItself(fd: number): void {
  if (fd >= 0) known[fd] = RUNTIMES;
}

export function runtimes(fd: number, syscall: string): IpcError {
  const reason = `descriptor ${fd} belongs to the runtime's event loop, which could not go on`;
  return new IpcError(EPERM, syscall, { reason });
}
