import { defineConfig } from 'vitest/config';

/** Tests that run the built program as processes, rather than call its modules. */
const wholePrograms = ['tests/e2e/**/*.test.ts', 'tests/chaos/**/*.test.ts'];

export default defineConfig({
  test: {
    // Forks, since native modules and child processes do not mix with worker threads; two, since each test file may
    // itself start a nats-server and single-threaded trainers.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/long/**', 'tests/live/**', ...wholePrograms],
        },
      },
      {
        extends: true,
        test: {
          name: 'whole',
          include: wholePrograms,
          globalSetup: 'tests/support/build.ts',
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
