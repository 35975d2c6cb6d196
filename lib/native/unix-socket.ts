import { family } from '../internal/binding.js';
import { ALONG_SLOT, block as shared, detail, filled, given, result } from './core.js';

const block = shared;

type Constant =
  | 'AF_UNIX'
  | 'SOCK_STREAM'
  | 'SOCK_DGRAM'
  | 'SOCK_SEQPACKET'
  | 'SOCK_NONBLOCK'
  | 'SOCK_CLOEXEC'
  | 'SOL_SOCKET'
  | 'SO_ACCEPTCONN'
  | 'SO_BROADCAST'
  | 'SO_DEBUG'
  | 'SO_DOMAIN'
  | 'SO_DONTROUTE'
  | 'SO_ERROR'
  | 'SO_KEEPALIVE'
  | 'SO_MARK'
  | 'SO_OOBINLINE'
  | 'SO_PASSCRED'
  | 'SO_PASSSEC'
  | 'SO_PEEK_OFF'
  | 'SO_PEERCRED'
  | 'SO_PRIORITY'
  | 'SO_PROTOCOL'
  | 'SO_RCVBUF'
  | 'SO_RCVBUFFORCE'
  | 'SO_RCVLOWAT'
  | 'SO_REUSEADDR'
  | 'SO_REUSEPORT'
  | 'SO_SNDBUF'
  | 'SO_SNDBUFFORCE'
  | 'SO_SNDLOWAT'
  | 'SO_TIMESTAMP'
  | 'SO_TIMESTAMPNS'
  | 'SO_TYPE'
  | 'SHUT_RD'
  | 'SHUT_WR'
  | 'SHUT_RDWR'
  | 'MSG_CMSG_CLOEXEC'
  | 'MSG_CTRUNC'
  | 'MSG_DONTWAIT'
  | 'MSG_NOSIGNAL'
  | 'MSG_PEEK'
  | 'MSG_TRUNC'
  | 'MSG_WAITALL';

/** native/unix-socket.cc and native/unix-socket/message.cc. Numbers and results of messages and of connect cross in the block. */
interface Addon {
  socket: (domain: number, type: number, protocol: number) => number;
  socketpair: (domain: number, type: number, protocol: number) => [number, number] | number;
  bind: (fd: number, address: Uint8Array, mode: number | undefined) => number;
  listen: (fd: number, backlog: number) => number;
  /** `owned`: whether it is closed when the environment, such as a Worker, ends. */
  accept: (fd: number, flags: number, owned: boolean) => number;
  getsockname: (fd: number) => number;
  getpeername: (fd: number) => number;
  shutdown: (fd: number, how: number) => number;
  getsockopt: (fd: number, level: number, option: number) => number;
  setsockopt: (fd: number, level: number, option: number, value: number) => number;
  getpeercred: (fd: number) => number;
  /** How many bytes of the send buffer are used. */
  siocoutq: (fd: number) => number;
  connect: (address: Uint8Array) => void;
  connectLater: (address: Uint8Array) => void;
  connectInterruptibly: (address: Uint8Array) => void;
  send: (data?: Uint8Array) => void;
  sendto: (data?: Uint8Array) => void;
  sendmsg: (data: Uint8Array) => void;
  recv: (into?: Uint8Array) => void;
  recvmsg: (into?: Uint8Array) => void;
  recvmsgMany: (into: Uint8Array) => void;
  constants: Record<Constant, number>;
}

const addon = family('unix-socket') as Addon;

/** The credentials of a process: its number, its user's and its group's. */
export interface ucred {
  pid: number;
  uid: number;
  gid: number;
}

/** What recvmsg() is to give besides data and descriptors: the sender's address, credentials, the time that marks a message. */
export const ALONG = { ADDRESS: 1, CREDENTIALS: 2, STAMP: 4 } as const;

/** SCM_MAX_FD: the most descriptors that one message carries. */
export const MOST_DESCRIPTORS = 253;

// The layout of Attachment in native/unix-socket.h.
const FLAGS = ALONG_SLOT;
const IS_MESSAGE = ALONG_SLOT + 1;
const COUNT = ALONG_SLOT + 2;
const HAS_CREDENTIALS = ALONG_SLOT + 3;
const PID = ALONG_SLOT + 4;
const UID = ALONG_SLOT + 5;
const GID = ALONG_SLOT + 6;
const RECEIVER_LENGTH = ALONG_SLOT + 7;
const SENDER_LENGTH = ALONG_SLOT + 8;
const SENDER_CHANGES = ALONG_SLOT + 9;
const RECEIVER = ALONG_SLOT + 10;
const SENDER = RECEIVER + 16;
const DESCRIPTORS = SENDER + 16;

/** The path or name of an address in the block, behind the family. */
function pathAt(slot: number): Buffer {
  return Buffer.from(block.buffer, block.byteOffset + slot * 8 + 2, 108);
}

const receiver = pathAt(RECEIVER);
/** The kernel gives a path of 108 bytes with room for one more, but no name is longer. */
const sender = Buffer.from(block.buffer, block.byteOffset + SENDER * 8, 128);

const NOBODY = 2 ** 32 - 1;

/** What went along with the message received last. Each is looked at before the next call. */
class Attached {
  /** The address that was decoded last: a sender sends often, and in a row. Not where it is bytes, which are its receiver's. */
  #name: string | Buffer = '';
  #changes = NaN;

  get flags(): number {
    return block[FLAGS] as number;
  }

  /** Whether there was a message, where SO_TIMESTAMP is set: no bytes may also mean the end. */
  get isMessage(): boolean {
    return block[IS_MESSAGE] === 1;
  }

  get descriptors(): number[] {
    const count = block[COUNT] as number;
    if (count === 0) return [];
    return Array.from(block.subarray(DESCRIPTORS, DESCRIPTORS + count));
  }

  get credentials(): ucred | undefined {
    if (block[HAS_CREDENTIALS] === 0) return undefined;
    return { pid: block[PID] as number, uid: id(UID), gid: id(GID) };
  }

  /** A string where the name is UTF-8, else its bytes. */
  get address(): string | Buffer {
    if (block[SENDER_LENGTH] === 0) return '';
    const changes = block[SENDER_CHANGES] as number;
    if (changes !== this.#changes || typeof this.#name !== 'string') {
      this.#changes = changes;
      this.#name = decode(sender.subarray(0, block[SENDER_LENGTH]));
    }
    return this.#name;
  }
}

export const attached = new Attached();

function decode(bytes: Buffer): string | Buffer {
  const name = bytes.toString();
  return !name.includes('\ufffd') || Buffer.from(name).equals(bytes) ? name : Buffer.from(bytes);
}

function id(slot: number): number {
  const value = block[slot] as number;
  return value === NOBODY ? -1 : value;
}

/** Addresses whose bytes nobody changes. */
export const fixedAddresses = new WeakSet<Uint8Array>();
/** The one that is in the block already. */
let fixedReceiver: Uint8Array | undefined;

function setReceiver(address: Uint8Array | undefined): void {
  if (address === undefined) {
    block[RECEIVER_LENGTH] = -1;
    return;
  }
  block[RECEIVER_LENGTH] = address.length;
  if (address === fixedReceiver) return;
  receiver.set(address);
  fixedReceiver = fixedAddresses.has(address) ? address : undefined;
}

function setReceiving(
  fd: number,
  offset: number,
  size: number,
  flags: number,
  room: number,
  along: number,
): void {
  block[0] = fd;
  block[1] = offset;
  block[2] = size;
  block[3] = flags;
  block[4] = room;
  block[5] = along;
}

/** Results are -errno where a call failed. */
export const native = {
  ...addon,

  /** getsockopt(2) of an option that is an int: it is the detail. */
  option(fd: number, level: number, option: number): { result: number; value: number } {
    return { result: addon.getsockopt(fd, level, option), value: detail() as number };
  },

  /** connect(2), waiting or not as the socket's O_NONBLOCK says. */
  connect(fd: number, address: Uint8Array): number {
    block[0] = fd;
    block[1] = 0;
    addon.connect(address);
    return result();
  },

  /**
   * Waits while the backlog is full at most `timeout` milliseconds (negative: for ever), or until a signal handler is to run:
   * EINTR, which the call itself does not give after handlers of process.on().
   */
  connectInterruptibly(fd: number, address: Uint8Array, timeout: number): number {
    block[0] = fd;
    block[1] = timeout;
    addon.connectInterruptibly(address);
    return result();
  },

  /** For a socket that nobody else has yet. Minus a ticket where it has to wait. */
  connectLater(fd: number, address: Uint8Array): number {
    block[0] = fd;
    block[1] = 1;
    block[2] = 0;
    addon.connectLater(address);
    return result();
  },

  send(fd: number, data: Uint8Array, flags: number): number {
    block[0] = fd;
    block[1] = flags;
    if (given.has(data)) {
      addon.send();
    } else {
      addon.send(data);
      given.keep(data);
    }
    return result();
  },

  /** Sends the view of the call before: see given. */
  sendAgain(fd: number, flags: number): number {
    block[0] = fd;
    block[1] = flags;
    addon.send();
    return result();
  },

  /** Sends to an address. */
  sendto(fd: number, data: Uint8Array, flags: number, address: Uint8Array): number {
    block[0] = fd;
    block[1] = flags;
    setReceiver(address);
    if (given.has(data)) {
      addon.sendto();
    } else {
      addon.sendto(data);
      given.keep(data);
    }
    return result();
  },

  /** Along with the data go an address (the one of the connection where it is undefined), descriptors and credentials. */
  sendmsg(
    fd: number,
    data: Uint8Array,
    flags: number,
    address: Uint8Array | undefined,
    descriptors: readonly number[],
    credentials: ucred | undefined,
  ): number {
    block[0] = fd;
    block[1] = flags;
    setReceiver(address);
    // One too many is for the kernel to refuse.
    const count = Math.min(descriptors.length, MOST_DESCRIPTORS + 1);
    block[COUNT] = count;
    for (let i = 0; i < count; i++) block[DESCRIPTORS + i] = descriptors[i] as number;
    block[HAS_CREDENTIALS] = credentials === undefined ? 0 : 1;
    if (credentials !== undefined) {
      block[PID] = credentials.pid;
      block[UID] = credentials.uid;
      block[GID] = credentials.gid;
    }
    addon.sendmsg(data);
    given.keep(data);
    return result();
  },

  /**
   * Copies what it receives to into[offset] where `size` bytes fit there or what came does; else takeReceived() copies it.
   * With MSG_TRUNC the result may be more than `size`.
   */
  recv(fd: number, into: Uint8Array, offset: number, size: number, flags: number): number {
    block[0] = fd;
    block[1] = offset;
    block[2] = size;
    block[3] = flags;
    if (filled.has(into)) {
      addon.recv();
    } else {
      addon.recv(into);
      filled.keep(into);
    }
    return result();
  },

  /** Receives as many bytes as `into` has. */
  recvInto(fd: number, into: Uint8Array, flags: number): number {
    block[0] = fd;
    block[1] = 0;
    block[2] = -1;
    block[3] = flags;
    addon.recv(into);
    filled.keep(into);
    return result();
  },

  /** The same into the view of the call before: see filled. */
  recvAgain(fd: number, flags: number): number {
    block[0] = fd;
    block[1] = 0;
    block[2] = -1;
    block[3] = flags;
    addon.recv();
    return result();
  },

  /**
   * As recv(), with room for so many descriptors, and for what the socket is set to give along with a message
   * (ALONG). See attached.
   */
  recvmsg(
    fd: number,
    into: Uint8Array,
    offset: number,
    size: number,
    flags: number,
    room: number,
    along: number,
  ): number {
    setReceiving(fd, offset, size, flags, room, along);
    if (filled.has(into)) {
      addon.recvmsg();
    } else {
      addon.recvmsg(into);
      filled.keep(into);
    }
    return result();
  },

  /**
   * As recvmsg(), for at most `max` messages as long as they are like the one before. Their rows are in the block. The detail: 1
   * where the last is not, and is as after recvmsg(); the -errno that came behind them; else 0.
   */
  recvmsgMany(
    fd: number,
    into: Uint8Array,
    offset: number,
    size: number,
    flags: number,
    room: number,
    along: number,
    max: number,
  ): number {
    setReceiving(fd, offset, size, flags, room, along);
    block[6] = max;
    addon.recvmsgMany(into);
    return result();
  },
};
