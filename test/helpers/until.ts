/** How much slower than an ordinary build this run is (sanitizers). */
export const scale = Number(process.env['UNIX_IPC_TEST_SCALE'] ?? '1');

/** Waits for a fact. The limit is only there so that a fact that never comes is told by its name. */
export async function until(what: string, condition: () => boolean, limit = 10_000 * scale): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > limit) throw new Error(`waited ${limit} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Lets everything run that the event loop already has: promises, timers that are due, immediates. */
export async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** What a promise is by now, without waiting for it. */
export async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'fulfilled' | 'rejected'> {
  let state: 'pending' | 'fulfilled' | 'rejected' = 'pending';
  promise.then(
    () => (state = 'fulfilled'),
    () => (state = 'rejected'),
  );
  await turns();
  return state;
}
