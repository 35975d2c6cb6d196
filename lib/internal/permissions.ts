import { int } from './arguments.js';
import { outOfRange } from './errors.js';

/** Permissions that a new object is given. */
export function permissions(mode: unknown, name: string): number {
  const bits = int(mode, name);
  if (bits < 0 || bits > 0o777) throw outOfRange(name, 'permissions from 0o000 to 0o777', mode);
  return bits;
}

/** Whose an object is and who this process is, for the error of one that lacks a permission. */
export function ownership(
  what: string,
  { uid, gid, mode }: { uid: number; gid: number; mode: number },
): string {
  // As chmod takes it.
  const octal = `0${(mode & 0o777).toString(8).padStart(3, '0')}`;
  return `${what} belongs to uid ${uid}, gid ${gid} and has mode ${octal}; this process has uid ${process.geteuid?.()}, gid ${process.getegid?.()}`;
}
