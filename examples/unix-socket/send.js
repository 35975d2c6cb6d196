// Sends the words of its command line, one datagram each, and a last one.
import { join } from 'node:path';
import { IpcError, UnixDatagramSocket } from 'unix-ipc';

const path = join(import.meta.dirname, 'words.sock');
try {
  const socket = UnixDatagramSocket.connect(path, { codec: 'json' });
  // No more than some ten datagrams lie at a receiver. send() waits until it has taken one.
  for (const word of process.argv.slice(2)) await socket.send({ word });
  await socket.send({ last: true });
  console.log(`process ${process.pid} sent ${process.argv.length - 1} datagrams`);
} catch (error) {
  // No file, or one that a killed process left behind.
  if (!(error instanceof IpcError && ['ENOENT', 'ECONNREFUSED'].includes(error.code))) throw error;
  console.log(`nobody receives at ${path}`);
}
