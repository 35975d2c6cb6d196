import { native } from '../native/descriptor.js';
import { errno, INTERRUPTED, invalidState, IpcError } from './errors.js';
import { endStaleWaits, endWaits, isAwaited, serve, waitUntilReady, type Direction } from './readiness.js';
import { forget, madeHere } from './runtime-descriptors.js';
import { soon, type WaitOptions, Waits } from './waiting.js';

const { F_GETFL, F_SETFL, O_NONBLOCK } = native.constants;

export const { POLLIN, POLLOUT } = native.constants;

const EAGAIN = errno('EAGAIN');
const EBADF = errno('EBADF');
const EINTR = errno('EINTR');
const EOPNOTSUPP = errno('EOPNOTSUPP');
const ECANCELED = errno('ECANCELED');
const ETIMEDOUT = errno('ETIMEDOUT');

/** A call on a descriptor that may have to wait. */
export interface Operation<Result, T> {
  syscall: string;
  direction: Direction;
  /** Makes the call, which must not wait. Undefined where it would have to. Runs no code of the caller's. */
  attempt(): Result | undefined;
  /** Makes the value of what the call gave. */
  settle(result: Result): T;
  /** Another descriptor that the call needs. */
  besides?: number;
  /** Which descriptor the blocking variant waits for where that may be another; undefined where the call is to be made again at once. */
  awaits?(): number | undefined;
  /** Makes the error of a call that failed, was interrupted (EINTR) or ran out of time (ETIMEDOUT). */
  explain(result: number): Error;
}

/** How a call may wait: `timeout` milliseconds at most, `spin` microseconds of them without sleep. */
export interface BlockOptions {
  timeout: number | undefined;
  spin: number;
}

/** The objects to which a descriptor belongs, by its number. */
const owners = new Map<number, Set<Descriptor>>();

function addOwner(fd: number, owner: Descriptor): void {
  const known = owners.get(fd);
  if (known === undefined) owners.set(fd, new Set([owner]));
  else known.add(owner);
}

function removeOwner(fd: number, owner: Descriptor): void {
  const known = owners.get(fd);
  if (known?.delete(owner) === true && known.size === 0) owners.delete(fd);
}

/** Before a descriptor is closed by its number, or the number given to another: ends its objects and all waits for it. */
export function takeAway(fd: number): void {
  for (const owner of [...(owners.get(fd) ?? [])]) owner.abandon();
  endWaits(fd);
}

/** An open descriptor that belongs to an object, and what waits for it. */
export class Descriptor {
  readonly fd: number;
  readonly #owner: string;
  readonly #waits = new Waits();
  #open = true;
  /**
   * Where the kernel can't be asked not to wait in a call: another open file of the same pipe, which has O_NONBLOCK. On the
   * descriptor itself everybody who has a copy would see the flag, and may take it away: libuv does so with what it gives
   * children as their standard input and output, and the next call would block this thread. Where no other can be had, the
   * descriptor itself.
   */
  #nonBlocking: number | undefined;

  /** @param owner the class it belongs to, for errors */
  constructor(fd: number, owner: string) {
    this.fd = fd;
    this.#owner = owner;
    endStaleWaits(fd);
    addOwner(fd, this);
    native.own(madeHere(fd), true);
  }

  get closed(): boolean {
    return !this.#open;
  }

  checkOpen(): void {
    if (!this.#open) throw invalidState(`The ${this.#owner} is closed`);
  }

  /** read(2), which does not wait: -EAGAIN. */
  read(into: Uint8Array, offset: number, size: number): number {
    if (this.#nonBlocking === undefined) {
      const result = native.read(this.fd, into, offset, size, false);
      if (result !== EOPNOTSUPP) return result;
    }
    return native.read(this.#nonBlockingOne(), into, offset, size, true);
  }

  /** write(2) of the bytes from `offset` on, which does not wait: -EAGAIN. */
  write(data: Uint8Array, offset: number): number {
    if (this.#nonBlocking === undefined) {
      const result = native.write(this.fd, data, offset, false);
      if (result !== EOPNOTSUPP) return result;
    }
    return native.write(this.#nonBlockingOne(), data, offset, true);
  }

  #nonBlockingOne(): number {
    if (this.#nonBlocking === undefined) {
      const another = native.reopen(this.fd);
      if (another >= 0) native.own(madeHere(another), true);
      this.#nonBlocking = another >= 0 ? another : this.fd;
    }
    // Each time, since somebody may have taken the flag away.
    if (this.#nonBlocking === this.fd) {
      const flags = native.fcntl(this.fd, F_GETFL, 0);
      if (flags >= 0 && (flags & O_NONBLOCK) === 0) native.fcntl(this.fd, F_SETFL, flags | O_NONBLOCK);
    }
    return this.#nonBlocking;
  }

  /** Whether promises wait for it already. */
  isAwaited(direction: Direction): boolean {
    return isAwaited(this.fd, direction);
  }

  /**
   * The blocking variant. Sleeps in poll(2), which ends with EINTR when a handler runs, whereas the kernel would make the call
   * itself anew after the handlers of process.on(): Ctrl+C would do nothing.
   */
  block<Result, T>(operation: Operation<Result, T>, { timeout, spin }: BlockOptions): T {
    // Reading the options may have run the caller's code.
    this.checkOpen();
    const limited = timeout !== undefined;
    const start = limited || spin > 0 ? performance.now() : 0;
    const deadline = limited ? start + timeout : Infinity;
    let result = operation.attempt();
    const end = Math.min(start + spin / 1000, deadline);
    while (result === undefined && spin > 0 && performance.now() < end) result = operation.attempt();
    while (result === undefined) {
      const left = limited ? deadline - performance.now() : -1;
      if (limited && left <= 0) throw operation.explain(ETIMEDOUT);
      const awaited = operation.awaits === undefined ? this.fd : operation.awaits();
      const happened = awaited === undefined ? 0 : native.pollOne(awaited, operation.direction, left);
      if (happened < 0) throw operation.explain(happened);
      result = operation.attempt();
    }
    return operation.settle(result);
  }

  /** The promise variant. */
  later<Result, T>(
    operation: Operation<Result, T>,
    options: WaitOptions,
    spin: number,
    waits = this.#waits,
  ): T | Promise<T> {
    // Reading the options may have run the caller's code.
    this.checkOpen();
    const { direction } = operation;
    if (!isAwaited(this.fd, direction)) {
      let result = operation.attempt();
      if (result === undefined && spin > 0) {
        const end = performance.now() + spin / 1000;
        while (result === undefined && performance.now() < end) result = operation.attempt();
      }
      if (result !== undefined) return soon(operation.settle(result));
    }
    return waitUntilReady(this.fd, direction, operation, waits, options, operation.besides);
  }

  /** For what waits as a part of the object, such as an iteration; of another's too where it needs both. */
  part(other?: Descriptor): Waits {
    return other === undefined ? new Waits(this.#waits) : new Waits(this.#waits, other.#waits);
  }

  /** Tries again what waits, when something else it waited for is there. */
  serve(direction: Direction): void {
    serve(this.fd, direction);
  }

  close(): void {
    if (!this.#open) return;
    this.#end('closed');
    // Other objects of the same number have lost it too.
    takeAway(this.fd);
    native.close(this.fd);
    forget(this.fd);
  }

  /** Ends the object's use of the descriptor, which stays open. */
  release(how: string): number {
    this.checkOpen();
    this.#end(how);
    native.own(this.fd, false);
    return this.fd;
  }

  /** When somebody else closes the descriptor: its number is not this object's any more. */
  abandon(): void {
    this.#end('deprived of its descriptor');
    native.own(this.fd, false);
  }

  #end(how: string): void {
    this.#open = false;
    removeOwner(this.fd, this);
    const reason = `the ${this.#owner} was ${how} while this call waited`;
    this.#waits.cancelAll((syscall) => new IpcError(ECANCELED, syscall, { reason }));
    if (this.#nonBlocking !== undefined && this.#nonBlocking !== this.fd) {
      native.close(this.#nonBlocking);
      forget(this.#nonBlocking);
    }
  }
}

/** Undefined for what only says that the call must not wait. */
export function unlessAgain(result: number, explain: (result: number) => Error): number | undefined {
  if (result >= 0) return result;
  // ETIMEDOUT of a call whose time limit is its way of not waiting.
  if (result === EAGAIN || result === ETIMEDOUT) return undefined;
  throw explain(result);
}

/** Why a call on a descriptor failed, where that is the same for all of them. */
export function commonReason(result: number, fd: number): string | undefined {
  switch (result) {
    case EINTR:
      return INTERRUPTED;
    case EBADF:
      return `descriptor ${fd} is not open, or not for this`;
    default:
      return undefined;
  }
}

/** Gives up what waits in an iteration. */
export function endPart(waits: Waits): void {
  waits.cancelAll((syscall) => new IpcError(ECANCELED, syscall));
}
