// What the system tells of its POSIX message queues.
import { readdirSync, readFileSync, statSync, type Stats } from 'node:fs';
import { errno } from './internal/errors.js';
import { native as descriptor } from './native/descriptor.js';
import { native } from './native/posix-mq.js';

const { O_RDONLY } = descriptor.constants;
const ENOENT = errno('ENOENT');

/** The system's limits. */
export interface PosixMessageQueueLimits {
  /** Messages in one queue: fs.mqueue.msg_max. */
  maxMessages: number;
  /** Bytes in one message: fs.mqueue.msgsize_max. */
  messageSize: number;
  /** Where nothing else is asked for: fs.mqueue.msg_default and msgsize_default, or the most where that is less. */
  defaultMaxMessages: number;
  defaultMessageSize: number;
  /** Queues: fs.mqueue.queues_max. */
  maxQueues: number;
  /** Bytes of all queues of this user: RLIMIT_MSGQUEUE. */
  maxBytes: number;
}

/** What the filesystem tells of a queue. */
export interface PosixMessageQueueInfo {
  /** Begins with a slash. */
  name: string;
  uid: number;
  gid: number;
  /** Permissions: the lower 9 bits. */
  mode: number;
  /** Bytes of the messages in the queue; undefined where this process may not read it. */
  bytes: number | undefined;
  /** Who is notified (mq_notify(3)); undefined for nobody, or where this process may not read it. */
  notifyPid: number | undefined;
}

/** Contents, and who is notified. */
export type PosixMessageQueueContents = Pick<PosixMessageQueueInfo, 'bytes' | 'notifyPid'>;

function setting(name: string, usual: number): number {
  try {
    return Number(readFileSync(`/proc/sys/fs/mqueue/${name}`, 'latin1'));
  } catch {
    return usual;
  }
}

export function limits(): PosixMessageQueueLimits {
  const maxMessages = setting('msg_max', 10);
  const messageSize = setting('msgsize_max', 8192);
  return {
    maxMessages,
    messageSize,
    defaultMaxMessages: Math.min(setting('msg_default', 10), maxMessages),
    defaultMessageSize: Math.min(setting('msgsize_default', 8192), messageSize),
    maxQueues: setting('queues_max', 256),
    maxBytes: resourceLimit(),
  };
}

function resourceLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const soft = /^Max msgqueue size +(\S+)/m.exec(limits)?.[1];
    return soft === 'unlimited' ? Infinity : Number(soft ?? 819_200);
  } catch {
    return 819_200;
  }
}

/** Where the filesystem is mounted, the last first: one mount may hide another. */
function mounts(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines
    .filter((line) => / - mqueue /.test(line))
    .map((line) => unescape(line.split(' ')[4] as string))
    .reverse();
}

/** Spaces and the like are octal numbers in that file. */
function unescape(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** Every queue; undefined where the filesystem is not mounted for this IPC namespace. */
export function list(): PosixMessageQueueInfo[] | undefined {
  for (const mount of mounts()) {
    const queues = listIn(mount);
    if (queues !== undefined) return queues;
  }
  return undefined;
}

function listIn(mount: string): PosixMessageQueueInfo[] | undefined {
  let names: string[];
  let device: number;
  try {
    names = readdirSync(mount);
    device = statSync(mount).dev;
  } catch {
    return undefined;
  }
  const open = openQueues(device);
  if (open.size === 0 && isForeign(names, device)) return undefined;
  return names.flatMap((name) => {
    const path = `${mount}/${name}`;
    const status = statOf(path);
    // It has gone meanwhile.
    if (status === undefined) return [];
    const { uid, gid, mode, ino } = status;
    const fd = open.get(ino);
    const contents = contentsOf(fd === undefined ? readFile(path) : native.mq_contents(fd));
    return [{ name: `/${name}`, uid, gid, mode: mode & 0o777, ...contents }];
  });
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/**
 * The queues that this process has open, by inode. Their files are not to be opened once more: when that descriptor is closed
 * the kernel takes back the process's registration for notifications.
 */
function openQueues(device: number): Map<number, number> {
  const queues = new Map<number, number>();
  for (const fd of readdirSync('/proc/self/fd')) {
    const status = statOf(`/proc/self/fd/${fd}`);
    if (status?.dev !== device) continue;
    // One that may be read tells more.
    const known = queues.get(status.ino);
    if (known === undefined || typeof native.mq_contents(known) === 'number')
      queues.set(status.ino, Number(fd));
  }
  return queues;
}

/**
 * Whether these are the queues of another IPC namespace, whose filesystem is still to be seen where a process has left that
 * namespace: then their names are unknown here, or mean other queues.
 */
function isForeign(names: string[], device: number): boolean {
  let unknown = 0;
  for (const name of names) {
    const path = `/${name}`;
    const fd = native.mq_open(path, O_RDONLY, 0, undefined, undefined);
    if (fd >= 0) {
      const same = statOf(`/proc/self/fd/${fd}`)?.dev === device;
      descriptor.close(fd);
      return !same;
    }
    if (fd === ENOENT) unknown++;
  }
  return names.length > 0 && unknown === names.length;
}

/** What a queue's file says; anything else where it could not be read. */
export function contentsOf(text: unknown): PosixMessageQueueContents {
  if (typeof text !== 'string') return { bytes: undefined, notifyPid: undefined };
  const pid = Number(/NOTIFY_PID:(\d+)/.exec(text)?.[1] ?? 0);
  return { bytes: Number(/QSIZE:(\d+)/.exec(text)?.[1]), notifyPid: pid === 0 ? undefined : pid };
}

function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
