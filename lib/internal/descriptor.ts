import { native } from '../native/descriptor.js';
import { errno, INTERRUPTED, invalidState, IpcError } from './errors.js';
import { endStaleWaits, endWaits, isAwaited, waitUntilReady, type Direction } from './readiness.js';
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
  /**
   * Makes the call. Undefined where it did not do what it should because it must not wait, which it may only where `wait` is
   * true, nor did because the descriptor has O_NONBLOCK. Runs no code of the caller's.
   */
  attempt(wait: boolean): Result | undefined;
  /** Makes the value of what the call gave. */
  settle(result: Result): T;
  /** Makes the error of a call that failed, was interrupted (EINTR) or ran out of time (ETIMEDOUT). */
  explain(result: number): Error;
}

/** How a call may wait: `timeout` milliseconds at most, `spin` microseconds of them without sleep. */
export interface BlockOptions {
  timeout: number | undefined;
  spin: number;
}

/** An open descriptor that belongs to an object, and what waits for it. */
export class Descriptor {
  readonly fd: number;
  readonly #owner: string;
  readonly #waits = new Waits();
  #open = true;
  /** Whether calls that must not wait say so by themselves: where the kernel can't, O_NONBLOCK has been set. */
  #nonBlocking = false;

  /** @param owner the class it belongs to, for errors */
  constructor(fd: number, owner: string) {
    this.fd = fd;
    this.#owner = owner;
    endStaleWaits(fd);
    native.own(madeHere(fd), true);
  }

  get closed(): boolean {
    return !this.#open;
  }

  checkOpen(): void {
    if (!this.#open) throw invalidState(`The ${this.#owner} is closed`);
  }

  /** read(2). Without `wait` it does not wait: -EAGAIN. */
  read(into: Uint8Array, offset: number, size: number, wait: boolean): number {
    const itself = wait || this.#nonBlocking;
    const result = native.read(this.fd, into, offset, size, itself);
    if (result !== EOPNOTSUPP || itself) return result;
    this.setNonBlocking();
    return native.read(this.fd, into, offset, size, true);
  }

  /** write(2) of the bytes from `offset` on. Without `wait` it does not wait: -EAGAIN. */
  write(data: Uint8Array, offset: number, wait: boolean): number {
    const itself = wait || this.#nonBlocking;
    const result = native.write(this.fd, data, offset, itself);
    if (result !== EOPNOTSUPP || itself) return result;
    this.setNonBlocking();
    return native.write(this.fd, data, offset, true);
  }

  /** The flag is the open file's: other processes that have it see it too. */
  setNonBlocking(): void {
    const flags = native.fcntl(this.fd, F_GETFL, 0);
    if (flags >= 0) native.fcntl(this.fd, F_SETFL, flags | O_NONBLOCK);
    this.#nonBlocking = true;
  }

  get hasNonBlocking(): boolean {
    const flags = native.fcntl(this.fd, F_GETFL, 0);
    return flags >= 0 && (flags & O_NONBLOCK) !== 0;
  }

  /** Whether promises wait for it already. */
  isAwaited(direction: Direction): boolean {
    return isAwaited(this.fd, direction);
  }

  /** The blocking variant. */
  block<Result, T>(operation: Operation<Result, T>, { timeout, spin }: BlockOptions): T {
    const start = timeout === undefined && spin === 0 ? 0 : performance.now();
    const deadline = timeout === undefined ? Infinity : start + timeout;
    let result: Result | undefined;
    if (timeout !== undefined || spin > 0) {
      const end = Math.min(start + spin / 1000, deadline);
      do result = operation.attempt(false);
      while (result === undefined && spin > 0 && performance.now() < end);
    }
    while (result === undefined) {
      // Where there is no time limit the call waits itself, unless the descriptor has O_NONBLOCK.
      if (deadline === Infinity) result = operation.attempt(true);
      if (result !== undefined) break;
      this.#sleep(operation, deadline);
      if (deadline !== Infinity) result = operation.attempt(false);
    }
    return operation.settle(result);
  }

  #sleep<Result, T>(operation: Operation<Result, T>, deadline: number): void {
    const left = deadline === Infinity ? -1 : deadline - performance.now();
    if (deadline !== Infinity && left <= 0) throw operation.explain(ETIMEDOUT);
    const happened = native.pollOne(this.fd, operation.direction, left);
    if (happened < 0) throw operation.explain(happened);
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
      let result = operation.attempt(false);
      if (result === undefined && spin > 0) {
        const end = performance.now() + spin / 1000;
        while (result === undefined && performance.now() < end) result = operation.attempt(false);
      }
      if (result !== undefined) return soon(operation.settle(result));
    }
    const call = {
      syscall: operation.syscall,
      attempt: () => operation.attempt(false),
      settle: (result: Result) => operation.settle(result),
      timedOut: () => operation.explain(ETIMEDOUT),
    };
    return waitUntilReady(this.fd, direction, call, waits, options);
  }

  /** For what waits as a part of the object, such as an iteration. */
  part(): Waits {
    return new Waits(this.#waits);
  }

  close(): void {
    if (!this.#open) return;
    this.release('closed');
    native.close(this.fd);
    forget(this.fd);
  }

  /** Ends the object's use of the descriptor, which stays open. */
  release(how: string): number {
    this.checkOpen();
    this.#open = false;
    const reason = `the ${this.#owner} was ${how} while this call waited`;
    const ended = (syscall: string): IpcError => new IpcError(ECANCELED, syscall, { reason });
    this.#waits.cancelAll(ended);
    endWaits(this.fd, ended);
    native.own(this.fd, false);
    return this.fd;
  }
}

/** Undefined for what only says that the call must not wait. */
export function unlessAgain(result: number, explain: (result: number) => Error): number | undefined {
  if (result >= 0) return result;
  if (result === EAGAIN) return undefined;
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
