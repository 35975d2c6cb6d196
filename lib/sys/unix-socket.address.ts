// Addresses of Unix sockets, on their way to the kernel.
import { types } from 'node:util';
import { notBytes } from '../internal/arguments.js';
import { errno, invalidType, invalidValue, IpcError } from '../internal/errors.js';
import { fixedAddresses } from '../native/unix-socket.js';

/**
 * A path of up to 108 bytes; a name that begins with a NUL character, which is in the abstract namespace, of exactly this
 * length; or '', unnamed. Bytes where it is not UTF-8.
 */
export type SocketAddress = string | Uint8Array;

/** sizeof(sun_path). */
const MOST = 108;
const NUL = 0;

/** Names that have been checked, since programs send to few, and often. */
const known = new Map<unknown, Uint8Array>();
const MOST_KNOWN = 64;

/** The bytes of an address, which belong to nobody and must not be changed. What is too long is refused, never cut. */
export function addressBytes(address: unknown, name: string, syscall: string): Uint8Array {
  const before = known.get(address);
  if (before !== undefined) return before;
  const bytes = toBytes(address, name);
  if (bytes.length > MOST) {
    const reason = `an address of ${bytes.length} bytes; a Unix socket's has at most ${MOST}`;
    throw new IpcError(errno('ENAMETOOLONG'), syscall, {
      reason,
      path: addressText(bytes),
    });
  }
  if (bytes[0] !== NUL && bytes.includes(NUL)) {
    throw invalidValue(name, 'must be without NUL characters, unless it begins with one');
  }
  if (typeof address === 'string') remember(address, bytes);
  return bytes;
}

function remember(address: string, bytes: Uint8Array): void {
  if (known.size === MOST_KNOWN) known.clear();
  known.set(address, bytes);
  fixedAddresses.add(bytes);
}

/** A copy: the caller's may change, or say of itself what is not so. */
function toBytes(address: unknown, name: string): Uint8Array {
  if (typeof address === 'string') return Buffer.from(address);
  if (!types.isUint8Array(address))
    throw invalidType(name, 'a string, a Buffer or another Uint8Array', address);
  try {
    return new Uint8Array(address);
  } catch {
    throw notBytes(address, name);
  }
}

/** How errors name an address; undefined for none. */
export function addressText(bytes: Uint8Array): string | undefined {
  return bytes.length === 0 ? undefined : Buffer.from(bytes).toString();
}
