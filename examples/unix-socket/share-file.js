// Shares an open file and the reading end of a pipe with a process that it did not start and that knows no name of them.
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pipe, UnixSeqpacketServer } from 'unix-ipc';

// The file has lost its name before anybody gets it: no path leads to it, and it is gone with its last descriptor.
const folder = await mkdtemp(join(tmpdir(), 'unix-ipc-'));
const file = await open(join(folder, 'list'), 'wx+');
await rm(folder, { recursive: true });
await file.writeFile('tea\ncoffee\n');
const news = Pipe.create();

const path = join(import.meta.dirname, 'share.sock');
const server = UnixSeqpacketServer.listen(path, { codec: 'json', replaceStale: true });
process.once('SIGINT', () => server.close());
console.log(`process ${process.pid} shares at ${path}; Ctrl+C ends it`);

for await (const connection of server) {
  const { pid, uid } = connection.peerCredentials;
  if (uid !== process.getuid?.()) {
    console.log(`process ${pid} is user ${uid}'s and gets nothing`);
    connection.close();
    continue;
  }
  // Descriptors have no names, so the message says what they are, in their order. Whatever else has a descriptor goes
  // here: a socket, an EventFd, a memory file.
  const shared = { list: file, news: news.reader };
  await connection.send(Object.keys(shared), { descriptors: Object.values(shared) });
  // The other process has copies by now. With this one left open, writing could not tell that nobody reads any more.
  news.reader.close();
  await news.writer.write(`process ${process.pid} greets process ${pid}`);
  news.writer.close();

  await connection.receive();
  connection.close();
  break;
}
server.close();

const { size } = await file.stat();
const { buffer } = await file.read(Buffer.alloc(size), 0, size, 0);
console.log(`the list is now: ${buffer.toString().trimEnd().split('\n').join(', ')}`);
await file.close();
