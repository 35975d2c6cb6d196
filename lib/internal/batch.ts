import { IpcError } from './errors.js';

/** Where the messages of a batch come from. */
export interface BatchSource<Message> {
  /** Takes several at once, where they need no decoding. None may only mean that they have no room together. */
  takeSome(most: number): Message[];
  /** Takes one and decodes it; undefined where there is none. */
  takeOne(): Message | undefined;
}

/** Gathers what is there behind a first message, so that nothing that was taken is lost with an error. */
export class Batches {
  /** Of a message that was taken but can't be decoded. */
  #postponed: { error: unknown } | undefined;

  /** Before the next call: throws what a batch has kept for it. */
  throwPostponed(): void {
    const postponed = this.#postponed;
    if (postponed === undefined) return;
    this.#postponed = undefined;
    throw postponed.error;
  }

  /** Keeps an error for the next call, and ends the batch. */
  postpone(error: unknown): void {
    this.#postponed = { error };
  }

  andMore<Message>(first: Message, max: number, source: BatchSource<Message>): Message[] {
    const messages = [first];
    while (messages.length < max && this.#postponed === undefined) {
      const some = source.takeSome(max - messages.length);
      const more = some.length > 0 ? some : this.#another(source);
      if (more.length === 0) break;
      messages.push(...more);
    }
    return messages;
  }

  // A call that fails ends the batch and fails again when it is made next. The error of what would not fail again waits for the
  // next call: a message that can't be decoded has been taken, and the kernel tells of a reset connection once.
  #another<Message>(source: BatchSource<Message>): Message[] {
    try {
      const message = source.takeOne();
      return message === undefined ? [] : [message];
    } catch (error) {
      if (!(error instanceof IpcError) || error.code === 'ECONNRESET') this.postpone(error);
      return [];
    }
  }
}
