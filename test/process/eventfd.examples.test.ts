import { expect, it } from 'vitest';
import { examples, run } from '../helpers/examples.js';

it('boss.js and worker.js', async () => {
  const output = await run(examples('eventfd'), 'boss.js', '6');
  expect(output.match(/^(anna|ben), process \d+, did a job$/gm)).toHaveLength(6);
  expect(output).toMatch(/process \d+ knows that 6 jobs are done\n$/);
});

it.each(['exercise-parent.js', 'exercise-parent-class.js'])('%s', async (parent) => {
  expect(await run(examples('eventfd'), parent)).toMatch(/^process \d+ was woken by 7\n$/);
});
