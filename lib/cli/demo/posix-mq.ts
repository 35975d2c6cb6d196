import { randomUUID } from 'node:crypto';
import { PosixMessageQueue } from '../../index.js';
import { exchange, PATIENCE, removeOnInterrupt, type Demo } from './demo.js';

// Small, as all queues of a user share RLIMIT_MSGQUEUE.
const SIZES = { maxMessages: 4, messageSize: 256 };

export const posixMq: Demo = {
  title: 'POSIX message queue: mq_open, mq_send, mq_receive',

  async *run(startPeer) {
    const made: PosixMessageQueue<string>[] = [];
    const make = (name: string): PosixMessageQueue<string> => {
      const queue = PosixMessageQueue.open(name, { exclusive: true, codec: 'utf8', ...SIZES });
      made.push(queue);
      return queue;
    };
    const unlink = (): void => {
      for (const queue of made.splice(0)) {
        queue.unlink();
        queue.close();
      }
    };
    const keepOnInterrupt = removeOnInterrupt(unlink);
    try {
      // A receiver can't choose among the messages, so each direction has a queue.
      const base = `/unix-ipc-${randomUUID()}`;
      const questions = make(`${base}-questions`);
      const answers = make(`${base}-answers`);
      yield `process ${process.pid} made the queues ${questions.name} and …-answers`;
      const peer = startPeer({ parameters: [questions.name, answers.name] });
      const limits = { timeout: PATIENCE, signal: peer.failed };
      await answers.receive(limits);
      yield `process ${peer.pid} opened the queues with those names and waits for a message`;

      const message = `hello from process ${process.pid}`;
      yield* exchange(peer, `"${message}"`, async () => {
        await questions.send(message, limits);
        const { data } = await answers.receive(limits);
        return `"${data}"`;
      });
      await questions.send('', limits);
      await peer.ended;
    } finally {
      unlink();
      keepOnInterrupt();
    }
    yield `process ${process.pid} removed the queues`;
  },

  async answer([questionsName = '', answersName = '']) {
    const questions = PosixMessageQueue.open(questionsName, { create: false, access: 'read', codec: 'utf8' });
    const answers = PosixMessageQueue.open(answersName, { create: false, access: 'write', codec: 'utf8' });
    await answers.send('ready');
    // An empty message says that there is no more.
    for await (const { data } of questions.messages({ timeout: PATIENCE })) {
      if (data === '') break;
      await answers.send(`process ${process.pid} received: ${data}`);
    }
  },
};
