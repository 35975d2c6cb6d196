import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { keyText } from '../../internal/sysv-key.js';
import { IpcError, SysvSharedMemory } from '../../index.js';
import { exchange, removeOnInterrupt, type Demo } from './demo.js';
import { Counter, putText, textAt } from './memory.js';

const SIZE = 4096;
/** Where in the memory: two words that tell, and a text for each direction. */
const [ASKED, ANSWERED, QUESTION, ANSWER] = [0, 4, 1024, 2048];

function createFresh(): SysvSharedMemory {
  for (;;) {
    try {
      return SysvSharedMemory.create({ key: randomInt(1, 2 ** 31), size: SIZE });
    } catch (error) {
      if (!(error instanceof IpcError && error.code === 'EEXIST')) throw error;
    }
  }
}

/** Where this process has a segment. The inode of such a mapping is the segment's id. */
function addressOf(id: number): string {
  const maps = readFileSync('/proc/self/maps', 'utf8');
  return `0x${new RegExp(`^([0-9a-f]+)-.* ${id} +/SYSV`, 'm').exec(maps)?.[1] ?? ''}`;
}

export const sysvShm: Demo = {
  title: 'System V shared memory: shmget, shmat',

  async *run(startPeer) {
    const memory = createFresh();
    const keepOnInterrupt = removeOnInterrupt(() => memory.remove());
    try {
      yield `process ${process.pid} made a segment of ${memory.size} bytes with key ${keyText(memory.key)}; its id is ${memory.id}`;
      const peer = startPeer({ parameters: [String(memory.key)] });
      const asked = new Counter(memory, ASKED);
      const answered = new Counter(memory, ANSWERED);
      await answered.hear(peer.failed);
      yield `process ${peer.pid} attached it: ${memory.stat().attached} processes have it, this one at ${addressOf(memory.id)}, that one at ${textAt(memory, ANSWER)}`;

      const message = `hello from process ${process.pid}`;
      yield* exchange(peer, `"${message}"`, async () => {
        putText(memory, QUESTION, message);
        asked.tell();
        await answered.hear(peer.failed);
        return `"${textAt(memory, ANSWER)}"`;
      });
      putText(memory, QUESTION, '');
      asked.tell();
      await peer.ended;
    } finally {
      memory.remove();
      memory.close();
      keepOnInterrupt();
    }
    yield `process ${process.pid} removed the segment`;
  },

  async answer([key]) {
    const memory = SysvSharedMemory.open(Number(key));
    const asked = new Counter(memory, ASKED);
    const answered = new Counter(memory, ANSWERED);
    putText(memory, ANSWER, addressOf(memory.id));
    answered.tell();
    for (;;) {
      await asked.hear();
      const question = textAt(memory, QUESTION);
      // An empty message says that there is no more.
      if (question === '') break;
      putText(memory, ANSWER, `process ${process.pid} received: ${question}`);
      answered.tell();
    }
    memory.close();
  },
};
