// PosixMessageQueue in Workers: side by side with the main thread, and ended with waits pending.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { PosixMessageQueue } from 'unix-ipc';
import { threadCount } from '../helpers/kernel.js';
import { fixture, nodeProgram } from '../helpers/peers.js';
import { descriptorsOf, drain, fullQueue, messagesIn, newQueue, queueFile } from '../helpers/posix-queues.js';
import { turns, until } from '../helpers/until.js';

type Task = 'answer' | 'wait' | 'block' | 'notify' | 'open and close';

function start(task: Task, from: PosixMessageQueue, to: PosixMessageQueue, count = 0): Worker {
  const workerData = { task, from: from.name, to: to.name, count };
  const worker = new Worker(fixture('posix-mq-worker.js'), { workerData });
  onTestFinished(async () => {
    await worker.terminate();
  });
  return worker;
}

function text(message: { data: Buffer }): string {
  return message.data.toString();
}

describe('two Workers and the main thread', () => {
  it('use the package at once, each message to the one it is for', async () => {
    const pairs = [1, 2].map(() => ({ to: newQueue(), from: newQueue() }));
    const ended = Promise.all(pairs.map(({ to, from }) => once(start('answer', to, from, 200), 'exit')));
    const own = newQueue();
    const conversations = [...pairs, { to: own, from: own }].map(async ({ to, from }, number) => {
      const texts: string[] = [];
      for (let index = 0; index < 200; index++) {
        await to.send(`${number}-${index}`);
        texts.push(text(await from.receive()));
      }
      return texts;
    });
    const expected = (number: number, suffix: string): string[] =>
      Array.from({ length: 200 }, (_, index) => `${number}-${index}${suffix}`);
    expect(await Promise.all(conversations)).toEqual([
      expected(0, ' answered'),
      expected(1, ' answered'),
      expected(2, ''),
    ]);
    expect(await ended).toEqual([[0], [0]]);
  });

  it('wait for the same queue, each message to one of them', async () => {
    const [queue, answers] = [newQueue(), newQueue()];
    const workers = [start('answer', queue, answers, 1), start('answer', queue, answers, 1)];
    await Promise.all(workers.map((worker) => once(worker, 'online')));
    const own = queue.receive();
    for (const data of ['a', 'b', 'c']) await queue.send(data);
    const texts = [await own, await answers.receive(), await answers.receive()].map(text);
    expect(texts.map((each) => each.replace(' answered', '')).sort()).toEqual(['a', 'b', 'c']);
  });
});

describe('terminate()', () => {
  it('with waits pending ends them, and the waits of other threads go on', async () => {
    const [queue, full] = [newQueue(), fullQueue()];
    const worker = start('wait', queue, full, 4);
    await once(worker, 'message');
    const received = queue.receive();
    await turns();
    expect(await worker.terminate()).toBe(1);
    queue.sendSync('for this thread');
    expect(text(await received)).toBe('for this thread');
  });

  it('with receive() pending leaves messages that come later in the queue', async () => {
    const [queue, full] = [newQueue(), fullQueue()];
    const worker = start('wait', queue, full, 4);
    await once(worker, 'message');
    await worker.terminate();
    for (const data of ['a', 'b', 'c']) queue.sendSync(data);
    await turns();
    expect(drain(queue)).toEqual(['a', 'b', 'c']);
  });

  it('with a send() pending sends nothing afterwards', async () => {
    const [queue, full] = [newQueue(), fullQueue()];
    const worker = start('wait', queue, full, 1);
    await once(worker, 'message');
    await worker.terminate();
    expect(drain(full)).toEqual(['f', 'f', 'f']);
    await turns();
    expect(messagesIn(full)).toBe(0);
  });

  it('closes the descriptors of the Worker', async () => {
    const [queue, full] = [newQueue(), fullQueue()];
    const worker = start('wait', queue, full, 1);
    await once(worker, 'message');
    expect([descriptorsOf(queue), descriptorsOf(full)]).toEqual([2, 2]);
    await worker.terminate();
    expect([descriptorsOf(queue), descriptorsOf(full)]).toEqual([1, 1]);
  });

  it('with a listener registered gives the registration free', async () => {
    const [queue, other] = [newQueue(), newQueue()];
    const worker = start('notify', queue, other);
    expect(await once(worker, 'message')).toEqual(['ready']);
    expect(queueFile(queue.fd).notifyPid).toBe(process.pid);
    queue.sendSync('x');
    expect(await once(worker, 'message')).toEqual(['notified']);
    await worker.terminate();
    queue.tryReceive();
    let calls = 0;
    queue.notify(() => calls++);
    queue.sendSync('y');
    await until('the listener is called', () => calls === 1);
  });

  it('20 times in a row leaves no thread and no descriptor', async () => {
    const [own, queue, full] = [newQueue(), newQueue(), fullQueue()];
    const peer = nodeProgram('posix-mq-terminate.js', own.name, queue.name, full.name, 20);
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

describe('a Worker', () => {
  it('that ends by itself leaves nothing of it waiting', async () => {
    const [queue, answers] = [newQueue(), newQueue()];
    const worker = start('answer', queue, answers, 1);
    const ended = once(worker, 'exit');
    queue.sendSync('last');
    expect(text(await answers.receive())).toBe('last answered');
    expect(await ended).toEqual([0]);
    expect([descriptorsOf(queue), descriptorsOf(answers)]).toEqual([1, 1]);
  });

  it('that blocks in receiveSync() leaves the main thread free', async () => {
    const [queue, answers] = [newQueue(), newQueue()];
    const worker = start('block', queue, answers);
    await once(worker, 'message');
    const ended = once(worker, 'exit');
    await queue.send('for it');
    expect(text(await answers.receive())).toBe('for it answered');
    expect(await ended).toEqual([0]);
  });

  it('that has a listener stays alive and is told of every message', async () => {
    const [queue, other] = [newQueue(), newQueue()];
    const worker = start('notify', queue, other);
    expect(await once(worker, 'message')).toEqual(['ready']);
    for (let round = 0; round < 20; round++) {
      const told = once(worker, 'message');
      queue.sendSync('x');
      expect(await told).toEqual(['notified']);
      queue.tryReceive();
    }
    const error = await Promise.resolve()
      .then(() => queue.notify(() => undefined))
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'EBUSY' });
  });

  it('that closes its objects of a queue leaves the listener of the main thread registered', async () => {
    const [queue, other] = [newQueue(), newQueue()];
    let calls = 0;
    queue.notify(() => calls++);
    const worker = start('open and close', queue, other);
    await once(worker, 'exit');
    await until('it is registered again', () => queueFile(queue.fd).notifyPid === process.pid);
    queue.sendSync('x');
    await until('the listener is called', () => calls === 1);
  });

  it('that is ended leaves the listener of the main thread registered', async () => {
    const [queue, full] = [newQueue(), fullQueue()];
    let calls = 0;
    queue.notify(() => calls++);
    const worker = start('wait', queue, full, 1);
    await once(worker, 'message');
    await worker.terminate();
    await until('it is registered again', () => queueFile(queue.fd).notifyPid === process.pid);
    queue.sendSync('x');
    await until('the listener is called', () => calls === 1);
  });
});
