// Sends the words of its command line through sort(1), a program that knows nothing of this package.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Pipe } from 'unix-ipc';

const words = Pipe.create();
const sorted = Pipe.create();
spawn('sort', { stdio: [words.reader.fd, sorted.writer.fd, 'inherit'] });
words.reader.close();
sorted.writer.close();

for (const word of process.argv.slice(2)) await words.writer.write(`${word}\n`);
// sort(1) prints nothing before it has seen the end of file.
words.writer.close();
for await (const line of createInterface({ input: sorted.reader.stream() })) console.log(line);
