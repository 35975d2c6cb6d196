// Takes one job after the other. boss.js starts this program.
import { setTimeout } from 'node:timers/promises';
import { EventFd } from 'unix-ipc';

const jobs = EventFd.fromFd(3);
const done = EventFd.fromFd(4);
for await (const _job of jobs) {
  await setTimeout(50);
  console.log(`${process.argv[2]}, process ${process.pid}, did a job`);
  await done.signal();
}
