// Takes messages until one of type 2 says that it was the last, then removes the queue.
import { SysvMessageQueue } from 'unix-ipc';

// Both programs name the same file and project number, and so get the same key.
const key = { path: import.meta.dirname, projId: 'q' };
const queue = SysvMessageQueue.open(key, { codec: 'json' });
console.log(`process ${process.pid} waits on queue ${queue.id}; Ctrl+C ends it`);

for await (const { type, data } of queue) {
  console.log(`type ${type}:`, data);
  if (type === 2) break;
}
queue.remove();
