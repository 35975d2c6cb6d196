import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ftok } from 'unix-ipc/sys';
import { expect, it } from 'vitest';
import { examples, run } from '../helpers/examples.js';
import { nodeFile } from '../helpers/peers.js';

it.each([
  ['exercise-receive.js', 'exercise-send.js'],
  ['exercise-receive-class.js', 'exercise-send-class.js'],
])('%s and %s', async (receive, send) => {
  const folder = examples('posix-shm');
  const [received] = await Promise.all([run(folder, receive), run(folder, send)]);
  expect(received).toMatch(/^process \d+ received: hello from process \d+\n$/);
  expect(readdirSync('/dev/shm').filter((name) => name.includes(String(ftok(folder, 'x'))))).toEqual([]);
});

it('the receiver may come when the sender has gone', async () => {
  const folder = examples('posix-shm');
  await run(folder, 'exercise-send.js');
  expect(await run(folder, 'exercise-receive-class.js')).toMatch(/received: hello from process \d+\n$/);
});

it('share-memory.js shares with any number of use-memory.js', async () => {
  const folder = examples('posix-shm');
  const sharing = nodeFile(join(folder, 'share-memory.js'));
  expect(await sharing.line()).toMatch(/shares 8000000 bytes at/);
  const outputs = await Promise.all([run(folder, 'use-memory.js'), run(folder, 'use-memory.js')]);
  for (const output of outputs) {
    expect(output).toContain(`has 8000000 bytes of process ${sharing.pid}: `);
    expect(output).toMatch(/the last of 1000000 squares is 999998000001\n$/);
  }
  sharing.signal('SIGINT');
  expect(await sharing.exited).toMatchObject({ code: 0, stderr: '' });
  expect(existsSync(join(folder, 'share.sock'))).toBe(false);
});
