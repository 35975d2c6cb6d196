// Truth takes two processes: Node peers, a C peer, Python, Perl and the shell.
import { spawnSync } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PosixMessageQueue } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { compiled } from '../helpers/compile.js';
import { failure, systemError } from '../helpers/failures.js';
import {
  type Exit,
  type NodePeer,
  fixture,
  noSecondUser,
  nobody,
  nodeProgram,
  plainEnvironment,
  program,
} from '../helpers/peers.js';
import {
  closing,
  descriptorsOf,
  drain,
  fullQueue,
  isBlocked,
  messagesIn,
  mountedElsewhere,
  mountedHere,
  mountedPeer,
  mqueueSetting,
  newQueue,
  noMqueueMount,
  otherUserPeer,
  queueFile,
  queuePeer,
  queuePeerAfter,
  sleepsIn,
  small,
  unprivilegedPeer,
  unusedName,
  whereMounted,
} from '../helpers/posix-queues.js';
import { scale, until } from '../helpers/until.js';

/** Runs a program to its end, which must be a good one, and gives what it printed. */
async function output(command: string, ...args: (string | number)[]): Promise<string> {
  const exit: Exit = await program(command, ...args).exited;
  expect(exit, `${command} ${args.join(' ')}: ${exit.stderr}`).toMatchObject({ code: 0, stderr: '' });
  return exit.stdout.trim();
}

const c = (...args: (string | number)[]): Promise<string> => output(compiled('posix-mq-peer'), ...args);
const perl = (...args: (string | number)[]): Promise<string> =>
  output('perl', fixture('posix-mq-peer.pl'), ...args);
const python = (...args: (string | number)[]): Promise<string> =>
  output('python3', fixture('posix-mq-peer.py'), ...args);
const shell = (script: string): Promise<string> => output(...whereMounted(script));

function missing(command: string): string | undefined {
  const tried = spawnSync(command, ['--version'], { env: plainEnvironment() });
  return tried.status === 0 ? undefined : `there is no ${command} here`;
}

/** A Node peer that has opened the queue. */
async function peerOf(queue: { readonly name: string }, options = {}): Promise<NodePeer> {
  const peer = await queuePeer();
  await peer.call('open', queue.name, { create: false, ...options });
  return peer;
}

/** Waits until the peer has made all calls that it was asked for before. */
async function arrived(peer: NodePeer): Promise<void> {
  await peer.call('running');
}

describe('two Node processes', () => {
  it('find the same queue by its name and talk both ways', async () => {
    const name = unusedName();
    const queue = closing(PosixMessageQueue.open(name, { ...small, codec: 'utf8' }));
    const answers = newQueue();
    const peer = await peerOf(queue, { codec: 'utf8' });
    const asked = peer.call('queue.receive');
    await queue.send('question', { priority: 3 });
    expect(await asked).toEqual({ priority: 3, data: 'question' });
    await peer.call('open', answers.name);
    await peer.call('queue.sendSync', 'answer', { priority: 32_767 });
    expect(await answers.receive()).toEqual({ priority: 32_767, data: Buffer.from('answer') });
  });

  it.each(['receiveSync', 'receiveManySync'] as const)('wake each other out of %s()', async (method) => {
    const queue = newQueue();
    const peer = await peerOf(queue);
    const many = method === 'receiveManySync';
    for (const options of [{}, { timeout: 60_000 }]) {
      const received = peer.call(`queue.${method}`, ...(many ? [5, options] : [options]));
      await until('the peer is blocked', () => isBlocked(peer.pid));
      queue.sendSync(`for ${method}`, { priority: 1 });
      const expected = { priority: 1, data: Buffer.from(`for ${method}`) };
      expect(await received).toEqual(many ? [expected] : expected);
    }
  });

  it.each(['receive', 'receiveMany'] as const)('wake each other out of %s()', async (method) => {
    const queue = newQueue();
    const peer = await peerOf(queue);
    const many = method === 'receiveMany';
    const received = peer.call(`queue.${method}`, ...(many ? [5] : []));
    await arrived(peer);
    await until('the peer has nothing to do', () => sleepsIn(peer.pid, 'event loop'));
    queue.sendSync(`for ${method}`);
    const expected = { priority: 0, data: Buffer.from(`for ${method}`) };
    expect(await received).toEqual(many ? [expected] : expected);
    expect(await peer.call('running')).toBe(0);
  });

  it('wake each other out of send() and sendSync()', async () => {
    const queue = fullQueue();
    const peer = await peerOf(queue);
    const later = peer.call('queue.send', 'by a promise');
    await arrived(peer);
    queue.tryReceive();
    await later;
    const blocked = peer.call('queue.sendSync', 'by a blocking call');
    await until('the peer is blocked', () => isBlocked(peer.pid));
    expect(messagesIn(queue)).toBe(3);
    queue.tryReceive();
    await blocked;
    expect(drain(queue)).toEqual(['f', 'by a promise', 'by a blocking call']);
  });

  it('share the messages of a queue between them, each message to one', async () => {
    const queue = newQueue();
    const peers = await Promise.all([queuePeer(), queuePeer(), queuePeer()]);
    const received = peers.map(async (peer) => {
      await peer.call('open', queue.name);
      return (await peer.call('collect', 50)) as string[];
    });
    await Promise.all(Array.from({ length: 150 }, (_, index) => queue.send(String(index))));
    const numbers = (await Promise.all(received)).flat().map(Number);
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, index) => index));
  });

  it('that both wait: one message wakes one, and the other goes on waiting', async () => {
    const queue = newQueue();
    const peers = [await peerOf(queue), await peerOf(queue)];
    const received = peers.map((peer, index) => peer.call('queue.receive').then(() => index));
    for (const peer of peers) await arrived(peer);
    queue.sendSync('first');
    const first = await Promise.race(received);
    for (const peer of peers) await arrived(peer);
    queue.sendSync('second');
    expect((await Promise.all(received)).sort()).toEqual([0, 1]);
    expect([0, 1]).toContain(first);
    expect(messagesIn(queue)).toBe(0);
  });

  it('leave the queue and its messages when they end', async () => {
    const name = unusedName();
    const peer = await queuePeer();
    await peer.call('open', name, small);
    await peer.call('queue.sendSync', 'left here');
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0 });
    const queue = closing(PosixMessageQueue.open(name, { create: false }));
    expect(queue.receiveSync().data.toString()).toBe('left here');
  });

  it('that are killed while they wait take no message with them', async () => {
    const queue = newQueue();
    const peer = await peerOf(queue);
    peer.call('queue.receive').catch(() => undefined);
    await arrived(peer);
    peer.signal('SIGKILL');
    await peer.exited;
    queue.sendSync('stays');
    expect(queue.receiveSync().data.toString()).toBe('stays');
  });

  it('use a queue on after one of them has unlinked it', async () => {
    const queue = newQueue();
    const peer = await peerOf(queue);
    const received = peer.call('queue.receive');
    await arrived(peer);
    queue.unlink();
    await queue.send('to the same queue');
    expect(await received).toEqual({ priority: 0, data: Buffer.from('to the same queue') });
    expect(await peer.failure('open', queue.name, { create: false })).toMatchObject({ code: 'ENOENT' });
    await peer.call('open', queue.name, { exclusive: true, ...small });
    await peer.call('queue.sendSync', 'to another');
    expect(queue.tryReceive()).toBeUndefined();
  });
});

describe('a program', () => {
  const start = (queue: PosixMessageQueue, ...args: string[]): ReturnType<typeof nodeProgram> =>
    nodeProgram('posix-mq-once.js', queue.name, ...args);

  it('stays alive while receive() waits, and ends by itself afterwards', async () => {
    const queue = newQueue();
    const peer = start(queue, 'receive');
    await until('the program has the queue', () => descriptorsOf(queue, peer.pid) === 1);
    await until('the program waits', () => sleepsIn(peer.pid, 'event loop'));
    queue.sendSync('at last');
    expect(await peer.exited).toMatchObject({ code: 0, stdout: 'at last\n', stderr: '' });
  });

  it('ends by itself when the wait is aborted', async () => {
    const peer = start(newQueue(), 'receive', 'abort');
    expect(await peer.exited).toMatchObject({ code: 0, stdout: 'AbortError\n', stderr: '' });
  });

  it.each(['receive', 'notify'])('ends by process.exit() during %s()', async (task) => {
    const peer = start(newQueue(), task, 'exit');
    expect(await peer.exited).toMatchObject({ code: 7, signal: null, stderr: '' });
  });

  it.each(['receive', 'notify'])('ends by an error that nobody catches during %s()', async (task) => {
    const peer = start(newQueue(), task, 'throw');
    expect(await peer.exited).toMatchObject({ code: 1, signal: null });
  });

  it.each(['close registration', 'close queue'])(
    'stays alive while a listener is registered, and ends by itself after %s',
    async (end) => {
      const queue = newQueue();
      const peer = start(queue, 'notify', end);
      await until('the program is registered', () => queueFile(queue.fd).notifyPid === peer.pid);
      await until('the program waits', () => sleepsIn(peer.pid, 'event loop'));
      queue.sendSync('called');
      expect(await peer.exited).toMatchObject({ code: 0, stdout: 'called\n', stderr: '' });
      expect(queueFile(queue.fd).notifyPid).toBe(0);
    },
  );

  it('ends by itself where its listener is closed at once', async () => {
    const peer = start(newQueue(), 'notify', 'close at once');
    expect(await peer.exited).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('that only has a queue open ends by itself', async () => {
    const peer = start(newQueue(), 'nothing');
    expect(await peer.exited).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });
});

describe('a C program', () => {
  it.each<[string, (queue: PosixMessageQueue, text: string, priority: number) => unknown]>([
    ['sendSync()', (queue, text, priority) => queue.sendSync(text, { priority })],
    ['send()', (queue, text, priority) => queue.send(text, { priority })],
    ['sys.mq_send()', (queue, text, priority) => sys.mq_send(queue.fd, text, priority)],
  ])('receives what %s sends', async (_name, send) => {
    const queue = newQueue();
    await send(queue, 'to C: ü', 42);
    expect(await c('receive', queue.name)).toBe(`42 8 ${Buffer.from('to C: ü').toString('hex')}`);
    await send(queue, '', 32_767);
    expect(await c('receive', queue.name)).toBe('32767 0');
  });

  it('receives messages by their priorities', async () => {
    const queue = newQueue();
    for (const priority of [1, 32_767, 0, 1]) queue.sendSync(`p${priority}`, { priority });
    const received: string[] = [];
    for (let index = 0; index < 4; index++)
      received.push((await c('receive', queue.name)).split(' ')[0] ?? '');
    expect(received).toEqual(['32767', '1', '1', '0']);
  });

  it('that waits in mq_receive takes a message of every variant', async () => {
    const queue = newQueue();
    for (const send of [
      () => queue.sendSync('x'),
      () => queue.trySend('x'),
      () => queue.send('x'),
    ] as const) {
      const peer = program(compiled('posix-mq-peer'), 'receive', queue.name);
      await until('the program waits', () => sleepsIn(peer.pid, 'mq_timedreceive'));
      await send();
      expect((await peer.exited).stdout).toBe('0 1 78\n');
    }
  });

  it('sends what every variant takes', async () => {
    const queue = newQueue();
    const expected = { priority: 9, data: Buffer.from('from C') };
    await c('send', queue.name, 9, 'from C');
    expect(queue.receiveSync()).toEqual(expected);
    await c('send', queue.name, 9, 'from C');
    expect(queue.tryReceive()).toEqual(expected);
    const received = queue.receive();
    await c('send', queue.name, 9, 'from C');
    expect(await received).toEqual(expected);
    const many = queue.receiveMany(5);
    await c('send', queue.name, 9, 'from C');
    expect(await many).toEqual([expected]);
  });

  it('that waits in mq_send goes on when a message is taken', async () => {
    const queue = fullQueue();
    const peer = program(compiled('posix-mq-peer'), 'send', queue.name, 0, 'from C');
    await until('the program waits', () => sleepsIn(peer.pid, 'mq_timedsend'));
    expect(queue.receiveSync().data.toString()).toBe('f');
    expect((await peer.exited).code).toBe(0);
    expect(drain(queue)).toEqual(['f', 'f', 'from C']);
  });

  it('sends the largest message of the defaults', async () => {
    const queue = closing(PosixMessageQueue.open(unusedName(), { maxMessages: 1 }));
    const size = mqueueSetting('msgsize_default');
    await c('send-size', queue.name, 5, size);
    expect(queue.receiveSync()).toEqual({ priority: 5, data: Buffer.alloc(size, 's') });
  });

  it('makes a queue that open() finds, and sees what open() makes', async () => {
    const theirs = unusedName();
    await c('make', theirs, 3, 40, '640');
    const queue = closing(PosixMessageQueue.open(theirs, { create: false }));
    expect(queue.stat()).toMatchObject({ maxMessages: 3, messageSize: 40, mode: 0o640, messages: 0 });
    const ours = newQueue({ maxMessages: 5, messageSize: 50 });
    ours.sendSync('x');
    expect(await c('show', ours.name)).toBe('5 50 1');
  });

  it('unlinks a queue of open()', async () => {
    const queue = newQueue();
    await c('unlink', queue.name);
    expect(failure(() => queue.unlink()).code).toBe('ENOENT');
    queue.sendSync('still');
    expect(queue.receiveSync().data.toString()).toBe('still');
  });

  it('answers every message, by promises and by blocking calls', async () => {
    const [queue, answers] = [newQueue(), newQueue()];
    const echo = program(compiled('posix-mq-peer'), 'echo', queue.name, answers.name, 200);
    for (let index = 0; index < 100; index++) {
      await queue.send(`promise ${index}`, { priority: index });
      expect(await answers.receive()).toEqual({ priority: index, data: Buffer.from(`promise ${index}`) });
      queue.sendSync(`blocking ${index}`);
      expect(answers.receiveSync({ timeout: 5_000 * scale }).data.toString()).toBe(`blocking ${index}`);
    }
    expect(await echo.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it.each<[string, (queue: PosixMessageQueue) => unknown]>([
    ['sendSync()', (queue) => queue.sendSync('x')],
    ['trySend()', (queue) => queue.trySend('x')],
    ['send()', (queue) => queue.send('x')],
  ])('is notified of what %s sends, and by whom', async (_name, send) => {
    const queue = newQueue();
    const peer = program(compiled('posix-mq-peer'), 'notified', queue.name);
    expect(await peer.line()).toBe('registered');
    expect(queue.stat().notifyPid).toBe(peer.pid);
    await send(queue);
    expect(await peer.line()).toBe(`1 ${process.pid} 77`);
    expect(queue.stat().notifyPid).toBeUndefined();
  });
});

describe('notify()', () => {
  it('tells of messages that other processes send', async () => {
    const queue = newQueue();
    const received: string[] = [];
    queue.notify(() => received.push(...queue.tryReceiveMany(10).map(({ data }) => data.toString())));
    for (const text of ['one', 'two', 'three']) {
      await c('send', queue.name, 0, text);
      await until(`${text} is received`, () => received.includes(text));
    }
    expect(received).toEqual(['one', 'two', 'three']);
  });

  it('tells of no message that somebody takes who waits in mq_receive', async () => {
    const queue = newQueue();
    let calls = 0;
    queue.notify(() => calls++);
    const peer = program(compiled('posix-mq-peer'), 'receive', queue.name);
    await until('the program waits', () => sleepsIn(peer.pid, 'mq_timedreceive'));
    queue.sendSync('for the one who waits');
    expect((await peer.exited).code).toBe(0);
    queue.sendSync('for nobody');
    await until('the listener is called', () => calls > 0);
    expect(calls).toBe(1);
  });

  it('fails with EBUSY where another process is registered, and is free when that ends', async () => {
    const queue = newQueue();
    const peer = program(compiled('posix-mq-peer'), 'hold', queue.name);
    expect(await peer.line()).toBe('registered');
    const error = failure(() => queue.notify(() => undefined));
    expect(error).toMatchObject(systemError('EBUSY', 'mq_notify'));
    expect(error.message).toContain(queue.name);
    expect(queueFile(queue.fd).notifyPid).toBe(peer.pid);
    peer.end();
    await peer.exited;
    let calls = 0;
    queue.notify(() => calls++);
    queue.sendSync('x');
    await until('the listener is called', () => calls === 1);
  });

  it('keeps others out until it is closed', async () => {
    const queue = newQueue();
    const registration = queue.notify(() => undefined);
    const kept = program(compiled('posix-mq-peer'), 'hold', queue.name);
    expect(await kept.exited).toMatchObject({ code: 1, stderr: 'mq_notify: Device or resource busy\n' });
    const peer = await peerOf(queue);
    expect(await peer.failure('notify')).toMatchObject({
      class: 'IpcError',
      ...systemError('EBUSY', 'mq_notify'),
    });
    registration.close();
    await peer.call('notify');
    expect(queue.stat().notifyPid).toBe(peer.pid);
    expect(failure(() => queue.notify(() => undefined)).code).toBe('EBUSY');
    await peer.call('endNotify');
    queue.notify(() => undefined).close();
  });

  it('is over in another process that closes its queue or ends', async () => {
    const queue = newQueue();
    const peer = await peerOf(queue);
    await peer.call('notify');
    await peer.call('queue.close');
    queue.notify(() => undefined).close();
    await peer.call('open', queue.name);
    await peer.call('notify');
    peer.signal('SIGKILL');
    await peer.exited;
    queue.notify(() => undefined).close();
  });

  it('of a Node process is called for messages of this one, every time', async () => {
    const queue = newQueue();
    const peer = await peerOf(queue);
    await peer.call('notify');
    for (let round = 1; round <= 20; round++) {
      queue.sendSync('x');
      let calls: unknown;
      do calls = await peer.call('notifications');
      while (calls !== round);
      expect(queue.stat().notifyPid).toBe(peer.pid);
      queue.tryReceive();
    }
  });
});

describe('Python', () => {
  it('receives, sends, makes and unlinks by the C library', async ({ skip }) => {
    const reason = missing('python3');
    skip(reason !== undefined, reason);
    const queue = newQueue();
    queue.sendSync('to Python', { priority: 12 });
    expect(await python('show', queue.name)).toBe('10 256 1');
    expect(await python('receive', queue.name)).toBe('12 to Python');
    const received = queue.receive();
    await python('send', queue.name, 13, 'from Python');
    expect(await received).toEqual({ priority: 13, data: Buffer.from('from Python') });
    const theirs = unusedName();
    await python('make', theirs, 4, 44);
    const found = closing(PosixMessageQueue.open(theirs, { create: false }));
    expect([found.maxMessages, found.messageSize]).toEqual([4, 44]);
    await python('unlink', theirs);
    expect(failure(() => found.unlink()).code).toBe('ENOENT');
  });

  it('holds the registration, which gives EBUSY here until it ends', async ({ skip }) => {
    const reason = missing('python3');
    skip(reason !== undefined, reason);
    const queue = newQueue();
    const peer = program('python3', fixture('posix-mq-peer.py'), 'hold', queue.name);
    const pid = Number(/^registered (\d+)$/.exec(await peer.line())?.[1]);
    expect(failure(() => queue.notify(() => undefined)).code).toBe('EBUSY');
    expect(queue.stat().notifyPid).toBe(pid);
    peer.end();
    await peer.exited;
    queue.notify(() => undefined).close();
  });
});

describe('Perl', () => {
  it("receives, sends, makes and unlinks by the kernel's numbers", async () => {
    const queue = newQueue();
    queue.sendSync('to Perl', { priority: 12 });
    expect(await perl('receive', queue.name)).toBe('12 to Perl');
    const received = queue.receive();
    await perl('send', queue.name, 32_767, 'from Perl');
    expect(await received).toEqual({ priority: 32_767, data: Buffer.from('from Perl') });
    const theirs = unusedName();
    await perl('make', theirs, 4, 44);
    const found = closing(PosixMessageQueue.open(theirs, { create: false }));
    expect([found.maxMessages, found.messageSize]).toEqual([4, 44]);
    await perl('unlink', theirs);
    expect(failure(() => found.unlink()).code).toBe('ENOENT');
  });
});

describe('the shell, where the queues are files', () => {
  it('sees what open() makes and stat() says', async ({ skip }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const queue = newQueue({ mode: 0o640 });
    queue.sendSync('hello');
    queue.notify(() => undefined);
    const file = queue.name.slice(1);
    expect(await shell('ls -A')).toContain(file);
    expect(await shell(`cat ${file}`)).toMatch(/^QSIZE:5\s/);
    expect(await shell(`stat --format '%a %u %g' ${file}`)).toBe(
      `640 ${queue.stat().uid} ${queue.stat().gid}`,
    );
    expect(queue.stat().mode).toBe(0o640);
  });

  it('sees changes that stat() sees too', async ({ skip }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const queue = newQueue();
    await shell(`chmod 0604 ${queue.name.slice(1)}`);
    expect(queue.stat().mode).toBe(0o604);
    if (noSecondUser() !== undefined) return;
    await shell(`chown ${nobody}:${nobody} ${queue.name.slice(1)}`);
    expect(queue.stat()).toMatchObject({ uid: nobody, gid: nobody, mode: 0o604 });
  });

  it('makes a queue by touch, which open() finds, and unlinks it by rm', async ({ skip }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const name = unusedName();
    await shell(`touch ${name.slice(1)}`);
    const queue = closing(PosixMessageQueue.open(name, { create: false }));
    expect([queue.maxMessages, queue.messageSize]).toEqual([
      mqueueSetting('msg_default'),
      mqueueSetting('msgsize_default'),
    ]);
    await shell(`rm ${name.slice(1)}`);
    expect(failure(() => queue.unlink()).code).toBe('ENOENT');
  });
});

describe('list()', () => {
  interface Row {
    name: string;
    bytes: number | undefined;
    notifyPid: number | undefined;
    uid: number;
    gid: number;
    mode: number;
  }
  const rowOf = (rows: unknown, name: string): Row | undefined =>
    (rows as Row[]).find((row) => row.name === name);

  it('has every queue of the namespace, whoever made it', async ({ skip }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const peer = await mountedHere();
    const queue = newQueue({ mode: 0o640 });
    queue.sendSync('hello');
    queue.notify(() => undefined);
    const theirs = unusedName();
    await c('make', theirs, 2, 20, '604');
    const rows = await peer.call('list');
    const { uid, gid } = fstatSync(queue.fd);
    expect(rowOf(rows, queue.name)).toEqual({
      name: queue.name,
      bytes: 5,
      notifyPid: process.pid,
      uid,
      gid,
      mode: 0o640,
    });
    expect(rowOf(rows, theirs)).toEqual({
      name: theirs,
      bytes: 0,
      notifyPid: undefined,
      uid,
      gid,
      mode: 0o604,
    });
    const files = (await shell('ls -A')).split('\n');
    expect((rows as Row[]).map(({ name }) => name.slice(1)).sort()).toEqual(files.sort());
    await c('unlink', theirs);
    expect(rowOf(await peer.call('list'), theirs)).toBeUndefined();
  });

  it('is empty in a namespace that has none, and has what is made there', async ({ skip }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const here = newQueue();
    const peer = await mountedPeer();
    expect(await peer.call('list')).toEqual([]);
    await peer.call('open', here.name, { exclusive: true, ...small });
    await peer.call('queue.sendSync', 'in the other namespace');
    await peer.call('notify');
    expect(await peer.call('list')).toMatchObject([{ name: here.name, bytes: 22, notifyPid: peer.pid }]);
    expect(here.stat().messages).toBe(0);
  });

  it('leaves the registrations of this process as they are, and their listeners miss nothing', async ({
    skip,
  }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const name = unusedName();
    const peer = await mountedPeer();
    await peer.call('open', name, { exclusive: true, ...small });
    await peer.call('notify');
    for (let round = 1; round <= 10; round++) {
      const [, rows] = await Promise.all([
        peer.call('list'),
        peer.call('list'),
        peer.call('queue.sendSync', 'x'),
      ]);
      expect(rows).toMatchObject([{ name, bytes: 0, notifyPid: peer.pid }]);
      await peer.call('list');
      let calls: unknown;
      const start = performance.now();
      do calls = await peer.call('notifications');
      while (calls !== round && performance.now() - start < 2_000 * scale);
      expect(calls).toBe(round);
      await peer.call('queue.tryReceive');
    }
  });

  it('has queues too that may not be read, without what only readers see', async ({ skip }) => {
    const reason = noMqueueMount() ?? noSecondUser();
    skip(reason !== undefined, reason);
    const queue = newQueue({ mode: 0o600 });
    queue.sendSync('secret');
    const peer = await mountedHere();
    await peer.call('become', nobody);
    expect(rowOf(await peer.call('list'), queue.name)).toMatchObject({
      bytes: undefined,
      notifyPid: undefined,
      uid: process.getuid?.(),
      mode: 0o600,
    });
  });

  it('has names of any language', async ({ skip }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const peer = await mountedPeer();
    const names = ['/grün', '/with space', '/😀', '/.hidden', '/new\nline', `/${'l'.repeat(255)}`];
    for (const name of names) await peer.call('open', name, small);
    const rows = (await peer.call('list')) as Row[];
    expect(rows.map(({ name }) => name).sort()).toEqual(names.sort());
  });

  const unmount = 'while mountpoint -q /dev/mqueue; do umount /dev/mqueue || exit 1; done';

  it('fails with ERR_MQUEUE_NOT_MOUNTED where they are no files, and says how to make them', async ({
    skip,
  }) => {
    const tried = spawnSync('unshare', ['--mount', 'sh', '-c', unmount], { env: plainEnvironment() });
    skip(tried.status !== 0, "/dev/mqueue can't be unmounted here");
    const peer = await queuePeerAfter(unmount);
    const error = await peer.failure('list');
    expect(error).toMatchObject({ name: 'Error', code: 'ERR_MQUEUE_NOT_MOUNTED' });
    expect(error.message).toMatch(/mount -t mqueue \S+ \/dev\/mqueue/);
  });

  it("fails with ERR_MQUEUE_NOT_MOUNTED where the files are another namespace's", async ({ skip }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const here = newQueue();
    const peer = await mountedElsewhere();
    for (let round = 0; round < 2; round++) {
      const error = await peer.failure('list');
      expect(error).toMatchObject({ name: 'Error', code: 'ERR_MQUEUE_NOT_MOUNTED' });
      expect(error.message).toMatch(/namespace/);
      expect(error.message).toMatch(/mount -t mqueue \S+ \/dev\/mqueue/);
      // The answer is the same where the namespace has queues of its own, even of the same names.
      await peer.call('open', here.name, small);
    }
  });

  it('makes no queue and leaves none, whatever it finds', async ({ skip }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const before = (await shell('ls -A')).split('\n');
    const [mounted, elsewhere] = [await mountedHere(), await mountedElsewhere()];
    await mounted.call('list');
    await elsewhere.outcome('list');
    expect((await shell('ls -A')).split('\n')).toEqual(before);
  });
});

describe("another user's queue", () => {
  it('may be used where its mode says so', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const queue = newQueue({ mode: 0o622 });
    const peer = await otherUserPeer();
    expect(await peer.failure('open', queue.name)).toMatchObject(systemError('EACCES', 'mq_open'));
    await peer.call('open', queue.name, { access: 'write' });
    await peer.call('queue.sendSync', 'from another user');
    expect(queue.receiveSync().data.toString()).toBe('from another user');
    expect(await peer.failure('queue.receive')).toMatchObject({ code: 'EBADF' });
    expect(await peer.failure('unlink', queue.name)).toMatchObject({ code: 'EACCES' });
  });

  it('belongs to the user who made it', async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const name = unusedName();
    const peer = await otherUserPeer();
    await peer.call('open', name, small);
    expect(await peer.call('queue.stat')).toMatchObject({ uid: nobody, gid: nobody, mode: 0o600 });
    expect(fstatSync(closing(PosixMessageQueue.open(name, { create: false })).fd).uid).toBe(nobody);
    await peer.call('queue.unlink');
    expect(failure(() => PosixMessageQueue.open(name, { create: false })).code).toBe('ENOENT');
  });

  it('with mode 0 gives EACCES even to its owner, who has it open all the same', async () => {
    const name = unusedName();
    const peer = await unprivilegedPeer();
    await peer.call('open', name, { ...small, mode: 0 });
    await peer.call('queue.sendSync', 'by the one who made it');
    expect(await peer.call('queue.receive')).toMatchObject({ data: Buffer.from('by the one who made it') });
    expect(await peer.failure('open', name)).toMatchObject({ class: 'IpcError', code: 'EACCES' });
    await peer.call('unlink', name);
  });
});

describe('a child process', () => {
  it('made while waits and a listener are pending inherits no descriptor', async () => {
    const queue = newQueue();
    let calls = 0;
    queue.notify(() => calls++);
    const received = queue.receive();
    const child = program('sleep', 1000);
    const peer = await queuePeer();
    expect([descriptorsOf(queue, child.pid), descriptorsOf(queue, peer.pid)]).toEqual([0, 0]);
    child.signal('SIGKILL');
    await child.exited;
    expect(queueFile(queue.fd).notifyPid).toBe(process.pid);
    await peer.call('open', queue.name);
    await peer.call('queue.sendSync', 'still here');
    expect((await received).data.toString()).toBe('still here');
    await until('the listener is called', () => calls === 1);
  });
});
