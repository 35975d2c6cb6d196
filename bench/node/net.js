// The round trip through node:net on a Unix socket, with which families compare their promises.
import { once } from 'node:events';
import { createServer, connect as open } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { measureAsync } from './peer.js';

/** @import { Plan } from './peer.js' */

/** The peers are started together: the server may not be there yet. @param {string} path */
async function connect(path) {
  for (;;) {
    const socket = open(path);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code !== 'ENOENT' && code !== 'ECONNREFUSED') throw error;
      await setTimeout(5);
    }
  }
}

/** @type {Record<string, (path: string, size: number, plan: Plan) => Promise<void> | void>} */
export const netJobs = {
  async client(path, size, plan) {
    const payload = Buffer.alloc(size, 'x');
    const socket = await connect(path);
    let left = 0;
    let received = 0;
    let finish = () => {};
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received < size) return;
      received = 0;
      if (--left > 0) socket.write(payload);
      else finish();
    });
    // Without a promise per message: node:net at its best.
    await measureAsync((n) => {
      left = n;
      /** @type {Promise<void>} */
      const finished = new Promise((resolve) => (finish = resolve));
      socket.write(payload);
      return finished;
    }, plan);
    socket.end();
  },

  server(path) {
    const server = createServer((socket) => {
      socket.on('data', (chunk) => socket.write(chunk));
      server.close();
    });
    server.listen(path);
  },
};
