// What the methods of SysvSemaphoreSet may be given, and how it is checked.
import { boolean, object, short, size, unsignedShort } from './internal/arguments.js';
import { invalidType, outOfRange } from './internal/errors.js';
import { permissions } from './internal/permissions.js';
import { IPC_CREAT, IPC_EXCL } from './sys/sysv-ipc.js';
import { SEM_UNDO } from './sys/sysv-sem.js';

export interface SysvSemaphoreSetHandleOptions {
  /** Microseconds to try without sleeping before a wait begins, 0 by default. */
  spin?: number | undefined;
}

export interface SysvSemaphoreSetOptions extends SysvSemaphoreSetHandleOptions {
  /** Make the set where there is none; true by default. */
  create?: boolean | undefined;
  /** Fail with EEXIST where there is one. */
  exclusive?: boolean | undefined;
  /** Permissions of a set that is made, 0o600 by default. */
  mode?: number | undefined;
  /** How many semaphores: as many as `initial` has, else 1. */
  count?: number | undefined;
  /** What the semaphores of a set that is made begin with: one value for all, or one for each; 0 by default. */
  initial?: number | readonly number[] | undefined;
}

export interface SysvSemaphoreOperation {
  /** Which semaphore of the set, from 0. */
  index: number;
  /** Less than 0 takes so many, greater than 0 gives so many, 0 waits until there are none. */
  op: number;
  /** Taken back by the kernel when this process ends, however it ends; false by default. */
  undo?: boolean | undefined;
}

export interface SysvSemaphoreUndo {
  /** Taken back by the kernel when this process ends, however it ends; false by default. */
  undo?: boolean | undefined;
}

/** A list of operations as semop takes it. */
export type Operations = readonly (readonly [index: number, op: number, flags: number])[];

const MOST = 32767;

export function openOptions(options: SysvSemaphoreSetOptions | undefined): {
  flags: number;
  count: number;
  initial: readonly number[];
  spin: number;
} {
  const given = object(options, 'options') ?? {};
  const { create = true, exclusive = false, mode = 0o600, initial, spin = 0 } = given;
  const values = typeof initial === 'object' ? valuesOf(initial, 'options.initial') : undefined;
  const { count: most = values?.length ?? 1 } = given;
  const count = size(most, 'options.count', 1);
  if (values !== undefined && values.length !== count) {
    throw outOfRange('options.initial.length', `${count}, as options.count says`, values.length);
  }
  const flags =
    (boolean(create, 'options.create') ? IPC_CREAT : 0) |
    (boolean(exclusive, 'options.exclusive') ? IPC_CREAT | IPC_EXCL : 0) |
    permissions(mode, 'options.mode');
  if (count > 2 ** 31 - 1) throw outOfRange('options.count', 'at most 2147483647', count);
  const every = typeof initial === 'number' ? valueOf(initial, 'options.initial') : 0;
  if (initial !== undefined && typeof initial !== 'number' && values === undefined) {
    throw invalidType('options.initial', 'a number or an array', initial);
  }
  return {
    flags,
    count,
    // No set has more semaphores than can be numbered, whatever the count is.
    initial: values ?? new Array<number>(Math.min(count, 2 ** 16)).fill(every),
    spin: size(spin, 'options.spin'),
  };
}

export function spinOf(options: SysvSemaphoreSetHandleOptions | undefined): number {
  const { spin = 0 } = object(options, 'options') ?? {};
  return size(spin, 'options.spin');
}

/** A value of a semaphore. */
export function valueOf(value: unknown, name: string): number {
  const number = unsignedShort(value, name);
  if (number > MOST) throw outOfRange(name, `from 0 to ${MOST} (SEMVMX)`, value);
  return number;
}

export function valuesOf(values: unknown, name: string): number[] {
  if (!Array.isArray(values)) throw invalidType(name, 'an array', values);
  const checked: number[] = [];
  for (let index = 0; index < values.length; index++)
    checked.push(valueOf(values[index], `${name}[${index}]`));
  return checked;
}

export function operationsOf(ops: unknown): Operations {
  if (!Array.isArray(ops)) throw invalidType('ops', 'an array', ops);
  if (ops.length === 0) throw outOfRange('ops.length', 'at least 1', 0);
  const checked: [number, number, number][] = [];
  for (let place = 0; place < ops.length; place++) {
    const name = `ops[${place}]`;
    const each: unknown = ops[place];
    if (typeof each !== 'object' || each === null) throw invalidType(name, 'an object', each);
    const { index, op, undo } = each as Partial<SysvSemaphoreOperation>;
    checked.push([
      unsignedShort(index, `${name}.index`),
      short(op, `${name}.op`),
      undoFlag(undo, `${name}.undo`),
    ]);
  }
  return checked;
}

/** One operation on one semaphore. `sign`: whether it gives or takes. */
export function operationOf(
  index: unknown,
  n: unknown,
  sign: 1 | -1,
  options: SysvSemaphoreUndo | undefined,
): Operations {
  const number = unsignedShort(index, 'index');
  const count = size(n, 'n', 1);
  if (count > MOST) throw outOfRange('n', `from 1 to ${MOST} (SEMVMX)`, n);
  return [[number, sign * count, undoFlag(object(options, 'options')?.undo, 'options.undo')]];
}

export function waitForZeroOf(index: unknown): Operations {
  return [[unsignedShort(index, 'index'), 0, 0]];
}

function undoFlag(undo: unknown, name: string): number {
  if (undo === undefined) return 0;
  return boolean(undo, name) ? SEM_UNDO : 0;
}
