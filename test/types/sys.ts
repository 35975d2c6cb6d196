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

type Mqueue =
  | 'mq_open'
  | 'mq_close'
  | 'mq_unlink'
  | 'mq_getattr'
  | 'mq_setattr'
  | 'mq_send'
  | 'mq_timedsend'
  | 'mq_receive'
  | 'mq_timedreceive'
  | 'mq_notify'
  | 'SIGEV_SIGNAL'
  | 'SIGEV_NONE'
  | 'MQ_PRIO_MAX';
export const mqueue: Pick<typeof contract, Mqueue> = sys;

type Descriptors =
  | 'pipe'
  | 'pipe2'
  | 'mkfifo'
  | 'open'
  | 'close'
  | 'read'
  | 'write'
  | 'dup'
  | 'dup2'
  | 'fcntl'
  | 'fionread'
  | 'splice'
  | 'tee'
  | 'poll'
  | 'eventfd'
  | 'O_RDONLY'
  | 'O_WRONLY'
  | 'O_RDWR'
  | 'O_CREAT'
  | 'O_EXCL'
  | 'O_TRUNC'
  | 'O_NONBLOCK'
  | 'O_CLOEXEC'
  | 'O_DIRECT'
  | 'O_NOFOLLOW'
  | 'O_APPEND'
  | 'O_ACCMODE'
  | 'F_DUPFD'
  | 'F_DUPFD_CLOEXEC'
  | 'F_GETFL'
  | 'F_SETFL'
  | 'F_GETFD'
  | 'F_SETFD'
  | 'FD_CLOEXEC'
  | 'F_SETPIPE_SZ'
  | 'F_GETPIPE_SZ'
  | 'F_ADD_SEALS'
  | 'F_GET_SEALS'
  | 'F_SEAL_SEAL'
  | 'F_SEAL_SHRINK'
  | 'F_SEAL_GROW'
  | 'F_SEAL_WRITE'
  | 'F_SEAL_FUTURE_WRITE'
  | 'POLLIN'
  | 'POLLOUT'
  | 'POLLERR'
  | 'POLLHUP'
  | 'POLLNVAL'
  | 'POLLPRI'
  | 'POLLRDHUP'
  | 'SPLICE_F_MOVE'
  | 'SPLICE_F_NONBLOCK'
  | 'SPLICE_F_MORE'
  | 'PIPE_BUF'
  | 'EFD_NONBLOCK'
  | 'EFD_CLOEXEC'
  | 'EFD_SEMAPHORE';
export const descriptors: Pick<typeof contract, Descriptors> = sys;

type Sockets =
  | 'socket'
  | 'socketpair'
  | 'bind'
  | 'listen'
  | 'accept'
  | 'connect'
  | 'getsockname'
  | 'getpeername'
  | 'send'
  | 'sendto'
  | 'recv'
  | 'recvfrom'
  | 'sendmsg'
  | 'recvmsg'
  | 'shutdown'
  | 'getsockopt'
  | 'setsockopt'
  | 'AF_UNIX'
  | 'SOCK_STREAM'
  | 'SOCK_DGRAM'
  | 'SOCK_SEQPACKET'
  | 'SOCK_NONBLOCK'
  | 'SOCK_CLOEXEC'
  | 'SOL_SOCKET'
  | 'SO_PEERCRED'
  | 'SO_PASSCRED'
  | 'SO_SNDBUF'
  | 'SO_RCVBUF'
  | 'SO_TYPE'
  | 'SO_ERROR'
  | 'SO_ACCEPTCONN'
  | 'SO_DOMAIN'
  | 'MSG_DONTWAIT'
  | 'MSG_NOSIGNAL'
  | 'MSG_PEEK'
  | 'MSG_TRUNC'
  | 'MSG_CTRUNC'
  | 'MSG_WAITALL'
  | 'MSG_CMSG_CLOEXEC'
  | 'SHUT_RD'
  | 'SHUT_WR'
  | 'SHUT_RDWR';
export const sockets: Pick<typeof contract, Sockets> = sys;

type Shm =
  | 'shmget'
  | 'shmat'
  | 'shmdt'
  | 'shmctl'
  | 'SHM_RDONLY'
  | 'SHM_RND'
  | 'SHM_EXEC'
  | 'SHM_HUGETLB'
  | 'SHM_NORESERVE'
  | 'SHM_DEST'
  | 'SHM_LOCKED'
  | 'SHMLBA'
  | 'SHM_LOCK'
  | 'SHM_UNLOCK'
  | 'SHM_STAT'
  | 'SHM_INFO'
  | 'SHM_STAT_ANY';
export const shm: Pick<typeof contract, Shm> = sys;

type Sem =
  | 'semget'
  | 'semop'
  | 'semtimedop'
  | 'semctl'
  | 'SEM_UNDO'
  | 'GETVAL'
  | 'SETVAL'
  | 'GETALL'
  | 'SETALL'
  | 'GETPID'
  | 'GETNCNT'
  | 'GETZCNT'
  | 'SEM_STAT'
  | 'SEM_INFO'
  | 'SEM_STAT_ANY';
export const sem: Pick<typeof contract, Sem> = sys;

type Mman =
  | 'shm_open'
  | 'shm_unlink'
  | 'memfd_create'
  | 'ftruncate'
  | 'mmap'
  | 'munmap'
  | 'msync'
  | 'PROT_NONE'
  | 'PROT_READ'
  | 'PROT_WRITE'
  | 'MAP_SHARED'
  | 'MAP_PRIVATE'
  | 'MAP_ANONYMOUS'
  | 'MAP_POPULATE'
  | 'MAP_HUGETLB'
  | 'MS_SYNC'
  | 'MS_ASYNC'
  | 'MS_INVALIDATE'
  | 'MFD_CLOEXEC'
  | 'MFD_ALLOW_SEALING'
  | 'MFD_HUGETLB'
  | 'MFD_NOEXEC_SEAL';
export const mman: Pick<typeof contract, Mman> = sys;

type Semaphores =
  | 'sem_open'
  | 'sem_close'
  | 'sem_unlink'
  | 'sem_init'
  | 'sem_at'
  | 'sem_destroy'
  | 'sem_post'
  | 'sem_wait'
  | 'sem_trywait'
  | 'sem_timedwait'
  | 'sem_getvalue'
  | 'SIZEOF_SEM_T'
  | 'SEM_VALUE_MAX';
export const semaphores: Pick<typeof contract, Semaphores> = sys;

type Futex = 'futex_wait' | 'futex_wake';
export const futex: Pick<typeof contract, Futex> = sys;

/** Programs name the structures too: what the package gives fits where the contract's is wanted. */
type Gives<Ours, Theirs> = Ours extends Theirs ? true : never;
type Takes<Ours, Theirs> = Theirs extends Ours ? true : never;
export const structures: [
  Takes<sys.Bytes, contract.Bytes>,
  Gives<sys.ipc_perm, contract.ipc_perm>,
  Gives<sys.msqid_ds, contract.msqid_ds>,
  Gives<sys.msginfo, contract.msginfo>,
  Gives<sys.mq_attr, contract.mq_attr>,
  Takes<sys.timespec, contract.timespec>,
  Gives<sys.ucred, contract.ucred>,
  Takes<sys.ucred, contract.ucred>,
  Gives<sys.SocketAddress, contract.SocketAddress>,
  Takes<sys.SocketAddress, contract.SocketAddress>,
  Gives<sys.shmid_ds, contract.shmid_ds>,
  Gives<sys.shminfo, contract.shminfo>,
  Gives<sys.shm_info, contract.shm_info>,
  Takes<sys.sembuf, contract.sembuf>,
  Gives<sys.semid_ds, contract.semid_ds>,
  Gives<sys.seminfo, contract.seminfo>,
  Gives<sys.sem_t, contract.sem_t>,
  Takes<sys.sem_t, contract.sem_t>,
] = [
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
];

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

export function descriptorProgram(path: string): number {
  sys.mkfifo(path, 0o600);
  const fd: number = sys.open(path, sys.O_RDWR | sys.O_NONBLOCK);
  const [read, write] = sys.pipe2(sys.O_CLOEXEC);
  const [readToo]: [read: number, write: number] = sys.pipe();
  const written: number = sys.write(fd, 'text') + sys.write(write, new Uint8Array(4));
  const bytes: Buffer = sys.read(fd, 100);
  const length: number = sys.read(read, bytes);
  const revents: number[] = sys.poll([{ fd, events: sys.POLLIN | sys.POLLOUT }], -1);
  const moved = sys.splice(fd, write, 10) + sys.tee(readToo, write, 10, sys.SPLICE_F_NONBLOCK);
  const flags: number = sys.fcntl(fd, sys.F_GETFL) & sys.fcntl(fd, sys.F_SETFD, sys.FD_CLOEXEC);
  sys.close(sys.dup2(sys.dup(fd), sys.eventfd(0, sys.EFD_SEMAPHORE)));
  return written + length + moved + flags + sys.fionread(fd) + (revents[0] ?? 0);
}

export function queueProgram(): string {
  const mqdes: number = sys.mq_open('/name', sys.O_CREAT | sys.O_RDWR, 0o600, { mq_maxmsg: 5 });
  sys.mq_send(mqdes, 'text');
  sys.mq_timedsend(mqdes, new Uint8Array(4), 5, { tv_sec: 1, tv_nsec: 0 });
  const { msg, prio } = sys.mq_receive(mqdes);
  const from: { prio?: number } = {};
  const length: number = sys.mq_receive(mqdes, new Uint8Array(8192), from);
  const received = sys.mq_timedreceive(mqdes, null);
  const { mq_maxmsg, mq_flags } = sys.mq_setattr(mqdes, { mq_flags: sys.O_NONBLOCK });
  sys.mq_setattr(mqdes, sys.mq_getattr(mqdes));
  sys.mq_notify(mqdes, { sigev_notify: sys.SIGEV_SIGNAL, sigev_signo: 10, sigev_value: 1 });
  sys.mq_notify(mqdes, null);
  sys.mq_close(mqdes);
  sys.mq_unlink('/name');
  return `${msg.toString()} ${received.msg.toString()} ${prio + length + mq_maxmsg + mq_flags} ${from.prio ?? 0}`;
}

export function socketProgram(path: string): string {
  const listener: number = sys.socket(sys.AF_UNIX, sys.SOCK_STREAM | sys.SOCK_CLOEXEC);
  sys.bind(listener, path);
  sys.listen(listener, 5);
  const client = sys.socket(sys.AF_UNIX, sys.SOCK_STREAM, 0);
  sys.connect(client, Buffer.from(path));
  const server: number = sys.accept(listener) + sys.accept(listener, sys.SOCK_NONBLOCK);
  const [first, second]: [number, number] = sys.socketpair(sys.AF_UNIX, sys.SOCK_DGRAM);
  const names: sys.SocketAddress[] = [sys.getsockname(listener), sys.getpeername(client)];
  const sent: number =
    sys.send(first, 'text', sys.MSG_DONTWAIT) + sys.sendto(first, new Uint8Array(4), 0, '\0name');
  const credentials: sys.ucred = { pid: 1, uid: 0, gid: 0 };
  const count: number = sys.sendmsg(first, { data: 'text', fds: [client], address: path, credentials });
  const bytes: Buffer = sys.recv(second, 100, sys.MSG_PEEK);
  const { data, address } = sys.recvfrom(second, 100);
  const message = sys.recvmsg(second, 100, sys.MSG_TRUNC);
  const pid: number | undefined = message.credentials?.pid;
  const cut: boolean = message.truncated || message.controlTruncated;
  for (const fd of message.fds) sys.close(fd);
  sys.shutdown(client, sys.SHUT_RDWR);
  sys.setsockopt(client, sys.SOL_SOCKET, sys.SO_PASSCRED, 1);
  const option: number | sys.ucred = sys.getsockopt(client, sys.SOL_SOCKET, sys.SO_PEERCRED);
  const total = server + sent + count + bytes.length + data.length + names.length + (pid ?? 0);
  return `${total} ${String(cut)} ${address.toString()} ${typeof option}`;
}

export function segmentProgram(path: string): string {
  const shmid: number = sys.shmget(sys.ftok(path, 'A'), 4096, sys.IPC_CREAT | 0o600);
  const buffer: ArrayBuffer = sys.shmat(shmid);
  const other: ArrayBuffer = sys.shmat(shmid, null, sys.SHM_RDONLY | sys.SHM_RND);
  new Uint8Array(buffer)[0] = new DataView(other).getUint8(1);
  sys.shmctl(shmid, sys.IPC_SET, { shm_perm: { mode: 0o600 } });
  const { shm_segsz, shm_perm } = sys.shmctl(shmid, sys.IPC_STAT) as sys.shmid_ds;
  const { shmmax, maxid } = sys.shmctl(0, sys.IPC_INFO) as sys.shminfo & { maxid: number };
  const { shm_rss } = sys.shmctl(0, sys.SHM_INFO) as sys.shm_info & { maxid: number };
  sys.shmctl(shmid, sys.SHM_LOCK);
  sys.shmdt(buffer);
  sys.shmctl(shmid, sys.IPC_RMID);
  return `${shm_segsz} ${shm_perm.mode} ${String(shmmax)} ${maxid} ${shm_rss}`;
}

export function mappingProgram(): number {
  const fd: number = sys.shm_open('/name', sys.O_CREAT | sys.O_RDWR);
  sys.ftruncate(fd, 4096);
  const buffer: ArrayBuffer = sys.mmap(null, 4096, sys.PROT_READ | sys.PROT_WRITE, sys.MAP_SHARED, fd);
  const part: ArrayBuffer = sys.mmap(null, 10, sys.PROT_NONE, sys.MAP_PRIVATE, fd, 4096);
  sys.msync(buffer, sys.MS_SYNC);
  sys.munmap(buffer);
  sys.shm_unlink('/name');
  const memfd: number = sys.memfd_create('name') + sys.memfd_create('name', sys.MFD_ALLOW_SEALING);
  return memfd + sys.fcntl(memfd, sys.F_ADD_SEALS, sys.F_SEAL_WRITE) + part.byteLength;
}

export function semaphoreProgram(memory: ArrayBuffer): string {
  const semid: number = sys.semget(sys.IPC_PRIVATE, 2, 0o600);
  const ops: sys.sembuf[] = [{ sem_num: 0, sem_op: 1 }];
  sys.semop(semid, [...ops, { sem_num: 1, sem_op: -1, sem_flg: sys.SEM_UNDO | sys.IPC_NOWAIT }]);
  sys.semtimedop(semid, ops, { tv_sec: 1, tv_nsec: 0 });
  sys.semtimedop(semid, ops, null);
  sys.semctl(semid, 0, sys.SETVAL, 5);
  sys.semctl(semid, 0, sys.SETALL, [1, 2]);
  sys.semctl(semid, 0, sys.IPC_SET, { sem_perm: { uid: 0 } });
  const values = sys.semctl(semid, 0, sys.GETALL) as number[];
  const { sem_nsems } = sys.semctl(semid, 0, sys.IPC_STAT) as sys.semid_ds;
  const { semvmx } = sys.semctl(0, 0, sys.IPC_INFO) as sys.seminfo & { maxid: number };
  const named: sys.sem_t = sys.sem_open('/name', sys.O_CREAT, 0o600, 1);
  const placed: sys.sem_t = sys.sem_init(memory, 64, 0);
  const again: sys.sem_t = sys.sem_at(memory, 64);
  sys.sem_post(again);
  sys.sem_wait(placed);
  sys.sem_trywait(named);
  sys.sem_timedwait(named, { tv_sec: 1, tv_nsec: 0 });
  const value: number = sys.sem_getvalue(named) + sys.SIZEOF_SEM_T + sys.SEM_VALUE_MAX;
  sys.sem_close(named);
  sys.sem_destroy(placed);
  sys.sem_unlink('/name');
  return `${values.join()} ${sem_nsems} ${semvmx} ${value}`;
}

export function futexProgram(memory: ArrayBuffer): number {
  sys.futex_wait(memory, 0, 1);
  sys.futex_wait(new Int32Array(memory), 4, 1, { tv_sec: 1, tv_nsec: 0 });
  sys.futex_wait(new SharedArrayBuffer(8), 4, 1, null);
  return sys.futex_wake(new DataView(memory), 0, 1);
}

// @ts-expect-error a type of message is a number or a bigint
export const wrongType = (): void => sys.msgsnd(1, '1', 'text');
// @ts-expect-error a structure has no member of that name
export const wrongMember = (): void => sys.msgctl(1, sys.IPC_SET, { qbytes: 1 });
// @ts-expect-error a send that is timed has a time
export const noTime = (): void => sys.mq_timedsend(1, 'text', 0);
// @ts-expect-error an address is a path or a name, not a port
export const wrongAddress = (): void => sys.connect(1, 80);
// @ts-expect-error descriptors are sent as numbers
export const wrongRights = (): number => sys.sendmsg(1, { data: 'text', fds: ['1'] });
// @ts-expect-error a descriptor is a number
export const wrongDescriptor = (): void => sys.close('1');
// @ts-expect-error a view is not the memory that was attached
export const wrongMemory = (): void => sys.shmdt(Buffer.alloc(1));
// @ts-expect-error there is no address
export const wrongPlace = (): ArrayBuffer => sys.mmap(4096, 4096, sys.PROT_READ, sys.MAP_SHARED, 3);
// @ts-expect-error a handle is what sem_open, sem_init and sem_at give
export const wrongSemaphore = (): void => sys.sem_post({});
// @ts-expect-error an operation has a number
export const wrongOperation = (): void => sys.semop(1, [{ sem_op: 1 }]);
