// Huge pages for one test: the kernel has none until it is told to, and afterwards has as many as before.
import { readFileSync, writeFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';

const setting = '/proc/sys/vm/nr_hugepages';

function meminfo(name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0);
}

/** Has two huge pages free until the test is over, or says why that can't be. */
export function noHugePages(): { reason: string | undefined; size: number } {
  const size = meminfo('Hugepagesize') * 1024;
  if (size === 0) return { reason: 'this kernel has no huge pages', size };
  if (size > 2 ** 22) return { reason: `huge pages have ${size} bytes here`, size };
  if (meminfo('HugePages_Free') - meminfo('HugePages_Rsvd') >= 2) return { reason: undefined, size };
  const before = readFileSync(setting, 'utf8').trim();
  try {
    writeFileSync(setting, String(Number(before) + 2));
  } catch (error) {
    return { reason: `${setting} can't be written: ${String(error)}`, size };
  }
  onTestFinished(() => writeFileSync(setting, before));
  const free = meminfo('HugePages_Free') - meminfo('HugePages_Rsvd');
  return { reason: free >= 2 ? undefined : 'there is not enough memory in one piece for huge pages', size };
}
