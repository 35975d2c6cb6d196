import { family } from '../internal/binding.js';
import { block as shared, filled, result, setLong } from './core.js';

const block = shared;

/** native/posix-sem.cc. The words are those of a sem_t. Numbers and results cross in the block. */
interface Addon {
  /** An ArrayBuffer over the semaphore. */
  semOpen: (name: string, oflag: number, mode: number, value: number) => ArrayBuffer | number;
  semUnlink: (name: string) => number;
  semInit: (words: Int32Array) => void;
  semDestroy: (words: Int32Array) => void;
  semPost: (words?: Int32Array) => void;
  semWake: (words?: Int32Array) => void;
  semTrywait: (words?: Int32Array) => void;
  semTimedwait: (words: Int32Array) => void;
  semGetvalue: (words: Int32Array) => void;
  sem_wait: (words?: Int32Array) => void;
  sem_waitWithin: (words: Int32Array) => void;
  sem_waitLater: (words: Int32Array) => void;
  constants: Record<
    'SIZEOF_SEM_T' | 'ALIGNOF_SEM_T' | 'SEM_VALUE_MAX' | 'SEM_VALUE_WORD' | 'SEM_WAITERS_WORD',
    number
  >;
}

const addon = family('posix-sem') as Addon;

function call(name: 'semPost' | 'semWake' | 'semTrywait' | 'sem_wait', words: Int32Array): number {
  if (filled.has(words)) {
    addon[name]();
  } else {
    addon[name](words);
    filled.keep(words);
  }
  return result();
}

function callWith(name: 'semInit' | 'semDestroy' | 'semGetvalue', words: Int32Array): number {
  addon[name](words);
  return result();
}

/** Results are -errno where a call failed. A …Later call gives minus a ticket where it has to wait. */
export const native = {
  constants: addon.constants,
  semOpen: addon.semOpen,
  semUnlink: addon.semUnlink,

  init(words: Int32Array, value: number): number {
    block[0] = value;
    return callWith('semInit', words);
  },
  destroy: (words: Int32Array): number => callWith('semDestroy', words),
  value: (words: Int32Array): number => callWith('semGetvalue', words),
  post: (words: Int32Array): number => call('semPost', words),
  /** Wakes one that waits, where the value has been raised already. */
  wake: (words: Int32Array): number => call('semWake', words),
  tryWait: (words: Int32Array): number => call('semTrywait', words),
  wait: (words: Int32Array): number => call('sem_wait', words),

  timedWait(words: Int32Array, seconds: number, nanoseconds: number): number {
    setLong(0, seconds);
    setLong(1, nanoseconds);
    addon.semTimedwait(words);
    return result();
  },

  /** Waits at most `timeout` milliseconds (negative: for ever), after `spin` microseconds without sleep. */
  waitWithin(words: Int32Array, timeout: number, spin: number): number {
    block[0] = timeout;
    block[1] = spin;
    addon.sem_waitWithin(words);
    return result();
  },

  waitLater(words: Int32Array, spin: number): number {
    block[0] = spin;
    addon.sem_waitLater(words);
    return result();
  },
};
