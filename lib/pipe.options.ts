// What pipes and FIFOs may be given, and how it is checked.
import { boolean, object, size } from './internal/arguments.js';
import { codec, type Codec, type CodecOption } from './internal/codec.js';
import { invalidValue } from './internal/errors.js';

export interface PipeEndOptions<T> {
  /**
   * Packet mode: each write, of at most PIPE_BUF bytes, is a packet, and each read takes exactly one. Both sides should say so.
   */
  packets?: boolean | undefined;
  /** How packets are coded: Buffers without one. Only with `packets: true`, since a stream of bytes has no boundaries. */
  codec?: CodecOption<T> | undefined;
  /** Microseconds to try without sleeping before a wait begins, 0 by default. */
  spin?: number | undefined;
}

export interface PipeOptions<T> extends PipeEndOptions<T> {
  /** Bytes that fit into it: the kernel's default, usually 65,536, where none is given. */
  capacity?: number | undefined;
}

export interface FifoReaderOptions<T> extends PipeEndOptions<T> {
  /**
   * Hold a write end of its own: opening does not wait, and there is no end of file when the last writer closes, so that
   * writers may come and go.
   */
  keepOpen?: boolean | undefined;
}

export interface PipeReadOptions {
  /** The most bytes to take, 65,536 by default. */
  size?: number | undefined;
}

export interface FifoMakeOptions {
  /** Permissions, less the umask; 0o600 by default. */
  mode?: number | undefined;
  /** Fail with EEXIST where there is one; true by default. */
  exclusive?: boolean | undefined;
}

/** Checked options of a pipe's end. */
export interface EndOptions<T> {
  packets: boolean;
  codec: Codec<T> | undefined;
  spin: number;
}

export function endOptions<T>(options: PipeEndOptions<T> | undefined): EndOptions<T> {
  const { packets = false, codec: coding, spin = 0 } = object(options, 'options') ?? {};
  const checked = {
    packets: boolean(packets, 'options.packets'),
    codec: codec<T>(coding),
    spin: size(spin, 'options.spin'),
  };
  if (checked.codec !== undefined && !checked.packets) {
    throw invalidValue(
      'options.codec',
      'needs packets: true; without packets a pipe is a stream of bytes, for which stream() and node:readline help',
    );
  }
  return checked;
}

/** As much as a pipe holds by default. */
const USUAL = 65_536;

export function readSize(options: PipeReadOptions | undefined): number {
  if (options === undefined) return USUAL;
  const { size: most = USUAL } = object(options, 'options') as PipeReadOptions;
  return size(most, 'options.size', 1);
}
