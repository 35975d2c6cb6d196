// The same exercise with the classes: write into memory that another process has too, and let it know.
import { Futex, SysvSharedMemory } from 'unix-ipc';

const key = { path: import.meta.dirname, projId: 'x' };
const memory = SysvSharedMemory.create({ key, size: 4096, exclusive: false });
memory.write(4, `hello from process ${process.pid}\0`);
const word = Futex.at(memory);
word.value = 1;
word.wake();
