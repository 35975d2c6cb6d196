// In the calls of C: wait to be woken. exercise-parent.js starts this program.
import { close, read } from 'unix-ipc/sys';

const efd = 3;
const n = new BigUint64Array(1); //                        uint64_t n;
read(efd, new Uint8Array(n.buffer)); //                    read(efd, &n, sizeof n);
console.log(`process ${process.pid} was woken by ${n[0]}`); // printf("%lu\n", n);
close(efd); //                                             close(efd);
