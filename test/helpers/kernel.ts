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

const callNumbers: Record<string, { msgsnd: number; msgrcv: number }> = {
  x64: { msgsnd: 69, msgrcv: 70 },
  arm64: { msgsnd: 189, msgrcv: 188 },
};

/** How many threads of the process are asleep in the call on that queue, as the kernel sees it. */
export function asleepIn(call: 'msgsnd' | 'msgrcv', msqid: number, pid: number | 'self' = 'self'): number {
  const numbers = callNumbers[arch()];
  if (numbers === undefined) throw new Error(`the system call numbers of ${arch()} are not known here`);
  const prefix = `${numbers[call]} 0x${msqid.toString(16)} `;
  return taskFiles(pid, 'syscall').filter((text) => text.startsWith(prefix)).length;
}

/** How many threads of the process are asleep in msgsnd or msgrcv on any queue. */
export function asleepInAny(pid: number | 'self' = 'self'): number {
  const numbers = callNumbers[arch()];
  if (numbers === undefined) throw new Error(`the system call numbers of ${arch()} are not known here`);
  const prefixes = [`${numbers.msgsnd} `, `${numbers.msgrcv} `];
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
const CAP_SYS_RESOURCE = 24;

/** Whether msg_qbytes may go over msgmnb: the kernel asks for the capability in the first user namespace only. */
export function mayExceedMsgmnb(): boolean {
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
