// Many messages and many waits: nothing may be lost, doubled, changed or stalled.
import { describe, expect, it } from 'vitest';
import { SysvMessageQueue } from 'unix-ipc';
import { payload } from '../fixtures/payload.js';
import { chance } from '../helpers/chance.js';
import { compiled } from '../helpers/compile.js';
import { asleepIn } from '../helpers/kernel.js';
import { nodeProgram, program } from '../helpers/peers.js';
import { borrow, privateId, privateQueue } from '../helpers/queues.js';
import { scale, until } from '../helpers/until.js';

const minute = 60_000 * scale;

function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error('the suite runs with --expose-gc');
  globalThis.gc();
}

describe('100,000 send() that nobody awaits', () => {
  const total = 100_000;

  it(
    'arrive complete, intact and in order per type, with garbage collected meanwhile',
    async () => {
      const { seed } = chance('100,000 send()');
      const queue = privateQueue();
      const receiver = nodeProgram('stress-receiver.js', queue.id, seed, total);
      expect(await receiver.line()).toBe('receiving');
      let sent = 0;
      let failed: unknown;
      for (let number = 0; number < total; number++) {
        const { type, data } = payload(seed, number);
        queue.send(data, { type }).then(
          () => sent++,
          (error: unknown) => (failed ??= error),
        );
        // The caller's memory is the caller's again.
        data.fill(0);
        if (number % 10_000 === 0) collectGarbage();
      }
      const collecting = setInterval(collectGarbage, 100);
      const report = await receiver.line().finally(() => clearInterval(collecting));
      expect(JSON.parse(report)).toEqual({ total, types: 4, changed: 0, disordered: 0 });
      await until('every promise is settled', () => sent === total || failed !== undefined);
      expect(failed).toBeUndefined();
      expect(queue.stat().messages).toBe(0);
    },
    minute,
  );
});

describe('10,000 receive() aborted at random moments while a peer sends', () => {
  it(
    'receive every message exactly once',
    async () => {
      const { random, seed } = chance('10,000 aborted receive()');
      const queue = privateQueue();
      const sender = program(compiled('sysv-msg-peer'), 'numbers', queue.id, seed);
      const received: number[] = [];
      let aborted = 0;
      let calls = 0;

      const take = ({ data }: { data: Buffer }): void => void received.push(Number(data.toString()));
      async function lane(): Promise<void> {
        while (calls < 10_000) {
          calls++;
          const controller = new AbortController();
          const done = queue.receive({ signal: controller.signal }).then(take, (error: unknown) => {
            if (error !== controller.signal.reason) throw error;
            aborted++;
          });
          const moment = random();
          if (moment < 0.2) controller.abort();
          else if (moment < 0.4) queueMicrotask(() => controller.abort());
          else if (moment < 0.6) setImmediate(() => controller.abort());
          else if (moment < 0.8) setTimeout(() => controller.abort(), 1);
          else {
            // In the middle of what the waiting thread does: between its check, its call and its answer.
            const end = performance.now() + random() * 0.3;
            while (performance.now() < end);
            controller.abort();
          }
          await done;
        }
      }
      await Promise.all([lane(), lane(), lane(), lane()]);
      sender.end();
      const total = Number(await sender.line());
      for (let message = queue.tryReceive(); message !== undefined; message = queue.tryReceive())
        take(message);

      expect(calls).toBe(10_000);
      // Otherwise the test has shown nothing.
      expect(aborted).toBeGreaterThan(500);
      expect(received.length).toBeGreaterThan(500);
      expect(received.length).toBe(total);
      expect(received.sort((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, index) => index));
    },
    minute,
  );
});

describe('receive() pending on 64 queues', () => {
  it.each(['exit', 'abort'])(
    'leaves 50 readFile as fast as with none, and the program ends by %s',
    async (end) => {
      const ids = Array.from({ length: 64 }, () => privateId());
      const peer = nodeProgram('pool.js', end, ...ids);
      expect(await peer.line()).toBe('waiting');
      await until('all 64 wait', () => ids.every((id) => asleepIn('msgrcv', id, peer.pid) === 1));
      peer.write('go\n');
      const { without, during } = JSON.parse(await peer.line()) as { without: number; during: number };
      // The floor is there for reads that take next to no time at all.
      expect(during).toBeLessThanOrEqual(3 * without + 15 * scale);
      if (end === 'abort') expect(await peer.line()).toBe('all aborted');
      expect(await peer.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
      const queue = borrow(SysvMessageQueue.openId(ids[0] ?? -1));
      queue.sendSync('not taken by a wait of the dead');
      expect(queue.stat().messages).toBe(1);
    },
    minute,
  );
});

describe('for await over 100,000 messages', () => {
  it(
    'gives each once and in order, with garbage collected meanwhile',
    async () => {
      const total = 100_000;
      const { seed } = chance('for await');
      const queue = privateQueue();
      const sender = nodeProgram('stress-sender.js', queue.id, seed, total);
      const last = new Map<number | bigint, number>();
      let count = 0;
      let changed = 0;
      let disordered = 0;
      for await (const { type, data } of queue) {
        const number = data.readUInt32LE();
        const expected = payload(seed, number);
        if (type !== expected.type || !data.equals(expected.data)) changed++;
        if (number <= (last.get(type) ?? -1)) disordered++;
        last.set(type, number);
        if (++count % 10_000 === 0) collectGarbage();
        if (count === total) break;
      }
      expect({ count, changed, disordered }).toEqual({ count: total, changed: 0, disordered: 0 });
      expect(await sender.exited).toMatchObject({ code: 0, stderr: '' });
      expect(queue.stat().messages).toBe(0);
    },
    minute,
  );
});
