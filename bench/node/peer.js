// What the Node peers share, as c/peer.h does for C: the arguments, the turns and their result lines.
import { readSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** @import { ParseArgsConfig } from 'node:util' */

/** @typedef {{ count: number, warmup: number, turns: number }} Plan */

/**
 * `-s size -n count -w warm-up -t turns`, letters of the family's own, and the words between them.
 * @template {string} Letter
 * @param {Letter[]} letters options of this family
 */
export function readArguments(letters) {
  const names = [...letters, 's', 'n', 'w', 't'];
  /** @type {NonNullable<ParseArgsConfig['options']>} */
  const config = Object.fromEntries(names.map((name) => [name, { type: 'string', short: name }]));
  const { values, positionals } = parseArgs({ options: config, allowPositionals: true });
  const number = (/** @type {string} */ name) => Number(values[name] ?? 1);
  /** @type {Plan} */
  const plan = { count: number('n'), warmup: number('w'), turns: number('t') };
  const options = /** @type {Record<Letter, string>} */ (values);
  return { words: positionals, options, size: number('s'), plan };
}

export function ready() {
  writeSync(1, 'ready\n');
}

/** Blocks the thread: a turn of the other side must find this process asleep. */
export function awaitTurn() {
  if (readSync(0, Buffer.alloc(1)) !== 1) throw new Error('no turn was given');
}

/**
 * @param {number} count
 * @param {bigint} elapsed nanoseconds
 */
export function report(count, elapsed) {
  writeSync(1, `${JSON.stringify({ count, nanoseconds: Number(elapsed) })}\n`);
}

/**
 * The measuring peer of a job: warms up, then times `count` iterations each time it is told to.
 * @param {(n: number) => void} iterate
 * @param {Plan} plan
 */
export function measure(iterate, { count, warmup, turns }) {
  iterate(warmup);
  ready();
  for (let turn = 0; turn < turns; turn++) {
    awaitTurn();
    const start = process.hrtime.bigint();
    iterate(count);
    report(count, process.hrtime.bigint() - start);
  }
}

/**
 * Its counterpart: the same numbers of iterations, with nothing to say.
 * @param {(n: number) => void} iterate
 * @param {Plan} plan
 */
export function accompany(iterate, { count, warmup, turns }) {
  iterate(warmup);
  for (let turn = 0; turn < turns; turn++) iterate(count);
}

/**
 * @param {(n: number) => Promise<void>} iterate
 * @param {Plan} plan
 */
export async function measureAsync(iterate, { count, warmup, turns }) {
  await iterate(warmup);
  ready();
  for (let turn = 0; turn < turns; turn++) {
    awaitTurn();
    const start = process.hrtime.bigint();
    await iterate(count);
    report(count, process.hrtime.bigint() - start);
  }
}

/**
 * @param {(n: number) => Promise<void>} iterate
 * @param {Plan} plan
 */
export async function accompanyAsync(iterate, { count, warmup, turns }) {
  await iterate(warmup);
  for (let turn = 0; turn < turns; turn++) await iterate(count);
}

/**
 * The measuring peer where messages arrive by themselves, in one loop over all turns: a loop for each would time
 * its beginning and end too. `begin` lets the sender go.
 * @param {() => void} begin
 * @param {Plan} plan
 * @param {number} [unit] how many of what is counted make an iteration
 * @returns {(n: number) => boolean} takes what has arrived; false after the last
 */
export function meter(begin, { count, warmup, turns }, unit = 1) {
  let left = warmup * unit;
  let turn = 0;
  let start = 0n;
  begin();
  return (n) => {
    left -= n;
    if (left > 0) return true;
    if (turn === 0) ready();
    else report(count, process.hrtime.bigint() - start);
    if (turn++ === turns) return false;
    awaitTurn();
    left = count * unit;
    start = process.hrtime.bigint();
    begin();
    return true;
  };
}
