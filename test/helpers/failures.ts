import { constants } from 'node:os';

export interface Failure extends Error {
  code?: string;
  errno?: number;
  syscall?: string;
  path?: string;
  key?: number;
  id?: number;
}

/** The error that the call throws; it is itself an error that the call does not throw. */
export function failure(call: () => unknown): Failure {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`threw something that is no Error: ${String(error)}`, { cause: error });
  }
  throw new Error(`did not throw, but returned ${String(result)}`);
}

/** The error that the promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Failure> {
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`rejected with something that is no Error: ${String(error)}`, { cause: error });
  }
  throw new Error(`was not rejected, but gave ${String(result)}`);
}

type ErrnoName = keyof typeof constants.errno;

/** The fields of a failed call. */
export function systemError(
  code: ErrnoName,
  syscall: string,
): { code: string; errno: number; syscall: string } {
  return { code, errno: -constants.errno[code], syscall };
}
