// Many messages and many waits on POSIX queues: nothing may be lost, doubled, changed or stalled.
import { describe, expect, it } from 'vitest';
import { PosixMessageQueue } from 'unix-ipc';
import { payload } from '../fixtures/payload.js';
import { chance } from '../helpers/chance.js';
import { compiled } from '../helpers/compile.js';
import { nodeProgram, program } from '../helpers/peers.js';
import { again, messagesIn, newQueue } from '../helpers/posix-queues.js';
import { scale, until } from '../helpers/until.js';

const minute = 60_000 * scale;

function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error('the suite runs with --expose-gc');
  globalThis.gc();
}

/** Aborts at one of many moments, so that every step of a wait is hit by some. */
function abortAtRandom(controller: AbortController, random: () => number): void {
  const moment = random();
  if (moment < 0.2) controller.abort();
  else if (moment < 0.4) queueMicrotask(() => controller.abort());
  else if (moment < 0.6) setImmediate(() => controller.abort());
  else if (moment < 0.8) setTimeout(() => controller.abort(), 1);
  else {
    const end = performance.now() + random() * 0.3;
    while (performance.now() < end);
    controller.abort();
  }
}

const numbersTo = (total: number): number[] => Array.from({ length: total }, (_, index) => index);

describe('100,000 send() that nobody awaits', () => {
  const total = 100_000;

  it(
    'arrive complete, intact and in order per priority, with garbage collected meanwhile',
    async () => {
      const { seed } = chance('100,000 send()');
      const queue = newQueue();
      const receiver = nodeProgram('posix-mq-receiver.js', queue.name, seed, total);
      expect(await receiver.line()).toBe('receiving');
      let sent = 0;
      let failed: unknown;
      for (let number = 0; number < total; number++) {
        const { type, data } = payload(seed, number);
        queue.send(data, { priority: type }).then(
          () => sent++,
          (error: unknown) => (failed ??= error),
        );
        // The caller's memory is the caller's again.
        data.fill(0);
        if (number % 10_000 === 0) collectGarbage();
      }
      // With time between two collections: each looks at all that is pending, and nothing is sent meanwhile.
      let collecting = setTimeout(function collect() {
        collectGarbage();
        collecting = setTimeout(collect, 500);
      }, 100);
      const report = await receiver.line().finally(() => clearTimeout(collecting));
      expect(JSON.parse(report)).toEqual({ total, priorities: 4, changed: 0, disordered: 0 });
      await until('every promise is settled', () => sent === total || failed !== undefined);
      expect(failed).toBeUndefined();
      expect(messagesIn(queue)).toBe(0);
    },
    minute,
  );
});

describe('10,000 receive() aborted at random moments while a peer sends', () => {
  it(
    'receive every message exactly once',
    async () => {
      const { random, seed } = chance('10,000 aborted receive()');
      const queue = newQueue();
      const sender = program(compiled('posix-mq-peer'), 'numbers', queue.name, seed);
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
          abortAtRandom(controller, random);
          await done;
        }
      }
      await Promise.all([lane(), lane(), lane(), lane()]);
      sender.end();
      const total = Number(await sender.line());
      queue.tryReceiveMany(10).forEach(take);

      expect(calls).toBe(10_000);
      // Otherwise the test has shown nothing.
      expect(aborted).toBeGreaterThan(500);
      expect(received.length).toBeGreaterThan(500);
      expect(received.sort((a, b) => a - b)).toEqual(numbersTo(total));
    },
    minute,
  );
});

describe('10,000 send() aborted at random moments while a peer receives', () => {
  it(
    'send exactly those that were fulfilled, in order',
    async () => {
      const { random } = chance('10,000 aborted send()');
      const queue = newQueue({ maxMessages: 2 });
      const reader = again(queue);
      const sent: number[] = [];
      const received: number[] = [];
      let aborted = 0;
      let calls = 0;
      const take = ({ data }: { data: Buffer }): void => void received.push(Number(data.toString()));

      async function lane(): Promise<void> {
        while (calls < 10_000) {
          const number = calls++;
          const controller = new AbortController();
          const done = queue.send(String(number), { signal: controller.signal }).then(
            () => sent.push(number),
            (error: unknown) => {
              if (error !== controller.signal.reason) throw error;
              aborted++;
            },
          );
          if (random() < 0.5) reader.tryReceiveMany(1).forEach(take);
          abortAtRandom(controller, random);
          await done;
        }
      }
      await Promise.all([lane(), lane(), lane(), lane()]);
      reader.tryReceiveMany(10).forEach(take);
      expect(aborted).toBeGreaterThan(500);
      expect(sent.length).toBeGreaterThan(500);
      expect(received.length).toBe(sent.length);
      expect(received).toEqual(sent.sort((a, b) => a - b));
    },
    minute,
  );
});

describe('receive() pending on 64 queues', () => {
  it.each(['exit', 'abort'])(
    'leaves 50 readFile as fast as with none, and the program ends by %s',
    async (end) => {
      const queues = numbersTo(64).map(() => newQueue({ maxMessages: 1, messageSize: 64 }));
      const peer = nodeProgram('posix-mq-pool.js', end, ...queues.map(({ name }) => name));
      const { without, during, running } = JSON.parse(await peer.line()) as {
        without: number;
        during: number;
        running: number;
      };
      // The floor is there for reads that take next to no time at all.
      expect(during).toBeLessThanOrEqual(3 * without + 15 * scale);
      expect(running).toBe(0);
      peer.write('go\n');
      if (end === 'abort') expect(await peer.line()).toBe('all aborted');
      expect(await peer.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
      for (const queue of queues) queue.sendSync('not taken by a wait of the dead');
      expect(queues.map(messagesIn)).toEqual(queues.map(() => 1));
    },
    minute,
  );
});

describe('for await over 100,000 messages', () => {
  it(
    'gives each once and in order per priority, with garbage collected meanwhile',
    async () => {
      const total = 100_000;
      const { seed } = chance('for await');
      const queue = newQueue();
      const sender = nodeProgram('posix-mq-sender.js', queue.name, seed, total);
      const last = new Map<number, number>();
      let count = 0;
      let changed = 0;
      let disordered = 0;
      for await (const { priority, data } of queue) {
        const number = data.readUInt32LE();
        const expected = payload(seed, number);
        if (priority !== expected.type || !data.equals(expected.data)) changed++;
        if (number <= (last.get(priority) ?? -1)) disordered++;
        last.set(priority, number);
        if (++count % 10_000 === 0) collectGarbage();
        if (count === total) break;
      }
      expect({ count, changed, disordered }).toEqual({ count: total, changed: 0, disordered: 0 });
      expect(await sender.exited).toMatchObject({ code: 0, stderr: '' });
      expect(messagesIn(queue)).toBe(0);
    },
    minute,
  );
});

describe('500 opens and closes beside a listener', () => {
  it(
    'let it miss no message, whenever that comes',
    async () => {
      const queue = newQueue();
      const sender = program(compiled('posix-mq-peer'), 'lines', queue.name);
      expect(await sender.line()).toBe('ready');
      let received = 0;
      // Whoever takes all there is whenever he is called has all that was sent.
      queue.notify(() => (received += queue.tryReceiveMany(10).length));
      for (let round = 1; round <= 500; round++) {
        sender.write('x\n');
        for (let index = 0; index < 20; index++)
          PosixMessageQueue.open(queue.name, { create: false }).close();
        await until(`message ${round} is received`, () => received === round);
      }
      sender.end();
      expect(await sender.exited).toMatchObject({ code: 0, stderr: '' });
    },
    minute,
  );
});

describe('2,000 registrations for messages that a peer sends', () => {
  it(
    'miss none: a queue that was emptied by the listener tells of the next',
    async () => {
      const total = 2_000;
      const queue = newQueue();
      const sender = program(compiled('posix-mq-peer'), 'lines', queue.name);
      expect(await sender.line()).toBe('ready');
      const received: number[] = [];
      let calls = 0;
      queue.notify(() => {
        calls++;
        received.push(...queue.tryReceiveMany(10).map(({ data }) => Number(data.toString())));
      });
      // In bursts, so that messages come between the notification and its listener too.
      for (let number = 0; number < total;) {
        const burst = Math.min(1 + (number % 7), total - number);
        for (let index = 0; index < burst; index++) sender.write(`${number++}\n`);
        await until(`the first ${number} are received`, () => received.length === number);
      }
      expect(received).toEqual(numbersTo(total));
      expect(calls).toBeGreaterThan(100);
      sender.end();
      expect(await sender.exited).toMatchObject({ code: 0, stderr: '' });
    },
    minute,
  );
});

describe('10,000 objects of one queue', () => {
  it(
    'leave no descriptor and no memory of their own',
    async () => {
      const queue = newQueue();
      for (let round = 0; round < 10_000; round++) {
        const other = PosixMessageQueue.open(queue.name, { create: false });
        if (round % 10 === 0) {
          const ended = other.receive().then(
            () => 'received',
            (error: unknown) => (error as { code?: string }).code,
          );
          other.close();
          expect(await ended).toBe('ECANCELED');
        } else other.close();
      }
      queue.sendSync('still there');
      expect(queue.tryReceive()).toBeDefined();
    },
    minute,
  );
});
