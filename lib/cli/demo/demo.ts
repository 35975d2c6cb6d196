/** The other process of a demo. */
export interface Peer {
  pid: number;
  /** Fulfilled when it has ended. */
  ended: Promise<void>;
  /** Aborted when it has failed. */
  failed: AbortSignal;
}

export interface PeerOptions {
  parameters?: string[];
  /** Descriptors that it inherits, as its own 3, 4 and so on. */
  descriptors?: number[];
}

/** One mechanism, shown by two processes. */
export interface Demo {
  title: string;
  /** The first process: says what happens, line by line. */
  run(startPeer: (options?: PeerOptions) => Peer): AsyncIterable<string>;
  /** The second process. */
  answer(parameters: string[]): Promise<void>;
}

/** The most milliseconds that one process waits for the other. */
export const PATIENCE = 10_000;

const REPETITIONS = 1000;

/** Sends something to the other process and gets its answer, first once to look at it and then often for the time. */
export async function* exchange(
  peer: Peer,
  message: string,
  ask: () => Promise<string>,
): AsyncGenerator<string, void, undefined> {
  let answer = '';
  const microseconds = async (): Promise<number> => {
    const start = process.hrtime.bigint();
    answer = await ask();
    return Number(process.hrtime.bigint() - start) / 1000;
  };
  const first = await microseconds();
  yield `process ${process.pid} sent     ${message}`;
  yield `process ${peer.pid} answered ${answer}`;
  const times: number[] = [];
  for (let i = 0; i < REPETITIONS; i++) times.push(await microseconds());
  const median = times.sort((a, b) => a - b)[REPETITIONS / 2] ?? NaN;
  yield `there and back: ${first.toFixed(0)} µs the first time, ${median.toFixed(0)} µs in the middle of ${REPETITIONS} more`;
}

/** Has Ctrl+C remove first what would outlive the process. The function that comes back ends that. */
export function removeOnInterrupt(remove: () => void): () => void {
  const interrupted = (): void => {
    remove();
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  return () => process.off('SIGINT', interrupted);
}
