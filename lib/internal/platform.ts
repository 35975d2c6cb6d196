import { readFileSync } from 'node:fs';

/** A binary made for the one C library does not load with the other. */
function cLibrary(): 'glibc' | 'musl' {
  // What is mapped is what runs. process.report would tell too, but looks up the names of all open connections first.
  return readFileSync('/proc/self/maps', 'latin1').includes('/ld-musl-') ? 'musl' : 'glibc';
}

/** Where the packed tarball has the binary for this machine, from the package's root. */
export function prebuiltBinary(): string {
  return `prebuilds/${process.platform}-${process.arch}-${cLibrary()}/unix_ipc.node`;
}
