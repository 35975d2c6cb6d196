// EventFd: a counter in the kernel that can be waited for. What waits, in general, is in readiness.test.ts.
import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EventFd, IpcError, Pipe } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { closing, countOf, descriptors, flagsOf, patience, target } from './helpers/pipe-ends.js';
import { failure, rejection } from './helpers/failures.js';
import { fixture } from './helpers/peers.js';
import { borrow } from './helpers/queues.js';
import { stateOf, turns } from './helpers/until.js';

const most = 2n ** 64n - 2n;

function promised<T>(call: () => T | Promise<T>): Promise<T> {
  return Promise.resolve().then(call);
}

function event(options?: { initial?: number; semaphore?: boolean }): EventFd {
  return borrow(EventFd.create(options));
}

describe('create()', () => {
  it('makes an eventfd that holds 0, closed on exec', () => {
    const made = event();
    expect(made).toBeInstanceOf(EventFd);
    expect(made.closed).toBe(false);
    expect(target(made.fd)).toBe('anon_inode:[eventfd]');
    expect(countOf(made.fd)).toBe(0n);
    expect(flagsOf(made.fd) & sys.O_CLOEXEC).not.toBe(0);
  });

  it('gives it the initial value', () => {
    expect(countOf(event({ initial: 7 }).fd)).toBe(7n);
    expect(countOf(event({ initial: 2 ** 32 - 1 }).fd)).toBe(2n ** 32n - 1n);
    expect(event({ initial: 3 }).tryWait()).toBe(3);
  });

  it.each([-1, 0.5, NaN, 2 ** 64])('refuses the initial value %s', (initial) => {
    const before = descriptors();
    expect(failure(() => EventFd.create({ initial }))).toMatchObject({
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
    expect(descriptors()).toBe(before);
  });
});

const signals: [string, (of: EventFd, n?: number | bigint) => unknown][] = [
  ['signalSync()', (of, n) => of.signalSync(n)],
  ['trySignal()', (of, n) => expect(of.trySignal(n)).toBe(true)],
  ['signal()', (of, n) => of.signal(n)],
];

describe.each(signals)('%s', (_name, signal) => {
  it('adds 1, or the number', async () => {
    const made = event();
    await signal(made);
    await signal(made);
    expect(countOf(made.fd)).toBe(2n);
    await signal(made, 40);
    await signal(made, 100n);
    expect(countOf(made.fd)).toBe(142n);
  });

  it('adds numbers past 2^53, up to 2^64 - 2', async () => {
    const made = event();
    await signal(made, Number.MAX_SAFE_INTEGER);
    expect(countOf(made.fd)).toBe(2n ** 53n - 1n);
    made.tryWait();
    await signal(made, 2n ** 60n + 1n);
    expect(countOf(made.fd)).toBe(2n ** 60n + 1n);
    made.tryWait();
    await signal(made, most);
    expect(countOf(made.fd)).toBe(most);
  });

  it.each([0, -1, 0n, -5n, 0.5, NaN, Infinity, 2n ** 64n - 1n, 2n ** 64n, 2 ** 64])(
    'refuses %s and adds nothing',
    async (n) => {
      const made = event({ initial: 1 });
      const error = await rejection(promised(() => signal(made, n)));
      expect(error).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
      expect(countOf(made.fd)).toBe(1n);
    },
  );

  it.each(['1', null, {}, true])('refuses %s as no number', async (n) => {
    const made = event();
    const error = await rejection(promised(() => signal(made, n as unknown as number)));
    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    expect(countOf(made.fd)).toBe(0n);
  });
});

describe('a counter that would overflow', () => {
  it('makes trySignal() false and leaves it as it is', () => {
    const made = event();
    made.signalSync(most);
    expect(made.trySignal()).toBe(false);
    expect(countOf(made.fd)).toBe(most);
    made.tryWait();
    made.signalSync(most - 1n);
    expect(made.trySignal(2)).toBe(false);
    expect(made.trySignal(1)).toBe(true);
    expect(countOf(made.fd)).toBe(most);
  });

  it('makes signalSync() with a time limit throw ETIMEDOUT and adds nothing', () => {
    const made = event();
    made.signalSync(most);
    const error = failure(() => made.signalSync(1, { timeout: 10 }));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ETIMEDOUT' });
    expect(countOf(made.fd)).toBe(most);
  });

  it('makes signal() wait until there is room', async () => {
    const made = event();
    await made.signal(most);
    const signalled = made.signal(5);
    expect(await stateOf(signalled)).toBe('pending');
    expect(made.tryWait()).toBe(most);
    await signalled;
    expect(made.tryWait()).toBe(5);
  });
});

const waits: [string, (of: EventFd) => Promise<number | bigint | undefined>][] = [
  ['waitSync()', (of) => promised(() => of.waitSync({ timeout: patience }))],
  ['tryWait()', (of) => promised(() => of.tryWait())],
  ['wait()', (of) => of.wait()],
  [
    'for await',
    async (of) => {
      for await (const count of of) return count;
      return undefined;
    },
  ],
];

describe.each(waits)('%s', (_name, wait) => {
  it('gives the counter, which is 0 afterwards', async () => {
    const made = event({ initial: 2 });
    made.signalSync(3);
    expect(await wait(made)).toBe(5);
    expect(countOf(made.fd)).toBe(0n);
  });

  it('gives 1 and takes 1 in semaphore mode', async () => {
    const made = event({ initial: 3, semaphore: true });
    expect(await wait(made)).toBe(1);
    expect(countOf(made.fd)).toBe(2n);
    expect(await wait(made)).toBe(1);
    expect(await wait(made)).toBe(1);
    expect(made.tryWait()).toBeUndefined();
  });

  it('gives a number up to 2^53 - 1 and a bigint beyond', async () => {
    const made = event();
    for (const n of [1, Number.MAX_SAFE_INTEGER, 2n ** 53n + 1n, 2n ** 60n + 1n, most]) {
      made.signalSync(n);
      expect(await wait(made)).toBe(n);
    }
  });
});

describe('waiting', () => {
  it('tryWait() gives undefined where the counter is 0', () => {
    expect(event().tryWait()).toBeUndefined();
    expect(event({ semaphore: true }).tryWait()).toBeUndefined();
  });

  it('wait() waits for a signal', async () => {
    const made = event();
    const waited = made.wait();
    expect(await stateOf(waited)).toBe('pending');
    made.signalSync(4);
    expect(await waited).toBe(4);
  });

  it('several wait() in semaphore mode get one each, in the order of the calls', async () => {
    const made = event({ semaphore: true });
    const order: number[] = [];
    const waited = Array.from({ length: 6 }, (_, index) => made.wait().then(() => order.push(index)));
    await turns();
    made.signalSync(4);
    await Promise.all(waited.slice(0, 4));
    expect(order).toEqual([0, 1, 2, 3]);
    expect(await stateOf(waited[4] ?? Promise.resolve())).toBe('pending');
    made.signalSync(2);
    await Promise.all(waited);
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('several wait() without it: one gets all, the others go on waiting', async () => {
    const made = event();
    const [first, second] = [made.wait(), made.wait()];
    await turns();
    made.signalSync(3);
    expect(await first).toBe(3);
    expect(await stateOf(second)).toBe('pending');
    made.signalSync(2);
    expect(await second).toBe(2);
  });

  it('waitSync() with a time limit throws ETIMEDOUT where nobody signals', () => {
    const made = event();
    const start = performance.now();
    const error = failure(() => made.waitSync({ timeout: 20 }));
    expect(performance.now() - start).toBeGreaterThanOrEqual(20);
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'ETIMEDOUT' });
  });

  it('for await gives count after count, and ends when the eventfd is closed', async () => {
    const made = event();
    const counts: (number | bigint)[] = [];
    const looped = (async () => {
      for await (const count of made) {
        counts.push(count);
        if (counts.length < 3) setImmediate(() => made.signalSync(counts.length + 1));
        else setImmediate(() => made.close());
      }
      return 'ended';
    })();
    made.signalSync(1);
    expect(await looped).toBe('ended');
    expect(counts).toEqual([1, 2, 3]);
  });

  it('for await left by break leaves the eventfd open', async () => {
    const made = event({ initial: 5, semaphore: true });
    for await (const count of made) {
      expect(count).toBe(1);
      break;
    }
    expect(made.closed).toBe(false);
    expect(countOf(made.fd)).toBe(4n);
  });
});

describe('fromFd()', () => {
  it('adopts an eventfd of any mode', async () => {
    const [counter, semaphore] = [sys.eventfd(3, 0), sys.eventfd(3, sys.EFD_SEMAPHORE)];
    const adopted = [borrow(EventFd.fromFd(counter)), borrow(EventFd.fromFd(semaphore))];
    expect(adopted.map(({ fd }) => fd)).toEqual([counter, semaphore]);
    expect(await Promise.all(adopted.map((made) => made.wait()))).toEqual([3, 1]);
    adopted.forEach((made) => made.close());
    expect([target(counter), target(semaphore)]).toEqual([undefined, undefined]);
  });

  it('adopts one that does not block, and calls that wait still wait', async () => {
    const made = borrow(EventFd.fromFd(sys.eventfd(0, sys.EFD_NONBLOCK | sys.EFD_CLOEXEC)));
    expect(failure(() => made.waitSync({ timeout: 10 })).code).toBe('ETIMEDOUT');
    const waited = made.wait();
    expect(await stateOf(waited)).toBe('pending');
    await made.signal(most);
    expect(await waited).toBe(most);
    made.signalSync(most);
    expect(failure(() => made.signalSync(1, { timeout: 10 })).code).toBe('ETIMEDOUT');
  });

  it('refuses what is no eventfd and leaves it open', () => {
    const pipe = borrow(Pipe.create());
    const file = closing(openSync(fixture('peer.js'), 'r'));
    const device = closing(openSync('/dev/null', 'r+'));
    for (const fd of [pipe.reader.fd, pipe.writer.fd, file, device]) {
      const error = failure(() => EventFd.fromFd(fd));
      expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
      expect(target(fd)).toBeDefined();
    }
  });

  it('fails with EBADF where the descriptor is not open', () => {
    const fd = openSync('/dev/null', 'r');
    closeSync(fd);
    const error = failure(() => EventFd.fromFd(fd));
    expect(error).toBeInstanceOf(IpcError);
    expect(error).toMatchObject({ code: 'EBADF' });
  });
});

describe('the end', () => {
  it('by release() gives the descriptor back, open', async () => {
    const made = EventFd.create({ initial: 2 });
    const { fd } = made;
    made.tryWait();
    const pending = rejection(made.wait());
    await turns();
    expect(made.release()).toBe(fd);
    closing(fd);
    expect(await pending).toMatchObject({ code: 'ECANCELED' });
    expect(made.closed).toBe(true);
    made.close();
    const heir = borrow(EventFd.fromFd(fd));
    heir.signalSync(9);
    expect(heir.tryWait()).toBe(9);
  });

  it('by close() closes the descriptor, once', () => {
    const made = EventFd.create();
    const { fd } = made;
    made.close();
    expect(made.closed).toBe(true);
    expect(target(fd)).toBeUndefined();
    const other = closing(sys.eventfd(0, sys.EFD_CLOEXEC));
    made.close();
    expect(target(other)).toBeDefined();
  });

  it('is what using does', () => {
    let kept: EventFd;
    {
      using made = EventFd.create();
      kept = made;
    }
    expect(kept.closed).toBe(true);
  });

  it('makes every later call throw ERR_INVALID_STATE', async () => {
    const made = EventFd.create({ initial: 1 });
    made.close();
    const calls: Record<string, () => unknown> = {
      signalSync: () => made.signalSync(),
      trySignal: () => made.trySignal(),
      signal: () => made.signal(),
      waitSync: () => made.waitSync({ timeout: patience }),
      tryWait: () => made.tryWait(),
      wait: () => made.wait(),
      release: () => made.release(),
    };
    for (const [name, call] of Object.entries(calls))
      expect((await rejection(promised(call))).code, name).toBe('ERR_INVALID_STATE');
  });
});

describe('spin', () => {
  it('changes nothing but the time', async () => {
    const made = borrow(EventFd.create({ spin: 200 }));
    expect(failure(() => made.waitSync({ timeout: 2 })).code).toBe('ETIMEDOUT');
    const waited = made.wait();
    made.signalSync(2);
    expect(await waited).toBe(2);
    made.signalSync(3);
    expect(made.waitSync({ timeout: patience })).toBe(3);
  });
});
