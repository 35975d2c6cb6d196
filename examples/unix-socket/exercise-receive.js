// The exercise in the calls of C: receive a message that another process sends.
import { rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { AF_UNIX, bind, close, recv, SOCK_DGRAM, socket } from 'unix-ipc/sys';

const path = join(import.meta.dirname, 'exercise.sock'); // struct sockaddr_un address = { AF_UNIX, "exercise.sock" };
rmSync(path, { force: true }); //                          unlink(address.sun_path);
const fd = socket(AF_UNIX, SOCK_DGRAM); //                 int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
bind(fd, path); //                                         bind(fd, (struct sockaddr *)&address, sizeof address);
console.log(`process ${process.pid} waits at ${path}`);
const message = recv(fd, 100); //                          recv(fd, message, 100, 0);
console.log(`process ${process.pid} received: ${message.toString()}`); // printf("%s\n", message);
close(fd); //                                              close(fd);
unlinkSync(path); //                                       unlink(address.sun_path);
