// Compiled by `npm run typecheck`, never run: `unix-ipc/sys` is assignable to the contract, one family after the other.
// A family that is added names its section's functions, constants and structures here.
import * as sys from 'unix-ipc/sys';
import type * as contract from './contract.js';

type Ipc =
  | 'ftok'
  | 'IPC_PRIVATE'
  | 'IPC_CREAT'
  | 'IPC_EXCL'
  | 'IPC_NOWAIT'
  | 'IPC_RMID'
  | 'IPC_SET'
  | 'IPC_STAT'
  | 'IPC_INFO';
export const ipc: Pick<typeof contract, Ipc> = sys;

type Msg =
  | 'msgget'
  | 'msgsnd'
  | 'msgrcv'
  | 'msgctl'
  | 'MSG_NOERROR'
  | 'MSG_EXCEPT'
  | 'MSG_COPY'
  | 'MSG_STAT'
  | 'MSG_INFO'
  | 'MSG_STAT_ANY';
export const msg: Pick<typeof contract, Msg> = sys;

/** Programs name the structures too: what the package gives fits where the contract's is wanted. */
type Gives<Ours, Theirs> = Ours extends Theirs ? true : never;
type Takes<Ours, Theirs> = Theirs extends Ours ? true : never;
export const structures: [
  Takes<sys.Bytes, contract.Bytes>,
  Gives<sys.ipc_perm, contract.ipc_perm>,
  Gives<sys.msqid_ds, contract.msqid_ds>,
  Gives<sys.msginfo, contract.msginfo>,
] = [true, true, true, true];

/** What a program in TypeScript writes against the contract compiles against this package. */
export function program(path: string): string {
  const msqid = sys.msgget(sys.ftok(path, 'A'), sys.IPC_CREAT | 0o600);
  sys.msgsnd(msqid, 1, 'text');
  sys.msgsnd(msqid, 2n ** 60n, new Uint8Array(4), sys.IPC_NOWAIT);
  const { mtype, mtext } = sys.msgrcv(msqid, 100);
  const from: { mtype?: number | bigint } = {};
  const length: number = sys.msgrcv(msqid, new Uint8Array(100), mtype, sys.MSG_NOERROR, from);
  sys.msgctl(msqid, sys.IPC_SET, { msg_perm: { mode: 0o600 }, msg_qbytes: 4096 });
  const stat = sys.msgctl(msqid, sys.IPC_STAT) as sys.msqid_ds;
  sys.msgctl(msqid, sys.IPC_RMID);
  return `${mtext.toString()} ${length} ${stat.msg_perm.mode} ${String(from.mtype)}`;
}

// @ts-expect-error a type of message is a number or a bigint
export const wrongType = (): void => sys.msgsnd(1, '1', 'text');
// @ts-expect-error a structure has no member of that name
export const wrongMember = (): void => sys.msgctl(1, sys.IPC_SET, { qbytes: 1 });
