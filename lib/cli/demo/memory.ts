import { Futex, type SharedMemory } from '../../index.js';
import { PATIENCE } from './demo.js';

/** Writes a text to where the other process looks for it, with a NUL at its end as in C. */
export function putText(memory: SharedMemory, offset: number, text: string): void {
  memory.write(offset, `${text}\0`);
}

export function textAt(memory: SharedMemory, offset: number): string {
  const { bytes } = memory;
  return bytes.toString('utf8', offset, bytes.indexOf(0, offset));
}

/** A word of the memory that counts up each time that something new is there. */
export class Counter {
  readonly #word: Futex;
  #seen = 0;

  constructor(memory: SharedMemory, offset: number) {
    this.#word = Futex.at(memory, offset);
  }

  /** Tells the other process. */
  tell(): void {
    this.#word.add(1);
    this.#word.wake();
  }

  /** Sleeps until the other process has told. */
  async hear(signal?: AbortSignal): Promise<void> {
    while (this.#word.value === this.#seen) await this.#word.wait(this.#seen, { timeout: PATIENCE, signal });
    this.#seen++;
  }
}
