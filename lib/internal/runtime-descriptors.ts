import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { native } from '../native/descriptor.js';
import { errno, IpcError } from './errors.js';

const { O_CLOEXEC, O_NONBLOCK, O_RDWR } = native.constants;
const EPERM = errno('EPERM');
const EVENT_POLL = 'anon_inode:[eventpoll]';

/**
 * The descriptors that the runtime's event loops live on: closed or written to, they end the process. By number; their
 * numbers are low, as they were opened first.
 */
const own = new Uint8Array(256);

function target(fd: number | string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

function flags(fd: number): number {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
    return Number.parseInt(/flags:\s*([0-7]+)/.exec(info)?.[1] ?? '0', 8);
  } catch {
    return 0;
  }
}

function find(): void {
  let names: string[];
  try {
    names = readdirSync('/proc/self/fd');
  } catch {
    // Without /proc nothing can be told.
    return;
  }
  const targets = new Map(names.map((name) => [Number(name), target(name)]));
  const first = Math.min(...[...targets].filter(([, what]) => what === EVENT_POLL).map(([fd]) => fd));
  const internal = O_CLOEXEC | O_NONBLOCK | O_RDWR;
  for (const [fd, what] of targets) {
    // What a parent has left open was there before the first event loop.
    if (fd < first) continue;
    const bothEnds =
      what.startsWith('pipe:') && [...targets.values()].filter((other) => other === what).length > 1;
    const counter = what === 'anon_inode:[eventfd]' && (flags(fd) & internal) === internal;
    if (what === EVENT_POLL || what === 'anon_inode:[io_uring]' || bothEnds || counter) own[fd] = 1;
  }
}

find();

/** Takes notice of a descriptor that this package needs for its own event loop's sake. */
export function keepForItself(fd: number): void {
  if (fd >= 0) own[fd] = 1;
}

/** Whether a call on it would hurt the runtime. Cheap enough for every call. */
export function isRuntimes(fd: number): boolean {
  return own[fd] === 1;
}

/** The same before it is closed, when time does not count: event loops of Workers come and go. */
export function mayNotBeClosed(fd: number): boolean {
  return isRuntimes(fd) || target(fd) === EVENT_POLL;
}

export function runtimes(fd: number, syscall: string): IpcError {
  const reason = `descriptor ${fd} belongs to the runtime's event loop, which could not go on`;
  return new IpcError(EPERM, syscall, { reason });
}
