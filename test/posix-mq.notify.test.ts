// PosixMessageQueue.notify(): whom the kernel tells that a message came to the empty queue.
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { IpcError, PosixMessageQueue, waitThreads } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { failure, systemError } from './helpers/failures.js';
import { program } from './helpers/peers.js';
import { again, closing, descriptorsOf, drain, newQueue, queueFile, small } from './helpers/posix-queues.js';
import { turns, until } from './helpers/until.js';

function text(message: { data: Buffer }): string {
  return message.data.toString();
}

function texts(messages: Iterable<{ data: unknown }>): string[] {
  return Array.from(messages, ({ data }) => String(data));
}

/** Waits until this process is registered with the queue. */
function registered(queue: PosixMessageQueue): Promise<void> {
  return until('this process is registered', () => queueFile(queue.fd).notifyPid === process.pid);
}

describe('notify()', () => {
  /** A queue with a listener that counts its calls and takes nothing. */
  function counting(queue: PosixMessageQueue): { readonly calls: number; close(): void } {
    let calls = 0;
    const registration = queue.notify(() => calls++);
    return {
      get calls() {
        return calls;
      },
      close: () => registration.close(),
    };
  }

  it('calls the listener when a message comes to the empty queue', async () => {
    const queue = newQueue();
    const listener = counting(queue);
    expect(queueFile(queue.fd).notifyPid).toBe(process.pid);
    await turns();
    expect(listener.calls).toBe(0);
    queue.sendSync('first');
    await until('the listener is called', () => listener.calls === 1);
  });

  it('calls it each time anew, registered again before every call', async () => {
    const queue = newQueue();
    const pids: (number | undefined)[] = [];
    const received: string[] = [];
    queue.notify(() => {
      pids.push(queue.stat().notifyPid);
      received.push(...texts(queue.tryReceiveMany(10)));
    });
    for (let round = 0; round < 50; round++) {
      queue.sendSync(String(round));
      await until(`call ${round}`, () => pids.length === round + 1);
    }
    expect(received).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
    expect(pids).toEqual(Array.from({ length: 50 }, () => process.pid));
  });

  it('calls it not for a message that comes when others are there', async () => {
    const queue = newQueue();
    queue.sendSync('there before');
    const listener = counting(queue);
    queue.sendSync('second');
    await turns();
    queue.tryReceiveMany(10);
    queue.sendSync('to the empty queue');
    await until('the listener is called', () => listener.calls > 0);
    queue.sendSync('fourth');
    await turns();
    expect(listener.calls).toBe(1);
  });

  it('calls it once for a burst that comes to the empty queue', async () => {
    const queue = newQueue();
    const listener = counting(queue);
    for (let index = 0; index < 10; index++) queue.sendSync('x');
    await until('the listener is called', () => listener.calls > 0);
    await turns();
    expect(listener.calls).toBe(1);
    queue.tryReceiveMany(10);
    queue.sendSync('again');
    await until('the listener is called again', () => listener.calls === 2);
  });

  it('leaves the message in the queue', async () => {
    const queue = newQueue();
    const listener = counting(queue);
    queue.sendSync('stays');
    await until('the listener is called', () => listener.calls === 1);
    expect(drain(queue)).toEqual(['stays']);
  });

  it('works beside receive() of the same object', async () => {
    const queue = newQueue();
    const listener = counting(queue);
    for (let round = 0; round < 10; round++) {
      const received = queue.receive();
      await turns();
      queue.sendSync(`message ${round}`);
      expect(text(await received)).toBe(`message ${round}`);
    }
    await registered(queue);
    const before = listener.calls;
    queue.sendSync('nobody waits');
    await until('the listener is called', () => listener.calls === before + 1);
  });

  it('fails with EBUSY where this process has the registration, by this object or another', () => {
    const queue = newQueue();
    const other = again(queue);
    queue.notify(() => undefined);
    for (const object of [queue, other]) {
      const error = failure(() => object.notify(() => undefined));
      expect(error).toBeInstanceOf(IpcError);
      expect(error).toMatchObject(systemError('EBUSY', 'mq_notify'));
      expect(error.message).toContain(queue.name);
    }
    expect(queueFile(queue.fd).notifyPid).toBe(process.pid);
  });

  it('a registration that failed takes nothing from the one that is there', async () => {
    const queue = newQueue();
    const listener = counting(queue);
    const other = again(queue);
    expect(failure(() => other.notify(() => undefined)).code).toBe('EBUSY');
    queue.sendSync('x');
    await until('the listener is called', () => listener.calls === 1);
    queue.tryReceive();
    other.close();
    await registered(queue);
    queue.sendSync('y');
    await until('the listener is called again', () => listener.calls === 2);
  });

  it('can be had again after its close(), by this object or another', async () => {
    const queue = newQueue();
    const other = again(queue);
    const first = counting(queue);
    first.close();
    expect(queueFile(queue.fd).notifyPid).toBe(0);
    const second = counting(other);
    second.close();
    expect(() => second.close()).not.toThrow();
    const third = counting(queue);
    // The one that is over takes nothing from the one that is there.
    first.close();
    second.close();
    expect(queueFile(queue.fd).notifyPid).toBe(process.pid);
    queue.sendSync('x');
    await until('the third is called', () => third.calls === 1);
    expect([first.calls, second.calls]).toEqual([0, 0]);
  });

  it('ends at the end of a block with using', () => {
    const queue = newQueue();
    {
      using _registration = queue.notify(() => undefined);
      expect(queueFile(queue.fd).notifyPid).toBe(process.pid);
    }
    expect(queueFile(queue.fd).notifyPid).toBe(0);
  });

  it('ends with close() of the queue', () => {
    const queue = newQueue();
    const other = again(queue);
    const registration = queue.notify(() => undefined);
    queue.close();
    expect(queueFile(other.fd).notifyPid).toBe(0);
    expect(() => registration.close()).not.toThrow();
    const next = other.notify(() => undefined);
    registration.close();
    expect(queueFile(other.fd).notifyPid).toBe(process.pid);
    next.close();
  });

  it('calls nobody after its close(), also for a message that came before', async () => {
    const queue = newQueue();
    for (let round = 0; round < 20; round++) {
      const first = counting(queue);
      queue.sendSync('x');
      first.close();
      const second = counting(queue);
      queue.tryReceiveMany(10);
      queue.sendSync('y');
      await until('the second is called', () => second.calls === 1);
      expect(first.calls).toBe(0);
      second.close();
      queue.tryReceiveMany(10);
    }
  });

  it('may be closed by its own listener', async () => {
    const queue = newQueue();
    let calls = 0;
    const registration = queue.notify(() => {
      calls++;
      registration.close();
    });
    queue.sendSync('x');
    await until('the listener is called', () => calls === 1);
    expect(queueFile(queue.fd).notifyPid).toBe(0);
    queue.tryReceive();
    queue.sendSync('y');
    const next = counting(queue);
    queue.tryReceive();
    queue.sendSync('z');
    await until('the next is called', () => next.calls === 1);
    expect(calls).toBe(1);
  });

  it('may have its queue closed by its own listener', async () => {
    const queue = newQueue();
    const other = again(queue);
    let calls = 0;
    queue.notify(() => {
      calls++;
      queue.close();
    });
    other.sendSync('x');
    await until('the listener is called', () => calls === 1);
    expect(queueFile(other.fd).notifyPid).toBe(0);
    expect(descriptorsOf(queue)).toBe(1);
  });

  it('of several queues each call their own listener', async () => {
    const queues = Array.from({ length: 10 }, () => newQueue({ maxMessages: 1 }));
    const listeners = queues.map(counting);
    for (const index of [3, 7, 3, 0]) {
      queues[index]?.tryReceive();
      const before = listeners[index]?.calls ?? NaN;
      queues[index]?.sendSync('x');
      await until(`listener ${index} is called`, () => listeners[index]?.calls === before + 1);
    }
    expect(listeners.map(({ calls }) => calls)).toEqual([1, 0, 0, 2, 0, 0, 0, 1, 0, 0]);
  });

  it('survives that another object of the queue is closed in this process', async () => {
    const queue = newQueue();
    const listener = counting(queue);
    for (let round = 1; round <= 5; round++) {
      again(queue).close();
      await registered(queue);
      queue.sendSync('x');
      await until('the listener is called', () => listener.calls === round);
      queue.tryReceive();
    }
  });

  it('survives that an object of the queue is closed that was there before it', async () => {
    const queue = newQueue();
    const [first, second] = [again(queue), again(queue)];
    const listener = counting(first);
    queue.close();
    await registered(first);
    second.sendSync('x');
    await until('the listener is called', () => listener.calls === 1);
    second.close();
    await registered(first);
  });

  it('survives that sys.mq_close() closes a descriptor of the queue', async () => {
    const queue = newQueue();
    const listener = counting(queue);
    sys.mq_close(sys.mq_open(queue.name, sys.O_RDONLY));
    await registered(queue);
    queue.sendSync('x');
    await until('the listener is called', () => listener.calls === 1);
  });

  it('tells of a message that comes at once after another object of the queue is closed', async () => {
    const queue = newQueue();
    const listener = counting(queue);
    for (let round = 1; round <= 5; round++) {
      again(queue).close();
      queue.sendSync('x');
      await until('the listener is called', () => listener.calls === round);
      await registered(queue);
      queue.tryReceive();
    }
  });

  it('tells of a message that comes while another object of the queue is closed', async () => {
    const queue = newQueue();
    const received: string[] = [];
    queue.notify(() => received.push(...texts(queue.tryReceiveMany(10))));
    const expected: string[] = [];
    for (let round = 0; round < 20; round++) {
      const other = again(queue);
      const sent = other.send(String(round));
      if (round % 2 === 0) await sent;
      other.close();
      await sent;
      expected.push(String(round));
      await until(`message ${round} is received`, () => received.length === round + 1);
    }
    expect(received).toEqual(expected);
  });

  it('survives that the queue is unlinked, and that its name is given to another', async () => {
    const queue = newQueue();
    const other = again(queue);
    const listener = counting(queue);
    queue.unlink();
    const fresh = closing(PosixMessageQueue.open(queue.name, { exclusive: true, ...small }));
    const freshListener = counting(fresh);
    other.close();
    await registered(queue);
    queue.sendSync('x');
    await until('the listener is called', () => listener.calls === 1);
    expect(freshListener.calls).toBe(0);
    fresh.sendSync('y');
    await until('the listener of the other is called', () => freshListener.calls === 1);
    expect(listener.calls).toBe(1);
  });

  it('survives that programs are started and end', async () => {
    const queue = newQueue();
    const listener = counting(queue);
    execFileSync('true');
    expect((await program('true').exited).code).toBe(0);
    expect(queueFile(queue.fd).notifyPid).toBe(process.pid);
    queue.sendSync('x');
    await until('the listener is called', () => listener.calls === 1);
  });

  it('can be had with every access', async () => {
    const queue = newQueue();
    for (const access of ['read', 'write'] as const) {
      const opened = closing(PosixMessageQueue.open(queue.name, { access }));
      const listener = counting(opened);
      queue.sendSync('x');
      await until('the listener is called', () => listener.calls === 1);
      listener.close();
      queue.tryReceive();
      opened.close();
    }
  });

  it('takes no wait thread', async () => {
    await until('no wait of another family is left', () => waitThreads.running === 0);
    const queue = newQueue();
    const listener = counting(queue);
    queue.sendSync('x');
    await until('the listener is called', () => listener.calls === 1);
    expect(waitThreads.running).toBe(0);
  });

  it.each([undefined, null, 1, 'x', {}])('refuses %s as listener, and registers nothing', (listener) => {
    const queue = newQueue();
    expect(failure(() => queue.notify(listener as () => void))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
    });
    expect(queueFile(queue.fd).notifyPid).toBe(0);
  });
});
