// Runs the test suite in an IPC namespace and over a /dev/shm of its own, so that whatever a test leaves behind can be
// counted exactly. In two halves side by side, each in a namespace, unless the arguments name a test file.
//
//   node scripts/test.js [--sanitizer asan|tsan] [arguments of vitest run]

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');

/** @typedef {'asan' | 'tsan'} Sanitizer */

/**
 * @param {string[]} args
 * @returns {{ sanitizer: Sanitizer | undefined, rest: string[] }}
 */
function parse(args) {
  const rest = [...args];
  const at = rest.indexOf('--sanitizer');
  if (at === -1) return { sanitizer: undefined, rest };
  const [, name] = rest.splice(at, 2);
  if (name !== 'asan' && name !== 'tsan') fail(`--sanitizer takes asan or tsan, not ${String(name)}`);
  return { sanitizer: name, rest };
}

/**
 * @param {string} text
 * @returns {never}
 */
function fail(text) {
  console.error(`test: ${text}`);
  process.exit(1);
}

/**
 * The command that gives its child a namespace, or nothing where that is not allowed.
 * @returns {string[] | undefined}
 */
function namespaceCommand() {
  const unshare = ['unshare', ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'])];
  const script = 'mount -t tmpfs -o mode=1777 tmpfs /dev/shm && exec "$@"';
  const command = [...unshare, '--ipc', '--mount', 'sh', '-c', script, 'sh'];
  const [file = '', ...args] = command;
  return spawnSync(file, [...args, 'true'], { stdio: 'ignore' }).status === 0 ? command : undefined;
}

/** @param {string} name */
function sanitizerLibrary(name) {
  const result = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' });
  const path = result.status === 0 ? result.stdout.trim() : '';
  if (!path.startsWith('/')) fail(`g++ knows no ${name}`);
  return path;
}

/**
 * @param {Sanitizer} name
 * @param {string} reports the folder for the reports of every process of the suite
 * @returns {Record<string, string>}
 */
function sanitizerEnvironment(name, reports) {
  const binaries = ['Debug', 'Release'].map((kind) => join(root, 'build', name, kind, 'unix_ipc.node'));
  const binary = binaries.find((path) => existsSync(path));
  if (binary === undefined) fail(`no ${binaries.join(' and no ')}: run "npm run build:${name}"`);
  const log = `log_path=${join(reports, name)}`;
  /** @type {Record<string, string>} */
  const common = { UNIX_IPC_BINARY: binary, UNIX_IPC_TEST_SANITIZER: name };
  if (name === 'tsan') {
    const suppressions = join(root, 'test', 'tsan.supp');
    return {
      ...common,
      UNIX_IPC_TEST_SCALE: process.env['UNIX_IPC_TEST_SCALE'] ?? '10',
      LD_PRELOAD: sanitizerLibrary('libtsan.so'),
      // It blocks every signal in a handler, and the fault guard has to meet faults of its own: package.json leaves the
      // tests of shared memory out.
      // Node is not instrumented: what happens before what inside it is unknown, so only this addon's frames count.
      TSAN_OPTIONS: `halt_on_error=0:exitcode=0:report_signal_unsafe=0:ignore_noninstrumented_modules=1:suppressions=${suppressions}:${log}`,
    };
  }
  return {
    ...common,
    UNIX_IPC_TEST_SCALE: process.env['UNIX_IPC_TEST_SCALE'] ?? '5',
    LD_PRELOAD: `${sanitizerLibrary('libasan.so')} ${sanitizerLibrary('libubsan.so')}`,
    // Leaks are those of Node at exit; its own allocator pairs are not ours to judge either.
    ASAN_OPTIONS: `detect_leaks=0:halt_on_error=1:alloc_dealloc_mismatch=0:${log}`,
    UBSAN_OPTIONS: `halt_on_error=1:print_stacktrace=1:${log}`,
  };
}

/** @param {string} folder */
function printReports(folder) {
  const names = readdirSync(folder);
  for (const name of names) {
    console.error(`\n===== ${name}\n${readFileSync(join(folder, name), 'utf8')}`);
  }
  return names.length;
}

/**
 * A process and what came of it, the youngest first. A test that blocks its own thread can only be ended from outside.
 * @param {number} pid
 */
function killTree(pid) {
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
    for (const child of children === '' ? [] : children.split(' ')) killTree(Number(child));
  }
  process.kill(pid, 'SIGKILL');
}

/**
 * @param {string[]} command
 * @param {number} limit milliseconds
 * @param {boolean} live whether its output comes as it is written, or at the end
 * @returns {Promise<boolean>} whether it ended well
 */
async function runWithin(command, limit, live) {
  const [file = '', ...args] = command;
  const output = live ? 'inherit' : 'pipe';
  const child = spawn(file, args, { stdio: ['ignore', output, output], cwd: root });
  const { pid } = child;
  /** @type {Buffer[]} */
  const held = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (/** @type {Buffer} */ chunk) => held.push(chunk));
  }
  const timer = setTimeout(() => {
    console.error(`test: not done after ${limit / 1000} s, so a test hangs; ended`);
    if (pid !== undefined) killTree(pid);
  }, limit);
  /** @type {unknown[]} */
  const ending = await once(child, 'close');
  clearTimeout(timer);
  if (!live) process.stdout.write(Buffer.concat(held));
  return ending[0] === 0;
}

const { sanitizer, rest } = parse(process.argv.slice(2));
const reports = mkdtempSync(join(tmpdir(), 'unix-ipc-reports-'));
const environment = sanitizer === undefined ? {} : sanitizerEnvironment(sanitizer, reports);
const namespace = namespaceCommand();
if (namespace === undefined) {
  console.log(
    'test: no IPC namespace of its own may be made here; objects of others are not told from leftovers',
  );
}
// Through env(1), so that a sanitizer's library is loaded into the suite and not into unshare(1).
const assignments = Object.entries({
  ...environment,
  UNIX_IPC_TEST_NAMESPACE: namespace === undefined ? 'shared' : 'own',
}).map(([name, value]) => `${name}=${value}`);
// ThreadSanitizer needs its shadow memory where address space randomisation may put something else.
const personality = sanitizer === 'tsan' ? ['setarch', '--addr-no-randomize'] : [];
const scale = Number(environment['UNIX_IPC_TEST_SCALE'] ?? process.env['UNIX_IPC_TEST_SCALE'] ?? '1');
const command = [
  ...(namespace ?? []),
  ...personality,
  ...['env', ...assignments, process.execPath, vitest, 'run', ...rest],
];
const one = namespace === undefined || availableParallelism() < 2 || rest.some((arg) => arg.endsWith('.ts'));
const halves = one ? [[]] : [['--shard=1/2'], ['--shard=2/2']];
const endings = await Promise.all(
  halves.map((half, at) => runWithin([...command, ...half], 600_000 * scale, at === 0)),
);
const passed = endings.every(Boolean);
const count = printReports(reports);
rmSync(reports, { recursive: true, force: true });
if (count > 0) console.error(`test: ${count} sanitizer report(s)`);
process.exitCode = passed && count === 0 ? 0 : 1;
