// Addresses of Unix sockets, on their way to the kernel.
import { types } from 'node:util';
import { notBytes } from '../internal/arguments.js';
import { fixedAddresses } from '../native/unix-socket.js';
import { errno, invalidType, invalidValue, IpcError } from '../internal/errors.js';

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

/** The bytes of an address, not to be changed. What is too long is refused, never cut. */
export function addressBytes(address: unknown, name: string, syscall: string): Uint8Array {
  const before = known.get(address);
  if (before !== undefined) return before;
  const bytes = toBytes(address, name);
  if (bytes.length > MOST) {
    const reason = `an address of ${bytes.length} bytes; a Unix socket's has at most ${MOST}`;
    throw new IpcError(errno('ENAMETOOLONG'), syscall, {
      reason,
      path: addressText(address as SocketAddress),
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

function toBytes(address: unknown, name: string): Uint8Array {
  if (typeof address === 'string') return Buffer.from(address);
  if (types.isUint8Array(address)) {
    if (address.length === 0 && isDetached(address)) throw notBytes(address, name);
    return address;
  }
  throw invalidType(name, 'a string, a Buffer or another Uint8Array', address);
}

/** How errors name an address; undefined for none. */
export function addressText(address: SocketAddress): string | undefined {
  const text = typeof address === 'string' ? address : Buffer.from(address).toString();
  return text === '' ? undefined : text;
}

function isDetached(view: Uint8Array): boolean {
  try {
    new Uint8Array(view.buffer);
    return false;
  } catch {
    return true;
  }
}
