// The same exercise with the classes: learn that another process has written into memory that both have, and read it.
import { Futex, SysvSharedMemory } from 'unix-ipc';

const key = { path: import.meta.dirname, projId: 'x' };
const memory = SysvSharedMemory.create({ key, size: 4096, exclusive: false });
const word = Futex.at(memory);
while (word.value === 0) await word.wait(0);
const text = memory.bytes.subarray(4);
console.log(`process ${process.pid} received: ${text.toString('utf8', 0, text.indexOf(0))}`);
memory.remove();
