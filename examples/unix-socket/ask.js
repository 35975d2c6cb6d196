// Asks serve.js for the sum of each two numbers of the command line, over one connection.
import { join } from 'node:path';
import { UnixSeqpacketSocket } from 'unix-ipc';

const path = join(import.meta.dirname, 'sums.sock');
/** @type {UnixSeqpacketSocket<{ numbers?: number[], sum?: number, from: number }>} */
const connection = await UnixSeqpacketSocket.connect(path, { codec: 'json', timeout: 5_000 });
console.log(`process ${process.pid} is connected with process ${connection.peerCredentials.pid}`);

const numbers = process.argv.slice(2).map(Number);
for (let i = 0; i + 1 < numbers.length; i += 2) {
  await connection.send({ numbers: numbers.slice(i, i + 2), from: process.pid });
  const answer = await connection.receive();
  if (answer === null) throw new Error('the server has ended');
  console.log(`process ${process.pid} got the answer`, answer.data);
}
connection.close();
