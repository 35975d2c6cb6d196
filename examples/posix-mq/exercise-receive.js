// The exercise in the calls of C: receive a message that another process sent.
import { basename } from 'node:path';
import { mq_close, mq_open, mq_receive, mq_unlink, O_CREAT, O_RDONLY } from 'unix-ipc/sys';

const name = `/${basename(import.meta.dirname)}-exercise`;
const attr = { mq_maxmsg: 4, mq_msgsize: 100 }; //         struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 100 };
const mqdes = mq_open(name, O_CREAT | O_RDONLY, 0o600, attr); // mqd_t mqdes = mq_open(name, O_CREAT | O_RDONLY, 0600, &attr);
const { msg } = mq_receive(mqdes); //                      mq_receive(mqdes, message, 100, NULL);
console.log(`process ${process.pid} received: ${msg.toString()}`); // printf("%s\n", message);
mq_close(mqdes); //                                        mq_close(mqdes);
mq_unlink(name); //                                        mq_unlink(name);
