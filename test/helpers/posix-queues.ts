// POSIX message queues that tests make, and what the kernel itself says of them.
import { spawnSync } from 'node:child_process';
import { readFileSync, readSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { onTestFinished } from 'vitest';
import { PosixMessageQueue } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { CAP_SYS_RESOURCE, hasCapability, ownNamespace } from './kernel.js';
import { NodePeer, fixture, noSecondUser, nobody, plainEnvironment } from './peers.js';

const CAP_DAC_OVERRIDE = 1;

export type PosixMessage = Awaited<ReturnType<PosixMessageQueue['receive']>>;

function unlinkIfThere(name: string): void {
  try {
    sys.mq_unlink(name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

/** A queue's name that a test gave: unlinked when the test is over. */
export function ownName(name: string): string {
  onTestFinished(() => unlinkIfThere(name));
  return name;
}

let names = 0;

/** A name that nobody uses; a queue that has it when the test is over is the test's own and unlinked. */
export function unusedName(): string {
  return ownName(`/unix-ipc-test-${process.pid}-${names++}`);
}

/** A queue by an object: the object is closed when the test is over. */
export function closing<Queue extends { close(): void }>(queue: Queue): Queue {
  onTestFinished(() => queue.close());
  return queue;
}

interface Made {
  maxMessages?: number;
  messageSize?: number;
  mode?: number;
  access?: 'both' | 'read' | 'write';
  spin?: number;
}

/** RLIMIT_MSGQUEUE holds for all queues of a user together, and ten of the default size are at its limit. */
export const small = { maxMessages: 10, messageSize: 256 };

/** A new queue of the test's own. */
export function newQueue(options: Made = {}): PosixMessageQueue {
  return closing(PosixMessageQueue.open(unusedName(), { exclusive: true, ...small, ...options }));
}

/** Another object of a queue that is there. */
export function again(queue: { readonly name: string }): PosixMessageQueue {
  return closing(PosixMessageQueue.open(queue.name, { create: false }));
}

/** Fills a queue with messages of one text and priority. */
export function fill(queue: PosixMessageQueue, data = 'f', priority = 0): number {
  let count = 0;
  while (queue.trySend(data, { priority })) count++;
  return count;
}

export function fullQueue(options: Made = {}): PosixMessageQueue {
  const queue = newQueue({ maxMessages: 3, ...options });
  fill(queue);
  return queue;
}

/** The texts of all messages, in the order in which they are received, taken out. */
export function drain(queue: { readonly name: string }): string[] {
  const drained = PosixMessageQueue.open(queue.name, { create: false, access: 'read' });
  try {
    return drained.tryReceiveMany(65_536).map(({ data }) => data.toString());
  } finally {
    drained.close();
  }
}

/** What the kernel writes into the file of a queue, read by its descriptor. */
export function queueFile(fd: number): { bytes: number; notifyPid: number } {
  const memory = Buffer.alloc(200);
  const text = memory.toString('latin1', 0, readSync(fd, memory, 0, memory.length, 0));
  const [, bytes, notifyPid] = /^QSIZE:(\d+)\s.*NOTIFY_PID:(\d+)/.exec(text) ?? [];
  if (bytes === undefined || notifyPid === undefined) throw new Error(`a queue's file says: ${text}`);
  return { bytes: Number(bytes), notifyPid: Number(notifyPid) };
}

/** How many messages the kernel has in the queue, without the class under test. */
export function messagesIn(queue: { readonly name: string }): number {
  const mqdes = sys.mq_open(queue.name, sys.O_RDONLY);
  try {
    return sys.mq_getattr(mqdes).mq_curmsgs;
  } finally {
    sys.mq_close(mqdes);
  }
}

export type MqueueSetting = 'msg_max' | 'msgsize_max' | 'msg_default' | 'msgsize_default' | 'queues_max';

export function mqueueSetting(name: MqueueSetting): number {
  return Number(readFileSync(`/proc/sys/fs/mqueue/${name}`, 'utf8'));
}

/** Why the namespace's limits of message queues can't be changed here, or undefined where they can. */
export function mqueueSettingsAreFixed(): string | undefined {
  if (!ownNamespace) return 'the IPC namespace is shared with others';
  try {
    writeFileSync('/proc/sys/fs/mqueue/msg_max', String(mqueueSetting('msg_max')));
  } catch (error) {
    return `/proc/sys/fs/mqueue/msg_max can't be written: ${String(error)}`;
  }
  return undefined;
}

/** Changes a limit of the namespace until the test is over. Only after mqueueSettingsAreFixed() gave undefined. */
export function changeMqueueSetting(name: MqueueSetting, value: number): void {
  if (!ownNamespace) throw new Error('limits are changed only in a namespace of our own');
  const before = mqueueSetting(name);
  writeFileSync(`/proc/sys/fs/mqueue/${name}`, String(value));
  onTestFinished(() => writeFileSync(`/proc/sys/fs/mqueue/${name}`, String(before)));
}

/** RLIMIT_MSGQUEUE of this process, the limit that is in force. */
export function maxQueueBytes(): number {
  const [, soft] = /^Max msgqueue size\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return soft === 'unlimited' ? Infinity : Number(soft);
}

type Waiting = 'mq_timedreceive' | 'mq_timedsend' | 'polling' | 'event loop';

const callNumbers: Record<string, Record<Waiting, number[]>> = {
  // polling: poll, select, pselect6, ppoll. event loop: epoll_wait, epoll_pwait, epoll_pwait2.
  x64: {
    mq_timedreceive: [243],
    mq_timedsend: [242],
    polling: [7, 23, 270, 271],
    'event loop': [232, 281, 441],
  },
  arm64: { mq_timedreceive: [183], mq_timedsend: [182], polling: [72, 73], 'event loop': [22, 441] },
};

/** Whether the main thread of a process sleeps in one of the calls, as the kernel sees it. */
export function sleepsIn(pid: number, ...calls: Waiting[]): boolean {
  const known = callNumbers[arch()];
  if (known === undefined) throw new Error(`the system call numbers of ${arch()} are not known here`);
  const number = Number(readFileSync(`/proc/${pid}/task/${pid}/syscall`, 'utf8').split(' ')[0]);
  return calls.some((call) => known[call].includes(number));
}

/** Whether the main thread of a process is blocked in a call that waits for a queue. */
export function isBlocked(pid: number): boolean {
  return sleepsIn(pid, 'mq_timedreceive', 'mq_timedsend', 'polling');
}

/** How many descriptors of the queue a process has: their links are its name, also after it was unlinked. */
export function descriptorsOf(queue: { readonly name: string }, pid: number | 'self' = 'self'): number {
  const folder = `/proc/${pid}/fd`;
  const links = readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`);
    } catch (error) {
      // The descriptor of the listing itself is closed by now.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
      throw error;
    }
  });
  return links.filter((link) => link === queue.name || link === `${queue.name} (deleted)`).length;
}

const mount = 'mount -t mqueue none /dev/mqueue';

/** Why the filesystem of the queues can't be mounted here, or undefined where it can. */
export function noMqueueMount(): string | undefined {
  const tried = spawnSync('unshare', ['--mount', 'sh', '-c', mount], {
    env: plainEnvironment(),
    encoding: 'utf8',
  });
  return tried.status === 0
    ? undefined
    : `an mqueue filesystem can't be mounted here: ${tried.stderr.trim()}`;
}

/** The command that runs a shell's script where the queues of this namespace are files of /dev/mqueue. */
export function whereMounted(script: string): [command: string, ...args: string[]] {
  return ['unshare', '--mount', 'sh', '-c', `${mount} && cd /dev/mqueue && ${script}`];
}

function nodeEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment['NODE_OPTIONS'];
  return environment;
}

/** A Node process that uses PosixMessageQueue on request, started by another program where one is given. */
export async function queuePeer(...starter: string[]): Promise<NodePeer> {
  const [command, ...args] = [...starter, process.execPath, '--expose-gc', fixture('posix-mq-peer.js')];
  const peer = new NodePeer(command, args, nodeEnvironment());
  const line = await peer.line();
  if (line !== 'ready') throw new Error(`the peer began with ${line}`);
  return peer;
}

/** A Node process that runs a shell's script first, in a mount namespace of its own. */
export function queuePeerAfter(script: string, ...more: string[]): Promise<NodePeer> {
  return queuePeer('unshare', '--mount', ...more, 'sh', '-c', `${script} && exec "$@"`, 'sh');
}

/** A Node process in an IPC namespace of its own, with its queues as files of /dev/mqueue. */
export function mountedPeer(): Promise<NodePeer> {
  return queuePeerAfter(mount, '--ipc');
}

/** A Node process in the IPC namespace of the test, with its queues as files of /dev/mqueue. */
export function mountedHere(): Promise<NodePeer> {
  return queuePeerAfter(mount);
}

/** A Node process that sees the queues of the test's namespace as files, and has a namespace of its own. */
export function mountedElsewhere(): Promise<NodePeer> {
  return queuePeerAfter(`${mount} && set -- unshare --ipc "$@"`);
}

/** A Node process of another user. It becomes that user after it has loaded the package, which root may own. */
export async function otherUserPeer(): Promise<NodePeer> {
  const peer = await queuePeer();
  await peer.call('become', nobody);
  return peer;
}

/** A Node process that the permissions of a queue and the limits of the system hold for: for root's own they do not. */
export async function unprivilegedPeer(): Promise<NodePeer> {
  if (!hasCapability(CAP_DAC_OVERRIDE) && !hasCapability(CAP_SYS_RESOURCE)) return queuePeer();
  if (noSecondUser() === undefined) return otherUserPeer();
  return queuePeer('setpriv', '--bounding-set=-all', '--inh-caps=-all');
}
