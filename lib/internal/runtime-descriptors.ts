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

/** Pipes that the first event loop made before this package was loaded. They alone are not told by their flags. */
const firstPipes = new Set<string>();

function findFirstPipes(): void {
  const open = targets();
  const first = Math.min(...[...open].filter(([, what]) => isPoll(what)).map(([fd]) => fd));
  for (const [fd, what] of open) {
    // What a parent has left open was there before the first event loop.
    if (fd < first || !what.startsWith('pipe:') || native.isNoted(fd)) continue;
    if ([...open].some(([other, same]) => same === what && other !== fd)) firstPipes.add(what);
  }
}

findFirstPipes();

function look(fd: number, what: string): boolean {
  if (isPoll(what) || firstPipes.has(what)) return true;
  if (native.isNoted(fd) || !hasFlags(fd, O_CLOEXEC | O_NONBLOCK)) return false;
  if (what === 'anon_inode:[eventfd]') return true;
  return what.startsWith('pipe:') && [...targets()].some(([other, same]) => same === what && other !== fd);
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
