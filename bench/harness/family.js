// What a family of benchmarks declares, and where it is found. The harness knows no family by name.
import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';

/**
 * A process of a job: bench/c/<family>.c compiled, or bench/node/<family>.js. The first one measures, says
 * `ready` when it has warmed up and answers every turn with `{"count":…,"nanoseconds":…}`.
 * @typedef {{ runtime: 'c' | 'node', args: string[] }} Peer
 */

/**
 * @typedef {object} Job
 * @property {string} name
 * @property {string} description what one iteration is
 * @property {'time' | 'rate'} measure time per iteration (less is better) or iterations a second (more is better)
 * @property {string} [baseline] who this package is compared with: C where nothing is said
 * @property {string} [subject] who is compared with it: Node where nothing is said
 * @property {boolean} [throughput] the table also says how many bytes a second that is
 */

/**
 * What the ratio of Node to the baseline should be; information, never a failure.
 * @typedef {{ atMost: number } | { atLeast: number }} Target
 */

/**
 * @typedef {object} Trial
 * @property {Job} job
 * @property {string} variant
 * @property {string} description what Node does; C does the same with the plain calls
 * @property {string[]} [setting] what `setUp` is to make for this trial, in the family's own words
 * @property {number} size bytes of a message
 * @property {1 | 2} cores one for all peers, or one for each of two
 * @property {number} warmup iterations before the first turn
 * @property {boolean} [alternating] one group, that of `node`, does both by turns, the baseline's first: memory of one
 *   process is compared with other memory of the same process
 * @property {{ baseline: number, node: number }} count iterations of one turn
 * @property {Peer[]} baseline the C program, or what else the job compares with
 * @property {Peer[]} node
 * @property {boolean} quick also part of a --quick run
 * @property {Target} [target]
 */

/**
 * Runs the family's C program and gives what it printed. It throws Skipped where the program ends with status 77.
 * @typedef {(args: string[]) => string} Control
 */

/**
 * What a group of peers works on. Its peers find the descriptors as 3, 4, 5 …; the harness closes its own.
 * @typedef {object} Objects
 * @property {string[]} args names them to each peer
 * @property {number[]} [fds] close-on-exec
 */

/**
 * @typedef {object} Family
 * @property {string} name the stem: bench/c/<name>.c, bench/node/<name>.js
 * @property {string} title
 * @property {(control: Control, trial: Trial) => Objects} setUp makes what a group of peers needs
 * @property {(control: Control, args: string[]) => void} tearDown removes it, given the arguments that name it
 * @property {Trial[]} trials
 */

/** The machine lacks what a trial needs, and the message says what. */
export class Skipped extends Error {}

const folder = new URL('../families/', import.meta.url);

/** @returns {Promise<string[]>} */
export async function listFamilies() {
  const files = await readdir(folder);
  return files
    .filter((file) => file.endsWith('.js'))
    .map((file) => basename(file, '.js'))
    .sort();
}

/**
 * @param {string} name
 * @returns {Promise<Family>}
 */
export async function loadFamily(name) {
  /** @type {unknown} */
  const module = await import(new URL(`${name}.js`, folder).href);
  return /** @type {{ family: Family }} */ (module).family;
}
