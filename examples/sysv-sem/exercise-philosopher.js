// The exercise in the calls of C: one of the philosophers. exercise-table.js starts five of this program.
import { setTimeout } from 'node:timers/promises';
import { SEM_UNDO, semop } from 'unix-ipc/sys';

const name = process.argv[2] ?? 'nobody';
const [semid, seat, meals] = process.argv.slice(3).map(Number);
if (semid === undefined || seat === undefined || meals === undefined)
  throw new Error('start exercise-table.js');
const [left, right] = [seat, (seat + 1) % 5];

for (let meal = 1; meal <= meals; meal++) {
  await setTimeout(20 * Math.random()); // thinks
  // Both forks in one call, or none: nobody ever holds one and waits for the other, so they can't all wait for each
  // other. SEM_UNDO: the kernel puts the forks of a philosopher who is killed back on the table.
  semop(semid, [
    { sem_num: left, sem_op: -1, sem_flg: SEM_UNDO },
    { sem_num: right, sem_op: -1, sem_flg: SEM_UNDO },
  ]);
  console.log(`${name}, process ${process.pid}, eats with forks ${left} and ${right}`);
  await setTimeout(10);
  console.log(`${name}, process ${process.pid}, puts them back`);
  semop(semid, [
    { sem_num: left, sem_op: 1, sem_flg: SEM_UNDO },
    { sem_num: right, sem_op: 1, sem_flg: SEM_UNDO },
  ]);
}
