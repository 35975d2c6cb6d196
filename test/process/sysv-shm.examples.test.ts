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

/** Starts programs that must fail, side by side, and gives what they say. */
async function complaints(folder: string, ...files: string[]): Promise<string[]> {
  const peers = files.map((file) => nodeFile(join(folder, file)));
  return Promise.all(
    peers.map(async ({ exited }) => {
      const { code, stdout, stderr } = await exited;
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      return stderr;
    }),
  );
}

it('another order than start, use, clean-up is refused in one line, and whoever is killed leaves the buffer in order', async () => {
  const folder = examples('sysv-shm');
  const missing = 'there is no buffer: exercise-start.js makes it\n';
  const users = ['exercise-producer.js', 'exercise-consumer-class.js', 'exercise-cleanup.js'];
  expect(await complaints(folder, ...users)).toEqual([missing, missing, 'there is no buffer to remove\n']);
  await run(folder, 'exercise-start-class.js');
  expect(tables(folder)).toEqual(['sem', 'shm']);

  const endings = ['SIGINT', 'SIGKILL'] as const;
  const consumers = ['exercise-consumer.js', 'exercise-consumer-class.js'].map((file) =>
    nodeFile(join(folder, file)),
  );
  expect(await complaints(folder, 'exercise-start.js')).toEqual([
    'the buffer is there already, or a part of it: exercise-cleanup.js removes it\n',
  ]);
  for (const [i, signal] of endings.entries()) {
    expect(await consumers[i]?.line()).toMatch(/waits for numbers/);
    consumers[i]?.signal(signal);
    expect(await consumers[i]?.exited).toMatchObject({ signal, stderr: '' });
  }

  const semaphores = SysvSemaphoreSet.open(ftok(folder, 'b'), { create: false });
  const producer = nodeFile(join(folder, 'exercise-producer.js'), 5);
  await until('it waits for room', () => semaphores.stat().semaphores[1]?.waiting === 1);
  producer.signal('SIGKILL');
  await producer.exited;
  expect(semaphores.values()).toEqual([1, 0, 4]);
  const late = nodeFile(join(folder, 'exercise-consumer-class.js'));
  await until('the buffer is empty', () => semaphores.values().join() === '1,4,0');
  semaphores.close();
  await run(folder, 'exercise-cleanup.js');
  const { code, stdout } = await late.exited;
  expect(code).toBe(0);
  expect([...stdout.matchAll(/took (\d)/g)].map(([, item]) => item)).toEqual(['1', '2', '3', '4']);
  expect(await complaints(folder, 'exercise-cleanup-class.js')).toEqual(['there is no buffer to remove\n']);
  expect(tables(folder)).toEqual([]);
});
