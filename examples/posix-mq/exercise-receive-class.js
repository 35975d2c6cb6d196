// The same exercise with the class: receive a message that another process sent.
import { basename } from 'node:path';
import { PosixMessageQueue } from 'unix-ipc';

const name = `/${basename(import.meta.dirname)}-exercise`;
const queue = PosixMessageQueue.open(name, { codec: 'utf8', maxMessages: 4, messageSize: 100 });
const { data } = await queue.receive();
console.log(`process ${process.pid} received: ${data}`);
queue.unlink();
