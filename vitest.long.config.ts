import { defineConfig } from 'vitest/config';

/** `npm run test:long`: whole searches and trainings, minutes each, one at a time so that they have the machine. */
export default defineConfig({
  test: {
    globalSetup: 'tests/support/build.ts',
    include: ['tests/long/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 3_600_000,
    hookTimeout: 300_000,
  },
});
