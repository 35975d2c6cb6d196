import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const sources = new URL('../c/', import.meta.url);
const output = new URL('../../build/bench/', import.meta.url);

/** @param {URL} url */
function modified(url) {
  return statSync(url, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/**
 * Compiles bench/c/<name>.c unless the program is newer than it and the headers beside it.
 * @param {string} name
 * @returns {string} the program's path
 */
export function compile(name) {
  const source = new URL(`${name}.c`, sources);
  const program = new URL(name, output);
  const headers = readdirSync(sources).filter((file) => file.endsWith('.h'));
  const newest = Math.max(...[source, ...headers.map((file) => new URL(file, sources))].map(modified));
  const path = fileURLToPath(program);
  if (modified(program) <= newest) {
    mkdirSync(output, { recursive: true });
    const args = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-pthread', '-o', path, fileURLToPath(source)];
    // Before 2.34 glibc keeps the POSIX queues in a library of their own.
    execFileSync('cc', [...args, '-lrt'], { stdio: 'inherit' });
  }
  return path;
}
