// The exercise in the calls of C: five philosophers at a round table, one fork between each two. This one lays the table.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { IPC_CREAT, IPC_PRIVATE, IPC_RMID, SETALL, semctl, semget } from 'unix-ipc/sys';

const meals = process.argv[2] ?? '3';
const semid = semget(IPC_PRIVATE, 5, IPC_CREAT | 0o600); // int semid = semget(IPC_PRIVATE, 5, IPC_CREAT | 0600);
semctl(semid, 0, SETALL, [1, 1, 1, 1, 1]); //              semctl(semid, 0, SETALL, (unsigned short[]){1, 1, 1, 1, 1});

const program = join(import.meta.dirname, 'exercise-philosopher.js');
const philosophers = ['Laozi', 'Hypatia', 'Avicenna', 'Kant', 'Arendt'].map((name, seat) =>
  spawn(process.execPath, [program, name, String(semid), String(seat), meals], { stdio: 'inherit' }),
); //                                                      if (fork() == 0) philosopher(name, semid, seat, meals);
// On Ctrl+C they leave, and the table is still cleared.
process.on('SIGINT', () => philosophers.forEach((philosopher) => philosopher.kill('SIGINT')));
await Promise.all(philosophers.map((philosopher) => once(philosopher, 'exit'))); // while (wait(NULL) > 0);

semctl(semid, 0, IPC_RMID); //                             semctl(semid, 0, IPC_RMID);
console.log(`process ${process.pid} cleared the table`);
