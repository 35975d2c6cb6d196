// The same exercise with the class: send a message to another process.
import { basename } from 'node:path';
import { PosixMessageQueue } from 'unix-ipc';

const name = `/${basename(import.meta.dirname)}-exercise`;
const queue = PosixMessageQueue.open(name, { codec: 'utf8', maxMessages: 4, messageSize: 100 });
await queue.send(`hello from process ${process.pid}`);
