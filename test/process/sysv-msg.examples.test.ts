// The programs of examples/sysv-msg, as their README tells to start them.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { nodeFile } from '../helpers/peers.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A copy of the examples: their keys come from where they are, and these have to be this test's own. */
function examples(): string {
  const parent = join(root, 'build', 'examples');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'sysv-msg-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(join(root, 'examples', 'sysv-msg'), folder, { recursive: true });
  return folder;
}

async function run(folder: string, file: string, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await nodeFile(join(folder, file), ...words).exited;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

it('receive.js and send.js', async () => {
  const folder = examples();
  const received = run(folder, 'receive.js');
  expect(await run(folder, 'send.js', 'one', 'two')).toMatch(/^process \d+ sent 3 messages/);
  expect(await received).toMatch(/type 1: { word: 'one'.*\n.*type 1: { word: 'two'.*\ntype 2/);
});

it.each([
  ['exercise-receive.js', 'exercise-send.js'],
  ['exercise-receive-class.js', 'exercise-send-class.js'],
  ['exercise-receive.js', 'exercise-send-class.js'],
])('%s and %s', async (receive, send) => {
  const folder = examples();
  // The sender may be gone before the receiver starts.
  await run(folder, send);
  expect(await run(folder, receive)).toMatch(/received: hello from process \d+\n$/);
});
