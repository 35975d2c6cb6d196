import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { prebuiltBinary } from './platform.js';

const require = createRequire(import.meta.url);
const root = new URL('../../', import.meta.url);

/** Where a binary may be, in the order of trying. */
function candidates(): string[] {
  const explicit = process.env['UNIX_IPC_BINARY'];
  if (explicit) return [explicit];
  return [
    // A checkout, or an installed package that was built on this machine.
    'build/Release/unix_ipc.node',
    prebuiltBinary(),
  ].map((path) => fileURLToPath(new URL(path, root)));
}

function load(): unknown {
  const tried: string[] = [];
  for (const path of candidates()) {
    if (!existsSync(path)) {
      tried.push(`${path} (not there)`);
      continue;
    }
    try {
      return require(path);
    } catch (error) {
      tried.push(`${path} (${error instanceof Error ? error.message : String(error)})`);
    }
  }
  const what = `${process.platform}-${process.arch} with Node-API ${process.versions['napi'] ?? '?'}`;
  const error = new Error(
    `unix-ipc has no binary for ${what}. Looked for:\n` +
      tried.map((line) => `  ${line}\n`).join('') +
      'Build one with a C++ compiler, make and Python installed:\n' +
      '  npm explore unix-ipc -- npm run build:native',
  );
  throw Object.assign(error, { code: 'ERR_DLOPEN_FAILED' });
}

/** The addon: native/addon.cc. Each file of lib/native states what it takes from its member. */
export const binding = load() as { core: object } & Record<string, object>;

/** A family's functions and constants. A copy: what C++ has put together is slow to look something up in. */
export function family(stem: string): object {
  return { ...binding[stem] };
}
