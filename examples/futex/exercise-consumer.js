// The exercise in the calls of C: learn that another process has written into memory that both have, and read it.
import { IpcError } from 'unix-ipc';
import { ftok, futex_wait, IPC_CREAT, IPC_RMID, shmat, shmctl, shmdt, shmget } from 'unix-ipc/sys';

const key = ftok(import.meta.dirname, 'x'); //             key_t key = ftok(".", 'x');
const shmid = shmget(key, 4096, IPC_CREAT | 0o600); //     int shmid = shmget(key, 4096, IPC_CREAT | 0600);
const data = shmat(shmid); //                              char *data = shmat(shmid, NULL, 0);
const word = new Int32Array(data, 0, 1); //                atomic_int *word = (atomic_int *)data;

while (Atomics.load(word, 0) === 0) {
  //                   while (*word == 0)
  try {
    futex_wait(data, 0, 0); //                               syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL);
  } catch (error) {
    // It was not 0 any more: the producer was faster than this call.
    if (!(error instanceof IpcError && error.code === 'EAGAIN')) throw error;
  }
}
const text = Buffer.from(data, 4); //                      char *text = data + 4;
console.log(`process ${process.pid} received: ${text.toString('utf8', 0, text.indexOf(0))}`); // printf("%s\n", text);
shmdt(data); //                                            shmdt(data);
shmctl(shmid, IPC_RMID); //                                shmctl(shmid, IPC_RMID, NULL);
