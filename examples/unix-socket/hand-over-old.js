// A web server that hands its port over to its successor without closing it: no connection is refused meanwhile.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { UnixSeqpacketServer } from 'unix-ipc';

/** @typedef {import('unix-ipc').UnixSeqpacketSocket<string>} Successor */

const server = createServer((_, response) => response.end(`process ${process.pid}`));
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1');
await once(server, 'listening');
const address = server.address();
const port = typeof address === 'object' ? address?.port : undefined;
const path = join(import.meta.dirname, 'hand-over.sock');
// Whoever can connect here gets the port: 0o600 lets in this user's processes and root's.
const successors = UnixSeqpacketServer.listen(path, { codec: 'utf8', mode: 0o600, replaceStale: true });
console.log(`process ${process.pid} serves http://127.0.0.1:${port ?? 0}`);

for await (const successor of successors) if (await handOver(successor)) break;
successors.close();
// It accepts no more, but the socket lives on in the other process, with those who are waiting for it. Requests that
// this one has begun are answered.
server.close();
await once(server, 'close');
console.log(`process ${process.pid} has handed over`);

/** @param {Successor} successor */
async function handOver(successor) {
  try {
    await successor.send('listening', { descriptors: [server] });
    // Until it answers, both accept connections. null, or an error, where it failed before it could: this one goes on.
    return (await successor.receive({ timeout: 10_000 })) !== null;
  } catch (error) {
    console.log(error instanceof Error ? error.message : error);
    return false;
  } finally {
    successor.close();
  }
}
