// Takes datagrams until one says that it was the last, and prints who sent each of them.
import { join } from 'node:path';
import { UnixDatagramSocket } from 'unix-ipc';

const path = join(import.meta.dirname, 'words.sock');
// Socket files are not removed by the kernel: replaceStale is for one of a process that was killed.
// With credentials the kernel says who sent a message, and the sender can't say otherwise.
/** @type {UnixDatagramSocket<{ word?: string, last?: boolean }>} */
const socket = UnixDatagramSocket.bind(path, { codec: 'json', credentials: true, replaceStale: true });
process.once('SIGINT', () => socket.close());
console.log(`process ${process.pid} waits at ${path}; Ctrl+C ends it`);

for await (const { data, credentials } of socket) {
  console.log(`process ${credentials?.pid ?? 0} of user ${credentials?.uid ?? -1}:`, data);
  if (data.last === true) break;
}
// This removes the file.
socket.close();
