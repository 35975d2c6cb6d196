// The exercise in the calls of C: receive a message through a named pipe.
import { join } from 'node:path';
import { IpcError } from 'unix-ipc';
import { close, mkfifo, O_RDONLY, open, read } from 'unix-ipc/sys';

const name = join(import.meta.dirname, 'exercise.fifo');
try {
  mkfifo(name, 0o600); //                                  if (mkfifo(name, 0600) == -1
} catch (error) {
  // The other program may have made it.
  if (!(error instanceof IpcError && error.code === 'EEXIST')) throw error; // && errno != EEXIST) exit(1);
}
const fd0 = open(name, O_RDONLY); //                       int fd0 = open(name, O_RDONLY);
const message = read(fd0, 100); //                         read(fd0, message, 100);
console.log(`process ${process.pid} received: ${message.toString()}`); // printf("%s\n", message);
close(fd0); //                                             close(fd0);
