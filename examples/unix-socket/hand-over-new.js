// The new process: gets the listening socket of hand-over-old.js and goes on with it.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { UnixSeqpacketSocket } from 'unix-ipc';

const path = join(import.meta.dirname, 'hand-over.sock');
const old = await UnixSeqpacketSocket.connect(path, { codec: 'utf8', descriptors: true, timeout: 5_000 });
const [fd] = (await old.receive())?.descriptors ?? [];
if (fd === undefined) throw new Error('the old process has ended');

const server = createServer((_, response) => response.end(`process ${process.pid}`));
server.listen({ fd });
await once(server, 'listening');
console.log(`process ${process.pid} serves now, instead of process ${old.peerCredentials.pid}`);
await old.send('taken over');
old.close();
