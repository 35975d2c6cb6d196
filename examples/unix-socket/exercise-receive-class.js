// The same exercise with the class: receive a message that another process sends.
import { join } from 'node:path';
import { UnixDatagramSocket } from 'unix-ipc';

const path = join(import.meta.dirname, 'exercise.sock');
const socket = UnixDatagramSocket.bind(path, { codec: 'utf8', replaceStale: true });
console.log(`process ${process.pid} waits at ${path}`);
const { data } = await socket.receive();
console.log(`process ${process.pid} received: ${data}`);
socket.close();
