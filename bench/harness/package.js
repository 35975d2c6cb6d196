import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Skipped } from './family.js';

const folder = fileURLToPath(new URL('../../build/bench/npm/', import.meta.url));
/** The harness gives a trial a minute, of which this is a part. */
const TIME_LIMIT_MS = 40_000;

/** Why a package is not there: asking for it again would only take the time again. @type {Map<string, Skipped>} */
const missing = new Map();

/**
 * @param {string} command
 * @param {string[]} args
 * @param {string} cwd
 */
function run(command, args, cwd) {
  execFileSync(command, args, { cwd, stdio: 'pipe', timeout: TIME_LIMIT_MS });
}

/** Also false where it was compiled for another version of Node. @param {string} name @param {string} home */
function isUsable(name, home) {
  try {
    run(process.execPath, ['-e', `require('${name}')`], home);
    return true;
  } catch {
    return false;
  }
}

/**
 * A package of the registry that this one is compared with, compiled there where it has a binary of its own. It is
 * no dependency: `npm install` would have everybody compile it. It lies in build/bench/npm from its first use on.
 * @param {string} name
 * @param {string} version
 * @returns {string} what `require` takes
 * @throws {Skipped} where npm can't reach a registry, or nothing compiles it
 */
export function installPackage(name, version) {
  const known = missing.get(name);
  if (known) throw known;
  const home = join(folder, `${name}@${version}`);
  const path = join(home, 'node_modules', name);
  if (isUsable(name, home)) return path;
  try {
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home, { recursive: true });
    // npm from 11.16 on asks whether a package may run its own scripts, and this is the answer.
    const manifest = { private: true, allowScripts: { [`${name}@${version}`]: true } };
    writeFileSync(join(home, 'package.json'), JSON.stringify(manifest));
    const quietly = ['--prefix', home, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts=false'];
    run('npm', ['install', ...quietly, `${name}@${version}`], home);
    run(process.execPath, ['-e', `require('${name}')`], home);
    return path;
  } catch (cause) {
    const skipped = new Skipped(`npm could not install ${name}@${version}`, { cause });
    missing.set(name, skipped);
    throw skipped;
  }
}
