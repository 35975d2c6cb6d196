import { join } from 'node:path';
import { SysvSemaphoreSet } from 'unix-ipc';
import { expect, it } from 'vitest';
import { examples, run } from '../helpers/examples.js';
import { nodeFile } from '../helpers/peers.js';

it.each(['exercise-table.js', 'exercise-table-class.js'])(
  '%s: five philosophers eat, neighbours never at the same time',
  async (table) => {
    const lines = (await run(examples('sysv-sem'), table, '2')).trimEnd().split('\n');
    expect(lines.pop()).toMatch(/^process \d+ cleared the table$/);
    const inUse = new Set<string>();
    const meals = new Map<string, number>();
    const forks = new Map<string, string[]>();
    for (const line of lines) {
      const [, name = '', left, right] =
        /^(\w+), process \d+, (?:eats with forks (\d) and (\d)|puts them back)$/.exec(line) ?? [];
      if (left !== undefined && right !== undefined) {
        expect([left, right].filter((fork) => inUse.has(fork))).toEqual([]);
        forks.set(name, [left, right]);
        for (const fork of [left, right]) inUse.add(fork);
        meals.set(name, (meals.get(name) ?? 0) + 1);
      } else {
        for (const fork of forks.get(name) ?? []) inUse.delete(fork);
      }
    }
    expect([...meals]).toHaveLength(5);
    expect([...meals.values()]).toEqual([2, 2, 2, 2, 2]);
  },
);

it('the table is cleared on Ctrl+C', async () => {
  const table = nodeFile(join(examples('sysv-sem'), 'exercise-table-class.js'), 1_000);
  expect(await table.line()).toMatch(/eats with forks/);
  table.signal('SIGINT');
  const { code, stderr, stdout } = await table.exited;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/cleared the table\n$/);
});

it('lock.js lets one command after the other run, also when one is killed', async () => {
  const folder = examples('sysv-sem');
  // It runs until the end of its input.
  const first = nodeFile(join(folder, 'lock.js'), 'cat');
  expect(await first.line()).toBe(`process ${first.pid} has the lock`);
  const second = nodeFile(join(folder, 'lock.js'), 'sh', '-c', 'echo my turn; exit 3');
  expect(await second.line()).toBe(`process ${second.pid} waits for process ${first.pid}`);
  first.signal('SIGKILL');
  first.end();
  expect(await second.exited).toEqual({
    code: 3,
    signal: null,
    stderr: '',
    stdout: expect.stringMatching(/has the lock\nmy turn\n$/) as string,
  });
  const lock = SysvSemaphoreSet.open({ path: folder, projId: 'l' }, { create: false });
  expect(lock.values()).toEqual([1]);
  lock.remove();
  lock.close();
});
