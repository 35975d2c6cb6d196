// The same exercise with the class: send a message to another process.
import { SysvMessageQueue } from 'unix-ipc';

const queue = SysvMessageQueue.open({ path: import.meta.dirname, projId: 'x' }, { codec: 'utf8' });
await queue.send(`hello from process ${process.pid}`);
