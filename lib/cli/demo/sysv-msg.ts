import { randomInt } from 'node:crypto';
import { keyText } from '../../internal/sysv-key.js';
import { IpcError, SysvMessageQueue } from '../../index.js';
import { exchange, PATIENCE, removeOnInterrupt, type Demo } from './demo.js';

// One queue serves both directions: each process takes only the type that is meant for it.
const READY = 1;
const QUESTION = 2;
const ANSWER = 3;

function openFresh(): SysvMessageQueue<string> {
  for (;;) {
    try {
      return SysvMessageQueue.open(randomInt(1, 2 ** 31), { exclusive: true, codec: 'utf8' });
    } catch (error) {
      if (!(error instanceof IpcError && error.code === 'EEXIST')) throw error;
    }
  }
}

export const sysvMsg: Demo = {
  title: 'System V message queue: msgget, msgsnd, msgrcv',

  async *run(startPeer) {
    const queue = openFresh();
    const keepOnInterrupt = removeOnInterrupt(() => queue.remove());
    try {
      yield `process ${process.pid} made the queue with key ${keyText(queue.key)}; its id is ${queue.id}`;
      const peer = startPeer({ parameters: [String(queue.key)] });
      const limits = { timeout: PATIENCE, signal: peer.failed };
      await queue.receive({ type: READY, ...limits });
      yield `process ${peer.pid} opened the queue with that key and waits for a message`;

      const message = `hello from process ${process.pid}`;
      yield* exchange(peer, `"${message}"`, async () => {
        await queue.send(message, { type: QUESTION });
        const { data } = await queue.receive({ type: ANSWER, ...limits });
        return `"${data}"`;
      });
      await queue.send('', { type: QUESTION });
      await peer.ended;
    } finally {
      queue.remove();
      keepOnInterrupt();
    }
    yield `process ${process.pid} removed the queue`;
  },

  async answer([key]) {
    const queue = SysvMessageQueue.open(Number(key), { create: false, codec: 'utf8' });
    await queue.send('ready', { type: READY });
    // An empty message says that there is no more.
    for await (const { data } of queue.messages({ type: QUESTION, timeout: PATIENCE })) {
      if (data === '') break;
      await queue.send(`process ${process.pid} received: ${data}`, { type: ANSWER });
    }
  },
};
