// Writes the words of its command line into the FIFO of log-reader.js, a line each.
import { join } from 'node:path';
import { Fifo } from 'unix-ipc';

const log = Fifo.tryOpenWriter(join(import.meta.dirname, 'log.fifo'));
if (log === undefined) {
  console.log('nobody reads the log');
} else {
  // Up to 4,096 bytes, a line stays in one piece, whoever else writes.
  for (const word of process.argv.slice(2)) await log.write(`process ${process.pid}: ${word}\n`);
  log.close();
}
