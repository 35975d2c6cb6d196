// Receivers whose queue is full. A socket that is not connected is told nothing of them, so another one is, that is.
import { Descriptor, POLLOUT } from './internal/descriptor.js';
import { madeHere } from './internal/runtime-descriptors.js';
import { Room } from './internal/writing.js';
import { errno, IpcError } from './internal/errors.js';
import { native as descriptor } from './native/descriptor.js';
import { native } from './native/unix-socket.js';
import { explainConnect } from './unix-socket.errors.js';

const { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOL_SOCKET, SO_SNDBUF } = native.constants;
const { pollOne } = descriptor;
const EPERM = errno('EPERM');

/** So often in a row it is tried whether there is room before others get their turn. */
const TRIES = 8;

export class Destination {
  readonly #sender: Descriptor;
  readonly #address: Uint8Array;
  readonly #text: string | undefined;
  /** Connected to the receiver, and never sends: the kernel tells it when the receiver has taken something. */
  readonly #probe: Descriptor;
  readonly #room: Room;
  #users = 0;

  /** @throws IpcError where nobody receives there any more */
  constructor(sender: Descriptor, address: Uint8Array, text: string | undefined) {
    this.#sender = sender;
    this.#address = address;
    this.#text = text;
    const fd = native.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw new IpcError(fd, 'socket');
    this.#probe = new Descriptor(madeHere(fd), 'UnixDatagramSocket');
    this.#room = new Room(sender, 'sendmsg');
    try {
      this.#connect();
    } catch (error) {
      this.#probe.close();
      throw error;
    }
  }

  get isUsed(): boolean {
    return this.#users > 0;
  }

  /** What waits for this receiver stands in this one's line. */
  get line(): Descriptor {
    return this.#probe;
  }

  begin(): void {
    this.#users++;
  }

  end(): void {
    if (--this.#users > 0) return;
    this.#room.end();
    this.#probe.close();
  }

  /** Again: somebody else may have the address by now. */
  #connect(): void {
    const result = native.connect(this.#probe.fd, this.#address);
    // One that is connected with the sender lets nobody else connect, and only the sender's own buffer limits what it is sent.
    if (result < 0 && result !== EPERM) throw explainConnect(result, this.#probe.fd, this.#text);
  }

  /**
   * After a message could not be sent: which descriptor is to be waited for, the sender's own where its send buffer is full.
   * Undefined where there is room by now.
   */
  obstacle(tried: number): number | undefined {
    // While the receiver is full nothing else matters. The kernel looks at it for this, and from now on tells of a change.
    if (pollOne(this.#probe.fd, POLLOUT, 0) === 0) return this.#probe.fd;
    if (this.#isBufferFull()) return this.#sender.fd;
    if (tried > 0) this.#connect();
    return undefined;
  }

  /**
   * poll(2) does not tell: to it a buffer of which a quarter is used has no room, and messages that another receiver has not
   * taken use it for as long as that one likes; nor has a socket whose own peer is full.
   */
  #isBufferFull(): boolean {
    const used = native.siocoutq(this.#sender.fd);
    const size = native.option(this.#sender.fd, SOL_SOCKET, SO_SNDBUF);
    return used >= 0 && size.result >= 0 && used >= size.value;
  }

  /** Makes an attempt where a promise waits. Undefined where it has to wait on, and will be made again. */
  attempt(send: () => true | undefined): true | undefined {
    for (let tried = 0; tried < TRIES; tried++) {
      if (send() === true) return true;
      const obstacle = this.obstacle(tried);
      if (obstacle === undefined) continue;
      if (obstacle === this.#sender.fd) this.#room.await(() => this.#probe.serve(POLLOUT));
      return undefined;
    }
    setImmediate(() => {
      if (!this.#probe.closed) this.#probe.serve(POLLOUT);
    });
    return undefined;
  }
}
