import { randomInt } from 'node:crypto';
import { mulberry32 } from '../fixtures/chance.js';

/** Random numbers below 1 whose seed is printed, and can be given again by UNIX_IPC_TEST_SEED. */
export function chance(what: string): { random: () => number; seed: number } {
  const given = process.env['UNIX_IPC_TEST_SEED'];
  const seed = given === undefined ? randomInt(2 ** 31) : Number(given);
  console.log(`${what}: UNIX_IPC_TEST_SEED=${seed}`);
  return { random: mulberry32(seed), seed };
}
