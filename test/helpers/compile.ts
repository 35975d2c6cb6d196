import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plainEnvironment } from './peers.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What programs may include. */
const common = join(root, 'test', 'fixtures', 'peer.h');

function compiledTo(name: string, made: string, ...options: string[]): string {
  const source = join(root, 'test', 'fixtures', `${name}.c`);
  const folder = join(root, 'build', 'fixtures');
  const result = join(folder, made);
  const changed = Math.max(...[source, common].map((path) => statSync(path).mtimeMs));
  if (existsSync(result) && statSync(result).mtimeMs > changed) return result;
  mkdirSync(folder, { recursive: true });
  const fresh = `${result}.${process.pid}`;
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', ...options];
  // Before glibc 2.34 the mq_* calls were in a library of their own.
  execFileSync('cc', [...flags, '-o', fresh, source, '-lrt'], { env: plainEnvironment(), stdio: 'inherit' });
  renameSync(fresh, result);
  return result;
}

/** The program made of test/fixtures/<name>.c, compiled where it is missing or older than its source or peer.h. */
export function compiled(name: string): string {
  return compiledTo(name, name);
}

/** The same as a library, to be loaded into a program by LD_PRELOAD. */
export function compiledLibrary(name: string): string {
  return compiledTo(name, `${name}.so`, '-shared', '-fPIC');
}

/** The same as an addon of Node, to be loaded by process.dlopen(). */
export function compiledAddon(name: string): string {
  const headers = join(root, 'node_modules', 'node-api-headers', 'include');
  return compiledTo(name, `${name}.node`, '-shared', '-fPIC', `-I${headers}`);
}
