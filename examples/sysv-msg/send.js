// Sends the words of its command line, one message each, and a last one of type 2.
import { SysvMessageQueue } from 'unix-ipc';

const queue = SysvMessageQueue.open({ path: import.meta.dirname, projId: 'q' }, { codec: 'json' });
for (const word of process.argv.slice(2)) await queue.send({ word, from: process.pid });
await queue.send({ from: process.pid }, { type: 2 });
console.log(`process ${process.pid} sent ${process.argv.length - 1} messages to queue ${queue.id}`);
