import { defineConfig } from 'vitest/config';

/** `npm run test:live`: one small search per provider whose key is in the environment. Costs some cents. */
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
