// The engine's second half, readiness, seen through pipes and eventfds: time limits, aborts, the end of an object or of its
// descriptor during a wait, order, and that none of it takes a thread or the pool.
import { getEventListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { closeSync, writeSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { EventFd, IpcError, Pipe, PipeReader, PipeWriter, waitThreads } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { closing, countOf, descriptors, drainPipe, fillPipe } from './helpers/pipe-ends.js';
import { failure, rejection } from './helpers/failures.js';
import { threadCount } from './helpers/kernel.js';
import { borrow } from './helpers/queues.js';
import { scale, stateOf, turns, until } from './helpers/until.js';

interface Options {
  timeout?: number;
  signal?: AbortSignal;
}

interface Closeable {
  readonly fd: number;
  readonly closed: boolean;
  close(): void;
  release(): number;
}

/** Something that waits until something else is done. */
interface Scene {
  /** The objects whose end ends the wait; the first one's method waits. */
  objects: Closeable[];
  wait(options?: Options): Promise<unknown>;
  waitSync?(timeout: number): unknown;
  /** Does what the wait waits for. */
  satisfy(): void;
  /** What the wait gives then. */
  expected: unknown;
  /** Whether everything is as if nobody had waited, after satisfy(). */
  untouched(): void;
}

const most = 2n ** 64n - 2n;

/** A Pipe whose end is borrowed without its object, so that each can go its own way. */
function ends(capacity?: number): [reader: PipeReader, writer: PipeWriter] {
  const { reader, writer } = Pipe.create(capacity === undefined ? {} : { capacity });
  return [borrow(reader), borrow(writer)];
}

function readScene(packets: boolean, iterate: boolean): Scene {
  const { reader, writer } = borrow(Pipe.create({ packets }));
  return {
    objects: [reader],
    wait: iterate ? async (options) => reader.chunks(options).next() : (options) => reader.read(options),
    ...(iterate ? {} : { waitSync: (timeout: number) => reader.readSync({ timeout }) }),
    satisfy: () => writer.writeSync('data'),
    expected: iterate ? { done: false, value: Buffer.from('data') } : Buffer.from('data'),
    untouched: () => expect(drainPipe(reader.fd).toString()).toBe('data'),
  };
}

function writeScene(length: number): Scene {
  const [reader, writer] = ends(4096);
  fillPipe(writer.fd);
  return {
    objects: [writer],
    wait: (options) => writer.write(Buffer.alloc(length, 'w'), options),
    waitSync: (timeout) => writer.writeSync(Buffer.alloc(length, 'w'), { timeout }),
    satisfy: () => {
      drainPipe(reader.fd);
      // The rest of a long write comes piece by piece.
      if (length <= 4096) return;
      const more = setInterval(() => {
        if (writer.closed || writer.bytesWritten >= length) clearInterval(more);
        else drainPipe(reader.fd);
      }, 1);
      more.unref();
    },
    expected: undefined,
    untouched: () => expect(drainPipe(reader.fd).includes('w')).toBe(false),
  };
}

function moveScene(call: 'splice' | 'tee', waitsFor: 'data' | 'room'): Scene {
  const [[reader, writer], [otherReader, otherWriter]] = [ends(), ends(4096)];
  if (waitsFor === 'room') {
    writer.writeSync('data');
    fillPipe(otherWriter.fd);
  }
  const sync = call === 'splice' ? 'spliceSync' : 'teeSync';
  return {
    objects: [reader, otherWriter],
    wait: (options) => reader[call](otherWriter, options),
    waitSync: (timeout) => reader[sync](otherWriter, { timeout }),
    satisfy: () => {
      if (waitsFor === 'data') writer.writeSync('data');
      else drainPipe(otherReader.fd);
    },
    expected: 4,
    untouched: () => {
      expect(drainPipe(reader.fd).toString()).toBe('data');
      expect(drainPipe(otherReader.fd).length).toBe(0);
    },
  };
}

function countScene(iterate: boolean): Scene {
  const event = borrow(EventFd.create());
  return {
    objects: [event],
    wait: iterate
      ? // The iterator itself takes no options; it is here for the end of its object.
        () => event[Symbol.asyncIterator]().next()
      : (options) => event.wait(options),
    ...(iterate ? {} : { waitSync: (timeout: number) => event.waitSync({ timeout }) }),
    satisfy: () => event.signalSync(3),
    expected: iterate ? { done: false, value: 3 } : 3,
    untouched: () => expect(countOf(event.fd)).toBe(3n),
  };
}

function overflowScene(): Scene {
  const event = borrow(EventFd.create());
  event.signalSync(most);
  return {
    objects: [event],
    wait: (options) => event.signal(5, options),
    waitSync: (timeout) => event.signalSync(5, { timeout }),
    satisfy: () => expect(event.tryWait()).toBe(most),
    expected: undefined,
    untouched: () => expect(countOf(event.fd)).toBe(0n),
  };
}

type Named = [name: string, make: () => Scene];
const promises: Named[] = [
  ['read()', () => readScene(false, false)],
  ['read() of packets', () => readScene(true, false)],
  ['chunks()', () => readScene(false, true)],
  ['write()', () => writeScene(1)],
  ['write() of PIPE_BUF', () => writeScene(4096)],
  ['write() over PIPE_BUF', () => writeScene(50_000)],
  ['splice() without data', () => moveScene('splice', 'data')],
  ['splice() without room', () => moveScene('splice', 'room')],
  ['tee() without data', () => moveScene('tee', 'data')],
  ['tee() without room', () => moveScene('tee', 'room')],
  ['wait()', () => countScene(false)],
  ['signal()', overflowScene],
];
const iterations: Named[] = [
  ['chunks()', () => readScene(false, true)],
  ['for await of an eventfd', () => countScene(true)],
];
const plain = promises.filter(([name]) => name !== 'chunks()');

// What is ready is asked of the kernel; nobody sleeps in the call itself.
afterEach(() => expect(waitThreads.running).toBe(0));

describe('a wait', () => {
  it.each([...promises, ...iterations.slice(1)])('by %s ends with what it waits for', async (_name, make) => {
    const scene = make();
    const waited = scene.wait();
    await turns(10);
    expect(await stateOf(waited)).toBe('pending');
    expect(waitThreads.running).toBe(0);
    scene.satisfy();
    expect(await waited).toEqual(scene.expected);
  });

  it.each(promises)('by %s ends in time where there is a limit', async (_name, make) => {
    const scene = make();
    const waited = scene.wait({ timeout: 10_000 * scale });
    await turns();
    scene.satisfy();
    expect(await waited).toEqual(scene.expected);
  });

  it('keeps its object while nobody else does', async () => {
    const event = closing(sys.eventfd(0, sys.EFD_CLOEXEC));
    const waited = (() => EventFd.fromFd(event).wait())();
    for (let round = 0; round < 5; round++) {
      globalThis.gc?.();
      await turns();
    }
    const six = Buffer.alloc(8);
    six.writeBigUInt64LE(6n);
    writeSync(event, six);
    expect(await waited).toBe(6);
  });
});

describe('time limits', () => {
  const limited: [string, () => Scene, boolean][] = [
    ...promises.map(([name, make]): [string, () => Scene, boolean] => [name, make, false]),
    ...plain.map(([name, make]): [string, () => Scene, boolean] => [
      name.replace('()', 'Sync()'),
      make,
      true,
    ]),
  ];

  it.each(limited)('of %s are never early and kept within 20 ms', async (_name, make, sync) => {
    const scene = make();
    const late: number[] = [];
    for (const timeout of [1, 2, 5, 10, 20, 33, 10, 5, 0.5]) {
      const start = performance.now();
      const error = await rejection(
        Promise.resolve().then(() => (sync ? scene.waitSync?.(timeout) : scene.wait({ timeout }))),
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
    scene.untouched();
  });

  it.each(plain)('of %s of 0 take what is there and wait for nothing', async (_name, make) => {
    const scene = make();
    expect(await rejection(scene.wait({ timeout: 0 }))).toMatchObject({ code: 'ETIMEDOUT' });
    if (_name === 'write() over PIPE_BUF') return;
    scene.satisfy();
    expect(await scene.wait({ timeout: 0 })).toEqual(scene.expected);
  });

  it('of one wait leave those before and behind it alone', async () => {
    const [reader, writer] = ends();
    const first = reader.read({ size: 1 });
    const hasty = rejection(reader.read({ size: 1, timeout: 10 }));
    const last = reader.read({ size: 1 });
    expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
    writer.writeSync('ab');
    expect([String(await first), String(await last)]).toEqual(['a', 'b']);
  });

  it('of the wait in front let those behind go on', async () => {
    const [reader, writer] = ends();
    const hasty = rejection(reader.read({ timeout: 10 }));
    const patient = reader.read();
    expect(await hasty).toMatchObject({ code: 'ETIMEDOUT' });
    writer.writeSync('for the patient');
    expect(String(await patient)).toBe('for the patient');
  });
});

describe('an abort', () => {
  it.each(plain)('before %s rejects with the reason and does nothing', async (_name, make) => {
    const scene = make();
    const reason = new Error('not today');
    expect(await rejection(scene.wait({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    scene.satisfy();
    expect(await rejection(scene.wait({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    scene.untouched();
  });

  it.each(promises)('during %s rejects with the reason and leaves all as it was', async (_name, make) => {
    const scene = make();
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
    scene.satisfy();
    await turns();
    scene.untouched();
  });

  it.each(promises)('after %s changes nothing, and no listener stays on the signal', async (_name, make) => {
    const scene = make();
    const controller = new AbortController();
    const waited = scene.wait({ signal: controller.signal });
    await turns();
    scene.satisfy();
    expect(await waited).toEqual(scene.expected);
    await until('the listener is gone', () => getEventListeners(controller.signal, 'abort').length === 0);
    controller.abort();
    expect(await stateOf(waited)).toBe('fulfilled');
  });

  it.each(plain.filter(([name]) => !name.includes('over')))(
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
          expect(outcome.value).toEqual(scene.expected);
        }
        for (const object of scene.objects) object.close();
      }
      expect(done).toBeLessThanOrEqual(40);
    },
  );

  it('of a signal shared by many waits on many descriptors ends them all', async () => {
    const scenes = plain.map(([, make]) => make());
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
    for (const [name, make] of plain)
      expect((await rejection(make().wait({ signal: AbortSignal.timeout(5) }))).name, name).toBe(
        'TimeoutError',
      );
  });

  it('ends for await by throwing the reason', async () => {
    const [reader, writer] = ends();
    writer.writeSync('one');
    const controller = new AbortController();
    const chunks: string[] = [];
    const looped = rejection(
      (async () => {
        for await (const chunk of reader.chunks({ signal: controller.signal })) chunks.push(chunk.toString());
      })(),
    );
    await turns(5);
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await looped).toBe(reason);
    expect(chunks).toEqual(['one']);
    writer.writeSync('left');
    expect(drainPipe(reader.fd).toString()).toBe('left');
  });

  it('in the handler of which another wait begins does not touch that one', async () => {
    const [reader, writer] = ends();
    const controller = new AbortController();
    let next: Promise<Buffer | null> | undefined;
    const first = rejection(reader.read({ signal: controller.signal }));
    controller.signal.addEventListener('abort', () => {
      next = reader.read();
    });
    await turns();
    controller.abort();
    await first;
    writer.writeSync('for the next');
    expect(String(await next)).toBe('for the next');
  });
});

/** The error of a wait that should have ended by now: one that goes on is told by its name. */
function soon(what: string, waited: Promise<unknown>): Promise<Error & { code?: string }> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`${what} goes on waiting`)), 2_000 * scale).unref();
  });
  return Promise.race([rejection(waited), late]);
}

describe('close()', () => {
  it.each(plain)('during %s rejects it with ECANCELED, whichever object is closed', async (name, make) => {
    const count = make().objects.length;
    for (let index = 0; index < count; index++) {
      const scene = make();
      const ended = [scene.wait(), scene.wait(), scene.wait({ timeout: 60_000 })].map((waited) =>
        soon(`${name}, object ${index}`, waited),
      );
      await turns();
      scene.objects[index]?.close();
      for (const error of await Promise.all(ended)) {
        expect(error).toBeInstanceOf(IpcError);
        expect(error).toMatchObject({ code: 'ECANCELED' });
      }
    }
  });

  it.each(iterations)('during %s ends it without an error', async (_name, make) => {
    const scene = make();
    const ended = scene.wait();
    await turns();
    scene.objects[0]?.close();
    expect(await ended).toEqual({ done: true, value: undefined });
  });

  it('in the same turn as the call rejects it too', async () => {
    for (const [name, make] of plain) {
      const scene = make();
      const ended = rejection(scene.wait());
      scene.objects[0]?.close();
      expect(await ended, name).toMatchObject({ code: 'ECANCELED' });
    }
  });

  it('of a Pipe ends the waits of both its ends', async () => {
    const pipe = Pipe.create({ capacity: 4096 });
    const full = Pipe.create({ capacity: 4096 });
    fillPipe(full.writer.fd);
    const ended = [rejection(pipe.reader.read()), rejection(full.writer.write('x'))];
    await turns();
    pipe.close();
    full.close();
    for (const error of await Promise.all(ended)) expect(error).toMatchObject({ code: 'ECANCELED' });
  });

  it('takes no data that comes at the same time', async () => {
    for (let round = 0; round < 50; round++) {
      const [reader, writer] = ends();
      const kept = closing(sys.dup(reader.fd));
      const read = reader.read().then(String, () => '');
      if (round % 2 === 0) await turns(1);
      writer.writeSync('data');
      if (round % 4 > 1) await turns(1);
      reader.close();
      expect((await read) + drainPipe(kept).toString()).toBe('data');
    }
  });

  it('in the handler of one wait ends the others', async () => {
    const [reader, writer] = ends();
    const first = reader.read({ size: 1 }).then(() => reader.close());
    const second = rejection(reader.read({ size: 1 }));
    await turns();
    writer.writeSync('a');
    await first;
    expect(await second).toMatchObject({ code: 'ECANCELED' });
  });

  it('leaves the waits of another descriptor of the same pipe alone', async () => {
    const [reader, writer] = ends();
    const other = borrow(PipeReader.fromFd(sys.dup(reader.fd)));
    const ended = rejection(reader.read());
    const read = other.read();
    await turns();
    reader.close();
    expect(await ended).toMatchObject({ code: 'ECANCELED' });
    writer.writeSync('for the other');
    expect(String(await read)).toBe('for the other');
  });
});

describe('return() of an iterator', () => {
  it.each([
    [
      'chunks()',
      (): [AsyncIterator<unknown>, () => void, () => void] => {
        const [reader, writer] = ends();
        return [
          reader.chunks(),
          () => writer.writeSync('stays'),
          () => expect(drainPipe(reader.fd).toString()).toBe('stays'),
        ];
      },
    ],
    [
      'an eventfd',
      (): [AsyncIterator<unknown>, () => void, () => void] => {
        const event = borrow(EventFd.create());
        return [
          event[Symbol.asyncIterator](),
          () => event.signalSync(2),
          () => expect(countOf(event.fd)).toBe(2n),
        ];
      },
    ],
  ])('of %s during next() ends it, and what comes later stays', async (_name, make) => {
    const [iterator, satisfy, untouched] = make();
    const next = iterator.next();
    await turns();
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await next).toEqual({ done: true, value: undefined });
    satisfy();
    await turns(5);
    untouched();
  });
});

/** Gives a number up without closing what it stands for now. */
function forget(object: Closeable): void {
  if (!object.closed) object.release();
}

describe('a descriptor that sys.close() closes during a wait', () => {
  it.each(plain)('ends %s with ECANCELED', async (name, make) => {
    const count = make().objects.length;
    for (let index = 0; index < count; index++) {
      const scene = make();
      const object = scene.objects[index] ?? expect.unreachable('there is one');
      const ended = [scene.wait(), scene.wait()].map((waited) => soon(`${name}, object ${index}`, waited));
      await turns();
      sys.close(object.fd);
      for (const error of await Promise.all(ended)) {
        expect(error).toBeInstanceOf(IpcError);
        expect(error).toMatchObject({ code: 'ECANCELED' });
      }
      forget(object);
    }
  });

  it.each(['splice', 'tee'] as const)(
    'and that %s() would have written into is never written under its number',
    async (call) => {
      for (const how of ['close()', 'sys.close()']) {
        const [reader, writer] = ends();
        const { reader: otherReader, writer: otherWriter } = Pipe.create();
        borrow(otherReader);
        const { fd } = otherWriter;
        const ended = reader[call](otherWriter).then(
          () => 'written',
          (error: unknown) => (error as Error & { code?: string }).code,
        );
        await turns();
        if (how === 'close()') otherWriter.close();
        else sys.close(fd);
        const somebody = sys.pipe2(sys.O_CLOEXEC);
        const theirs = sys.dup2(somebody[1], fd);
        writer.writeSync('not for somebody else');
        await turns(5);
        expect(sys.fionread(somebody[0]), how).toBe(0);
        reader.close();
        expect(await ended, how).not.toBe('written');
        forget(otherWriter);
        new Set([...somebody, theirs]).forEach((one) => sys.close(one));
      }
    },
  );

  it.each([
    [
      'sys.close()',
      (fd: number, other: number) => {
        sys.close(fd);
        expect(sys.dup(other)).toBe(fd);
      },
    ],
    ['sys.dup2()', (fd: number, other: number) => expect(sys.dup2(other, fd)).toBe(fd)],
  ])('and whose number is used again at once by %s is never read', async (_name, replace) => {
    for (let round = 0; round < 20; round++) {
      const { reader, writer } = Pipe.create();
      borrow(writer);
      const [otherRead, otherWrite] = sys.pipe2(sys.O_CLOEXEC).map(closing) as [number, number];
      writeSync(otherWrite, 'for somebody else');
      const { fd } = reader;
      const ended = rejection(reader.read());
      if (round % 2 === 0) await turns();
      replace(fd, otherRead);
      expect(await ended).toMatchObject({ code: 'ECANCELED' });
      await turns();
      expect(sys.fionread(otherRead)).toBe(17);
      forget(reader);
      sys.close(fd);
    }
  });

  it('and whose number is used again is never written', async () => {
    const { reader, writer } = Pipe.create({ capacity: 4096 });
    borrow(reader);
    const { fd } = writer;
    fillPipe(fd);
    const ended = rejection(writer.write('x'));
    await turns();
    const [otherRead, otherWrite] = sys.pipe2(sys.O_CLOEXEC).map(closing) as [number, number];
    sys.dup2(otherWrite, fd);
    expect(await ended).toMatchObject({ code: 'ECANCELED' });
    await turns();
    drainPipe(reader.fd);
    await turns();
    expect(sys.fionread(otherRead)).toBe(0);
    forget(writer);
    sys.close(fd);
  });

  it('and whose number an object of this package gets next: that one works', async () => {
    for (let round = 0; round < 20; round++) {
      const { reader, writer } = Pipe.create();
      borrow(writer);
      const { fd } = reader;
      const ended = rejection(reader.read());
      await turns();
      sys.close(fd);
      forget(reader);
      const next = borrow(Pipe.create());
      expect(next.reader.fd).toBe(fd);
      const read = next.reader.read();
      expect(await ended).toMatchObject({ code: 'ECANCELED' });
      next.writer.writeSync('new');
      expect(String(await read)).toBe('new');
      next.close();
    }
  });

  it('by dup2() onto itself goes on', async () => {
    const [reader, writer] = ends();
    const read = reader.read();
    await turns();
    expect(sys.dup2(reader.fd, reader.fd)).toBe(reader.fd);
    await turns();
    expect(await stateOf(read)).toBe('pending');
    writer.writeSync('goes on');
    expect(String(await read)).toBe('goes on');
  });

  it('leaves waits of other descriptors alone', async () => {
    const [reader, writer] = ends();
    const read = reader.read();
    const event = sys.eventfd(0, 0);
    const other = EventFd.fromFd(event);
    const ended = rejection(other.wait());
    await turns();
    sys.close(event);
    expect(await ended).toMatchObject({ code: 'ECANCELED' });
    forget(other);
    writer.writeSync('x');
    expect(String(await read)).toBe('x');
  });

  it('by a call that fails ends nothing', async () => {
    const [reader, writer] = ends();
    const read = reader.read();
    await turns();
    expect(failure(() => sys.dup2(1_000_000, reader.fd))).toMatchObject({ code: 'EBADF' });
    expect(await stateOf(read)).toBe('pending');
    writer.writeSync('x');
    expect(String(await read)).toBe('x');
  });
});

describe('a descriptor that others close while a copy of it stays', () => {
  it('keeps no wait for another from being told', async () => {
    const [[reader, writer], [otherReader, otherWriter]] = [ends(), ends()];
    const first = reader.read();
    await turns();
    writer.writeSync('first');
    await first;
    // The kernel goes on telling of it, but under a number that is no descriptor any more.
    closing(sys.dup(reader.fd));
    closeSync(reader.release());
    const read = otherReader.read();
    await turns();
    writer.writeSync('for nobody');
    otherWriter.writeSync('data');
    expect(String(await read)).toBe('data');
  });
});

describe('two objects of one descriptor', () => {
  it('both wait, and each gets its share', async () => {
    const [read, write] = sys.pipe2(sys.O_CLOEXEC);
    closing(write);
    const [first, second] = [PipeReader.fromFd(read), borrow(PipeReader.fromFd(read))];
    const reads = [first.read({ size: 1 }), second.read({ size: 1 })];
    await turns();
    writeSync(write, 'ab');
    expect((await Promise.all(reads)).map(String).sort()).toEqual(['a', 'b']);
    first.release();
  });

  it('end apart: release() of one leaves the waits of the other', async () => {
    const [read, write] = sys.pipe2(sys.O_CLOEXEC);
    closing(write);
    const [first, second] = [PipeReader.fromFd(read), borrow(PipeReader.fromFd(read))];
    const ended = rejection(first.read());
    const kept = second.read();
    await turns();
    first.release();
    expect(await ended).toMatchObject({ code: 'ECANCELED' });
    writeSync(write, 'for the other');
    expect(String(await kept)).toBe('for the other');
  });

  it('end apart: an abort of one leaves the waits of the other', async () => {
    const event = sys.eventfd(0, sys.EFD_CLOEXEC);
    const [first, second] = [EventFd.fromFd(event), borrow(EventFd.fromFd(event))];
    const controller = new AbortController();
    const ended = rejection(first.wait({ signal: controller.signal }));
    const kept = second.wait();
    await turns();
    controller.abort();
    await ended;
    second.signalSync(2);
    expect(await kept).toBe(2);
    first.release();
  });

  it('end together where one closes the descriptor', async () => {
    const [read, write] = sys.pipe2(sys.O_CLOEXEC);
    closing(write);
    const [first, second] = [PipeReader.fromFd(read), PipeReader.fromFd(read)];
    const ended = [rejection(first.read()), rejection(second.read())];
    await turns();
    first.close();
    for (const error of await Promise.all(ended)) expect(error).toMatchObject({ code: 'ECANCELED' });
    forget(second);
  });

  it('wait for both directions of one number at once', async () => {
    // Both ends of a pipe in one descriptor, as a FIFO opened with O_RDWR has them.
    const [read, write] = sys.pipe2(sys.O_CLOEXEC).map(closing) as [number, number];
    const both = closing(sys.open(`/proc/self/fd/${read}`, sys.O_RDWR | sys.O_CLOEXEC));
    const [reader, writer] = [PipeReader.fromFd(both), PipeWriter.fromFd(both)];
    const emptied = reader.read();
    await turns();
    writeSync(write, 'x');
    expect(String(await emptied)).toBe('x');
    const filled = fillPipe(write);
    const written = writer.write('y');
    expect(await stateOf(written)).toBe('pending');
    expect((await reader.read({ size: filled }))?.length).toBe(filled);
    await written;
    const last = reader.read();
    expect(String(await last)).toBe('y');
    const [waitsForData, waitsForRoom] = [reader.read({ size: 1 }), writer.write('z')];
    await waitsForRoom;
    expect(String(await waitsForData)).toBe('z');
    reader.release();
    writer.release();
  });
});

describe('many waits on one descriptor', () => {
  it('are served in the order of the calls', async () => {
    const [reader, writer] = ends();
    const order: string[] = [];
    const reads = Array.from({ length: 1000 }, (_, index) =>
      reader.read({ size: 4 }).then((data) => order.push(`${index}:${String(data)}`)),
    );
    await turns();
    const texts = Array.from({ length: 1000 }, (_, index) => String(index).padStart(4, '0'));
    for (let at = 0; at < 1000; at += 100) {
      writer.writeSync(texts.slice(at, at + 100).join(''));
      if (at % 300 === 0) await turns(1);
    }
    await Promise.all(reads);
    expect(order).toEqual(texts.map((text, index) => `${index}:${text}`));
  });

  it('are written in the order of the calls, long and short', async () => {
    const [reader, writer] = ends(4096);
    fillPipe(writer.fd);
    const texts = Array.from({ length: 200 }, (_, index) => `${index}:${'x'.repeat((index * 97) % 6000)};`);
    const written = Promise.all(texts.map((text) => writer.write(text)));
    await turns();
    drainPipe(reader.fd);
    const expected = texts.join('');
    let text = '';
    while (text.length < expected.length) text += String(await reader.read());
    await written;
    expect(text === expected).toBe(true);
  });

  it('are not overtaken by a call that is made when the data has just come', async () => {
    const [reader, writer] = ends();
    for (let round = 0; round < 50; round++) {
      const [first, second] = [reader.read({ size: 1 }), reader.read({ size: 1 })];
      if (round % 2 === 0) await turns(1);
      writer.writeSync('ab');
      const third = reader.read({ size: 1 });
      if (round % 3 === 0) await turns(1);
      writer.writeSync('c');
      expect((await Promise.all([first, second, third])).map(String)).toEqual(['a', 'b', 'c']);
    }
  });

  it('that are aborted in the middle leave the others in their order', async () => {
    const [reader, writer] = ends();
    const controllers = Array.from({ length: 9 }, () => new AbortController());
    const results = controllers.map(({ signal }) =>
      reader.read({ size: 1, signal }).then(String, (error: unknown) => (error as Error).name),
    );
    await turns();
    for (const index of [0, 3, 4, 8]) controllers[index]?.abort();
    writer.writeSync('abcde');
    expect(await Promise.all(results)).toEqual([
      'AbortError',
      'a',
      'b',
      'AbortError',
      'AbortError',
      'c',
      'd',
      'e',
      'AbortError',
    ]);
  });

  it('all get the end of the file', async () => {
    const [reader, writer] = ends();
    const reads = Array.from({ length: 20 }, () => reader.read());
    await turns();
    writer.writeSync('one');
    writer.close();
    const results = await Promise.all(reads);
    expect(String(results[0])).toBe('one');
    expect(results.slice(1)).toEqual(Array.from({ length: 19 }, () => null));
  });

  it('of several kinds share what comes, and none is forgotten', async () => {
    const [[reader, writer], [otherReader, otherWriter]] = [ends(), ends()];
    const waits = [
      reader.read({ size: 1 }),
      reader.splice(otherWriter, { size: 1 }),
      reader.read({ size: 1 }),
    ];
    await turns();
    for (const letter of ['a', 'b', 'c']) writer.writeSync(letter);
    const results = await Promise.all(waits);
    expect(results.map((result) => (typeof result === 'number' ? result : String(result)))).toEqual([
      'a',
      1,
      'c',
    ]);
    expect(drainPipe(otherReader.fd).toString()).toBe('b');
  });
});

describe('thousands of waits', () => {
  it('take no thread and no descriptor each, and all end', async () => {
    const [reader, writer] = ends();
    const event = borrow(EventFd.create({ semaphore: true }));
    // The first wait may bring the engine to life.
    await Promise.all([
      expect(reader.read({ timeout: 1 })).rejects.toThrow(),
      expect(event.wait({ timeout: 1 })).rejects.toThrow(),
    ]);
    const [threads, open] = [threadCount(), descriptors()];
    const waits = [
      ...Array.from({ length: 5000 }, () => reader.read({ size: 1 })),
      ...Array.from({ length: 5000 }, () => event.wait()),
    ];
    await turns();
    expect(threadCount()).toBeLessThanOrEqual(threads);
    expect(descriptors()).toBe(open);
    event.signalSync(5000);
    await writer.write(Buffer.alloc(5000, 'x'));
    expect((await Promise.all(waits)).length).toBe(10_000);
  });

  it('and aborts leave as much data as was not given out', async () => {
    const [reader, writer] = ends();
    const given: string[] = [];
    let aborted = 0;
    const waits: Promise<unknown>[] = [];
    const sent: string[] = [];
    for (let index = 0; index < 3000; index++) {
      const controller = new AbortController();
      waits.push(
        reader.read({ size: 4, signal: controller.signal }).then(
          // By the order of the calls, in which the bytes are given out.
          (data) => (given[index] = String(data)),
          () => aborted++,
        ),
      );
      if (index % 2 === 0) {
        const text = String(index).padStart(4, '0');
        sent.push(text);
        writer.writeSync(text);
      }
      if (index % 3 === 0) controller.abort();
      else if (index % 3 === 1) setImmediate(() => controller.abort());
      else queueMicrotask(() => controller.abort());
      if (index % 50 === 0) await turns(1);
    }
    await Promise.all(waits);
    expect(aborted).toBeGreaterThan(300);
    const left = drainPipe(reader.fd).toString();
    expect((given.join('') + left).match(/.{4}/g)).toEqual(sent);
  });

  it('on as many descriptors work at once', async () => {
    const pipes = Array.from({ length: 300 }, () => borrow(Pipe.create()));
    const reads = pipes.map(({ reader }) => reader.read());
    await turns();
    expect(waitThreads.running).toBe(0);
    pipes.forEach(({ writer }, index) => writer.writeSync(`pipe ${index}`));
    expect((await Promise.all(reads)).map(String)).toEqual(pipes.map((_, index) => `pipe ${index}`));
  });

  it("leave libuv's pool to the file system", async () => {
    const time = async (): Promise<number> => {
      const times: number[] = [];
      for (let round = 0; round < 5; round++) {
        const start = performance.now();
        await Promise.all(Array.from({ length: 50 }, () => readFile(new URL(import.meta.url))));
        times.push(performance.now() - start);
      }
      return times.sort((a, b) => a - b)[2] ?? 0;
    };
    const without = await time();
    const scenes = Array.from({ length: 8 }, () => plain.map(([, make]) => make())).flat();
    const ended = scenes.map((scene) => rejection(scene.wait()));
    await turns();
    const during = await time();
    expect(during).toBeLessThanOrEqual(3 * without + 15 * scale);
    for (const { objects } of scenes) objects.forEach((object) => object.close());
    for (const error of await Promise.all(ended)) expect(error).toMatchObject({ code: 'ECANCELED' });
  });
});

describe('the event loop', () => {
  it('goes on while for await has more than it can take', async () => {
    const [reader, writer] = ends();
    let fired = 0;
    const timer = setInterval(() => fired++, 1);
    const start = performance.now();
    writer.writeSync('x'.repeat(64));
    for await (const chunk of reader.chunks({ size: 16 })) {
      expect(chunk.length).toBeGreaterThan(0);
      if (fired >= 5 || performance.now() - start > 5_000 * scale) break;
      // The pipe never runs empty.
      writer.tryWrite('x'.repeat(64));
    }
    clearInterval(timer);
    expect(fired).toBeGreaterThanOrEqual(5);
  });

  it('goes on while read() and write() are awaited and never have to wait', async () => {
    const [reader, writer] = ends();
    let fired = false;
    setTimeout(() => (fired = true), 1);
    const start = performance.now();
    while (!(fired as boolean) && performance.now() - start < 5_000 * scale) {
      await writer.write('x');
      await reader.read();
    }
    expect(fired).toBe(true);
  });
});

describe("the caller's own code within a call", () => {
  it('that closes the object while its options are read makes the call reject', async () => {
    const [reader] = ends();
    const options = {
      get timeout(): undefined {
        reader.close();
        return undefined;
      },
    };
    expect(await rejection(reader.read(options))).toMatchObject({ code: 'ERR_INVALID_STATE' });
  });

  it('that throws in the signal itself leaves no wait behind, and no data lost', async () => {
    const [reader, writer] = ends();
    const { signal } = new AbortController();
    signal.addEventListener = () => {
      throw new Error('no listeners here');
    };
    expect((await rejection(reader.read({ signal }))).message).toBe('no listeners here');
    writer.writeSync('still there');
    await turns();
    expect(String(reader.tryRead())).toBe('still there');
  });

  it('that waits anew in a handler gets what comes then', async () => {
    const [reader, writer] = ends();
    const texts: string[] = [];
    const next = (data: Buffer | null): Promise<unknown> | undefined => {
      texts.push(String(data));
      return texts.length < 100 ? reader.read({ size: 2 }).then(next) : undefined;
    };
    const all = reader.read({ size: 2 }).then(next);
    await turns();
    for (let index = 0; index < 100; index++) writer.writeSync(String(index).padStart(2, '0'));
    await all;
    expect(texts).toEqual(Array.from({ length: 100 }, (_, index) => String(index).padStart(2, '0')));
  });
});
