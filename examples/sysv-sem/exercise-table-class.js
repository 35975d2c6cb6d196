// The same exercise with the class: five philosophers at a round table, one fork between each two. This one lays the table.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { IPC_PRIVATE, SysvSemaphoreSet } from 'unix-ipc';

const meals = process.argv[2] ?? '3';
const forks = SysvSemaphoreSet.open(IPC_PRIVATE, { initial: [1, 1, 1, 1, 1] });

const program = join(import.meta.dirname, 'exercise-philosopher-class.js');
const philosophers = ['Laozi', 'Hypatia', 'Avicenna', 'Kant', 'Arendt'].map((name, seat) =>
  spawn(process.execPath, [program, name, String(forks.id), String(seat), meals], { stdio: 'inherit' }),
);
// On Ctrl+C they leave, and the table is still cleared.
process.on('SIGINT', () => philosophers.forEach((philosopher) => philosopher.kill('SIGINT')));
await Promise.all(philosophers.map((philosopher) => once(philosopher, 'exit')));

forks.remove();
console.log(`process ${process.pid} cleared the table`);
