// Compiled by `npm run typecheck`, never run: what the options type the object as.
import type { FileHandle } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import {
  EventFd,
  Fifo,
  Futex,
  type FutexOutcome,
  IPC_PRIVATE,
  IpcError,
  Memfd,
  type MemfdSeal,
  Pipe,
  PipeReader,
  PipeWriter,
  PosixMessageQueue,
  PosixSemaphore,
  PosixSharedMemory,
  SharedMemory,
  SharedMemoryWindow,
  type SocketAddress,
  SysvMessageQueue,
  type SysvSemaphoreOperation,
  SysvSemaphoreSet,
  SysvSharedMemory,
  type UnixBindOptions,
  type UnixChunk,
  type UnixCredentials,
  UnixDatagramSocket,
  type UnixDescriptor,
  type UnixMessage,
  UnixSeqpacketServer,
  UnixSeqpacketSocket,
  type UnixSocketOptions,
  UnixStream,
  UnixStreamServer,
  peerCredentials,
  waitThreads,
} from 'unix-ipc';

interface Order {
  id: number;
}

declare function seen(type: number | bigint, data: Buffer): void;

export async function bytes(): Promise<Buffer> {
  using queue = SysvMessageQueue.open(IPC_PRIVATE);
  queue.sendSync('text');
  queue.sendSync(new Uint8Array(1), { type: 2n, timeout: 5 });
  // @ts-expect-error a queue without a codec sends bytes
  queue.sendSync({ id: 1 });
  // @ts-expect-error a send that blocks the thread can't be aborted
  queue.sendSync('text', { signal: AbortSignal.timeout(1) });
  for await (const { type, data } of queue) {
    seen(type, data);
  }
  const several: { data: Buffer }[] = await queue.receiveMany(10, { type: -3, except: false });
  for (const { data } of several) seen(1n, data);
  return (await queue.receive({ timeout: 5, signal: AbortSignal.timeout(1) })).data;
}

export function text(): string | undefined {
  const queue = SysvMessageQueue.open({ path: '/tmp', projId: 'A' }, { codec: 'utf8', mode: 0o600 });
  // @ts-expect-error a queue of strings sends strings
  queue.trySend(1);
  return queue.tryReceive()?.data;
}

export function own(): number {
  const codec = {
    encode: (order: Order): Uint8Array => Buffer.from(String(order.id)),
    decode: (data: Buffer): Order => ({ id: Number(data) }),
  };
  const queue = SysvMessageQueue.openId(1, { codec });
  queue.trySend({ id: 1 });
  // @ts-expect-error the codec knows no such order
  queue.trySend({ name: 'one' });
  return queue.receiveSync().data.id;
}

export function json(): number {
  const queue: SysvMessageQueue<Order> = SysvMessageQueue.open<Order>(1, { codec: 'json' });
  return queue.receiveSync().data.id;
}

export function failed(error: unknown): string {
  if (!(error instanceof IpcError)) return '';
  const { code, errno, syscall, path, key, id } = error;
  return `${code} ${errno} ${syscall} ${path ?? ''} ${key ?? ''} ${id ?? ''}`;
}

export function threads(): number {
  waitThreads.limit = 5;
  // @ts-expect-error how many run is for the engine to say
  waitThreads.running = 5;
  return waitThreads.running;
}

declare const order: { encode: (value: Order) => Uint8Array; decode: (data: Buffer) => Order };
declare const signal: AbortSignal;

export async function posixBytes(): Promise<Buffer> {
  using queue = PosixMessageQueue.open('/orders', { maxMessages: 5, messageSize: 100, access: 'both' });
  queue.sendSync('text');
  queue.sendSync(new Uint8Array(1), { priority: 2, timeout: 5 });
  await queue.send('text', { priority: 2, timeout: 5, signal });
  const sent: boolean = queue.trySend('text', { priority: 1 });
  // @ts-expect-error a queue without a codec sends bytes
  queue.sendSync({ id: 1 });
  // @ts-expect-error a send that blocks the thread can't be aborted
  queue.sendSync('text', { signal });
  // @ts-expect-error what never waits has no time limit
  queue.trySend('text', { timeout: 5 });
  // @ts-expect-error a priority is a number
  queue.trySend('text', { priority: 1n });
  // @ts-expect-error the system's queue can't be renamed
  queue.name = '/other';
  for await (const { priority, data } of queue) seen(priority, data);
  for await (const { data } of queue.messages({ timeout: 5, signal })) seen(0, data);
  const several: { priority: number; data: Buffer }[] = [
    ...(await queue.receiveMany(10, { timeout: 5, signal })),
    ...queue.receiveManySync(10, { timeout: 5 }),
    ...queue.tryReceiveMany(10),
  ];
  // @ts-expect-error a receive that blocks the thread can't be aborted
  queue.receiveSync({ signal });
  for (const { priority, data } of several) seen(priority, data);
  return sent ? (await queue.receive({ timeout: 5, signal })).data : queue.receiveSync().data;
}

export function posixText(): string | undefined {
  const queue = PosixMessageQueue.open('/orders', { codec: 'utf8', mode: 0o600, create: false });
  // @ts-expect-error a queue of strings sends strings
  queue.trySend(1);
  return queue.tryReceive()?.data;
}

export function posixOwn(): number {
  const queue = PosixMessageQueue.open('/orders', { codec: order, exclusive: true, spin: 50 });
  queue.trySend({ id: 1 });
  // @ts-expect-error the codec knows no such order
  queue.trySend({ name: 'one' });
  // @ts-expect-error bytes are what the codec makes
  queue.trySend(new Uint8Array(1));
  return queue.receiveSync().data.id;
}

export function posixJson(): number {
  const queue: PosixMessageQueue<Order> = PosixMessageQueue.open<Order>('/orders', { codec: 'json' });
  return queue.receiveSync().data.id;
}

// @ts-expect-error there is no such access
export const wrongAccess = (): unknown => PosixMessageQueue.open('/orders', { access: 'rw' });

export function posixManaged(): number {
  const queue = PosixMessageQueue.open('/orders');
  using registration = queue.notify(() => queue.tryReceiveMany(10));
  registration.close();
  const { maxMessages, messageSize, messages, bytes, notifyPid, uid, gid, mode } = queue.stat();
  const always: number[] = [maxMessages, messageSize, messages, uid, gid, mode];
  const perhaps: (number | undefined)[] = [bytes, notifyPid];
  // @ts-expect-error who may not read does not see how many bytes there are
  const all: number = bytes;
  for (const row of PosixMessageQueue.list()) {
    const name: string = row.name;
    always.push(row.uid, row.gid, row.mode, name.length);
    perhaps.push(row.bytes, row.notifyPid);
  }
  const limits = PosixMessageQueue.limits();
  const numbers: number[] = [
    limits.maxMessages,
    limits.messageSize,
    limits.defaultMaxMessages,
    limits.defaultMessageSize,
    limits.maxQueues,
    limits.maxBytes,
    queue.fd,
    queue.maxMessages,
    queue.messageSize,
  ];
  queue.unlink();
  PosixMessageQueue.unlink(queue.name);
  return always.length + perhaps.length + all + numbers.length;
}

export async function pipeOfBytes(): Promise<Buffer | null> {
  using pipe = Pipe.create({ capacity: 65_536, spin: 5 });
  const { reader, writer }: { reader: PipeReader; writer: PipeWriter } = pipe;
  writer.writeSync('text', { timeout: 5 });
  await writer.write(new Uint8Array(1), { timeout: 5, signal });
  const written: number = writer.tryWrite('text');
  // @ts-expect-error a write that blocks the thread can't be aborted
  writer.writeSync('text', { signal });
  // @ts-expect-error a pipe without a codec carries bytes
  writer.writeSync({ id: 1 });
  const tried: Buffer | null | undefined = reader.tryRead({ size: 10 });
  const read: Buffer | null = reader.readSync({ size: 10, timeout: 5 });
  for await (const chunk of reader) seen(0, chunk);
  for await (const chunk of reader.chunks({ size: 10, timeout: 5, signal })) seen(0, chunk);
  const counts: number[] = [reader.bytesRead, reader.available, reader.capacity, reader.setCapacity(4096)];
  counts.push(writer.bytesWritten, writer.capacity, writer.setCapacity(4096), writer.fd, reader.fd, written);
  return counts.length > 0 ? (tried ?? read) : await reader.read({ size: 10, timeout: 5, signal });
}

export async function pipeMoved(reader: PipeReader, writer: PipeWriter): Promise<number[]> {
  const tried: (number | undefined)[] = [
    reader.trySplice(writer, { size: 10 }),
    reader.tryTee(writer, { size: 10 }),
  ];
  const streams: Socket[] = [reader.stream(), writer.stream()];
  return [
    tried.length,
    streams.length,
    reader.spliceSync(writer, { size: 10, timeout: 5 }),
    await reader.splice(writer, { size: 10, timeout: 5, signal }),
    reader.teeSync(writer, { size: 10, timeout: 5 }),
    await reader.tee(writer, { size: 10, timeout: 5, signal }),
    reader.release(),
    writer.release(),
  ];
}

export async function pipeOfPackets(): Promise<number | undefined> {
  const { reader, writer } = Pipe.create({ packets: true, codec: order });
  writer.writeSync({ id: 1 });
  // @ts-expect-error the codec knows no such order
  writer.tryWrite({ name: 'one' });
  const own: Order | null = reader.readSync();
  const texts = Pipe.create({ packets: true, codec: 'utf8' });
  const text: string | null | undefined = texts.reader.tryRead();
  for await (const chunk of texts.reader) seen(0, Buffer.from(chunk));
  const adopted: PipeReader<string> = PipeReader.fromFd(0, { packets: true, codec: 'utf8', spin: 5 });
  const out: PipeWriter<Order> = PipeWriter.fromFd(1, { packets: true, codec: order });
  out.tryWrite({ id: (await adopted.read())?.length ?? 0 });
  return (own?.id ?? 0) + (text?.length ?? 0);
}

export async function fifo(): Promise<string | null> {
  const made: Fifo = Fifo.make('/tmp/fifo', { mode: 0o600, exclusive: false });
  const writer: PipeWriter | undefined = made.tryOpenWriter();
  const reader: PipeReader = Fifo.tryOpenReader(made.path, { keepOpen: true });
  const writers: PipeWriter[] = [
    made.openWriterSync({ timeout: 5, spin: 5 }),
    await made.openWriter({ timeout: 5, signal }),
    Fifo.openWriterSync(made.path, { timeout: 5 }),
    await Fifo.openWriter(made.path, { timeout: 5, signal }),
  ];
  const readers: PipeReader[] = [
    reader,
    made.tryOpenReader(),
    made.openReaderSync({ timeout: 5, keepOpen: true }),
    await made.openReader({ timeout: 5, signal }),
    Fifo.openReaderSync(made.path),
  ];
  // @ts-expect-error an opening that blocks the thread can't be aborted
  made.openReaderSync({ signal });
  const texts: PipeReader<string> = await Fifo.openReader(made.path, { packets: true, codec: 'utf8' });
  for (const end of [writer, ...writers, ...readers]) end?.close();
  made.unlink();
  Fifo.unlink('/tmp/fifo');
  return texts.read();
}

export async function counter(): Promise<(number | bigint)[]> {
  using eventfd = EventFd.create({ initial: 2, semaphore: true, spin: 5 });
  eventfd.signalSync(2n ** 60n, { timeout: 5 });
  await eventfd.signal(1, { timeout: 5, signal });
  const signalled: boolean = eventfd.trySignal();
  // @ts-expect-error a wait that blocks the thread can't be aborted
  eventfd.waitSync({ signal });
  const tried: number | bigint | undefined = eventfd.tryWait();
  for await (const count of eventfd) seen(count, Buffer.alloc(0));
  const adopted: EventFd = EventFd.fromFd(eventfd.release(), { spin: 5 });
  return signalled
    ? [tried ?? 0, eventfd.waitSync({ timeout: 5 }), adopted.fd]
    : [await eventfd.wait({ timeout: 5, signal })];
}

declare const socket: Socket;
declare const listening: Server;
declare const handle: FileHandle;

export async function datagrams(): Promise<UnixMessage> {
  const binding: UnixBindOptions = { mode: 0o660, replaceStale: true, unlinkOnClose: false };
  using bound = UnixDatagramSocket.bind('/tmp/socket', {
    ...binding,
    spin: 5,
    descriptors: true,
    credentials: true,
  });
  const connected: UnixDatagramSocket = UnixDatagramSocket.connect('\0name', {
    bind: '',
    sendBuffer: 1,
    receiveBuffer: 1,
  });
  const free = UnixDatagramSocket.create();
  const [left, right]: [UnixDatagramSocket, UnixDatagramSocket] = UnixDatagramSocket.pair();
  const given: UnixDescriptor[] = [0, bound, { fd: 1 }, socket, listening, handle];
  const credentials: UnixCredentials = { pid: 1, uid: 2, gid: 3 };
  bound.sendSync('text', { to: new Uint8Array(1), descriptors: given, credentials, timeout: 5 });
  await free.send(new Uint8Array(1), { to: '\0name', timeout: 5, signal });
  const sent: boolean = left.trySend('text', { descriptors: [] });
  // @ts-expect-error a socket without a codec sends bytes
  bound.sendSync({ id: 1 });
  // @ts-expect-error a send that blocks the thread can't be aborted
  bound.sendSync('text', { signal });
  // @ts-expect-error what never waits has no time limit
  bound.trySend('text', { timeout: 5 });
  // @ts-expect-error a stream of node:fs has no descriptor until it is open
  bound.trySend('text', { descriptors: ['text'] });
  // @ts-expect-error an address is not a port
  bound.trySend('text', { to: 5 });
  // @ts-expect-error a receive that blocks the thread can't be aborted
  bound.receiveSync({ signal });
  const tried: UnixMessage | undefined = right.tryReceive({ maxBytes: 5, truncate: true });
  const several: UnixMessage[] = [
    ...(await bound.receiveMany(10, { timeout: 5, signal, maxBytes: 5 })),
    ...bound.receiveManySync(10, { timeout: 5 }),
    ...bound.tryReceiveMany(10),
  ];
  for await (const { data, address, descriptors } of bound.messages({ timeout: 5, signal })) {
    const from: SocketAddress = address;
    seen(descriptors.length + from.length, data);
  }
  for await (const { data, credentials: who, truncated, descriptorsTruncated } of bound) {
    const pid: number | undefined = who?.pid;
    seen(pid ?? (truncated && descriptorsTruncated ? 1 : 0), data);
  }
  const own: SocketAddress = bound.address;
  const peer: SocketAddress | undefined = connected.peerAddress;
  bound.unlink();
  const adopted: UnixDatagramSocket<string> = UnixDatagramSocket.fromFd(free.release(), { codec: 'utf8' });
  // @ts-expect-error a socket of strings sends strings
  adopted.trySend(new Uint8Array(1));
  const words: string = adopted.receiveSync().data;
  if (tried) return tried;
  const last = several[words.length + own.length + (peer?.length ?? 0)];
  return sent ? bound.receiveSync() : (last ?? (await bound.receive()));
}

export function datagramCodecs(): number {
  const queue: UnixSocketOptions<Order> = { codec: order };
  const socket: UnixDatagramSocket<Order> = UnixDatagramSocket.bind('/tmp/socket', {
    codec: order,
    mode: 0o600,
  });
  const [left, right]: [UnixDatagramSocket<Order>, UnixDatagramSocket<Order>] = UnixDatagramSocket.pair({
    codec: order,
  });
  const json: UnixDatagramSocket<Order> = UnixDatagramSocket.connect<Order>('/tmp/socket', { codec: 'json' });
  left.sendSync({ id: 1 }, { to: '/tmp/socket' });
  // @ts-expect-error the codec knows no such order
  right.sendSync({ name: 'one' });
  json.trySend({ id: 1 });
  return socket.receiveSync().data.id + (queue.codec === undefined ? 0 : 1);
}

export async function connections(): Promise<Buffer | undefined> {
  using server = UnixSeqpacketServer.listen('/tmp/socket', { backlog: 5, mode: 0o600 });
  const accepted: UnixSeqpacketSocket | undefined = server.tryAccept();
  const others: UnixSeqpacketSocket[] = [
    server.acceptSync({ timeout: 5 }),
    await server.accept({ timeout: 5, signal }),
  ];
  // @ts-expect-error an accept that blocks the thread can't be aborted
  server.acceptSync({ signal });
  for await (const connection of server) others.push(connection);
  for await (const connection of server.connections({ timeout: 5, signal })) others.push(connection);
  const near: UnixSeqpacketSocket = await UnixSeqpacketSocket.connect(server.address, {
    timeout: 5,
    signal,
    bind: '',
  });
  const blocking: UnixSeqpacketSocket = UnixSeqpacketSocket.connectSync(server.address, { timeout: 5 });
  const tried: UnixSeqpacketSocket | undefined = UnixSeqpacketSocket.tryConnect(server.address);
  near.sendSync('text', { descriptors: [accepted ?? near], timeout: 5 });
  // @ts-expect-error a connection has one other end
  near.sendSync('text', { to: '/tmp/socket' });
  // @ts-expect-error a connection may be at its end
  const { data } = near.receiveSync();
  const message: UnixMessage | null = await near.receive({ maxBytes: 5, timeout: 5, signal });
  const now: UnixMessage | null | undefined = blocking.tryReceive();
  for await (const each of near) seen(0, each.data);
  const { pid, uid, gid }: UnixCredentials = near.peerCredentials;
  near.end();
  const texts: UnixSeqpacketServer<string> = UnixSeqpacketServer.fromFd(server.release(), { codec: 'utf8' });
  const words: string | undefined = (await (await texts.accept()).receive())?.data;
  seen(pid + uid + gid + (words?.length ?? 0) + (tried?.fd ?? 0), data as Buffer);
  return message?.data ?? now?.data;
}

export function connectionCodecs(): number | undefined {
  const server: UnixSeqpacketServer<Order> = UnixSeqpacketServer.listen('/tmp/socket', { codec: order });
  const near: UnixSeqpacketSocket<Order> = UnixSeqpacketSocket.connectSync('/tmp/socket', { codec: order });
  near.trySend({ id: 1 });
  // @ts-expect-error bytes are what the codec makes
  near.trySend(new Uint8Array(1));
  return server.acceptSync().receiveSync()?.data.id;
}

export async function streams(): Promise<Buffer | undefined> {
  using server = UnixStreamServer.listen('\0name', { backlog: 5 });
  const near: UnixStream = UnixStream.connectSync(server.address, { timeout: 5, descriptors: true });
  const accepted: UnixStream | undefined = server.tryAccept();
  near.sendSync('text', { descriptors: [0], timeout: 5 });
  await near.send(new Uint8Array(1), { timeout: 5, signal });
  const bytes: number = near.trySend('text');
  // @ts-expect-error a stream carries bytes
  near.trySend({ id: 1 });
  // @ts-expect-error a stream has no messages to be coded
  UnixStream.connectSync(server.address, { codec: 'utf8' });
  // @ts-expect-error a stream has no messages to be coded
  UnixStreamServer.listen('', { codec: 'utf8' });
  const chunk: UnixChunk | null = await near.receive({ size: 5, timeout: 5, signal });
  const tried: UnixChunk | null | undefined = near.tryReceive({ size: 5 });
  for await (const { data, descriptors } of near) seen(descriptors.length, data);
  for await (const { data } of near.chunks({ size: 5, timeout: 5, signal })) seen(0, data);
  const counts: number[] = [bytes, near.bytesRead, near.bytesWritten];
  const stream: Socket = near.stream();
  const adopted: Server = server.server((connection) => connection.end('text'));
  const who: UnixCredentials[] = [peerCredentials(stream), peerCredentials(0), peerCredentials({ fd: 0 })];
  adopted.close();
  accepted?.close();
  return counts.length + who.length > 0 ? chunk?.data : tried?.data;
}

export function memory(any: SharedMemory): number {
  const { size, readOnly, closed }: { size: number; readOnly: boolean; closed: boolean } = any;
  const buffer: ArrayBuffer = any.buffer;
  const bytes: Buffer = any.bytes;
  const copies: Buffer[] = [any.read(), any.read(8), any.read(8, 8)];
  any.write(0, 'text');
  any.write(8, new Uint8Array(1));
  // @ts-expect-error memory holds bytes
  any.write(8, 5);
  using window: SharedMemoryWindow = any.window(8, 16);
  const again: SharedMemory = window.window(8, 8);
  again.close();
  // @ts-expect-error how long memory is its class says
  any.size = 5;
  // @ts-expect-error the memory can't be another
  any.buffer = buffer;
  const isOpenedByItsClasses: typeof SharedMemory extends new (...args: never[]) => unknown ? false : true =
    true;
  // @ts-expect-error a window is made by its memory
  memory(new SharedMemoryWindow());
  const flags: boolean[] = [readOnly, closed, isOpenedByItsClasses];
  return size + flags.length + bytes.length + copies.length;
}

export function segments(): (number | bigint)[] {
  using made = SysvSharedMemory.create({
    size: 4096,
    key: { path: '/tmp', projId: 'A' },
    mode: 0o600,
    exclusive: true,
    hugePages: false,
    reserve: true,
  });
  const base: SharedMemory = made;
  const opened: SysvSharedMemory[] = [
    SysvSharedMemory.create({ size: 1 }),
    SysvSharedMemory.open(1, { readOnly: true }),
    SysvSharedMemory.open({ path: '/tmp', projId: 1 }),
    SysvSharedMemory.openId(1, { readOnly: false }),
  ];
  // @ts-expect-error a new segment has a size
  SysvSharedMemory.create({ key: 1 });
  // @ts-expect-error what is opened has its size
  SysvSharedMemory.open(1, { size: 5 });
  const keepsItsSize: 'resize' extends keyof SysvSharedMemory ? false : true = true;
  const stat = made.stat();
  const times: (Date | undefined)[] = [stat.attachTime, stat.detachTime, stat.changeTime];
  const flags: boolean[] = [stat.removed, stat.locked, keepsItsSize];
  made.set({ uid: 1, gid: 1, mode: 0o640 });
  made.lock();
  made.unlock();
  made.remove();
  made.detach();
  const limits = SysvSharedMemory.limits();
  return [
    memory(base) + opened.length + times.length + flags.length,
    made.id,
    made.key,
    stat.key + stat.uid + stat.gid + stat.creatorUid + stat.creatorGid + stat.mode + stat.size,
    stat.attached + stat.creatorPid + stat.lastPid,
    ...SysvSharedMemory.list().map(({ id, size, attached }): number => id + size + attached),
    limits.maxSegmentSize,
    limits.maxSegments,
    limits.maxTotalPages,
    limits.segments,
    limits.pages,
    limits.residentPages,
    limits.swappedPages,
  ];
}

export function objects(): string[] {
  const options = { name: '/name', size: 4096, mode: 0o600, exclusive: false, reserve: false };
  using made = PosixSharedMemory.create(options);
  const opened: PosixSharedMemory = PosixSharedMemory.open('/name', { readOnly: true });
  // @ts-expect-error an object that others can open has a name
  PosixSharedMemory.create({ size: 4096 });
  // @ts-expect-error a name is a string
  PosixSharedMemory.open(1);
  const { size, uid, gid, mode, unlinked, accessTime, modifyTime, changeTime } = made.stat();
  const times: Date[] = [accessTime, modifyTime, changeTime];
  made.resize(8192);
  made.lock();
  made.unlock();
  made.unlink();
  const { size: all, free } = PosixSharedMemory.limits();
  const fds: number[] = [opened.fd, opened.release()];
  const numbers: number[] = [size, uid, gid, mode, times.length, Number(unlinked), all, free];
  const names: string[] = PosixSharedMemory.list();
  return [...names, made.name, String(numbers.length + fds.length + memory(made))];
}

export function memfds(): MemfdSeal[] {
  using made = Memfd.create({ size: 4096, name: 'name', hugePages: false, reserve: true });
  const adopted: Memfd = Memfd.fromFd(made.fd, { readOnly: true });
  const all: MemfdSeal[] = ['write', 'future-write', 'shrink', 'grow', 'exec', 'seal'];
  made.seal('shrink', 'grow');
  made.seal(...all);
  // @ts-expect-error there is no such seal
  made.seal('read');
  // @ts-expect-error seals are put on and never taken off
  made.seals = [];
  const hasNoName: 'unlink' | 'name' extends keyof Memfd ? false : true = true;
  made.resize(1);
  made.lock();
  made.unlock();
  const [left] = UnixDatagramSocket.pair();
  left.sendSync('memory', { descriptors: [made, adopted.fd] });
  const size: number = made.stat().size;
  return [...made.seals].slice(size + adopted.release() + Number(hasNoName));
}

export async function semaphoreSets(): Promise<(number | Date | undefined)[]> {
  const options = { create: true, exclusive: false, mode: 0o600, count: 2, initial: [1, 0], spin: 5 };
  using set = SysvSemaphoreSet.open({ path: '/tmp', projId: 'A' }, options);
  const opened: SysvSemaphoreSet[] = [
    SysvSemaphoreSet.open(IPC_PRIVATE, { initial: 5 }),
    SysvSemaphoreSet.openId(1, { spin: 5 }),
  ];
  // @ts-expect-error a set that is there has its values
  SysvSemaphoreSet.openId(1, { initial: 5 });
  const ops: SysvSemaphoreOperation[] = [
    { index: 0, op: -1 },
    { index: 1, op: 1, undo: true },
  ];
  set.applySync(ops, { timeout: 5 });
  await set.apply(ops, { timeout: 5, signal });
  set.acquireSync(0, 1, { undo: true, timeout: 5 });
  await set.acquire(0, 1, { undo: true, timeout: 5, signal });
  const tries: boolean[] = [set.tryApply(ops), set.tryAcquire(0, 1, { undo: true }), set.tryWaitForZero(0)];
  // @ts-expect-error what never waits has no time limit
  set.tryAcquire(0, 1, { timeout: 5 });
  // @ts-expect-error a wait that blocks the thread can't be aborted
  set.acquireSync(0, 1, { signal });
  // @ts-expect-error nothing is taken that could be undone
  set.waitForZeroSync(0, { undo: true });
  // @ts-expect-error an operation is on a semaphore
  set.applySync([{ op: 1 }]);
  set.release(0, 1, { undo: true });
  set.waitForZeroSync(0, { timeout: 5 });
  await set.waitForZero(0, { timeout: 5, signal });
  set.setValues([1, 2]);
  set.setValue(0, 1);
  set.set({ uid: 1, gid: 1, mode: 0o640 });
  set.remove();
  // @ts-expect-error a set keeps its semaphores
  set.count = 5;
  const { semaphores, lastOperationTime, changeTime, ...stat } = set.stat();
  const times: [Date | undefined, Date] = [lastOperationTime, changeTime];
  const limits = SysvSemaphoreSet.limits();
  return [
    set.id + set.key + set.count + tries.length + opened.length,
    stat.key + stat.uid + stat.gid + stat.creatorUid + stat.creatorGid + stat.mode + stat.count,
    ...semaphores.map(({ value, pid, waiting, waitingForZero }) => value + pid + waiting + waitingForZero),
    ...set.values(),
    ...SysvSemaphoreSet.list().map(({ id, count }): number => id + count),
    limits.maxSets + limits.maxSemaphores + limits.maxPerSet + limits.maxOperations + limits.maxValue,
    limits.sets + limits.semaphores,
    ...times,
  ];
}

export async function semaphores(shared: SharedMemory, mapped: ArrayBuffer): Promise<string[]> {
  const options = { create: true, exclusive: false, mode: 0o600, initial: 1, spin: 5 };
  using named = PosixSemaphore.open('/name', options);
  using placed = PosixSemaphore.at(shared, 64, { initial: 1, spin: 5 });
  const found: PosixSemaphore = PosixSemaphore.at(mapped, 64);
  // @ts-expect-error a place in memory has an offset
  PosixSemaphore.at(shared);
  // @ts-expect-error a view may be of any memory
  PosixSemaphore.at(new Uint8Array(64), 0);
  named.acquireSync({ timeout: 5 });
  await named.acquire({ timeout: 5, signal });
  const taken: boolean = named.tryAcquire();
  // @ts-expect-error a wait that blocks the thread can't be aborted
  named.acquireSync({ signal });
  named.release();
  named.release(5);
  named.unlink();
  found.close();
  // @ts-expect-error what a semaphore has is given and taken
  named.value = 5;
  const name: string | undefined = placed.name;
  const value: number = placed.value;
  return [...PosixSemaphore.list(), name ?? '', String(value), String(taken), String(found.closed)];
}

export async function futexes(shared: SharedMemory, mapped: ArrayBuffer): Promise<number> {
  using futex = Futex.at(shared);
  const other: Futex = Futex.at(mapped, 64, { spin: 5 });
  // @ts-expect-error no process shares what is no memory of the system
  Futex.at(new SharedArrayBuffer(64));
  const outcomes: FutexOutcome[] = [
    futex.waitSync(0, { timeout: 5 }),
    await futex.wait(0, { timeout: 5, signal }),
  ];
  const different: 'not-equal' | undefined = futex.tryWait(0);
  // @ts-expect-error a wait is for what the caller has seen
  await futex.wait();
  // @ts-expect-error a wait that blocks the thread can't be aborted
  futex.waitSync(0, { signal });
  futex.value = 5;
  const old: number = futex.add(1) + futex.exchange(1) + futex.compareExchange(1, 2);
  const woken: number = futex.wake() + futex.wake(Infinity);
  other.close();
  return futex.value + old + woken + outcomes.length + Number(different === undefined) + Number(other.closed);
}
