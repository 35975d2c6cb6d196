// What a program may do with shared memory of shmat and of mmap: nothing of it ends the process or reaches memory that is
// not its own. And what is not this package's business still ends it.
import { describe, expect, it } from 'vitest';
import { cases as detached } from './fixtures/detached-memory.js';
import { cases as faulting } from './fixtures/faulting-memory.js';
import { cases as waits } from './fixtures/faulting-waits.js';
import { passesEach } from './helpers/cases.js';
import { compiled, compiledAddon } from './helpers/compile.js';
import { Peer, fixture, nodeProgram } from './helpers/peers.js';

// A case runs it.
compiled('posix-shm-peer');

describe('memory that is detached', () => {
  passesEach('detached-memory.js', detached);
});

describe('memory that is not there, or not to be written', () => {
  passesEach('faulting-memory.js', faulting);
});

describe('promises that wait at memory that is not there any more, or not to be written', () => {
  passesEach('faulting-waits.js', waits);
});

/** A process in which a sanitizer leaves a fault to whoever has a handler, and to the kernel. */
function faultingProgram(kind: string, thread: string): Peer {
  const addon = compiledAddon('faulting');
  if (process.env['UNIX_IPC_TEST_SANITIZER'] === undefined)
    return nodeProgram('fault.js', kind, addon, thread);
  const signals = ['segv', 'sigbus', 'sigill', 'sigfpe', 'abort'].map((name) => `handle_${name}=0`).join(':');
  const environment = { ...process.env };
  delete environment['NODE_OPTIONS'];
  for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS']) {
    environment[name] = [environment[name], signals].filter(Boolean).join(':');
  }
  return new Peer(process.execPath, [fixture('fault.js'), kind, addon, thread], environment);
}

describe('a process that has shared memory, and faults that it outlived', () => {
  it.each([
    [
      'SIGSEGV',
      [
        ['nullRead', 'main'],
        ['nullWrite', 'main'],
        ['nullWrite', 'worker'],
        ['readOnly', 'main'],
        ['after', 'main'],
        ['SIGSEGV', 'main'],
      ],
    ],
    [
      'SIGBUS',
      [
        ['pastEnd', 'main'],
        ['SIGBUS', 'main'],
      ],
    ],
    ['SIGILL', [['trap', 'main']]],
  ] as const)('still ends by %s where it is not the memory’s', async (signal, kinds) => {
    const exits = kinds.map(async ([kind, thread]) => {
      const exit = await faultingProgram(kind, thread).exited;
      return `${kind} in ${thread}: ${exit.stdout.trim()}, ${exit.signal ?? exit.code} ${exit.stderr}`.trim();
    });
    expect(await Promise.all(exits)).toEqual(
      kinds.map(([kind, thread]) => `${kind} in ${thread}: ready, ${signal}`),
    );
  });
});
