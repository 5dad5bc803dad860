import { type Logger, pino } from 'pino';
import { PrerequisiteError } from '../domain/errors.ts';

export type { Logger } from 'pino';

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** @throws PrerequisiteError `log-level` for an unknown level. */
function levelOf(level: string | undefined): string {
  if (level === undefined || level === '') return 'warn';
  if (levels.includes(level)) return level;
  const message = `AIRA_LOG is "${level.slice(0, 40)}", which is not a log level`;
  throw new PrerequisiteError('log-level', message, `set it to ${levels.join(', ')}, or unset it`);
}

/**
 * Diagnostics: JSON lines on stderr, warnings and above unless `AIRA_LOG` says otherwise (`debug`, `info`, `warn`, `error`,
 * `silent`). Messages for users are printed by the command line.
 */
export function createLogger(name: string): Logger {
  return pino(
    {
      name,
      level: levelOf(process.env.AIRA_LOG),
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: ['*.apiKey', '*.authorization', 'headers.authorization'], censor: '[redacted]' },
    },
    // Synchronous, so that the last lines before a crash are not lost.
    pino.destination({ dest: 2, sync: true }),
  );
}
