// Runs once around the whole suite: whatever System V object, message queue or file of shared memory is there afterwards
// and was not before makes the run fail.
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

const tables = ['msg', 'sem', 'shm'] as const;

function objects(): string[] {
  return tables.flatMap((table) => {
    const [, ...lines] = readFileSync(`/proc/sysvipc/${table}`, 'utf8').trimEnd().split('\n');
    return lines.map((line) => `${table} ${line.trim().split(/\s+/).slice(0, 2).join(' id ')}`);
  });
}

function folder(path: string): string[] {
  try {
    return readdirSync(path).map((name) => `${path}/${name}`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** The message queues of the namespace. They are files only where they are mounted, which nobody else should see. */
function messageQueues(): string[] {
  const script = 'mount -t mqueue none /dev/mqueue 2>/dev/null; ls -A /dev/mqueue';
  const env = { ...process.env };
  delete env['LD_PRELOAD'];
  const { stdout } = spawnSync('unshare', ['--mount', 'sh', '-c', script], { env, encoding: 'utf8' });
  // Where no mount namespace may be made there is nothing to see.
  return (stdout || '').split('\n').flatMap((name) => (name === '' ? [] : [`/dev/mqueue/${name}`]));
}

export function setup(): () => void {
  const own = process.env['UNIX_IPC_TEST_NAMESPACE'] === 'own';
  if (!own) console.log('leftovers are not counted: the IPC namespace is shared with others');
  const files = (): string[] => [...folder('/dev/shm'), ...messageQueues()];
  const before = new Set(files());
  return () => {
    const left = files().filter((name) => !before.has(name));
    if (own) left.push(...objects());
    if (left.length === 0) return;
    // vitest prints an error of a teardown, but a run whose tests passed would still end with 0.
    process.exitCode = 1;
    throw new Error(`left behind by the suite: ${left.join(', ')}`);
  };
}
