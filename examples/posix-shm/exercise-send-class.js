// The same exercise with the classes: write a message into shared memory, and tell another process that it is there.
import { PosixSemaphore, PosixSharedMemory } from 'unix-ipc';
import { name } from './exercise-name.js';

const memory = PosixSharedMemory.create({ name, size: 100, exclusive: false });
const written = PosixSemaphore.open(name);
memory.write(0, `hello from process ${process.pid}\0`);
written.release();
