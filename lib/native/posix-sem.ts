import { family } from '../internal/binding.js';
import { errno } from '../internal/errors.js';
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

const EAGAIN = errno('EAGAIN');
const EINVAL = errno('EINVAL');
const EOVERFLOW = errno('EOVERFLOW');

const { SEM_VALUE_MAX, SEM_VALUE_WORD: VALUE, SEM_WAITERS_WORD: WAITERS } = addon.constants;
/** Whether the C library's own steps can be made here: a call costs more than they do. */
const KNOWN = VALUE >= 0;
/** On these processors nothing that is read comes from before an atomic addition that precedes it. */
const ORDERED = process.arch === 'x64' || process.arch === 'ia32';
const { add, compareExchange, load, sub } = Atomics;

function post(words: Int32Array): number {
  if (!KNOWN) return words.length === 0 ? EINVAL : call('semPost', words);
  let before: number;
  try {
    before = add(words, VALUE, 1);
  } catch {
    // There is no such word any more.
    return EINVAL;
  }
  // Looked at afterwards, since each read of a word that was just changed takes its time. Less than 0 is more than all, of
  // another that has added meanwhile.
  if (before === SEM_VALUE_MAX || before < 0) {
    sub(words, VALUE, 1);
    return EOVERFLOW;
  }
  // After the addition: who begins to wait counts itself first, then looks at the value.
  return (ORDERED ? words[WAITERS] : load(words, WAITERS)) === 0 ? 0 : call('semWake', words);
}

function tryWait(words: Int32Array): number {
  const first = words[KNOWN ? VALUE : 0];
  if (first === undefined) return EINVAL;
  if (!KNOWN) return call('semTrywait', words);
  let value: number = first;
  while (value > 0) {
    const found: number = compareExchange(words, VALUE, value, value - 1);
    if (found === value) return 0;
    value = found;
  }
  return value === 0 ? EAGAIN : call('semTrywait', words);
}

function wait(words: Int32Array): number {
  const tried = tryWait(words);
  return tried === EAGAIN ? call('sem_wait', words) : tried;
}

/** Words of which there are none, of a semaphore that has ended, give EINVAL. */
const steps = { post, tryWait, wait };

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
  ...steps,

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
