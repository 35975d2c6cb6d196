// Uses the numbers that share-memory.js shares, in the memory where they are.
import { join } from 'node:path';
import { Memfd, UnixSeqpacketSocket } from 'unix-ipc';

const path = join(import.meta.dirname, 'share.sock');
/** @type {UnixSeqpacketSocket<{ squares: number, from: number }>} */
const connection = await UnixSeqpacketSocket.connect(path, { codec: 'json', descriptors: true });
const message = await connection.receive();
connection.close();
const [fd] = message?.descriptors ?? [];
if (message === null || fd === undefined) throw new Error('nothing was shared');

const memory = Memfd.fromFd(fd, { readOnly: true });
const { seals } = memory;
// Without these the sender could change what has been checked, or take pages away while they are read.
if (!seals.includes('write') || !seals.includes('shrink')) throw new Error('the memory can still change');
const numbers = new Float64Array(memory.buffer, 0, message.data.squares);
console.log(
  `process ${process.pid} has ${memory.size} bytes of process ${message.data.from}: ${seals.join(', ')}`,
);
console.log(`the last of ${numbers.length} squares is`, numbers.at(-1));
memory.close();
