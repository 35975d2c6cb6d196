// The exercise in the calls of C: send a message through a named pipe.
import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { IpcError } from 'unix-ipc';
import { close, mkfifo, O_WRONLY, open, write } from 'unix-ipc/sys';

const name = join(import.meta.dirname, 'exercise.fifo');
try {
  mkfifo(name, 0o600); //                                  if (mkfifo(name, 0600) == -1
} catch (error) {
  // The other program may have made it.
  if (!(error instanceof IpcError && error.code === 'EEXIST')) throw error; // && errno != EEXIST) exit(1);
}
const fd1 = open(name, O_WRONLY); //                       int fd1 = open(name, O_WRONLY);
write(fd1, `hello from process ${process.pid}`); //        write(fd1, message, strlen(message));
close(fd1); //                                             close(fd1);
unlinkSync(name); //                                       unlink(name);
