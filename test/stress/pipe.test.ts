// Much data and many waits: nothing may be lost, doubled, changed, torn or stalled.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EventFd, Fifo, Pipe } from 'unix-ipc';
import { MessageCounter, pipeMessage } from '../fixtures/pipe-messages.js';
import { child, drainPipe, folder, nodeChild, pattern } from '../helpers/pipe-ends.js';
import { chance } from '../helpers/chance.js';
import { compiled } from '../helpers/compile.js';
import { nodeProgram } from '../helpers/peers.js';
import { borrow } from '../helpers/queues.js';
import { scale, turns } from '../helpers/until.js';

const minute = 60_000 * scale;

function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error('the suite runs with --expose-gc');
  globalThis.gc();
}

/** Aborts at a random moment: at once, within this turn, the next one, or in the middle of what goes on. */
function abortSometime(controller: AbortController, random: () => number): void {
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

describe('read() aborted at random moments while a peer writes', () => {
  it(
    'give every byte exactly once and in order',
    async () => {
      const { random } = chance('aborted read()');
      const total = 20_000;
      const { reader, writer } = borrow(Pipe.create());
      const running = child(['ignore', writer.fd, 'pipe'], compiled('pipe-peer'), 'paced', 1, total);
      writer.close();
      const chunks: Buffer[] = [];
      let [calls, aborted, ended] = [0, 0, false];
      const lane = async (): Promise<void> => {
        while (!ended) {
          // Bytes are given out by the order of the calls.
          const call = calls++;
          const controller = new AbortController();
          const size = 1 + Math.floor(random() * 30);
          const done = reader.read({ size, signal: controller.signal }).then(
            (chunk) => {
              if (chunk === null) ended = true;
              else chunks[call] = chunk;
            },
            (error: unknown) => {
              if (error !== controller.signal.reason) throw error;
              aborted++;
            },
          );
          abortSometime(controller, random);
          await done;
        }
      };
      await Promise.all([lane(), lane(), lane(), lane()]);
      const given = Object.values(chunks);
      const received = Buffer.concat(given);
      expect(aborted).toBeGreaterThan(500);
      expect(given.length).toBeGreaterThan(500);
      expect(received.length).toBe(8 * total);
      let disordered = 0;
      for (let index = 0; index < total; index++)
        if (received.readBigUInt64LE(8 * index) !== BigInt(index)) disordered++;
      expect(disordered).toBe(0);
      expect(reader.bytesRead).toBe(8 * total);
      expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
    },
    minute,
  );
});

describe('5,000 write() of whole messages aborted at random moments while they are read', () => {
  it(
    'are there if they were fulfilled, and not if they were rejected',
    async () => {
      const { random } = chance('5,000 aborted write()');
      const { reader, writer } = borrow(Pipe.create({ capacity: 8192 }));
      const written: number[] = [];
      let aborted = 0;
      const record = (number: number): Buffer => {
        const data = Buffer.alloc(64 * (1 + (number % 60)), number % 251);
        data.writeUInt32LE(number, 0);
        data.writeUInt32LE(data.length, 4);
        return data;
      };
      const received: number[] = [];
      const reading = (async () => {
        let rest = Buffer.alloc(0);
        for await (const chunk of reader.chunks({ size: 3000 })) {
          rest = Buffer.concat([rest, chunk]);
          while (rest.length >= 8 && rest.length >= rest.readUInt32LE(4)) {
            const number = rest.readUInt32LE(0);
            const expected = record(number);
            if (!rest.subarray(0, expected.length).equals(expected)) throw new Error(`torn at ${number}`);
            received.push(number);
            rest = rest.subarray(expected.length);
          }
          // A slow reader, so that the writers have to wait.
          if (random() < 0.05) await turns(1);
        }
        return rest.length;
      })();
      let number = 0;
      const lane = async (): Promise<void> => {
        while (number < 5000) {
          const mine = number++;
          const controller = new AbortController();
          const done = writer.write(record(mine), { signal: controller.signal }).then(
            () => written.push(mine),
            (error: unknown) => {
              if (error !== controller.signal.reason) throw error;
              aborted++;
            },
          );
          abortSometime(controller, random);
          await done;
        }
      };
      await Promise.all(Array.from({ length: 8 }, lane));
      writer.close();
      expect(await reading).toBe(0);
      expect(aborted).toBeGreaterThan(100);
      expect(written.length).toBeGreaterThan(100);
      expect(received.sort((a, b) => a - b)).toEqual(written.sort((a, b) => a - b));
    },
    minute,
  );
});

describe('10,000 wait() aborted at random moments while they are signalled', () => {
  it(
    'take every unit exactly once',
    async () => {
      const { random } = chance('10,000 aborted wait()');
      const event = borrow(EventFd.create());
      const running = nodeChild([event.fd], 'pipe-child.js', 'eventfdSignal', 20_000);
      let [sum, aborted, calls] = [0, 0, 0];
      const lane = async (): Promise<void> => {
        while (calls < 10_000) {
          calls++;
          const controller = new AbortController();
          const done = event.wait({ signal: controller.signal }).then(
            (count) => (sum += Number(count)),
            () => aborted++,
          );
          abortSometime(controller, random);
          await done;
        }
      };
      await Promise.all([lane(), lane(), lane()]);
      expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
      sum += Number(event.tryWait() ?? 0);
      expect(aborted).toBeGreaterThan(100);
      expect(sum).toBe(20_000);
    },
    minute,
  );
});

describe('64 MiB', () => {
  const total = 64 * 2 ** 20;
  const hashOf = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

  it.each(['write() and for await', 'streams', 'splice()'])(
    'go through by %s as they are, with garbage collected meanwhile',
    async (way) => {
      const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create({ capacity: 2 ** 18 }))];
      const cat = child([from.reader.fd, to.writer.fd, 'pipe'], 'cat');
      from.reader.close();
      to.writer.close();
      const data = pattern(total);
      const hash = createHash('sha256');
      const collecting = setInterval(collectGarbage, 50);
      try {
        if (way === 'streams') {
          from.writer.stream().end(data);
          for await (const chunk of to.reader.stream()) hash.update(chunk as Buffer);
        } else if (way === 'splice()') {
          const middle = borrow(Pipe.create());
          const written = from.writer.write(data).then(() => from.writer.close());
          const moved = (async () => {
            while ((await to.reader.splice(middle.writer)) > 0);
            middle.writer.close();
          })();
          for await (const chunk of middle.reader) hash.update(chunk);
          await Promise.all([written, moved]);
        } else {
          const written = from.writer.write(data).then(() => from.writer.close());
          for await (const chunk of to.reader) hash.update(chunk);
          await written;
        }
      } finally {
        clearInterval(collecting);
      }
      expect(hash.digest('hex')).toBe(hashOf(data));
      expect(await cat.exited).toMatchObject({ code: 0, stderr: '' });
    },
    minute,
  );
});

describe('50,000 write() that nobody awaits', () => {
  it(
    'arrive whole and in order, with garbage collected meanwhile',
    async () => {
      const { reader, writer } = borrow(Pipe.create());
      const total = 50_000;
      const counter = new MessageCounter();
      const reading = (async () => {
        for await (const chunk of reader) counter.take(chunk);
      })();
      let failed: unknown;
      let settled = 0;
      for (let number = 0; number < total; number++) {
        writer.write(pipeMessage(1, number)).then(
          () => settled++,
          (error: unknown) => (failed ??= error),
        );
        if (number % 1000 === 0) await turns(1);
        if (number % 10_000 === 0) collectGarbage();
      }
      while (settled < total && failed === undefined) await turns(1);
      writer.close();
      await reading;
      expect(failed).toBeUndefined();
      expect(counter.wrong).toBeUndefined();
      expect(counter.counts.get(1)).toBe(total);
    },
    minute,
  );
});

describe('128 waits on descriptors and 32 FIFOs being opened', () => {
  it.each(['exit', 'abort'])(
    'leave 50 readFile as fast as with none, and the program ends by %s',
    async (end) => {
      const place = folder();
      const paths = Array.from({ length: 32 }, (_, index) => Fifo.make(join(place, String(index))).path);
      const peer = nodeProgram('pipe-pool.js', end, ...paths);
      const { without, during, running } = JSON.parse(await peer.line()) as Record<string, number>;
      expect(running).toBe(32);
      expect(during).toBeLessThanOrEqual(3 * (without ?? 0) + 15 * scale);
      if (end === 'abort') expect(await peer.line()).toBe('all aborted');
      expect(await peer.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
      for (const path of paths) expect(Fifo.tryOpenWriter(path)).toBeUndefined();
    },
    minute,
  );
});

describe('1,000 FIFO opens aborted at random moments while others open and close', () => {
  it(
    'give every end that they opened, and leave none open',
    async () => {
      const { random } = chance('1,000 aborted opens');
      const place = folder();
      const fifos = Array.from({ length: 8 }, (_, index) => Fifo.make(join(place, String(index))));
      let [opened, aborted, calls] = [0, 0, 0];
      const lane = async (fifo: Fifo, side: 'openReader' | 'openWriter'): Promise<void> => {
        while (calls < 1000) {
          calls++;
          const controller = new AbortController();
          const done = fifo[side]({ signal: controller.signal }).then(
            (end) => {
              opened++;
              end.close();
            },
            (error: unknown) => {
              if (error !== controller.signal.reason) throw error;
              aborted++;
            },
          );
          abortSometime(controller, random);
          await done;
        }
      };
      await Promise.all(fifos.flatMap((fifo) => [lane(fifo, 'openReader'), lane(fifo, 'openWriter')]));
      expect(opened).toBeGreaterThan(0);
      expect(aborted).toBeGreaterThan(0);
      // The residue of the file shows a descriptor that was left open; here, that no reader was.
      for (const fifo of fifos) expect(fifo.tryOpenWriter()).toBeUndefined();
    },
    minute,
  );
});

describe('packets', () => {
  it(
    'of 100,000 each arrive once, whole and in order',
    async () => {
      const { reader, writer } = borrow(Pipe.create({ packets: true, codec: 'json', capacity: 2 ** 18 }));
      const total = 100_000;
      const written = (async () => {
        for (let number = 0; number < total; number++)
          await writer.write({ number, text: 'x'.repeat(number % 50) });
        writer.close();
      })();
      let next = 0;
      let wrong = 0;
      for await (const value of reader as AsyncIterable<unknown>) {
        const { number, text } = value as { number: number; text: string };
        if (number !== next || text.length !== number % 50) wrong++;
        next++;
      }
      await written;
      expect({ next, wrong }).toEqual({ next: total, wrong: 0 });
      expect(drainPipe(reader.fd).length).toBe(0);
    },
    minute,
  );
});
