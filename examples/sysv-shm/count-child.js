// Counts in the memory of count.js, which starts two processes of this program.
import { Futex, SysvSharedMemory } from 'unix-ipc';

const [id, times] = process.argv.slice(2).map(Number);
if (id === undefined || times === undefined) throw new Error('count.js starts this program');
const memory = SysvSharedMemory.openId(id);
const numbers = new Uint32Array(memory.buffer);

// Waits until the other one is here too, so that they count at the same time.
const ready = Futex.at(memory, 8);
ready.add(1);
ready.wake();
while (ready.value < 2) ready.waitSync(1, { timeout: 10_000 });

for (let i = 0; i < times; i++) numbers[0] = (numbers[0] ?? 0) + 1;
for (let i = 0; i < times; i++) Atomics.add(numbers, 1, 1);
