import type { EnsembleSetting } from '../actors/ensemble.ts';
import { childEnvironment, findNatsServer, findPython, packageRoot } from '../evaluators/index.ts';
import { notesRetriever } from '../literature/index.ts';
import { systemClock } from '../platform/clock.ts';
import { createLogger } from '../platform/log.ts';
import { systemTimers } from '../platform/timers.ts';

/** What the parts of a lab are given when they run for real. @throws PrerequisiteError without a usable Python. */
export async function systemSetting(options: { home: string; nats?: string; port?: number }): Promise<EnsembleSetting> {
  const python = await findPython();
  const log = createLogger('aira');
  return {
    home: options.home,
    url: options.nats ?? null,
    natsServer: findNatsServer,
    port: options.port,
    helpers: { python, env: childEnvironment(process.env), packageRoot },
    clock: systemClock,
    timers: systemTimers,
    openRetriever: notesRetriever(log),
    log,
  };
}
