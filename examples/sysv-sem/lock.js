// Runs a command while no other command runs under the same lock, as flock(1) does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { SysvSemaphoreSet } from 'unix-ipc';

const [command, ...words] = process.argv.slice(2);
if (command === undefined) throw new Error('usage: node lock.js COMMAND [WORD …]');
const lock = SysvSemaphoreSet.open({ path: import.meta.dirname, projId: 'l' }, { initial: 1 });

// With undo, the kernel unlocks when this process ends, however that comes: by itself, by Ctrl+C, by kill -9.
if (!lock.tryAcquire(0, 1, { undo: true })) {
  console.log(`process ${process.pid} waits for process ${lock.stat().semaphores[0]?.pid ?? 0}`);
  await lock.acquire(0, 1, { undo: true });
}
console.log(`process ${process.pid} has the lock`);
const child = spawn(command, words, { stdio: 'inherit' });
await once(child, 'exit');
process.exitCode = child.exitCode ?? 1;
