// The exercise in the calls of C, 2 of 4: put numbers into the buffer, as many as the command line says.
import { SEM_UNDO, semget, semop, shmat, shmdt, shmget } from 'unix-ipc/sys';
import { EMPTY, FULL, IN, ITEMS, MUTEX, SLOTS, fail, key } from './exercise-buffer.js';

process.on('uncaughtException', fail);

const count = Number(process.argv[2] ?? 10);
const semid = semget(key, 0, 0); //                        int semid = semget(key, 0, 0);
const memory = shmat(shmget(key, 0, 0)); //                int *buffer = shmat(shmget(key, 0, 0), NULL, 0);
const buffer = new Int32Array(memory);

for (let item = 1; item <= count; item++) {
  // An empty slot and the mutex, both at once or neither. SEM_UNDO: the kernel gives the mutex back for a process that
  // is killed while it has it.
  semop(semid, [
    { sem_num: EMPTY, sem_op: -1 },
    { sem_num: MUTEX, sem_op: -1, sem_flg: SEM_UNDO },
  ]);
  const slot = Atomics.load(buffer, IN);
  buffer.set([process.pid, item], ITEMS + 2 * slot);
  buffer[IN] = (slot + 1) % SLOTS;
  semop(semid, [
    { sem_num: MUTEX, sem_op: 1, sem_flg: SEM_UNDO },
    { sem_num: FULL, sem_op: 1 },
  ]);
}
console.log(`process ${process.pid} put the numbers from 1 to ${count}`);
shmdt(memory); //                                          shmdt(buffer);
