import { expect, it } from 'vitest';
import { examples, run } from '../helpers/examples.js';

it('receive.js and send.js', async () => {
  const folder = examples('sysv-msg');
  const received = run(folder, 'receive.js');
  expect(await run(folder, 'send.js', 'one', 'two')).toMatch(/^process \d+ sent 3 messages/);
  expect(await received).toMatch(/type 1: { word: 'one'.*\n.*type 1: { word: 'two'.*\ntype 2/);
});

it.each([
  ['exercise-receive.js', 'exercise-send.js'],
  ['exercise-receive-class.js', 'exercise-send-class.js'],
  ['exercise-receive.js', 'exercise-send-class.js'],
])('%s and %s', async (receive, send) => {
  const folder = examples('sysv-msg');
  // The sender may be gone before the receiver starts.
  await run(folder, send);
  expect(await run(folder, receive)).toMatch(/received: hello from process \d+\n$/);
});
