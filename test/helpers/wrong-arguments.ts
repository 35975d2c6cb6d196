// Arguments that a call must refuse before it is made, by the C type that the argument stands for.
import { expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { type Failure, failure } from './failures.js';

export type Kind =
  'int' | 'short' | 'unsigned' | 'long' | 'size' | 'string' | 'bytes' | 'memory' | 'object' | 'timespec';

const type = 'ERR_INVALID_ARG_TYPE';
const value = 'ERR_INVALID_ARG_VALUE';
const range = 'ERR_OUT_OF_RANGE';

/** What is wrong, the code it is refused by, the value. */
export type Wrong = [what: string, code: string, value: unknown];

const ofNoUse: Wrong[] = [
  ['a boolean', type, true],
  ['null', type, null],
  ['a function', type, () => 1],
  ['a symbol', type, Symbol('1')],
];
const notNumbers: Wrong[] = [
  ...ofNoUse,
  ['a string', type, '1'],
  ['an object', type, {}],
  ['an array', type, [1]],
  ['an object with valueOf', type, { valueOf: () => 1 }],
];
const notIntegers: Wrong[] = [
  ['NaN', range, NaN],
  ['Infinity', range, Infinity],
  ['-Infinity', range, -Infinity],
  ['a fraction', range, 0.5],
  ['the largest double', range, Number.MAX_VALUE],
];
const bigints: Wrong[] = [['a bigint', type, 1n]];

function detached(): Uint8Array {
  const bytes = new Uint8Array(16);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

const notBytes: Wrong[] = [
  ...ofNoUse,
  ['an object', type, {}],
  ['an array', type, [1, 2]],
  ['an ArrayBuffer', type, new ArrayBuffer(8)],
  ['a DataView', type, new DataView(new ArrayBuffer(8))],
  ['a Uint16Array', type, new Uint16Array(4)],
  ['a Uint8ClampedArray', type, new Uint8ClampedArray(8)],
  ['an object like a Buffer', type, { length: 1, 0: 1 }],
  ['a detached Uint8Array', value, detached()],
];

const kinds: Record<Kind, Wrong[]> = {
  int: [
    ...notNumbers,
    ...bigints,
    ...notIntegers,
    ['2^31', range, 2 ** 31],
    ['-2^31 - 1', range, -(2 ** 31) - 1],
    ['2^53', range, 2 ** 53],
  ],
  short: [
    ...notNumbers,
    ...bigints,
    ...notIntegers,
    ['2^15', range, 2 ** 15],
    ['-2^15 - 1', range, -(2 ** 15) - 1],
    ['2^32', range, 2 ** 32],
  ],
  unsigned: [
    ...notNumbers,
    ...bigints,
    ...notIntegers,
    ['-1', range, -1],
    ['-2^31', range, -(2 ** 31)],
    ['2^32', range, 2 ** 32],
    ['2^53', range, 2 ** 53],
  ],
  long: [...notNumbers, ...notIntegers, ['2^63', range, 2 ** 63], ['-2^64', range, -(2 ** 64)]],
  size: [...notNumbers, ...bigints, ...notIntegers, ['-1', range, -1], ['-2^53', range, -(2 ** 53)]],
  string: [
    ...notNumbers.filter(([what]) => what !== 'a string'),
    ['a number', type, 1],
    ['bytes', type, Buffer.from('/name')],
    ['a string with a NUL', value, '/na\0me'],
  ],
  bytes: [...notBytes, ['a number', type, 8]],
  memory: [...notBytes, ['a string', type, 'x'.repeat(16)]],
  object: [...ofNoUse, ['a string', type, 'text'], ['a number', type, 1]],
  timespec: [
    ...ofNoUse.filter(([what]) => what !== 'null'),
    ['a string', type, '1'],
    ['a number', type, 1],
    ['an empty object', type, {}],
    ['a timespec without tv_nsec', type, { tv_sec: 1 }],
    ['a timespec without tv_sec', type, { tv_nsec: 1 }],
    ['seconds of a string', type, { tv_sec: '1', tv_nsec: 0 }],
    ['nanoseconds of null', type, { tv_sec: 1, tv_nsec: null }],
    ['seconds that are NaN', range, { tv_sec: NaN, tv_nsec: 0 }],
    ['a fraction of seconds', range, { tv_sec: 0.5, tv_nsec: 0 }],
    ['infinite seconds', range, { tv_sec: Infinity, tv_nsec: 0 }],
    ['2^63 nanoseconds', range, { tv_sec: 0, tv_nsec: 2 ** 63 }],
  ],
};

export function wrong(kind: Kind): Wrong[] {
  return kinds[kind];
}

/** Calls made from JavaScript programs, where no type stops a wrong argument. */
export function loose(call: string, args: readonly unknown[]): unknown {
  return Reflect.apply(Reflect.get(sys, call) as (...all: unknown[]) => unknown, undefined, args);
}

const names: Record<string, string> = {
  [type]: 'TypeError',
  [value]: 'TypeError',
  [range]: 'RangeError',
};

export function refusal(code: string): Partial<Failure> {
  return { name: names[code] ?? '', code };
}

/** The arguments of a call: a kind, or what is wrong; optional ones have a question mark. */
export type Parameters = Record<string, Kind | `${Kind}?` | Wrong[]>;

/**
 * Every argument of a call wrong in every way, the others right: refused by the code, whatever the descriptor is.
 * What is made for the call can be looked at afterwards.
 */
export function refuses(
  call: string,
  parameters: Parameters,
  good: () => unknown[],
  unharmed: (args: unknown[]) => void = () => undefined,
): void {
  const [first = ''] = Object.keys(parameters);
  const table = Object.entries(parameters).flatMap(([name, parameter], index) => {
    const optional = typeof parameter === 'string' && parameter.endsWith('?');
    const found = typeof parameter === 'string' ? kinds[parameter.replace('?', '') as Kind] : parameter;
    const missing: Wrong[] =
      optional || typeof parameter !== 'string' ? [] : [['undefined', type, undefined]];
    return [...found, ...missing].map(([what, code, wrongValue]): [string, string, number, unknown] => [
      `${what} as ${name}`,
      code,
      index,
      wrongValue,
    ]);
  });
  it.each(table)('refuses %s by %s', (_what, code, index, wrongValue) => {
    const args = good();
    const changed = args.map((each, at) => (at === index ? wrongValue : each));
    expect(failure(() => loose(call, changed))).toMatchObject(refusal(code));
    if (/^(fd|fdIn|oldfd|mqdes)$/.test(first) && index > 0) {
      expect(failure(() => loose(call, [-1, ...changed.slice(1)]))).toMatchObject(refusal(code));
    }
    unharmed(args);
  });
}
