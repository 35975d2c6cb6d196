// Two processes count in the same memory: first each reads a number, adds 1 and writes it back, then with Atomics.add.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { SysvSharedMemory } from 'unix-ipc';

const times = Number(process.argv[2] ?? 1_000_000);
const memory = SysvSharedMemory.create({ size: 12 });
// Without a key, and removed already: the children find it by its id as long as this process has it, and it is gone
// with the last of them, however they end.
memory.remove();

const child = join(import.meta.dirname, 'count-child.js');
const children = [1, 2].map(() =>
  spawn(process.execPath, [child, String(memory.id), String(times)], { stdio: 'inherit' }),
);
await Promise.all(children.map((process) => once(process, 'exit')));

const [plain, atomic] = new Uint32Array(memory.buffer);
console.log(`read, add, write back:`, plain, `of`, 2 * times);
console.log(`Atomics.add:`, atomic, `of`, 2 * times);
