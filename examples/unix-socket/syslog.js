// syslog(3): messages for the system's log, in the form that it sends them (RFC 3164 without the host).
import { basename } from 'node:path';
import { IpcError, UnixDatagramSocket } from 'unix-ipc';

export const severities = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];
export const LOG_USER = 1;
export const LOG_DAEMON = 3;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * `Oct  9 07:05:03`, in local time and English whatever the language.
 * @param {Date} date
 */
export function timestamp(date) {
  const day = String(date.getDate()).padStart(2);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return `${months[date.getMonth()] ?? ''} ${day} ${time.map((n) => String(n).padStart(2, '0')).join(':')}`;
}

export class Syslog {
  #socket = UnixDatagramSocket.create();
  #path;
  #tag;
  #facility;

  /** @param {{ path?: string, tag?: string, facility?: number }} [options] */
  constructor({ path = '/dev/log', tag = basename(process.argv[1] ?? 'node'), facility = LOG_USER } = {}) {
    this.#path = path;
    this.#tag = tag;
    this.#facility = facility;
  }

  /**
   * Waits, as syslog(3) does, while the daemon has too much to do. False where there is no daemon.
   * @param {string} severity One of `severities`.
   * @param {string} message
   */
  async log(severity, message) {
    const level = severities.indexOf(severity);
    if (level === -1) throw new RangeError(`there is no severity ${severity}`);
    const head = `<${8 * this.#facility + level}>${timestamp(new Date())} ${this.#tag}[${process.pid}]: `;
    try {
      // Not connected: a daemon that was started anew makes another socket at the same path.
      await this.#socket.send(head + message, { to: this.#path });
      return true;
    } catch (error) {
      if (!(error instanceof IpcError && ['ENOENT', 'ECONNREFUSED'].includes(error.code))) throw error;
      return false;
    }
  }

  close() {
    this.#socket.close();
  }
}
