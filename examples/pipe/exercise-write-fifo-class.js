// The same exercise with the classes: send a message through a named pipe.
import { join } from 'node:path';
import { Fifo } from 'unix-ipc';

const fifo = Fifo.make(join(import.meta.dirname, 'exercise.fifo'), { exclusive: false });
const writer = await fifo.openWriter();
await writer.write(`hello from process ${process.pid}`);
writer.close();
fifo.unlink();
