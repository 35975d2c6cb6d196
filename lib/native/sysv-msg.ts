import { binding } from '../internal/binding.js';
import type { msginfo, msqid_ds } from '../sys/sysv-msg.js';

type Send = [msqid: number, mtype: number | bigint, mtext: Uint8Array, flags: number];
type Receive = [
  msqid: number,
  into: Uint8Array,
  offset: number,
  size: number,
  mtype: number | bigint,
  flags: number,
];
type Limits = [timeout: number, spin: number];

/** Results are -errno where a call failed; a …Later call gives minus its ticket where it has to wait. */
interface SysvMsg {
  msgget(key: number, flags: number): number;
  msgsnd(...call: Send): number;
  msgsndWithin(...call: [...Send, ...Limits]): number;
  msgsndLater(...call: [...Send, spin: number]): number;
  msgrcv(...call: Receive): number;
  msgrcvWithin(...call: [...Receive, ...Limits]): number;
  msgrcvLater(...call: [...Receive, spin: number]): number;
  msgctl(
    msqid: number,
    cmd: number,
  ): (msqid_ds & { id?: number }) | (msginfo & { maxid: number }) | number | undefined;
  msgctlSet(msqid: number, uid: number, gid: number, mode: number, qbytes: number | bigint): number;
  constants: Record<
    'MSG_NOERROR' | 'MSG_EXCEPT' | 'MSG_COPY' | 'MSG_STAT' | 'MSG_INFO' | 'MSG_STAT_ANY',
    number
  >;
}

export const native = binding as SysvMsg;
