import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { fromLine, toLine } from '../fixtures/wire.js';
import { CAP_IPC_OWNER, hasCapability } from './kernel.js';

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
}

/** The environment for programs that a sanitizer's library must not be loaded into. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment['LD_PRELOAD'];
  // Set by vitest for its own processes; they change what a plain Node process does.
  delete environment['NODE_OPTIONS'];
  return environment;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Ends a peer when who started it is over: a test, or all tests that share it. */
let whenOver: (end: () => Promise<void>) => void = onTestFinished;

/** A process that a test started; it is gone when the test is over. */
export class Peer {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #wanted: ((line: string) => void) | undefined;
  #stdout = '';
  #stderr = '';

  constructor(command: string, args: readonly string[], environment: NodeJS.ProcessEnv) {
    const stdio: StdioOptions = ['pipe', 'pipe', 'pipe'];
    const child = spawn(command, args, { stdio, env: environment });
    this.#child = child;
    if (child.pid === undefined) throw new Error(`${command} could not be started`);
    this.pid = child.pid;
    child.stdout?.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    // What is written to a peer that has just ended is lost, and its exit tells.
    child.stdin?.on('error', () => undefined);
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.#take(line));
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
    whenOver(async () => {
      child.kill('SIGKILL');
      await this.exited;
    });
  }

  get errors(): string {
    return this.#stderr;
  }

  /** Takes a line that is for the peer's own class alone. */
  protected onLine?(line: string): boolean;

  #take(line: string): void {
    if (this.onLine?.(line) === true) return;
    const wanted = this.#wanted;
    this.#wanted = undefined;
    if (wanted) wanted(line);
    else this.#lines.push(line);
  }

  /** The next line that it prints. */
  async line(): Promise<string> {
    const ready = this.#lines.shift();
    if (ready !== undefined) return ready;
    const next = new Promise<string>((resolve) => (this.#wanted = resolve));
    const ended = this.exited.then((exit) => {
      throw new Error(`peer ended with ${exit.code ?? exit.signal} before it printed a line: ${exit.stderr}`);
    });
    return Promise.race([next, ended]);
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  end(): void {
    this.#child.stdin?.end();
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }
}

/** A failed call of a peer, as far as it can be told across processes. */
export interface RemoteFailure {
  name: string;
  class?: string;
  message: string;
  code?: string;
  errno?: number;
  syscall?: string;
  path?: string;
  key?: number;
  id?: number;
}

export type Outcome = { value: unknown; error?: never } | { error: RemoteFailure; value?: never };

/** A Node process with the package, which makes the calls that it is asked for: see fixtures/peer.js. */
export class NodePeer extends Peer {
  #next = 0;
  readonly #pending = new Map<number, (outcome: Outcome) => void>();

  protected override onLine(line: string): boolean {
    if (!line.startsWith('=')) return false;
    const [id, outcome] = fromLine(line.slice(1)) as [number, Outcome];
    this.#pending.get(id)?.(outcome);
    this.#pending.delete(id);
    return true;
  }

  /** Makes a call and gives what came of it. */
  outcome(name: string, ...args: unknown[]): Promise<Outcome> {
    const id = this.#next++;
    const outcome = new Promise<Outcome>((resolve) => this.#pending.set(id, resolve));
    this.write(`${toLine([id, name, args])}\n`);
    const ended = this.exited.then((exit): never => {
      throw new Error(`peer ended with ${exit.code ?? exit.signal} during ${name}: ${exit.stderr}`);
    });
    return Promise.race([outcome, ended]);
  }

  /** Makes a call that must succeed and gives its result. */
  async call(name: string, ...args: unknown[]): Promise<unknown> {
    const outcome = await this.outcome(name, ...args);
    if (outcome.error) throw new Error(`${name} failed: ${outcome.error.message}`, { cause: outcome.error });
    return outcome.value;
  }

  /** Makes a call that must fail and gives its error. */
  async failure(name: string, ...args: unknown[]): Promise<RemoteFailure> {
    const outcome = await this.outcome(name, ...args);
    if (!outcome.error) throw new Error(`${name} did not fail, but gave ${String(outcome.value)}`);
    return outcome.error;
  }
}

/** A plain program: a C peer, Perl, util-linux. */
export function program(command: string, ...args: (string | number)[]): Peer {
  return new Peer(command, args.map(String), plainEnvironment());
}

function nodeEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment['NODE_OPTIONS'];
  return environment;
}

/** A Node process that runs a program with the package. */
export function nodeFile(path: string, ...args: (string | number)[]): Peer {
  return new Peer(
    process.execPath,
    ['--expose-gc', '--unhandled-rejections=strict', path, ...args.map(String)],
    nodeEnvironment(),
  );
}

/** A Node process that runs a fixture of its own. */
export function nodeProgram(name: string, ...args: (string | number)[]): Peer {
  return nodeFile(fixture(name), ...args);
}

/** A Node process with the package. */
export async function nodePeer(): Promise<NodePeer> {
  return ready(new NodePeer(process.execPath, ['--expose-gc', fixture('peer.js')], nodeEnvironment()));
}

/** A Node process with the package, started by another command that replaces itself by it: env(1), prlimit(1). */
export async function nodePeerUnder(command: string, ...args: string[]): Promise<NodePeer> {
  const all = [...args, process.execPath, '--expose-gc', fixture('peer.js')];
  return ready(new NodePeer(command, all, nodeEnvironment()));
}

async function ready(peer: NodePeer): Promise<NodePeer> {
  const line = await peer.line();
  if (line !== 'ready') throw new Error(`the peer began with ${line}`);
  return peer;
}

/** A process that all tests of a file or a describe() use in turn: started before the first, gone after the last. */
export function sharedPeer<P extends Peer>(start: () => Promise<P>): () => P {
  const ends: (() => Promise<void>)[] = [];
  let peer: P | undefined;
  beforeAll(async () => {
    whenOver = (end) => void ends.push(end);
    try {
      peer = await start();
    } finally {
      whenOver = onTestFinished;
    }
  });
  afterAll(async () => {
    for (const end of ends) await end();
  });
  return () => {
    if (peer === undefined) throw new Error('a shared peer is there for tests alone');
    return peer;
  };
}

export const nobody = 65_534;

/**
 * Why there is no second user here, or undefined where there is. In a user namespace with one user mapped
 * uid 65534 can't be taken on.
 */
export function noSecondUser(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can take on another user';
  const tried = spawnSync('setpriv', [`--reuid=${nobody}`, '--clear-groups', 'true'], {
    env: plainEnvironment(),
  });
  return tried.status === 0 ? undefined : 'no second user is mapped in this user namespace';
}

/** A Node process of another user. It becomes that user after it has loaded the package, which root may own. */
export async function otherUser(): Promise<NodePeer> {
  const peer = await nodePeer();
  await peer.call('become', nobody);
  return peer;
}

/** A Node process that the permissions of a queue hold for: for root's own they do not. */
export async function unprivileged(): Promise<NodePeer> {
  if (!hasCapability(CAP_IPC_OWNER)) return nodePeer();
  if (noSecondUser() === undefined) return otherUser();
  const args = ['--bounding-set=-all', '--inh-caps=-all', process.execPath, fixture('peer.js')];
  return ready(new NodePeer('setpriv', args, nodeEnvironment()));
}
