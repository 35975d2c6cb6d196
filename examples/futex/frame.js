// One frame of memory in two processes, each of which has it at an address of its own. Start it in two terminals.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { Futex, SysvSharedMemory } from 'unix-ipc';

const pageSize = Number(execFileSync('getconf', ['PAGESIZE']));
const key = { path: import.meta.dirname, projId: 'f' };
const memory = SysvSharedMemory.create({ key, size: pageSize, exclusive: false });
process.once('SIGINT', () => {
  memory.remove();
  process.exit();
});
const arrivals = Futex.at(memory);

const before = arrivals.value;
if (memory.stat().attached === 1) {
  console.log(`process ${process.pid} waits for the other; Ctrl+C ends it`);
  while (arrivals.value === before) await arrivals.wait(before);
} else {
  arrivals.add(1);
  arrivals.wake();
}

const address = addressOf(memory.id);
console.log(`process ${process.pid} has the memory at address 0x${address.toString(16)}`);
const frame = frameAt(address);
console.log(frame === 0n ? 'the kernel tells only root the frame' : `the frame is 0x${frame.toString(16)}`);
memory.remove();

/**
 * Where the segment is in this process's memory. Its id is in the inode's column.
 * @param {number} id
 */
function addressOf(id) {
  const maps = readFileSync('/proc/self/maps', 'utf8');
  const [, begin] = new RegExp(`^([0-9a-f]+)-.* ${id} +/SYSV`, 'm').exec(maps) ?? [];
  if (begin === undefined) throw new Error(`segment ${id} is not attached`);
  return BigInt(`0x${begin}`);
}

/**
 * The number of the frame behind an address, from the page table: an entry of 64 bits for each page, 55 of them the frame.
 * @param {bigint} address
 */
function frameAt(address) {
  const entry = new BigUint64Array(1);
  const pageTable = openSync('/proc/self/pagemap', 'r');
  readSync(pageTable, entry, 0, 8, 8n * (address / BigInt(pageSize)));
  closeSync(pageTable);
  return (entry[0] ?? 0n) & ((1n << 55n) - 1n);
}
