// mq_notify(3) without a signal and without a thread: the notification comes through a descriptor.
import { Descriptor, POLLIN, unlessAgain } from './internal/descriptor.js';
import type { IpcError } from './internal/errors.js';
import { native } from './native/posix-mq.js';

/**
 * Called when a message has come to the empty queue. With an error where another process has taken the registration meanwhile:
 * then this was the last call.
 */
export type PosixMessageQueueListener = (error?: IpcError) => void;

/** A registration for the notifications of a queue; close() takes it back. */
export interface PosixMessageQueueNotification extends Disposable {
  close(): void;
}

/** What the kernel sends: so many bytes, of which the last is the reason. */
const COOKIE_SIZE = 32;

const cookie = Buffer.alloc(COOKIE_SIZE);

export class Notification implements PosixMessageQueueNotification {
  readonly #mqdes: number;
  readonly #socket: Descriptor;
  readonly #listener: PosixMessageQueueListener;
  readonly #onClose: () => void;
  readonly #explain: (result: number) => IpcError;

  /** @throws IpcError EBUSY */
  constructor(
    mqdes: number,
    listener: PosixMessageQueueListener,
    onClose: () => void,
    explain: (result: number) => IpcError,
  ) {
    const socket = native.mq_notifySocket();
    if (socket < 0) throw explain(socket);
    this.#mqdes = mqdes;
    this.#socket = new Descriptor(socket, 'notification');
    this.#listener = listener;
    this.#onClose = onClose;
    this.#explain = explain;
    const result = native.mq_notifyThrough(mqdes, socket);
    if (result < 0) {
      this.#socket.close();
      throw explain(result);
    }
    try {
      this.#await();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    if (this.#socket.closed) return;
    // Only this process's registration goes, which is this one.
    native.mq_notify(this.#mqdes);
    this.#end();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #end(): void {
    this.#socket.close();
    this.#onClose();
  }

  #await(): void {
    const operation = {
      syscall: 'mq_notify',
      direction: POLLIN,
      attempt: () =>
        unlessAgain(this.#socket.read(cookie, 0, COOKIE_SIZE), (failed) => this.#explain(failed)),
      settle: () => cookie[COOKIE_SIZE - 1] === WOKEN_UP,
      explain: (result: number) => this.#explain(result),
    };
    const next = Promise.resolve(this.#socket.later(operation, {}, 0));
    next.then(
      (arrived) => this.#onCookie(arrived),
      (error: unknown) => {
        if (this.#socket.closed) return;
        this.close();
        this.#listener(error as IpcError);
      },
    );
  }

  /** @param arrived false where the registration went because this process closed another descriptor of the queue */
  #onCookie(arrived: boolean): void {
    if (this.#socket.closed) return;
    // Before the listener takes messages: one that comes when it has taken the last must not be missed.
    const result = native.mq_notifyThrough(this.#mqdes, this.#socket.fd);
    if (result < 0) {
      // The registration is another's: not to be taken back.
      this.#end();
      this.#listener(this.#explain(result));
      return;
    }
    this.#await();
    // While there was no registration a message may have come.
    if (arrived || this.#hasMessages()) this.#listener();
  }

  #hasMessages(): boolean {
    const attributes = native.mq_getattr(this.#mqdes);
    return typeof attributes === 'object' && attributes.mq_curmsgs > 0;
  }
}

/** NOTIFY_WOKENUP of <linux/mqueue.h>. */
const WOKEN_UP = 1;
