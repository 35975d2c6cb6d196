// Messages as they come from the queue, before a codec has seen them.
import { slab, slice } from './internal/slab.js';
import { BATCH_SLOT, block, detail, ROW, ROWS } from './native/core.js';
import { native, type Receive } from './native/sysv-msg.js';

export interface Taken {
  type: number | bigint;
  data: Buffer;
}

/** Takes messages without waiting, at most `max`; none where there is none, or none that fits into the rest of the slab. */
export function takeMany(msqid: number, call: Receive, max: number): Taken[] {
  const count = native.msgrcvMany(msqid, slab.memory, slab.used, call, Math.min(max, ROWS));
  const taken: Taken[] = [];
  for (let row = 0; row < count; row++) {
    const at = BATCH_SLOT + row * ROW.SLOTS;
    const start = block[at + ROW.OFFSET] as number;
    const size = block[at + ROW.SIZE] as number;
    taken.push({ type: detail(at + ROW.DETAIL), data: slice(slab.memory, start, size) });
    slab.used = start + ((size + 7) & ~7);
  }
  return taken;
}
