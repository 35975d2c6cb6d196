// The contract's text is the list of what must be there; the types are compared in test/types.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';

/** The sections that are done. A family that is added adds its header. */
const done = [
  '<sys/ipc.h>',
  '<sys/msg.h>',
  '<sys/shm.h>',
  '<sys/sem.h>',
  '<mqueue.h>',
  '<sys/mman.h>',
  '<semaphore.h>',
  '<linux/futex.h>',
  '<unistd.h> <fcntl.h> <poll.h>',
  '<sys/socket.h> <sys/un.h>',
];

const text = readFileSync(new URL('../types/contract.d.ts', import.meta.url), 'utf8');
const compared = readFileSync(new URL('../types/sys.ts', import.meta.url), 'utf8');
const sections = text.split(/^\/\/ -{10,} /m).slice(1);

function section(header: string): string {
  const found = sections.find((part) => part.startsWith(header));
  if (found === undefined) throw new Error(`the contract has no section ${header}`);
  return found;
}

const functions = (part: string): string[] => [
  ...new Set([...part.matchAll(/^export function (\w+)/gm)].map(([, name]) => name ?? '')),
];
const constants = (part: string): string[] =>
  [...part.matchAll(/^export const (.*);$/gm)].flatMap(([, list]) =>
    [...(list ?? '').matchAll(/(\w+): number/g)].map(([, name]) => name ?? ''),
  );
const structures = (part: string): string[] =>
  [...part.matchAll(/^export interface (\w+)/gm)].map(([, name]) => name ?? '');

describe.each(done)('%s', (header) => {
  const part = section(header);

  it('is there with every function', () => {
    expect(functions(part).length).toBeGreaterThan(0);
    for (const name of functions(part)) expect(sys).toHaveProperty(name, expect.any(Function));
  });

  it('is there with every constant', () => {
    expect(constants(part).length > 0).toBe(part.includes('export const '));
    for (const name of constants(part)) expect(sys).toHaveProperty(name, expect.any(Number));
  });

  it('is compared name by name in the type test', () => {
    const names = [...functions(part), ...constants(part)].map((name) => `'${name}'`);
    const types = structures(part).map((name) => `sys.${name},`);
    expect([...names, ...types].filter((name) => !compared.includes(name))).toEqual([]);
  });
});
