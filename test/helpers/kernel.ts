import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { onTestFinished } from 'vitest';

/** One line of /proc/sysvipc/msg: what the kernel says, independent of the code under test. */
export interface QueueRow {
  key: number;
  msqid: number;
  perms: string;
  cbytes: number;
  qnum: number;
  lspid: number;
  lrpid: number;
  uid: number;
  gid: number;
  cuid: number;
  cgid: number;
  stime: number;
  rtime: number;
  ctime: number;
}

const queueColumns = [
  'key',
  'msqid',
  'perms',
  'cbytes',
  'qnum',
  'lspid',
  'lrpid',
  'uid',
  'gid',
  'cuid',
  'cgid',
  'stime',
  'rtime',
  'ctime',
] as const;

export function queueRows(): QueueRow[] {
  const [header = '', ...lines] = readFileSync('/proc/sysvipc/msg', 'utf8').trim().split('\n');
  const names = header.trim().split(/\s+/);
  if (names.join() !== queueColumns.join()) throw new Error(`columns of /proc/sysvipc/msg: ${header}`);
  return lines.map((line) => {
    const cells = line.trim().split(/\s+/);
    const number = (name: (typeof queueColumns)[number]): number => Number(cells[names.indexOf(name)]);
    return {
      key: number('key'),
      msqid: number('msqid'),
      perms: cells[names.indexOf('perms')] ?? '',
      cbytes: number('cbytes'),
      qnum: number('qnum'),
      lspid: number('lspid'),
      lrpid: number('lrpid'),
      uid: number('uid'),
      gid: number('gid'),
      cuid: number('cuid'),
      cgid: number('cgid'),
      stime: number('stime'),
      rtime: number('rtime'),
      ctime: number('ctime'),
    };
  });
}

export function queueRow(msqid: number): QueueRow | undefined {
  return queueRows().find((row) => row.msqid === msqid);
}

/** Calls that can wait, under the kernel's names: open(2) is openat, and all of the mq_* that wait are the timed ones. */
export type WaitingCall =
  | 'msgsnd'
  | 'msgrcv'
  | 'read'
  | 'write'
  | 'openat'
  | 'poll'
  | 'splice'
  | 'tee'
  | 'mq_timedsend'
  | 'mq_timedreceive';

const callNumbers: Record<string, Record<WaitingCall, number>> = {
  x64: {
    msgsnd: 69,
    msgrcv: 70,
    read: 0,
    write: 1,
    openat: 257,
    poll: 7,
    splice: 275,
    tee: 276,
    mq_timedsend: 242,
    mq_timedreceive: 243,
  },
  // There is no poll here: the C library makes it of ppoll.
  arm64: {
    msgsnd: 189,
    msgrcv: 188,
    read: 63,
    write: 64,
    openat: 56,
    poll: 73,
    splice: 76,
    tee: 77,
    mq_timedsend: 182,
    mq_timedreceive: 183,
  },
};

function callNumber(call: WaitingCall): number {
  const numbers = callNumbers[arch()];
  if (numbers === undefined) throw new Error(`the system call numbers of ${arch()} are not known here`);
  return numbers[call];
}

/**
 * How many threads of the process are asleep in the call, as the kernel sees it: on that queue or descriptor, or on
 * whatever where the first argument is none.
 */
export function asleepIn(
  call: WaitingCall,
  first: number | undefined,
  pid: number | 'self' = 'self',
): number {
  const prefix = `${callNumber(call)} ${first === undefined ? '' : `0x${first.toString(16)} `}`;
  return taskFiles(pid, 'syscall').filter((text) => text.startsWith(prefix)).length;
}

/** How many threads of the process are asleep in a call that threads of the package wait in, on any object. */
export function asleepInAny(pid: number | 'self' = 'self'): number {
  const calls = ['msgsnd', 'msgrcv', 'openat', 'mq_timedsend', 'mq_timedreceive'] as const;
  const prefixes = calls.map((call) => `${callNumber(call)} `);
  return taskFiles(pid, 'syscall').filter((text) => prefixes.some((prefix) => text.startsWith(prefix)))
    .length;
}

function taskFiles(pid: number | 'self', name: string): string[] {
  return readdirSync(`/proc/${pid}/task`).map((tid) => {
    try {
      return readFileSync(`/proc/${pid}/task/${tid}/${name}`, 'utf8');
    } catch (error) {
      // A thread may end between the two reads.
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
        return '';
      throw error;
    }
  });
}

export function threadCount(pid: number | 'self' = 'self'): number {
  return readdirSync(`/proc/${pid}/task`).length;
}

/** Whether the effective capabilities of this process have that bit: not every root has them all. */
export function hasCapability(bit: number): boolean {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return ((BigInt(`0x${line?.[1] ?? '0'}`) >> BigInt(bit)) & 1n) === 1n;
}

export const CAP_IPC_OWNER = 15;
export const CAP_SYS_RESOURCE = 24;

/** Whether limits of the system do not hold here: the kernel asks for the capability in the first user namespace only. */
export function mayExceedLimits(): boolean {
  const everyUid = /^\s*0\s+0\s+4294967295\s*$/;
  return hasCapability(CAP_SYS_RESOURCE) && everyUid.test(readFileSync('/proc/self/uid_map', 'utf8'));
}

export type QueueSetting = 'msgmax' | 'msgmnb' | 'msgmni';

export function setting(name: QueueSetting): number {
  return Number(readFileSync(`/proc/sys/kernel/${name}`, 'utf8'));
}

export const ownNamespace = process.env['UNIX_IPC_TEST_NAMESPACE'] === 'own';

/** Why the namespace's limits can't be changed here, or undefined where they can. */
export function settingsAreFixed(): string | undefined {
  if (!ownNamespace) return 'the IPC namespace is shared with others';
  try {
    writeFileSync('/proc/sys/kernel/msgmax', String(setting('msgmax')));
  } catch (error) {
    return `/proc/sys/kernel/msgmax can't be written: ${String(error)}`;
  }
  return undefined;
}

/** Changes a limit of the namespace until the test is over. Only after settingsAreFixed() gave undefined. */
export function changeSetting(name: QueueSetting, value: number): void {
  if (!ownNamespace) throw new Error('limits are changed only in a namespace of our own');
  const before = setting(name);
  writeFileSync(`/proc/sys/kernel/${name}`, String(value));
  onTestFinished(() => writeFileSync(`/proc/sys/kernel/${name}`, String(before)));
}
