import { defineConfig } from 'vitest/config';

const scale = Number(process.env['UNIX_IPC_TEST_SCALE'] ?? '1');

export default defineConfig({
  // Node 20 has no syntax for `using`; the tests of Symbol.dispose need it lowered.
  oxc: { target: 'es2022' },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/leftovers.ts'],
    setupFiles: ['test/helpers/residue.ts'],
    pool: 'forks',
    execArgv: ['--expose-gc'],
    // Time limits are measured and the namespace's queues are counted, so files do not run side by side.
    fileParallelism: false,
    testTimeout: 20_000 * scale,
    hookTimeout: 20_000 * scale,
    teardownTimeout: 10_000 * scale,
  },
});
