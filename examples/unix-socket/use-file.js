// Uses what share-file.js shares: reads its list and adds to it, and reads from its pipe.
import { closeSync, fstatSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { PipeReader, UnixSeqpacketSocket } from 'unix-ipc';

const path = join(import.meta.dirname, 'share.sock');
/** @type {UnixSeqpacketSocket<string[]>} */
const connection = await UnixSeqpacketSocket.connect(path, { codec: 'json', descriptors: true });
const message = await connection.receive();
if (message === null) throw new Error('nothing was shared');
const { data: names, descriptors } = message;
// Other numbers than there, for the same open file and the same pipe. They are this process's to close.
const { list, news } = Object.fromEntries(names.map((name, i) => [name, descriptors[i]]));
if (list === undefined || news === undefined) throw new Error(`what was shared is ${names.join(' and ')}`);
console.log(`process ${process.pid} got descriptors ${list} and ${news}`);

// The position in the file is shared too, so each read and write names its own.
const { size } = fstatSync(list);
const text = Buffer.alloc(size);
readSync(list, text, 0, size, 0);
console.log(`the list: ${text.toString().trimEnd().split('\n').join(', ')}`);
writeSync(list, 'water\n', size);
closeSync(list);

const reader = PipeReader.fromFd(news);
for await (const chunk of reader) console.log(`through the pipe: ${chunk.toString()}`);
reader.close();

await connection.send(['added to the list']);
connection.close();
