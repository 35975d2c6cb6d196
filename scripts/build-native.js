// Builds the addon into build/Release. In a checkout it runs at `npm install`; in an installed package it is the one
// command that a machine without a fitting prebuilt binary needs.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** The headers of node-addon-api: the packed tarball carries a copy, a checkout has the package. */
function headers() {
  try {
    return dirname(require.resolve('node-addon-api/napi.h'));
  } catch {
    return join(root, 'native', 'include', 'node-addon-api');
  }
}

if (process.argv[2] === '--include') {
  console.log(join(root, 'native'));
  console.log(headers());
} else {
  // npm puts its own node-gyp on the PATH of every script that it runs, so a consumer needs no further package.
  const { status, error } = spawnSync('node-gyp', ['rebuild', '--silent', '--jobs=max'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (error) console.error(`node-gyp could not be started: ${error.message}. Run this through npm.`);
  process.exitCode = status ?? 1;
}
