// Why a call on a pipe or FIFO failed, and what can be done about it.
import { readFileSync, statSync } from 'node:fs';
import { commonReason } from './internal/descriptor.js';
import { errno, failure, IpcError } from './internal/errors.js';
import { ownership } from './internal/permissions.js';
import { PIPE_BUF } from './sys/pipe.js';

export function explainRead(result: number, syscall: string, fd: number): IpcError {
  const reason =
    result === errno('ETIMEDOUT')
      ? 'nothing came through the pipe within the time limit'
      : commonReason(result, fd);
  return new IpcError(result, syscall, { reason });
}

/** @param written how many of the bytes are in the pipe */
export function explainWrite(result: number, fd: number, written: number): IpcError {
  const context = { reason: writeReason(result, fd, written) };
  return new IpcError(result, 'write', written > 0 ? { ...context, bytesWritten: written } : context);
}

function writeReason(result: number, fd: number, written: number): string | undefined {
  switch (result) {
    case errno('EPIPE'):
      return 'nobody has the pipe open for reading any more';
    case errno('ETIMEDOUT'):
      return `the pipe stayed full for the whole time limit${written > 0 ? `; ${written} bytes were written before` : ''}`;
    default:
      return commonReason(result, fd);
  }
}

export function tooLong(length: number): IpcError {
  const reason = `packet of ${length} bytes is over PIPE_BUF, ${PIPE_BUF}`;
  return new IpcError(errno('EMSGSIZE'), 'write', { reason });
}

export function explainMove(result: number, syscall: string, fd: number): IpcError {
  const reasons = new Map([
    [errno('EPIPE'), 'nobody has the pipe written to open for reading any more'],
    [errno('EINVAL'), 'both ends are the same pipe, or the writer has O_APPEND'],
    [errno('ETIMEDOUT'), 'nothing could be moved within the time limit'],
  ]);
  return new IpcError(result, syscall, { reason: reasons.get(result) ?? commonReason(result, fd) });
}

export function explainCapacity(result: number, bytes: number, fd: number): IpcError {
  return new IpcError(result, 'fcntl', { reason: capacityReason(result, bytes, fd) });
}

function capacityReason(result: number, bytes: number, fd: number): string | undefined {
  switch (result) {
    case errno('EBUSY'):
      return `more than ${bytes} bytes are in the pipe; read them first`;
    case errno('EPERM'):
      return `a capacity of ${bytes} bytes is over this system's pipe-max-size of ${most() ?? '?'} (sysctl fs.pipe-max-size), and this process lacks CAP_SYS_RESOURCE; or its user has all the pipe memory it may have (fs.pipe-user-pages-soft)`;
    default:
      return commonReason(result, fd);
  }
}

function most(): string | undefined {
  try {
    return readFileSync('/proc/sys/fs/pipe-max-size', 'latin1').trim();
  } catch {
    return undefined;
  }
}

export function explainOpen(result: number, path: string): IpcError {
  return new IpcError(result, 'open', { path, reason: openReason(result, path) });
}

function openReason(result: number, path: string): string | undefined {
  switch (result) {
    case errno('ENOENT'):
      return 'there is no such FIFO; Fifo.make(path) makes it';
    case errno('EACCES'):
      return noPermission(path);
    case errno('ETIMEDOUT'):
      return 'nobody opened the other side of the FIFO within the time limit';
    default:
      return commonReason(result, -1);
  }
}

function noPermission(path: string): string | undefined {
  try {
    return `no permission: ${ownership('the FIFO', statSync(path))}`;
  } catch {
    // A folder of the path may not be searched.
    return undefined;
  }
}

export function explainMake(result: number, path: string): IpcError {
  const reason =
    result === errno('EEXIST')
      ? 'the path exists; exclusive: false accepts a FIFO that is there already'
      : undefined;
  return new IpcError(result, 'mkfifo', { path, reason });
}

export function notFifo(path: string): Error {
  return failure('ERR_NOT_A_FIFO', `'${path}' is not a FIFO; Fifo.make() makes one where there is nothing`, {
    path,
  });
}
