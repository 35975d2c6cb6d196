// The exercise in the calls of C, 1 of 4: make the shared memory and the semaphores.
import { IPC_CREAT, IPC_EXCL, SETALL, semctl, semget, shmget } from 'unix-ipc/sys';
import { SIZE, SLOTS, fail, key } from './exercise-buffer.js';

process.on('uncaughtException', fail);

const shmid = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0o600); // int shmid = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600);
const semid = semget(key, 3, IPC_CREAT | IPC_EXCL | 0o600); // int semid = semget(key, 3, IPC_CREAT | IPC_EXCL | 0600);
semctl(semid, 0, SETALL, [1, SLOTS, 0]); //                semctl(semid, 0, SETALL, (unsigned short[]){1, SLOTS, 0});
console.log(`process ${process.pid} made the memory ${shmid} and the semaphores ${semid}`);
