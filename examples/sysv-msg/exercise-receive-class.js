// The same exercise with the class: receive a message that another process sent.
import { SysvMessageQueue } from 'unix-ipc';

const queue = SysvMessageQueue.open({ path: import.meta.dirname, projId: 'x' }, { codec: 'utf8' });
const { data } = await queue.receive({ type: 1 });
console.log(`process ${process.pid} received: ${data}`);
queue.remove();
