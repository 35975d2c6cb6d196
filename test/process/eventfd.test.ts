// EventFd between processes: an eventfd has no name, so it goes by inheritance.
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { EventFd } from 'unix-ipc';
import { child, countOf, nodeChild, outputOf, patience } from '../helpers/pipe-ends.js';
import { compiled } from '../helpers/compile.js';
import { plainEnvironment } from '../helpers/peers.js';
import { borrow } from '../helpers/queues.js';

const c = (fds: number[], ...args: (string | number)[]): ReturnType<typeof child> =>
  child(['ignore', 'pipe', 'pipe', ...fds], compiled('pipe-peer'), ...args);

describe('a Node child', () => {
  it.each(['sync', 'promise'])('waits (%s) for what the parent signals', async (variant) => {
    const event = borrow(EventFd.create());
    const running = nodeChild([event.fd], 'pipe-child.js', 'eventfdWait', variant);
    await new Promise((resolve) => running.process.stdout?.once('data', resolve));
    event.signalSync(2n ** 60n + 1n);
    expect(await outputOf(running)).toBe(`waiting\n${2n ** 60n + 1n}`);
  });

  it('signals what the parent waits for', async () => {
    const event = borrow(EventFd.create());
    const running = nodeChild([event.fd], 'pipe-child.js', 'eventfdSignal', 500);
    let sum = 0;
    for await (const count of event) {
      sum += Number(count);
      if (sum === 500) break;
    }
    expect(sum).toBe(500);
    expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
    expect(countOf(event.fd)).toBe(0n);
  });

  it('goes to and fro with the parent, in both variants', async () => {
    const [asked, answered] = [borrow(EventFd.create()), borrow(EventFd.create())];
    const running = nodeChild([asked.fd, answered.fd], 'pipe-child.js', 'eventfdPingPong', 200);
    for (let round = 0; round < 100; round++) {
      asked.signalSync();
      expect(answered.waitSync({ timeout: patience })).toBe(1);
      await asked.signal();
      expect(await answered.wait()).toBe(1);
    }
    expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it('shares a semaphore with the others: each unit goes to one', async () => {
    const event = borrow(EventFd.create({ semaphore: true }));
    const running = [0, 1, 2].map(() => nodeChild([event.fd], 'pipe-child.js', 'eventfdWait', 'promise'));
    const own = event.wait();
    event.signalSync(4);
    expect(await own).toBe(1);
    expect(await Promise.all(running.map(outputOf))).toEqual(['waiting\n1', 'waiting\n1', 'waiting\n1']);
    expect(countOf(event.fd)).toBe(0n);
  });
});

describe('a C program', () => {
  it('waits blocking for what we signal', async () => {
    for (const n of [1, 12, 2n ** 64n - 2n]) {
      const event = borrow(EventFd.create());
      // What has been waited for before leaves the descriptor as a child wants it.
      await expect(event.wait({ timeout: 5 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
      const running = c([event.fd], 'eventfd-wait', 3);
      await event.signal(n);
      expect(await outputOf(running)).toBe(String(n));
    }
  });

  it('signals what we wait for', async () => {
    const event = borrow(EventFd.create());
    const waited = event.wait();
    await outputOf(c([event.fd], 'eventfd-signal', 3, 7));
    expect(await waited).toBe(7);
    await outputOf(c([event.fd], 'eventfd-signal', 3, 8));
    expect(event.waitSync({ timeout: patience })).toBe(8);
    await outputOf(c([event.fd], 'eventfd-signal', 3, String(2n ** 63n)));
    expect(event.tryWait()).toBe(2n ** 63n);
  });

  it('takes one unit of a semaphore', async () => {
    const event = borrow(EventFd.create({ initial: 2, semaphore: true }));
    expect(await outputOf(c([event.fd], 'eventfd-wait', 3))).toBe('1');
    expect(event.tryWait()).toBe(1);
    expect(event.tryWait()).toBeUndefined();
  });

  it('answers a hundred times, blocking', async () => {
    const [to, from] = [borrow(EventFd.create()), borrow(EventFd.create())];
    const running = c([to.fd, from.fd], 'eventfd-answer', 3, 4, 100);
    for (let round = 1; round <= 50; round++) {
      to.signalSync(round);
      expect(from.waitSync({ timeout: patience })).toBe(2 * round);
      await to.signal(round);
      expect(await from.wait()).toBe(2 * round);
    }
    expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('Python', () => {
  const has = (): boolean =>
    spawnSync('python3', ['-c', 'import os; os.eventfd_read'], { env: plainEnvironment() }).status === 0;
  const python = (fd: number, script: string): ReturnType<typeof child> =>
    child(['ignore', 'pipe', 'pipe', fd], 'python3', '-c', `import os\n${script}`);

  it('reads and writes by os.eventfd_read and os.eventfd_write', async ({ skip }) => {
    skip(!has(), 'this Python has no os.eventfd (3.10)');
    const event = borrow(EventFd.create());
    event.signalSync(41);
    expect(await outputOf(python(event.fd, 'print(os.eventfd_read(3))'))).toBe('41');
    const waited = event.wait();
    await outputOf(python(event.fd, 'os.eventfd_write(3, 2**63 + 1)'));
    expect(await waited).toBe(2n ** 63n + 1n);
  });
});
