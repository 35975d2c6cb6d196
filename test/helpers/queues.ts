import { randomInt } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { IPC_PRIVATE, SysvMessageQueue } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { queueRows } from './kernel.js';

function removeIfThere(msqid: number): void {
  try {
    sys.msgctl(msqid, sys.IPC_RMID);
  } catch (error) {
    // The test itself may have removed it; ids are not used again so soon.
    if (!(error instanceof Error && 'code' in error && error.code === 'EINVAL')) throw error;
  }
}

/** A queue's id that the test made: removed when the test is over. */
export function ownId(msqid: number): number {
  onTestFinished(() => removeIfThere(msqid));
  return msqid;
}

/** A queue that the test made: closed and removed when the test is over. */
export function own<Queue extends { readonly id: number; close(): void }>(queue: Queue): Queue {
  const { id } = queue;
  onTestFinished(() => {
    queue.close();
    removeIfThere(id);
  });
  return queue;
}

/** An object for a queue that is somebody else's to remove: closed when the test is over. */
export function borrow<Queue extends { close(): void }>(queue: Queue): Queue {
  onTestFinished(() => queue.close());
  return queue;
}

/** A new private queue, as an object. */
export function privateQueue(): SysvMessageQueue {
  return own(SysvMessageQueue.open(IPC_PRIVATE));
}

/** A new private queue, as an id. */
export function privateId(mode = 0o600): number {
  return ownId(sys.msgget(sys.IPC_PRIVATE, mode));
}

/** A key that nobody uses; a queue that has it when the test is over is the test's own and removed. */
export function unusedKey(): number {
  for (;;) {
    const key = randomInt(0x1000_0000, 0x7fff_ffff);
    if (queueRows().some((row) => row.key === key)) continue;
    onTestFinished(() => {
      for (const row of queueRows()) if (row.key === key) removeIfThere(row.msqid);
    });
    return key;
  }
}

/** An id that was a queue's and is none now. */
export function removedId(): number {
  const msqid = sys.msgget(sys.IPC_PRIVATE, 0o600);
  sys.msgctl(msqid, sys.IPC_RMID);
  return msqid;
}

/** Fills a queue until not one byte more goes in; the number of messages. */
export function fill(msqid: number, type = 9): number {
  let count = 0;
  for (let size = 1024; size > 0;) {
    try {
      sys.msgsnd(msqid, type, Buffer.alloc(size, 'f'), sys.IPC_NOWAIT);
      count++;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      size = Math.floor(size / 2);
    }
  }
  return count;
}

/** The texts of all messages of a type in a queue, oldest first, taken out. fill() makes those of type 9. */
export function drain(msqid: number, type = 0): string[] {
  const texts: string[] = [];
  for (;;) {
    try {
      texts.push(sys.msgrcv(msqid, 8192, type, sys.IPC_NOWAIT | sys.MSG_NOERROR).mtext.toString());
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOMSG') return texts;
      throw error;
    }
  }
}
