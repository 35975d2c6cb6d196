// Shares a million numbers with every process that asks: nothing is copied, and nobody can change them any more.
import { join } from 'node:path';
import { IpcError, Memfd, UnixSeqpacketServer } from 'unix-ipc';

const count = 1_000_000;
const memory = Memfd.create({ size: 8 * count, name: 'squares' });
const numbers = new Float64Array(memory.buffer);
for (let i = 0; i < count; i++) numbers[i] = i * i;
// Neither this process nor any other can write to it or change its size from here on. The view above is empty now.
memory.seal('write', 'shrink', 'grow', 'seal');

const path = join(import.meta.dirname, 'share.sock');
const server = UnixSeqpacketServer.listen(path, { codec: 'json', replaceStale: true });
process.once('SIGINT', () => server.close());
console.log(`process ${process.pid} shares ${memory.size} bytes at ${path}; Ctrl+C ends it`);

for await (const connection of server) {
  try {
    await connection.send({ squares: count, from: process.pid }, { descriptors: [memory] });
  } catch (error) {
    // It has gone already.
    if (!(error instanceof IpcError && error.code === 'EPIPE')) throw error;
  }
  connection.close();
}
memory.close();
