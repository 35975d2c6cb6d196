import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fifo } from '../../index.js';
import { exchange, PATIENCE, removeOnInterrupt, type Demo } from './demo.js';
import { answerAll, next } from './pipe.js';

const MESSAGES = { packets: true, codec: 'utf8', timeout: PATIENCE } as const;

export const fifo: Demo = {
  title: 'FIFO: mkfifo, open, read, write',

  async *run(startPeer) {
    const folder = mkdtempSync(join(tmpdir(), 'unix-ipc-'));
    const remove = (): void => rmSync(folder, { recursive: true });
    const keepOnInterrupt = removeOnInterrupt(remove);
    try {
      const questions = Fifo.make(join(folder, 'questions'));
      const answers = Fifo.make(join(folder, 'answers'));
      yield `process ${process.pid} made the FIFOs ${questions.path} and answers`;
      const peer = startPeer({ parameters: [questions.path, answers.path] });
      // Each waits for the other here, so both open first the questions and then the answers.
      const writer = await questions.openWriter({ ...MESSAGES, signal: peer.failed });
      const reader = await answers.openReader({ ...MESSAGES, signal: peer.failed });
      yield `process ${peer.pid} opened the other ends and waits for a message`;

      const message = `hello from process ${process.pid}`;
      yield* exchange(peer, `"${message}"`, async () => {
        await writer.write(message, { timeout: PATIENCE, signal: peer.failed });
        return `"${await next(reader, peer.failed)}"`;
      });
      writer.close();
      await peer.ended;
      reader.close();
    } finally {
      remove();
      keepOnInterrupt();
    }
    yield `process ${process.pid} removed the FIFOs`;
  },

  async answer([questions = '', answers = '']) {
    const reader = await Fifo.openReader(questions, MESSAGES);
    const writer = await Fifo.openWriter(answers, MESSAGES);
    await answerAll(reader, writer);
  },
};
