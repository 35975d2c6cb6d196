// The addon in Workers: side by side with the main thread, alone, and ended with waits pending.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SysvMessageQueue } from 'unix-ipc';
import { asleepIn, queueRows, threadCount } from '../helpers/kernel.js';
import { fixture, nodeProgram } from '../helpers/peers.js';
import { borrow, fill, privateId, privateQueue } from '../helpers/queues.js';
import { scale, turns, until } from '../helpers/until.js';

interface Task {
  msqid: number;
  task: 'answer' | 'wait' | 'block';
  from: number;
  to: number;
  count: number;
}

function start(task: Task): Worker {
  const worker = new Worker(fixture('worker.js'), { workerData: task });
  onTestFinished(async () => {
    await worker.terminate();
  });
  return worker;
}

describe('two Workers and the main thread', () => {
  it('use the addon at once, each message to the one it is for', async () => {
    const queue = privateQueue();
    const workers = [
      start({ msqid: queue.id, task: 'answer', from: 10, to: 11, count: 200 }),
      start({ msqid: queue.id, task: 'answer', from: 20, to: 21, count: 200 }),
    ];
    const ended = Promise.all(workers.map((worker) => once(worker, 'exit')));
    const answers = [10, 20, 30].map(async (type) => {
      const texts: string[] = [];
      for (let index = 0; index < 200; index++) {
        await queue.send(`${type}-${index}`, { type });
        // The third conversation is the main thread's with itself.
        const { data } = await queue.receive({ type: type === 30 ? 30 : type + 1 });
        texts.push(data.toString());
      }
      return texts;
    });
    const expected = (type: number, suffix: string): string[] =>
      Array.from({ length: 200 }, (_, index) => `${type}-${index}${suffix}`);
    expect(await Promise.all(answers)).toEqual([
      expected(10, ' answered'),
      expected(20, ' answered'),
      expected(30, ''),
    ]);
    expect(await ended).toEqual([[0], [0]]);
    expect(queue.stat().messages).toBe(0);
  });

  it('wait for the same type, each message to one of them', async () => {
    const queue = privateQueue();
    start({ msqid: queue.id, task: 'answer', from: 1, to: 2, count: 1 });
    start({ msqid: queue.id, task: 'answer', from: 1, to: 2, count: 1 });
    const own = queue.receive({ type: 1 });
    await until('all three wait', () => asleepIn('msgrcv', queue.id) === 3);
    for (const data of ['a', 'b', 'c']) queue.sendSync(data);
    const texts = [
      (await own).data.toString(),
      (await queue.receive({ type: 2 })).data.toString(),
      (await queue.receive({ type: 2 })).data.toString(),
    ];
    expect(texts.map((text) => text.replace(' answered', '')).sort()).toEqual(['a', 'b', 'c']);
  });
});

describe('terminate()', () => {
  it('with waits pending ends them, and the waits of other threads go on', async () => {
    const queue = privateQueue();
    const worker = start({ msqid: queue.id, task: 'wait', from: 100, to: 9, count: 4 });
    await once(worker, 'message');
    await until('the Worker waits', () => asleepIn('msgrcv', queue.id) === 4);
    const received = queue.receive({ type: 5 });
    await until('this thread waits too', () => asleepIn('msgrcv', queue.id) === 5);
    expect(await worker.terminate()).toBe(1);
    expect(asleepIn('msgrcv', queue.id)).toBe(1);
    queue.tryReceive({ type: 9 });
    queue.sendSync('for this thread', { type: 5 });
    expect((await received).data.toString()).toBe('for this thread');
  });

  it('with a send() pending sends nothing afterwards', async () => {
    const queue = privateQueue();
    const worker = start({ msqid: queue.id, task: 'wait', from: 100, to: 9, count: 1 });
    await once(worker, 'message');
    fill(queue.id, 8);
    const second = start({ msqid: queue.id, task: 'wait', from: 200, to: 7, count: 1 });
    await once(second, 'message');
    await Promise.all([worker.terminate(), second.terminate()]);
    while (queue.tryReceive());
    await turns();
    expect(queue.stat().messages).toBe(0);
  });

  it('20 times in a row leaves no thread, no descriptor and no queue', async () => {
    const msqid = privateId();
    const queues = queueRows().length;
    const peer = nodeProgram('terminate.js', msqid, 20);
    const before = JSON.parse(await peer.line()) as { threads: number; descriptors: number };
    expect(await peer.line()).toBe('ended');
    expect(before.threads).toBeGreaterThan(5);
    await until('the threads are gone', () => threadCount(peer.pid) <= before.threads);
    expect(asleepIn('msgrcv', msqid, peer.pid)).toBe(1);
    peer.write('\n');
    const after = JSON.parse(await peer.line()) as { threads: number; descriptors: number };
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    borrow(SysvMessageQueue.openId(msqid)).tryReceive({ type: 9 });
    peer.end();
    expect(await peer.line()).toBe('the main thread still works');
    expect(await peer.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(queueRows()).toHaveLength(queues);
  });
});

describe('a Worker', () => {
  it('that ends by itself leaves nothing of it waiting', async () => {
    const queue = privateQueue();
    const worker = start({ msqid: queue.id, task: 'answer', from: 1, to: 2, count: 1 });
    const ended = once(worker, 'exit');
    queue.sendSync('last');
    expect((await queue.receive({ type: 2 })).data.toString()).toBe('last answered');
    expect(await ended).toEqual([0]);
    expect(asleepIn('msgrcv', queue.id)).toBe(0);
  });

  it('that blocks in receiveSync() leaves the main thread free', async () => {
    const queue = privateQueue();
    const worker = start({ msqid: queue.id, task: 'block', from: 3, to: 0, count: 0 });
    await until('the Worker is blocked', () => asleepIn('msgrcv', queue.id) === 1);
    const ended = once(worker, 'exit');
    await queue.send('for it', { type: 3 });
    expect(await ended).toEqual([0]);
  });
});

describe('a program that loads the addon only in Workers', () => {
  it('works, ends its Workers and exits with waits pending', async () => {
    const msqid = privateId();
    const peer = nodeProgram('workers-only.js', msqid);
    expect(await peer.exited).toMatchObject({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
  });
});

describe('a Worker', () => {
  it(
    'that is ended while it loads the addon or makes calls leaves the process alive',
    async () => {
      const program = nodeProgram('end-early.js', 100);
      expect(await program.exited).toMatchObject({ code: 0, signal: null, stdout: 'survived\n' });
    },
    60_000 * scale,
  );
});
