import { type Logger, pino } from 'pino';
import { PrerequisiteError } from '../domain/errors.ts';

export type { Logger } from 'pino';

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** @throws PrerequisiteError `log-level` for a word that is no level. */
function levelOf(wanted: string | undefined): string {
  if (wanted === undefined || wanted === '') return 'warn';
  if (levels.includes(wanted)) return wanted;
  const message = `AIRA_LOG is "${wanted.slice(0, 40)}", which is not a level of the log`;
  throw new PrerequisiteError('log-level', message, `set it to ${levels.join(', ')}, or not at all`);
}

/**
 * Diagnostics for those who look for them: JSON lines on stderr, silent below warnings unless `AIRA_LOG` says otherwise
 * (`debug`, `info`, `warn`, `error`, `silent`). What users are told goes through the command line's own printer.
 */
export function createLogger(name: string): Logger {
  return pino(
    {
      name,
      level: levelOf(process.env.AIRA_LOG),
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: ['*.apiKey', '*.authorization', 'headers.authorization'], censor: '[redacted]' },
    },
    // Synchronous, so that the last words before a crash are not lost.
    pino.destination({ dest: 2, sync: true }),
  );
}
