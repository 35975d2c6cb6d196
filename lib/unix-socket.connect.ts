// Connections: the three ways to wait until the other side has room for one.
import { object, timeout as timeLimit } from './internal/arguments.js';
import { errno } from './internal/errors.js';
import { waitOnThread } from './internal/wait-threads.js';
import { promise, soon, waitOptions, Waits, type WaitOptions } from './internal/waiting.js';
import { native as descriptor } from './native/descriptor.js';
import { native } from './native/unix-socket.js';
import { addressBytes, addressText, type SocketAddress } from './sys/unix-socket.address.js';
import { explainConnect } from './unix-socket.errors.js';
import { binding, type ConnectionSettings, type UnixBindOptions } from './unix-socket.options.js';
import { abandon, newBound, orClose, type Opened } from './unix-socket.socket.js';

const { F_SETFL } = descriptor.constants;
const { SOCK_NONBLOCK } = native.constants;
const EAGAIN = errno('EAGAIN');

export interface UnixConnectOptions extends UnixBindOptions {
  /** An address of its own, which the other side sees. */
  bind?: SocketAddress | undefined;
}

/** Promises to connect have no object yet that could end them. */
const waits = new Waits();

/** A connection to be. */
export class Connecting<S> {
  readonly #type: number;
  readonly #settings: ConnectionSettings;
  readonly #to: Uint8Array;
  readonly #text: string | undefined;
  readonly #options: UnixConnectOptions | undefined;
  readonly #make: (opened: Opened) => S;

  constructor(
    type: number,
    address: unknown,
    settings: ConnectionSettings,
    options: UnixConnectOptions | undefined,
    make: (opened: Opened) => S,
  ) {
    this.#type = type;
    this.#settings = settings;
    this.#to = addressBytes(address, 'address', 'connect');
    this.#text = addressText(this.#to);
    this.#options = options;
    this.#make = make;
  }

  sync(options: { timeout?: number | undefined } | undefined): S {
    const limit = timeLimit(object(options, 'options')?.timeout);
    const opened = this.#open(0);
    return orClose(opened, () =>
      this.#finish(native.connectInterruptibly(opened.fd, this.#to, limit ?? -1), opened),
    );
  }

  /** Undefined where it would have to wait. */
  try(): S | undefined {
    const opened = this.#open(SOCK_NONBLOCK);
    return orClose(opened, () => {
      const result = native.connect(opened.fd, this.#to);
      if (result !== EAGAIN) {
        descriptor.fcntl(opened.fd, F_SETFL, 0);
        return this.#finish(result, opened);
      }
      abandon(opened);
      return undefined;
    });
  }

  later(options: WaitOptions | undefined): Promise<S> {
    return promise(() => {
      const waiting = waitOptions(options);
      const opened = this.#open(0);
      // A Worker may end in the meantime.
      descriptor.own(opened.fd, true);
      return orClose(opened, () => this.#start(opened, waiting));
    });
  }

  #start(opened: Opened, waiting: WaitOptions): S | Promise<S> {
    const started = native.connectLater(opened.fd, this.#to);
    if (started >= 0) return soon(this.#finish(started, opened));
    const ending = {
      syscall: 'connect',
      settle: (result: number) => this.#finish(result, opened),
      explain: (result: number) => explainConnect(result, opened.fd, this.#text),
      late: (result: number) => result,
    };
    return waitOnThread(waits, started, ending, waiting).promise.catch((error: unknown) =>
      orClose(opened, () => {
        throw error;
      }),
    );
  }

  #open(flags: number): Opened {
    const own = this.#options?.bind;
    const bound = own === undefined ? undefined : binding(own, 'options.bind', this.#options);
    return newBound(this.#type | flags, this.#settings, bound);
  }

  #finish(result: number, opened: Opened): S {
    if (result < 0) throw explainConnect(result, opened.fd, this.#text);
    return this.#make(opened);
  }
}
