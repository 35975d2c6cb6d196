// What is no memory of the package, for calls that take the ArrayBuffer of a mapping.
import { type Wrong, wrong } from './wrong-arguments.js';

const type = 'ERR_INVALID_ARG_TYPE';

/** Refused before any call. */
export const notArrayBuffers: Wrong[] = [
  ['undefined', type, undefined],
  ...wrong('object').filter(([what]) => what !== 'null'),
  ['null', type, null],
  ['an object', type, {}],
  ['a bigint', type, 1n],
  ['a Buffer', type, Buffer.alloc(4096)],
  ['a Uint8Array', type, new Uint8Array(4096)],
  ['a DataView', type, new DataView(new ArrayBuffer(8))],
  ['a SharedArrayBuffer', type, new SharedArrayBuffer(4096)],
  ['an heir of ArrayBuffer alone', type, Object.create(ArrayBuffer.prototype)],
];

/** ArrayBuffers that are no mapping: the kernel's EINVAL. */
export function ordinaryBuffers(): ArrayBuffer[] {
  const detached = new ArrayBuffer(4096);
  structuredClone(detached, { transfer: [detached] });
  const wasm = Reflect.get(globalThis, 'WebAssembly') as {
    Memory: new (size: { initial: number }) => { buffer: ArrayBuffer };
  };
  const memory = new wasm.Memory({ initial: 1 });
  return [new ArrayBuffer(0), new ArrayBuffer(4096), Buffer.from('pooled').buffer, detached, memory.buffer];
}
