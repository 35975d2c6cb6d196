// Fifo: making, opening, ends of files. Its ends are PipeReader and PipeWriter: see pipe.test.ts.
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { getEventListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Fifo, IpcError, PipeReader, PipeWriter, waitThreads } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { closing, descriptors, drainPipe, fillPipe, flagsOf, folder, patience } from './helpers/pipe-ends.js';
import { failure, rejection, systemError } from './helpers/failures.js';
import { asleepIn } from './helpers/kernel.js';
import { borrow } from './helpers/queues.js';
import { scale, stateOf, turns, until } from './helpers/until.js';

function promised<T>(call: () => T | Promise<T>): Promise<T> {
  return Promise.resolve().then(call);
}

/** A path in a folder of the test's own, where nothing is yet. */
function newPath(): string {
  return join(folder(), 'fifo');
}

function newFifo(): Fifo {
  return Fifo.make(newPath());
}

/** A FIFO that the code under test has not made. */
function foreignFifo(): string {
  const path = newPath();
  sys.mkfifo(path, 0o600);
  return path;
}

/** Opens the reading end as any program would; the code under test does not see it. */
function foreignReader(path: string): number {
  return closing(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
}

/** The writing end; a reader must be there, or be opening. */
function foreignWriter(path: string): number {
  return closing(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
}

function hasReader(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENXIO') return false;
    throw error;
  }
}

async function threadsAre(count: number): Promise<void> {
  await until(`${count} threads wait`, () => waitThreads.running === count);
}

describe('Fifo.make()', () => {
  it('makes a FIFO for its owner alone', () => {
    const path = newPath();
    const fifo = Fifo.make(path);
    expect(fifo).toBeInstanceOf(Fifo);
    expect(fifo.path).toBe(path);
    expect(lstatSync(path).isFIFO()).toBe(true);
    expect(lstatSync(path).mode & 0o7777).toBe(0o600);
  });

  it.each([
    [0o666, 0o022, 0o644],
    [0o666, 0o077, 0o600],
    [0o622, 0, 0o622],
    [0o400, 0o022, 0o400],
  ])('gives it the mode %o less the umask %o', (mode, umask, expected) => {
    const before = process.umask(umask);
    onTestFinished(() => void process.umask(before));
    const path = newPath();
    Fifo.make(path, { mode });
    expect(lstatSync(path).mode & 0o7777).toBe(expected);
  });

  const taken: [string, (path: string) => void][] = [
    ['a FIFO', (path) => sys.mkfifo(path, 0o600)],
    ['a file', (path) => writeFileSync(path, '')],
    ['a folder', (path) => mkdirSync(path)],
    ['a dangling symlink', (path) => symlinkSync(join(path, '..', 'nothing'), path)],
    [
      'a symlink to a FIFO',
      (path) => {
        sys.mkfifo(`${path}-target`, 0o600);
        symlinkSync(`${path}-target`, path);
      },
    ],
  ];

  it.each(taken)('fails with EEXIST where there is %s', (_what, make) => {
    const path = newPath();
    make(path);
    const error = failure(() => Fifo.make(path));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('EEXIST', 'mkfifo'), path });
    expect(error.message).toContain(path);
    expect(existsSync(join(path, '..', 'nothing'))).toBe(false);
  });

  it.each(taken.slice(1))('fails with EEXIST where there is %s, without exclusive too', (_what, make) => {
    const path = newPath();
    make(path);
    const error = failure(() => Fifo.make(path, { exclusive: false }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EEXIST', path });
  });

  it('takes the FIFO that is there with exclusive: false, as it is', () => {
    const path = newPath();
    sys.mkfifo(path, 0o640);
    const { ino, mode } = lstatSync(path);
    expect(Fifo.make(path, { exclusive: false, mode: 0o600 }).path).toBe(path);
    expect(lstatSync(path)).toMatchObject({ ino, mode });
    const other = newPath();
    Fifo.make(other, { exclusive: false });
    expect(lstatSync(other).isFIFO()).toBe(true);
  });

  it('fails as mkfifo(3) does where the folder is not there, no folder, or the name too long', () => {
    const path = newPath();
    writeFileSync(path, '');
    for (const [wrong, code] of [
      [join(path, '..', 'none', 'fifo'), 'ENOENT'],
      [join(path, 'fifo'), 'ENOTDIR'],
      [`${path}${'x'.repeat(300)}`, 'ENAMETOOLONG'],
      ['', 'ENOENT'],
    ] as const) {
      const error = failure(() => Fifo.make(wrong));
      expect(error, wrong).toBeInstanceOf(IpcError);
      expect(error, wrong).toMatchObject({ ...systemError(code, 'mkfifo'), path: wrong });
    }
  });
});

describe('unlink()', () => {
  it('removes the FIFO, by the object and by its path', () => {
    const fifo = newFifo();
    fifo.unlink();
    expect(existsSync(fifo.path)).toBe(false);
    const path = foreignFifo();
    Fifo.unlink(path);
    expect(existsSync(path)).toBe(false);
    const error = failure(() => Fifo.unlink(path));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('ENOENT', 'unlink'), path });
  });

  it('leaves those who have it open alone', async () => {
    const fifo = newFifo();
    const reader = borrow(fifo.tryOpenReader());
    const writer = borrow(await fifo.openWriter());
    fifo.unlink();
    await writer.write('nameless');
    expect(String(await reader.read())).toBe('nameless');
  });
});

describe('opening', () => {
  it('gives a PipeReader and a PipeWriter that meet, whichever comes first', async () => {
    for (const order of ['reader first', 'writer first']) {
      const fifo = newFifo();
      const opened: Promise<unknown>[] = [];
      if (order === 'reader first') opened.push(fifo.openReader());
      else opened.push(fifo.openWriter());
      expect(await stateOf(opened[0] ?? Promise.reject(new Error('nothing opened'))), order).toBe('pending');
      if (order === 'reader first') opened.push(fifo.openWriter());
      else opened.unshift(fifo.openReader());
      const [reader, writer] = (await Promise.all(opened)) as [PipeReader, PipeWriter];
      borrow(reader);
      borrow(writer);
      expect(reader).toBeInstanceOf(PipeReader);
      expect(writer).toBeInstanceOf(PipeWriter);
      await writer.write('met');
      expect(String(await reader.read())).toBe('met');
    }
  });

  it('works by the path alone', async () => {
    const path = foreignFifo();
    const [reader, writer] = await Promise.all([Fifo.openReader(path), Fifo.openWriter(path)]);
    borrow(reader);
    borrow(writer);
    writer.writeSync('x');
    expect(String(reader.readSync({ timeout: patience }))).toBe('x');
  });

  it('gives descriptors that are closed on exec and block', async () => {
    const fifo = newFifo();
    const reader = borrow(fifo.tryOpenReader());
    const writer = borrow(await fifo.openWriter());
    const second = borrow(fifo.openWriterSync({ timeout: patience }));
    const third = borrow(fifo.tryOpenWriter() ?? expect.unreachable('there is a reader'));
    const fourth = borrow(fifo.openReaderSync({ timeout: patience }));
    const fifth = borrow(await fifo.openReader());
    const kept = borrow(fifo.tryOpenReader({ keepOpen: true }));
    for (const { fd } of [reader, writer, second, third, fourth, fifth, kept]) {
      expect(flagsOf(fd) & sys.O_CLOEXEC).not.toBe(0);
      expect(flagsOf(fd) & sys.O_NONBLOCK).toBe(0);
    }
  });

  it('by the blocking variants needs no wait where the other side is there', () => {
    const path = foreignFifo();
    const other = foreignReader(path);
    const writer = borrow(Fifo.openWriterSync(path));
    writer.writeSync('x');
    expect(drainPipe(other).toString()).toBe('x');
    const reader = borrow(Fifo.openReaderSync(path));
    writer.writeSync('y');
    expect(String(reader.readSync({ timeout: patience }))).toBe('y');
  });

  it('by tryOpenWriter() gives undefined where nobody reads, and opens nothing', async () => {
    const fifo = newFifo();
    const before = descriptors();
    expect(fifo.tryOpenWriter()).toBeUndefined();
    expect(Fifo.tryOpenWriter(fifo.path)).toBeUndefined();
    expect(descriptors()).toBe(before);
    const reader = borrow(fifo.tryOpenReader());
    const writer = borrow(fifo.tryOpenWriter() ?? expect.unreachable('there is a reader'));
    expect(writer).toBeInstanceOf(PipeWriter);
    writer.writeSync('x');
    expect(String(await reader.read())).toBe('x');
    fillPipe(writer.fd);
    expect(writer.tryWrite('x')).toBe(0);
    expect(failure(() => writer.writeSync('x', { timeout: 5 })).code).toBe('ETIMEDOUT');
  });

  it('has several waits for one side met by one of the other', async () => {
    const fifo = newFifo();
    const readers = [fifo.openReader(), fifo.openReader(), fifo.openReader()];
    await turns();
    const writer = borrow(await fifo.openWriter());
    for (const reader of await Promise.all(readers)) borrow(reader);
    writer.writeSync('x');
    const [first] = await Promise.all(readers);
    expect(String(first?.readSync({ timeout: patience }))).toBe('x');
  });

  it('takes packets and a codec', async () => {
    const fifo = newFifo();
    const [reader, writer] = await Promise.all([
      fifo.openReader<unknown>({ packets: true, codec: 'json' }),
      fifo.openWriter<unknown>({ packets: true, codec: 'json' }),
    ]);
    borrow(reader);
    borrow(writer);
    await writer.write({ order: 1 });
    await writer.write({ order: 2 });
    expect([await reader.read(), reader.tryRead()]).toEqual([{ order: 1 }, { order: 2 }]);
  });
});

const opens: [string, (path: string) => unknown, boolean][] = [
  ['openReaderSync()', (path) => Fifo.openReaderSync(path, { timeout: 50 }), true],
  ['tryOpenReader()', (path) => Fifo.tryOpenReader(path), false],
  ['openReader()', (path) => Fifo.openReader(path, { timeout: 50 }), true],
  ['openReader() with keepOpen', (path) => Fifo.openReader(path, { timeout: 50, keepOpen: true }), false],
  ['openWriterSync()', (path) => Fifo.openWriterSync(path, { timeout: 50 }), true],
  ['tryOpenWriter()', (path) => Fifo.tryOpenWriter(path), false],
  ['openWriter()', (path) => Fifo.openWriter(path, { timeout: 50 }), true],
];

describe.each(opens)('%s', (_name, open) => {
  it.each([
    ['a file', (path: string) => writeFileSync(path, 'content')],
    ['a folder', (path: string) => mkdirSync(path)],
    ['a device', (path: string) => symlinkSync('/dev/null', path)],
  ])('refuses %s with ERR_NOT_A_FIFO and opens nothing', async (_what, make) => {
    const path = newPath();
    make(path);
    const before = descriptors();
    const error = await rejection(promised(() => open(path)));
    expect(error).toMatchObject({ code: 'ERR_NOT_A_FIFO', path });
    expect(error.message).toContain(path);
    expect(descriptors()).toBe(before);
  });

  it('fails with ENOENT and the path where there is nothing', async () => {
    const path = newPath();
    const before = descriptors();
    const error = await rejection(promised(() => open(path)));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ENOENT', path });
    expect(error.message).toContain(path);
    expect(descriptors()).toBe(before);
    expect(existsSync(path)).toBe(false);
  });
});

describe('time limits', () => {
  const waiting = opens.filter(([, , waits]) => waits);

  it.each(waiting)(
    'of %s give ETIMEDOUT and the path where nobody comes, and open nothing',
    async (_name, open) => {
      const path = foreignFifo();
      const before = descriptors();
      const start = performance.now();
      const error = await rejection(promised(() => open(path)));
      expect(performance.now() - start).toBeGreaterThanOrEqual(50);
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'ETIMEDOUT', path });
      await until('nothing is open', () => descriptors() === before);
      expect(hasReader(path)).toBe(false);
    },
  );

  it.each(waiting)('of %s are kept within 20 ms', async (name) => {
    const path = foreignFifo();
    const late: number[] = [];
    for (const timeout of [1, 5, 20, 10, 0]) {
      const start = performance.now();
      const side = name.includes('Reader') ? 'Reader' : 'Writer';
      const call = name.includes('Sync')
        ? () => Fifo[`open${side}Sync`](path, { timeout })
        : () => Fifo[`open${side}`](path, { timeout });
      expect(await rejection(promised<unknown>(call))).toMatchObject({ code: 'ETIMEDOUT' });
      const took = performance.now() - start;
      expect(took).toBeGreaterThanOrEqual(timeout);
      late.push(took - timeout);
    }
    late.sort((a, b) => a - b);
    expect(late[2]).toBeLessThan(20 * scale);
  });
});

describe('tryOpenReader()', () => {
  it('gives a reader at once, and its reads wait for the first writer', async () => {
    const fifo = newFifo();
    const reader = borrow(fifo.tryOpenReader());
    expect(reader).toBeInstanceOf(PipeReader);
    expect(reader.tryRead()).toBeUndefined();
    expect(failure(() => reader.readSync({ timeout: 10 })).code).toBe('ETIMEDOUT');
    const read = reader.read();
    await turns(10);
    expect(await stateOf(read)).toBe('pending');
    const writer = foreignWriter(fifo.path);
    expect(await stateOf(read)).toBe('pending');
    writeSync(writer, 'first');
    expect(String(await read)).toBe('first');
    closeSync(writer);
    expect(await reader.read()).toBeNull();
    expect(reader.tryRead()).toBeNull();
    expect(reader.readSync({ timeout: patience })).toBeNull();
  });

  it('gives the end of the file when a writer comes and goes without a word', async () => {
    const fifo = newFifo();
    const reader = borrow(fifo.tryOpenReader());
    const read = reader.read();
    await turns();
    closeSync(foreignWriter(fifo.path));
    expect(await read).toBeNull();
  });

  it('has for await wait for the first writer, and end with the last', async () => {
    const fifo = newFifo();
    const reader = borrow(fifo.tryOpenReader());
    const collected = (async () => {
      let text = '';
      for await (const chunk of reader) text += chunk.toString();
      return text;
    })();
    await turns(5);
    const first = borrow(await fifo.openWriter());
    const second = borrow(await fifo.openWriter());
    await first.write('a');
    first.close();
    await second.write('b');
    await turns(5);
    expect(await stateOf(collected)).toBe('pending');
    second.close();
    expect(await collected).toBe('ab');
  });

  it('has splice() and tee() wait for the first writer too', async () => {
    const fifo = newFifo();
    const reader = borrow(fifo.tryOpenReader());
    const sink = newFifo();
    const out = borrow(sink.tryOpenReader());
    const into = borrow(await sink.openWriter());
    expect(reader.trySplice(into)).toBeUndefined();
    expect(reader.tryTee(into)).toBeUndefined();
    const moved = reader.splice(into);
    await turns(5);
    expect(await stateOf(moved)).toBe('pending');
    const writer = foreignWriter(fifo.path);
    writeSync(writer, 'moved');
    expect(await moved).toBe(5);
    closeSync(writer);
    expect(await reader.splice(into)).toBe(0);
    expect(drainPipe(out.fd).toString()).toBe('moved');
  });
});

describe('the end of the file', () => {
  it('comes when the last of several writers closes', async () => {
    const fifo = newFifo();
    const reader = borrow(fifo.tryOpenReader());
    const writers = [borrow(await fifo.openWriter()), borrow(await fifo.openWriter())];
    const read = reader.read();
    writers[0]?.close();
    await turns(5);
    expect(await stateOf(read)).toBe('pending');
    writers[1]?.close();
    expect(await read).toBeNull();
  });

  it.each([
    ['openReader()', (fifo: Fifo) => fifo.openReader({ keepOpen: true })],
    ['tryOpenReader()', (fifo: Fifo) => fifo.tryOpenReader({ keepOpen: true })],
    ['openReaderSync()', (fifo: Fifo) => fifo.openReaderSync({ keepOpen: true, timeout: patience })],
  ])('never comes with keepOpen, and %s does not wait: writers come and go', async (_name, open) => {
    const fifo = newFifo();
    const threads = waitThreads.running;
    const reader = borrow(await open(fifo));
    expect(waitThreads.running).toBe(threads);
    expect(reader.tryRead()).toBeUndefined();
    for (const text of ['one', 'two']) {
      const read = reader.read();
      const writer = foreignWriter(fifo.path);
      writeSync(writer, text);
      closeSync(writer);
      expect(String(await read)).toBe(text);
      expect(reader.tryRead()).toBeUndefined();
      expect(failure(() => reader.readSync({ timeout: 5 })).code).toBe('ETIMEDOUT');
    }
    const pending = rejection(reader.read());
    await turns(5);
    const before = descriptors();
    reader.close();
    expect(await pending).toMatchObject({ code: 'ECANCELED' });
    // Its own write end goes with it: nothing is left of the FIFO.
    await until('both ends are closed', () => descriptors() <= before - 2);
    expect(hasReader(fifo.path)).toBe(false);
  });

  it('is EPIPE for a writer when the last reader has gone', async () => {
    const fifo = newFifo();
    const reader = fifo.tryOpenReader({ keepOpen: true });
    const writer = borrow(await fifo.openWriter());
    reader.close();
    for (const write of [() => writer.writeSync('x'), () => writer.tryWrite('x'), () => writer.write('x')])
      expect(await rejection(promised<unknown>(write))).toMatchObject({ code: 'EPIPE' });
  });
});

const pendingOpens: [
  string,
  (path: string, options?: { signal?: AbortSignal }) => Promise<PipeReader | PipeWriter>,
][] = [
  ['openReader()', (path, options) => Fifo.openReader(path, options)],
  ['openWriter()', (path, options) => Fifo.openWriter(path, options)],
];

describe.each(pendingOpens)('an abort of %s', (name, open) => {
  it('before rejects with the reason and opens nothing', async () => {
    const path = foreignFifo();
    const reader = foreignReader(path);
    const before = descriptors();
    const reason = new Error('not today');
    expect(await rejection(open(path, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(descriptors()).toBe(before);
    closeSync(reader);
  });

  it('during rejects with the reason, opens nothing and frees the thread', async () => {
    const path = foreignFifo();
    await threadsAre(0);
    const before = descriptors();
    const controller = new AbortController();
    const reason = { any: 'value' };
    const ended = open(path, { signal: controller.signal }).then(
      () => 'opened',
      (error: unknown) => error,
    );
    await until('it is in the call', () => asleepIn('openat', undefined) === 1);
    expect(waitThreads.running).toBe(1);
    controller.abort(reason);
    expect(await ended).toBe(reason);
    await threadsAre(0);
    expect(hasReader(path)).toBe(false);
    await until('nothing is open', () => descriptors() <= before);
  });

  it('after changes nothing, and no listener stays on the signal', async () => {
    const path = foreignFifo();
    const controller = new AbortController();
    const opened = open(path, { signal: controller.signal });
    const other = name === 'openReader()' ? Fifo.openWriter(path) : Fifo.openReader(path);
    const end = borrow(await opened);
    borrow(await other);
    await until('the listener is gone', () => getEventListeners(controller.signal, 'abort').length === 0);
    controller.abort();
    await turns();
    expect(end.closed).toBe(false);
    expect(flagsOf(end.fd)).toBeGreaterThanOrEqual(0);
  });

  it('while the other side opens gives the end or the reason, and never leaves one open', async () => {
    const path = foreignFifo();
    const before = descriptors();
    for (let round = 0; round < 60; round++) {
      const controller = new AbortController();
      const outcome = open(path, { signal: controller.signal }).then(
        (end) => end.close(),
        (error: unknown) => {
          if (error !== controller.signal.reason) throw error;
        },
      );
      await until('it is in the call', () => asleepIn('openat', undefined) === 1);
      // Now the call succeeds, and the abort comes at about the same time.
      const side = name === 'openReader()' ? constants.O_WRONLY : constants.O_RDONLY;
      const other = openSync(path, side | constants.O_NONBLOCK);
      if (round % 3 === 0) await turns(1);
      if (round % 3 === 1) await Promise.resolve();
      controller.abort();
      await outcome;
      closeSync(other);
    }
    await threadsAre(0);
    await until('nothing is left open', () => descriptors() <= before);
    expect(hasReader(path)).toBe(false);
    expect(Fifo.tryOpenWriter(path)).toBeUndefined();
  });
});

describe('waits for the other side', () => {
  it("take threads of the package, and libuv's pool stays free", async () => {
    const paths = Array.from({ length: 16 }, foreignFifo);
    await threadsAre(0);
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
    const controller = new AbortController();
    const ended = paths.map((path) => rejection(Fifo.openWriter(path, { signal: controller.signal })));
    await threadsAre(16);
    const during = await time();
    expect(waitThreads.running).toBe(16);
    expect(during).toBeLessThanOrEqual(3 * without + 15 * scale);
    controller.abort();
    for (const error of await Promise.all(ended)) expect(error.name).toBe('AbortError');
    await threadsAre(0);
  });

  it('on a FIFO whose name is gone can still be aborted', async () => {
    const fifo = newFifo();
    const controller = new AbortController();
    const ended = rejection(fifo.openReader({ signal: controller.signal }));
    await until('it is in the call', () => asleepIn('openat', undefined) === 1);
    fifo.unlink();
    controller.abort();
    expect((await ended).name).toBe('AbortError');
    await threadsAre(0);
  });

  it('over the limit of threads reject with ERR_TOO_MANY_WAITS', async () => {
    await threadsAre(0);
    const before = waitThreads.limit;
    onTestFinished(() => {
      waitThreads.limit = before;
    });
    waitThreads.limit = 2;
    const controller = new AbortController();
    const { signal } = controller;
    const ended = [newFifo(), newFifo()].map((fifo) => rejection(fifo.openWriter({ signal })));
    await threadsAre(2);
    expect(await rejection(newFifo().openWriter({ signal }))).toMatchObject({ code: 'ERR_TOO_MANY_WAITS' });
    const met = newFifo();
    const reader = foreignReader(met.path);
    borrow(await met.openWriter({ signal })).writeSync('needs no wait');
    expect(drainPipe(reader).toString()).toBe('needs no wait');
    controller.abort();
    await Promise.all(ended);
    await threadsAre(0);
  });

  it('are not disturbed by the file that replaces the FIFO', async () => {
    const fifo = newFifo();
    const opened = fifo.openReader();
    await until('it is in the call', () => asleepIn('openat', undefined) === 1);
    // A short look is a writer like any other: the open is over.
    expect(hasReader(fifo.path)).toBe(true);
    const reader = borrow(await opened);
    rmSync(fifo.path);
    writeFileSync(fifo.path, 'a file now');
    expect(await rejection(promised(() => fifo.openReader({ timeout: 50 })))).toMatchObject({
      code: 'ERR_NOT_A_FIFO',
    });
    expect(await reader.read()).toBeNull();
  });
});
