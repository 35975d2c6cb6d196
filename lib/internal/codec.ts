import { types } from 'node:util';
import { bytes, type Bytes } from './arguments.js';
import { failure, invalidType, invalidValue } from './errors.js';

/** Turns values into payload and back. */
export interface Codec<T> {
  encode(value: T): Bytes;
  decode(data: Buffer): T;
}

/** How an object codes its data: the name of a codec of this package, or one of the caller's. */
export type CodecOption<T> = 'utf8' | 'json' | Codec<T>;

const utf8: Codec<string> = { encode: (value) => value, decode: (data) => data.toString() };
const json: Codec<unknown> = {
  encode(value) {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined)
      throw invalidValue('data', 'has no JSON form (undefined, a function or a symbol)');
    return text;
  },
  decode: (data) => JSON.parse(data.toString()) as unknown,
};

/** The codec that an option names; undefined for bytes as they are. */
export function codec<T>(option: unknown): Codec<T> | undefined {
  return choose(option) as Codec<T> | undefined;
}

function choose(option: unknown): unknown {
  if (option === undefined) return undefined;
  if (option === 'utf8') return utf8;
  if (option === 'json') return json;
  if (typeof option === 'object' && option !== null && !types.isProxy(option)) {
    const { encode, decode } = option as Partial<Codec<unknown>>;
    if (typeof encode === 'function' && typeof decode === 'function') return option;
  }
  throw invalidType('options.codec', "'utf8', 'json' or an object with encode and decode", option);
}

export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  return bytes(codec.encode(value), 'data');
}

/** Decodes what the kernel has already given away: where that fails, the error carries it. */
export function decode<T>(codec: Codec<T>, data: Buffer, fields: object): T {
  try {
    return codec.decode(data);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw failure('ERR_DECODE', `The data received could not be decoded: ${reason}`, {
      cause,
      data,
      ...fields,
    });
  }
}
