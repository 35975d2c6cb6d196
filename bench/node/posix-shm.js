// POSIX shared memory: the jobs of bench/c/posix-shm.c, call for call, through this package.
import { PosixSharedMemory } from 'unix-ipc';
import * as sys from 'unix-ipc/sys';
import { runHandover } from './handover.js';
import { measure, readArguments } from './peer.js';

const { words, options, size, plan } = readArguments(['m', 'o']);
const [job = '', variant = ''] = words;
const { m: name, o: object } = options;

/** @param {number} fd */
function map(fd) {
  return sys.mmap(null, size, sys.PROT_READ | sys.PROT_WRITE, sys.MAP_SHARED, fd);
}

/** @type {Record<string, () => void>} */
const jobs = {
  'map sys'() {
    const fd = sys.shm_open(name, sys.O_RDWR | sys.O_CLOEXEC);
    measure((n) => {
      for (let i = 0; i < n; i++) sys.munmap(map(fd));
    }, plan);
  },

  'open class'() {
    measure((n) => {
      for (let i = 0; i < n; i++) PosixSharedMemory.open(name).close();
    }, plan);
  },
};

const run = jobs[words.join(' ')];
if (run) run();
else await runHandover(job, variant, { name, object, size }, plan);
