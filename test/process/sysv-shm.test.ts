// Truth takes two processes: segments between this one, another of Node, a C program, Perl and util-linux.
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from '../helpers/compile.js';
import { failure } from '../helpers/failures.js';
import { type Exit, fixture, nodeProgram, plainEnvironment, program } from '../helpers/peers.js';
import {
  attach,
  attached,
  newSegment,
  ownSegment,
  segmentRow,
  segmentSetting,
  unusedSegmentKey,
} from '../helpers/segments.js';
import { until } from '../helpers/until.js';

const { IPC_CREAT, IPC_EXCL, IPC_RMID } = sys;

/** Runs a program to its end, which must be a good one, and gives what it printed. */
async function output(command: string, ...args: (string | number)[]): Promise<string> {
  const exit: Exit = await program(command, ...args).exited;
  expect(exit, `${command} ${args.join(' ')}: ${exit.stderr}`).toMatchObject({ code: 0, stderr: '' });
  return exit.stdout.trim();
}

const c = (...args: (string | number)[]): Promise<string> => output(compiled('sysv-shm-peer'), ...args);
const perl = (...args: (string | number)[]): Promise<string> =>
  output('perl', fixture('sysv-shm-peer.pl'), ...args);
const hex = (key: number): string => `0x${(key >>> 0).toString(16).padStart(8, '0')}`;
const text = (buffer: ArrayBuffer, offset: number, length: number): string =>
  Buffer.from(buffer).toString('utf8', offset, offset + length);

describe('a C program', () => {
  it('attaches what is made here, and both see what the other writes at once', async () => {
    const key = unusedSegmentKey();
    const shmid = sys.shmget(key, 10_000, IPC_CREAT | IPC_EXCL | 0o600);
    const buffer = attach(shmid);
    expect(await c('find', key, 10_000)).toBe(String(shmid));
    Buffer.from(buffer).write('from here', 9_000);
    expect(Buffer.from(await c('read', shmid, 9_000, 9), 'hex').toString()).toBe('from here');
    await c('write', shmid, 9_991, 'from there');
    expect(text(buffer, 9_991, 9)).toBe('from ther');
    expect(await c('show', shmid)).toBe(`10000 1 600 ${process.pid} ${segmentRow(shmid)?.lpid ?? ''}`);
  });

  it('makes what is found here', async () => {
    const key = unusedSegmentKey();
    const shmid = Number(await c('make', key, 5000));
    await c('write', shmid, 100, 'made in C');
    expect(sys.shmget(key, 0, 0)).toBe(shmid);
    const buffer = attach(shmid);
    expect(buffer.byteLength).toBe(5000);
    expect(text(buffer, 100, 9)).toBe('made in C');
    expect(segmentRow(shmid)).toMatchObject({ perms: '640', nattch: 1, lpid: process.pid });
    await c('remove', shmid);
    expect(failure(() => sys.shmget(key, 0, 0)).code).toBe('ENOENT');
    expect(text(buffer, 100, 9)).toBe('made in C');
  });

  it('that has a removed segment attached keeps it until its detach, and so does this process', async () => {
    const shmid = newSegment();
    const holder = program(compiled('sysv-shm-peer'), 'hold', shmid);
    expect(await holder.line()).toBe('attached');
    const buffer = attach(shmid);
    sys.shmctl(shmid, IPC_RMID);
    expect(segmentRow(shmid)).toMatchObject({ nattch: 2, perms: '1600' });
    sys.shmdt(buffer);
    expect(attached(shmid)).toBe(1);
    holder.end();
    expect(await holder.exited).toMatchObject({ code: 0 });
    expect(segmentRow(shmid)).toBeUndefined();

    const other = newSegment();
    const last = attach(other);
    await c('remove', other);
    Buffer.from(last).write('still there');
    expect(Buffer.from(await c('read', other, 0, 11), 'hex').toString()).toBe('still there');
    sys.shmdt(last);
    expect(segmentRow(other)).toBeUndefined();
  });
});

describe('three processes', () => {
  it('count to 3,000,000 by adding one to the same word, and no one is lost', async () => {
    const times = 1_000_000;
    const shmid = newSegment();
    const words = new Uint32Array(attach(shmid));
    const peers = [
      program(compiled('sysv-shm-peer'), 'count', shmid, 400, times),
      nodeProgram('count-memory.js', 'segment', shmid, 400, times),
    ];
    for (const peer of peers) expect(await peer.line()).toBe('counting');
    for (let done = 0; done < times; done++) Atomics.add(words, 100, 1);
    for (const peer of peers) expect(await peer.exited).toMatchObject({ code: 0, stderr: '' });
    expect(words[100]).toBe(3 * times);
    expect(words[99]).toBe(0);
    expect(attached(shmid)).toBe(1);
  });
});

describe('a process that ends', () => {
  it.each([
    ['by itself', 0],
    ['by SIGKILL', 1e12],
  ])('%s gives back what it has attached', async (_how, times) => {
    const shmid = newSegment();
    const peer = nodeProgram('count-memory.js', 'segment', shmid, 0, times);
    expect(await peer.line()).toBe('counting');
    if (times > 0) {
      expect(segmentRow(shmid)).toMatchObject({ nattch: 1, lpid: peer.pid });
      peer.signal('SIGKILL');
    }
    await peer.exited;
    await until('the kernel has detached it', () => attached(shmid) === 0);
  });

  it('and one that is started meanwhile has nothing attached', async () => {
    const shmid = newSegment();
    attach(shmid);
    const peer = program('cat');
    peer.write('it runs\n');
    expect(await peer.line()).toBe('it runs');
    expect(attached(shmid)).toBe(1);
    peer.end();
    expect(await peer.exited).toMatchObject({ code: 0 });
  });
});

describe('Perl', () => {
  it('reads and writes by shmread and shmwrite', async () => {
    const shmid = newSegment(100);
    const buffer = attach(shmid);
    Buffer.from(buffer).write('for Perl', 10);
    expect(await perl('read', shmid, 10, 8)).toBe('for Perl');
    await perl('write', shmid, 91, 'from Perl');
    expect(text(buffer, 91, 9)).toBe('from Perl');
  });

  it('uses it by IPC::SharedMem, made here or there', async () => {
    const [ours, theirs] = [unusedSegmentKey(), unusedSegmentKey()];
    const shmid = sys.shmget(ours, 4096, IPC_CREAT | 0o640);
    const buffer = attach(shmid);
    await perl('object-write', ours, 4000, 'an object');
    expect(text(buffer, 4000, 9)).toBe('an object');
    expect(await perl('object-read', ours, 4000, 9)).toBe('an object');
    expect(await perl('object-stat', ours)).toBe('4096 1 640');
    const made = Number(await perl('object-make', theirs, 1234, 'made in Perl'));
    expect(sys.shmget(theirs, 1234, 0)).toBe(made);
    expect(text(attach(made, sys.SHM_RDONLY), 0, 12)).toBe('made in Perl');
    await perl('object-remove', theirs);
    expect(segmentRow(made)).toMatchObject({ perms: '1600', nattch: 1 });
  });
});

describe('util-linux', () => {
  it('ipcs lists what is made here, with its size and attachments', async () => {
    const key = unusedSegmentKey();
    const shmid = sys.shmget(key, 12_345, IPC_CREAT | 0o640);
    attach(shmid);
    const line = (await output('ipcs', '-m')).split('\n').find((each) => each.startsWith(hex(key)));
    expect(line?.trim().split(/\s+/)).toEqual([
      hex(key),
      String(shmid),
      expect.any(String),
      '640',
      '12345',
      '1',
    ]);
    sys.shmctl(shmid, IPC_RMID);
    expect(await output('ipcs', '-m')).toMatch(new RegExp(` ${shmid} .*1 +dest`));
    expect(await output('ipcs', '-m', '-l')).toContain(
      `max number of segments = ${segmentSetting('shmmni')}`,
    );
  });

  it('ipcmk makes what is attached here, and ipcrm removes it', async () => {
    const { stdout } = spawnSync('ipcmk', ['-M', '5000', '-p', '0640'], {
      env: plainEnvironment(),
      encoding: 'utf8',
    });
    const shmid = ownSegment(Number(/: (\d+)/.exec(stdout)?.[1]));
    expect(segmentRow(shmid)).toMatchObject({ perms: '640', size: 5000 });
    const buffer = attach(shmid);
    expect(buffer.byteLength).toBe(5000);
    await output('ipcrm', '-m', shmid);
    expect(attached(shmid)).toBe(1);
    sys.shmdt(buffer);
    expect(segmentRow(shmid)).toBeUndefined();
    const key = unusedSegmentKey();
    const other = sys.shmget(key, 1, IPC_CREAT | 0o600);
    await output('ipcrm', '-M', hex(key));
    expect(segmentRow(other)).toBeUndefined();
  });
});
