// In the calls of C: wake a process that this one starts.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { close, EFD_CLOEXEC, eventfd, write } from 'unix-ipc/sys';

const efd = eventfd(0, EFD_CLOEXEC); //                    int efd = eventfd(0, 0);
spawn(process.execPath, [join(import.meta.dirname, 'exercise-child.js')], {
  stdio: ['inherit', 'inherit', 'inherit', efd], //        if (fork() == 0) child(efd);
});
const n = new BigUint64Array([7n]); //                     uint64_t n = 7;
write(efd, new Uint8Array(n.buffer)); //                   write(efd, &n, sizeof n);
close(efd); //                                             close(efd);
