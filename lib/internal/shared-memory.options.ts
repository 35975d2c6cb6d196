import { boolean, object } from './arguments.js';

export interface SharedMemoryOpenOptions {
  /** Neither this object nor its views can change the memory; false by default. */
  readOnly?: boolean | undefined;
}

export function isReadOnly(options: SharedMemoryOpenOptions | undefined): boolean {
  const { readOnly = false } = object(options, 'options') ?? {};
  return boolean(readOnly, 'options.readOnly');
}
