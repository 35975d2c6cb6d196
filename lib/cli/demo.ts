// `npm run demo`: a message goes from one process to another and an answer comes back, through the kernel.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Demo, Peer, PeerOptions } from './demo/demo.js';
import { eventfd } from './demo/eventfd.js';
import { futex } from './demo/futex.js';
import { fifo } from './demo/pipe.fifo.js';
import { pipe } from './demo/pipe.js';
import { posixMq } from './demo/posix-mq.js';
import { posixSem } from './demo/posix-sem.js';
import { posixShm } from './demo/posix-shm.js';
import { sysvMsg } from './demo/sysv-msg.js';
import { sysvSem } from './demo/sysv-sem.js';
import { sysvShm } from './demo/sysv-shm.js';
import { unixSocket } from './demo/unix-socket.js';

const demos: Record<string, Demo> = {
  'sysv-msg': sysvMsg,
  'posix-mq': posixMq,
  pipe,
  fifo,
  eventfd,
  'unix-socket': unixSocket,
  'sysv-shm': sysvShm,
  'posix-shm': posixShm,
  'sysv-sem': sysvSem,
  'posix-sem': posixSem,
  futex,
};

/** Starts this file once more, as the other process of a demo. */
function startPeer(name: string, { parameters = [], descriptors = [] }: PeerOptions = {}): Peer {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), name, ...parameters], {
    stdio: ['inherit', 'inherit', 'inherit', ...descriptors],
  });
  const controller = new AbortController();
  const ended = once(child, 'exit').then(([code]) => {
    if (code !== 0) controller.abort(new Error(`the other process ended with ${String(code)}`));
  });
  return { pid: child.pid ?? 0, ended, failed: controller.signal };
}

async function main([name, ...parameters]: string[]): Promise<void> {
  const peer = name === undefined ? undefined : demos[name];
  if (peer !== undefined) {
    await peer.answer(parameters);
    return;
  }
  for (const [stem, demo] of Object.entries(demos)) {
    console.log(demo.title);
    for await (const line of demo.run((options) => startPeer(stem, options))) console.log(`  ${line}`);
  }
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
