// The same with the class: wait to be woken. exercise-parent-class.js starts this program.
import { EventFd } from 'unix-ipc';

const eventfd = EventFd.fromFd(3);
console.log(`process ${process.pid} was woken by ${await eventfd.wait()}`);
eventfd.close();
