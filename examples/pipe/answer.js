// The other process of ask.js: adds numbers until nobody has the writing end of the questions any more.
import { PipeReader, PipeWriter } from 'unix-ipc';

/** @type {PipeReader<[number, number]>} */
const questions = PipeReader.fromFd(3, { packets: true, codec: 'json' });
const answers = PipeWriter.fromFd(4, { packets: true, codec: 'json' });
for await (const [a, b] of questions) await answers.write({ sum: a + b, from: process.pid });
console.log(`process ${process.pid} saw the end of file`);
