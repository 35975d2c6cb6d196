import { Memfd } from '../../index.js';
import { exchange, type Demo } from './demo.js';
import { Counter } from './memory.js';

const SIZE = 4096;
/** Where in the memory: two words that tell, and a number for each direction. */
const [ASKED, ANSWERED, QUESTION, ANSWER] = [0, 4, 8, 12];

const NUMBER = 6;
const FACTOR = 7;

export const futex: Demo = {
  title: 'Futex in a memory file: futex, memfd_create, mmap',

  async *run(startPeer) {
    const memory = Memfd.create({ size: SIZE, name: 'unix-ipc-demo' });
    try {
      memory.seal('shrink', 'grow');
      yield `process ${process.pid} made a memory file, descriptor ${memory.fd}, of ${memory.size} bytes for ever: ${memory.seals.join(', ')}`;
      const numbers = new DataView(memory.buffer);
      const asked = new Counter(memory, ASKED);
      const answered = new Counter(memory, ANSWERED);
      const peer = startPeer({ descriptors: [memory.fd] });
      await answered.hear(peer.failed);
      yield `process ${peer.pid} inherited it and sleeps until a word of it changes`;

      yield* exchange(peer, String(NUMBER), async () => {
        numbers.setInt32(QUESTION, NUMBER, true);
        asked.tell();
        await answered.hear(peer.failed);
        return String(numbers.getInt32(ANSWER, true));
      });
      numbers.setInt32(QUESTION, 0, true);
      asked.tell();
      await peer.ended;
    } finally {
      memory.close();
    }
    yield `process ${process.pid} closed it, and with the last copy it is gone`;
  },

  async answer() {
    const memory = Memfd.fromFd(3);
    const numbers = new DataView(memory.buffer);
    const asked = new Counter(memory, ASKED);
    const answered = new Counter(memory, ANSWERED);
    answered.tell();
    for (;;) {
      await asked.hear();
      const question = numbers.getInt32(QUESTION, true);
      // 0 says that there is no more.
      if (question === 0) break;
      numbers.setInt32(ANSWER, FACTOR * question, true);
      answered.tell();
    }
    memory.close();
  },
};
