/** After so many turns of a loop without a pause, it is in a flood. */
const STEADY = 256;
/** From here on pauses are watched for; a loop that waits for every value never comes this far. */
const WATCHED = 8;

/**
 * Tells whether a loop consumes its values without waiting for anything else in between. Then, and only then, values may be
 * taken ahead of it: they are gone from the kernel, but the loop will have them before the event loop turns.
 */
export class Pace {
  #turns = 0;
  #watching = false;
  #paused = false;

  /** Asked at every turn of the loop. */
  isSteady(): boolean {
    if (this.#paused) this.#turns = 0;
    this.#paused = false;
    this.#turns++;
    if (this.#turns > WATCHED && !this.#watching) {
      this.#watching = true;
      setImmediate(() => {
        this.#watching = false;
        this.#paused = true;
      });
    }
    return this.#turns > STEADY;
  }

  /** The loop waited for its value: that pause was not its own. */
  resume(): void {
    this.#paused = false;
  }

  /** There was nothing to take ahead. The next flood needs fewer turns to show. */
  empty(): void {
    this.#turns = STEADY - 4;
  }
}
