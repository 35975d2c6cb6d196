import { execFileSync } from 'node:child_process';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compile } from './compile.js';
import { Skipped } from './family.js';
import { PeerGroup, allowedCores } from './peers.js';

/** @import { Control, Family, Job, Peer, Trial } from './family.js' */
/** @import { Measurement } from './peers.js' */

/**
 * Microseconds an iteration or iterations a second, as the job says; ratios of Node to the baseline. One of each per trial.
 * @typedef {{ baseline: number[], node: number[], ratios: number[] }} Result
 */

/** Of some milliseconds each: machines change their pace in tenths of a second, and both sides must meet it. */
const TURNS = 16;
const TIME_LIMIT_MS = 60_000;
const EXIT_SKIPPED = 77;

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  return sorted.length % 2 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** @param {Trial} trial */
export function canRun(trial) {
  return trial.cores <= allowedCores().length;
}

/**
 * @param {Job} job
 * @param {Measurement} measurement
 */
function figure({ measure }, { count, nanoseconds }) {
  return measure === 'time' ? nanoseconds / count / 1000 : (count / nanoseconds) * 1e9;
}

/**
 * Compiles again where a build of the addon has emptied build/ meanwhile: what was set up must be torn down.
 * @param {Family} family
 * @returns {Control}
 */
function controlOf({ name }) {
  return (args) => {
    try {
      return execFileSync(compile(name), args, { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      const { status, stderr } = /** @type {{ status?: number, stderr?: string }} */ (error);
      throw status === EXIT_SKIPPED ? new Skipped(stderr?.trim(), { cause: error }) : error;
    }
  };
}

/**
 * One trial: a fresh group of processes for the baseline and one for Node, each with objects of its own, taking turns:
 * C, Node, C, Node … While one has its turn the other is asleep. An alternating trial has one group, which takes them all.
 * @param {Family} family
 * @param {Trial} trial
 * @param {AbortSignal} signal
 */
async function runOnce(family, trial, signal) {
  const script = fileURLToPath(new URL(`../node/${family.name}.js`, import.meta.url));
  const cores = allowedCores();
  const control = controlOf(family);
  const limited = AbortSignal.any([signal, AbortSignal.timeout(TIME_LIMIT_MS)]);
  limited.throwIfAborted();

  /** @type {string[][]} */
  const objects = [];
  /** @type {PeerGroup[]} */
  const groups = [];
  /**
   * @param {Peer[]} peers
   * @param {number} count
   */
  const start = (peers, count) => {
    const { args: common, fds = [] } = family.setUp(control, trial);
    objects.push(common);
    const numbers = { s: trial.size, n: count, w: trial.warmup, t: trial.alternating ? 2 * TURNS : TURNS };
    const options = Object.entries(numbers).flatMap(([letter, value]) => [`-${letter}`, String(value)]);
    try {
      const group = new PeerGroup(
        peers.map(({ runtime, args }, i) => ({
          command: runtime === 'c' ? compile(family.name) : process.execPath,
          args: [...(runtime === 'c' ? [] : [script]), ...args, ...common, ...options],
          core: cores[i % trial.cores] ?? 0,
        })),
        limited,
        fds,
      );
      groups.push(group);
      return group;
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  };

  try {
    const node = start(trial.node, trial.count.node);
    const baseline = trial.alternating ? node : start(trial.baseline, trial.count.baseline);
    await Promise.all(groups.map((group) => group.ready()));
    /** @type {Result} */
    const turns = { baseline: [], node: [], ratios: [] };
    for (let i = 0; i < TURNS; i++) {
      const ofBaseline = figure(trial.job, await baseline.turn());
      const ofNode = figure(trial.job, await node.turn());
      turns.baseline.push(ofBaseline);
      turns.node.push(ofNode);
      turns.ratios.push(ofNode / ofBaseline);
    }
    await Promise.all(groups.map((group) => group.ended()));
    return { baseline: median(turns.baseline), node: median(turns.node), ratio: median(turns.ratios) };
  } finally {
    await Promise.all(groups.map((group) => group.stop()));
    for (const common of objects) family.tearDown(control, common);
  }
}

/**
 * @param {Family} family
 * @param {Trial} trial
 * @param {number} times
 * @param {AbortSignal} signal
 * @returns {Promise<Result>}
 */
export async function runTrial(family, trial, times, signal) {
  /** @type {Result} */
  const result = { baseline: [], node: [], ratios: [] };
  for (let i = 0; i < times; i++) {
    const { baseline, node, ratio } = await runOnce(family, trial, signal);
    result.baseline.push(baseline);
    result.node.push(node);
    result.ratios.push(ratio);
  }
  return result;
}
