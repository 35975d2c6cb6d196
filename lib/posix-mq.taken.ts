// Messages as they come from the queue, several at once.
import { slab, slice } from './internal/slab.js';
import { BATCH_SLOT, block, detail, ROW, ROWS } from './native/core.js';
import { native } from './native/posix-mq.js';

/** Takes messages without waiting, at most `max`; none where there is none, or no room for one in the rest of the slab. */
export function takeMany(
  mqdes: number,
  messageSize: number,
  max: number,
): { priority: number; data: Buffer }[] {
  const memory = slab.memory;
  const count = native.mq_receiveMany(mqdes, memory, slab.used, messageSize, Math.min(max, ROWS));
  const taken: { priority: number; data: Buffer }[] = [];
  for (let row = 0; row < count; row++) {
    const at = BATCH_SLOT + row * ROW.SLOTS;
    const start = block[at + ROW.OFFSET] as number;
    const size = block[at + ROW.SIZE] as number;
    taken.push({ priority: detail(at + ROW.DETAIL) as number, data: slice(memory, start, size) });
    slab.used = start + ((size + 7) & ~7);
  }
  return taken;
}
