// Pipe, PipeReader, PipeWriter: what each call does. What waits, in general, is in readiness.test.ts.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { EventFd, IpcError, Pipe, PipeReader, PipeWriter } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import {
  closing,
  descriptors,
  drainPipe,
  fillPipe,
  flagsOf,
  patience,
  pattern,
  target,
} from './helpers/pipe-ends.js';
import { failure, rejection, systemError } from './helpers/failures.js';
import { fixture } from './helpers/peers.js';
import { borrow } from './helpers/queues.js';
import { stateOf, turns, until } from './helpers/until.js';

const { PIPE_BUF } = sys;

/** A blocking call as a promise, so that all variants can be tested by one text. */
function promised<T>(call: () => T | Promise<T>): Promise<T> {
  return Promise.resolve().then(call);
}

/** A pipe that can hold no more than one page. */
function smallPipe(): Pipe {
  return borrow(Pipe.create({ capacity: 4096 }));
}

/** Two ends that the code under test has not made. */
function rawEnds(flags = 0): [read: number, write: number] {
  const [read, write] = sys.pipe2(flags | sys.O_CLOEXEC);
  return [closing(read), closing(write)];
}

describe('Pipe.create()', () => {
  it('gives the two ends of a new pipe', () => {
    const { reader, writer, closed } = borrow(Pipe.create());
    expect(reader).toBeInstanceOf(PipeReader);
    expect(writer).toBeInstanceOf(PipeWriter);
    expect([closed, reader.closed, writer.closed]).toEqual([false, false, false]);
    expect(target(reader.fd)).toMatch(/^pipe:/);
    expect(target(writer.fd)).toBe(target(reader.fd));
    writer.writeSync('through');
    expect(reader.readSync({ timeout: patience })).toEqual(Buffer.from('through'));
  });

  it('gives descriptors that are closed on exec and block, as a child wants them', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const looked = (): number[] => [reader.fd, writer.fd].map((fd) => flagsOf(fd) & sys.O_NONBLOCK);
    for (const { fd } of [reader, writer]) expect(flagsOf(fd) & sys.O_CLOEXEC, `flags of ${fd}`).not.toBe(0);
    expect(looked()).toEqual([0, 0]);
    const read = reader.read();
    expect(reader.tryRead({ size: 1 })).toBeUndefined();
    await turns();
    expect(looked()).toEqual([0, 0]);
    await writer.write('x');
    expect(await read).toEqual(Buffer.from('x'));
    writer.tryWrite('y');
    expect(looked()).toEqual([0, 0]);
  });

  it('makes the pipe with the capacity, rounded as the kernel does', () => {
    expect(smallPipe().reader.capacity).toBe(4096);
    const { reader, writer } = borrow(Pipe.create({ capacity: 5000 }));
    expect(reader.capacity).toBe(8192);
    expect(writer.capacity).toBe(8192);
    expect(sys.fcntl(writer.fd, sys.F_GETPIPE_SZ)).toBe(8192);
  });

  it("has the kernel's own capacity where none is given", () => {
    const { writer } = borrow(Pipe.create());
    const [, raw] = rawEnds();
    expect(writer.capacity).toBe(sys.fcntl(raw, sys.F_GETPIPE_SZ));
    expect(fillPipe(writer.fd)).toBe(writer.capacity);
  });

  it('leaves no descriptor behind where the capacity can not be had', () => {
    const before = descriptors();
    expect(failure(() => Pipe.create({ capacity: 2 ** 31 - 1 }))).toBeInstanceOf(Error);
    expect(descriptors()).toBe(before);
  });

  it('takes a codec only for packets: a byte stream has no boundaries', () => {
    const before = descriptors();
    const { create } = Pipe as unknown as { create: (options: object) => Pipe };
    for (const options of [{ codec: 'utf8' }, { codec: 'json', packets: false }]) {
      const error = failure(() => create(options));
      expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
      expect(error.message).toMatch(/packets/);
    }
    expect(descriptors()).toBe(before);
  });
});

const writes: [string, (writer: PipeWriter, data: Uint8Array | string) => unknown][] = [
  ['writeSync()', (writer, data) => writer.writeSync(data)],
  ['tryWrite()', (writer, data) => writer.tryWrite(data)],
  ['write()', (writer, data) => writer.write(data)],
];

describe.each(writes)('%s', (name, write) => {
  it('writes a string, a Buffer, or what a Uint8Array shows', async () => {
    const { reader, writer } = borrow(Pipe.create());
    await write(writer, 'grün');
    await write(writer, Buffer.from([0, 1, 255]));
    await write(writer, Uint8Array.of(9, 8, 7, 6).subarray(1, 3));
    await write(writer, '');
    expect(drainPipe(reader.fd)).toEqual(
      Buffer.concat([Buffer.from('grün'), Buffer.from([0, 1, 255, 8, 7])]),
    );
    expect(writer.bytesWritten).toBe(10);
  });

  it('gives what the variant says', async () => {
    const { writer } = borrow(Pipe.create());
    expect(await write(writer, 'four')).toBe(name === 'tryWrite()' ? 4 : undefined);
  });

  it('fails with EPIPE where no reader is left', async () => {
    const { reader, writer } = borrow(Pipe.create());
    await write(writer, 'lost with the reader');
    reader.close();
    for (const data of ['x', Buffer.alloc(100_000)]) {
      const error = await rejection(promised(() => write(writer, data)));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject(systemError('EPIPE', 'write'));
      expect(error.message).toMatch(/read/);
    }
    expect(writer.bytesWritten).toBe(20);
  });

  it('writes up to PIPE_BUF as one piece', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const data = pattern(PIPE_BUF);
    await write(writer, data);
    expect(drainPipe(reader.fd).equals(data)).toBe(true);
  });
});

describe('tryWrite()', () => {
  it('gives 0 where there is no room, and writes nothing', () => {
    const { reader, writer } = smallPipe();
    fillPipe(writer.fd);
    expect(writer.tryWrite('x')).toBe(0);
    expect(writer.tryWrite(Buffer.alloc(10_000))).toBe(0);
    expect(writer.bytesWritten).toBe(0);
    expect(reader.available).toBe(4096);
  });

  it('writes all or nothing up to PIPE_BUF', () => {
    const { reader, writer } = smallPipe();
    expect(writer.tryWrite(Buffer.alloc(4000))).toBe(4000);
    expect(writer.tryWrite(Buffer.alloc(97))).toBe(0);
    expect(writer.tryWrite(Buffer.alloc(PIPE_BUF))).toBe(0);
    expect(reader.available).toBe(4000);
    expect(writer.tryWrite(Buffer.alloc(96))).toBe(96);
    expect(writer.tryWrite('x')).toBe(0);
  });

  it('may write a part of what is longer', () => {
    const { reader, writer } = borrow(Pipe.create({ capacity: 8192 }));
    const data = pattern(20_000);
    const written = writer.tryWrite(data);
    expect(written).toBe(8192);
    expect(writer.bytesWritten).toBe(8192);
    expect(drainPipe(reader.fd).equals(data.subarray(0, 8192))).toBe(true);
    expect(writer.tryWrite(data.subarray(8192))).toBe(8192);
  });

  it('does not block on a pipe that blocks, nor on one that does not', () => {
    for (const flags of [0, sys.O_NONBLOCK]) {
      const [, fd] = rawEnds(flags);
      const writer = borrow(PipeWriter.fromFd(fd));
      fillPipe(fd);
      expect(writer.tryWrite('x')).toBe(0);
    }
  });
});

describe('write()', () => {
  it('waits until there is room', async () => {
    const { reader, writer } = smallPipe();
    fillPipe(writer.fd);
    const written = writer.write('at last');
    expect(await stateOf(written)).toBe('pending');
    drainPipe(reader.fd);
    await written;
    expect(drainPipe(reader.fd).toString()).toBe('at last');
  });

  it('writes all of what is far longer than the pipe', async () => {
    const { reader, writer } = smallPipe();
    const data = pattern(300_000);
    const written = writer.write(data);
    const chunks: Buffer[] = [];
    for await (const chunk of reader) {
      chunks.push(chunk);
      if (reader.bytesRead === data.length) break;
    }
    await written;
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
    expect(writer.bytesWritten).toBe(data.length);
  });

  it('does not mix what several calls write, however long', async () => {
    const { reader, writer } = smallPipe();
    const lengths = [9000, 10, 20_000, 1, 4096, 5000];
    const written = lengths.map((length, index) => writer.write(Buffer.alloc(length, 65 + index)));
    const expected = Buffer.concat(lengths.map((length, index) => Buffer.alloc(length, 65 + index)));
    const chunks: Buffer[] = [];
    while (reader.bytesRead < expected.length)
      chunks.push((await reader.read({ size: 777 })) ?? Buffer.alloc(0));
    await Promise.all(written);
    expect(Buffer.concat(chunks).equals(expected)).toBe(true);
  });

  it('fails with EPIPE when the last reader goes while it waits', async () => {
    const { reader, writer } = smallPipe();
    const long = rejection(writer.write(Buffer.alloc(10_000)));
    const short = rejection(writer.write('x'));
    await turns();
    reader.close();
    expect(await long).toMatchObject({ code: 'EPIPE' });
    expect(await short).toMatchObject({ code: 'EPIPE' });
  });
});

const reads: [
  string,
  (reader: PipeReader, options?: { size?: number }) => Promise<Buffer | null | undefined>,
][] = [
  ['readSync()', (reader, options) => promised(() => reader.readSync({ timeout: patience, ...options }))],
  ['tryRead()', (reader, options) => promised(() => reader.tryRead(options))],
  ['read()', (reader, options) => reader.read(options)],
  [
    'chunks()',
    async (reader, options) => {
      for await (const chunk of reader.chunks(options)) return chunk;
      return null;
    },
  ],
];

describe.each(reads)('%s', (_name, read) => {
  it('gives what is there, in order', async () => {
    const { reader, writer } = borrow(Pipe.create());
    writer.writeSync('one ');
    writer.writeSync('two');
    expect(await read(reader)).toEqual(Buffer.from('one two'));
    writer.writeSync('three');
    expect(await read(reader)).toEqual(Buffer.from('three'));
    expect(reader.bytesRead).toBe(12);
  });

  it('gives up to size bytes and leaves the rest', async () => {
    const { reader, writer } = borrow(Pipe.create());
    writer.writeSync('abcdef');
    expect(await read(reader, { size: 4 })).toEqual(Buffer.from('abcd'));
    expect(reader.available).toBe(2);
    expect(await read(reader, { size: 4 })).toEqual(Buffer.from('ef'));
  });

  it('gives up to 65536 bytes where no size is given, and more where it is asked for', async () => {
    const { reader, writer } = borrow(Pipe.create({ capacity: 2 ** 18 }));
    const data = pattern(200_000);
    writer.writeSync(data);
    const first = await read(reader);
    expect(first?.equals(data.subarray(0, 65_536))).toBe(true);
    const rest = await read(reader, { size: 1_000_000 });
    expect(rest?.equals(data.subarray(65_536))).toBe(true);
  });

  it('gives null at the end of the file, again and again, but what is there first', async () => {
    const { reader, writer } = borrow(Pipe.create());
    writer.writeSync('last');
    writer.close();
    expect(await read(reader, { size: 2 })).toEqual(Buffer.from('la'));
    expect(await read(reader)).toEqual(Buffer.from('st'));
    expect(await read(reader)).toBeNull();
    expect(await read(reader)).toBeNull();
    expect(reader.bytesRead).toBe(4);
    expect(reader.closed).toBe(false);
  });

  it('gives every chunk a Buffer of its own', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const chunks: (Buffer | null | undefined)[] = [];
    for (let index = 0; index < 300; index++) {
      writer.writeSync(`chunk ${index} ${'x'.repeat(index)}`);
      chunks.push(await read(reader));
    }
    expect(chunks.map(String)).toEqual(chunks.map((_, index) => `chunk ${index} ${'x'.repeat(index)}`));
  });
});

describe('tryRead()', () => {
  it('gives undefined where it would wait, and never waits', () => {
    expect(borrow(Pipe.create()).reader.tryRead()).toBeUndefined();
    for (const flags of [0, sys.O_NONBLOCK]) {
      const [fd] = rawEnds(flags);
      expect(borrow(PipeReader.fromFd(fd)).tryRead()).toBeUndefined();
    }
  });
});

describe('read()', () => {
  it('waits for data', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const read = reader.read();
    expect(await stateOf(read)).toBe('pending');
    writer.writeSync('at last');
    expect(await read).toEqual(Buffer.from('at last'));
  });

  it('gives null when the last writer goes while it waits', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const read = reader.read();
    await turns();
    writer.close();
    expect(await read).toBeNull();
  });
});

describe('for await', () => {
  it('gives all that is written, and ends at the end of the file', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const data = pattern(500_000);
    const written = writer.write(data).then(() => writer.close());
    const chunks: Buffer[] = [];
    for await (const chunk of reader) chunks.push(chunk);
    await written;
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
    expect(reader.closed).toBe(false);
  });

  it('of chunks({ size }) gives chunks of at most that size', async () => {
    const { reader, writer } = borrow(Pipe.create());
    writer.writeSync('abcdefgh');
    writer.close();
    const chunks: string[] = [];
    for await (const chunk of reader.chunks({ size: 3 })) chunks.push(chunk.toString());
    expect(chunks).toEqual(['abc', 'def', 'gh']);
  });

  it('left by break leaves the rest in the pipe, and the reader open', async () => {
    const { reader, writer } = borrow(Pipe.create());
    writer.writeSync('abcdef');
    for await (const chunk of reader.chunks({ size: 2 })) {
      expect(chunk.toString()).toBe('ab');
      break;
    }
    expect(reader.readSync({ timeout: patience })?.toString()).toBe('cdef');
  });

  it('ends when the reader is closed in its body, and leaves the rest', async () => {
    const [fd, write] = rawEnds();
    const reader = borrow(PipeReader.fromFd(sys.dup(fd)));
    writeSync(write, 'abcdef');
    const chunks: string[] = [];
    for await (const chunk of reader.chunks({ size: 2 })) {
      chunks.push(chunk.toString());
      reader.close();
    }
    expect(chunks).toEqual(['ab']);
    expect(drainPipe(fd).toString()).toBe('cdef');
  });
});

describe('available', () => {
  it('is the number of bytes that can be read now', () => {
    const { reader, writer } = borrow(Pipe.create());
    expect(reader.available).toBe(0);
    writer.writeSync('12345');
    expect(reader.available).toBe(5);
    reader.readSync({ size: 2, timeout: patience });
    expect(reader.available).toBe(3);
    expect(sys.fionread(reader.fd)).toBe(3);
    writer.close();
    expect(reader.available).toBe(3);
  });
});

describe('the capacity', () => {
  it('can be set at both ends, and the real one comes back', () => {
    const { reader, writer } = borrow(Pipe.create());
    expect(reader.setCapacity(8192)).toBe(8192);
    expect(writer.capacity).toBe(8192);
    expect(writer.setCapacity(8193)).toBe(16_384);
    expect(reader.capacity).toBe(16_384);
    expect(sys.fcntl(reader.fd, sys.F_GETPIPE_SZ)).toBe(16_384);
  });

  it('is what fits in', () => {
    const { reader, writer } = borrow(Pipe.create());
    writer.setCapacity(131_072);
    expect(fillPipe(writer.fd)).toBe(131_072);
    expect(reader.available).toBe(131_072);
  });

  it.each([
    ['reader', ({ reader }: Pipe) => reader],
    ['writer', ({ writer }: Pipe) => writer],
  ])('can not be made smaller than what is inside, by the %s: EBUSY', (_name, end) => {
    const pipe = borrow(Pipe.create());
    pipe.writer.writeSync(Buffer.alloc(20_000));
    const error = failure(() => end(pipe).setCapacity(4096));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ ...systemError('EBUSY', 'fcntl') });
    expect(error.message).toContain('4096');
    expect(pipe.reader.available).toBe(20_000);
  });
});

describe('packets', () => {
  const packetPipe = (): Pipe => borrow(Pipe.create({ packets: true }));

  it.each(writes)(
    'by %s: each write is one packet, and each read takes exactly one',
    async (_name, write) => {
      const { reader, writer } = packetPipe();
      for (const data of ['a', 'bb', 'ccc']) await write(writer, data);
      expect(String(reader.readSync({ timeout: patience }))).toBe('a');
      expect(String(reader.tryRead())).toBe('bb');
      expect(String(await reader.read())).toBe('ccc');
      expect(reader.tryRead()).toBeUndefined();
      expect(reader.bytesRead).toBe(6);
    },
  );

  it.each(writes)('by %s: of PIPE_BUF bytes go through, of more are EMSGSIZE', async (_name, write) => {
    const { reader, writer } = packetPipe();
    const data = pattern(PIPE_BUF);
    await write(writer, data);
    const error = await rejection(promised(() => write(writer, Buffer.alloc(PIPE_BUF + 1))));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EMSGSIZE' });
    expect(error.message).toContain('4097');
    expect(error.message).toContain('4096');
    expect(reader.readSync({ timeout: patience })?.equals(data)).toBe(true);
    expect(reader.tryRead()).toBeUndefined();
  });

  it.each(writes)('by %s: are never empty, for a read of 0 bytes is the end', async (_name, write) => {
    const { reader, writer } = packetPipe();
    for (const data of ['', new Uint8Array(0)]) {
      const error = await rejection(promised(() => write(writer, data)));
      expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
    }
    expect(reader.tryRead()).toBeUndefined();
  });

  it('are cut where the read is smaller, as pipe(2) says, and the next read takes the next one', async () => {
    const { reader, writer } = packetPipe();
    for (const data of ['abcdef', 'next', 'uvwxyz', 'last']) writer.writeSync(data);
    expect(String(reader.readSync({ size: 3, timeout: patience }))).toBe('abc');
    expect(String(reader.readSync({ timeout: patience }))).toBe('next');
    expect(String(await reader.read({ size: 3 }))).toBe('uvw');
    expect(String(reader.tryRead())).toBe('last');
  });

  it('end with the end of the file', async () => {
    const { reader, writer } = packetPipe();
    for (const data of ['a', 'b']) await writer.write(data);
    writer.close();
    const packets: string[] = [];
    for await (const packet of reader) packets.push(packet.toString());
    expect(packets).toEqual(['a', 'b']);
  });

  it('are as many as the pipe has pages', async () => {
    const { reader, writer } = borrow(Pipe.create({ packets: true, capacity: 8192 }));
    expect(writer.tryWrite('1')).toBe(1);
    expect(writer.tryWrite('2')).toBe(1);
    expect(writer.tryWrite('3')).toBe(0);
    const written = writer.write('3');
    expect(await stateOf(written)).toBe('pending');
    expect(String(reader.readSync({ timeout: patience }))).toBe('1');
    await written;
    expect(String(reader.readSync({ timeout: patience }))).toBe('2');
    expect(String(reader.readSync({ timeout: patience }))).toBe('3');
  });

  it('go through descriptors that were made elsewhere', async () => {
    const [read, write] = rawEnds(sys.O_DIRECT);
    const reader = borrow(PipeReader.fromFd(read, { packets: true, codec: 'utf8' }));
    const writer = borrow(PipeWriter.fromFd(write, { packets: true, codec: 'utf8' }));
    await writer.write('one');
    writer.writeSync('two');
    expect([reader.readSync({ timeout: patience }), reader.tryRead()]).toEqual(['one', 'two']);
  });

  it('go through a descriptor of a pipe that was no packet pipe', () => {
    const [read, write] = rawEnds();
    const reader = borrow(PipeReader.fromFd(read, { packets: true }));
    const writer = borrow(PipeWriter.fromFd(write, { packets: true }));
    writer.writeSync('one');
    writer.writeSync('two');
    expect(
      [reader.readSync({ timeout: patience }), reader.readSync({ timeout: patience })].map(String),
    ).toEqual(['one', 'two']);
  });
});

describe('a codec', () => {
  it("'utf8' makes strings of packets", async () => {
    const { reader, writer } = borrow(Pipe.create({ packets: true, codec: 'utf8' }));
    await writer.write('grün');
    writer.writeSync('blau');
    expect(writer.tryWrite('rot')).toBe(3);
    expect(reader.readSync({ timeout: patience })).toBe('grün');
    expect(await reader.read()).toBe('blau');
    expect(reader.tryRead()).toBe('rot');
    expect(reader.tryRead()).toBeUndefined();
    writer.close();
    expect(reader.readSync({ timeout: patience })).toBeNull();
  });

  it("'json' makes values of packets", async () => {
    const { reader, writer } = borrow(Pipe.create({ packets: true, codec: 'json' }));
    const values = [{ item: 'tea', cups: 2 }, [1, 'two'], 'text', 0, false];
    for (const value of values) await writer.write(value);
    writer.close();
    const received: unknown[] = [];
    for await (const value of reader) received.push(value);
    expect(received).toEqual(values);
  });

  it('of the caller makes what it makes', () => {
    const codec = {
      encode: (value: bigint) => Buffer.from(value.toString(16), 'hex'),
      decode: (data: Buffer) => BigInt(`0x${data.toString('hex')}`),
    };
    const { reader, writer } = borrow(Pipe.create({ packets: true, codec }));
    writer.writeSync(0x1234_5678_9abc_def0n);
    expect(reader.readSync({ timeout: patience })).toBe(0x1234_5678_9abc_def0n);
  });

  it('that makes too much, or nothing, is refused like such data', () => {
    const { reader, writer } = borrow(Pipe.create({ packets: true, codec: 'utf8' }));
    expect(failure(() => writer.writeSync('ü'.repeat(2049)))).toMatchObject({ code: 'EMSGSIZE' });
    expect(failure(() => writer.writeSync(''))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(reader.tryRead()).toBeUndefined();
  });

  it.each(['readSync', 'tryRead', 'read', 'chunks'] as const)(
    'that can not read a packet gives ERR_DECODE with the bytes, by %s(), and the next packet follows',
    async (name) => {
      const [read, write] = rawEnds(sys.O_DIRECT);
      const reader = borrow(PipeReader.fromFd(read, { packets: true, codec: 'json' as 'utf8' }));
      writeSync(write, '{ no json');
      writeSync(write, '"good"');
      const calls = {
        readSync: () => reader.readSync({ timeout: patience }),
        tryRead: () => reader.tryRead(),
        read: () => reader.read(),
        chunks: async () => ((await reader.chunks().next()) as { value: string }).value,
      };
      const error = await rejection(promised<unknown>(calls[name]));
      expect(error).toMatchObject({ code: 'ERR_DECODE', data: Buffer.from('{ no json') });
      expect(await calls[name]()).toBe('good');
    },
  );
});

describe('fromFd()', () => {
  it('adopts the ends of a pipe', async () => {
    const [read, write] = sys.pipe2(sys.O_CLOEXEC);
    const reader = borrow(PipeReader.fromFd(read));
    const writer = borrow(PipeWriter.fromFd(write));
    expect([reader.fd, writer.fd]).toEqual([read, write]);
    await writer.write('adopted');
    expect(String(await reader.read())).toBe('adopted');
    reader.close();
    writer.close();
    expect([target(read), target(write)]).toEqual([undefined, undefined]);
  });

  it('refuses the wrong end and leaves it open', () => {
    const [read, write] = rawEnds();
    for (const adopt of [() => PipeReader.fromFd(write), () => PipeWriter.fromFd(read)]) {
      const error = failure(adopt);
      expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
      expect(error.message).toMatch(/read|write/);
    }
    expect(target(read)).toMatch(/^pipe:/);
    expect(target(write)).toMatch(/^pipe:/);
  });

  it('refuses what is no pipe and leaves it open', () => {
    const event = borrow(EventFd.create());
    const file = closing(openSync(fixture('peer.js'), 'r'));
    const device = closing(openSync('/dev/null', 'r+'));
    for (const fd of [event.fd, file, device]) {
      for (const adopt of [() => PipeReader.fromFd(fd), () => PipeWriter.fromFd(fd)])
        expect(failure(adopt)).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
      expect(target(fd)).toBeDefined();
    }
  });

  it('fails with EBADF where the descriptor is not open', () => {
    const [read, write] = rawEnds();
    closeSync(read);
    closeSync(write);
    for (const adopt of [() => PipeReader.fromFd(read), () => PipeWriter.fromFd(write)]) {
      const error = failure(adopt);
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject({ code: 'EBADF' });
    }
  });

  it('adopts a descriptor that does not block, and calls that wait still wait', async () => {
    const [read, write] = rawEnds(sys.O_NONBLOCK);
    const reader = borrow(PipeReader.fromFd(read));
    const writer = borrow(PipeWriter.fromFd(write));
    expect(failure(() => reader.readSync({ timeout: 10 })).code).toBe('ETIMEDOUT');
    const pending = reader.read();
    expect(await stateOf(pending)).toBe('pending');
    await writer.write('x');
    expect(String(await pending)).toBe('x');
    fillPipe(write);
    expect(failure(() => writer.writeSync('y', { timeout: 10 })).code).toBe('ETIMEDOUT');
    const written = writer.write('y');
    expect(await stateOf(written)).toBe('pending');
    drainPipe(read);
    await written;
    expect(drainPipe(read).toString()).toBe('y');
  });
});

describe('release()', () => {
  it('gives the descriptor back, open, and ends the object', async () => {
    const { reader, writer } = Pipe.create();
    const [read, write] = [reader.fd, writer.fd];
    const pending = rejection(reader.read());
    await turns();
    expect([reader.release(), writer.release()]).toEqual([read, write]);
    closing(read);
    closing(write);
    expect(await pending).toMatchObject({ code: 'ECANCELED' });
    expect([reader.closed, writer.closed]).toEqual([true, true]);
    reader.close();
    writer.close();
    writeSync(write, 'still a pipe');
    const memory = Buffer.alloc(20);
    expect(memory.toString('utf8', 0, readSync(read, memory))).toBe('still a pipe');
    expect(failure(() => reader.release())).toMatchObject({ code: 'ERR_INVALID_STATE' });
  });

  it('lets another object adopt the descriptor', async () => {
    const pipe = borrow(Pipe.create());
    const reader = borrow(PipeReader.fromFd(pipe.reader.release()));
    const read = reader.read();
    await pipe.writer.write('to the heir');
    expect(String(await read)).toBe('to the heir');
  });
});

describe('close()', () => {
  it('closes the descriptor, once', () => {
    const { reader, writer } = Pipe.create();
    const [read, write] = [reader.fd, writer.fd];
    reader.close();
    writer.close();
    expect([target(read), target(write)]).toEqual([undefined, undefined]);
    // The numbers are others' now.
    const others = rawEnds();
    reader.close();
    writer.close();
    expect(others.map(target)).toEqual([expect.stringMatching('pipe:'), expect.stringMatching('pipe:')]);
  });

  it('of the Pipe closes both ends, also where one is closed already', () => {
    for (const first of [
      () => undefined,
      (pipe: Pipe) => pipe.reader.close(),
      (pipe: Pipe) => pipe.writer.close(),
    ]) {
      const pipe = Pipe.create();
      const [read, write] = [pipe.reader.fd, pipe.writer.fd];
      first(pipe);
      pipe.close();
      pipe.close();
      expect([pipe.closed, pipe.reader.closed, pipe.writer.closed]).toEqual([true, true, true]);
      expect([target(read), target(write)]).toEqual([undefined, undefined]);
    }
  });

  it('is what using does', () => {
    let ends: Pipe;
    {
      using pipe = Pipe.create();
      using reader = PipeReader.fromFd(sys.dup(pipe.reader.fd));
      using writer = PipeWriter.fromFd(sys.dup(pipe.writer.fd));
      writer.writeSync('x');
      expect(String(reader.readSync({ timeout: patience }))).toBe('x');
      ends = pipe;
    }
    expect(ends.closed).toBe(true);
  });

  it('makes every later call throw ERR_INVALID_STATE', async () => {
    const { reader, writer } = Pipe.create();
    const other = borrow(Pipe.create());
    reader.close();
    writer.close();
    const before = descriptors();
    const calls: Record<string, () => unknown> = {
      readSync: () => reader.readSync({ timeout: patience }),
      tryRead: () => reader.tryRead(),
      read: () => reader.read(),
      available: () => reader.available,
      'capacity of the reader': () => reader.capacity,
      'setCapacity of the reader': () => reader.setCapacity(4096),
      'stream of the reader': () => reader.stream(),
      'release of the reader': () => reader.release(),
      spliceSync: () => reader.spliceSync(other.writer),
      trySplice: () => reader.trySplice(other.writer),
      splice: () => reader.splice(other.writer),
      teeSync: () => reader.teeSync(other.writer),
      tryTee: () => reader.tryTee(other.writer),
      tee: () => reader.tee(other.writer),
      'spliceSync into a closed writer': () => other.reader.spliceSync(writer),
      'trySplice into a closed writer': () => other.reader.trySplice(writer),
      'splice into a closed writer': () => other.reader.splice(writer),
      'tee into a closed writer': () => other.reader.tee(writer),
      writeSync: () => writer.writeSync('x'),
      tryWrite: () => writer.tryWrite('x'),
      write: () => writer.write('x'),
      'capacity of the writer': () => writer.capacity,
      'setCapacity of the writer': () => writer.setCapacity(4096),
      'stream of the writer': () => writer.stream(),
      'release of the writer': () => writer.release(),
    };
    for (const [name, call] of Object.entries(calls))
      expect((await rejection(promised(call))).code, name).toBe('ERR_INVALID_STATE');
    expect(descriptors()).toBe(before);
  });

  it('leaves the counts of what went through', () => {
    const { reader, writer } = Pipe.create();
    writer.writeSync('four');
    reader.readSync({ timeout: patience });
    writer.close();
    reader.close();
    expect([reader.bytesRead, writer.bytesWritten]).toEqual([4, 4]);
  });
});

describe('a time limit in the middle of a write', () => {
  it.each([
    ['writeSync()', (writer: PipeWriter, data: Buffer) => writer.writeSync(data, { timeout: 20 })],
    ['write()', (writer: PipeWriter, data: Buffer) => writer.write(data, { timeout: 20 })],
  ])('of %s tells how much was written', async (_name, write) => {
    const { reader, writer } = borrow(Pipe.create({ capacity: 8192 }));
    const data = pattern(20_000);
    await writer.write('first ');
    const error = await rejection(promised(() => write(writer, data)));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ETIMEDOUT' });
    const { bytesWritten } = error as unknown as { bytesWritten: number };
    expect(bytesWritten).toBeGreaterThanOrEqual(4096);
    expect(writer.bytesWritten).toBe(6 + bytesWritten);
    const inside = drainPipe(reader.fd);
    expect(inside.length).toBe(6 + bytesWritten);
    expect(inside.subarray(6).equals(data.subarray(0, bytesWritten))).toBe(true);
    // The rest can be written by another call.
    const rest = writer.write(data.subarray(bytesWritten));
    const chunks: Buffer[] = [];
    while (reader.bytesRead < data.length - bytesWritten)
      chunks.push((await reader.read()) ?? Buffer.alloc(0));
    await rest;
    expect(Buffer.concat(chunks).equals(data.subarray(bytesWritten))).toBe(true);
  });

  it('of up to PIPE_BUF bytes never comes: nothing is written', async () => {
    const { reader, writer } = smallPipe();
    writer.writeSync(Buffer.alloc(2000));
    for (const write of [
      () => writer.writeSync(Buffer.alloc(4096), { timeout: 10 }),
      () => writer.write(Buffer.alloc(4096), { timeout: 10 }),
    ]) {
      const error = (await rejection(promised(write))) as { code?: string; bytesWritten?: number };
      expect(error.code).toBe('ETIMEDOUT');
      expect(error.bytesWritten ?? 0).toBe(0);
    }
    expect(writer.bytesWritten).toBe(2000);
    expect(reader.available).toBe(2000);
  });

  it('as an abort: the writer counts what was written', async () => {
    const { reader, writer } = borrow(Pipe.create({ capacity: 8192 }));
    const controller = new AbortController();
    const data = pattern(20_000);
    const ended = rejection(writer.write(data, { signal: controller.signal }));
    await until('the pipe is full', () => reader.available === 8192);
    await turns();
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await ended).toBe(reason);
    expect(writer.bytesWritten).toBe(8192);
    expect(drainPipe(reader.fd).equals(data.subarray(0, 8192))).toBe(true);
    await writer.write('goes on');
    expect(drainPipe(reader.fd).toString()).toBe('goes on');
  });
});

type Move = (from: PipeReader, to: PipeWriter, size?: number) => Promise<number | undefined>;
const sized = (size: number | undefined): { size?: number } => (size === undefined ? {} : { size });
const splices: [string, Move][] = [
  [
    'spliceSync()',
    (from, to, size) => promised(() => from.spliceSync(to, { timeout: patience, ...sized(size) })),
  ],
  ['trySplice()', (from, to, size) => promised(() => from.trySplice(to, sized(size)))],
  ['splice()', (from, to, size) => from.splice(to, sized(size))],
];
const tees: [string, Move][] = [
  ['teeSync()', (from, to, size) => promised(() => from.teeSync(to, { timeout: patience, ...sized(size) }))],
  ['tryTee()', (from, to, size) => promised(() => from.tryTee(to, sized(size)))],
  ['tee()', (from, to, size) => from.tee(to, sized(size))],
];

describe.each(splices)('%s', (_name, splice) => {
  it('moves what is there into the other pipe', async () => {
    const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create())];
    const data = pattern(30_000);
    from.writer.writeSync(data);
    let moved = 0;
    while (moved < data.length) moved += (await splice(from.reader, to.writer)) ?? 0;
    expect(moved).toBe(data.length);
    expect(from.reader.available).toBe(0);
    expect(drainPipe(to.reader.fd).equals(data)).toBe(true);
  });

  it('moves up to size bytes and leaves the rest', async () => {
    const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create())];
    from.writer.writeSync('abcdef');
    expect(await splice(from.reader, to.writer, 4)).toBe(4);
    expect(drainPipe(to.reader.fd).toString()).toBe('abcd');
    expect(drainPipe(from.reader.fd).toString()).toBe('ef');
  });

  it('gives 0 at the end of the file', async () => {
    const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create())];
    from.writer.writeSync('x');
    from.writer.close();
    expect(await splice(from.reader, to.writer)).toBe(1);
    expect(await splice(from.reader, to.writer)).toBe(0);
  });

  it('fails with EPIPE where nobody reads the other pipe', async () => {
    const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create())];
    from.writer.writeSync('stays');
    to.reader.close();
    const error = await rejection(splice(from.reader, to.writer));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject(systemError('EPIPE', 'splice'));
    expect(drainPipe(from.reader.fd).toString()).toBe('stays');
  });

  it('fails with EINVAL into the pipe itself', async () => {
    const { reader, writer } = borrow(Pipe.create());
    writer.writeSync('x');
    const error = await rejection(splice(reader, writer));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject(systemError('EINVAL', 'splice'));
  });

  it('refuses what is no PipeWriter', async () => {
    const { reader, writer } = borrow(Pipe.create());
    writer.writeSync('stays');
    for (const wrong of [undefined, null, writer.fd, {}, reader, new Socket()]) {
      const error = await rejection(splice(reader, wrong as PipeWriter));
      expect(error, typeof wrong).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    }
    expect(reader.available).toBe(5);
  });

  it('leaves no wait behind when it has moved something', async () => {
    const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create())];
    for (const text of ['a', 'b', 'c']) {
      from.writer.writeSync(text);
      expect(await splice(from.reader, to.writer)).toBe(1);
    }
    expect(drainPipe(to.reader.fd).toString()).toBe('abc');
  });
});

describe.each(tees)('%s', (_name, tee) => {
  it('copies what is there and leaves it', async () => {
    const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create())];
    const data = pattern(20_000);
    from.writer.writeSync(data);
    expect(await tee(from.reader, to.writer)).toBe(data.length);
    expect(drainPipe(to.reader.fd).equals(data)).toBe(true);
    expect(drainPipe(from.reader.fd).equals(data)).toBe(true);
    expect(from.reader.bytesRead).toBe(0);
  });

  it('copies up to size bytes', async () => {
    const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create())];
    from.writer.writeSync('abcdef');
    expect(await tee(from.reader, to.writer, 3)).toBe(3);
    expect(drainPipe(to.reader.fd).toString()).toBe('abc');
    expect(from.reader.available).toBe(6);
  });

  it('gives 0 at the end of the file', async () => {
    const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create())];
    from.writer.close();
    expect(await tee(from.reader, to.writer)).toBe(0);
  });

  it('fails with EPIPE where nobody reads the other pipe', async () => {
    const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create())];
    from.writer.writeSync('stays');
    to.reader.close();
    const error = await rejection(tee(from.reader, to.writer));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject(systemError('EPIPE', 'tee'));
    expect(from.reader.available).toBe(5);
  });
});

describe('splice and tee', () => {
  it.each([
    ['trySplice()', (from: PipeReader, to: PipeWriter) => from.trySplice(to)],
    ['tryTee()', (from: PipeReader, to: PipeWriter) => from.tryTee(to)],
  ])('as %s give undefined where they would wait', (_name, move) => {
    const [from, to] = [borrow(Pipe.create()), borrow(Pipe.create())];
    expect(move(from.reader, to.writer)).toBeUndefined();
    from.writer.writeSync('stays');
    fillPipe(to.writer.fd);
    expect(move(from.reader, to.writer)).toBeUndefined();
    expect(from.reader.available).toBe(5);
  });

  it('make what tee(1) makes: the data goes on, and a copy beside it', async () => {
    const [source, copy, sink] = [borrow(Pipe.create()), borrow(Pipe.create()), borrow(Pipe.create())];
    const data = pattern(400_000);
    const written = source.writer.write(data).then(() => source.writer.close());
    const collect = async (reader: PipeReader): Promise<Buffer> => {
      const chunks: Buffer[] = [];
      for await (const chunk of reader) chunks.push(chunk);
      return Buffer.concat(chunks);
    };
    const collected = [collect(copy.reader), collect(sink.reader)];
    for (;;) {
      const copied = await source.reader.tee(copy.writer);
      if (copied === 0) break;
      for (let left = copied; left > 0;) left -= await source.reader.splice(sink.writer, { size: left });
    }
    await written;
    copy.writer.close();
    sink.writer.close();
    for (const copied of await Promise.all(collected)) expect(copied.equals(data)).toBe(true);
  });
});

describe('stream()', () => {
  it('of a reader is a net.Socket that owns the descriptor and only reads', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const { fd } = reader;
    const pending = rejection(reader.read());
    await turns();
    const stream = reader.stream();
    expect(stream).toBeInstanceOf(Socket);
    expect([stream.readable, stream.writable]).toEqual([true, false]);
    expect(reader.closed).toBe(true);
    expect(await pending).toMatchObject({ code: 'ECANCELED' });
    expect(failure(() => reader.tryRead())).toMatchObject({ code: 'ERR_INVALID_STATE' });
    reader.close();
    expect(target(fd)).toMatch(/^pipe:/);
    writer.writeSync('as a stream');
    writer.close();
    expect(await textOf(stream)).toBe('as a stream');
    await until('the descriptor is closed', () => target(fd) === undefined);
  });

  it('of a writer is a net.Socket that owns the descriptor and only writes', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const { fd } = writer;
    const stream = writer.stream();
    expect(stream).toBeInstanceOf(Socket);
    expect([stream.readable, stream.writable]).toEqual([false, true]);
    expect(writer.closed).toBe(true);
    expect(failure(() => writer.tryWrite('x'))).toMatchObject({ code: 'ERR_INVALID_STATE' });
    stream.write('as a stream');
    stream.end();
    let text = '';
    for await (const chunk of reader) text += chunk.toString();
    expect(text).toBe('as a stream');
    await until('the descriptor is closed', () => target(fd) === undefined);
  });

  it('of a reader takes no more than it is asked for, and the writer waits', async () => {
    const { reader, writer } = smallPipe();
    const stream = reader.stream();
    stream.pause();
    const data = pattern(1_000_000);
    const written = writer.write(data).then(() => writer.close());
    await until('the writer waits', () => writer.bytesWritten > 0);
    await turns(20);
    expect(await stateOf(written)).toBe('pending');
    // What a stream takes ahead, and the pipe itself, are far less than all.
    expect(writer.bytesWritten).toBeLessThan(500_000);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    await written;
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
  });

  it('of a writer makes its caller wait for drain', async () => {
    const { reader, writer } = smallPipe();
    const stream = writer.stream();
    const data = pattern(200_000);
    let drains = 0;
    stream.on('drain', () => drains++);
    expect(stream.write(data.subarray(0, 100_000))).toBe(false);
    await turns(20);
    expect(drains).toBe(0);
    expect(reader.available).toBe(4096);
    const chunks: Buffer[] = [];
    while (reader.bytesRead < 100_000) chunks.push((await reader.read()) ?? Buffer.alloc(0));
    await until('drain', () => drains === 1);
    stream.end(data.subarray(100_000));
    for await (const chunk of reader) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
  });

  it('of a writer has an EPIPE as its error when the reader goes', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const stream = writer.stream();
    const failed = new Promise<Error & { code?: string }>((resolve) => stream.once('error', resolve));
    reader.close();
    stream.write('x');
    expect((await failed).code).toBe('EPIPE');
    await until('it is closed', () => stream.destroyed);
  });

  it('of both ends of one pipe talk to each other', async () => {
    const { reader, writer } = borrow(Pipe.create());
    const [from, to] = [writer.stream(), reader.stream()];
    from.end('hello');
    expect(await textOf(to)).toBe('hello');
  });
});

describe('spin', () => {
  it('changes nothing but the time', async () => {
    const { reader, writer } = borrow(Pipe.create({ spin: 200, capacity: 4096 }));
    expect(failure(() => reader.readSync({ timeout: 2 })).code).toBe('ETIMEDOUT');
    expect((await rejection(reader.read({ timeout: 2 }))).code).toBe('ETIMEDOUT');
    const read = reader.read();
    writer.writeSync('x');
    expect(String(await read)).toBe('x');
    writer.writeSync('y');
    expect(String(reader.readSync({ timeout: patience }))).toBe('y');
    fillPipe(writer.fd);
    expect(failure(() => writer.writeSync('z', { timeout: 2 })).code).toBe('ETIMEDOUT');
    expect(writer.bytesWritten).toBe(2);
  });
});
