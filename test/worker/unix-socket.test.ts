// Unix sockets in Workers: side by side with the main thread, as servers, and ended with waits pending.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UnixDatagramSocket, UnixSeqpacketSocket, UnixStream, waitThreads } from 'unix-ipc';
import { type Failure, rejection } from '../helpers/failures.js';
import { threadCount } from '../helpers/kernel.js';
import { fixture, nodeProgram } from '../helpers/peers.js';
import { stateOf, turns, until } from '../helpers/until.js';
import {
  abstractName,
  borrow,
  descriptors,
  drain,
  fillBacklog,
  ownFolder,
  packetPair,
  packetServer,
  patience,
  pattern,
  receiver,
  sender,
  socketPath,
  text,
  there,
} from '../helpers/unix-socket-ends.js';

interface Task {
  task: 'answer' | 'serve' | 'serveStreams' | 'block' | 'keep' | 'wait';
  path: string;
  fd?: number;
  count?: number;
  to?: string;
  full?: string;
}

function start(task: Task): Worker {
  const worker = new Worker(fixture('unix-socket-worker.js'), { workerData: { fd: -1, count: 0, ...task } });
  onTestFinished(async () => {
    await worker.terminate();
  });
  return worker;
}

async function started(task: Task): Promise<Worker> {
  const worker = start(task);
  expect(await once(worker, 'message')).toEqual(['ready']);
  return worker;
}

describe('two Workers and the main thread', () => {
  it('talk by datagrams at once, each answer to the one who asked', async () => {
    const paths = [socketPath(), abstractName()];
    const workers = await Promise.all(paths.map((path) => started({ task: 'answer', path, count: 200 })));
    const ended = Promise.all(workers.map((worker) => once(worker, 'exit')));
    const conversations = paths.map(async (path) => {
      const own = receiver();
      for (let index = 0; index < 200; index++) {
        await own.send(`question ${index}`, { to: path });
        expect(text(await own.receive())).toBe(`question ${index} answered`);
      }
    });
    await Promise.all(conversations);
    expect(await ended).toEqual([[0], [0]]);
    expect(existsSync(paths[0] ?? '')).toBe(false);
  });
});

describe('a Worker', () => {
  it('serves connections of the main thread', async () => {
    const path = socketPath();
    const worker = await started({ task: 'serve', path });
    const ended = once(worker, 'exit');
    for (let round = 0; round < 5; round++) {
      const near = borrow(await UnixSeqpacketSocket.connect(path, { codec: 'utf8' }));
      for (let index = 0; index < 20; index++) {
        near.sendSync(`question ${index}`);
        expect(there(near.receiveSync({ timeout: patience })).data).toBe(`question ${index} answered`);
      }
      if (round === 4) await near.send('over');
      near.end();
      if (round === 4) expect(there(await near.receive()).data).toBe('over answered');
      expect(await near.receive()).toBeNull();
    }
    expect(await ended).toEqual([0]);
    expect(existsSync(path)).toBe(false);
  });

  it('serves streams of the main thread', async () => {
    const path = socketPath();
    const worker = await started({ task: 'serveStreams', path, count: 2 });
    const ended = once(worker, 'exit');
    for (let round = 0; round < 2; round++) {
      const near = borrow(await UnixStream.connect(path));
      const data = pattern(500_000);
      const sent = near.send(data).then(() => near.end());
      const chunks: Buffer[] = [];
      for await (const chunk of near) chunks.push(chunk.data);
      await sent;
      expect(Buffer.concat(chunks).equals(data)).toBe(true);
    }
    expect(await ended).toEqual([0]);
  });

  it('that blocks in receiveSync() leaves the main thread free', async () => {
    const path = socketPath();
    const worker = await started({ task: 'block', path });
    const ended = once(worker, 'exit');
    const message = once(worker, 'message');
    await sender().send('for it', { to: path });
    expect(await message).toEqual(['for it']);
    expect(await ended).toEqual([0]);
  });
});

describe('terminate()', () => {
  /** Everything that a Worker waits for, and what the main thread has of it. */
  function scene(): {
    task: Task;
    near: UnixSeqpacketSocket;
    to: UnixDatagramSocket;
    server: ReturnType<typeof packetServer>;
    inBacklog: number;
  } {
    const [near, far] = packetPair();
    const to = receiver();
    const server = packetServer(socketPath(), { backlog: 0 });
    const inBacklog = fillBacklog(server);
    const task: Task = {
      task: 'wait',
      path: socketPath(),
      fd: far.release(),
      to: String(to.address),
      full: String(server.address),
    };
    return { task, near, to, server, inBacklog };
  }

  it('with waits pending closes all that the Worker had, and takes nothing with it', async () => {
    const { task, near, to, server, inBacklog } = scene();
    const [own, other] = packetPair();
    const kept = own.receive();
    // The end that the Worker adopts is among these.
    const before = descriptors();
    const worker = await started(task);
    expect(await worker.terminate()).toBe(1);
    await until('its descriptors are closed', () => descriptors() <= before - 1);
    expect(waitThreads.running).toBe(0);
    // Its other end is closed: what it had sent is there, and then the end, or that ours was not read.
    const seen: string[] = [];
    await rejection(
      (async () => {
        for (;;) seen.push(text(there(await near.receive())));
      })(),
    );
    expect(seen).not.toContain('never');
    await turns(5);
    expect(drain(to)).not.toContain('never');
    let accepted = 0;
    for (let end = server.tryAccept(); end !== undefined; end = server.tryAccept(), accepted++) borrow(end);
    await turns(5);
    expect([accepted, server.tryAccept()]).toEqual([inBacklog, undefined]);
    // The waits of other threads go on.
    expect(await stateOf(kept)).toBe('pending');
    other.sendSync('for this thread');
    expect(text(there(await kept))).toBe('for this thread');
  });

  it('makes the names of the Worker those of nobody, and ends connections that it had or had not accepted', async () => {
    for (let round = 0; round < 10; round++) {
      const { task } = scene();
      const before = descriptors();
      const worker = await started(task);
      const near = borrow(await UnixSeqpacketSocket.connect(`${task.path}-server`));
      if (round % 2 === 0) await turns(round);
      await worker.terminate();
      const ended = await near
        .receive({ timeout: patience })
        .catch((error: unknown) => (error as Failure).code);
      expect([null, 'ECONNRESET']).toContain(ended);
      near.close();
      await until('its descriptors are closed', () => descriptors() <= before - 1);
      const again = borrow(UnixDatagramSocket.bind(task.path, { replaceStale: true }));
      sender().sendSync('x', { to: task.path });
      expect(drain(again)).toEqual(['x']);
    }
  });

  it('at the moment when the waits can go on leaves the process whole', async () => {
    for (let round = 0; round < 10; round++) {
      const { task, near, to, server, inBacklog } = scene();
      const before = descriptors();
      const worker = await started(task);
      const ended = worker.terminate();
      try {
        sender().sendSync('x', { to: task.path });
        near.trySend('x');
      } catch (error) {
        // The Worker may be gone by now.
        expect(error).toHaveProperty(
          'code',
          expect.stringMatching(/^(ECONNREFUSED|ENOENT|EPIPE|ECONNRESET)$/),
        );
      }
      to.tryReceiveMany(5);
      const room = server.tryAccept();
      await ended;
      room?.close();
      // The sender above is ours, the end that was given to the Worker is gone.
      await until('its descriptors are closed', () => descriptors() <= before);
      let accepted = room ? 1 : 0;
      for (let end = server.tryAccept(); end !== undefined; end = server.tryAccept(), accepted++) borrow(end);
      // A connect() that had succeeded is in the backlog, and closed.
      expect(accepted).toBeGreaterThanOrEqual(inBacklog);
      expect(accepted).toBeLessThanOrEqual(inBacklog + 2);
      near.close();
    }
  });

  it('20 times in a row leaves no thread and no descriptor', async () => {
    const peer = nodeProgram('unix-socket-terminate.js', ownFolder(), 20);
    const before = JSON.parse(await peer.line()) as { threads: number; descriptors: number };
    expect(await peer.line()).toBe('ended');
    await until('the threads are gone', () => threadCount(peer.pid) <= before.threads);
    peer.write('\n');
    const after = JSON.parse(await peer.line()) as { threads: number; descriptors: number };
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    peer.end();
    expect(await peer.line()).toBe('the main thread still works');
    expect(await peer.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
  });
});
