// The same exercise with the classes: receive a message that another process writes into shared memory.
import { PosixSemaphore, PosixSharedMemory } from 'unix-ipc';
import { name } from './exercise-name.js';

const memory = PosixSharedMemory.create({ name, size: 100, exclusive: false });
const written = PosixSemaphore.open(name);
await written.acquire();
const { bytes } = memory;
console.log(`process ${process.pid} received: ${bytes.toString('utf8', 0, bytes.indexOf(0))}`);
memory.unlink();
written.unlink();
