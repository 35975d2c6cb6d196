// Does something else, and is told when a message comes into the empty queue. Ends with the last message.
import { basename } from 'node:path';
import { PosixMessageQueue } from 'unix-ipc';

/** @type {PosixMessageQueue<{ word?: string, from: number, last?: boolean }>} */
const queue = PosixMessageQueue.open(`/${basename(import.meta.dirname)}-example`, {
  codec: 'json',
  maxMessages: 8,
  messageSize: 512,
});
const registration = queue.notify(takeAll);
console.log(`process ${process.pid} will be told of messages in queue ${queue.name}; Ctrl+C ends it`);
// Of those that were there before, nobody is told.
takeAll();

function takeAll() {
  // Until it is empty: as long as something is left, no further notification comes.
  for (let message = queue.tryReceive(); message !== undefined; message = queue.tryReceive()) {
    console.log(`priority ${message.priority}:`, message.data);
    if (message.data.last !== true) continue;
    registration.close();
    queue.unlink();
    queue.close();
    return;
  }
}
