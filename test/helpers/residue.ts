// Runs around every test file: threads asleep in a call of the package, descriptors and mappings of shared memory that a
// file leaves behind fail it.
import { readdirSync, readlinkSync } from 'node:fs';
import { EventFd } from 'unix-ipc';
import { afterAll, beforeAll } from 'vitest';
import { asleepInAny } from './kernel.js';
import { sharedMaps } from './mappings.js';
import { until } from './until.js';

function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      // The descriptor of the listing itself is closed by now.
      return [];
    }
  });
}

let before: Set<string>;
let mapsBefore: Set<string>;

beforeAll(async () => {
  // What the package needs for readiness is made with the first wait and stays.
  using event = EventFd.create();
  const waiting = event.wait();
  event.signalSync();
  await waiting;
  before = new Set(descriptors());
  mapsBefore = new Set(sharedMaps());
});

afterAll(async () => {
  await until('every thread has left the calls that the package waits in', () => asleepInAny() === 0);
  const more = (): string[] => descriptors().filter((entry) => !before.has(entry));
  await until('descriptors are closed', () => more().length === 0, 2_000).catch((error: unknown) => {
    throw new Error(`descriptors left open: ${more().join(', ')}`, { cause: error });
  });
  // What nobody holds any more goes with its buffer.
  const moreMaps = (): string[] => sharedMaps().filter((line) => !mapsBefore.has(line));
  const collected = (): boolean => {
    if (moreMaps().length === 0) return true;
    globalThis.gc?.();
    return false;
  };
  await until('mappings are gone', collected, 2_000).catch((error: unknown) => {
    throw new Error(`mappings left: ${moreMaps().join('\n')}`, { cause: error });
  });
});
