// The exercise in the calls of C: send a message to another process.
import { join } from 'node:path';
import { AF_UNIX, close, sendto, SOCK_DGRAM, socket } from 'unix-ipc/sys';

const path = join(import.meta.dirname, 'exercise.sock'); // struct sockaddr_un address = { AF_UNIX, "exercise.sock" };
const message = `hello from process ${process.pid}`;
const fd = socket(AF_UNIX, SOCK_DGRAM); //                 int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
sendto(fd, message, 0, path); //                           sendto(fd, message, strlen(message), 0, (struct sockaddr *)&address, sizeof address);
close(fd); //                                              close(fd);
