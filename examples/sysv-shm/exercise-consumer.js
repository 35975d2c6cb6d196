// The exercise in the calls of C, 3 of 4: take numbers out of the buffer until somebody removes it.
import { IpcError } from 'unix-ipc';
import { SEM_UNDO, semget, semop, shmat, shmdt, shmget } from 'unix-ipc/sys';
import { EMPTY, FULL, ITEMS, MUTEX, OUT, SLOTS, fail, key } from './exercise-buffer.js';

process.on('uncaughtException', fail);

const semid = semget(key, 0, 0); //                        int semid = semget(key, 0, 0);
const memory = shmat(shmget(key, 0, 0)); //                int *buffer = shmat(shmget(key, 0, 0), NULL, 0);
const buffer = new Int32Array(memory);
console.log(`process ${process.pid} waits for numbers; Ctrl+C ends it`);

try {
  for (;;) {
    semop(semid, [
      { sem_num: FULL, sem_op: -1 },
      { sem_num: MUTEX, sem_op: -1, sem_flg: SEM_UNDO },
    ]);
    const slot = Atomics.load(buffer, OUT);
    const [pid, item] = buffer.slice(ITEMS + 2 * slot);
    buffer[OUT] = (slot + 1) % SLOTS;
    semop(semid, [
      { sem_num: MUTEX, sem_op: 1, sem_flg: SEM_UNDO },
      { sem_num: EMPTY, sem_op: 1 },
    ]);
    console.log(`process ${process.pid} took`, item, `of process`, pid, `out of slot`, slot);
  }
} catch (error) {
  // Removed while this process waited, or before it did again.
  if (!(error instanceof IpcError && ['EIDRM', 'EINVAL'].includes(error.code))) throw error;
}
console.log(`process ${process.pid} found the semaphores removed`);
shmdt(memory); //                                          shmdt(buffer);
