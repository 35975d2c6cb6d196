// The same with the class: wake a process that this one starts.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { EventFd } from 'unix-ipc';

const eventfd = EventFd.create();
spawn(process.execPath, [join(import.meta.dirname, 'exercise-child-class.js')], {
  stdio: ['inherit', 'inherit', 'inherit', eventfd.fd],
});
await eventfd.signal(7);
eventfd.close();
