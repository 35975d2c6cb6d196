import { join } from 'node:path';
import { expect, it } from 'vitest';
import { examples, run } from '../helpers/examples.js';
import { nodeFile } from '../helpers/peers.js';

const words = ['tea', 'coffee=9', 'water=5'];
const urgentFirst =
  /priority 9: { word: 'coffee'.*\n.*5: { word: 'water'.*\n.*1: { word: 'tea'.*\n.*0: {.*last: true/;

it('receive.js takes what send.js left, the most urgent first', async () => {
  const folder = examples('posix-mq');
  expect(await run(folder, 'send.js', ...words)).toMatch(/^process \d+ sent 4 messages/);
  expect(await run(folder, 'receive.js')).toMatch(urgentFirst);
});

it('receive.js waits for send.js', async () => {
  const folder = examples('posix-mq');
  const receiver = nodeFile(join(folder, 'receive.js'));
  expect(await receiver.line()).toMatch(/waits on queue/);
  await run(folder, 'send.js', ...words);
  const { code, stdout } = await receiver.exited;
  expect(code).toBe(0);
  for (const word of ['tea', 'coffee', 'water']) expect(stdout).toContain(`word: '${word}'`);
});

it('notify.js is told of what send.js sends', async () => {
  const folder = examples('posix-mq');
  const notified = nodeFile(join(folder, 'notify.js'));
  expect(await notified.line()).toMatch(/will be told/);
  await run(folder, 'send.js', ...words);
  const { code, stdout } = await notified.exited;
  expect(code).toBe(0);
  for (const word of ['tea', 'coffee', 'water']) expect(stdout).toContain(`word: '${word}'`);
});

it('notify.js takes what was there before', async () => {
  const folder = examples('posix-mq');
  await run(folder, 'send.js', ...words);
  expect(await run(folder, 'notify.js')).toMatch(urgentFirst);
});

it.each([
  ['exercise-receive.js', 'exercise-send.js'],
  ['exercise-receive-class.js', 'exercise-send-class.js'],
  ['exercise-receive-class.js', 'exercise-send.js'],
])('%s and %s', async (receive, send) => {
  const folder = examples('posix-mq');
  // The sender may be gone before the receiver starts.
  await run(folder, send);
  expect(await run(folder, receive)).toMatch(/received: hello from process \d+\n$/);
});
