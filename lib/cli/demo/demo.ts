/** The other process of a demo. */
export interface Peer {
  pid: number;
  /** Fulfilled when it has ended. */
  ended: Promise<void>;
  /** Aborted when it has failed. */
  failed: AbortSignal;
}

/** One mechanism, shown by two processes. */
export interface Demo {
  title: string;
  /** The first process: says what happens, line by line. */
  run(startPeer: (...parameters: string[]) => Peer): AsyncIterable<string>;
  /** The second process. */
  answer(parameters: string[]): Promise<void>;
}
