import { readFileSync, readdirSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { PosixSemaphore } from 'unix-ipc';
import { ftok } from 'unix-ipc/sys';
import { expect, it } from 'vitest';
import { examples, run } from '../helpers/examples.js';
import { type Peer, nodeFile } from '../helpers/peers.js';
import { until } from '../helpers/until.js';

/** What the names in a copy of the examples begin with. */
function base(folder: string, projId: string): string {
  return `posix-sem-${ftok(folder, projId)}`;
}

function files(folder: string): string[] {
  return readdirSync('/dev/shm').filter((name) => name.includes(base(folder, 'r')));
}

/** Whether the main thread sleeps in futex(2), where semaphores wait. */
function isAsleep({ pid }: Peer): boolean {
  const call = arch() === 'arm64' ? 98 : 202;
  return readFileSync(`/proc/${pid}/task/${pid}/syscall`, 'utf8').startsWith(`${call} `);
}

it('readers and writers of both solutions share the room', async () => {
  const folder = examples('posix-sem');
  const programs = ['reader', 'reader-class', 'writer', 'writer-class'];
  const outputs = await Promise.all(
    programs.map((program) => run(folder, `exercise-${program}.js`, '4', '5')),
  );
  const written = outputs.slice(2).flatMap((output) => [...output.matchAll(/writes (\d+)$/gm)]);
  expect(written.map(([, n]) => Number(n)).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  for (const output of outputs.slice(0, 2))
    expect(output.match(/reads \d with [12] inside$/gm)).toHaveLength(4);
  expect(files(folder)).toHaveLength(4);
  await run(folder, 'exercise-cleanup.js');
  expect(files(folder)).toEqual([]);
  const again = ['exercise-cleanup.js', 'exercise-cleanup-class.js'].map((file) =>
    nodeFile(join(folder, file)),
  );
  for (const { exited } of again) {
    expect(await exited).toMatchObject({ code: 1, stderr: 'there is nothing to remove\n' });
  }
});

it('Ctrl+C ends readers and writers that wait, and nobody else has to wait for them', async () => {
  const folder = examples('posix-sem');
  const [room, queue] = ['room', 'queue'].map((name) =>
    PosixSemaphore.open(`/${base(folder, 'r')}-${name}`, { initial: 1 }),
  );
  if (!room || !queue) return;
  expect(room.tryAcquire()).toBe(true);
  for (const program of ['reader', 'reader-class', 'writer', 'writer-class']) {
    const peer = nodeFile(join(folder, `exercise-${program}.js`));
    await until(`the ${program} is the first in the queue`, () => queue.value === 0);
    if (!program.endsWith('class')) await until('it waits for the room', () => isAsleep(peer));
    peer.signal('SIGINT');
    expect(await peer.exited, program).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    expect(queue.value, program).toBe(1);
  }
  room.close();
  queue.close();
  await run(folder, 'exercise-cleanup-class.js');
  expect(files(folder)).toEqual([]);
});

it('two of job.js work at a time, and Ctrl+C makes room for the next', async () => {
  const folder = examples('posix-sem');
  const file = join(folder, 'job.js');
  const working = [nodeFile(file, 60_000), nodeFile(file, 60_000)];
  for (const job of working) expect(await job.line()).toBe(`process ${job.pid} works`);
  const waiting = [nodeFile(file, 60_000), nodeFile(file, 1)];
  for (const job of waiting) expect(await job.line()).toMatch(/waits for one of the two places/);
  // One in the queue, then two at work.
  for (const job of [waiting[0], ...working]) {
    job?.signal('SIGINT');
    expect(await job?.exited).toMatchObject({ code: 0, stderr: '' });
  }
  const done = await waiting[1]?.exited;
  expect(done).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/is done\n$/) as string });
  const places = PosixSemaphore.open(`/${base(folder, 'j')}`, { create: false });
  expect(places.value).toBe(2);
  places.unlink();
  places.close();
});
