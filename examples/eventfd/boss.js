// Gives jobs to two workers: each signal is one job, and whoever is free takes it.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { EventFd } from 'unix-ipc';

const count = Number(process.argv[2] ?? 6);
// A semaphore gives 1 to each wait. Without that one worker would take all the jobs at once.
const jobs = EventFd.create({ semaphore: true });
const done = EventFd.create();
const workers = ['anna', 'ben'].map((name) =>
  spawn(process.execPath, [join(import.meta.dirname, 'worker.js'), name], {
    stdio: ['inherit', 'inherit', 'inherit', jobs.fd, done.fd],
  }),
);

await jobs.signal(count);
let finished = 0;
for await (const n of done) {
  // Signals add up, so this may be told of several jobs at once.
  finished += Number(n);
  if (finished === count) break;
}
console.log(`process ${process.pid} knows that ${finished} jobs are done`);
// An eventfd knows no end of file.
for (const worker of workers) worker.kill();
