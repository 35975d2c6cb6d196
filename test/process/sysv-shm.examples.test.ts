import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SysvSemaphoreSet } from 'unix-ipc';
import { ftok } from 'unix-ipc/sys';
import { expect, it } from 'vitest';
import { examples, run } from '../helpers/examples.js';
import { nodeFile } from '../helpers/peers.js';
import { until } from '../helpers/until.js';

/** Which of the two tables has an object with the key of the exercise, as the kernel sees it. */
function tables(folder: string): string[] {
  const key = String(ftok(folder, 'b'));
  return ['sem', 'shm'].filter((table) => {
    const [, ...lines] = readFileSync(`/proc/sysvipc/${table}`, 'utf8').trimEnd().split('\n');
    return lines.some((line) => line.trim().split(/\s+/)[0] === key);
  });
}

it('count.js loses counts, if any, where it does not add atomically', async () => {
  const output = await run(examples('sysv-shm'), 'count.js', '200000');
  const [, plain, atomic] = /^read.*: (\d+) of 400000\nAtomics.add: (\d+) of 400000\n$/.exec(output) ?? [];
  expect(Number(atomic)).toBe(400_000);
  expect(Number(plain)).toBeGreaterThanOrEqual(200_000 / 2);
  expect(Number(plain)).toBeLessThanOrEqual(400_000);
});

it('producers and consumers of both solutions share the buffer, and every number arrives once', async () => {
  const folder = examples('sysv-shm');
  await run(folder, 'exercise-start.js');
  const consumers = ['exercise-consumer.js', 'exercise-consumer-class.js'].map((file) =>
    nodeFile(join(folder, file)),
  );
  const producers = ['exercise-producer.js', 'exercise-producer-class.js'].map((file) =>
    nodeFile(join(folder, file), 30),
  );
  for (const producer of producers) {
    const stdout = `process ${producer.pid} put the numbers from 1 to 30\n`;
    expect(await producer.exited).toMatchObject({ code: 0, stderr: '', stdout });
  }
  const semaphores = SysvSemaphoreSet.open(ftok(folder, 'b'), { create: false });
  await until('the buffer is empty', () => semaphores.values().join() === '1,4,0');
  semaphores.close();
  await run(folder, 'exercise-cleanup.js');

  const taken = new Map<string, string[]>();
  for (const consumer of consumers) {
    const { code, stderr, stdout } = await consumer.exited;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/found the semaphores removed\n$/);
    for (const [, item = '', pid = ''] of stdout.matchAll(
      /took (\d+) of process (\d+) out of slot [0-3]$/gm,
    )) {
      taken.set(pid, [...(taken.get(pid) ?? []), item]);
    }
  }
  const numbers = Array.from({ length: 30 }, (_, i) => i + 1);
  for (const { pid } of producers) {
    expect((taken.get(String(pid)) ?? []).map(Number).sort((a, b) => a - b)).toEqual(numbers);
  }
  expect(tables(folder)).toEqual([]);
});

it('the buffer is made once, Ctrl+C ends whoever waits at it, and it is cleaned up once or twice', async () => {
  const folder = examples('sysv-shm');
  await run(folder, 'exercise-start-class.js');
  expect(tables(folder)).toEqual(['sem', 'shm']);
  const consumer = nodeFile(join(folder, 'exercise-consumer.js'));
  const again = ['exercise-start.js', 'exercise-start-class.js'].map((file) => nodeFile(join(folder, file)));
  for (const { exited } of again) expect((await exited).stderr).toContain('EEXIST');
  expect(await consumer.line()).toMatch(/waits for numbers/);
  consumer.signal('SIGINT');
  expect(await consumer.exited).toMatchObject({ signal: 'SIGINT', stderr: '' });
  await Promise.all([run(folder, 'exercise-cleanup-class.js'), run(folder, 'exercise-cleanup.js')]);
  expect(tables(folder)).toEqual([]);
});
