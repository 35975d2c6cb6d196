// What the tests of Unix sockets share: addresses of their own, both ends of a connection, full queues, other processes.
import { closeSync, readFileSync, readdirSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  type UnixBindOptions,
  type UnixConnectionOptions,
  UnixDatagramSocket,
  UnixSeqpacketServer,
  UnixSeqpacketSocket,
  UnixStream,
  UnixStreamServer,
} from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { compiled } from './compile.js';
import { ownFolder, targetOf } from './descriptors.js';
import { NodePeer, type Peer, fixture, program } from './peers.js';

export { child, closing, descriptors, patience, pattern } from './pipe-ends.js';
export { fdinfo, flagsOf, ownFolder, targetOf } from './descriptors.js';
export { borrow } from './queues.js';

type Ended = { close(): void };

function closed<End extends Ended>(end: End): End {
  onTestFinished(() => end.close());
  return end;
}

/** A blocking call as a promise, so that all variants can be tested by one text. */
export function promised<T>(call: () => T | Promise<T>): Promise<T> {
  return Promise.resolve().then(call);
}

export function text(message: { readonly data: unknown }): string {
  return String(message.data);
}

export function texts(messages: Iterable<{ readonly data: unknown }>): string[] {
  return Array.from(messages, text);
}

/** The message, where it is neither the end nor nothing. */
export function there<T>(message: T | null | undefined): T {
  if (message === null) throw new Error('the end came where a message was expected');
  if (message === undefined) throw new Error('nothing is there where a message was expected');
  return message;
}

/** A path where nothing is, in a folder of the test's own. */
export function socketPath(name = 'socket'): string {
  return join(ownFolder(), name);
}

let names = 0;

/** A name of the abstract namespace that nobody else has. */
export function abstractName(more = ''): string {
  return `\0unix-ipc-test-${process.pid}-${names++}${more}`;
}

/** An address as command lines can have it: abstract names begin with an @. */
export function spoken(address: unknown): string {
  const name = String(address);
  return name.startsWith('\0') ? `@${name.slice(1)}` : name;
}

/** Options of sockets without a codec. */
export type SocketOptions = UnixConnectionOptions;
export type ListenOptions = UnixConnectionOptions & UnixBindOptions & { backlog?: number };
export type Address = string | Uint8Array;

/** A datagram socket of the test's own that others can send to, by its path. */
export function receiver(options: SocketOptions & UnixBindOptions = {}): UnixDatagramSocket {
  return closed(UnixDatagramSocket.bind(socketPath(), options));
}

/** One without a name, which sends where it is told to. */
export function sender(options: SocketOptions = {}): UnixDatagramSocket {
  return closed(UnixDatagramSocket.create(options));
}

/** One that is connected to another. */
export function connectedTo(
  to: { readonly address: string | Uint8Array },
  options: SocketOptions & UnixBindOptions & { bind?: Address } = {},
): UnixDatagramSocket {
  return closed(UnixDatagramSocket.connect(to.address, options));
}

export function datagramPair(options: SocketOptions = {}): [UnixDatagramSocket, UnixDatagramSocket] {
  const [a, b] = UnixDatagramSocket.pair(options);
  return [closed(a), closed(b)];
}

export function packetPair(options: SocketOptions = {}): [UnixSeqpacketSocket, UnixSeqpacketSocket] {
  const [a, b] = UnixSeqpacketSocket.pair(options);
  return [closed(a), closed(b)];
}

export function streamPair(options: SocketOptions = {}): [UnixStream, UnixStream] {
  const [a, b] = UnixStream.pair(options);
  return [closed(a), closed(b)];
}

export function packetServer(
  address: string | Uint8Array = socketPath(),
  options: ListenOptions = {},
): UnixSeqpacketServer {
  return closed(UnixSeqpacketServer.listen(address, options));
}

export function streamServer(
  address: string | Uint8Array = socketPath(),
  options: ListenOptions = {},
): UnixStreamServer {
  return closed(UnixStreamServer.listen(address, options));
}

/** Both ends of a connection, and the server that it was made by. */
export function packetConnection(options: ListenOptions = {}): {
  server: UnixSeqpacketServer;
  near: UnixSeqpacketSocket;
  far: UnixSeqpacketSocket;
} {
  const server = packetServer(undefined, options);
  const near = closed(UnixSeqpacketSocket.connectSync(server.address, { timeout: 5_000 }));
  return { server, near, far: closed(there(server.tryAccept())) };
}

export function streamConnection(options: ListenOptions = {}): {
  server: UnixStreamServer;
  near: UnixStream;
  far: UnixStream;
} {
  const server = streamServer(undefined, options);
  const near = closed(UnixStream.connectSync(server.address, { timeout: 5_000 }));
  return { server, near, far: closed(there(server.tryAccept())) };
}

/** How many datagrams wait at a socket that has a name, before senders have to wait. */
export function queueLength(): number {
  return Number(readFileSync('/proc/sys/net/unix/max_dgram_qlen', 'utf8'));
}

/** Sends until not one message more goes in; how many did. */
export function fill(
  end: UnixDatagramSocket | UnixSeqpacketSocket,
  options: { to?: string | Uint8Array } = {},
): number {
  let count = 0;
  const trySend = (): boolean =>
    end instanceof UnixDatagramSocket ? end.trySend('f', options) : end.trySend('f');
  while (trySend()) count++;
  return count;
}

/** Sends until not one byte more goes in; how many did. */
export function fillStream(end: UnixStream): number {
  let bytes = 0;
  for (let size = 65_536; size > 0;) {
    const taken = end.trySend(Buffer.alloc(size, 'f'));
    if (taken === 0) size = Math.floor(size / 2);
    bytes += taken;
  }
  return bytes;
}

/** Everything that is there, by the calls themselves and not by the classes: texts of messages, up to the end. */
export function drain(end: { readonly fd: number }): string[] {
  const connection = sys.getsockopt(end.fd, sys.SOL_SOCKET, sys.SO_TYPE) === sys.SOCK_SEQPACKET;
  const found: string[] = [];
  for (;;) {
    try {
      const { data, fds } = sys.recvmsg(end.fd, 300_000, sys.MSG_DONTWAIT);
      for (const fd of fds) closeSync(fd);
      if (connection && data.length === 0) return found;
      found.push(data.toString());
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return found;
      throw error;
    }
  }
}

/** The same of a stream, as one text. */
export function drainStream(end: { readonly fd: number }): string {
  const found: Buffer[] = [];
  for (;;) {
    try {
      const data = sys.recv(end.fd, 65_536, sys.MSG_DONTWAIT);
      if (data.length === 0) break;
      found.push(data);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') break;
      throw error;
    }
  }
  return Buffer.concat(found).toString();
}

/** Fills the backlog of a server, until no connection more is taken in. */
export function fillBacklog(server: UnixSeqpacketServer | UnixStreamServer): number {
  const type = server instanceof UnixStreamServer ? UnixStream : UnixSeqpacketSocket;
  for (let count = 0; ; count++) {
    const end = type.tryConnect(server.address);
    if (end === undefined) return count;
    closed(end);
  }
}

/** Closes descriptors that a message brought, when the test is over, and gives them. */
export function received(descriptors: readonly number[]): readonly number[] {
  const opened = descriptors.map((fd) => ({ fd, is: targetOf(fd) }));
  onTestFinished(() => {
    for (const { fd, is } of opened) if (is !== undefined && targetOf(fd) === is) closeSync(fd);
  });
  return descriptors;
}

/** How many descriptors a process has open. */
export function descriptorsOf(pid: number | 'self'): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The calls in which a thread waits for a socket; an idle event loop is in another. */
const waitingCalls: Record<string, ReadonlySet<number>> = {
  // poll, ppoll, select, pselect6, recvfrom, recvmsg, recvmmsg, sendto, sendmsg, sendmmsg, accept, accept4, connect
  x64: new Set([7, 271, 23, 270, 45, 47, 299, 44, 46, 307, 43, 288, 42]),
  arm64: new Set([73, 72, 207, 212, 243, 206, 211, 269, 202, 242, 203]),
};

/** Whether the main thread of a process waits in a call for a socket. */
export function blocked(pid: number): boolean {
  const calls = waitingCalls[arch()];
  if (calls === undefined) throw new Error(`the system call numbers of ${arch()} are not known here`);
  return calls.has(Number.parseInt(readFileSync(`/proc/${pid}/syscall`, 'utf8'), 10));
}

function nodeEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment['NODE_OPTIONS'];
  return environment;
}

/** A Node process that uses Unix sockets on request: see unix-socket-peer.js. */
export async function socketPeer(...wrapper: string[]): Promise<NodePeer> {
  const args = [...wrapper, process.execPath, '--expose-gc', fixture('unix-socket-peer.js')];
  const command = args.shift() ?? '';
  const peer = new NodePeer(command, args, nodeEnvironment());
  const line = await peer.line();
  if (line !== 'ready') throw new Error(`the peer began with ${line}`);
  return peer;
}

/** The C program of fixtures/unix-socket-peer.c. */
export function cPeer(...args: (string | number)[]): Peer {
  return program(compiled('unix-socket-peer'), ...args);
}

/** Python by its own socket module; the script is given arguments. */
export function python(script: string, ...args: (string | number)[]): Peer {
  return program('python3', '-c', script, ...args);
}
