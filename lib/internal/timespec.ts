import { integer } from './arguments.js';
import { invalidType } from './errors.js';

/** A time: seconds since 1970 where it is an absolute one. */
export interface timespec {
  tv_sec: number;
  tv_nsec: number;
}

/** An argument that is a struct timespec. What it means the kernel judges. */
export function time(value: unknown, name: string): timespec {
  if (typeof value !== 'object' || value === null) {
    throw invalidType(name, 'an object with tv_sec and tv_nsec', value);
  }
  const { tv_sec, tv_nsec } = value as Partial<timespec>;
  return { tv_sec: integer(tv_sec, `${name}.tv_sec`), tv_nsec: integer(tv_nsec, `${name}.tv_nsec`) };
}
