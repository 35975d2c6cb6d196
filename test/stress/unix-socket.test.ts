// Many messages, many waits and many descriptors: nothing may be lost, doubled, changed, cut, stalled or left open.
import { closeSync } from 'node:fs';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Pipe, UnixDatagramSocket, UnixSeqpacketSocket, UnixStream, type UnixMessage } from 'unix-ipc';
import { payload } from '../fixtures/payload.js';
import { chance } from '../helpers/chance.js';
import { rejection } from '../helpers/failures.js';
import { fixture, nodeProgram } from '../helpers/peers.js';
import { scale, turns, until } from '../helpers/until.js';
import {
  borrow,
  cPeer,
  connectedTo,
  datagramPair,
  descriptors,
  drain,
  fill,
  packetConnection,
  packetPair,
  packetServer,
  patience,
  pattern,
  promised,
  receiver,
  sender,
  socketPath,
  streamPair,
  targetOf,
  text,
  there,
} from '../helpers/unix-socket-ends.js';

const minute = 60_000 * scale;
const total = 100_000;

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

const numbersTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

function numbered(number: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32LE(number);
  return data;
}

describe('100,000 datagrams', () => {
  it.each([
    ['connected', 'for await'],
    ['to', 'receiveMany()'],
    ['connected', 'receiveSync()'],
    ['to', 'tryReceive()'],
  ] as const)(
    'of a C program that sends %s come once and in order by %s',
    async (how, variant) => {
      const to = receiver();
      const peer = cPeer('numbers', String(to.address), how, 0, total);
      let next = 0;
      let wrong = 0;
      const take = ({ data }: UnixMessage): void => {
        if (data.length !== 4 || data.readUInt32LE() !== next) wrong++;
        next++;
      };
      if (variant === 'for await') {
        for await (const message of to) {
          take(message);
          if (next === total) break;
        }
      } else if (variant === 'receiveMany()') {
        while (next < total) (await to.receiveMany(100, { timeout: patience })).forEach(take);
      } else if (variant === 'receiveSync()') {
        while (next < total) take(to.receiveSync({ timeout: patience }));
      } else {
        for (let tries = 0; next < total; tries++) {
          const message = to.tryReceive();
          if (message) take(message);
          else await turns(1);
        }
      }
      expect({ next, wrong }).toEqual({ next: total, wrong: 0 });
      expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
      expect(to.tryReceive()).toBeUndefined();
    },
    minute,
  );

  it.each(['connected', 'to'])(
    'that nobody awaits, sent %s to a slow C program, come once and in order, with garbage collected meanwhile',
    async (how) => {
      const path = socketPath();
      const peer = cPeer('take', path, total, 1000);
      expect(await peer.line()).toBe('listening');
      const from = how === 'connected' ? connectedTo({ address: path }) : sender();
      const options = how === 'connected' ? {} : { to: path };
      let sent = 0;
      let failed: unknown;
      for (let number = 0; number < total; number++) {
        const data = numbered(number);
        from.send(data, options).then(
          () => sent++,
          (error: unknown) => (failed ??= error),
        );
        // The caller's memory is the caller's again.
        data.fill(0xff);
        if (number % 20_000 === 0) collectGarbage();
      }
      let collecting = setTimeout(function collect() {
        collectGarbage();
        collecting = setTimeout(collect, 500);
      }, 100);
      const report = await peer.line().finally(() => clearTimeout(collecting));
      expect(report).toBe(`${total} 0`);
      await until('every promise is settled', () => sent === total || failed !== undefined);
      expect(failed).toBeUndefined();
      expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
    },
    minute,
  );

  it.each(['sendSync()', 'send() that is awaited'])(
    'by %s wait for a slow C program, and come once and in order',
    async (variant) => {
      const path = socketPath();
      const peer = cPeer('take', path, total, 1000);
      expect(await peer.line()).toBe('listening');
      const from = sender();
      for (let number = 0; number < total; number++) {
        if (variant === 'sendSync()') from.sendSync(numbered(number), { to: path, timeout: patience });
        else await from.send(numbered(number), { to: path });
      }
      expect(await peer.line()).toBe(`${total} 0`);
    },
    minute,
  );

  it(
    'of several senders, of Node and of C, come once, each in its order',
    async () => {
      const to = receiver();
      const path = String(to.address);
      const each = total / 5;
      const peers = [
        cPeer('numbers', path, 'connected', 0, each),
        cPeer('numbers', path, 'to', each, each),
        nodeProgram('unix-socket-sender.js', path, 'connected', 2 * each, each),
        nodeProgram('unix-socket-sender.js', path, 'to', 3 * each, each),
        nodeProgram('unix-socket-sender.js', path, 'sync', 4 * each, each),
      ];
      const next = [0, 0, 0, 0, 0];
      let wrong = 0;
      let count = 0;
      for await (const { data } of to) {
        const number = data.readUInt32LE();
        const from = Math.floor(number / each);
        if (number % each !== next[from]) wrong++;
        next[from] = (next[from] ?? 0) + 1;
        if (++count === total) break;
      }
      expect({ wrong, next }).toEqual({ wrong: 0, next: [each, each, each, each, each] });
      for (const peer of peers) expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
      expect(to.tryReceive()).toBeUndefined();
    },
    minute,
  );

  it(
    'to several receivers, one of them slow, come once, each in its order',
    async () => {
      const paths = numbersTo(4).map(() => socketPath());
      const each = 10_000;
      const peers = paths.map((path, index) => cPeer('take', path, each, index === 0 ? 20 : 0));
      for (const peer of peers) expect(await peer.line()).toBe('listening');
      const from = sender();
      const sent: Promise<void>[] = [];
      for (let number = 0; number < each; number++)
        for (const to of paths) sent.push(from.send(numbered(number), { to }));
      for (const peer of peers) expect(await peer.line()).toBe(`${each} 0`);
      await Promise.all(sent);
    },
    minute,
  );
});

describe('100,000 messages of a connection', () => {
  it(
    'of random sizes, 0 among them, keep their boundaries',
    async () => {
      const { random, seed } = chance('seqpacket boundaries');
      const { near, far } = packetConnection();
      const sizes: number[] = [];
      const sending = (async () => {
        for (let number = 0; number < total; number++) {
          const choice = random();
          const size =
            choice < 0.1 ? 0 : choice < 0.98 ? Math.floor(random() * 200) : Math.floor(random() * 60_000);
          sizes.push(size);
          if (!near.trySend(pattern(size, number))) await near.send(pattern(size, number));
        }
        near.end();
      })();
      let count = 0;
      let wrong = 0;
      for await (const { data } of far) {
        if (data.length !== sizes[count] || !data.equals(pattern(data.length, count))) wrong++;
        count++;
      }
      await sending;
      expect({ seed, count, wrong }).toEqual({ seed, count: total, wrong: 0 });
      expect(far.tryReceive()).toBeNull();
    },
    minute,
  );

  it(
    'between two processes come whole and in order',
    async () => {
      const { seed } = chance('seqpacket between processes');
      const path = socketPath();
      const peer = nodeProgram('unix-socket-sender.js', path, 'serve', seed, total);
      expect(await peer.line()).toBe('listening');
      const near = borrow(await UnixSeqpacketSocket.connect(path));
      let count = 0;
      let wrong = 0;
      for (;;) {
        const messages = await near.receiveMany(50);
        if (messages.length === 0) break;
        for (const { data } of messages) if (!data.equals(payload(seed, count++).data)) wrong++;
        if (count % 20_000 < 50) collectGarbage();
      }
      expect({ count, wrong }).toEqual({ count: total, wrong: 0 });
      expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
    },
    minute,
  );
});

describe('10,000 receive() aborted at random moments while a peer sends', () => {
  it.each(['datagrams', 'a connection'])(
    'of %s receive every message exactly once',
    async (what) => {
      const { random } = chance(`10,000 aborted receive() of ${what}`);
      const [near, far] = what === 'datagrams' ? datagramPair() : packetPair();
      const received: number[] = [];
      let [aborted, calls, sent, ended] = [0, 0, 0, false];
      const lane = async (): Promise<void> => {
        while (calls < 10_000) {
          calls++;
          const controller = new AbortController();
          const done = far.receive({ signal: controller.signal }).then(
            (message) => received.push(Number(text(there(message)))),
            (error: unknown) => {
              if (error !== controller.signal.reason) throw error;
              aborted++;
            },
          );
          abortSometime(controller, random);
          await done;
        }
      };
      const sending = (async () => {
        while (!ended) {
          for (let burst = Math.floor(random() * 4); burst > 0; burst--) await near.send(String(sent++));
          await turns(1);
        }
      })();
      await Promise.all([lane(), lane(), lane(), lane()]);
      ended = true;
      await sending;
      received.push(...drain(far).map(Number));
      expect(aborted).toBeGreaterThan(500);
      expect(received.length).toBeGreaterThan(500);
      expect(received).toEqual(numbersTo(sent));
    },
    minute,
  );
});

describe('10,000 send() aborted at random moments while a receiver takes', () => {
  it.each(['connected', 'to', 'connection'])(
    'sent %s are exactly those that were fulfilled, in order',
    async (how) => {
      const { random } = chance(`10,000 aborted send() ${how}`);
      const to = receiver();
      const [near, far] = packetPair({ sendBuffer: 5000 });
      const connected = connectedTo(to);
      const unconnected = sender();
      const send = (data: string, signal: AbortSignal): Promise<void> =>
        how === 'connection'
          ? near.send(data, { signal })
          : how === 'connected'
            ? connected.send(data, { signal })
            : unconnected.send(data, { to: to.address, signal });
      const end: UnixDatagramSocket | UnixSeqpacketSocket = how === 'connection' ? far : to;
      const [sent, received]: [number[], number[]] = [[], []];
      let [aborted, calls] = [0, 0];
      const lane = async (): Promise<void> => {
        while (calls < 10_000) {
          const number = calls++;
          const controller = new AbortController();
          const done = send(String(number), controller.signal).then(
            () => sent.push(number),
            (error: unknown) => {
              if (error !== controller.signal.reason) throw error;
              aborted++;
            },
          );
          // Fewer than are sent, so that most of the time nothing more goes in.
          if (random() < 0.5) received.push(...end.tryReceiveMany(1).map((message) => Number(text(message))));
          abortSometime(controller, random);
          await done;
        }
      };
      await Promise.all([lane(), lane(), lane(), lane()]);
      received.push(...drain(end).map(Number));
      expect(aborted).toBeGreaterThan(500);
      expect(sent.length).toBeGreaterThan(500);
      expect(received).toEqual(sent.sort((a, b) => a - b));
    },
    minute,
  );
});

describe('1,000 connections', () => {
  it(
    'made at once by promises, and aborted at random, are accepted once each or not at all',
    async () => {
      const { random } = chance('1,000 connections');
      const server = packetServer(socketPath(), { backlog: 3 });
      const before = descriptors();
      const connected: number[] = [];
      let [aborted, calls] = [0, 0];
      const accepted: number[] = [];
      const accepting = (async () => {
        for await (const far of server) {
          const message = await far.receive();
          if (message !== null) accepted.push(Number(text(message)));
          far.close();
        }
      })();
      const lane = async (): Promise<void> => {
        while (calls < 1000) {
          const number = calls++;
          const controller = new AbortController();
          const done = UnixSeqpacketSocket.connect(server.address, { signal: controller.signal }).then(
            async (near) => {
              connected.push(number);
              await near.send(String(number));
              expect(await near.receive()).toBeNull();
              near.close();
            },
            (error: unknown) => {
              if (error !== controller.signal.reason) throw error;
              aborted++;
            },
          );
          if (random() < 0.3) abortSometime(controller, random);
          await done;
        }
      };
      await Promise.all(numbersTo(16).map(lane));
      await until('all are accepted', () => accepted.length === connected.length);
      server.close();
      await accepting;
      expect(aborted).toBeGreaterThan(10);
      expect(accepted.sort((a, b) => a - b)).toEqual(connected.sort((a, b) => a - b));
      // The server's own is closed too.
      await until('no descriptor is left', () => descriptors() < before);
    },
    minute,
  );
});

describe('descriptors', () => {
  const most = 253;

  it.each([
    ['a datagram', () => datagramPair({ descriptors: true })],
    ['a message of a connection', () => packetPair({ descriptors: true })],
    ['the first byte of a stream', () => streamPair({ descriptors: true })],
  ])(
    '253 with %s travel 300 times, and none stays',
    async (_what, make) => {
      const [near, far] = make() as [UnixSeqpacketSocket, UnixSeqpacketSocket];
      const { reader, writer } = borrow(Pipe.create());
      const before = descriptors();
      const list = numbersTo(most).map((index) => (index % 2 === 0 ? reader : writer));
      for (let round = 0; round < 300; round++) {
        if (round % 3 === 0) near.sendSync('x', { descriptors: list, timeout: patience });
        else if (round % 3 === 1) expect(Number(near.trySend('x', { descriptors: list }))).toBe(1);
        else await near.send('x', { descriptors: list });
        const message = there(round % 2 === 0 ? await far.receive() : far.receiveSync({ timeout: patience }));
        expect(message.descriptors).toHaveLength(most);
        for (const [index, fd] of message.descriptors.entries()) {
          if (index % 50 === 0) expect(targetOf(fd)).toBe(targetOf(index % 2 === 0 ? reader.fd : writer.fd));
          closeSync(fd);
        }
      }
      expect(descriptors()).toBe(before);
    },
    minute,
  );

  it(
    'are not left open by any failure, however often',
    async () => {
      const { reader, writer } = borrow(Pipe.create());
      const fds = [reader.fd, writer.fd];
      // A number that no descriptor gets meanwhile.
      const gone = 1_000_000;
      const codec = {
        encode: (value: string) => value,
        decode: (): string => {
          throw new Error('never decoded');
        },
      };
      const failures: Record<string, () => unknown> = {
        'a descriptor in the middle that is not open': async () => {
          const [near, far] = datagramPair({ descriptors: true });
          for (const call of [
            () => near.sendSync('x', { descriptors: [...fds, gone, ...fds] }),
            () => near.trySend('x', { descriptors: [...fds, gone, ...fds] }),
            () => near.send('x', { descriptors: [...fds, gone, ...fds] }),
          ])
            expect(await rejection(promised<unknown>(call))).toMatchObject({ code: 'EBADF' });
          near.close();
          far.close();
        },
        'one more than can be': async () => {
          const [near, far] = packetPair({ descriptors: true });
          const list = numbersTo(most + 1).map(() => reader);
          expect(await rejection(near.send('x', { descriptors: list }))).toMatchObject({ code: 'EINVAL' });
          expect(await rejection(promised(() => near.trySend('x', { descriptors: list })))).toMatchObject({
            code: 'EINVAL',
          });
          near.close();
          far.close();
        },
        'a peer that is closed': async () => {
          const [near, far] = streamPair({ descriptors: true });
          far.close();
          expect(await rejection(near.send('x', { descriptors: fds }))).toMatchObject({ code: 'EPIPE' });
          near.close();
        },
        'a full queue and an abort': async () => {
          const to = receiver();
          const from = sender();
          fill(from, { to: to.address });
          const controller = new AbortController();
          const aborted = rejection(
            from.send('x', { to: to.address, descriptors: fds, signal: controller.signal }),
          );
          await turns(1);
          controller.abort();
          expect((await aborted).name).toBe('AbortError');
          to.close();
          from.close();
        },
        'a full queue and a time limit': async () => {
          const [near, far] = packetPair();
          fill(near);
          expect(await rejection(near.send('x', { descriptors: fds, timeout: 1 }))).toMatchObject({
            code: 'ETIMEDOUT',
          });
          near.close();
          far.close();
        },
        'a full queue and close()': async () => {
          const [near, far] = datagramPair();
          fill(near);
          const waiting = [
            rejection(near.send('x', { descriptors: fds })),
            rejection(near.send('y', { descriptors: fds })),
          ];
          await turns(1);
          near.close();
          for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ code: 'ECANCELED' });
          far.close();
        },
        'a message that can not be decoded': async () => {
          const [near, far] = UnixSeqpacketSocket.pair({ codec, descriptors: true });
          await near.send('x', { descriptors: fds });
          const error = (await rejection(far.receive())) as Error & { descriptors: number[] };
          expect(error).toMatchObject({ code: 'ERR_DECODE' });
          expect(error.descriptors).toHaveLength(2);
          // They are the caller's, with the error too.
          for (const fd of error.descriptors) closeSync(fd);
          near.close();
          far.close();
        },
        'a receiver that takes none': async () => {
          for (const [near, far] of [datagramPair(), packetPair(), streamPair()]) {
            near.sendSync('x', { descriptors: fds });
            expect(there(await far.receive())).toMatchObject({ descriptors: [], descriptorsTruncated: true });
            near.close();
            far.close();
          }
        },
        'a message that is too long for its receiver': async () => {
          const [near, far] = datagramPair({ descriptors: true });
          near.sendSync('longer', { descriptors: fds });
          expect(await rejection(far.receive({ maxBytes: 1 }))).toMatchObject({ code: 'EMSGSIZE' });
          near.close();
          far.close();
        },
        'messages that nobody receives': () => {
          const [near, far] = packetPair({ descriptors: true });
          for (let count = 0; count < 5; count++) near.sendSync('x', { descriptors: fds });
          near.close();
          far.close();
        },
        'a connection that carries its own ends': () => {
          const [near, far] = UnixStream.pair();
          near.sendSync('x', { descriptors: [near, far] });
          far.sendSync('x', { descriptors: [near, far] });
          near.close();
          far.close();
        },
      };
      // What is made once for waits is there by then.
      for (const fail of Object.values(failures)) await fail();
      const before = descriptors();
      for (const [name, fail] of Object.entries(failures)) {
        for (let round = 0; round < 30; round++) await fail();
        await until(`nothing is left of ${name}`, () => descriptors() <= before, 2_000 * scale);
      }
      // Nor copies of the pipe in messages that are on their way for ever.
      const own = targetOf(reader.fd);
      writer.close();
      await until('the last writing end is gone', () => reader.tryRead() === null, 2_000 * scale);
      expect(own).toMatch(/^pipe:/);
    },
    minute,
  );

  it(
    'in messages that a Worker has not received when it ends are closed',
    async () => {
      const { reader, writer } = borrow(Pipe.create());
      for (let round = 0; round < 5; round++) {
        const before = descriptors();
        const path = socketPath();
        const worker = new Worker(fixture('unix-socket-worker.js'), {
          workerData: { task: 'keep', path, fd: -1, count: 0 },
        });
        try {
          await once(worker, 'message');
          for (let count = 0; count < 3; count++)
            sender().sendSync('x', { to: path, descriptors: [reader, writer, writer] });
        } finally {
          await worker.terminate();
        }
        await until('its descriptors are closed', () => descriptors() <= before + 3);
      }
      writer.close();
      await until('the last writing end is gone', () => reader.tryRead() === null, 2_000 * scale);
    },
    minute,
  );

  it(
    'of 2,000 messages that waits are aborted for come to somebody or are closed',
    async () => {
      const { random } = chance('2,000 aborted receive() with descriptors');
      const [near, far] = packetPair({ descriptors: true });
      const { reader, writer } = borrow(Pipe.create());
      const before = descriptors();
      let [found, sent, aborted] = [0, 0, 0];
      const take = ({ descriptors: fds }: UnixMessage): void => {
        found += fds.length;
        for (const fd of fds) closeSync(fd);
      };
      for (let round = 0; round < 2000; round++) {
        const controller = new AbortController();
        const done = far.receive({ signal: controller.signal }).then(
          (message) => take(there(message)),
          () => aborted++,
        );
        if (random() < 0.5) {
          near.sendSync('x', { descriptors: [writer] });
          sent++;
        }
        abortSometime(controller, random);
        await done;
      }
      for (let message = far.tryReceive(); message; message = far.tryReceive()) take(message);
      expect(aborted).toBeGreaterThan(100);
      expect(found).toBe(sent);
      expect(descriptors()).toBe(before);
      writer.close();
      expect(reader.tryRead()).toBeNull();
    },
    minute,
  );
});

describe('waits on 128 sockets', () => {
  it.each(['exit', 'abort'])(
    'leave 50 readFile as fast as with none, and the program ends by %s',
    async (end) => {
      const to = receiver();
      fill(sender(), { to: to.address });
      const peer = nodeProgram('unix-socket-pool.js', end, String(to.address));
      const { without, during, running } = JSON.parse(await peer.line()) as Record<string, number>;
      expect(during).toBeLessThanOrEqual(3 * (without ?? 0) + 15 * scale);
      expect(running).toBe(0);
      if (end === 'abort') expect(await peer.line()).toBe('all aborted');
      expect(await peer.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
      expect(drain(to)).not.toContain('never');
    },
    minute,
  );
});

describe('10,000 sockets', () => {
  it(
    'one after another leave no descriptor and no file',
    async () => {
      const path = socketPath();
      const before = descriptors();
      for (let round = 0; round < 10_000; round++) {
        if (round % 4 === 0) {
          const socket = UnixDatagramSocket.bind(path);
          const waiting = rejection(socket.receive());
          socket.close();
          expect(await waiting).toMatchObject({ code: 'ECANCELED' });
        } else if (round % 4 === 1) {
          for (const end of UnixSeqpacketSocket.pair()) end.close();
        } else UnixDatagramSocket.create().close();
      }
      await until('all are closed', () => descriptors() <= before);
    },
    minute,
  );
});
