// Pipes, FIFOs and eventfds in Workers: side by side with the main thread, and ended with waits pending.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EventFd, Fifo, Pipe, waitThreads } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { countOf, descriptors, drainPipe, fillPipe, folder } from '../helpers/pipe-ends.js';
import { asleepIn, threadCount } from '../helpers/kernel.js';
import { fixture, nodeProgram } from '../helpers/peers.js';
import { borrow } from '../helpers/queues.js';
import { stateOf, turns, until } from '../helpers/until.js';

interface Task {
  task: 'answer' | 'wait' | 'block' | 'count' | 'countLater';
  fds: number[];
  path?: string;
  count?: number;
}

/** Starts a Worker with descriptors of its own of what these lead to: an object closes what it has adopted. */
function start({ fds, ...task }: Task): Worker {
  const own = fds.map((fd) => sys.fcntl(fd, sys.F_DUPFD_CLOEXEC, 0));
  const worker = new Worker(fixture('pipe-worker.js'), {
    workerData: { path: '', count: 0, ...task, fds: own },
  });
  onTestFinished(async () => {
    await worker.terminate();
  });
  return worker;
}

describe('two Workers and the main thread', () => {
  it('talk over pipes at once', async () => {
    const pipes = Array.from({ length: 4 }, () => borrow(Pipe.create()));
    const [a, b, c, d] = pipes as [Pipe, Pipe, Pipe, Pipe];
    const workers = [
      start({ task: 'answer', fds: [a.reader.fd, b.writer.fd], count: 100 }),
      start({ task: 'answer', fds: [c.reader.fd, d.writer.fd], count: 100 }),
    ];
    const ended = Promise.all(workers.map((worker) => once(worker, 'exit')));
    const talk = async (to: Pipe, from: Pipe, name: string): Promise<void> => {
      for (let index = 0; index < 100; index++) {
        await to.writer.write(`${name} ${index}`);
        expect(String(await from.reader.read())).toBe(`${name} ${index} answered`);
      }
    };
    await Promise.all([talk(a, b, 'first'), talk(c, d, 'second')]);
    expect(await ended).toEqual([[0], [0]]);
  });

  it('wait for the same pipe, and each byte goes to one of them', async () => {
    const [to, from] = [borrow(Pipe.create({ packets: true })), borrow(Pipe.create())];
    const fds = [to.reader.fd, from.writer.fd];
    const workers = [start({ task: 'answer', fds, count: 1 }), start({ task: 'answer', fds, count: 1 })];
    const ended = Promise.all(workers.map((worker) => once(worker, 'exit')));
    to.writer.writeSync('a');
    to.writer.writeSync('b');
    await ended;
    const text = drainPipe(from.reader.fd).toString();
    expect(['a answeredb answered', 'b answereda answered']).toContain(text);
  });
});

describe('a Worker', () => {
  it.each(['count', 'countLater'] as const)(
    'waits for an eventfd (%s) while the main thread signals it',
    async (task) => {
      const event = borrow(EventFd.create());
      const worker = start({ task, fds: [event.fd], count: 1000 });
      const messages: unknown[] = [];
      worker.on('message', (message) => messages.push(message));
      const ended = once(worker, 'exit');
      await until('it waits', () => messages.length === 1);
      for (let index = 0; index < 500; index++) {
        event.signalSync();
        await event.signal();
      }
      expect(await ended).toEqual([0]);
      expect(messages).toEqual(['ready', 1000]);
      expect(countOf(event.fd)).toBe(0n);
    },
  );

  it('that blocks in readSync() leaves the main thread free', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const worker = start({ task: 'block', fds: [reader.fd] });
    const messages: unknown[] = [];
    worker.on('message', (message) => messages.push(message));
    const ended = once(worker, 'exit');
    await until('it blocks', () => messages.length === 1);
    await writer.write('for it');
    expect(await ended).toEqual([0]);
    expect(messages).toEqual(['ready', 'for it']);
  });
});

describe('terminate()', () => {
  it('with waits pending takes nothing with it, and the waits of the main thread go on', async () => {
    const [data, room, sink, own] = Array.from({ length: 4 }, () => borrow(Pipe.create())) as [
      Pipe,
      Pipe,
      Pipe,
      Pipe,
    ];
    const event = borrow(EventFd.create());
    fillPipe(room.writer.fd);
    const path = Fifo.make(join(folder(), 'fifo')).path;
    const second = Fifo.make(`${path}-2`);
    const kept = own.reader.read();
    const fds = [data.reader.fd, room.writer.fd, event.fd, sink.writer.fd];
    const before = descriptors();
    const worker = start({ task: 'wait', fds, path });
    await once(worker, 'message');
    await until('it opens two FIFOs', () => asleepIn('openat', undefined) === 2);
    expect(waitThreads.running).toBe(0);
    expect(await worker.terminate()).toBe(1);
    expect(asleepIn('openat', undefined)).toBe(0);
    await until('its descriptors are closed', () => descriptors() <= before);

    data.writer.writeSync('stays');
    event.signalSync(3);
    const full = drainPipe(room.reader.fd);
    await turns(10);
    expect(drainPipe(data.reader.fd).toString()).toBe('stays');
    expect(event.tryWait()).toBe(3);
    expect(full.includes('never')).toBe(false);
    expect(room.reader.tryRead()).toBeUndefined();
    expect(sink.reader.tryRead()).toBeUndefined();
    expect(Fifo.tryOpenWriter(path)).toBeUndefined();
    expect(existsSync(second.path)).toBe(true);
    expect(await stateOf(kept)).toBe('pending');
    own.writer.writeSync('for the main thread');
    expect(String(await kept)).toBe('for the main thread');
  });

  it('at the moment when the waits can go on leaves the process whole', async () => {
    for (let round = 0; round < 10; round++) {
      const [data, room, sink] = Array.from({ length: 3 }, () => borrow(Pipe.create())) as [Pipe, Pipe, Pipe];
      const event = borrow(EventFd.create());
      fillPipe(room.writer.fd);
      const fifo = Fifo.make(join(folder(), 'fifo'));
      Fifo.make(`${fifo.path}-2`);
      const before = descriptors();
      const worker = start({
        task: 'wait',
        fds: [data.reader.fd, room.writer.fd, event.fd, sink.writer.fd],
        path: fifo.path,
      });
      await once(worker, 'message');
      const ended = worker.terminate();
      data.writer.writeSync('x');
      event.signalSync();
      drainPipe(room.reader.fd);
      fifo.tryOpenWriter()?.close();
      await ended;
      // An open that had succeeded for the Worker is closed with it.
      await until('its descriptors are closed', () => descriptors() <= before);
      expect(fifo.tryOpenWriter()).toBeUndefined();
    }
  });

  it('20 times in a row leaves no thread and no descriptor', async () => {
    const peer = nodeProgram('pipe-terminate.js', join(folder(), 'fifo'), 20);
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
