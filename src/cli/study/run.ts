import { availableParallelism } from 'node:os';
import { openLab } from '../../actors/lab.ts';
import { runStudy } from '../../actors/studyRuns.ts';
import { createModel } from '../../agents/index.ts';
import { registerTask } from '../../evaluators/index.ts';
import { notesRetriever } from '../../literature/index.ts';
import { remembering } from '../../literature/remembering.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLogger } from '../../platform/log.ts';
import { systemTimers } from '../../platform/timers.ts';
import { type RunResult, runTabulated, type Study } from '../../studies/index.ts';
import { addressesOf } from '../addresses.ts';
import type { StudyDisplay } from '../display/study.ts';
import { requireHome } from '../home.ts';
import { outliveOutput } from '../output.ts';
import { type SettingOptions, systemSetting } from '../setting.ts';
import type { StudyPlan } from './plan.ts';

/** Counts runs, and estimates what is left from those that were made in this sitting. */
function accountant(total: number, display: StudyDisplay) {
  const began = systemClock.monotonic();
  let done = 0;
  let made = 0;
  const tell = (share: number, now: string): void => {
    const elapsedMs = systemClock.monotonic() - began;
    const worked = made + share;
    const leftMs = worked > 0.05 ? (elapsedMs / worked) * (total - done - share) : null;
    display.progress({ done, total, elapsedMs, leftMs, now });
  };
  return {
    tell,
    onRun(result: RunResult, known = false) {
      done += 1;
      if (!known) made += 1;
      display.run(result);
      tell(0, '');
    },
  };
}

/** Makes all runs of a study. Answers fewer where it was told to stop. */
export async function makeRuns(
  study: Study,
  plan: StudyPlan,
  source: string,
  options: SettingOptions,
  { display, signal }: { display: StudyDisplay; signal: AbortSignal },
): Promise<RunResult[]> {
  const { tell, onRun } = accountant(plan.runs, display);
  const results: RunResult[] = [];
  const baseUrl = plan.trained.flatMap(({ spec }) => addressesOf(spec.agents));
  const setting = await systemSetting({ ...options, task: plan.directories, baseUrl });
  const openRetriever = remembering(notesRetriever(createLogger('aira')));
  try {
    for (const table of plan.tables) {
      const createNamed = (name: Parameters<typeof createModel>[0]) =>
        createModel(name, setting.helpers, openRetriever);
      const lanes = availableParallelism();
      results.push(...(await runTabulated({ study, table, createModel: createNamed, lanes, onRun, signal })));
    }
  } catch (thrown) {
    if (signal.aborted) return results;
    throw thrown;
  }
  if (plan.trained.length === 0 || signal.aborted) {
    setting.closeReading();
    return results;
  }
  outliveOutput();
  requireHome(setting.home);
  const lab = await openLab(setting, []);
  try {
    for (const directory of plan.directories) registerTask(options.home, directory);
    const made = await runStudy({
      ...{ lab, home: options.home, devices: plan.devices, runs: plan.trained, source, timers: systemTimers },
      ...{ onRun, onProgress: tell, signal },
    });
    return [...results, ...made];
  } finally {
    await lab.close();
  }
}
