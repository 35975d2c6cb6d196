// The exercise in the calls of C: send a message to another process.
import { ftok, IPC_CREAT, msgget, msgsnd } from 'unix-ipc/sys';

const key = ftok(import.meta.dirname, 'x'); //           key_t key = ftok(".", 'x');
const msqid = msgget(key, IPC_CREAT | 0o600); //         int msqid = msgget(key, IPC_CREAT | 0600);
msgsnd(msqid, 1, `hello from process ${process.pid}`); // msgsnd(msqid, &message, strlen(message.mtext), 0);
