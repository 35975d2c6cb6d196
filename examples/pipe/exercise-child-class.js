// The same exercise with the classes: receive the message. exercise-parent-class.js starts this program.
import { PipeReader } from 'unix-ipc';

const reader = PipeReader.fromFd(3);
const message = await reader.read();
console.log(`process ${process.pid} received: ${String(message)}`);
reader.close();
