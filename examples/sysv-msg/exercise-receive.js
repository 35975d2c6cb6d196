// The exercise in the calls of C: receive a message that another process sent.
import { ftok, IPC_CREAT, IPC_RMID, msgctl, msgget, msgrcv } from 'unix-ipc/sys';

const key = ftok(import.meta.dirname, 'x'); //           key_t key = ftok(".", 'x');
const msqid = msgget(key, IPC_CREAT | 0o600); //         int msqid = msgget(key, IPC_CREAT | 0600);
const { mtext } = msgrcv(msqid, 100, 1); //              msgrcv(msqid, &message, 100, 1, 0);
console.log(`process ${process.pid} received: ${mtext.toString()}`); // printf("%s\n", message.mtext);
msgctl(msqid, IPC_RMID); //                              msgctl(msqid, IPC_RMID, NULL);
