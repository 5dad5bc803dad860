import { TerminalError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import { systemClock, systemTimers } from '../platform/timers.ts';
import { Cassette } from './cassette.ts';
import { Gateway } from './gateway.ts';
import { loadPrices } from './prices.ts';
import { usualRetries } from './retry.ts';

/**
 * A gateway that can answer from a recording and do nothing else: for audits, which must change neither ledger nor bill.
 *
 * @throws PrerequisiteError when the recording is missing or damaged.
 */
export function replayedGateway(search: SearchId, recording: string): Gateway {
  const never = (): never => {
    throw new TerminalError('replay-only', 'a recording asks nobody');
  };
  return new Gateway({
    search,
    model: never,
    ledger: { reserve: async () => never(), settle: async () => undefined },
    cassette: Cassette.replay(recording),
    prices: loadPrices(),
    redact: (text) => text,
    retries: usualRetries,
    clock: systemClock,
    timers: systemTimers,
    ids: never,
  });
}
