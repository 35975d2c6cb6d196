import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { beforeAll, it } from 'vitest';
import { fixture } from './peers.js';
import { scale } from './until.js';

interface Line {
  begun?: string;
  done?: string;
  error?: string;
}

interface Run {
  /** Undefined for a case that was passed, else what was wrong with it. */
  outcomes: Map<string, string | undefined>;
  /** Why there is not an outcome of each; empty where the process ended by itself. */
  ending: string;
}

/**
 * Runs the cases of a fixture in one process of their own, see fixtures/run-cases.js; another command that replaces
 * itself by it may start it.
 */
export async function runCases(file: string, ...starter: string[]): Promise<Run> {
  const environment = { ...process.env };
  delete environment['NODE_OPTIONS'];
  const options = ['--expose-gc', '--unhandled-rejections=strict'];
  const node = [process.execPath, ...options, fixture('run-cases.js'), fixture(file)];
  const [command = '', ...args] = [...starter, ...node];
  const child = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000 * scale);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(timer);
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  const outcomes = new Map<string, string | undefined>();
  let last = 'nothing';
  for (const line of lines.map((text) => JSON.parse(text) as Line)) {
    last = line.begun ?? last;
    if (line.done !== undefined) outcomes.set(line.done, line.error);
  }
  const ending = code === 0 ? '' : `the process ended by ${signal ?? code ?? '?'} in "${last}": ${stderr}`;
  return { outcomes, ending };
}

/**
 * A test for each case of a fixture. One that ends the process they share is told by its name, and only those after it
 * are not known then. The process begins at once, so that those of several fixtures run side by side.
 */
export function passesEach(file: string, cases: Record<string, unknown>, ...starter: string[]): void {
  const running = runCases(file, ...starter);
  let run: Run;
  beforeAll(async () => {
    run = await running;
  }, 70_000 * scale);

  it.each(Object.keys(cases))('%s', (name) => {
    const error = run.outcomes.get(name);
    if (error !== undefined) throw new Error(error);
    if (!run.outcomes.has(name)) throw new Error(run.ending);
  });

  it('the process that ran these ended by itself', () => {
    if (run.ending !== '') throw new Error(run.ending);
  });
}
