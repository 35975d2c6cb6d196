// The name of the memory and of the semaphore. It is made of where this folder is, so that other users have another.
import { ftok } from 'unix-ipc/sys';

export const name = `/posix-shm-${ftok(import.meta.dirname, 'x')}`;
