// Unix sockets that wait: time limits, aborts, close() during a wait, order, full receivers, and that none of it takes a
// thread or the pool.
import { getEventListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  IpcError,
  UnixDatagramSocket,
  UnixSeqpacketServer,
  UnixSeqpacketSocket,
  UnixStream,
  UnixStreamServer,
  waitThreads,
} from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { type Failure, failure, rejection } from './helpers/failures.js';
import { threadCount } from './helpers/kernel.js';
import { scale, stateOf, turns, until } from './helpers/until.js';
import {
  abstractName,
  borrow,
  cPeer,
  connectedTo,
  datagramPair,
  descriptors,
  drain,
  drainStream,
  fill,
  fillBacklog,
  fillStream,
  packetPair,
  packetServer,
  patience,
  promised,
  queueLength,
  receiver,
  sender,
  socketPath,
  streamPair,
  streamServer,
  text,
  texts,
  there,
} from './helpers/unix-socket-ends.js';

interface Options {
  timeout?: number;
  signal?: AbortSignal;
}

interface Closeable {
  readonly closed: boolean;
  close(): void;
  release(): number;
}

/** Something that waits until something else is done. */
interface Scene {
  /** The objects whose end ends the wait. */
  objects: Closeable[];
  wait(options?: Options): Promise<unknown>;
  waitSync?(timeout: number): unknown;
  /** Does what the wait waits for. */
  satisfy(): void;
  /** What it gives, made comparable. */
  seen(value: unknown): unknown;
  expected: unknown;
  /** Whether everything is as if nobody had waited, after satisfy(). */
  untouched(): void;
}

type Incoming = { data: unknown } | { data: unknown }[] | { done?: boolean; value?: { data: unknown } };

function seenData(value: unknown): unknown {
  if (value === null) return null;
  const found = value as Incoming;
  if (Array.isArray(found)) return texts(found);
  if ('data' in found) return [text(found)];
  return found.value && [text(found.value)];
}

type Receiving = 'receive' | 'receiveMany' | 'messages';

/** Waits of anything that receives messages. */
function receiving(
  end: UnixDatagramSocket | UnixSeqpacketSocket,
  how: Receiving,
  satisfy: () => void,
): Scene {
  return {
    objects: [end],
    wait: (options) =>
      how === 'receive'
        ? end.receive(options)
        : how === 'receiveMany'
          ? end.receiveMany(5, options)
          : promised(() => end.messages(options).next()),
    ...(how === 'receive' ? { waitSync: (timeout: number) => end.receiveSync({ timeout }) } : {}),
    ...(how === 'receiveMany' ? { waitSync: (timeout: number) => end.receiveManySync(5, { timeout }) } : {}),
    satisfy,
    seen: seenData,
    expected: ['there'],
    untouched: () => expect(drain(end)).toEqual(['there']),
  };
}

function datagramScene(how: Receiving): Scene {
  const to = receiver();
  const from = sender();
  return receiving(to, how, () => from.sendSync('there', { to: to.address }));
}

function packetScene(how: Receiving): Scene {
  const [near, far] = packetPair();
  return receiving(far, how, () => near.sendSync('there'));
}

function chunkScene(iterate: boolean): Scene {
  const [near, far] = streamPair();
  return {
    objects: [far],
    wait: (options) => (iterate ? promised(() => far.chunks(options).next()) : far.receive(options)),
    ...(iterate ? {} : { waitSync: (timeout: number) => far.receiveSync({ timeout }) }),
    satisfy: () => near.sendSync('there'),
    seen: seenData,
    expected: ['there'],
    untouched: () => expect(drainStream(far)).toBe('there'),
  };
}

type Sending = 'connected' | 'unconnected' | 'abstract' | 'pair';

function datagramSendScene(how: Sending): Scene {
  if (how === 'pair') {
    const [near, far] = datagramPair();
    fill(near);
    return sendScene(
      near,
      (data, options) => near.send(data, options),
      (data, timeout) => near.sendSync(data, { timeout }),
      far,
    );
  }
  const to = how === 'abstract' ? borrow(UnixDatagramSocket.bind(abstractName())) : receiver();
  const from = how === 'connected' ? connectedTo(to) : sender();
  const address = how === 'connected' ? {} : { to: to.address };
  fill(from, address);
  return sendScene(
    from,
    (data, options) => from.send(data, { ...address, ...options }),
    (data, timeout) => from.sendSync(data, { ...address, timeout }),
    to,
  );
}

function packetSendScene(): Scene {
  const [near, far] = packetPair();
  fill(near);
  return sendScene(
    near,
    (data, options) => near.send(data, options),
    (data, timeout) => near.sendSync(data, { timeout }),
    far,
  );
}

function sendScene(
  from: Closeable,
  send: (data: string, options?: Options) => Promise<void>,
  sendSync: (data: string, timeout: number) => void,
  to: { readonly fd: number },
): Scene {
  return {
    objects: [from],
    wait: (options) => send('sent', options),
    waitSync: (timeout) => sendSync('sent', timeout),
    satisfy: () => {
      // All of it, for room is not told of before much of it is there.
      for (const data of drain(to)) expect(data).toBe('f');
    },
    seen: (value) => [value, drain(to)],
    expected: [undefined, ['sent']],
    untouched: () => expect(drain(to)).toEqual([]),
  };
}

function streamSendScene(length: number): Scene {
  const [near, far] = streamPair();
  fillStream(near);
  let found = '';
  let more: NodeJS.Timeout | undefined;
  return {
    objects: [near],
    wait: (options) => near.send('s'.repeat(length), options),
    waitSync: (timeout) => near.sendSync('s'.repeat(length), { timeout }),
    satisfy: () => {
      found += drainStream(far);
      if (length < 100_000) return;
      // The rest of a long one comes piece by piece.
      more = setInterval(() => (found += drainStream(far)), 1);
      onTestFinished(() => clearInterval(more));
    },
    seen: (value) => {
      clearInterval(more);
      found += drainStream(far);
      return [value, found.replaceAll('f', '').length];
    },
    expected: [undefined, length],
    untouched: () => {
      clearInterval(more);
      found += drainStream(far);
      expect(found).not.toContain('s');
    },
  };
}

function acceptScene(server: UnixSeqpacketServer | UnixStreamServer, iterate: boolean): Scene {
  const type = server instanceof UnixStreamServer ? UnixStream : UnixSeqpacketSocket;
  const take = (value: unknown): number => {
    const found = (iterate && value !== undefined ? (value as { value?: unknown }).value : value) as
      { close(): void } | undefined;
    if (found === undefined) return 0;
    borrow(found);
    return 1;
  };
  return {
    objects: [server],
    wait: (options) =>
      iterate ? promised<unknown>(() => server.connections(options).next()) : server.accept(options),
    ...(iterate ? {} : { waitSync: (timeout: number) => server.acceptSync({ timeout }) }),
    satisfy: () => void borrow(there(type.tryConnect(server.address))),
    seen: take,
    expected: 1,
    untouched: () => {
      borrow(there(server.tryAccept()));
      expect(server.tryAccept()).toBeUndefined();
    },
  };
}

function connectScene(server: UnixSeqpacketServer | UnixStreamServer): Scene {
  const type = server instanceof UnixStreamServer ? UnixStream : UnixSeqpacketSocket;
  const count = fillBacklog(server);
  let accepted = 0;
  const acceptAll = (): void => {
    for (let end = server.tryAccept(); end !== undefined; end = server.tryAccept(), accepted++) borrow(end);
  };
  return {
    objects: [],
    wait: (options) => type.connect(server.address, options).then(borrow),
    waitSync: (timeout) => borrow(type.connectSync(server.address, { timeout })),
    satisfy: acceptAll,
    seen: (value) => {
      acceptAll();
      return [value instanceof type, accepted];
    },
    expected: [true, count + 1],
    untouched: () => {
      acceptAll();
      expect(accepted).toBe(count);
    },
  };
}

type Named = [name: string, make: () => Scene];
const arriving: Named[] = [
  ['receive() of datagrams', () => datagramScene('receive')],
  ['receiveMany() of datagrams', () => datagramScene('receiveMany')],
  ['messages() of datagrams', () => datagramScene('messages')],
  ['receive() of a connection', () => packetScene('receive')],
  ['receiveMany() of a connection', () => packetScene('receiveMany')],
  ['messages() of a connection', () => packetScene('messages')],
  ['receive() of a stream', () => chunkScene(false)],
  ['chunks() of a stream', () => chunkScene(true)],
  ['accept() of seqpacket', () => acceptScene(packetServer(), false)],
  ['connections() of seqpacket', () => acceptScene(packetServer(), true)],
  ['accept() of streams', () => acceptScene(streamServer(), false)],
  ['connections() of streams', () => acceptScene(streamServer(), true)],
];
const leaving: Named[] = [
  ['send() connected', () => datagramSendScene('connected')],
  ['send() to an address', () => datagramSendScene('unconnected')],
  ['send() to an abstract name', () => datagramSendScene('abstract')],
  ['send() of a datagram pair', () => datagramSendScene('pair')],
  ['send() of a connection', packetSendScene],
  ['send() of a stream', () => streamSendScene(1)],
  ['send() of much into a stream', () => streamSendScene(600_000)],
];
const connecting: Named[] = [
  ['connect() of seqpacket', () => connectScene(packetServer(socketPath(), { backlog: 0 }))],
  ['connect() of a stream', () => connectScene(streamServer(socketPath(), { backlog: 0 }))],
];
const all = [...arriving, ...leaving, ...connecting];
const iterations = /^(messages|chunks|connections)\(\)/;
/** Those of which nothing is done in part, and whose descriptors are as many as before. */
const whole = all.filter(([name]) => !name.includes('much'));

describe('a wait', () => {
  it.each(all)('by %s goes on when it can, and not before', async (_name, make) => {
    const scene = make();
    const waited = scene.wait();
    expect(await stateOf(waited)).toBe('pending');
    scene.satisfy();
    expect(scene.seen(await waited)).toEqual(scene.expected);
  });

  it.each(whole.filter(([name]) => !iterations.test(name)))(
    'by the blocking variant of %s takes what can be had',
    (_name, make) => {
      const scene = make();
      scene.satisfy();
      expect(scene.seen(scene.waitSync?.(patience))).toEqual(scene.expected);
    },
  );
});

describe('time limits', () => {
  const limits = all
    .filter(([name]) => !name.includes('much'))
    .flatMap(([name, make]): [string, () => Scene, boolean][] =>
      iterations.test(name)
        ? [[name, make, false]]
        : [
            [name, make, false],
            [`the blocking variant of ${name}`, make, true],
          ],
    );

  it.each(limits)('of %s are never early and kept within 20 ms', async (_name, make, sync) => {
    const scene = make();
    const late: number[] = [];
    for (const timeout of [1, 2, 5, 10, 20, 33, 10, 5, 0.5]) {
      const start = performance.now();
      const error = await rejection(
        promised(() => (sync ? scene.waitSync?.(timeout) : scene.wait({ timeout }))),
      );
      const took = performance.now() - start;
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ETIMEDOUT' });
      expect(took).toBeGreaterThanOrEqual(timeout);
      late.push(took - timeout);
    }
    late.sort((a, b) => a - b);
    expect(late[Math.floor(late.length / 2)]).toBeLessThan(20 * scale);
    scene.satisfy();
    await turns();
    scene.untouched();
  });

  it.each(whole)('of %s of 0 take what is there and wait for nothing', async (_name, make) => {
    const scene = make();
    expect(await rejection(scene.wait({ timeout: 0 }))).toMatchObject({ code: 'ETIMEDOUT' });
    if (scene.waitSync) expect(failure(() => scene.waitSync?.(0))).toMatchObject({ code: 'ETIMEDOUT' });
    scene.satisfy();
    expect(scene.seen(await scene.wait({ timeout: 0 }))).toEqual(scene.expected);
  });

  it.each(whole)('of %s of Infinity and undefined are none', async (_name, make) => {
    for (const timeout of [Infinity, undefined]) {
      const scene = make();
      const waited = scene.wait({ timeout } as Options);
      expect(await stateOf(waited)).toBe('pending');
      scene.satisfy();
      expect(scene.seen(await waited)).toEqual(scene.expected);
    }
  });

  it('of one wait leave those before and behind it alone', async () => {
    const [near, far] = packetPair();
    const first = far.receive();
    const hasty = rejection(far.receive({ timeout: 10 }));
    const last = far.receive();
    expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
    near.sendSync('a');
    near.sendSync('b');
    expect([text(there(await first)), text(there(await last))]).toEqual(['a', 'b']);
  });

  it('of the wait in front let those behind go on', async () => {
    const to = receiver();
    for (const from of [connectedTo(to), sender()]) {
      const options = from.peerAddress === undefined ? { to: to.address } : {};
      fill(from, options);
      const hasty = rejection(from.send('hasty', { ...options, timeout: 10 }));
      const patient = from.send('patient', options);
      expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
      drain(to);
      await patient;
      expect(drain(to)).toEqual(['patient']);
    }
  });

  it('hold while the event loop is busy, and what has come by then is taken or stays', async () => {
    const to = receiver();
    const received = to.receive({ timeout: 5 }).then(text, (error: unknown) => (error as Failure).code);
    await turns();
    const end = performance.now() + 20;
    while (performance.now() < end);
    sender().sendSync('late', { to: to.address });
    const result = await received;
    expect([...(result === 'ETIMEDOUT' ? [] : [result]), ...drain(to)]).toEqual(['late']);
  });
});

describe('an abort', () => {
  it.each(all)('before %s rejects with the reason and does nothing', async (_name, make) => {
    const scene = make();
    const before = descriptors();
    const reason = new Error('not today');
    expect(await rejection(scene.wait({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(descriptors()).toBe(before);
    scene.satisfy();
    expect(await rejection(scene.wait({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    scene.untouched();
  });

  it.each(all)('during %s rejects with the reason and leaves all as it was', async (_name, make) => {
    const scene = make();
    const before = descriptors();
    for (let round = 0; round < 5; round++) {
      const controller = new AbortController();
      const reason = { round };
      const ended = scene.wait({ signal: controller.signal }).then(
        () => 'fulfilled',
        (error: unknown) => error,
      );
      if (round > 0) await turns(round);
      controller.abort(reason);
      expect(await ended).toBe(reason);
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    }
    await until('nothing of the waits is open', () => descriptors() <= before, 2_000 * scale);
    scene.satisfy();
    await turns();
    scene.untouched();
  });

  it.each(all)('after %s changes nothing, and no listener stays on the signal', async (_name, make) => {
    const scene = make();
    const controller = new AbortController();
    const waited = scene.wait({ signal: controller.signal });
    await turns();
    scene.satisfy();
    const value = await waited;
    await until('the listener is gone', () => getEventListeners(controller.signal, 'abort').length === 0);
    controller.abort();
    expect(await stateOf(waited)).toBe('fulfilled');
    expect(scene.seen(value)).toEqual(scene.expected);
  });

  it.each(whole)(
    'at the moment when %s could go on: either it did, or all is as it was',
    async (_name, make) => {
      let done = 0;
      for (let round = 0; round < 40; round++) {
        const scene = make();
        const controller = new AbortController();
        const waited = scene.wait({ signal: controller.signal }).then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        );
        if (round % 4 > 0) await turns(1);
        scene.satisfy();
        if (round % 4 === 2) await turns(1);
        if (round % 4 === 3) await Promise.resolve();
        controller.abort();
        const outcome = await waited;
        if ('error' in outcome) {
          expect(outcome.error).toBe(controller.signal.reason);
          scene.untouched();
        } else {
          done++;
          expect(scene.seen(outcome.value)).toEqual(scene.expected);
        }
        for (const object of scene.objects) object.close();
      }
      expect(done).toBeLessThanOrEqual(40);
    },
  );

  it('of a signal shared by many waits on many descriptors ends them all', async () => {
    const scenes = whole.map(([, make]) => make());
    const controller = new AbortController();
    const ended = scenes.flatMap((scene) => [
      rejection(scene.wait({ signal: controller.signal })),
      rejection(scene.wait({ signal: controller.signal })),
    ]);
    await turns();
    controller.abort();
    for (const error of await Promise.all(ended)) expect(error.name).toBe('AbortError');
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('of AbortSignal.timeout() rejects with its TimeoutError', async () => {
    for (const [name, make] of all)
      expect((await rejection(make().wait({ signal: AbortSignal.timeout(5) }))).name, name).toBe(
        'TimeoutError',
      );
  });

  it.each([
    ['receive()', (end: UnixSeqpacketSocket, signal: AbortSignal) => end.receive({ signal })],
    ['receiveMany()', (end: UnixSeqpacketSocket, signal: AbortSignal) => end.receiveMany(10, { signal })],
    ['messages()', async (end: UnixSeqpacketSocket, signal: AbortSignal) => end.messages({ signal }).next()],
  ])(
    'at the moment when a message comes for %s loses it not, and does not double it',
    async (_name, wait: (end: UnixSeqpacketSocket, signal: AbortSignal) => Promise<unknown>) => {
      const [near, far] = packetPair();
      for (let round = 0; round < 60; round++) {
        const controller = new AbortController();
        const ended = wait(far, controller.signal).then(
          (value) => seenData(value) as string[],
          (error: unknown) => {
            expect(error).toBe(controller.signal.reason);
            return [];
          },
        );
        if (round % 2 === 0) await turns();
        near.sendSync(`message ${round}`);
        if (round % 3 === 0) await Promise.resolve();
        if (round % 3 === 1) await turns(1);
        controller.abort();
        expect([...(await ended), ...drain(far)]).toEqual([`message ${round}`]);
      }
    },
  );

  it('ends for await by throwing the reason', async () => {
    const [near, far] = packetPair();
    near.sendSync('one');
    const controller = new AbortController();
    const seen: string[] = [];
    const looped = rejection(
      (async () => {
        for await (const message of far.messages({ signal: controller.signal })) seen.push(text(message));
      })(),
    );
    await turns(5);
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await looped).toBe(reason);
    expect(seen).toEqual(['one']);
    near.sendSync('left');
    expect(drain(far)).toEqual(['left']);
  });

  it('of one of several waits leaves the others', async () => {
    const to = receiver();
    const controllers = Array.from({ length: 5 }, () => new AbortController());
    const results = controllers.map(({ signal }) =>
      to.receive({ signal }).then(text, (error: unknown) => (error as Error).name),
    );
    await turns();
    for (const index of [0, 2]) controllers[index]?.abort();
    await results[0];
    for (const data of ['a', 'b', 'c']) sender().sendSync(data, { to: to.address });
    expect(await Promise.all(results)).toEqual(['AbortError', 'a', 'AbortError', 'b', 'c']);
  });

  it('in the middle of much that is sent into a stream says how much went in', async () => {
    const [near, far] = streamPair();
    const controller = new AbortController();
    const ended = rejection(near.send(Buffer.alloc(2_000_000, 's'), { signal: controller.signal }));
    await turns();
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await ended).toBe(reason);
    expect(near.bytesWritten).toBeGreaterThan(0);
    expect(drainStream(far)).toHaveLength(near.bytesWritten);
    await near.send('goes on');
    expect(drainStream(far)).toBe('goes on');
  });
});

describe('close() during a wait', () => {
  it.each([...arriving, ...leaving].filter(([name]) => !iterations.test(name)))(
    'by %s rejects it with ECANCELED',
    async (_name, make) => {
      for (const end of ['close', 'release'] as const) {
        const scene = make();
        const [object] = scene.objects;
        const ended = [rejection(scene.wait()), rejection(scene.wait())];
        if (end === 'close') await turns();
        if (end === 'close') object?.close();
        else sys.close(object?.release() ?? -1);
        for (const error of await Promise.all(ended)) {
          expect(error).toBeInstanceOf(IpcError);
          expect(error).toMatchObject({ code: 'ECANCELED' });
        }
        expect(object?.closed).toBe(true);
      }
    },
  );

  it.each(arriving.filter(([name]) => iterations.test(name)))(
    'by %s ends the iteration',
    async (_name, make) => {
      const scene = make();
      const ended = scene.wait();
      await turns();
      scene.objects[0]?.close();
      expect(await ended).toMatchObject({ done: true, value: undefined });
    },
  );

  it.each(leaving)('by %s sends nothing more', async (name, make) => {
    if (name.includes('much')) return;
    const scene = make();
    const ended = rejection(scene.wait());
    await turns();
    scene.objects[0]?.close();
    await ended;
    scene.satisfy();
    await turns();
    if (!/pair|connection|stream/.test(name)) scene.untouched();
  });

  it('leaves no descriptor of a waiting send() to an address', async () => {
    const [a, b] = [receiver(), receiver()];
    const before = descriptors();
    for (let round = 0; round < 10; round++) {
      const from = UnixDatagramSocket.create();
      for (const to of [a, b]) fill(from, { to: to.address });
      const ended = [a, b].map((to) => rejection(from.send('never', { to: to.address })));
      if (round % 2 === 0) await turns();
      from.close();
      for (const error of await Promise.all(ended)) expect(error).toMatchObject({ code: 'ECANCELED' });
      await until('its descriptors are closed', () => descriptors() === before);
      for (const to of [a, b]) expect(drain(to)).not.toContain('never');
    }
  });
});

describe('waits of one object', () => {
  it('get the messages in the order of the calls', async () => {
    for (const make of [datagramPair, packetPair] as (() => [UnixSeqpacketSocket, UnixSeqpacketSocket])[]) {
      const [near, far] = make();
      const received = Array.from({ length: 20 }, () =>
        far.receive().then((message) => text(there(message))),
      );
      await turns();
      const expected = Array.from({ length: 20 }, (_, index) => `message ${index}`);
      for (const data of expected) await near.send(data);
      expect(await Promise.all(received)).toEqual(expected);
    }
  });

  it('are not overtaken by a call that is made when the message has just come', async () => {
    const [near, far] = packetPair();
    for (let round = 0; round < 20; round++) {
      const first = far.receive().then((message) => text(there(message)));
      const second = far.receive().then((message) => text(there(message)));
      await turns();
      near.sendSync('a');
      near.sendSync('b');
      const third = far.receive().then((message) => text(there(message)));
      const many = far.receiveMany(5).then(texts);
      await Promise.all([first, second]);
      near.sendSync('c');
      await third;
      near.sendSync('d');
      expect(await Promise.all([first, second, third, many])).toEqual(['a', 'b', 'c', ['d']]);
    }
  });

  it('at the end of a connection all get it', async () => {
    const [near, far] = packetPair();
    const waits = [far.receive(), far.receiveMany(3), far.receive()];
    await turns();
    near.sendSync('last');
    near.close();
    const [first, many, last] = await Promise.all(waits);
    expect([text(there(first as { data: Buffer })), many, last]).toEqual(['last', [], null]);
  });

  it('that accept get the connections in the order of the calls', async () => {
    const server = packetServer();
    const accepted = Array.from({ length: 5 }, () => server.accept().then(borrow));
    await turns();
    for (let index = 0; index < 5; index++)
      borrow(await UnixSeqpacketSocket.connect(server.address)).sendSync(String(index));
    const ends = await Promise.all(accepted);
    expect(await Promise.all(ends.map(async (end) => text(there(await end.receive()))))).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
    ]);
  });

  it('that receive and that send do not wait for each other', async () => {
    const [near, far] = packetPair();
    fill(near);
    const sent = near.send('sent');
    const received = near.receive();
    await turns();
    far.sendSync('for the one that sends');
    expect(text(there(await received))).toBe('for the one that sends');
    expect(await stateOf(sent)).toBe('pending');
    drain(far);
    await sent;
    expect(drain(far)).toEqual(['sent']);
  });
});

describe('a full receiver', () => {
  const ways: [string, (to: UnixDatagramSocket) => [UnixDatagramSocket, { to?: string | Uint8Array }]][] = [
    ['connected', (to) => [connectedTo(to), {}]],
    ['by its path', (to) => [sender(), { to: to.address }]],
    ['by its path from one that is bound', (to) => [receiver(), { to: to.address }]],
    ['by its path from one connected elsewhere', (to) => [connectedTo(receiver()), { to: to.address }]],
  ];

  it.each(ways)(
    '%s makes send() wait, and sends go through in the order of the calls',
    async (_way, make) => {
      const to = receiver();
      const [from, options] = make(to);
      const count = fill(from, options);
      expect(count).toBe(queueLength() + 1);
      const order: number[] = [];
      const sent = Array.from({ length: 50 }, (_, index) =>
        from.send(String(index), options).then(() => order.push(index)),
      );
      expect(await stateOf(Promise.race(sent))).toBe('pending');
      const received: string[] = [];
      while (received.length < count + 50) received.push(text(await to.receive({ timeout: patience })));
      await Promise.all(sent);
      const numbers = Array.from({ length: 50 }, (_, index) => index);
      expect(received.slice(count)).toEqual(numbers.map(String));
      expect(order).toEqual(numbers);
    },
  );

  it.each(ways)('%s is told of when it takes a message at a time', async (_way, make) => {
    const to = receiver();
    const [from, options] = make(to);
    fill(from, options);
    for (let round = 0; round < 20; round++) {
      const sent = from.send(`message ${round}`, options);
      expect(await stateOf(sent)).toBe('pending');
      to.receiveSync({ timeout: patience });
      await sent;
    }
    expect(drain(to)).toHaveLength(queueLength() + 1);
  });

  it.each(ways)('%s does not let a later send() overtake one that waits', async (_way, make) => {
    const to = receiver();
    const [from, options] = make(to);
    fill(from, options);
    const first = from.send('first', options);
    await turns();
    drain(to);
    const second = from.send('second', options);
    await Promise.all([first, second]);
    expect(drain(to)).toEqual(['first', 'second']);
  });

  it.each(ways)('%s that closes makes a waiting send() fail', async (_way, make) => {
    const to = receiver();
    const [from, options] = make(to);
    fill(from, options);
    const sent = [rejection(from.send('x', options)), rejection(from.send('y', options))];
    await turns();
    to.close();
    const [first, second] = await Promise.all(sent);
    expect(first?.code).toMatch(/^(ECONNREFUSED|ENOENT)$/);
    // To the kernel a socket whose peer is gone is connected no more, once that has been told.
    expect(second?.code).toMatch(/^(ECONNREFUSED|ENOENT|ENOTCONN)$/);
  });

  it.each(ways)(
    '%s makes sendSync() with a time limit throw ETIMEDOUT, and nothing is sent',
    (_way, make) => {
      const to = receiver();
      const [from, options] = make(to);
      const count = fill(from, options);
      const error = failure(() => from.sendSync('x', { ...options, timeout: 10 }));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ETIMEDOUT' });
      expect(drain(to)).toEqual(Array.from({ length: count }, () => 'f'));
    },
  );

  it('does not hold up another', async () => {
    const [full, alsoFull, free] = [receiver(), receiver(), receiver()];
    const from = sender();
    for (const to of [full, alsoFull]) fill(from, { to: to.address });
    const waiting = [full, full, alsoFull].map((to, index) => from.send(`wait ${index}`, { to: to.address }));
    await turns();
    for (let round = 0; round < 5; round++) {
      await from.send(`free ${round}`, { to: free.address, timeout: patience });
      expect(text(free.receiveSync({ timeout: patience }))).toBe(`free ${round}`);
    }
    expect(await stateOf(Promise.race(waiting))).toBe('pending');
    drain(alsoFull);
    await waiting[2];
    expect(await stateOf(Promise.race(waiting.slice(0, 2)))).toBe('pending');
    drain(full);
    await Promise.all(waiting);
    expect([drain(full), drain(alsoFull)]).toEqual([['wait 0', 'wait 1'], ['wait 2']]);
  });

  it('does not hold up the peer that the socket is connected to', async () => {
    const [full, peer] = [receiver(), receiver()];
    const from = connectedTo(peer);
    fill(from, { to: full.address });
    const waiting = from.send('waits', { to: full.address });
    await turns();
    await from.send('for the peer', { timeout: patience });
    expect(texts(peer.tryReceiveMany(5))).toEqual(['for the peer']);
    fill(from);
    const forPeer = from.send('later');
    drain(full);
    await waiting;
    expect(await stateOf(forPeer)).toBe('pending');
    drain(peer);
    await forPeer;
    expect([drain(full), drain(peer)]).toEqual([['waits'], ['later']]);
  });

  it('one that is gone does not hold up those who wait for another', async () => {
    const [full, gone] = [receiver(), receiver()];
    const from = sender();
    for (const to of [full, gone]) fill(from, { to: to.address });
    const waiting = from.send('waits', { to: full.address });
    const lost = rejection(from.send('lost', { to: gone.address }));
    await turns();
    gone.close();
    expect((await lost).code).toMatch(/^(ECONNREFUSED|ENOENT)$/);
    drain(full);
    await waiting;
    expect(drain(full)).toEqual(['waits']);
  });

  it('keeps waiting where many send to it', async () => {
    const to = receiver();
    const senders = Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? sender() : connectedTo(to)));
    const sent = Promise.all(
      senders.flatMap((from, index) =>
        Array.from({ length: 30 }, (_, number) =>
          from.send(`${index} ${number}`, from.peerAddress === undefined ? { to: to.address } : {}),
        ),
      ),
    );
    const last = new Map<string, number>();
    for (let count = 0; count < 240; count++) {
      const [from = '', number] = text(await to.receive({ timeout: patience })).split(' ');
      expect(Number(number)).toBe((last.get(from) ?? -1) + 1);
      last.set(from, Number(number));
    }
    await sent;
    expect(to.tryReceive()).toBeUndefined();
  });

  it('that is replaced at its path by another is another', async () => {
    const path = socketPath();
    const first = borrow(UnixDatagramSocket.bind(path, { unlinkOnClose: false }));
    const from = sender();
    fill(from, { to: path });
    const waiting = from.send('x', { to: path }).then(
      () => 'sent',
      (error: unknown) => (error as Failure).code,
    );
    await turns();
    first.close();
    const second = borrow(UnixDatagramSocket.bind(path, { replaceStale: true }));
    const outcome = await waiting;
    expect(['sent', 'ECONNREFUSED']).toContain(outcome);
    expect(drain(second)).toEqual(outcome === 'sent' ? ['x'] : []);
    await from.send('y', { to: path });
    expect(drain(second)).toEqual(['y']);
  });
});

describe('a peer that goes while somebody waits', () => {
  it('gives the end to those who receive', async () => {
    const [near, far] = packetPair();
    const [left, right] = streamPair();
    const waits = [
      far.receive(),
      far.receiveMany(2),
      right.receive(),
      far.messages().next(),
      right.chunks().next(),
    ];
    await turns();
    near.close();
    left.close();
    expect(await Promise.all(waits)).toMatchObject([null, [], null, { done: true }, { done: true }]);
  });

  it('gives EPIPE or ECONNRESET to those who send', async () => {
    const [near, far] = packetPair();
    fill(near);
    const waits = [rejection(near.send('x')), rejection(near.send('y'))];
    await turns();
    far.close();
    for (const error of await Promise.all(waits)) expect(error.code).toMatch(/^(EPIPE|ECONNRESET)$/);
  });

  it('gives ECONNREFUSED to those who connect', async () => {
    for (const listen of [packetServer, streamServer]) {
      const server = listen(socketPath(), { backlog: 0 });
      fillBacklog(server);
      const type = server instanceof UnixStreamServer ? UnixStream : UnixSeqpacketSocket;
      const waiting = rejection(type.connect(server.address).then(borrow));
      await turns();
      const before = descriptors();
      server.close();
      expect((await waiting).code).toMatch(/^(ECONNREFUSED|ENOENT)$/);
      await until('its descriptor is closed', () => descriptors() < before);
    }
  });
});

describe('waits of one process', () => {
  it('take no threads', async () => {
    // libuv's pool comes to life once and stays, and so may one thread that watches descriptors.
    await Promise.all(Array.from({ length: 8 }, () => readFile(new URL(import.meta.url))));
    await until('no wait of another family is left', () => waitThreads.running === 0);
    const before = threadCount();
    // A connect() that waits for room in a backlog can do so only in the call itself.
    const scenes = [...arriving, ...leaving, ...arriving, ...leaving].map(([, make]) => make());
    const controller = new AbortController();
    const ended = Promise.allSettled(scenes.map((scene) => scene.wait({ signal: controller.signal })));
    await turns(5);
    expect(waitThreads.running).toBe(0);
    expect(threadCount()).toBeLessThanOrEqual(before);
    controller.abort();
    await ended;
  });

  it("leave libuv's pool to the file system", async () => {
    const scenes = [...whole, ...whole].map(([, make]) => make());
    const waits = scenes.map((scene) => scene.wait());
    await turns();
    await Promise.all(Array.from({ length: 20 }, () => readFile(new URL(import.meta.url))));
    for (const wait of waits) expect(await stateOf(wait)).toBe('pending');
    for (const [index, scene] of scenes.entries()) {
      scene.satisfy();
      expect(scene.seen(await waits[index])).toEqual(scene.expected);
    }
  });
});

describe('the event loop', () => {
  it.each([
    [
      'for await',
      async (end: UnixDatagramSocket, enough: () => boolean) => {
        for await (const _ of end) if (enough()) break;
      },
    ],
    [
      'receive()',
      async (end: UnixDatagramSocket, enough: () => boolean) => {
        while (!enough()) await end.receive();
      },
    ],
    [
      'receiveMany()',
      async (end: UnixDatagramSocket, enough: () => boolean) => {
        while (!enough()) await end.receiveMany(2);
      },
    ],
  ] as [string, (end: UnixDatagramSocket, enough: () => boolean) => Promise<void>][])(
    'goes on while %s has more messages than it can take',
    async (_name, take) => {
      const to = receiver();
      const flood = cPeer('flood', 'dgram', String(to.address));
      expect(await flood.line()).toBe('flooding');
      let fired = 0;
      const timer = setInterval(() => fired++, 1);
      const start = performance.now();
      await take(to, () => fired >= 5 || performance.now() - start > patience);
      clearInterval(timer);
      expect(fired).toBeGreaterThanOrEqual(5);
    },
  );

  it('goes on while send() is awaited in a loop that never has to wait', async () => {
    const path = socketPath();
    const swallow = cPeer('swallow', 'dgram', path);
    expect(await swallow.line()).toBe('listening');
    for (const from of [borrow(UnixDatagramSocket.connect(path)), sender()]) {
      const options = from.peerAddress === undefined ? { to: path } : {};
      const timer = new AbortController();
      setTimeout(() => timer.abort(), 1);
      const start = performance.now();
      while (!timer.signal.aborted && performance.now() - start < patience) await from.send('x', options);
      expect(timer.signal.aborted).toBe(true);
    }
  });
});

describe("the caller's own code within a call", () => {
  it('that closes the socket while it encodes makes sends of every variant fail', async () => {
    const calls: ((from: UnixDatagramSocket<string>) => unknown)[] = [
      (from) => from.sendSync('x'),
      (from) => from.trySend('x'),
      (from) => from.send('x'),
    ];
    for (const call of calls) {
      const to = receiver();
      const from = borrow(
        UnixDatagramSocket.connect(to.address, {
          codec: {
            encode: (value: string) => {
              from.close();
              return value;
            },
            decode: String,
          },
        }),
      );
      expect(await rejection(promised(() => call(from)))).toMatchObject({ code: 'ERR_INVALID_STATE' });
      expect(drain(to)).toEqual([]);
    }
  });

  it('that closes the socket while its options are read makes receive() reject', async () => {
    const [, far] = packetPair();
    const options = {
      get timeout(): undefined {
        far.close();
        return undefined;
      },
    };
    expect(await rejection(far.receive(options))).toMatchObject({ code: 'ERR_INVALID_STATE' });
  });

  it('that closes the socket while its descriptors are read makes send() fail', async () => {
    const [near, far] = packetPair();
    const given = {
      get fd(): number {
        near.close();
        return 0;
      },
    };
    expect(await rejection(near.send('x', { descriptors: [given] }))).toHaveProperty('code');
    expect(drain(far).filter((data) => data === 'x')).toEqual([]);
  });

  it('that aborts its signal while it encodes makes send() reject', async () => {
    const to = receiver();
    fill(sender(), { to: to.address });
    const controller = new AbortController();
    const from = borrow(
      UnixDatagramSocket.connect(to.address, {
        codec: {
          encode: (value: string) => {
            controller.abort(new Error('stopped by the codec'));
            return value;
          },
          decode: String,
        },
      }),
    );
    expect((await rejection(from.send('x', { signal: controller.signal }))).message).toBe(
      'stopped by the codec',
    );
    expect(drain(to)).not.toContain('x');
  });

  it('that throws in the signal itself leaves no wait behind, and no message lost', async () => {
    const [near, far] = packetPair();
    const { signal } = new AbortController();
    signal.addEventListener = () => {
      throw new Error('no listeners here');
    };
    expect((await rejection(far.receive({ signal }))).message).toBe('no listeners here');
    near.sendSync('still there');
    await turns();
    expect(text(there(far.receiveSync({ timeout: patience })))).toBe('still there');
  });

  it('that waits anew while a batch is settled loses nothing', async () => {
    const [near, raw] = packetPair();
    const inner: Promise<unknown>[] = [];
    const far: UnixSeqpacketSocket<string> = borrow(
      UnixSeqpacketSocket.fromFd(raw.release(), {
        codec: {
          encode: (value: string) => value,
          decode: (data: Buffer): string => {
            if (inner.length < 5) inner.push(far.receive());
            return data.toString();
          },
        },
      }),
    );
    const outer = Array.from({ length: 5 }, () => far.receive());
    await turns();
    for (let index = 0; index < 10; index++) near.sendSync(String(index));
    const found = (await Promise.all([...outer, ...inner])) as { data: string }[];
    const rest = (await Promise.all(inner)) as { data: string }[];
    expect([...new Set(texts([...found, ...rest]))].map(Number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 10 }, (_, index) => index),
    );
  });
});
