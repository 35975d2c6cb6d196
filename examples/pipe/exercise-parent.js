// The exercise in the calls of C: send a message through a pipe to a process that this one starts.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { close, O_CLOEXEC, pipe2, write } from 'unix-ipc/sys';

const [fd0, fd1] = pipe2(O_CLOEXEC); //                    int fd[2]; pipe(fd);
spawn(process.execPath, [join(import.meta.dirname, 'exercise-child.js')], {
  // The child gets both ends, as after fork(), but as its descriptors 3 and 4. O_CLOEXEC keeps further copies from it.
  stdio: ['inherit', 'inherit', 'inherit', fd0, fd1], //   if (fork() == 0) child(fd);
});
close(fd0); //                                             close(fd[0]);
write(fd1, `hello from process ${process.pid}`); //        write(fd[1], message, strlen(message));
close(fd1); //                                             close(fd[1]);
