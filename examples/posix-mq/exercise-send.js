// The exercise in the calls of C: send a message to another process.
import { basename } from 'node:path';
import { mq_close, mq_open, mq_send, O_CREAT, O_WRONLY } from 'unix-ipc/sys';

const name = `/${basename(import.meta.dirname)}-exercise`;
const attr = { mq_maxmsg: 4, mq_msgsize: 100 }; //         struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 100 };
const mqdes = mq_open(name, O_CREAT | O_WRONLY, 0o600, attr); // mqd_t mqdes = mq_open(name, O_CREAT | O_WRONLY, 0600, &attr);
mq_send(mqdes, `hello from process ${process.pid}`, 0); // mq_send(mqdes, message, strlen(message), 0);
mq_close(mqdes); //                                        mq_close(mqdes);
