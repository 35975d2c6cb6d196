// The same exercise with the class: send a message to another process.
import { join } from 'node:path';
import { UnixDatagramSocket } from 'unix-ipc';

const socket = UnixDatagramSocket.connect(join(import.meta.dirname, 'exercise.sock'));
await socket.send(`hello from process ${process.pid}`);
socket.close();
