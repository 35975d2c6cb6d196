import { EventFd } from '../../index.js';
import { exchange, PATIENCE, type Demo } from './demo.js';

// An eventfd carries a number and nothing else.
const LAST = 1;
const QUESTION = 6;
const FACTOR = 7;

export const eventfd: Demo = {
  title: 'eventfd: eventfd, read, write',

  async *run(startPeer) {
    const questions = EventFd.create();
    const answers = EventFd.create();
    try {
      yield `process ${process.pid} made two eventfds, descriptors ${questions.fd} and ${answers.fd}, one for each direction`;
      const peer = startPeer({ descriptors: [questions.fd, answers.fd] });
      const limits = { timeout: PATIENCE, signal: peer.failed };
      await answers.wait(limits);
      yield `process ${peer.pid} inherited them and waits for a number`;

      yield* exchange(peer, String(QUESTION), async () => {
        await questions.signal(QUESTION, limits);
        return String(await answers.wait(limits));
      });
      await questions.signal(LAST, limits);
      await peer.ended;
    } finally {
      questions.close();
      answers.close();
    }
    yield `process ${process.pid} closed them, and with the last copy they are gone`;
  },

  async answer() {
    const questions = EventFd.fromFd(3);
    const answers = EventFd.fromFd(4);
    await answers.signal();
    for (;;) {
      const number = await questions.wait({ timeout: PATIENCE });
      if (number === LAST) break;
      await answers.signal(Number(number) * FACTOR);
    }
  },
};
