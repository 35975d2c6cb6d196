// A talk in both directions takes two pipes. Asks the process that it starts for the sum of each two numbers.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Pipe } from 'unix-ipc';

// In packets each write is read as one message, whatever the other process is doing meanwhile.
const questions = Pipe.create({ packets: true, codec: 'json' });
const answers = Pipe.create({ packets: true, codec: 'json' });
spawn(process.execPath, [join(import.meta.dirname, 'answer.js')], {
  stdio: ['inherit', 'inherit', 'inherit', questions.reader.fd, answers.writer.fd],
});
// The child has its own copies. With these left open, neither side would ever see an end of file.
questions.reader.close();
answers.writer.close();

const numbers = process.argv.slice(2).map(Number);
for (let i = 0; i + 1 < numbers.length; i += 2) {
  await questions.writer.write(numbers.slice(i, i + 2));
  console.log(`process ${process.pid} got the answer`, await answers.reader.read());
}
questions.writer.close();
answers.reader.close();
