// Messages on their way out, to where a socket is connected or to an address.
import { notBytes } from './internal/arguments.js';
import { POLLOUT, unlessAgain, type Operation } from './internal/descriptor.js';
import { errno } from './internal/errors.js';
import { NOT_BYTES } from './native/core.js';
import { native } from './native/unix-socket.js';
import { closeAll, copiesOf } from './unix-socket.attachment.js';
import { explainSend } from './unix-socket.errors.js';
import type { Along } from './unix-socket.options.js';

const { MSG_DONTWAIT, MSG_NOSIGNAL } = native.constants;
const ENOTCONN = errno('ENOTCONN');
const ECONNREFUSED = errno('ECONNREFUSED');

/** An address to send to, as the kernel takes it and as errors name it. */
export interface To {
  address: Uint8Array;
  text: string | undefined;
}

/** What sends. */
export interface Sender {
  fd: number;
  /** Whether it has been connected with another: a datagram socket is not any more once that one is gone. */
  wasConnected: boolean;
}

/** A message on its way out. */
export class Sending implements Operation<true, undefined> {
  readonly syscall: string;
  readonly direction = POLLOUT;
  readonly #fd: number;
  readonly #wasConnected: boolean;
  readonly #to: To | undefined;
  readonly #along: Along;
  readonly #isPlain: boolean;
  #data: Uint8Array;
  #descriptors: readonly number[];
  /** Why the descriptors could not be copied. */
  #uncopied = 0;

  constructor({ fd, wasConnected }: Sender, data: Uint8Array, along: Along, to?: To) {
    this.#fd = fd;
    this.#wasConnected = wasConnected;
    this.#data = data;
    this.#to = to;
    this.#along = along;
    this.#descriptors = along.descriptors;
    this.#isPlain = along.descriptors.length === 0 && along.credentials === undefined;
    if (this.#isPlain) this.syscall = to === undefined ? 'send' : 'sendto';
    else this.syscall = 'sendmsg';
  }

  attempt(): true | undefined {
    const result = this.#uncopied < 0 ? this.#uncopied : this.#send(MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result === NOT_BYTES) throw notBytes(this.#data, 'data');
    return unlessAgain(result, (failed) => this.explain(failed)) === undefined ? undefined : true;
  }

  #send(flags: number): number {
    const address = this.#to?.address;
    if (!this.#isPlain) {
      const { credentials } = this.#along;
      return native.sendmsg(this.#fd, this.#data, flags, address, this.#descriptors, credentials);
    }
    if (address === undefined) return native.send(this.#fd, this.#data, flags);
    return native.sendto(this.#fd, this.#data, flags, address);
  }

  settle(): undefined {
    return undefined;
  }

  explain(result: number): Error {
    // The kernel tells the first one who sends that the other side is gone, and forgets it.
    const isGone = result === ENOTCONN && this.#wasConnected && this.#to === undefined;
    return explainSend(isGone ? ECONNREFUSED : result, {
      fd: this.#fd,
      syscall: this.syscall,
      path: this.#to?.text,
      length: this.#data.length,
      descriptors: this.#along.descriptors.length,
      claims: this.#along.credentials !== undefined,
    });
  }

  /**
   * Where a promise waits: data and descriptors are the caller's again, to change and to close. Until it has ended the message
   * has copies of them.
   */
  ownUntil(ended: Promise<void>): Promise<void> {
    this.#data = Buffer.from(this.#data);
    if (this.#descriptors.length === 0) return ended;
    const copies = copiesOf(this.#descriptors);
    this.#descriptors = copies.descriptors;
    this.#uncopied = copies.error;
    return ended.finally(() => closeAll(copies.descriptors));
  }
}
