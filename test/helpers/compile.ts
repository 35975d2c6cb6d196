import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plainEnvironment } from './peers.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The program made of test/fixtures/<name>.c, compiled where it is missing or older than its source. */
export function compiled(name: string): string {
  const source = join(root, 'test', 'fixtures', `${name}.c`);
  const folder = join(root, 'build', 'fixtures');
  const program = join(folder, name);
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  mkdirSync(folder, { recursive: true });
  const fresh = `${program}.${process.pid}`;
  execFileSync('cc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', fresh, source], {
    env: plainEnvironment(),
    stdio: 'inherit',
  });
  renameSync(fresh, program);
  return program;
}
