// sd_notify(3): tells systemd, or whoever else has set NOTIFY_SOCKET, what a service does.
import { UnixDatagramSocket } from 'unix-ipc';

/**
 * Sends assignments, a line each: `READY=1`, `STATUS=warming up`, `WATCHDOG=1`, `STOPPING=1`.
 * False where nobody wants to know, because the program was not started as a service.
 * @param {string} message
 */
export async function sdNotify(message) {
  const address = process.env['NOTIFY_SOCKET'];
  if (address === undefined || address === '') return false;
  const socket = UnixDatagramSocket.create();
  try {
    // An @ stands for the NUL character of an abstract address, which no environment variable can have.
    // Who sent it needs no saying: systemd takes that from the kernel.
    await socket.send(message, { to: address.replace(/^@/, '\0') });
  } finally {
    socket.close();
  }
  return true;
}

/** sd_watchdog_enabled(3): within how many milliseconds systemd wants a `WATCHDOG=1`, or undefined where it does not. */
export function watchdogInterval() {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = process.env;
  if (microseconds === undefined || (pid !== undefined && Number(pid) !== process.pid)) return undefined;
  return Number(microseconds) / 1000;
}
