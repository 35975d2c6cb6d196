// Does a job, but never more than two of them at a time: start it in three terminals.
import { setTimeout } from 'node:timers/promises';
import { PosixSemaphore } from 'unix-ipc';
import { ftok } from 'unix-ipc/sys';

const milliseconds = Number(process.argv[2] ?? 5_000);
// The name is made of where this folder is, so that other users have another.
const places = PosixSemaphore.open(`/posix-sem-${ftok(import.meta.dirname, 'j')}`, { initial: 2 });

// Nobody gives back the place of a process that was killed, so Ctrl+C ends this one in good order.
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
const { signal } = interrupt;
try {
  if (!places.tryAcquire()) {
    console.log(`process ${process.pid} waits for one of the two places; Ctrl+C ends it`);
    await places.acquire({ signal });
  }
  try {
    console.log(`process ${process.pid} works`);
    await setTimeout(milliseconds, undefined, { signal });
    console.log(`process ${process.pid} is done`);
  } finally {
    places.release();
  }
} catch (error) {
  if (!signal.aborted) throw error;
}
