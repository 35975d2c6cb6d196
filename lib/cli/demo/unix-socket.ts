import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventFd, UnixDatagramSocket } from '../../index.js';
import { exchange, PATIENCE, removeOnInterrupt, type Demo } from './demo.js';

const FACTOR = 7;
const NUMBER = 6;

export const unixSocket: Demo = {
  title: 'Unix domain socket: socket, bind, sendmsg, recvmsg',

  async *run(startPeer) {
    const folder = mkdtempSync(join(tmpdir(), 'unix-ipc-'));
    const remove = (): void => rmSync(folder, { recursive: true });
    const keepOnInterrupt = removeOnInterrupt(remove);
    try {
      const here = join(folder, 'first');
      const there = join(folder, 'second');
      const socket = UnixDatagramSocket.bind(here, { codec: 'utf8', credentials: true });
      yield `process ${process.pid} bound a socket at ${here}`;
      const peer = startPeer({ parameters: [here, there] });
      const limits = { timeout: PATIENCE, signal: peer.failed };
      const { credentials } = await socket.receive(limits);
      yield `process ${peer.pid} bound another and sent a first message; the kernel says it is from process ${credentials?.pid ?? 0}`;

      const message = `hello from process ${process.pid}`;
      yield* exchange(peer, `"${message}"`, async () => {
        await socket.send(message, { to: there, ...limits });
        const { data } = await socket.receive(limits);
        return `"${data}"`;
      });

      const event = EventFd.create();
      await event.signal(NUMBER);
      await socket.send('last', { to: there, descriptors: [event], ...limits });
      yield `process ${process.pid} sent an eventfd with ${NUMBER} in it along with the last message`;
      await peer.ended;
      yield `process ${peer.pid} took the ${NUMBER} out of it and put ${await event.wait(limits)} in`;
      event.close();
      socket.close();
    } finally {
      remove();
      keepOnInterrupt();
    }
    yield `process ${process.pid} removed the sockets`;
  },

  async answer([there = '', here = '']) {
    const socket = UnixDatagramSocket.bind(here, { codec: 'utf8', descriptors: true });
    await socket.send('ready', { to: there });
    for await (const { data, address, descriptors } of socket.messages({ timeout: PATIENCE })) {
      const [fd] = descriptors;
      if (fd === undefined) {
        await socket.send(`process ${process.pid} received: ${data}`, { to: address });
        continue;
      }
      const event = EventFd.fromFd(fd);
      await event.signal(FACTOR * Number(await event.wait()));
      break;
    }
    socket.close();
  },
};
