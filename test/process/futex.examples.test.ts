import { join } from 'node:path';
import { expect, it } from 'vitest';
import { examples, run } from '../helpers/examples.js';
import { nodeFile } from '../helpers/peers.js';

it.each([
  ['exercise-consumer.js', 'exercise-producer.js'],
  ['exercise-consumer-class.js', 'exercise-producer-class.js'],
  ['exercise-consumer.js', 'exercise-producer-class.js'],
])('%s and %s', async (consumer, producer) => {
  const folder = examples('futex');
  const [received] = await Promise.all([run(folder, consumer), run(folder, producer)]);
  expect(received).toMatch(/^process \d+ received: hello from process \d+\n$/);
});

it('the consumer may come when the producer has gone', async () => {
  const folder = examples('futex');
  await run(folder, 'exercise-producer.js');
  expect(await run(folder, 'exercise-consumer-class.js')).toMatch(/received: hello from process \d+\n$/);
});

it('frame.js finds one frame in two processes', async () => {
  const folder = examples('futex');
  const first = nodeFile(join(folder, 'frame.js'));
  expect(await first.line()).toMatch(/waits for the other/);
  const second = await run(folder, 'frame.js');
  const { code, stderr, stdout } = await first.exited;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [, ...found] = stdout.trimEnd().split('\n');
  for (const [line] of [found, second.split('\n')]) {
    expect(line).toMatch(/^process \d+ has the memory at address 0x[0-9a-f]+000$/);
  }
  // Only root is told which one.
  const frame = /^(the frame is 0x[0-9a-f]+|the kernel tells only root the frame)\n$/m.exec(second)?.[1];
  expect(frame).toBeDefined();
  expect(found[1]).toBe(frame);
});

it('frame.js leaves nothing behind on Ctrl+C', async () => {
  const folder = examples('futex');
  const first = nodeFile(join(folder, 'frame.js'));
  await first.line();
  first.signal('SIGINT');
  expect(await first.exited).toMatchObject({ code: 0, stderr: '' });
  // The next one is the first again.
  const next = nodeFile(join(folder, 'frame.js'));
  expect(await next.line()).toMatch(/waits for the other/);
  next.signal('SIGINT');
  await next.exited;
});
