// What else ran on the machine meanwhile: whether the figures can be believed.
import { readFileSync } from 'node:fs';

/** Both as shares of all processor time. @typedef {{ others: number, host: number }} Disturbance */

/** The turns even out what the host takes, but not a program that keeps one of the cores busy. */
const TOLERABLE = 0.05;

/** In the kernel's clock ticks. */
function readClocks() {
  const [, ...all] = (/^cpu .*$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[0] ?? '')
    .split(/\s+/)
    .map(Number);
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = all;
  // After the name in parentheses, which may hold blanks; utime, stime and those of children that have ended.
  const self = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
    .map(Number);
  const own = self.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0);
  const busy = user + nice + system + irq + softirq;
  return { total: busy + idle + iowait + steal, busy, steal, own };
}

/** @returns {() => Disturbance} what there was since */
export function watchDisturbance() {
  const before = readClocks();
  return () => {
    const now = readClocks();
    const total = Math.max(1, now.total - before.total);
    const others = Math.max(0, now.busy - before.busy - (now.own - before.own));
    return { others: others / total, host: (now.steal - before.steal) / total };
  };
}

/** @param {Disturbance} disturbance */
export function formatDisturbance({ others, host }) {
  const percent = (/** @type {number} */ share) => `${(share * 100).toFixed(1)} %`;
  return (
    `meanwhile other programs took ${percent(others)} of the processors' time, the host ${percent(host)}` +
    (others > TOLERABLE ? ': DISTURBED, run it again when the machine is quiet' : '')
  );
}
