// Descriptors that tests make, and what the kernel itself says of them.
import { closeSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiledLibrary } from './compile.js';
import { type NodePeer, nodePeer, nodePeerUnder, program } from './peers.js';

const owned = new Set<number>();

/** A descriptor that the test made: closed when the test is over. */
export function ownFd(fd: number): number {
  owned.add(fd);
  onTestFinished(() => {
    if (owned.delete(fd)) closeSync(fd);
  });
  return fd;
}

/** Closes a descriptor of the test's own before the test is over. */
export function closeOwn(fd: number): void {
  if (!owned.delete(fd)) throw new Error(`${fd} is not the test's own`);
  closeSync(fd);
}

/** A new pipe of the test's own: the read end, the write end. */
export function ownPipe(flags = 0): [read: number, write: number] {
  const [read, write] = sys.pipe2(flags);
  return [ownFd(read), ownFd(write)];
}

/** A number that was a descriptor and is none now. */
export function closedFd(): number {
  const [read] = ownPipe();
  closeOwn(read);
  return read;
}

/** What the descriptor is, by the kernel's own account; undefined where it is not open. */
export function targetOf(fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** One line of what the kernel says of a descriptor, such as its 'flags' in octal, with O_CLOEXEC among them. */
export function fdinfo(fd: number, name: string): string {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  const line = text.split('\n').find((each) => each.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`the kernel says of ${fd} nothing named ${name}: ${text}`);
  return line.slice(name.length + 1).trim();
}

export function flagsOf(fd: number): number {
  // The C library's, on every file that open(2) opens.
  const O_LARGEFILE = arch() === 'arm64' ? 0o400000 : 0o100000;
  return parseInt(fdinfo(fd, 'flags'), 8) & ~O_LARGEFILE;
}

/** Limit of open descriptors of this process. */
export function descriptorLimit(): number {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  if (soft === undefined) throw new Error('/proc/self/limits tells no limit of open files');
  return Number(soft);
}

/** A folder that is removed when the test is over. */
export function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), `unix-ipc-${process.pid}-`));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Writes until not one byte more goes in; the number of bytes. The descriptor is left as it was. */
export function fillPipe(fd: number): number {
  const flags = sys.fcntl(fd, sys.F_GETFL);
  sys.fcntl(fd, sys.F_SETFL, flags | sys.O_NONBLOCK);
  let count = 0;
  for (let size = 65_536; size > 0;) {
    try {
      count += sys.write(fd, Buffer.alloc(size, 'f'));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      size = Math.floor(size / 2);
    }
  }
  sys.fcntl(fd, sys.F_SETFL, flags);
  return count;
}

/** A Node process in which SIGUSR2 interrupts calls that wait, and is printed: see fixtures/interrupting.c. */
export function interruptedPeer(): Promise<NodePeer> {
  return nodePeerUnder('env', interrupting());
}

/** What loads fixtures/interrupting.c into a process, beside the library of a sanitizer. */
export function interrupting(): string {
  return `LD_PRELOAD=${[process.env['LD_PRELOAD'], compiledLibrary('interrupting')].filter(Boolean).join(' ')}`;
}

/** A Node process that has no descriptor left. */
export async function exhaustedPeer(): Promise<NodePeer> {
  const peer = await nodePeer();
  // A first call, so that whatever is opened for one is open.
  const first = (await peer.call('sys.dup', 0)) as number;
  const limited = await program('prlimit', '--pid', peer.pid, `--nofile=${first + 1}`).exited;
  if (limited.code !== 0) throw new Error(`prlimit: ${limited.stderr}`);
  return peer;
}
