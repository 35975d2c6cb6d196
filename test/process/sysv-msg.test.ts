// Truth takes two processes: Node peers, a C peer, Perl and util-linux.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SysvMessageQueue } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { compiled } from '../helpers/compile.js';
import { systemError } from '../helpers/failures.js';
import { asleepIn, queueRow, queueRows, setting } from '../helpers/kernel.js';
import {
  type Exit,
  fixture,
  noSecondUser,
  nodePeer,
  nodeProgram,
  nobody,
  otherUser,
  program,
  unprivileged,
} from '../helpers/peers.js';
import { own, ownId, privateId, privateQueue, unusedKey } from '../helpers/queues.js';
import { scale, until } from '../helpers/until.js';

/** Runs a program to its end, which must be a good one, and gives what it printed. */
async function output(command: string, ...args: (string | number)[]): Promise<string> {
  const exit: Exit = await program(command, ...args).exited;
  expect(exit, `${command} ${args.join(' ')}: ${exit.stderr}`).toMatchObject({ code: 0, stderr: '' });
  return exit.stdout.trim();
}

const c = (...args: (string | number)[]): Promise<string> => output(compiled('sysv-msg-peer'), ...args);
const perl = (...args: (string | number)[]): Promise<string> =>
  output('perl', fixture('sysv-msg-peer.pl'), ...args);
const hex = (key: number): string => `0x${(key >>> 0).toString(16).padStart(8, '0')}`;

describe('two Node processes', () => {
  it('find the same queue by its key and talk both ways', async () => {
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key, { codec: 'utf8' }));
    const peer = await nodePeer();
    expect(await peer.call('open', key, { codec: 'utf8', create: false })).toBe(queue.id);
    const asked = peer.call('queue.receive', { type: 1 });
    await queue.send('question', { type: 1 });
    expect(await asked).toEqual({ type: 1, data: 'question' });
    await peer.call('queue.sendSync', 'answer', { type: 2n ** 60n });
    expect(await queue.receive()).toEqual({ type: 2n ** 60n, data: 'answer' });
    expect(queue.stat()).toMatchObject({ lastSendPid: peer.pid, lastReceivePid: process.pid });
  });

  it('find the same queue by a path and projId', async () => {
    const key = { path: fixture('peer.js'), projId: 'u' };
    const queue = own(SysvMessageQueue.open(key, { exclusive: true }));
    const peer = await nodePeer();
    expect(await peer.call('open', key, { create: false })).toBe(queue.id);
  });

  it('wake each other, whichever variant waits', async () => {
    const queue = privateQueue();
    const peer = await nodePeer();
    await peer.call('openId', queue.id);
    for (const method of ['receiveSync', 'receive', 'receiveMany', 'receiveManySync'] as const) {
      const received = peer.call(`queue.${method}`, ...(method.startsWith('receiveMany') ? [5] : []));
      await until(`the peer waits in ${method}`, () => asleepIn('msgrcv', queue.id, peer.pid) === 1);
      queue.sendSync(`for ${method}`);
      const expected = { type: 1, data: Buffer.from(`for ${method}`) };
      expect(await received).toEqual(method.startsWith('receiveMany') ? [expected] : expected);
    }
  });

  it('share the messages of a queue between them, each message to one', async () => {
    const queue = privateQueue();
    const peers = await Promise.all([nodePeer(), nodePeer()]);
    const received = peers.map(async (peer) => {
      await peer.call('openId', queue.id);
      return (await peer.call('collect', 50)) as string[];
    });
    await Promise.all(Array.from({ length: 100 }, (_, index) => queue.send(String(index))));
    const numbers = (await Promise.all(received)).flat().map(Number);
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  it('leave the queue and its messages when they end', async () => {
    const key = unusedKey();
    const peer = await nodePeer();
    await peer.call('open', key);
    await peer.call('queue.sendSync', 'left here');
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0 });
    const queue = own(SysvMessageQueue.open(key, { create: false }));
    expect(queue.receiveSync().data.toString()).toBe('left here');
  });

  it('that are killed while they wait take no message with them', async () => {
    const queue = privateQueue();
    const peer = await nodePeer();
    await peer.call('openId', queue.id);
    peer.call('queue.receive').catch(() => undefined);
    await until('the peer waits', () => asleepIn('msgrcv', queue.id, peer.pid) === 1);
    peer.signal('SIGKILL');
    await peer.exited;
    queue.sendSync('stays');
    expect(queue.receiveSync().data.toString()).toBe('stays');
  });
});

describe('a program', () => {
  it('stays alive while receive() waits, and ends by itself afterwards', async () => {
    const queue = privateQueue();
    const peer = nodeProgram('receive-once.js', queue.id);
    await until('the program waits', () => asleepIn('msgrcv', queue.id, peer.pid) === 1);
    queue.sendSync('at last');
    expect(await peer.exited).toMatchObject({ code: 0, stdout: 'at last\n', stderr: '' });
  });

  it('ends by itself when the wait is aborted', async () => {
    const queue = privateQueue();
    const peer = nodeProgram('receive-once.js', queue.id, 'abort');
    expect(await peer.exited).toMatchObject({ code: 0, stdout: 'AbortError\n', stderr: '' });
  });

  it('ends by process.exit() while receive() waits', async () => {
    const queue = privateQueue();
    const peer = nodeProgram('receive-once.js', queue.id, 'exit');
    expect(await peer.exited).toMatchObject({ code: 7, signal: null, stderr: '' });
  });

  it('ends by an error that nobody catches while receive() waits', async () => {
    const queue = privateQueue();
    const peer = nodeProgram('receive-once.js', queue.id, 'throw');
    expect(await peer.exited).toMatchObject({ code: 1, signal: null });
  });
});

describe('a C program', () => {
  it.each([
    ['sendSync()', (queue: SysvMessageQueue, text: string, type: number) => queue.sendSync(text, { type })],
    [
      'sys.msgsnd()',
      (queue: SysvMessageQueue, text: string, type: number) => sys.msgsnd(queue.id, type, text),
    ],
  ])('receives what %s sends', async (_name, send) => {
    const queue = privateQueue();
    send(queue, 'to C: ü', 42);
    expect(await c('receive', queue.id, 42)).toBe(`42 8 ${Buffer.from('to C: ü').toString('hex')}`);
    send(queue, '', 7);
    expect(await c('receive', queue.id, 0)).toBe('7 0');
  });

  it('receives types past 2^53 and the whole of msgmax', async () => {
    const queue = privateQueue();
    queue.sendSync('x', { type: 2n ** 63n - 1n });
    expect(await c('receive', queue.id, 0)).toBe('9223372036854775807 1 78');
    queue.sendSync(Buffer.alloc(setting('msgmax'), 1));
    expect(await c('receive', queue.id, 0)).toBe(`1 ${setting('msgmax')} ${'01'.repeat(setting('msgmax'))}`);
  });

  it('sends what receiveSync(), receive() and sys.msgrcv() take', async () => {
    const queue = privateQueue();
    await c('send', queue.id, 3, 'from C');
    expect(queue.receiveSync()).toEqual({ type: 3, data: Buffer.from('from C') });
    const received = queue.receive({ type: 9 });
    await c('send', queue.id, 9, 'from C again');
    expect(await received).toEqual({ type: 9, data: Buffer.from('from C again') });
    await c('send', queue.id, 9_007_199_254_740_993n.toString(), 'far');
    expect(sys.msgrcv(queue.id, 100)).toEqual({ mtype: 2n ** 53n + 1n, mtext: Buffer.from('far') });
  });

  it('makes a queue by key that open() finds, and finds one that open() makes', async () => {
    const theirs = unusedKey();
    const msqid = Number(await c('make', theirs));
    expect(own(SysvMessageQueue.open(theirs, { create: false })).id).toBe(msqid);
    const ours = unusedKey();
    const queue = own(SysvMessageQueue.open(ours));
    expect(await c('find', ours)).toBe(String(queue.id));
  });

  it('answers every message, by promises and by blocking calls', async () => {
    const queue = privateQueue();
    const echo = program(compiled('sysv-msg-peer'), 'echo', queue.id, 200);
    for (let index = 0; index < 100; index++) {
      await queue.send(`promise ${index}`);
      expect((await queue.receive({ type: 2 })).data.toString()).toBe(`promise ${index}`);
      queue.sendSync(`blocking ${index}`);
      expect(queue.receiveSync({ type: 2, timeout: 5_000 * scale }).data.toString()).toBe(
        `blocking ${index}`,
      );
    }
    expect(await echo.exited).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('Perl', () => {
  it('receives and sends by its built-in calls', async () => {
    const queue = privateQueue();
    queue.sendSync('to Perl', { type: 12 });
    expect(await perl('receive', queue.id, 12)).toBe('12 to Perl');
    const received = queue.receive();
    await perl('send', queue.id, 13, 'from Perl');
    expect(await received).toEqual({ type: 13, data: Buffer.from('from Perl') });
  });

  it('receives and sends by IPC::Msg', async () => {
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key, { codec: 'utf8' }));
    await queue.send('to an object', { type: 4 });
    expect(await perl('object-receive', key, 0)).toBe('4 to an object');
    await perl('object-send', key, 5, 'from an object');
    expect(queue.receiveSync()).toEqual({ type: 5, data: 'from an object' });
  });

  it('makes and removes queues by IPC::Msg', async () => {
    const theirs = unusedKey();
    const msqid = Number(await perl('object-make', theirs));
    const queue = own(SysvMessageQueue.open(theirs, { create: false }));
    expect(queue.id).toBe(msqid);
    const received = queue.receive();
    await until('receive() waits', () => asleepIn('msgrcv', msqid) === 1);
    const ended = expect(received).rejects.toMatchObject({ code: 'EIDRM' });
    await perl('object-remove', theirs);
    await ended;
  });

  it('sees by IPC::Msg what set() sets', async () => {
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key));
    queue.set({ mode: 0o640, maxBytes: 4000 });
    queue.sendSync('one');
    expect(await perl('object-stat', key)).toBe('1 4000 640');
  });
});

describe('util-linux', () => {
  it('ipcmk makes a queue that open() and openId() use', async () => {
    const text = await output('ipcmk', '--queue', '--mode', '0600');
    const msqid = ownId(Number(/\d+$/.exec(text)?.[0]));
    const byId = own(SysvMessageQueue.openId(msqid));
    const byKey = own(SysvMessageQueue.open(byId.key, { create: false }));
    byKey.sendSync('in a queue of ipcmk');
    expect(byId.receiveSync().data.toString()).toBe('in a queue of ipcmk');
  });

  it('ipcs lists a queue of open() with its messages', async () => {
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key, { mode: 0o640 }));
    queue.sendSync('hello');
    queue.sendSync('there');
    const line = (await output('ipcs', '--queues')).split('\n').find((row) => row.startsWith(hex(key)));
    const [, id, , mode, bytes, messages] = line?.split(/\s+/) ?? [];
    expect([id, mode, bytes, messages]).toEqual([String(queue.id), '640', '10', '2']);
  });

  it('ipcs says what stat() says', async () => {
    const queue = privateQueue();
    queue.sendSync('hello');
    const text = await output('ipcs', '--queues', '--id', queue.id);
    const stat = queue.stat();
    expect(text).toMatch(new RegExp(`qnum=${stat.messages}\\b`));
    expect(text).toMatch(new RegExp(`lspid=${stat.lastSendPid}\\b`));
    expect(text).toMatch(new RegExp(`uid=${stat.uid}\\b`));
  });

  it('ipcs has the limits that limits() has', async () => {
    const limits = SysvMessageQueue.limits();
    const text = await output('ipcs', '--queues', '--limits');
    const numbers = [...text.matchAll(/= (\d+)$/gm)].map(([, number]) => Number(number));
    expect(numbers).toEqual([limits.maxQueues, limits.maxMessageSize, limits.maxQueueBytes]);
  });

  it('ipcrm ends waits with EIDRM, by id and by key', async () => {
    const key = unusedKey();
    for (const [option, of] of [
      ['--queue-id', (queue: SysvMessageQueue) => queue.id],
      ['--queue-key', () => key],
    ] as const) {
      const queue = own(SysvMessageQueue.open(key));
      const ended = expect(queue.receive()).rejects.toMatchObject(systemError('EIDRM', 'msgrcv'));
      await until('receive() waits', () => asleepIn('msgrcv', queue.id) === 1);
      await output('ipcrm', option, of(queue));
      await ended;
      expect(queueRow(queue.id)).toBeUndefined();
    }
  });
});

describe("another user's queue", () => {
  it('gives EACCES to a process of another user, and the text helps', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key, { mode: 0o600 }));
    const peer = await otherUser();
    expect(await peer.call('sys.msgget', key, 0)).toBe(queue.id);
    const error = await peer.failure('open', key);
    expect(error).toMatchObject({ class: 'IpcError', ...systemError('EACCES', 'msgget'), key });
    expect(error.message).toMatch(/\b0o?600\b/);
  });

  it('may be used where its mode says so', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const key = unusedKey();
    const queue = own(SysvMessageQueue.open(key, { mode: 0o622 }));
    const peer = await otherUser();
    await peer.call('openId', queue.id);
    await peer.call('queue.sendSync', 'from another user');
    expect(queue.receiveSync().data.toString()).toBe('from another user');
    expect(await peer.failure('queue.receive')).toMatchObject({ code: 'EACCES' });
    expect(await peer.failure('queue.tryReceive')).toMatchObject({ code: 'EACCES' });
    expect(await peer.failure('queue.set', { mode: 0o666 })).toMatchObject({ code: 'EPERM' });
  });

  it('belongs to the user who made it', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const key = unusedKey();
    const peer = await otherUser();
    const msqid = (await peer.call('open', key)) as number;
    expect(queueRow(msqid)).toMatchObject({ uid: nobody, gid: nobody, cuid: nobody, perms: '600' });
    await peer.call('queue.remove');
    expect(queueRows().some((row) => row.key === key)).toBe(false);
  });
});

describe('a queue with mode 0', () => {
  it('gives EACCES even to its owner, unless the owner may do everything', async () => {
    const key = unusedKey();
    const peer = await unprivileged();
    const msqid = (await peer.call('open', key, { mode: 0 })) as number;
    expect(queueRow(msqid)?.perms).toBe('0');
    for (const [method, args, syscall] of [
      ['queue.trySend', ['x'], 'msgsnd'],
      ['queue.send', ['x'], 'msgsnd'],
      ['queue.tryReceive', [], 'msgrcv'],
      ['queue.receive', [], 'msgrcv'],
    ] as const) {
      const error = await peer.failure(method, ...args);
      expect(error, method).toMatchObject({
        class: 'IpcError',
        ...systemError('EACCES', syscall),
        id: msqid,
      });
      expect(error.message, method).toMatch(/mode 0/);
    }
    expect(await peer.failure('open', key)).toMatchObject(systemError('EACCES', 'msgget'));
    await peer.call('queue.set', { mode: 0o600 });
    await peer.call('queue.send', 'now');
    await peer.call('queue.remove');
  });

  it('can be opened by id, which needs no permission', async () => {
    const msqid = privateId(0o000);
    const peer = await unprivileged();
    expect(await peer.call('openId', msqid)).toBe(msqid);
  });
});

describe('a child process', () => {
  it('made while waits are pending inherits none of them', async () => {
    const queue = privateQueue();
    const received = queue.receive();
    await until('receive() waits', () => asleepIn('msgrcv', queue.id) === 1);
    const peer = await nodePeer();
    expect(asleepIn('msgrcv', queue.id, peer.pid)).toBe(0);
    peer.end();
    expect((await peer.exited).code).toBe(0);
    queue.sendSync('still here');
    expect((await received).data.toString()).toBe('still here');
  });

  it('has no signal blocked that its parent had not', async () => {
    const queue = privateQueue();
    const received = queue.receive();
    await until('receive() waits', () => asleepIn('msgrcv', queue.id) === 1);
    const blocked = /^SigBlk.*$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[0];
    expect(await output('grep', 'SigBlk', '/proc/self/status')).toBe(blocked);
    queue.sendSync('done');
    await received;
  });
});
