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
 */

/**
 * What the ratio of Node to C should be; information, never a failure.
 * @typedef {{ atMost: number } | { atLeast: number }} Target
 */

/**
 * @typedef {object} Trial
 * @property {Job} job
 * @property {string} variant
 * @property {string} description what Node does; C does the same with the plain calls
 * @property {number} size bytes of a message
 * @property {1 | 2} cores one for all peers, or one for each of two
 * @property {number} warmup iterations before the first turn
 * @property {{ c: number, node: number }} count iterations of one turn
 * @property {Peer[]} c
 * @property {Peer[]} node
 * @property {boolean} quick also part of a --quick run
 * @property {Target} [target]
 */

/**
 * Runs the family's C program and gives what it printed.
 * @typedef {(args: string[]) => string} Control
 */

/**
 * @typedef {object} Family
 * @property {string} name the stem: bench/c/<name>.c, bench/node/<name>.js
 * @property {string} title
 * @property {(control: Control) => string[]} setUp makes what a group of peers needs, gives the arguments that name it to each of them
 * @property {(control: Control, args: string[]) => void} tearDown removes it
 * @property {Trial[]} trials
 */

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
