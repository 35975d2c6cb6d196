import os from 'node:os';
import { median } from './trial.js';

/** @import { Job, Target, Trial } from './family.js' */
/** @import { Result } from './trial.js' */

const units = {
  time: { figure: 'µs', better: 'lower' },
  rate: { figure: 'a second', better: 'higher' },
};

/** @param {Job} job */
export function baselineOf({ baseline = 'C' }) {
  return baseline;
}

/** @param {Job} job */
export function subjectOf({ subject = 'Node' }) {
  return subject;
}

export function describeMachine() {
  return {
    node: process.version,
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
  };
}

/**
 * @param {Target} target
 * @param {number} ratio
 */
export function isMet(target, ratio) {
  return 'atMost' in target ? ratio <= target.atMost : ratio >= target.atLeast;
}

/** @param {number} value */
function figure(value) {
  if (value >= 1000) return value.toLocaleString('en', { maximumFractionDigits: 0 });
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** @param {number} value */
function ratio(value) {
  return value.toFixed(value < 0.1 ? 3 : 2);
}

/**
 * @param {Job} job
 * @param {string[]} cells
 */
function row({ throughput }, [what = '', ...cells]) {
  const widths = [9, 6, 14, 14, 8, 16, ...(throughput ? [12, 12] : [])];
  const rest = cells.map((cell, i) => (i < widths.length ? cell.padStart(widths[i] ?? 0) : `  ${cell}`));
  return `${what.padEnd(52)}${rest.join('')}`.trimEnd();
}

/**
 * @param {Job} job
 * @param {string} node who is compared with the baseline
 */
export function formatHeading(job, node) {
  const { name, description, measure } = job;
  const { figure: unit, better } = units[measure];
  const baseline = baselineOf(job);
  const columns = row(job, [
    measure,
    'bytes',
    'cores',
    `${baseline} ${unit}`,
    `${node} ${unit}`,
    'ratio',
    'min - max',
    ...(job.throughput ? [`${baseline} GB/s`, `${node} GB/s`] : []),
    'target',
  ]);
  return `\n${name}: ${description}\nratio: ${node}'s ${measure} / ${baseline}'s, ${better} is better\n${columns}`;
}

/**
 * @param {number} size
 * @param {number} microseconds
 */
function gigabytesPerSecond(size, microseconds) {
  return figure(size / microseconds / 1000);
}

/**
 * @param {Trial} trial
 * @param {Result} result
 */
export function formatResult({ job, description, size, cores, target }, { baseline, node, ratios }) {
  const middle = median(ratios);
  const range = `${ratio(Math.min(...ratios))} - ${ratio(Math.max(...ratios))}`;
  const wanted = target
    ? `${'atMost' in target ? `<= ${target.atMost.toFixed(2)}` : `>= ${target.atLeast.toFixed(2)}`} ${isMet(target, middle) ? 'met' : 'MISSED'}`
    : '';
  const cells = [
    String(size),
    String(cores),
    figure(median(baseline)),
    figure(median(node)),
    ratio(middle),
    range,
    ...(job.throughput ? [baseline, node].map((times) => gigabytesPerSecond(size, median(times))) : []),
    wanted,
  ];
  return row(job, [description, ...cells]);
}

/**
 * @param {Trial} trial
 * @param {string} reason
 */
export function formatSkipped({ job, description, size, cores }, reason) {
  return `${row(job, [description, String(size), String(cores)])}  skipped: ${reason}`;
}
