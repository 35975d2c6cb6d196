// Prints the lines that any number of programs write into a FIFO, one after the other or at the same time.
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Fifo } from 'unix-ipc';

const fifo = Fifo.make(join(import.meta.dirname, 'log.fifo'), { exclusive: false });
process.once('SIGINT', () => {
  fifo.unlink();
  process.exit();
});
// keepOpen: the end of one writer is no end of file, so the next may come.
const reader = await fifo.openReader({ keepOpen: true });
console.log(`process ${process.pid} reads ${fifo.path}; Ctrl+C ends it`);

for await (const line of createInterface({ input: reader.stream() })) console.log(line);
