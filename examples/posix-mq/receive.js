// Takes messages, the most urgent first, until one says that it was the last, then removes the queue.
import { basename } from 'node:path';
import { PosixMessageQueue } from 'unix-ipc';

// Whoever is first makes the queue, so both programs name the same sizes. Small ones leave room for other queues.
/** @type {PosixMessageQueue<{ word?: string, from: number, last?: boolean }>} */
const queue = PosixMessageQueue.open(`/${basename(import.meta.dirname)}-example`, {
  codec: 'json',
  maxMessages: 8,
  messageSize: 512,
});
console.log(`process ${process.pid} waits on queue ${queue.name}; Ctrl+C ends it`);

for await (const { priority, data } of queue) {
  console.log(`priority ${priority}:`, data);
  if (data.last === true) break;
}
queue.unlink();
