// The processes of one job: started together, each pinned to a core, taking turns with another group.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** @import { ChildProcessWithoutNullStreams } from 'node:child_process' */

/** @typedef {{ command: string, args: string[], core: number }} Pinned */
/** @typedef {{ count: number, nanoseconds: number }} Measurement */

/** The cores this process may use, as taskset and containers leave them. */
export function allowedCores() {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/**
 * @param {Pinned} peer
 * @param {number[]} fds
 */
function start({ command, args, core }, fds) {
  const child = /** @type {ChildProcessWithoutNullStreams} */ (
    spawn('taskset', ['-c', String(core), command, ...args], { stdio: ['pipe', 'pipe', 'pipe', ...fds] })
  );
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => (errors += text));
  // A peer that died leaves a broken pipe behind; what it died of says more.
  child.stdin.on('error', () => {});
  /** @type {Promise<void>} */
  const ended = new Promise((resolve, reject) => {
    child.on('error', (cause) => reject(new Error('taskset (util-linux) could not be started', { cause })));
    child.on('close', (code, killer) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args.join(' ')} ended with ${killer ?? code}\n${errors}`));
    });
  });
  return { child, ended };
}

export class PeerGroup {
  #peers;
  #leader;
  #lines;
  #signal;
  /** @type {Promise<void>} */
  #ended;
  #kill = () => {
    for (const { child } of this.#peers) child.kill('SIGKILL');
  };

  /**
   * @param {Pinned[]} peers the first one measures
   * @param {AbortSignal} signal kills them
   * @param {number[]} fds descriptors that each of them inherits as 3, 4, 5 …
   */
  constructor(peers, signal, fds = []) {
    this.#peers = peers.map((peer) => start(peer, fds));
    const leader = this.#peers[0];
    if (!leader) throw new Error('a job needs a peer');
    this.#leader = leader.child;
    this.#lines = createInterface({ input: this.#leader.stdout })[Symbol.asyncIterator]();
    this.#signal = signal;
    signal.addEventListener('abort', this.#kill);
    this.#ended = this.#waitForAll();
    // Looked at in ended(); until then a failure must not count as unhandled.
    this.#ended.catch(() => {});
  }

  async #waitForAll() {
    try {
      await Promise.all(this.#peers.map(({ ended }) => ended));
    } finally {
      // One that failed leaves its peer waiting for messages that never come.
      this.#kill();
      await Promise.allSettled(this.#peers.map(({ ended }) => ended));
      this.#signal.removeEventListener('abort', this.#kill);
    }
  }

  /** Resolves when every process is gone, rejects with what the first failure was. */
  async ended() {
    try {
      await this.#ended;
    } catch (error) {
      this.#signal.throwIfAborted();
      throw error;
    }
  }

  /** Ends what still runs; never rejects. */
  async stop() {
    this.#kill();
    await Promise.allSettled([this.#ended]);
  }

  async #line() {
    const next = await this.#lines.next();
    if (!next.done) return /** @type {string} */ (next.value);
    await this.ended();
    throw new Error('the measuring peer ended before its last turn');
  }

  /** Resolves when the group has warmed up. */
  async ready() {
    const line = await this.#line();
    if (line !== 'ready') throw new Error(`a peer said ${line} before it was ready`);
  }

  /** @returns {Promise<Measurement>} */
  async turn() {
    this.#leader.stdin.write('\n');
    /** @type {unknown} */
    const measurement = JSON.parse(await this.#line());
    return /** @type {Measurement} */ (measurement);
  }
}
