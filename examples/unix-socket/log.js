// Writes a message into the system's log, as logger(1) does: node log.js warning 'the disk is nearly full' [socket]
import { Syslog } from './syslog.js';

const [severity = 'notice', message = 'hello', path = '/dev/log'] = process.argv.slice(2);
const syslog = new Syslog({ path, tag: 'unix-ipc' });
const logged = await syslog.log(severity, message);
console.log(logged ? `process ${process.pid} logged it` : `nobody keeps a log at ${path}`);
syslog.close();
