// The exercise in the calls of C: receive a message that another process writes into shared memory.
import {
  close,
  ftruncate,
  MAP_SHARED,
  mmap,
  munmap,
  O_CREAT,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from 'unix-ipc/sys';
import { sem_close, sem_open, sem_unlink, sem_wait, shm_open, shm_unlink } from 'unix-ipc/sys';
import { name } from './exercise-name.js';

const fd = shm_open(name, O_CREAT | O_RDWR, 0o600); //     int fd = shm_open(name, O_CREAT | O_RDWR, 0600);
ftruncate(fd, 100); //                                     ftruncate(fd, 100);
const data = mmap(null, 100, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); // char *data = mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
close(fd); //                                              close(fd);
const written = sem_open(name, O_CREAT, 0o600, 0); //      sem_t *written = sem_open(name, O_CREAT, 0600, 0);

sem_wait(written); //                                      sem_wait(written);
const bytes = Buffer.from(data);
console.log(`process ${process.pid} received: ${bytes.toString('utf8', 0, bytes.indexOf(0))}`); // printf("%s\n", data);

munmap(data); //                                           munmap(data, 100);
shm_unlink(name); //                                       shm_unlink(name);
sem_close(written); //                                     sem_close(written);
sem_unlink(name); //                                       sem_unlink(name);
