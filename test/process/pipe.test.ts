// Pipes and FIFOs between processes: Node, C, the shell's own programs, Python.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EventFd, Fifo, Pipe } from 'unix-ipc';
import { MessageCounter } from '../fixtures/pipe-messages.js';
import {
  blocked,
  child,
  descriptors,
  drainPipe,
  folder,
  nodeChild,
  outputOf,
  patience,
  pattern,
  pipePeer,
} from '../helpers/pipe-ends.js';
import { chance } from '../helpers/chance.js';
import { compiled } from '../helpers/compile.js';
import { interrupting } from '../helpers/descriptors.js';
import { failure, rejection, systemError } from '../helpers/failures.js';
import { CAP_SYS_RESOURCE, hasCapability } from '../helpers/kernel.js';
import { type NodePeer, noSecondUser, nobody, plainEnvironment, program } from '../helpers/peers.js';
import { borrow } from '../helpers/queues.js';
import { scale, turns, until } from '../helpers/until.js';

const c = (): string => compiled('pipe-peer');

/** The path of a FIFO that nobody has opened. */
function fifoPath(): string {
  return Fifo.make(join(folder(), 'fifo')).path;
}

async function textOf(reader: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of reader) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function peerBlocks(peer: NodePeer): Promise<void> {
  await until('the peer waits in a call', () => blocked(peer.pid));
}

describe('a parent and its child', () => {
  it.each(['collect', 'collectSync'])(
    'talk as in the lecture: the parent writes, the child reads (%s), each closes the end it does not use',
    async (task) => {
      const { reader, writer } = borrow(Pipe.create());
      const running = nodeChild([reader.fd], 'pipe-child.js', task);
      reader.close();
      for (const word of ['hello ', 'from ', 'parent']) await writer.write(word);
      writer.close();
      expect(await outputOf(running)).toBe('hello from parent');
    },
  );

  it('talk the other way: the child writes, the parent reads to the end', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const running = child(['ignore', writer.fd, 'pipe'], 'echo', 'hello from child');
    writer.close();
    expect(await textOf(reader)).toBe('hello from child\n');
    expect((await running.exited).code).toBe(0);
  });

  it('give and take by cat, which reads blocking', async () => {
    const [to, from] = [borrow(Pipe.create()), borrow(Pipe.create())];
    // What has been waited for and tried before leaves the descriptors as a child wants them.
    await expect(to.reader.read({ timeout: 5 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    expect(to.reader.tryRead()).toBeUndefined();
    const running = child([to.reader.fd, from.writer.fd, 'pipe'], 'cat');
    to.reader.close();
    from.writer.close();
    const data = pattern(500_000);
    const written = to.writer.write(data).then(() => to.writer.close());
    const chunks: Buffer[] = [];
    for await (const chunk of from.reader) chunks.push(chunk);
    await written;
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
    expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it('pass data on through splice() between two programs', async () => {
    const [to, from] = [borrow(Pipe.create()), borrow(Pipe.create())];
    const source = child(['ignore', to.writer.fd, 'pipe'], c(), 'count', 1, 50_000);
    const sink = child([from.reader.fd, 'pipe', 'pipe'], 'md5sum');
    to.writer.close();
    from.reader.close();
    let moved = 0;
    for (;;) {
      const count = await to.reader.splice(from.writer);
      if (count === 0) break;
      moved += count;
    }
    from.writer.close();
    expect(moved).toBe(400_000);
    const records = Buffer.alloc(400_000);
    for (let index = 0; index < 50_000; index++) records.writeBigUInt64LE(BigInt(index), 8 * index);
    const expected = spawnSync('md5sum', {
      input: records,
      encoding: 'utf8',
      env: plainEnvironment(),
    }).stdout;
    expect(await outputOf(sink)).toBe(expected.trim());
    expect(await source.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it('talk both ways with two pipes, as promises', async () => {
    const [question, answer] = [borrow(Pipe.create()), borrow(Pipe.create())];
    const running = nodeChild([question.reader.fd, answer.writer.fd], 'pipe-child.js', 'answer');
    question.reader.close();
    answer.writer.close();
    for (let round = 0; round < 100; round++) {
      await question.writer.write(`question ${round}`);
      expect(String(await answer.reader.read())).toBe(`question ${round} answered`);
    }
    question.writer.close();
    expect(await answer.reader.read()).toBeNull();
    expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it('talk both ways with two pipes of packets, blocking', async () => {
    const [question, answer] = [0, 1].map(() => borrow(Pipe.create({ packets: true, codec: 'utf8' }))) as [
      Pipe<string>,
      Pipe<string>,
    ];
    const running = nodeChild([question.reader.fd, answer.writer.fd], 'pipe-child.js', 'answerSync');
    question.reader.close();
    answer.writer.close();
    for (let round = 0; round < 100; round++) {
      question.writer.writeSync(`question ${round}`);
      question.writer.writeSync('second');
      expect(answer.reader.readSync({ timeout: patience })).toBe(`question ${round} answered`);
      expect(answer.reader.readSync({ timeout: patience })).toBe('second answered');
    }
    question.writer.close();
    expect(answer.reader.readSync({ timeout: patience })).toBeNull();
    expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it('share no descriptor that was not given', async () => {
    const given = (): Promise<string> => outputOf(child(['ignore', 'pipe', 'pipe'], c(), 'descriptors'));
    const before = await given();
    const { reader } = borrow(Pipe.create());
    borrow(await Fifo.openReader(fifoPath(), { keepOpen: true }));
    borrow(EventFd.create());
    const read = rejection(reader.read());
    await turns();
    expect(await given()).toBe(before);
    reader.close();
    await read;
  });

  it('agree that the descriptors block, and which are packet pipes', async () => {
    const [plain, packets] = [borrow(Pipe.create()), borrow(Pipe.create({ packets: true }))];
    const read = plain.reader.read();
    await turns();
    const flags = (fd: number): Promise<string> =>
      outputOf(child(['ignore', 'pipe', 'pipe', fd], c(), 'flags', 3));
    expect(await flags(plain.reader.fd)).toBe('blocking');
    expect(await flags(plain.writer.fd)).toBe('blocking');
    expect(await flags(packets.writer.fd)).toBe('blocking packets');
    plain.writer.writeSync('x');
    expect(String(await read)).toBe('x');
  });
});

describe('a pipe that nobody reads', () => {
  it('gives EPIPE in every variant, and the program lives on', async () => {
    const { reader, writer } = borrow(Pipe.create());
    reader.close();
    const running = nodeChild([writer.fd], 'pipe-child.js', 'nobody');
    expect(await outputOf(running)).toBe('EPIPE,EPIPE,EPIPE,EPIPE');
  });

  it('gives EPIPE to a waiting writer when the reading program ends', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const running = child([reader.fd, 'pipe', 'pipe'], 'head', '-c', '100');
    reader.close();
    const error = await rejection(writer.write(Buffer.alloc(10_000_000, 'x')));
    expect(error).toMatchObject(systemError('EPIPE', 'write'));
    expect(await outputOf(running)).toBe('x'.repeat(100));
  });
});

describe('a C program', () => {
  it('reads packet by packet what is written as packets', async () => {
    const { reader, writer } = borrow(Pipe.create({ packets: true }));
    const running = child([reader.fd, 'pipe', 'pipe'], c(), 'reads', 0, 4096);
    reader.close();
    writer.writeSync('one');
    expect(writer.tryWrite('second')).toBe(6);
    await writer.write('x'.repeat(4096));
    writer.close();
    expect((await outputOf(running)).split('\n')).toEqual([
      '3 one',
      '6 second',
      `4096 ${'x'.repeat(20)}`,
      'end',
    ]);
  });

  it('answers, and waits blocking for each question', async () => {
    const [question, answer] = [borrow(Pipe.create()), borrow(Pipe.create())];
    const running = child([question.reader.fd, answer.writer.fd, 'pipe'], c(), 'reverse', 0, 1);
    question.reader.close();
    answer.writer.close();
    for (let round = 0; round < 100; round++) {
      if (round % 2 === 0) {
        await question.writer.write(`abc${round}`);
        expect(String(await answer.reader.read())).toBe(`abc${round}`.split('').reverse().join(''));
      } else {
        question.writer.writeSync('sync');
        expect(String(answer.reader.readSync({ timeout: patience }))).toBe('cnys');
      }
    }
    question.writer.close();
    expect(await answer.reader.read()).toBeNull();
    expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it('and a FIFO: it makes one, reads one, writes one', async () => {
    const path = join(folder(), 'made-in-c');
    await outputOf(program(c(), 'make-fifo', path));
    const fifo = Fifo.make(path, { exclusive: false });
    const writing = program(c(), 'write-fifo', path, 'from C');
    const reader = borrow(await fifo.openReader());
    expect(await textOf(reader)).toBe('from C');
    // While it is open, openWriter() has nobody to wait for.
    reader.close();
    await outputOf(writing);
    const reading = program(c(), 'read-fifo', path);
    const writer = borrow(await fifo.openWriter());
    await writer.write('to C');
    writer.close();
    expect(await outputOf(reading)).toBe('to C');
  });
});

describe('the shell', () => {
  it('mkfifo makes a FIFO that we read, and a redirection writes it', async () => {
    const path = join(folder(), 'fifo');
    await outputOf(program('mkfifo', '-m', '600', path));
    const running = program('sh', '-c', `echo one > '${path}'; echo two > '${path}'`);
    const reader = borrow(await Fifo.openReader(path, { keepOpen: true }));
    let text = '';
    while (!text.endsWith('two\n')) text += String(await reader.read());
    expect(text).toBe('one\ntwo\n');
    await outputOf(running);
  });

  it('cat reads a FIFO that we write, to its end', async () => {
    const path = fifoPath();
    const running = program('cat', path);
    const writer = borrow(await Fifo.openWriter(path));
    await writer.write('line\n');
    writer.writeSync('grün\n');
    writer.close();
    expect(await outputOf(running)).toBe('line\ngrün');
  });

  it('cat reads a FIFO that tryOpenWriter() opens as soon as it is there', async () => {
    const path = fifoPath();
    expect(Fifo.tryOpenWriter(path)).toBeUndefined();
    const running = program('cat', path);
    let writer = Fifo.tryOpenWriter(path);
    await until('cat has opened it', () => (writer ??= Fifo.tryOpenWriter(path)) !== undefined);
    writer?.writeSync('there');
    writer?.close();
    expect(await outputOf(running)).toBe('there');
  });

  it('head reads as much as it wants, and then there is EPIPE', async () => {
    const path = fifoPath();
    const running = program('head', '-n', 2, path);
    const writer = borrow(await Fifo.openWriter(path));
    await writer.write('one\ntwo\n');
    expect(await outputOf(running)).toBe('one\ntwo');
    for (const write of [() => writer.writeSync('three'), () => writer.tryWrite('three')])
      expect(failure(write)).toMatchObject({ code: 'EPIPE' });
    expect(await rejection(writer.write('three'))).toMatchObject({ code: 'EPIPE' });
  });

  it('timeout ends a reader in the middle: EPIPE, and a new reader is met by a new open', async () => {
    const path = fifoPath();
    const running = program('timeout', '--signal=KILL', '1', 'sh', '-c', `exec sleep 60 < '${path}'`);
    const writer = borrow(await Fifo.openWriter(path));
    expect(await rejection(writer.write(Buffer.alloc(1_000_000)))).toMatchObject({ code: 'EPIPE' });
    // The next reader has its end of the file from the last writer.
    writer.close();
    await running.exited;
    const next = program('cat', path);
    const second = borrow(await Fifo.openWriter(path));
    await second.write('for the next');
    second.close();
    expect(await outputOf(next)).toBe('for the next');
  });

  it('several programs write one FIFO, and the end comes with the last', async () => {
    const path = fifoPath();
    const writers = ['a', 'b', 'c'].map((letter) => program('sh', '-c', `echo ${letter} > '${path}'`));
    const reader = borrow(await Fifo.openReader(path));
    let text = '';
    while (text.length < 6) {
      const chunk = await reader.read();
      // Between two writers there may be none; the next one comes all the same.
      if (chunk !== null) text += chunk.toString();
      else await turns();
    }
    expect(text.trim().split('\n').sort()).toEqual(['a', 'b', 'c']);
    for (const writer of writers) await outputOf(writer);
    expect(await reader.read()).toBeNull();
  });
});

describe('Python', () => {
  const python = (script: string, ...args: string[]): ReturnType<typeof program> =>
    program('python3', '-c', script, ...args);

  it('reads by select and os.read what we write', async () => {
    const path = fifoPath();
    const running = python(
      `
import os, select, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
print('open', flush=True)
text = b''
while True:
    ready, _, _ = select.select([fd], [], [], 10)
    if not ready: sys.exit('nothing came')
    chunk = os.read(fd, 100)
    if not chunk and text: break
    text += chunk
print(text.decode())
`,
      path,
    );
    expect(await running.line()).toBe('open');
    const writer = borrow(Fifo.tryOpenWriter(path) ?? expect.unreachable('Python reads'));
    await writer.write('one ');
    writer.writeSync('two');
    writer.close();
    expect(await running.line()).toBe('one two');
    expect((await running.exited).code).toBe(0);
  });

  it('writes what we read, and is told by BrokenPipeError when we are gone', async () => {
    const path = fifoPath();
    const running = python(
      `
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
os.write(fd, b'from Python')
sys.stdin.readline()
try:
    os.write(fd, b'x')
except BrokenPipeError:
    print('broken')
`,
      path,
    );
    const reader = borrow(await Fifo.openReader(path));
    expect(String(await reader.read())).toBe('from Python');
    reader.close();
    running.write('\n');
    expect(await outputOf(running)).toBe('broken');
  });

  it('is given a pipe as a descriptor and splices it', async ({ skip }) => {
    const has =
      spawnSync('python3', ['-c', 'import os; os.splice'], { env: plainEnvironment() }).status === 0;
    skip(!has, 'this Python has no os.splice');
    const [to, from] = [borrow(Pipe.create()), borrow(Pipe.create())];
    const script = 'import os\nwhile os.splice(3, 4, 65536): pass';
    const running = child(['ignore', 'pipe', 'pipe', to.reader.fd, from.writer.fd], 'python3', '-c', script);
    to.reader.close();
    from.writer.close();
    await to.writer.write('through Python');
    to.writer.close();
    expect(await textOf(from.reader)).toBe('through Python');
    await outputOf(running);
  });
});

describe('whole messages', () => {
  it('of several processes never interleave, however they write', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const count = 400;
    const senders = ['writeSync', 'write', 'tryWrite', 'write'].map((variant, sender) =>
      nodeChild([writer.fd], 'pipe-sender.js', variant, sender, count),
    );
    writer.close();
    const counter = new MessageCounter();
    for await (const chunk of reader) counter.take(chunk);
    expect(counter.wrong).toBeUndefined();
    expect(counter.torn).toBe(0);
    expect([...counter.counts].sort(([a], [b]) => a - b)).toEqual(
      senders.map((_, sender) => [sender, count]),
    );
    for (const sender of senders) expect(await sender.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it('of C programs and of ours never interleave, at the size of PIPE_BUF', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const count = 500;
    const letters = ['a', 'b', 'c'];
    const running = letters.map((letter) =>
      child(['ignore', writer.fd, 'pipe'], c(), 'messages', 1, letter, 4096, count),
    );
    const written = (async () => {
      for (let round = 0; round < count; round++) await writer.write(Buffer.alloc(4096, 'd'));
      writer.close();
    })();
    const found = new Map<number, number>();
    let rest = Buffer.alloc(0);
    for await (const chunk of reader) {
      rest = Buffer.concat([rest, chunk]);
      for (; rest.length >= 4096; rest = rest.subarray(4096)) {
        const letter = rest[0] ?? 0;
        expect(rest.subarray(0, 4096).equals(Buffer.alloc(4096, letter))).toBe(true);
        found.set(letter, (found.get(letter) ?? 0) + 1);
      }
    }
    await written;
    expect(rest.length).toBe(0);
    expect([...found.values()]).toEqual([count, count, count, count]);
    for (const peer of running) expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it.each([
    ['C', 30],
    ['writeSync', 6],
    ['write', 6],
    ['tryWrite', 6],
  ] as const)('of a process (%s) that is killed at any moment are never torn', async (variant, rounds) => {
    const { random } = chance(`killed in the middle of ${variant}`);
    let messages = 0;
    for (let round = 0; round < rounds; round++) {
      const { reader, writer } = borrow(Pipe.create({ capacity: 4096 * (1 + Math.floor(random() * 4)) }));
      const running =
        variant === 'C'
          ? child(['ignore', writer.fd, 'pipe'], c(), 'messages', 1, 'm', 4096, -1)
          : nodeChild([writer.fd], 'pipe-sender.js', variant, 0);
      writer.close();
      const counter = new MessageCounter();
      let bytes = 0;
      let killed = false;
      const end = 20_000 + random() * 400_000;
      // The blocking variant and the promises, in turn, as the reader.
      for (;;) {
        const chunk =
          round % 2 === 0 ? await reader.read() : reader.readSync({ timeout: 10_000 * scale, size: 10_000 });
        if (chunk === null) break;
        bytes += chunk.length;
        if (variant === 'C') expect(chunk.equals(Buffer.alloc(chunk.length, 'm'))).toBe(true);
        else counter.take(chunk);
        if (bytes > end && !killed) {
          killed = true;
          const moment = performance.now() + random() * 0.3;
          while (performance.now() < moment);
          running.process.kill('SIGKILL');
        }
      }
      expect(counter.wrong).toBeUndefined();
      expect(variant === 'C' ? bytes % 4096 : counter.torn).toBe(0);
      messages += variant === 'C' ? bytes / 4096 : (counter.counts.get(0) ?? 0);
      expect((await running.exited).signal).toBe('SIGKILL');
    }
    expect(messages).toBeGreaterThan(rounds);
  });
});

describe('a program', () => {
  it('stays alive while read() waits, and ends by itself afterwards', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const running = nodeChild([reader.fd], 'pipe-child.js', 'once');
    reader.close();
    await new Promise((resolve) => running.process.stdout?.once('data', resolve));
    await writer.write('at last');
    expect(await outputOf(running)).toBe('waiting\nat last');
  });

  it('ends by itself when the wait is aborted', async () => {
    const { reader } = borrow(Pipe.create());
    expect(await outputOf(nodeChild([reader.fd], 'pipe-child.js', 'once', 'abort'))).toBe(
      'waiting\nAbortError',
    );
  });

  it('ends by process.exit(), or an error that nobody catches, while read() waits', async () => {
    const { reader } = borrow(Pipe.create());
    expect(await nodeChild([reader.fd], 'pipe-child.js', 'once', 'exit').exited).toMatchObject({
      code: 7,
      signal: null,
      stderr: '',
    });
    expect(await nodeChild([reader.fd], 'pipe-child.js', 'once', 'throw').exited).toMatchObject({
      code: 1,
      signal: null,
    });
  });

  it('that has objects open but waits for nothing ends', async () => {
    const { reader } = borrow(Pipe.create());
    expect(await outputOf(nodeChild([reader.fd], 'pipe-child.js', 'idle'))).toBe('done');
  });

  it('ends while a FIFO is being opened, by process.exit() or when that is aborted', async () => {
    const path = fifoPath();
    const open = (end: string): string =>
      `import('unix-ipc').then(({ Fifo }) => {
         const controller = new AbortController();
         Fifo.openReader(${JSON.stringify(path)}, { signal: controller.signal }).catch((error) => console.log(error.name));
         setTimeout(() => { ${end} }, 20);
       });`;
    const run = (end: string): ReturnType<typeof child> =>
      child(['ignore', 'pipe', 'pipe'], process.execPath, '-e', open(end));
    expect(await run('process.exit(7)').exited).toMatchObject({ code: 7, signal: null, stderr: '' });
    expect(await outputOf(run('controller.abort()'))).toBe('AbortError');
  });
});

describe('a signal handler', () => {
  const waits: [string, (peer: NodePeer) => Promise<unknown>, string, unknown[]][] = [
    ['readSync()', (peer) => peer.call('make', 'it', 'Pipe.create'), 'it.reader.readSync', []],
    [
      'readSync() with a time limit',
      (peer) => peer.call('make', 'it', 'Pipe.create'),
      'it.reader.readSync',
      [{ timeout: 60_000 }],
    ],
    [
      'writeSync()',
      (peer) => peer.call('make', 'it', 'Pipe.create', { capacity: 4096 }),
      'it.writer.writeSync',
      [Buffer.alloc(10_000)],
    ],
    ['waitSync()', (peer) => peer.call('make', 'it', 'EventFd.create'), 'it.waitSync', []],
  ];

  it.each(waits)(
    'that runs during %s makes it throw EINTR, and then runs',
    async (_name, make, method, args) => {
      const peer = await pipePeer();
      await make(peer);
      await peer.call('watch', 'SIGUSR2');
      const failed = peer.failure(method, ...args);
      await peerBlocks(peer);
      peer.signal('SIGUSR2');
      expect(await failed).toMatchObject({ class: 'IpcError', code: 'EINTR' });
      let signals: unknown;
      do signals = await peer.call('signals');
      while (Array.isArray(signals) && signals.length === 0);
      expect(signals).toEqual(['SIGUSR2']);
    },
  );

  const opens: [string, string, unknown[]][] = [
    ['openReaderSync()', 'it.openReaderSync', []],
    ['openReaderSync() with a time limit', 'it.openReaderSync', [{ timeout: 60_000 }]],
    ['openWriterSync()', 'it.openWriterSync', []],
  ];

  it.each(opens)(
    'without SA_RESTART that runs during %s makes it throw EINTR',
    async (_name, method, args) => {
      const peer = await pipePeer('env', interrupting());
      await peer.call('make', 'it', 'Fifo.make', join(folder(), 'fifo'));
      const failed = peer.failure(method, ...args);
      await peerBlocks(peer);
      peer.signal('SIGUSR2');
      expect(await failed).toMatchObject({ class: 'IpcError', code: 'EINTR' });
    },
  );

  it.each(opens)(
    'of process.on(), which is set with SA_RESTART, makes %s throw EINTR too',
    async (_name, method, args) => {
      const peer = await pipePeer();
      await peer.call('make', 'it', 'Fifo.make', join(folder(), 'fifo'));
      await peer.call('watch', 'SIGUSR2');
      const failed = peer.failure(method, ...args);
      await peerBlocks(peer);
      peer.signal('SIGUSR2');
      expect(await failed).toMatchObject({ class: 'IpcError', code: 'EINTR' });
    },
    3_000 * scale,
  );

  it('that runs during promises runs at once, and they go on', async () => {
    const path = fifoPath();
    const peer = await pipePeer();
    await peer.call('make', 'pipe', 'Pipe.create');
    await peer.call('make', 'event', 'EventFd.create');
    await peer.call('watch', 'SIGUSR2');
    const [read, waited] = [peer.call('pipe.reader.read'), peer.call('event.wait')];
    const opened = peer.call('make', 'writer', 'Fifo.openWriter', path);
    await peer.call('running');
    peer.signal('SIGUSR2');
    let signals: unknown;
    do signals = await peer.call('signals');
    while (Array.isArray(signals) && signals.length === 0);
    await peer.call('pipe.writer.write', 'x');
    await peer.call('event.signal', 2);
    const reader = borrow(Fifo.tryOpenReader(path));
    expect([await read, await waited, await opened]).toEqual([Buffer.from('x'), 2, 'made']);
    await peer.call('writer.write', 'after the signal');
    expect(String(await reader.read())).toBe('after the signal');
  });

  it('of none: Ctrl-C ends a program that waits in readSync()', async () => {
    const peer = await pipePeer();
    await peer.call('make', 'it', 'Pipe.create');
    const ended = rejection(peer.call('it.reader.readSync'));
    await peerBlocks(peer);
    peer.signal('SIGINT');
    await ended;
    expect((await peer.exited).signal).toBe('SIGINT');
  });
});

describe('the blocking variants', () => {
  it('wait for another process, each in its call', async () => {
    const path = fifoPath();
    const peer = await pipePeer();
    const opened = peer.call('make', 'reader', 'Fifo.openReaderSync', path);
    await peerBlocks(peer);
    const writer = borrow(await Fifo.openWriter(path));
    expect(await opened).toBe('made');
    const read = peer.call('reader.readSync');
    await peerBlocks(peer);
    await writer.write('for a sleeper');
    expect(await read).toEqual(Buffer.from('for a sleeper'));
    const ended = peer.call('reader.readSync');
    await peerBlocks(peer);
    writer.close();
    expect(await ended).toBeNull();
  });

  it('of writing wait until another process reads', async () => {
    const path = fifoPath();
    const reader = borrow(Fifo.tryOpenReader(path));
    const peer = await pipePeer();
    await peer.call('make', 'writer', 'Fifo.openWriterSync', path);
    const written = peer.call('writer.writeSync', pattern(300_000), { timeout: 60_000 });
    await peerBlocks(peer);
    const chunks: Buffer[] = [];
    while (reader.bytesRead < 300_000) chunks.push((await reader.read()) ?? Buffer.alloc(0));
    await written;
    expect(Buffer.concat(chunks).equals(pattern(300_000))).toBe(true);
  });

  it('of splice wait for data and for room', async () => {
    const path = fifoPath();
    const peer = await pipePeer();
    await peer.call('make', 'reader', 'Fifo.tryOpenReader', path);
    await peer.call('make', 'to', 'Pipe.create');
    const writer = borrow(await Fifo.openWriter(path));
    // The peer's own object can't come from here, so it is asked for by sys.
    const from = (await peer.call('reader.fd')) as number;
    const into = (await peer.call('to.writer.fd')) as number;
    const moved = peer.call('sys.splice', from, into, 100);
    await peerBlocks(peer);
    await writer.write('moved');
    expect(await moved).toBe(5);
    expect(await peer.call('to.reader.readSync')).toEqual(Buffer.from('moved'));
  });
});

describe('a FIFO', () => {
  it("of another user's gives EACCES, and the text helps", async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const place = folder();
    spawnSync('chmod', ['755', place]);
    const { path } = Fifo.make(join(place, 'fifo'), { mode: 0o600 });
    const peer = await pipePeer();
    await peer.call('become', nobody);
    for (const call of [
      'Fifo.openReaderSync',
      'Fifo.tryOpenReader',
      'Fifo.openReader',
      'Fifo.openWriterSync',
      'Fifo.tryOpenWriter',
      'Fifo.openWriter',
    ]) {
      const error = await peer.failure(call, path);
      expect(error, call).toMatchObject({ class: 'IpcError', code: 'EACCES', path });
      expect(error.message, call).toMatch(/\b0?o?600\b|permission/i);
    }
    expect(await peer.failure('Fifo.make', join(place, 'other'))).toMatchObject({ code: 'EACCES' });
    // Root's file, but one that everybody may read.
    expect(await peer.failure('Fifo.openReader', '/etc/passwd')).toMatchObject({ code: 'ERR_NOT_A_FIFO' });
  });

  it('that is read by a process that is killed gives EPIPE, and the next open waits again', async () => {
    const path = fifoPath();
    const peer = await pipePeer();
    const opened = peer.call('make', 'reader', 'Fifo.openReader', path);
    const writer = borrow(await Fifo.openWriter(path));
    await opened;
    peer.signal('SIGKILL');
    await peer.exited;
    expect(await rejection(writer.write(Buffer.alloc(100_000)))).toMatchObject({ code: 'EPIPE' });
    expect(Fifo.tryOpenWriter(path)).toBeUndefined();
  });

  it('that is written by a process that is killed gives what was written, then the end', async () => {
    const path = fifoPath();
    const peer = await pipePeer();
    const opened = peer.call('make', 'writer', 'Fifo.openWriter', path);
    const reader = borrow(await Fifo.openReader(path));
    await opened;
    await peer.call('writer.write', 'last words');
    const waiting = rejection(peer.call('writer.write', Buffer.alloc(1_000_000)));
    await until('it is in the middle', () => reader.available > 10);
    peer.signal('SIGKILL');
    await waiting;
    await peer.exited;
    let text = '';
    for await (const chunk of reader) text += chunk.toString('latin1');
    expect(text.startsWith('last words')).toBe(true);
    expect(text.length).toBeLessThan(1_000_010);
  });
});

describe('the capacity', () => {
  it('over pipe-max-size is EPERM without CAP_SYS_RESOURCE, and the text says so', async ({ skip }) => {
    const wrapper = hasCapability(CAP_SYS_RESOURCE)
      ? ['setpriv', '--bounding-set=-sys_resource', '--inh-caps=-sys_resource']
      : [];
    if (wrapper.length > 0) {
      const [command = '', ...args] = wrapper;
      const tried = spawnSync(command, [...args, 'true'], { env: plainEnvironment() });
      skip(tried.status !== 0, 'the capability can not be given up here');
    }
    const peer = await pipePeer(...wrapper);
    await peer.call('make', 'pipe', 'Pipe.create');
    for (const end of ['reader', 'writer']) {
      const error = await peer.failure(`pipe.${end}.setCapacity`, 2 ** 28);
      expect(error).toMatchObject({ class: 'IpcError', ...systemError('EPERM', 'fcntl') });
      expect(error.message).toMatch(/pipe-max-size/);
    }
    const before = await peer.call('descriptors');
    expect(await peer.failure('Pipe.create', { capacity: 2 ** 28 })).toMatchObject({ code: 'EPERM' });
    expect(await peer.call('descriptors')).toBe(before);
  });
});

it('a peer that is given both ends by number sees what is in the pipe', async () => {
  const { reader, writer } = borrow(Pipe.create());
  const before = descriptors();
  writer.writeSync('seen by both');
  expect(await outputOf(child([reader.fd, 'pipe', 'pipe'], 'head', '-c', '4'))).toBe('seen');
  expect(drainPipe(reader.fd).toString()).toBe(' by both');
  expect(descriptors()).toBe(before);
});
