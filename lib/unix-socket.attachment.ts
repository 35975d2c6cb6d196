// Descriptors and credentials that come along with data, and descriptors that go.
import { errno } from './internal/errors.js';
import { forget, madeHere } from './internal/runtime-descriptors.js';
import { slab } from './internal/slab.js';
import { native as descriptor } from './native/descriptor.js';
import { attached, MOST_DESCRIPTORS, native } from './native/unix-socket.js';
import type { UnixCredentials } from './unix-socket.options.js';

const { F_DUPFD_CLOEXEC } = descriptor.constants;
const { MSG_CTRUNC } = native.constants;
const EINVAL = errno('EINVAL');

/** What comes along with data. */
export interface UnixAttachment {
  /** Descriptors that came along, close-on-exec: the receiver's to close. Only with `descriptors: true`. */
  descriptors: number[];
  /** Descriptors came along that are not here: without `descriptors: true`, or because this process can have no more. */
  descriptorsTruncated: boolean;
  /** The sender's, as the kernel has checked them. Only with `credentials: true`. */
  credentials: UnixCredentials | undefined;
}

/** The descriptors that came along with what was received last. They belong to this process by now. */
export function takeDescriptors(): number[] {
  const { descriptors } = attached;
  for (const fd of descriptors) madeHere(fd);
  return descriptors;
}

/** Whether some did not. */
export function lacksDescriptors(): boolean {
  return (attached.flags & MSG_CTRUNC) !== 0;
}

/** Room for what may come along, for native.recvmsg(). */
export function roomFor({ descriptors }: { descriptors: boolean }): number {
  return descriptors ? MOST_DESCRIPTORS : 0;
}

/** The bytes of what was received last. Where there is no memory for them, nothing that came along is left open. */
export function takeData(length: number, descriptors: readonly number[]): Buffer {
  try {
    return slab.take(length);
  } catch (error) {
    closeAll(descriptors);
    throw error;
  }
}

/** Copies of descriptors, which end with the Worker too; none where one can't be copied. */
export interface Copies {
  readonly descriptors: readonly number[];
  /** 0 or -errno. */
  readonly error: number;
}

export function copiesOf(descriptors: readonly number[]): Copies {
  if (descriptors.length > MOST_DESCRIPTORS) return { descriptors: [], error: EINVAL };
  const copies: number[] = [];
  for (const fd of descriptors) {
    const copy = descriptor.fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      closeAll(copies);
      return { descriptors: [], error: copy };
    }
    descriptor.own(madeHere(copy), true);
    copies.push(copy);
  }
  return { descriptors: copies, error: 0 };
}

export function closeAll(descriptors: readonly number[]): void {
  for (const fd of descriptors) {
    descriptor.close(fd);
    forget(fd);
  }
}
