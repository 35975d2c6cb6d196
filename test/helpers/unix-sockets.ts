// Unix sockets that tests make by the calls of `unix-ipc/sys`, and what the kernel itself says of them.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { closedFd, ownFd, ownFolder, ownPipe } from './descriptors.js';
import { failure, systemError } from './failures.js';
import { hasCapability } from './kernel.js';
import { type NodePeer, plainEnvironment, program } from './peers.js';
import { loose } from './wrong-arguments.js';

const { AF_UNIX, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } = sys;

/** The three types of sockets, by their names. */
export const socketTypes: [what: string, type: number][] = [
  ['SOCK_STREAM', SOCK_STREAM],
  ['SOCK_DGRAM', SOCK_DGRAM],
  ['SOCK_SEQPACKET', SOCK_SEQPACKET],
];
/** Those that have connections. */
export const connectedTypes = socketTypes.filter(([, type]) => type !== SOCK_DGRAM);
/** Those that keep the ends of messages. */
export const messageTypes = socketTypes.filter(([, type]) => type !== SOCK_STREAM);

/** A socket of the test's own, which no child inherits. */
export function ownSocket(type: number, flags = 0): number {
  return ownFd(sys.socket(AF_UNIX, type | flags | SOCK_CLOEXEC));
}

/** Two sockets of the test's own that are connected with each other, which no child inherits. */
export function ownPair(type: number, flags = 0): [number, number] {
  const [first, second] = sys.socketpair(AF_UNIX, type | flags | SOCK_CLOEXEC);
  return [ownFd(first), ownFd(second)];
}

let names = 0;

/** An abstract name that nobody uses. */
export function unusedAbstract(): string {
  return `\0unix-ipc-test-${process.pid}-${names++}`;
}

/** A path at which nothing is, in a folder of its own. */
export function unusedPath(name = 'socket'): string {
  return join(ownFolder(), name);
}

/** A path of so many bytes at which nothing is, in a folder of its own. */
export function pathOf(length: number): string {
  const folder = `${ownFolder()}/`;
  if (folder.length >= length) throw new Error(`${folder} leaves no room for a path of ${length} bytes`);
  return folder + 'p'.repeat(length - folder.length);
}

/** A socket of the test's own that is bound there. */
export function boundTo(address: sys.SocketAddress, type: number = SOCK_DGRAM, flags = 0): number {
  const fd = ownSocket(type, flags);
  sys.bind(fd, address);
  return fd;
}

/** A socket of the test's own that listens there. */
export function listeningAt(
  address: sys.SocketAddress,
  type: number = SOCK_STREAM,
  { flags = 0, backlog = 10 } = {},
): number {
  const fd = boundTo(address, type, flags);
  sys.listen(fd, backlog);
  return fd;
}

/** A connection over a listening socket, both its ends the test's own. */
export function connection(type: number = SOCK_STREAM): { client: number; server: number; address: string } {
  const address = unusedAbstract();
  const listener = listeningAt(address, type);
  const client = ownSocket(type);
  sys.connect(client, address);
  return { client, server: ownFd(sys.accept(listener, SOCK_CLOEXEC)), address };
}

/** Sends messages or bytes until not one more goes in; how many calls it took. */
export function fillSocket(fd: number, data: sys.Bytes = 'f', address?: sys.SocketAddress): number {
  for (let count = 0; ; count++) {
    try {
      if (address === undefined) sys.send(fd, data, MSG_DONTWAIT);
      else sys.sendto(fd, data, MSG_DONTWAIT, address);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return count;
      throw error;
    }
  }
}

/** Receives a message, whose descriptors become the test's own. */
export function receive(fd: number, size = 100, flags?: number): ReturnType<typeof sys.recvmsg> {
  const message = sys.recvmsg(fd, size, flags);
  message.fds.forEach(ownFd);
  return message;
}

/** The credentials of this process. */
export const me = { pid: process.pid, uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };

/** Takes the memory away from a view, as a transfer to another thread does. */
export function detach(view: Uint8Array): void {
  const memory = view.buffer as ArrayBuffer;
  structuredClone(memory, { transfer: [memory] });
}

/** Descriptors that are none. */
export function notOpen(): number[] {
  return [-1, -(2 ** 31), 2 ** 31 - 1, closedFd()];
}

/** A call that takes a socket first fails as every other where it is none. */
export function needsSocket(call: string, ...rest: unknown[]): void {
  it('fails with EBADF for a descriptor that is not open, with ENOTSOCK for another thing', () => {
    for (const fd of notOpen()) {
      expect(failure(() => loose(call, [fd, ...rest]))).toMatchObject(systemError('EBADF', call));
    }
    for (const fd of [ownPipe()[0], ownFd(sys.open('/dev/null', sys.O_RDWR))]) {
      expect(failure(() => loose(call, [fd, ...rest]))).toMatchObject(systemError('ENOTSOCK', call));
    }
  });
}

/** What a Python program prints that inherits the socket, which it has as sock. */
export function pythonWith(fd: number, script: string): string {
  const all = `import os, socket, struct, sys\nsock = socket.socket(fileno=int(sys.argv[1]))\n${script}`;
  const { stdout, stderr } = spawnSync('python3', ['-c', all, String(fd)], {
    env: plainEnvironment(),
    encoding: 'utf8',
  });
  return stdout + stderr;
}

/** Gives another Node process a descriptor; its number there. */
export async function handOver(peer: NodePeer, fd: number): Promise<number> {
  const address = unusedAbstract();
  const listener = sys.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC);
  try {
    sys.bind(listener, address);
    sys.listen(listener, 1);
    const theirs = (await peer.call('sys.socket', AF_UNIX, SOCK_SEQPACKET)) as number;
    await peer.call('sys.connect', theirs, address);
    const connected = sys.accept(listener, SOCK_CLOEXEC);
    sys.sendmsg(connected, { data: 'fd', fds: [fd] });
    sys.close(connected);
    const { fds } = (await peer.call('sys.recvmsg', theirs, 2)) as { fds: [number] };
    await peer.call('sys.close', theirs);
    return fds[0];
  } finally {
    sys.close(listener);
  }
}

/** Lets another process have descriptors below that number alone; it may be given more again. */
export async function limitDescriptors(peer: NodePeer, most: number): Promise<void> {
  const limited = await program('prlimit', '--pid', peer.pid, `--nofile=${most}:`).exited;
  if (limited.code !== 0) throw new Error(`prlimit: ${limited.stderr}`);
}

/** The calls on sockets that can wait: accept, accept4, connect, sendto, recvfrom, sendmsg, recvmsg. */
const waitingCalls: Record<string, readonly number[]> = {
  x64: [43, 288, 42, 44, 45, 46, 47],
  arm64: [202, 242, 203, 206, 207, 211, 212],
};

/** Whether the main thread of a process is asleep in a call on that socket, as the kernel sees it. */
export function asleepOn(fd: number, pid: number): boolean {
  const calls = waitingCalls[arch()];
  if (calls === undefined) throw new Error(`the system call numbers of ${arch()} are not known here`);
  const [call, first] = readFileSync(`/proc/${pid}/syscall`, 'utf8').split(' ');
  return calls.includes(Number(call)) && Number(first) === fd;
}

const CAP_SYS_ADMIN = 21;

/** Whether this process may name another as the sender: the kernel asks in the first user namespace. */
export function mayClaimProcesses(): boolean {
  const everyUid = /^\s*0\s+0\s+4294967295\s*$/;
  return hasCapability(CAP_SYS_ADMIN) && everyUid.test(readFileSync('/proc/self/uid_map', 'utf8'));
}
