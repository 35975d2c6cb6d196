// The exercise in the calls of C: write into memory that another process has too, and let it know.
import { ftok, futex_wake, IPC_CREAT, shmat, shmdt, shmget } from 'unix-ipc/sys';

const key = ftok(import.meta.dirname, 'x'); //             key_t key = ftok(".", 'x');
const shmid = shmget(key, 4096, IPC_CREAT | 0o600); //     int shmid = shmget(key, 4096, IPC_CREAT | 0600);
const data = shmat(shmid); //                              char *data = shmat(shmid, NULL, 0);
const word = new Int32Array(data, 0, 1); //                atomic_int *word = (atomic_int *)data;

Buffer.from(data, 4).write(`hello from process ${process.pid}\0`); // sprintf(data + 4, "hello from process %d", getpid());
Atomics.store(word, 0, 1); //                              *word = 1;
futex_wake(data, 0, 1); //                                 syscall(SYS_futex, word, FUTEX_WAKE, 1);
shmdt(data); //                                            shmdt(data);
