// The same exercise with the classes: send a message to a process that this one starts.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Pipe } from 'unix-ipc';

const { reader, writer } = Pipe.create();
spawn(process.execPath, [join(import.meta.dirname, 'exercise-child-class.js')], {
  stdio: ['inherit', 'inherit', 'inherit', reader.fd],
});
reader.close();
await writer.write(`hello from process ${process.pid}`);
writer.close();
