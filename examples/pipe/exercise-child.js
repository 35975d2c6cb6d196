// The exercise in the calls of C: receive the message. exercise-parent.js starts this program.
import { close, read } from 'unix-ipc/sys';

const [fd0, fd1] = [3, 4];
close(fd1); //                                             close(fd[1]);
const message = read(fd0, 100); //                         read(fd[0], message, 100);
console.log(`process ${process.pid} received: ${message.toString()}`); // printf("%s\n", message);
close(fd0); //                                             close(fd[0]);
