// The exercise in the calls of C: write a message into shared memory, and tell another process that it is there.
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
import { sem_close, sem_open, sem_post, shm_open } from 'unix-ipc/sys';
import { name } from './exercise-name.js';

const fd = shm_open(name, O_CREAT | O_RDWR, 0o600); //     int fd = shm_open(name, O_CREAT | O_RDWR, 0600);
ftruncate(fd, 100); //                                     ftruncate(fd, 100);
const data = mmap(null, 100, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); // char *data = mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
close(fd); //                                              close(fd);
const written = sem_open(name, O_CREAT, 0o600, 0); //      sem_t *written = sem_open(name, O_CREAT, 0600, 0);

Buffer.from(data).write(`hello from process ${process.pid}\0`); // snprintf(data, 100, "hello from process %d", getpid());
sem_post(written); //                                      sem_post(written);

munmap(data); //                                           munmap(data, 100);
sem_close(written); //                                     sem_close(written);
