// The same exercise with the class: one of the philosophers. exercise-table-class.js starts five of this program.
import { setTimeout } from 'node:timers/promises';
import { SysvSemaphoreSet } from 'unix-ipc';

const name = process.argv[2] ?? 'nobody';
const [id, seat, meals] = process.argv.slice(3).map(Number);
if (id === undefined || seat === undefined || meals === undefined)
  throw new Error('start exercise-table-class.js');
const forks = SysvSemaphoreSet.openId(id);
const [left, right] = [seat, (seat + 1) % 5];

for (let meal = 1; meal <= meals; meal++) {
  await setTimeout(20 * Math.random()); // thinks
  // Both forks at once, or none: nobody ever holds one and waits for the other, so they can't all wait for each other.
  // With undo, the kernel puts the forks of a philosopher who is killed back on the table.
  await forks.apply([
    { index: left, op: -1, undo: true },
    { index: right, op: -1, undo: true },
  ]);
  console.log(`${name}, process ${process.pid}, eats with forks ${left} and ${right}`);
  await setTimeout(10);
  console.log(`${name}, process ${process.pid}, puts them back`);
  forks.release(left, 1, { undo: true });
  forks.release(right, 1, { undo: true });
}
