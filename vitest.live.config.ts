import { defineConfig } from 'vitest/config';

/**
 * `npm run test:live`: one small search per provider whose key is in the environment, which costs some cents, and a whole one with an
 * open model where a server of llama.cpp and weights are given (tests/live/openModel.test.ts).
 */
export default defineConfig({
  test: {
    include: ['tests/live/**/*.test.ts'],
    globalSetup: 'tests/support/build.ts',
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 600_000,
  },
});
