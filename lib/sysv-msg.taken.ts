// Messages that have been taken from the queue and not been given to anybody yet.
import { errno } from './internal/errors.js';
import { slab } from './internal/slab.js';
import { BATCH_SLOT, block, detail, ROW, ROWS } from './native/core.js';
import { native, type Receive } from './native/sysv-msg.js';
import { MSG_EXCEPT, MSG_NOERROR } from './sys/sysv-msg.js';
import { explainReceive } from './sysv-msg.errors.js';

const E2BIG = errno('E2BIG');

export interface Taken {
  type: number | bigint;
  data: Buffer;
}

/** Takes messages without waiting, at most `max`; none where there is none, or none that fits into the rest of the slab. */
export function takeMany(msqid: number, call: Receive, max: number): Taken[] {
  const count = native.msgrcvMany(msqid, slab.memory, slab.used, call, Math.min(max, ROWS));
  const taken: Taken[] = [];
  for (let row = 0; row < count; row++) {
    const at = BATCH_SLOT + row * ROW.SLOTS;
    const start = block[at + ROW.OFFSET] as number;
    const size = block[at + ROW.SIZE] as number;
    taken.push({ type: detail(at + ROW.DETAIL), data: slab.memory.subarray(start, start + size) });
    slab.used = start + ((size + 7) & ~7);
  }
  return taken;
}

const holders = new Set<TakenAhead>();

function putAllBack(): void {
  for (const holder of holders) holder.putBack();
}

/** Messages taken ahead, for the calls to come: they get them as msgrcv(2) would have given them. */
export class TakenAhead {
  readonly #putBack: (message: Taken) => void;
  #messages: Taken[] = [];
  #first = 0;

  /** @param putBack gives one message back to the queue */
  constructor(putBack: (message: Taken) => void) {
    this.#putBack = putBack;
  }

  get isEmpty(): boolean {
    return this.#first === this.#messages.length;
  }

  append(messages: Taken[]): void {
    this.#set([...this.#rest(), ...messages]);
  }

  /** Puts back what was taken from the front. */
  prepend(messages: Taken[]): void {
    this.#set([...messages, ...this.#rest()]);
  }

  /** Nobody may come for these any more: they go back unless they are taken before the event loop turns. */
  putBackSoon(): void {
    if (!this.isEmpty) setImmediate(() => this.putBack());
  }

  putBack(): void {
    const messages = this.#rest();
    this.#set([]);
    for (const message of messages) this.#putBack(message);
  }

  take(msqid: number, call: Receive): Taken | undefined {
    const index = this.#find(call);
    const message = this.#messages[index];
    if (message === undefined) return undefined;
    const fits = message.data.length <= call.size;
    if (!fits && (call.flags & MSG_NOERROR) === 0) throw explainReceive(E2BIG, msqid, call.size);
    if (index === this.#first) this.#first++;
    else this.#messages.splice(index, 1);
    if (this.isEmpty) this.#set([]);
    return fits ? message : { type: message.type, data: message.data.subarray(0, call.size) };
  }

  #rest(): Taken[] {
    return this.#messages.slice(this.#first);
  }

  #set(messages: Taken[]): void {
    this.#messages = messages;
    this.#first = 0;
    if (messages.length > 0) {
      // A program may end in the middle of a loop.
      if (holders.size === 0) process.once('exit', putAllBack);
      holders.add(this);
    } else if (holders.delete(this) && holders.size === 0) {
      process.off('exit', putAllBack);
    }
  }

  #find({ type, flags }: Receive): number {
    if (type === 0) return this.#first;
    const rest = this.#rest();
    const first = (matches: (message: Taken) => boolean): number => {
      const index = rest.findIndex(matches);
      return index < 0 ? -1 : this.#first + index;
    };
    // Types may be numbers or bigints, which compare by value only without regard to their kind.
    if (type > 0) {
      const except = (flags & MSG_EXCEPT) !== 0;
      return first((message) => (BigInt(message.type) === BigInt(type)) !== except);
    }
    const most = -BigInt(type);
    let lowest: bigint | undefined;
    for (const { type: candidate } of rest) {
      if (BigInt(candidate) <= most && (lowest === undefined || candidate < lowest))
        lowest = BigInt(candidate);
    }
    return first((message) => BigInt(message.type) === lowest);
  }
}
