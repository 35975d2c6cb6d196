// Compiled by `npm run typecheck`, never run: what the options type the object as.
import { IPC_PRIVATE, IpcError, SysvMessageQueue, waitThreads } from 'unix-ipc';

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
