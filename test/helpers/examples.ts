// The programs of examples/, started as their READMEs tell to.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { nodeFile } from './peers.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A copy of a family's examples: their keys and names come from where they are, and these have to be this test's own. */
export function examples(family: string): string {
  const parent = join(root, 'build', 'examples');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, `${family}-`));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(join(root, 'examples', family), folder, { recursive: true });
  return folder;
}

/** Runs an example to its end, which must be a good one, and gives what it printed. */
export async function run(folder: string, file: string, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await nodeFile(join(folder, file), ...words).exited;
  expect({ code, stderr }, `${file} ${words.join(' ')}`).toEqual({ code: 0, stderr: '' });
  return stdout;
}
