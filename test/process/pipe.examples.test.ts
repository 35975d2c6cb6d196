import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { examples, run } from '../helpers/examples.js';
import { nodeFile, program } from '../helpers/peers.js';

it('ask.js and answer.js', async () => {
  const output = await run(examples('pipe'), 'ask.js', '1', '2', '30', '4');
  expect(output).toMatch(/got the answer { sum: 3, from: \d+ }\n.*got the answer { sum: 34, from: \d+ }/);
  expect(output).toMatch(/saw the end of file/);
});

it('sort.js', async () => {
  expect(await run(examples('pipe'), 'sort.js', 'tea', 'coffee', 'water')).toBe('coffee\ntea\nwater\n');
});

it('log-reader.js goes on from one writer to the next, and removes the FIFO on Ctrl+C', async () => {
  const folder = examples('pipe');
  const path = join(folder, 'log.fifo');
  const reader = nodeFile(join(folder, 'log-reader.js'));
  expect(await reader.line()).toContain(`reads ${path};`);
  await run(folder, 'log-writer.js', 'one', 'two');
  expect(await reader.line()).toMatch(/^process \d+: one$/);
  expect(await reader.line()).toMatch(/^process \d+: two$/);
  const shell = await program('sh', '-c', `echo 'from a shell' > '${path}'`).exited;
  expect(shell).toMatchObject({ code: 0, stderr: '' });
  expect(await reader.line()).toBe('from a shell');
  reader.signal('SIGINT');
  expect(await reader.exited).toMatchObject({ code: 0, stderr: '' });
  expect(existsSync(path)).toBe(false);
});

it('log-writer.js does not wait for a reader', async () => {
  const folder = examples('pipe');
  expect(await program('mkfifo', join(folder, 'log.fifo')).exited).toMatchObject({ code: 0 });
  expect(await run(folder, 'log-writer.js', 'one')).toBe('nobody reads the log\n');
});

it.each(['exercise-parent.js', 'exercise-parent-class.js'])('%s', async (parent) => {
  expect(await run(examples('pipe'), parent)).toMatch(/^process \d+ received: hello from process \d+\n$/);
});

it.each([
  ['exercise-read-fifo.js', 'exercise-write-fifo.js'],
  ['exercise-read-fifo-class.js', 'exercise-write-fifo-class.js'],
  ['exercise-read-fifo.js', 'exercise-write-fifo-class.js'],
  ['exercise-read-fifo-class.js', 'exercise-write-fifo.js'],
])('%s and %s', async (read, write) => {
  const folder = examples('pipe');
  const [received] = await Promise.all([run(folder, read), run(folder, write)]);
  expect(received).toMatch(/^process \d+ received: hello from process \d+\n$/);
  expect(existsSync(join(folder, 'exercise.fifo'))).toBe(false);
});
