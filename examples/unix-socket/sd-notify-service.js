// A small service for systemd, with Type=notify: it says when it is ready, that it is alive, and when it stops.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { sdNotify, watchdogInterval } from './sd-notify.js';

await sdNotify('STATUS=opening the port');
const server = createServer((_, response) => response.end(`hello from process ${process.pid}\n`));
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1');
await once(server, 'listening');

const interval = watchdogInterval();
const watchdog = setInterval(
  () => {
    // A real service looks here whether it really works.
    if (interval !== undefined) sdNotify('WATCHDOG=1').catch(console.error);
  },
  (interval ?? 60_000) / 2,
);
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, stop);

// Only now: systemd goes on with what needs this service.
const asked = await sdNotify('READY=1\nSTATUS=serving');
console.log(`process ${process.pid} serves; ${asked ? 'systemd knows' : 'NOTIFY_SOCKET is not set'}`);

function stop() {
  clearInterval(watchdog);
  server.close();
  sdNotify('STOPPING=1\nSTATUS=finishing requests').catch(console.error);
}
