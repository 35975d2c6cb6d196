import { core } from '../native/core.js';

interface ErrorNumber {
  code: string;
  description: string;
}

const numbers = new Map<number, ErrorNumber>();
const codes = new Map<string, number>();
for (const [number, code, description] of core.errorTable()) {
  numbers.set(number, { code, description });
  codes.set(code, number);
}

/** What a failed call was made on, and why it probably failed. */
export interface ErrorContext {
  /** In place of the C library's description. */
  reason?: string | undefined;
  path?: string | undefined;
  key?: number | undefined;
  id?: number | undefined;
  bytesWritten?: number | undefined;
}

/** Why a call that waits on the caller's own thread is cut short. */
export const INTERRUPTED =
  'a signal handler ran while the call waited; its JavaScript part runs when this returns. Call again to go on waiting';

/** A system call failed, or a wait was ended. Told apart by `code`. */
export class IpcError extends Error {
  /** The name of the error number, such as 'EIDRM'. */
  readonly code: string;
  /** The error number, negative as in all errors of Node. */
  readonly errno: number;
  /** The C name of the call. */
  readonly syscall: string;
  /** The path or name that the call was given. */
  declare readonly path?: string;
  /** The System V key that the call was given. */
  declare readonly key?: number;
  /** The System V identifier that the call was given. */
  declare readonly id?: number;
  /** How much of the data had been written when the call failed, where that is more than nothing. */
  declare readonly bytesWritten?: number;

  /** @internal Made by this package alone. */
  constructor(errno: number, syscall: string, context: ErrorContext = {}) {
    const { code, description } = numbers.get(-errno) ?? { code: `E${-errno}`, description: 'Unknown error' };
    // A name in the abstract namespace of sockets has NUL characters, which are shown as other programs show them.
    const on = context.path === undefined ? '' : ` '${context.path.replaceAll('\0', '@')}'`;
    super(`${code}: ${context.reason ?? description}, ${syscall}${on}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    if (context.path !== undefined) this.path = context.path;
    if (context.key !== undefined) this.key = context.key;
    if (context.id !== undefined) this.id = context.id;
    if (context.bytesWritten !== undefined) this.bytesWritten = context.bytesWritten;
  }

  static {
    // Not a property of every instance, as with the built-in errors.
    Object.defineProperty(this.prototype, 'name', { value: 'IpcError', configurable: true, writable: true });
  }
}

/** The negative number of an error, such as errno('EAGAIN'). */
export function errno(code: string): number {
  const number = codes.get(code);
  if (number === undefined) throw new Error(`no error number is called ${code}`);
  return -number;
}

function withCode<E extends Error>(error: E, code: string): E & { code: string } {
  return Object.assign(error, { code });
}

/** Says what a value is without calling into it: it may be a Proxy or have getters that throw. */
function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`;
    case 'bigint':
      return `${value}n`;
    case 'object':
      return value === null ? 'null' : 'an object';
    case 'function':
      return 'a function';
    default:
      return String(value);
  }
}

export function invalidType(name: string, expected: string, value: unknown): TypeError {
  const message = `The "${name}" argument must be ${expected}. Received ${describe(value)}`;
  return withCode(new TypeError(message), 'ERR_INVALID_ARG_TYPE');
}

export function invalidValue(name: string, reason: string): TypeError {
  return withCode(new TypeError(`The "${name}" argument ${reason}`), 'ERR_INVALID_ARG_VALUE');
}

export function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${describe(value)}`;
  return withCode(new RangeError(message), 'ERR_OUT_OF_RANGE');
}

export function invalidState(message: string): Error {
  return withCode(new Error(message), 'ERR_INVALID_STATE');
}

/** An error of this package that is neither a failed call nor a caller's mistake. */
export function failure(code: string, message: string, fields: object = {}): Error {
  return Object.assign(withCode(new Error(message), code), fields);
}
