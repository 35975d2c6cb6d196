import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { fixture } from './peers.js';

/** What a Worker does with its memory: see fixtures/memory-worker.js. */
export type Task =
  'hold' | 'end' | 'throw' | 'exit' | 'count' | 'loop' | 'write' | 'fault' | 'random' | 'churn';

export interface Memory {
  kind: 'segment' | 'object';
  /** The id of a segment or the descriptor of an object. */
  which: number;
  size: number;
}

/** A Worker that maps memory; it is ended when the test is over. */
export function memoryWorker(task: Task, memory: Memory, times = 0): Worker {
  const worker = new Worker(fixture('memory-worker.js'), { workerData: { ...memory, task, times } });
  onTestFinished(async () => {
    await worker.terminate();
  });
  return worker;
}

export async function message(worker: Worker): Promise<unknown> {
  const [value] = (await once(worker, 'message')) as unknown[];
  return value;
}

/** Its end, by an error or not. */
export async function ended(worker: Worker): Promise<void> {
  worker.on('error', () => undefined);
  await new Promise((resolve) => worker.on('exit', resolve));
}
