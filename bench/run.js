// npm run bench -- FAMILY [--quick] [--trials N] [--only NAME] [--json FILE] [--self-check]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compile } from './harness/compile.js';
import { formatDisturbance, watchDisturbance } from './harness/disturbance.js';
import { Skipped, listFamilies, loadFamily } from './harness/family.js';
import {
  baselineOf,
  describeMachine,
  formatHeading,
  formatResult,
  formatSkipped,
  isMet,
  subjectOf,
} from './harness/report.js';
import { canRun, median, runTrial } from './harness/trial.js';

/** @import { Family, Trial } from './harness/family.js' */
/** @import { Result } from './harness/trial.js' */

const { values, positionals } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    trials: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
    'self-check': { type: 'boolean', default: false },
  },
  allowPositionals: true,
});

/** @param {Trial} trial */
function isWanted(trial) {
  return (trial.quick || !values.quick) && `${trial.job.name}/${trial.variant}`.includes(values.only);
}

/**
 * @param {Family} family
 * @param {Trial[]} trials
 * @param {AbortSignal} signal
 */
async function runFamily(family, trials, signal) {
  /** @type {{ trial: Trial, result: Result }[]} */
  const results = [];
  console.log(`\n${family.title} (${family.name})`);
  compile(family.name);
  let job;
  for (const trial of trials) {
    if (trial.job !== job)
      console.log(
        formatHeading(trial.job, values['self-check'] ? baselineOf(trial.job) : subjectOf(trial.job)),
      );
    job = trial.job;
    if (!canRun(trial)) {
      console.log(formatSkipped(trial, 'needs as many cores'));
      continue;
    }
    try {
      const result = await runTrial(family, trial, Number(values.trials), signal);
      console.log(formatResult(trial, result));
      results.push({ trial, result });
    } catch (error) {
      if (!(error instanceof Skipped)) throw error;
      console.log(formatSkipped(trial, error.message));
    }
  }
  return results;
}

/**
 * @param {Family} family
 * @returns {Family}
 */
function comparedWithItself(family) {
  const trials = family.trials.map((trial) => {
    const { baseline } = trial.count;
    const itself = { ...trial, node: trial.baseline, count: { baseline, node: baseline } };
    delete itself.target;
    return itself;
  });
  return { ...family, trials };
}

/** @param {AbortSignal} signal */
async function main(signal) {
  const known = await listFamilies();
  if (positionals.length === 0) {
    console.log(
      `npm run bench -- FAMILY... [--quick] [--trials N] [--only NAME] [--json FILE] [--self-check]`,
    );
    console.log(`families: ${known.join(', ')}, or all; see bench/README.md`);
    return;
  }
  const unknown = positionals.find((name) => name !== 'all' && !known.includes(name));
  if (unknown) throw new Error(`no family ${unknown}; there are ${known.join(', ')}`);
  if (!(Number.isInteger(Number(values.trials)) && Number(values.trials) > 0)) {
    throw new Error(`--trials ${values.trials} is not a number from 1`);
  }

  const machine = describeMachine();
  console.log(
    `Node ${machine.node}, ${machine.kernel}, ${machine.cores} cores, ${machine.cpu}; ` +
      `medians of ${values.trials} trials with fresh processes` +
      (values['self-check'] ? '; the baselines compared with themselves' : ''),
  );
  const disturbanceSince = watchDisturbance();
  const rows = [];
  let wanted = 0;
  for (const name of positionals.includes('all') ? known : positionals) {
    const declared = await loadFamily(name);
    const family = values['self-check'] ? comparedWithItself(declared) : declared;
    const trials = family.trials.filter(isWanted);
    if (trials.length === 0) continue;
    wanted += trials.length;
    for (const { trial, result } of await runFamily(family, trials, signal)) {
      const ratio = median(result.ratios);
      rows.push({
        family: name,
        job: trial.job.name,
        measure: trial.job.measure,
        baseline: baselineOf(trial.job),
        subject: subjectOf(trial.job),
        variant: trial.variant,
        description: trial.description,
        size: trial.size,
        cores: trial.cores,
        median: { baseline: median(result.baseline), node: median(result.node), ratio },
        runs: result,
        ...(trial.target ? { target: trial.target, met: isMet(trial.target, ratio) } : {}),
      });
    }
  }
  if (wanted === 0) throw new Error(`nothing is called ${values.only}`);
  const disturbance = disturbanceSince();
  console.log(`\n${formatDisturbance(disturbance)}`);
  const targets = rows.filter((row) => row.target);
  if (targets.length > 0) {
    console.log(`${targets.filter((row) => row.met).length} of ${targets.length} targets met`);
  }
  if (values.json)
    writeFileSync(values.json, `${JSON.stringify({ machine, disturbance, results: rows }, null, 2)}\n`);
}

const interrupted = new AbortController();
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
}
// Unheard it would end this process at once, and what was set up would stay.
process.stdout.on('error', (cause) => interrupted.abort(new Error('nobody reads the output', { cause })));
try {
  await main(interrupted.signal);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
