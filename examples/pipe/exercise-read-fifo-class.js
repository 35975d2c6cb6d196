// The same exercise with the classes: receive a message through a named pipe.
import { join } from 'node:path';
import { Fifo } from 'unix-ipc';

const fifo = Fifo.make(join(import.meta.dirname, 'exercise.fifo'), { exclusive: false });
const reader = await fifo.openReader();
const message = await reader.read();
console.log(`process ${process.pid} received: ${String(message)}`);
reader.close();
