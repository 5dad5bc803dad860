import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/**
 * Diagnostics for those who look for them: JSON lines on stderr, silent below warnings unless `AIRA_LOG` says otherwise
 * (`debug`, `info`, `warn`, `error`, `silent`). What users are told goes through the command line's own printer.
 */
export function createLogger(name: string): Logger {
  return pino(
    {
      name,
      level: process.env.AIRA_LOG ?? 'warn',
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: ['*.apiKey', '*.authorization', 'headers.authorization'], censor: '[redacted]' },
    },
    // Synchronous, so that the last words before a crash are not lost.
    pino.destination({ dest: 2, sync: true }),
  );
}
