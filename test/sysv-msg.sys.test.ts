// The calls of <sys/ipc.h> and <sys/msg.h> one by one: what they do, and a table of their errors.
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from './helpers/compile.js';
import { type Failure, failure, systemError } from './helpers/failures.js';
import {
  asleepIn,
  changeSetting,
  mayExceedLimits,
  queueRow,
  queueRows,
  setting,
  settingsAreFixed,
} from './helpers/kernel.js';
import {
  fixture,
  nobody,
  nodePeer,
  noSecondUser,
  otherUser,
  program,
  unprivileged,
} from './helpers/peers.js';
import { drain, fill, ownId, privateId, removedId, unusedKey } from './helpers/queues.js';
import { until } from './helpers/until.js';

const { IPC_CREAT, IPC_EXCL, IPC_INFO, IPC_NOWAIT, IPC_PRIVATE, IPC_RMID, IPC_SET, IPC_STAT } = sys;
const { MSG_COPY, MSG_EXCEPT, MSG_INFO, MSG_NOERROR, MSG_STAT, MSG_STAT_ANY } = sys;

/** The statistics of a queue, where the overloads of msgctl can't tell which structure comes back. */
function stat(msqid: number): sys.msqid_ds {
  return sys.msgctl(msqid, IPC_STAT) as sys.msqid_ds;
}

function info(cmd: number): sys.msginfo & { maxid: number } {
  return sys.msgctl(0, cmd) as sys.msginfo & { maxid: number };
}

/** The index of a queue in the kernel's table, which MSG_STAT takes in the place of its id. */
function indexOf(msqid: number): number {
  for (let index = 0; index <= info(IPC_INFO).maxid; index++) {
    try {
      if ((sys.msgctl(index, MSG_STAT_ANY) as { id?: number }).id === msqid) return index;
    } catch (error) {
      if ((error as Failure).code !== 'EINVAL') throw error;
    }
  }
  throw new Error(`no index for ${msqid}`);
}

/** Calls made from JavaScript programs, where no type stops a wrong argument. */
const loose = sys as unknown as Record<
  'ftok' | 'msgget' | 'msgsnd' | 'msgrcv' | 'msgctl',
  (...args: unknown[]) => unknown
>;

const wrongTypes: [string, unknown][] = [
  ['a string', '1'],
  ['a boolean', true],
  ['null', null],
  ['an object', {}],
  ['an array', [1]],
  ['a function', () => 1],
  ['a symbol', Symbol('1')],
  ['an object with valueOf', { valueOf: () => 1 }],
];
const notInts: [string, number][] = [
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['a fraction', 1.5],
  ['2^31', 2 ** 31],
  ['-2^31 - 1', -(2 ** 31) - 1],
  ['2^53', 2 ** 53],
  ['the largest double', Number.MAX_VALUE],
];
const notUnsignedLongs: [string, number][] = [
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['a fraction', 0.5],
  ['-1', -1],
  ['-2^53', -(2 ** 53)],
];

describe('constants', () => {
  it('are those of the headers that a C program is compiled with', async () => {
    const peer = program(compiled('sysv-msg-peer'), 'constants');
    const { code, stdout } = await peer.exited;
    expect(code).toBe(0);
    const header = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line): [string, number] => {
          const [name = '', value] = line.split(' ');
          return [name, Number(value)];
        }),
    );
    expect(Object.keys(header)).toHaveLength(14);
    expect(sys).toMatchObject(header);
  });
});

describe('ftok', () => {
  let folder: string;
  let file: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'unix-ipc-ftok-'));
    file = join(folder, 'file');
    writeFileSync(file, '');
    symlinkSync(file, join(folder, 'link'));
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([0, 1, 65, 127, 128, 255, 256 + 65, -1, 2 ** 31 - 1, -(2 ** 31)])(
    'makes the key of inode, device and the low 8 bits of projId %d',
    (projId) => {
      const { ino, dev } = statSync(file, { bigint: true });
      const key = (BigInt(projId & 0xff) << 24n) | ((dev & 0xffn) << 16n) | (ino & 0xffffn);
      expect(sys.ftok(file, projId)).toBe(Number(BigInt.asIntN(32, key)));
    },
  );

  it('takes a string of one ASCII character for its code', () => {
    expect(sys.ftok(file, 'A')).toBe(sys.ftok(file, 65));
    expect(sys.ftok(file, '~')).toBe(sys.ftok(file, 126));
  });

  it('gives a C program and Perl the same key', async () => {
    const c = await program(compiled('sysv-msg-peer'), 'ftok', folder, 200).exited;
    expect(sys.ftok(folder, 200)).toBe(Number(c.stdout));
    const perl = await program('perl', fixture('sysv-msg-peer.pl'), 'ftok', folder, 200).exited;
    expect(sys.ftok(folder, 200)).toBe(Number(perl.stdout) | 0);
    expect(sys.ftok(folder, 200)).toBeLessThan(0);
  });

  it('follows a symbolic link and takes a folder', () => {
    expect(sys.ftok(join(folder, 'link'), 1)).toBe(sys.ftok(file, 1));
    expect(sys.ftok(folder, 1)).not.toBe(sys.ftok(file, 1));
  });

  it.each([
    ['ENOENT', (): string => join(folder, 'none')],
    ['ENOENT', (): string => ''],
    ['ENOTDIR', (): string => join(file, 'below')],
    ['ELOOP', (): string => join(folder, 'loop')],
    ['ENAMETOOLONG', (): string => join(folder, 'n'.repeat(256))],
    ['ENAMETOOLONG', (): string => '/'.repeat(5000)],
  ] as const)('fails with %s (%#)', (code, path) => {
    expect(failure(() => sys.ftok(path(), 1))).toMatchObject({ ...systemError(code, 'ftok'), path: path() });
  });

  it('fails with EACCES below a folder that may not be searched', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    mkdirSync(join(folder, 'closed'), { mode: 0o700 });
    const path = join(folder, 'closed', 'file');
    const peer = await otherUser();
    expect(await peer.failure('sys.ftok', path, 1)).toMatchObject({ ...systemError('EACCES', 'ftok'), path });
  });

  it.each([...wrongTypes.filter(([what]) => what !== 'a string'), ['undefined', undefined], ['a number', 1]])(
    'refuses %s as path',
    (_what, value) => {
      expect(failure(() => loose.ftok(value, 1))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    },
  );

  it('refuses a path with a NUL, which C would end there', () => {
    expect(failure(() => sys.ftok(`${file}\0.txt`, 1))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
    });
  });

  it.each([
    ...wrongTypes.filter(([what]) => what !== 'a string'),
    ['undefined', undefined],
    ['a bigint', 1n],
  ])('refuses %s as projId', (_what, value) => {
    expect(failure(() => loose.ftok(file, value))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });

  it.each(notInts)('refuses %s as projId', (_what, value) => {
    expect(failure(() => sys.ftok(file, value))).toMatchObject({
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
  });

  it.each(['', 'AB', 'é', '€', '😀'])('refuses %j as projId', (value) => {
    expect(failure(() => sys.ftok(file, value))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
    });
  });
});

describe('msgget', () => {
  it('makes a new queue at every call with IPC_PRIVATE', () => {
    const first = privateId();
    const second = privateId();
    expect(first).not.toBe(second);
    expect(queueRow(first)).toMatchObject({ key: 0, perms: '600', qnum: 0 });
    expect(queueRow(second)).toBeDefined();
  });

  it('makes a queue with IPC_CREAT and finds it again', () => {
    const key = unusedKey();
    const msqid = sys.msgget(key, IPC_CREAT | 0o640);
    expect(queueRow(msqid)).toMatchObject({ key, perms: '640' });
    expect(sys.msgget(key, 0)).toBe(msqid);
    expect(sys.msgget(key, IPC_CREAT | 0o600)).toBe(msqid);
  });

  it('takes a key from -2^31 to 2^32-1, the same 32 bits signed and unsigned', () => {
    const unsigned = 2 ** 31 + (unusedKey() % 2 ** 30);
    const msqid = ownId(sys.msgget(unsigned, IPC_CREAT | IPC_EXCL | 0o600));
    expect(sys.msgget(unsigned - 2 ** 32, 0)).toBe(msqid);
    expect(queueRow(msqid)?.key).toBe(unsigned - 2 ** 32);
    expect(stat(msqid).msg_perm.key).toBe(unsigned - 2 ** 32);
  });

  it('makes only the low nine bits of msgflg the mode', () => {
    expect(queueRow(ownId(sys.msgget(IPC_PRIVATE, 0o7777 & ~IPC_NOWAIT)))?.perms).toBe('777');
  });

  it('fails with ENOENT where there is no queue and IPC_CREAT is not given', () => {
    expect(failure(() => sys.msgget(unusedKey(), 0o600))).toMatchObject(systemError('ENOENT', 'msgget'));
  });

  it('fails with EEXIST where there is one and IPC_CREAT and IPC_EXCL are given', () => {
    const key = unusedKey();
    sys.msgget(key, IPC_CREAT | IPC_EXCL | 0o600);
    expect(failure(() => sys.msgget(key, IPC_CREAT | IPC_EXCL | 0o600))).toMatchObject(
      systemError('EEXIST', 'msgget'),
    );
  });

  it('fails with EACCES where the mode does not grant what msgflg asks for', async () => {
    const key = unusedKey();
    sys.msgget(key, IPC_CREAT | 0o000);
    const peer = await unprivileged();
    expect(await peer.failure('sys.msgget', key, 0o600)).toMatchObject(systemError('EACCES', 'msgget'));
  });

  it('fails with ENOSPC where the namespace has all the queues it may have', ({ skip }) => {
    const reason = settingsAreFixed();
    skip(reason !== undefined, reason);
    changeSetting('msgmni', queueRows().length);
    expect(failure(() => sys.msgget(IPC_PRIVATE, 0o600))).toMatchObject(systemError('ENOSPC', 'msgget'));
  });

  it.each([...wrongTypes, ['undefined', undefined], ['a bigint', 1n]])(
    'refuses %s as key',
    (_what, value) => {
      expect(failure(() => loose.msgget(value, 0))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    },
  );

  it.each([...notInts.filter(([what]) => what !== '2^31'), ['2^32', 2 ** 32]] as const)(
    'refuses %s as key',
    (_what, value) => {
      expect(failure(() => sys.msgget(value, 0))).toMatchObject({
        name: 'RangeError',
        code: 'ERR_OUT_OF_RANGE',
      });
    },
  );

  it.each([...wrongTypes, ['undefined', undefined], ['a bigint', 1n]])(
    'refuses %s as msgflg and makes no queue',
    (_what, value) => {
      const before = queueRows().length;
      expect(failure(() => loose.msgget(IPC_PRIVATE, value))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
      expect(queueRows()).toHaveLength(before);
    },
  );

  it.each(notInts)('refuses %s as msgflg and makes no queue', (_what, value) => {
    const before = queueRows().length;
    expect(failure(() => sys.msgget(IPC_PRIVATE, value))).toMatchObject({
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
    expect(queueRows()).toHaveLength(before);
  });
});

describe('msgsnd', () => {
  it('gives nothing back and puts the bytes in the queue', () => {
    const msqid = privateId();
    expect(loose.msgsnd(msqid, 7, Buffer.from('seven'))).toBeUndefined();
    expect(queueRow(msqid)).toMatchObject({ qnum: 1, cbytes: 5, lspid: process.pid });
    expect(sys.msgrcv(msqid, 100)).toEqual({ mtype: 7, mtext: Buffer.from('seven') });
  });

  it.each([
    ['a string as UTF-8', 'grüße €', Buffer.from('grüße €')],
    ['a string with a NUL', 'a\0b', Buffer.from([97, 0, 98])],
    ['a Uint8Array', Uint8Array.of(0, 255, 1), Buffer.from([0, 255, 1])],
    ['only what the view shows', new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4), Buffer.from([2, 3, 4])],
    ['a Buffer out of the pool', Buffer.from('pooled'), Buffer.from('pooled')],
    ['no bytes at all', new Uint8Array(0), Buffer.alloc(0)],
    ['an empty string', '', Buffer.alloc(0)],
  ])('sends %s', (_what, mtext, expected) => {
    const msqid = privateId();
    sys.msgsnd(msqid, 1, mtext);
    expect(queueRow(msqid)).toMatchObject({ qnum: 1, cbytes: expected.length });
    expect(sys.msgrcv(msqid, 100).mtext).toEqual(expected);
  });

  it('sends every size up to msgmax unchanged', () => {
    const msqid = privateId();
    const sizes = [
      1,
      2,
      63,
      64,
      65,
      4047,
      4048,
      4049,
      4095,
      4096,
      4097,
      setting('msgmax') - 1,
      setting('msgmax'),
    ];
    for (const size of sizes) {
      const mtext = Buffer.from(Array.from({ length: size }, (_, index) => (index * 31 + size) % 256));
      sys.msgsnd(msqid, 1, mtext, IPC_NOWAIT);
      expect(sys.msgrcv(msqid, size, 0, IPC_NOWAIT).mtext.equals(mtext)).toBe(true);
    }
  });

  it.each([
    [1, 1],
    [2 ** 31, 2 ** 31],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [5n, 5],
    [BigInt(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER],
    [2n ** 53n + 1n, 2n ** 53n + 1n],
    [2n ** 62n + 3n, 2n ** 62n + 3n],
    [2n ** 63n - 1n, 2n ** 63n - 1n],
  ])('keeps the type %s', (mtype, expected) => {
    const msqid = privateId();
    sys.msgsnd(msqid, mtype, 'typed');
    expect(sys.msgrcv(msqid, 10).mtype).toBe(expected);
    sys.msgsnd(msqid, mtype, 'typed');
    const from: { mtype?: number | bigint } = {};
    expect(sys.msgrcv(msqid, new Uint8Array(10), mtype, IPC_NOWAIT, from)).toBe(5);
    expect(from.mtype).toBe(expected);
  });

  it('fails with EAGAIN on a full queue with IPC_NOWAIT', () => {
    const msqid = privateId();
    fill(msqid);
    expect(failure(() => sys.msgsnd(msqid, 1, 'x', IPC_NOWAIT))).toMatchObject(
      systemError('EAGAIN', 'msgsnd'),
    );
  });

  it('fails with EAGAIN for a zero-length message where the number of messages is at its limit', () => {
    const msqid = privateId();
    sys.msgctl(msqid, IPC_SET, { msg_qbytes: 2 });
    sys.msgsnd(msqid, 1, '', IPC_NOWAIT);
    sys.msgsnd(msqid, 1, '', IPC_NOWAIT);
    expect(failure(() => sys.msgsnd(msqid, 1, '', IPC_NOWAIT))).toMatchObject(
      systemError('EAGAIN', 'msgsnd'),
    );
  });

  it.each([
    ['the type 0', 0, 'x'],
    ['a negative type', -1, 'x'],
    ['the most negative type', -(2n ** 63n), 'x'],
    ['more than msgmax bytes', 1, Buffer.alloc(setting('msgmax') + 1)],
    ['very much more than msgmax bytes', 1, Buffer.alloc(32 * 2 ** 20)],
  ])('fails with EINVAL for %s', (_what, mtype, mtext) => {
    const msqid = privateId();
    expect(failure(() => sys.msgsnd(msqid, mtype, mtext, IPC_NOWAIT))).toMatchObject(
      systemError('EINVAL', 'msgsnd'),
    );
    expect(queueRow(msqid)?.qnum).toBe(0);
  });

  it('fails with EINVAL for an id that is no queue', () => {
    for (const msqid of [-1, -(2 ** 31), removedId()]) {
      expect(failure(() => sys.msgsnd(msqid, 1, 'x', IPC_NOWAIT))).toMatchObject(
        systemError('EINVAL', 'msgsnd'),
      );
    }
  });

  it('fails with EACCES where the queue may not be written', async () => {
    const msqid = privateId(0o444);
    const peer = await unprivileged();
    expect(await peer.failure('sys.msgsnd', msqid, 1, 'x', IPC_NOWAIT)).toMatchObject(
      systemError('EACCES', 'msgsnd'),
    );
  });

  it('fails with EIDRM where the queue is removed while it waits', async () => {
    const msqid = privateId();
    fill(msqid);
    const peer = await nodePeer();
    const failed = peer.failure('sys.msgsnd', msqid, 1, 'x');
    await until('the peer waits in msgsnd', () => asleepIn('msgsnd', msqid, peer.pid) === 1);
    sys.msgctl(msqid, IPC_RMID);
    expect(await failed).toMatchObject(systemError('EIDRM', 'msgsnd'));
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const msqid = privateId();
    const messages = fill(msqid);
    const peer = await nodePeer();
    await peer.call('watch', 'SIGUSR2');
    const failed = peer.failure('sys.msgsnd', msqid, 1, 'x');
    await until('the peer waits in msgsnd', () => asleepIn('msgsnd', msqid, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', 'msgsnd'));
    expect(queueRow(msqid)?.qnum).toBe(messages);
  });

  it('waits for room without IPC_NOWAIT', async () => {
    const msqid = privateId();
    fill(msqid);
    const peer = await nodePeer();
    const sent = peer.call('sys.msgsnd', msqid, 3, 'went through');
    await until('the peer waits in msgsnd', () => asleepIn('msgsnd', msqid, peer.pid) === 1);
    sys.msgrcv(msqid, 8192, 9, IPC_NOWAIT);
    await sent;
    expect(sys.msgrcv(msqid, 100, 3, IPC_NOWAIT).mtext.toString()).toBe('went through');
  });

  it.each([...wrongTypes, ['undefined', undefined], ['a bigint', 1n]])(
    'refuses %s as msqid',
    (_what, value) => {
      expect(failure(() => loose.msgsnd(value, 1, 'x', IPC_NOWAIT))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    },
  );

  it.each(notInts)('refuses %s as msqid', (_what, value) => {
    expect(failure(() => sys.msgsnd(value, 1, 'x', IPC_NOWAIT))).toMatchObject({
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
  });

  const refusedOnOwnQueue: [string, string, unknown[]][] = [
    ...[...wrongTypes, ['undefined', undefined] as const].map(
      ([what, value]): [string, string, unknown[]] => [
        `${what} as mtype`,
        'ERR_INVALID_ARG_TYPE',
        [value, 'x', IPC_NOWAIT],
      ],
    ),
    ...[NaN, Infinity, -Infinity, 1.5, 1e300, 2n ** 63n, -(2n ** 63n) - 1n, 2n ** 64n + 1n].map(
      (value): [string, string, unknown[]] => [
        `${value} as mtype`,
        'ERR_OUT_OF_RANGE',
        [value, 'x', IPC_NOWAIT],
      ],
    ),
    ...[
      ['undefined', undefined] as const,
      ['null', null] as const,
      ['a number', 1] as const,
      ['an array', [1, 2]] as const,
      ['an ArrayBuffer', new ArrayBuffer(4)] as const,
      ['a DataView', new DataView(new ArrayBuffer(4))] as const,
      ['a Uint16Array', new Uint16Array(2)] as const,
      ['a Uint8ClampedArray', new Uint8ClampedArray(2)] as const,
      ['an object like a Buffer', { length: 1, 0: 1 }] as const,
    ].map(([what, value]): [string, string, unknown[]] => [
      `${what} as mtext`,
      'ERR_INVALID_ARG_TYPE',
      [1, value, IPC_NOWAIT],
    ]),
    ...[...wrongTypes, ['a bigint', 1n] as const].map(([what, value]): [string, string, unknown[]] => [
      `${what} as msgflg`,
      'ERR_INVALID_ARG_TYPE',
      [1, 'x', value],
    ]),
    ...notInts.map(([what, value]): [string, string, unknown[]] => [
      `${what} as msgflg`,
      'ERR_OUT_OF_RANGE',
      [1, 'x', value],
    ]),
  ];
  it.each(refusedOnOwnQueue)('refuses %s by %s and sends nothing', (_what, code, args) => {
    const msqid = privateId();
    expect(failure(() => loose.msgsnd(msqid, ...args))).toMatchObject({ code });
    expect(queueRow(msqid)?.qnum).toBe(0);
  });
});

describe.each([
  ['with a size', 'size'],
  ['into memory of the caller', 'memory'],
] as const)('msgrcv %s', (_what, form) => {
  function receive(
    msqid: number,
    size: number,
    msgtyp?: number | bigint,
    msgflg?: number,
  ): { mtype: number | bigint | undefined; text: string } {
    if (form === 'size') {
      const { mtype, mtext } = sys.msgrcv(msqid, size, msgtyp, msgflg);
      expect(Buffer.isBuffer(mtext)).toBe(true);
      return { mtype, text: mtext.toString() };
    }
    const memory = Buffer.alloc(size);
    const from: { mtype?: number | bigint } = {};
    const length = sys.msgrcv(msqid, memory, msgtyp, msgflg, from);
    return { mtype: from.mtype, text: memory.toString('utf8', 0, length) };
  }

  function queueWith(...messages: [type: number, text: string][]): number {
    const msqid = privateId();
    for (const [type, text] of messages) sys.msgsnd(msqid, type, text, IPC_NOWAIT);
    return msqid;
  }

  it('takes the oldest message where msgtyp is 0 or not given', () => {
    const msqid = queueWith([3, 'first'], [1, 'second']);
    expect(receive(msqid, 100)).toEqual({ mtype: 3, text: 'first' });
    expect(receive(msqid, 100, 0)).toEqual({ mtype: 1, text: 'second' });
    expect(queueRow(msqid)).toMatchObject({ qnum: 0, lrpid: process.pid });
  });

  it('takes the oldest message of the type', () => {
    const msqid = queueWith([1, 'a'], [2, 'b'], [1, 'c'], [2, 'd']);
    expect(receive(msqid, 100, 2).text).toBe('b');
    expect(receive(msqid, 100, 2).text).toBe('d');
    expect(drain(msqid)).toEqual(['a', 'c']);
  });

  it('takes the lowest type up to the magnitude where msgtyp is negative', () => {
    const msqid = queueWith([5, 'five'], [3, 'three'], [4, 'four'], [3, 'three again']);
    expect(receive(msqid, 100, -4)).toEqual({ mtype: 3, text: 'three' });
    expect(receive(msqid, 100, -4)).toEqual({ mtype: 3, text: 'three again' });
    expect(receive(msqid, 100, -4)).toEqual({ mtype: 4, text: 'four' });
    expect(failure(() => receive(msqid, 100, -4, IPC_NOWAIT))).toMatchObject(systemError('ENOMSG', 'msgrcv'));
    expect(receive(msqid, 100, -(2n ** 62n))).toEqual({ mtype: 5, text: 'five' });
  });

  it('takes the lowest type of all where msgtyp is the most negative long', () => {
    const msqid = queueWith([5, 'five'], [3, 'three']);
    expect(receive(msqid, 100, -(2n ** 63n), IPC_NOWAIT)).toEqual({ mtype: 3, text: 'three' });
  });

  it('tells types apart past 2^53', () => {
    const msqid = privateId();
    sys.msgsnd(msqid, 2n ** 60n + 1n, 'one');
    sys.msgsnd(msqid, 2n ** 60n + 2n, 'two');
    expect(failure(() => receive(msqid, 100, 2n ** 60n, IPC_NOWAIT)).code).toBe('ENOMSG');
    expect(failure(() => receive(msqid, 100, -(2n ** 60n), IPC_NOWAIT)).code).toBe('ENOMSG');
    expect(receive(msqid, 100, 2n ** 60n + 2n)).toEqual({ mtype: 2n ** 60n + 2n, text: 'two' });
    expect(receive(msqid, 100, -(2n ** 60n + 1n))).toEqual({ mtype: 2n ** 60n + 1n, text: 'one' });
  });

  it('takes the oldest message of another type with MSG_EXCEPT', () => {
    const msqid = queueWith([1, 'a'], [2, 'b'], [3, 'c']);
    expect(receive(msqid, 100, 1, MSG_EXCEPT)).toEqual({ mtype: 2, text: 'b' });
    expect(receive(msqid, 100, 1, MSG_EXCEPT)).toEqual({ mtype: 3, text: 'c' });
    expect(failure(() => receive(msqid, 100, 1, MSG_EXCEPT | IPC_NOWAIT)).code).toBe('ENOMSG');
    expect(drain(msqid)).toEqual(['a']);
  });

  it('takes a zero-length message, in zero bytes too', () => {
    const msqid = queueWith([4, ''], [5, '']);
    expect(receive(msqid, 100)).toEqual({ mtype: 4, text: '' });
    expect(receive(msqid, 0)).toEqual({ mtype: 5, text: '' });
  });

  it('fails with E2BIG for a longer message and leaves it in the queue', () => {
    const msqid = queueWith([1, 'longer']);
    expect(failure(() => receive(msqid, 5, 0, IPC_NOWAIT))).toMatchObject(systemError('E2BIG', 'msgrcv'));
    expect(failure(() => receive(msqid, 0, 0, IPC_NOWAIT))).toMatchObject(systemError('E2BIG', 'msgrcv'));
    expect(receive(msqid, 6)).toEqual({ mtype: 1, text: 'longer' });
  });

  it('cuts a longer message with MSG_NOERROR', () => {
    const msqid = queueWith([1, 'longer'], [2, 'longer'], [3, 'short']);
    expect(receive(msqid, 4, 0, MSG_NOERROR)).toEqual({ mtype: 1, text: 'long' });
    expect(receive(msqid, 0, 0, MSG_NOERROR)).toEqual({ mtype: 2, text: '' });
    expect(receive(msqid, 9, 0, MSG_NOERROR)).toEqual({ mtype: 3, text: 'short' });
    expect(queueRow(msqid)?.qnum).toBe(0);
  });

  it('fails with ENOMSG where no message is of the type with IPC_NOWAIT', () => {
    const msqid = queueWith([1, 'one']);
    expect(failure(() => receive(msqid, 10, 2, IPC_NOWAIT))).toMatchObject(systemError('ENOMSG', 'msgrcv'));
    expect(failure(() => receive(privateId(), 10, 0, IPC_NOWAIT))).toMatchObject(
      systemError('ENOMSG', 'msgrcv'),
    );
  });

  it('fails with EINVAL for an id that is no queue', () => {
    for (const msqid of [-1, -(2 ** 31), removedId()]) {
      expect(failure(() => receive(msqid, 10, 0, IPC_NOWAIT))).toMatchObject(systemError('EINVAL', 'msgrcv'));
    }
  });

  describe('with MSG_COPY', () => {
    function supported(): string | undefined {
      try {
        receive(queueWith([1, 'x']), 10, 0, MSG_COPY | IPC_NOWAIT);
        return undefined;
      } catch (error) {
        if ((error as Failure).code === 'ENOSYS')
          return 'the kernel was built without CONFIG_CHECKPOINT_RESTORE';
        throw error;
      }
    }

    it('copies the message at the index and leaves it in the queue', ({ skip }) => {
      const reason = supported();
      skip(reason !== undefined, reason);
      const msqid = queueWith([7, 'zero'], [8, 'one'], [9, '']);
      expect(receive(msqid, 10, 1, MSG_COPY | IPC_NOWAIT)).toEqual({ mtype: 8, text: 'one' });
      expect(receive(msqid, 10, 0, MSG_COPY | IPC_NOWAIT)).toEqual({ mtype: 7, text: 'zero' });
      expect(receive(msqid, 10, 2, MSG_COPY | IPC_NOWAIT)).toEqual({ mtype: 9, text: '' });
      expect(queueRow(msqid)).toMatchObject({ qnum: 3, lrpid: 0 });
    });

    it('fails with ENOMSG past the last message', ({ skip }) => {
      const reason = supported();
      skip(reason !== undefined, reason);
      const msqid = queueWith([7, 'zero']);
      expect(failure(() => receive(msqid, 10, 1, MSG_COPY | IPC_NOWAIT))).toMatchObject(
        systemError('ENOMSG', 'msgrcv'),
      );
    });

    it('fails with EINVAL without IPC_NOWAIT and with MSG_EXCEPT', ({ skip }) => {
      const reason = supported();
      skip(reason !== undefined, reason);
      const msqid = queueWith([7, 'zero']);
      expect(failure(() => receive(msqid, 10, 0, MSG_COPY))).toMatchObject(systemError('EINVAL', 'msgrcv'));
      expect(failure(() => receive(msqid, 10, 0, MSG_COPY | IPC_NOWAIT | MSG_EXCEPT))).toMatchObject(
        systemError('EINVAL', 'msgrcv'),
      );
    });

    it('fails with E2BIG for a longer message, and leaves it', ({ skip }) => {
      const reason = supported();
      skip(reason !== undefined, reason);
      const msqid = queueWith([7, 'longer']);
      expect(failure(() => receive(msqid, 3, 0, MSG_COPY | IPC_NOWAIT))).toMatchObject(
        systemError('E2BIG', 'msgrcv'),
      );
      expect(drain(msqid)).toEqual(['longer']);
    });
  });

  it.each([...wrongTypes, ['undefined', undefined], ['a bigint', 1n]])(
    'refuses %s as msqid',
    (_case, value) => {
      const memory = form === 'size' ? 10 : new Uint8Array(10);
      expect(failure(() => loose.msgrcv(value, memory, 0, IPC_NOWAIT))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    },
  );

  it.each(notInts)('refuses %s as msqid', (_case, value) => {
    const memory = form === 'size' ? 10 : new Uint8Array(10);
    expect(failure(() => loose.msgrcv(value, memory, 0, IPC_NOWAIT))).toMatchObject({
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
  });

  const wrongAfterSize: [string, string, unknown[]][] = [
    ...wrongTypes.map(([what, value]): [string, string, unknown[]] => [
      `${what} as msgtyp`,
      'ERR_INVALID_ARG_TYPE',
      [value, IPC_NOWAIT],
    ]),
    ...[NaN, Infinity, 0.5, 1e300, 2n ** 63n, -(2n ** 63n) - 1n].map((value): [string, string, unknown[]] => [
      `${value} as msgtyp`,
      'ERR_OUT_OF_RANGE',
      [value, IPC_NOWAIT],
    ]),
    ...[...wrongTypes, ['a bigint', 0n] as const].map(([what, value]): [string, string, unknown[]] => [
      `${what} as msgflg`,
      'ERR_INVALID_ARG_TYPE',
      [0, value],
    ]),
    ...notInts.map(([what, value]): [string, string, unknown[]] => [
      `${what} as msgflg`,
      'ERR_OUT_OF_RANGE',
      [0, value],
    ]),
  ];
  it.each(wrongAfterSize)('refuses %s by %s and takes nothing', (_case, code, args) => {
    const msqid = queueWith([1, 'stays']);
    const memory = form === 'size' ? 10 : new Uint8Array(10);
    expect(failure(() => loose.msgrcv(msqid, memory, ...args))).toMatchObject({ code });
    expect(drain(msqid)).toEqual(['stays']);
  });
});

describe('msgrcv', () => {
  it.each([
    ...wrongTypes,
    ['undefined', undefined],
    ['a bigint', 10n],
    ['an ArrayBuffer', new ArrayBuffer(10)],
  ])('refuses %s in the place of a size or memory and takes nothing', (_what, value) => {
    const msqid = privateId();
    sys.msgsnd(msqid, 1, 'stays');
    expect(failure(() => loose.msgrcv(msqid, value, 0, IPC_NOWAIT))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
    });
    expect(drain(msqid)).toEqual(['stays']);
  });

  it.each(notUnsignedLongs)('refuses %s as msgsz and takes nothing', (_what, value) => {
    const msqid = privateId();
    sys.msgsnd(msqid, 1, 'stays');
    expect(failure(() => sys.msgrcv(msqid, value, 0, IPC_NOWAIT))).toMatchObject({
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
    expect(drain(msqid)).toEqual(['stays']);
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 40])(
    'takes a message where msgsz is as large as %d',
    (msgsz) => {
      const msqid = privateId();
      sys.msgsnd(msqid, 1, 'small');
      const before = process.memoryUsage().rss;
      expect(sys.msgrcv(msqid, msgsz, 0, IPC_NOWAIT)).toEqual({ mtype: 1, mtext: Buffer.from('small') });
      expect(process.memoryUsage().rss - before).toBeLessThan(256 * 2 ** 20);
    },
  );

  it('gives every message a Buffer of its own', () => {
    const msqid = privateId();
    const buffers = Array.from({ length: 500 }, (_, index) => {
      sys.msgsnd(msqid, 1, `message ${index}`, IPC_NOWAIT);
      return sys.msgrcv(msqid, 100, 0, IPC_NOWAIT).mtext;
    });
    expect(buffers.map(String)).toEqual(buffers.map((_, index) => `message ${index}`));
  });

  it('fills only the bytes of the view that the message has', () => {
    const msqid = privateId();
    sys.msgsnd(msqid, 1, 'abc');
    const whole = Buffer.alloc(12, '.');
    expect(sys.msgrcv(msqid, whole.subarray(4, 10))).toBe(3);
    expect(whole.toString()).toBe('....abc.....');
  });

  it('fails with E2BIG where the view is too short, whatever lies under it', () => {
    const msqid = privateId();
    sys.msgsnd(msqid, 1, 'abcdef');
    const whole = Buffer.alloc(100, '.');
    expect(failure(() => sys.msgrcv(msqid, whole.subarray(0, 3), 0, IPC_NOWAIT)).code).toBe('E2BIG');
    expect(whole.equals(Buffer.alloc(100, '.'))).toBe(true);
    expect(drain(msqid)).toEqual(['abcdef']);
  });

  it('overwrites the type in from, again and again', () => {
    const msqid = privateId();
    const from: { mtype?: number | bigint } = { mtype: 99 };
    const memory = new Uint8Array(8);
    for (const mtype of [1, 2n ** 60n, 2]) {
      sys.msgsnd(msqid, mtype, 'x');
      sys.msgrcv(msqid, memory, 0, 0, from);
      expect(from.mtype).toBe(mtype);
    }
  });

  it('leaves from alone where it fails', () => {
    const from: { mtype?: number | bigint } = { mtype: 99 };
    expect(failure(() => sys.msgrcv(privateId(), new Uint8Array(8), 0, IPC_NOWAIT, from)).code).toBe(
      'ENOMSG',
    );
    expect(from).toEqual({ mtype: 99 });
  });

  it.each(wrongTypes.filter(([what]) => !/object|array|function/.test(what)))(
    'refuses %s as from and takes nothing',
    (_what, value) => {
      const msqid = privateId();
      sys.msgsnd(msqid, 1, 'stays');
      expect(failure(() => loose.msgrcv(msqid, new Uint8Array(8), 0, IPC_NOWAIT, value))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
      expect(drain(msqid)).toEqual(['stays']);
    },
  );

  it('fails with EACCES where the queue may not be read', async () => {
    const msqid = privateId(0o222);
    const peer = await unprivileged();
    expect(await peer.failure('sys.msgrcv', msqid, 10, 0, IPC_NOWAIT)).toMatchObject(
      systemError('EACCES', 'msgrcv'),
    );
  });

  it('waits for a message without IPC_NOWAIT', async () => {
    const msqid = privateId();
    const peer = await nodePeer();
    const received = peer.call('sys.msgrcv', msqid, 100, 2);
    await until('the peer waits in msgrcv', () => asleepIn('msgrcv', msqid, peer.pid) === 1);
    sys.msgsnd(msqid, 1, 'not this');
    sys.msgsnd(msqid, 2, 'this');
    expect(await received).toEqual({ mtype: 2, mtext: Buffer.from('this') });
  });

  it('fails with EIDRM where the queue is removed while it waits', async () => {
    const msqid = privateId();
    const peer = await nodePeer();
    const failed = peer.failure('sys.msgrcv', msqid, 10);
    await until('the peer waits in msgrcv', () => asleepIn('msgrcv', msqid, peer.pid) === 1);
    sys.msgctl(msqid, IPC_RMID);
    expect(await failed).toMatchObject(systemError('EIDRM', 'msgrcv'));
    expect(await peer.failure('sys.msgrcv', msqid, 10)).toMatchObject(systemError('EINVAL', 'msgrcv'));
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const msqid = privateId();
    const peer = await nodePeer();
    await peer.call('watch', 'SIGUSR2');
    const failed = peer.failure('sys.msgrcv', msqid, 10);
    await until('the peer waits in msgrcv', () => asleepIn('msgrcv', msqid, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', 'msgrcv'));
  });

  it('fails with EACCES where IPC_SET takes the permission away while it waits', async () => {
    const msqid = privateId(0o666);
    const peer = await unprivileged();
    const failed = peer.failure('sys.msgrcv', msqid, 10);
    await until('the peer waits in msgrcv', () => asleepIn('msgrcv', msqid, peer.pid) === 1);
    sys.msgctl(msqid, IPC_SET, { msg_perm: { mode: 0o000 } });
    expect(await failed).toMatchObject(systemError('EACCES', 'msgrcv'));
  });
});

describe('msgctl', () => {
  it('IPC_STAT gives every member under its C name, as the kernel has it', () => {
    const key = unusedKey();
    const msqid = sys.msgget(key, IPC_CREAT | 0o640);
    sys.msgsnd(msqid, 1, 'hello');
    sys.msgsnd(msqid, 1, 'there');
    sys.msgrcv(msqid, 10);
    const row = queueRow(msqid);
    expect(sys.msgctl(msqid, IPC_STAT)).toEqual({
      msg_perm: {
        key,
        uid: row?.uid,
        gid: row?.gid,
        cuid: row?.cuid,
        cgid: row?.cgid,
        mode: 0o640,
        seq: Math.floor(msqid / 32768),
      },
      msg_stime: row?.stime,
      msg_rtime: row?.rtime,
      msg_ctime: row?.ctime,
      msg_cbytes: 5,
      msg_qnum: 1,
      msg_qbytes: setting('msgmnb'),
      msg_lspid: process.pid,
      msg_lrpid: process.pid,
    });
    expect(Math.abs(stat(msqid).msg_stime - Date.now() / 1000)).toBeLessThan(60);
  });

  it('IPC_STAT has zeros for what has not happened yet', () => {
    expect(stat(privateId())).toMatchObject({
      msg_stime: 0,
      msg_rtime: 0,
      msg_lspid: 0,
      msg_lrpid: 0,
      msg_qnum: 0,
    });
  });

  it('IPC_SET changes the members that are given and no others', () => {
    const msqid = privateId(0o640);
    const before = stat(msqid);
    expect(loose.msgctl(msqid, IPC_SET, { msg_qbytes: 1000 })).toBeUndefined();
    expect(stat(msqid)).toEqual({ ...before, msg_qbytes: 1000, msg_ctime: stat(msqid).msg_ctime });
    sys.msgctl(msqid, IPC_SET, { msg_perm: { mode: 0o600 } });
    expect(stat(msqid)).toMatchObject({ msg_qbytes: 1000, msg_perm: { ...before.msg_perm, mode: 0o600 } });
    sys.msgctl(msqid, IPC_SET, {});
    expect(stat(msqid)).toMatchObject({ msg_qbytes: 1000, msg_perm: { ...before.msg_perm, mode: 0o600 } });
    sys.msgctl(msqid, IPC_SET, { msg_perm: {} });
    expect(stat(msqid)).toMatchObject({ msg_qbytes: 1000, msg_perm: { ...before.msg_perm, mode: 0o600 } });
  });

  it('IPC_SET takes what IPC_STAT gave', () => {
    const msqid = privateId(0o640);
    const before = stat(msqid);
    sys.msgctl(msqid, IPC_SET, before);
    expect(stat(msqid)).toEqual({ ...before, msg_ctime: stat(msqid).msg_ctime });
  });

  it('IPC_SET gives the queue to another owner', ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const msqid = privateId();
    sys.msgctl(msqid, IPC_SET, { msg_perm: { uid: nobody } });
    expect(queueRow(msqid)).toMatchObject({ uid: nobody, gid: process.getgid?.(), cuid: process.getuid?.() });
    sys.msgctl(msqid, IPC_SET, { msg_perm: { gid: nobody } });
    expect(queueRow(msqid)).toMatchObject({ uid: nobody, gid: nobody, cgid: process.getgid?.() });
  });

  it('IPC_SET takes only the low nine bits of the mode', () => {
    const msqid = privateId();
    sys.msgctl(msqid, IPC_SET, { msg_perm: { mode: 0o177644 } });
    expect(queueRow(msqid)?.perms).toBe('644');
  });

  it('IPC_SET fails with EPERM for more than msgmnb bytes without CAP_SYS_RESOURCE', async () => {
    const peer = await unprivileged();
    const msqid = ownId((await peer.call('sys.msgget', IPC_PRIVATE, 0o600)) as number);
    const failed = await peer.failure('sys.msgctl', msqid, IPC_SET, { msg_qbytes: setting('msgmnb') + 1 });
    expect(failed).toMatchObject(systemError('EPERM', 'msgctl'));
  });

  it('IPC_SET goes over msgmnb with CAP_SYS_RESOURCE', ({ skip }) => {
    skip(!mayExceedLimits(), 'this process may not');
    const msqid = privateId();
    sys.msgctl(msqid, IPC_SET, { msg_qbytes: setting('msgmnb') + 1 });
    expect(stat(msqid).msg_qbytes).toBe(setting('msgmnb') + 1);
  });

  it('IPC_RMID removes the queue with its messages and gives nothing', () => {
    const msqid = privateId();
    sys.msgsnd(msqid, 1, 'lost');
    expect(sys.msgctl(msqid, IPC_RMID)).toBeUndefined();
    expect(queueRow(msqid)).toBeUndefined();
    expect(failure(() => sys.msgctl(msqid, IPC_RMID))).toMatchObject(systemError('EINVAL', 'msgctl'));
  });

  it('IPC_INFO gives the limits of the namespace and the highest used index', () => {
    const msqid = privateId();
    const result = info(IPC_INFO);
    expect(result).toMatchObject({
      msgmax: setting('msgmax'),
      msgmnb: setting('msgmnb'),
      msgmni: setting('msgmni'),
    });
    expect(Object.keys(result).sort()).toEqual(
      ['maxid', 'msgmap', 'msgmax', 'msgmnb', 'msgmni', 'msgpool', 'msgseg', 'msgssz', 'msgtql'].sort(),
    );
    expect(result.maxid).toBeGreaterThanOrEqual(indexOf(msqid));
  });

  it('MSG_INFO counts queues, messages and bytes in the members that C uses for them', () => {
    const msqid = privateId();
    sys.msgsnd(msqid, 1, 'four');
    sys.msgsnd(msqid, 1, 'more');
    const rows = queueRows();
    expect(info(MSG_INFO)).toMatchObject({
      msgpool: rows.length,
      msgmap: rows.reduce((sum, row) => sum + row.qnum, 0),
      msgtql: rows.reduce((sum, row) => sum + row.cbytes, 0),
    });
  });

  it.each(['MSG_STAT', 'MSG_STAT_ANY'] as const)('%s gives the queue at an index, with its id', (name) => {
    const msqid = privateId();
    sys.msgsnd(msqid, 1, 'here');
    expect(sys.msgctl(indexOf(msqid), sys[name])).toEqual({ ...stat(msqid), id: msqid });
  });

  it.each(['MSG_STAT', 'MSG_STAT_ANY'] as const)(
    '%s fails with EINVAL for an index without a queue',
    (name) => {
      const msqid = privateId();
      const index = indexOf(msqid);
      sys.msgctl(msqid, IPC_RMID);
      expect(failure(() => sys.msgctl(index, sys[name]))).toMatchObject(systemError('EINVAL', 'msgctl'));
      expect(failure(() => sys.msgctl(-1, sys[name]))).toMatchObject(systemError('EINVAL', 'msgctl'));
    },
  );

  it('MSG_STAT fails with EACCES where MSG_STAT_ANY gives the queue', async () => {
    const msqid = privateId(0o000);
    const index = indexOf(msqid);
    const peer = await unprivileged();
    expect(await peer.failure('sys.msgctl', index, MSG_STAT)).toMatchObject(systemError('EACCES', 'msgctl'));
    expect(await peer.call('sys.msgctl', index, MSG_STAT_ANY)).toMatchObject({
      id: msqid,
      msg_perm: { mode: 0 },
    });
  });

  it('IPC_STAT fails with EACCES where the queue may not be read', async () => {
    const msqid = privateId(0o222);
    const peer = await unprivileged();
    expect(await peer.failure('sys.msgctl', msqid, IPC_STAT)).toMatchObject(systemError('EACCES', 'msgctl'));
  });

  it("IPC_SET and IPC_RMID fail with EPERM on another user's queue", async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const msqid = privateId(0o666);
    const peer = await otherUser();
    expect(await peer.failure('sys.msgctl', msqid, IPC_SET, { msg_perm: { mode: 0o600 } })).toMatchObject(
      systemError('EPERM', 'msgctl'),
    );
    expect(await peer.failure('sys.msgctl', msqid, IPC_RMID)).toMatchObject(systemError('EPERM', 'msgctl'));
    expect(queueRow(msqid)?.perms).toBe('666');
  });

  it('fails with EINVAL for an id that is no queue', () => {
    for (const msqid of [-1, -(2 ** 31), removedId()]) {
      expect(failure(() => sys.msgctl(msqid, IPC_STAT))).toMatchObject(systemError('EINVAL', 'msgctl'));
      expect(failure(() => sys.msgctl(msqid, IPC_RMID))).toMatchObject(systemError('EINVAL', 'msgctl'));
      expect(failure(() => sys.msgctl(msqid, IPC_SET, { msg_qbytes: 1 }))).toMatchObject(
        systemError('EINVAL', 'msgctl'),
      );
    }
  });

  it('fails with EINVAL for a command that the kernel does not know', () => {
    const msqid = privateId();
    for (const cmd of [9999, -1, -(2 ** 31), 2 ** 31 - 1]) {
      expect(failure(() => sys.msgctl(msqid, cmd))).toMatchObject(systemError('EINVAL', 'msgctl'));
    }
    expect(queueRow(msqid)).toBeDefined();
  });

  it.each([...wrongTypes, ['undefined', undefined], ['a bigint', 1n]])(
    'refuses %s as msqid and as cmd',
    (_what, value) => {
      const expected = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
      expect(failure(() => loose.msgctl(value, IPC_STAT))).toMatchObject(expected);
      expect(failure(() => loose.msgctl(privateId(), value))).toMatchObject(expected);
    },
  );

  it.each(notInts)('refuses %s as msqid and as cmd', (_what, value) => {
    const expected = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
    expect(failure(() => sys.msgctl(value, IPC_STAT))).toMatchObject(expected);
    expect(failure(() => sys.msgctl(privateId(), value))).toMatchObject(expected);
  });

  const wrongBufs: [string, string, unknown][] = [
    ['nothing', 'ERR_INVALID_ARG_TYPE', undefined],
    ['null', 'ERR_INVALID_ARG_TYPE', null],
    ['a number', 'ERR_INVALID_ARG_TYPE', 1],
    ['a string', 'ERR_INVALID_ARG_TYPE', 'mode'],
    ['msg_perm null', 'ERR_INVALID_ARG_TYPE', { msg_perm: null }],
    ['msg_perm of a number', 'ERR_INVALID_ARG_TYPE', { msg_perm: 0o600 }],
    ['a mode of a string', 'ERR_INVALID_ARG_TYPE', { msg_perm: { mode: '0600' } }],
    ['a negative mode', 'ERR_OUT_OF_RANGE', { msg_perm: { mode: -1 } }],
    ['a mode that is NaN', 'ERR_OUT_OF_RANGE', { msg_perm: { mode: NaN } }],
    ['a negative uid', 'ERR_OUT_OF_RANGE', { msg_perm: { uid: -1 } }],
    ['a uid of 2^32', 'ERR_OUT_OF_RANGE', { msg_perm: { uid: 2 ** 32 } }],
    ['a gid of a string', 'ERR_INVALID_ARG_TYPE', { msg_perm: { gid: 'root' } }],
    ['a gid that is no integer', 'ERR_OUT_OF_RANGE', { msg_perm: { gid: 0.5 } }],
    ['a negative msg_qbytes', 'ERR_OUT_OF_RANGE', { msg_qbytes: -1 }],
    ['msg_qbytes that is NaN', 'ERR_OUT_OF_RANGE', { msg_qbytes: NaN }],
    ['msg_qbytes of a string', 'ERR_INVALID_ARG_TYPE', { msg_qbytes: '100' }],
  ];
  it.each(wrongBufs)('IPC_SET refuses %s by %s and changes nothing', (_what, code, buf) => {
    const msqid = privateId();
    const before = stat(msqid);
    expect(failure(() => loose.msgctl(msqid, IPC_SET, buf))).toMatchObject({ code });
    expect(stat(msqid)).toEqual(before);
  });

  it('IPC_SET passes on an error that a getter throws and changes nothing', () => {
    const msqid = privateId();
    const before = stat(msqid);
    const buf = {
      msg_qbytes: 10,
      get msg_perm(): never {
        throw new RangeError('from the getter');
      },
    };
    expect(failure(() => sys.msgctl(msqid, IPC_SET, buf)).message).toBe('from the getter');
    expect(stat(msqid)).toEqual(before);
  });
});

describe('errors', () => {
  it('are Errors with code, errno and syscall, and without a path where none was given', () => {
    const error = failure(() => sys.msgget(unusedKey(), 0));
    expect(error).toBeInstanceOf(Error);
    expect(error.stack).toContain('sysv-msg.sys.test');
    expect(error).not.toHaveProperty('path');
    expect(error.message).toMatch(/ENOENT/);
  });
});
