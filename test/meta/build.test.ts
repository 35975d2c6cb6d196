// The two builds of the addon.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

function read(...path: string[]): string {
  return readFileSync(join(root, ...path), 'utf8');
}

const sources = ['native', 'native/core', 'native/unix-socket']
  .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
  .filter((path) => path.endsWith('.cc'))
  .sort();

it('binding.gyp names every source', () => {
  const named = [...read('binding.gyp').matchAll(/"(native\/[^"]+\.cc)"/g)].map(([, path]) => path);
  expect(named.sort()).toEqual(sources);
});

it('CMakeLists.txt names the same ones', () => {
  const library = /add_library\(([^)]*)\)/.exec(read('native', 'CMakeLists.txt'))?.[1] ?? '';
  const named = [...library.matchAll(/\S+\.cc/g)].map(([path]) => `native/${path}`);
  expect(named.sort()).toEqual(sources);
});

it('both define the same for the compiler', () => {
  const names = /\bNAPI_VERSION=9\b|\bNODE_A[A-Z_]+\b/g;
  const defines = (text: string): string[] => [...new Set(text.match(names))].sort();
  expect(defines(read('native', 'CMakeLists.txt'))).toEqual(defines(read('binding.gyp')));
});
