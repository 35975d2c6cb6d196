// Sends the words of its command line, one message each, and a last one. word=5 gives a word the priority 5.
import { basename } from 'node:path';
import { PosixMessageQueue } from 'unix-ipc';

const queue = PosixMessageQueue.open(`/${basename(import.meta.dirname)}-example`, {
  codec: 'json',
  maxMessages: 8,
  messageSize: 512,
});
for (const argument of process.argv.slice(2)) {
  const [word, priority = '1'] = argument.split('=');
  await queue.send({ word, from: process.pid }, { priority: Number(priority) });
}
// Nothing is less urgent, so it comes after all the others.
await queue.send({ from: process.pid, last: true }, { priority: 0 });
console.log(`process ${process.pid} sent ${process.argv.length - 1} messages to queue ${queue.name}`);
