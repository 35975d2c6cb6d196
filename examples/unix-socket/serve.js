// A server with any number of clients at a time: adds numbers, an answer for each question.
import { join } from 'node:path';
import { UnixSeqpacketServer } from 'unix-ipc';

/** @typedef {{ numbers?: number[], sum?: number, from: number }} Message */
/** @typedef {import('unix-ipc').UnixSeqpacketSocket<Message>} Connection */

const path = join(import.meta.dirname, 'sums.sock');
// systemd, and systemd-socket-activate(1), open the socket themselves, and start the server with the first client.
const isActivated = process.env['LISTEN_PID'] === String(process.pid);
/** @type {UnixSeqpacketServer<Message>} */
const server = isActivated
  ? UnixSeqpacketServer.fromFd(3, { codec: 'json' })
  : UnixSeqpacketServer.listen(path, { codec: 'json', replaceStale: true });
/** @type {Set<Connection>} */
const connections = new Set();
process.once('SIGINT', () => {
  server.close();
  for (const connection of connections) connection.close();
});
console.log(`process ${process.pid} serves at ${path}; Ctrl+C ends it`);

for await (const connection of server) void serve(connection);

/** @param {Connection} connection */
async function serve(connection) {
  connections.add(connection);
  const { pid, uid } = connection.peerCredentials;
  console.log(`process ${pid} of user ${uid} has connected`);
  try {
    for await (const { data } of connection) {
      const { numbers = [] } = data;
      await connection.send({ sum: numbers.reduce((a, b) => a + b, 0), from: process.pid });
    }
    console.log(`process ${pid} has finished`);
  } catch (error) {
    // One client's mistake or end is no reason to stop serving the others.
    console.log(`process ${pid}:`, error instanceof Error ? error.message : error);
  }
  connections.delete(connection);
  connection.close();
}
