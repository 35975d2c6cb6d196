// Puts into the tarball what this machine has built: the binary for its platform, and the headers that a machine of
// another platform needs to build its own.
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prebuiltBinary } from '../dist/internal/platform.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const prebuilt = join(root, prebuiltBinary());
rmSync(join(root, 'prebuilds'), { recursive: true, force: true });
mkdirSync(dirname(prebuilt), { recursive: true });
cpSync(join(root, 'build', 'Release', 'unix_ipc.node'), prebuilt);

const source = dirname(createRequire(import.meta.url).resolve('node-addon-api/napi.h'));
const headers = join(root, 'native', 'include', 'node-addon-api');
rmSync(headers, { recursive: true, force: true });
mkdirSync(headers, { recursive: true });
for (const file of ['napi.h', 'napi-inl.h', 'LICENSE.md']) cpSync(join(source, file), join(headers, file));
