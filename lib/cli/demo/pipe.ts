import { readlinkSync } from 'node:fs';
import { Pipe, PipeReader, PipeWriter } from '../../index.js';
import { exchange, PATIENCE, type Demo } from './demo.js';

// In packets each write is one message.
const MESSAGES = { packets: true, codec: 'utf8' } as const;

/** Takes the next message, which must not be the end of file: the other process would have gone. */
export async function next(reader: PipeReader<string>, signal: AbortSignal): Promise<string> {
  const message = await reader.read({ timeout: PATIENCE, signal });
  if (message === null) throw new Error('the other process has closed its end');
  return message;
}

/** Answers all that comes, until the end of file. */
export async function answerAll(questions: PipeReader<string>, answers: PipeWriter<string>): Promise<void> {
  for await (const question of questions.chunks({ timeout: PATIENCE })) {
    await answers.write(`process ${process.pid} received: ${question}`);
  }
}

export const pipe: Demo = {
  title: 'Pipe: pipe2, read, write',

  async *run(startPeer) {
    const questions = Pipe.create(MESSAGES);
    const answers = Pipe.create(MESSAGES);
    try {
      const [there, back] = [questions, answers].map(({ reader }) =>
        readlinkSync(`/proc/self/fd/${reader.fd}`),
      );
      yield `process ${process.pid} made the pipes ${there} and ${back}, one for each direction`;
      const peer = startPeer({ descriptors: [questions.reader.fd, answers.writer.fd] });
      // The peer has copies. End of file comes only when no process has the writing end open any more.
      questions.reader.close();
      answers.writer.close();
      await next(answers.reader, peer.failed);
      yield `process ${peer.pid} inherited an end of each and waits for a message`;

      const message = `hello from process ${process.pid}`;
      yield* exchange(peer, `"${message}"`, async () => {
        await questions.writer.write(message, { timeout: PATIENCE, signal: peer.failed });
        return `"${await next(answers.reader, peer.failed)}"`;
      });
      questions.writer.close();
      await peer.ended;
    } finally {
      questions.close();
      answers.close();
    }
    yield `process ${process.pid} closed its ends, and with the last the pipes are gone`;
  },

  async answer() {
    const questions = PipeReader.fromFd(3, MESSAGES);
    const answers = PipeWriter.fromFd(4, MESSAGES);
    await answers.write('ready');
    await answerAll(questions, answers);
  },
};
