import { block, core, HELD_LOOP_SLOT, READY_SLOT, WAITS_SLOT } from '../native/core.js';
import { native } from '../native/descriptor.js';
import { errno, IpcError } from './errors.js';
import { keepForItself } from './runtime-descriptors.js';
import { IN_A_ROW, libuv, Wait, type WaitOptions, type Waits } from './waiting.js';

const { POLLIN, POLLOUT, POLLERR, POLLHUP, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL, EPOLLET } =
  native.constants;
const ENOENT = errno('ENOENT');
const ECANCELED = errno('ECANCELED');
const ETIMEDOUT = errno('ETIMEDOUT');

/** What a promise waits for: until its descriptor can be read (POLLIN), or written (POLLOUT). */
export type Direction = number;

/** A call that is made on this thread, again and again, when its descriptor is ready. */
export interface ReadyCall<Result, T> {
  syscall: string;
  /**
   * Makes the call, which must not wait. Undefined where it would have to. What it throws rejects the promise. Runs no code of
   * the caller's: that could end the wait whose result has just been taken.
   */
  attempt(): Result | undefined;
  /** Makes the value of the promise. */
  settle(result: Result): T;
  /** Makes the error of a call that ran out of time (ETIMEDOUT). */
  explain(result: number): Error;
}

interface Watches {
  byNumber: Map<number, Watch>;
  byId: Map<number, Watch>;
  nextId: number;
}

/** Kept on the addon, whose watches they are: a test runner may evaluate this module twice. */
const watches = ((core as { watches?: Watches }).watches ??= {
  byNumber: new Map(),
  byId: new Map(),
  nextId: 0,
});

/** What a line knows of those who stand in it. */
interface Standing {
  /** False where it has to wait on. */
  retry(): boolean;
  cancel(reason: unknown): void;
  readonly syscall: string;
}

class ReadyWait<Result, T> extends Wait<T> implements Standing {
  readonly #line: Line;
  readonly #call: ReadyCall<Result, T>;

  constructor(owner: Waits, line: Line, call: ReadyCall<Result, T>) {
    super(owner);
    this.#line = line;
    this.#call = call;
    line.add(this);
  }

  get syscall(): string {
    return this.#call.syscall;
  }

  retry(): boolean {
    let result: Result | undefined;
    try {
      result = this.#call.attempt();
      if (result === undefined) return false;
    } catch (error) {
      this.#line.delete(this);
      this.end(() => {
        throw error;
      });
      return true;
    }
    const taken = result;
    this.#line.delete(this);
    this.end(() => this.#call.settle(taken));
    return true;
  }

  protected withdraw(): boolean {
    this.#line.delete(this);
    this.#line.serveSoon();
    return true;
  }

  protected timedOut(): Error {
    return this.#call.explain(ETIMEDOUT);
  }
}

/** While the addon tells of descriptors. When that has been heard it lets the loop go by itself where nobody waits again. */
let isTold = false;

/** While there is a wait the event loop stays alive. */
function holdLoop(): void {
  (block[WAITS_SLOT] as number)++;
  if (block[HELD_LOOP_SLOT] === 0) core.holdLoop(true);
}

function letLoopGo(): void {
  if (--(block[WAITS_SLOT] as number) === 0 && !isTold) core.holdLoop(false);
}

/** Those who wait for one direction of one descriptor, served in their order. */
class Line {
  readonly #waits = new Set<Standing>();
  #servedSoon = false;

  get occupied(): boolean {
    return this.#waits.size > 0;
  }

  add(wait: Standing): void {
    this.#waits.add(wait);
    holdLoop();
  }

  delete(wait: Standing): void {
    if (this.#waits.delete(wait)) letLoopGo();
  }

  serve(): void {
    let served = 0;
    for (const wait of this.#waits) {
      if (!wait.retry()) return;
      // The kernel tells of a change once: those left would not be told again.
      if (++served === IN_A_ROW) {
        this.serveSoon();
        return;
      }
    }
  }

  /** What the first in line could not do, the next may: where the first gives up, nobody would tell the next. */
  serveSoon(): void {
    if (!this.occupied || this.#servedSoon) return;
    this.#servedSoon = true;
    setImmediate(() => {
      this.#servedSoon = false;
      this.serve();
    });
  }

  cancelAll(reason: (syscall: string) => unknown): void {
    for (const wait of [...this.#waits]) wait.cancel(reason(wait.syscall));
  }
}

/** A descriptor that somebody has waited for. */
class Watch {
  readonly fd: number;
  readonly id: number;
  readonly readers = new Line();
  readonly writers = new Line();
  /** Those who wait for another descriptor, but need this one too. */
  readonly dependents = new Set<Standing>();
  /** What the kernel tells of now; undefined while it does not know of this. */
  #armed: number | undefined;

  constructor(fd: number, id: number) {
    this.fd = fd;
    this.id = id;
  }

  line(direction: Direction): Line {
    return direction === POLLOUT ? this.writers : this.readers;
  }

  get #wanted(): number {
    return (this.readers.occupied ? POLLIN : 0) | (this.writers.occupied ? POLLOUT : 0);
  }

  /** Sees to it that the kernel tells of changes from now on, and of what is so already. */
  arm(direction: Direction): void {
    if (this.#armed !== undefined && (this.#armed & direction) !== 0) return;
    this.#tell(this.#wanted | direction);
  }

  /**
   * Told by the kernel. Where nobody waits any more it is asked to be silent: a peer that goes on sending would wake
   * this loop for nothing each time. Not sooner, since whoever has just been answered usually waits again at once.
   */
  onReady(events: number): void {
    const wanted = this.#wanted;
    if ((events & ~POLLOUT) !== 0) this.readers.serve();
    if ((events & (POLLOUT | POLLERR | POLLHUP)) !== 0) this.writers.serve();
    if (wanted !== 0 || this.#armed === 0) return;
    this.#armed = 0;
    // It fails where the descriptor was closed beneath this package.
    if (this.#control(EPOLL_CTL_MOD, 0) < 0) endWaits(this.fd);
  }

  /** Whether the number means another open file by now. */
  get stale(): boolean {
    return this.#armed !== undefined && this.#control(EPOLL_CTL_MOD, this.#armed) === ENOENT;
  }

  /** Before the descriptor is closed: from then on its number may mean another. */
  end(reason: (syscall: string) => unknown): void {
    if (this.#armed !== undefined) this.#control(EPOLL_CTL_DEL, 0);
    this.#armed = undefined;
    this.readers.cancelAll(reason);
    this.writers.cancelAll(reason);
    for (const wait of [...this.dependents]) wait.cancel(reason(wait.syscall));
  }

  #tell(events: number): void {
    let result = ENOENT;
    if (this.#armed !== undefined) result = this.#control(EPOLL_CTL_MOD, events);
    if (result === ENOENT) {
      // Closed under this package's feet, and opened anew: those who waited, waited for something else.
      if (this.#armed !== undefined) this.end(closedMeanwhile(this.fd));
      result = this.#control(EPOLL_CTL_ADD, events);
      for (const fd of core.watchDescriptors()) keepForItself(fd);
    }
    if (result < 0) throw new IpcError(result, 'epoll_ctl');
    this.#armed = events;
  }

  #control(operation: number, events: number): number {
    return core.watch(operation, this.fd, events | EPOLLET, this.id);
  }
}

core.onReady((rows) => {
  isTold = true;
  try {
    for (let row = 0; row < rows; row++) {
      const at = READY_SLOT + row * 2;
      watches.byId.get(block[at] as number)?.onReady(block[at + 1] as number);
    }
  } finally {
    isTold = false;
  }
}, libuv);

function watchOf(fd: number): Watch {
  const known = watches.byNumber.get(fd);
  if (known !== undefined) return known;
  // Never the number of an earlier watch, of which the kernel may still have something to tell.
  const watch = new Watch(fd, watches.nextId++);
  watches.byNumber.set(fd, watch);
  watches.byId.set(watch.id, watch);
  return watch;
}

function closedMeanwhile(fd: number): (syscall: string) => IpcError {
  const reason = `descriptor ${fd} was closed while this call waited for it`;
  return (syscall) => new IpcError(ECANCELED, syscall, { reason });
}

/** Whether somebody waits for the descriptor already. */
export function isAwaited(fd: number, direction: Direction): boolean {
  return watches.byNumber.get(fd)?.line(direction).occupied ?? false;
}

/** Tries again what waits. */
export function serve(fd: number, direction: Direction): void {
  watches.byNumber.get(fd)?.line(direction).serve();
}

/**
 * A promise of what the call gives once the descriptor is ready, behind those who wait for it already. It ends with its
 * descriptor, and with the one that the call needs besides.
 */
export function waitUntilReady<Result, T>(
  fd: number,
  direction: Direction,
  call: ReadyCall<Result, T>,
  waits: Waits,
  options: WaitOptions,
  besides?: number,
): Promise<T> {
  const watch = watchOf(fd);
  watch.arm(direction);
  const wait = new ReadyWait(waits, watch.line(direction), call);
  if (besides !== undefined) {
    const { dependents } = watchOf(besides);
    dependents.add(wait);
    const forget = (): void => void dependents.delete(wait);
    wait.promise.then(forget, forget);
  }
  wait.watch(options);
  return wait.promise;
}

/** Before a descriptor is closed, or its number given to another: ends all waits for it. */
export function endWaits(fd: number): void {
  const watch = watches.byNumber.get(fd);
  if (watch === undefined) return;
  watches.byNumber.delete(watch.fd);
  watches.byId.delete(watch.id);
  watch.end(closedMeanwhile(fd));
}

/** When an object begins to use a number: ends waits for another descriptor that had it and was closed unseen. */
export function endStaleWaits(fd: number): void {
  const watch = watches.byNumber.get(fd);
  if (watch?.stale === true) endWaits(fd);
}
