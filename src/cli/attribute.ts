import { openLab } from '../actors/lab.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { checkSize } from '../domain/plan.ts';
import { chooseDevices, dataFolder, inspectMachine, probeSandbox, versionFor } from '../evaluators/index.ts';
import { readArchive } from '../memory/archive.ts';
import { systemTimers } from '../platform/timers.ts';
import { type Attribution, type AttributionPlan, conclude } from '../studies/attribution.ts';
import { onInterrupt } from './fail.ts';
import { requireHome } from './home.ts';
import { outliveOutput } from './output.ts';
import { requireSameContent } from './sameContent.ts';
import { type SettingOptions, systemSetting } from './setting.ts';

export interface AttributeOptions extends SettingOptions {
  workers?: number;
}

/** How often progress is told. */
const everyMs = 5000;

/**
 * Trains what an attribution needs, in a lab of its own on this home, and says what came out. Interrupted, it goes on where it
 * was when it is asked again.
 *
 * @throws PrerequisiteError where this machine has other trainers than the search had, or the home is in use.
 */
export async function attribute(
  plan: AttributionPlan,
  options: AttributeOptions,
  say: (line: string) => void,
): Promise<Attribution> {
  const { spec, source, seeds } = plan;
  checkSize(spec, source);
  const setting = await systemSetting(options);
  const machine = await inspectMachine(setting.helpers.python);
  const devices = chooseDevices(options.workers ?? 'auto', machine);
  const evaluator = versionFor(spec.space.kind, devices[0]?.class ?? 'cpu');
  if (evaluator !== spec.evaluator) {
    throw new PrerequisiteError(
      'evaluator-changed',
      `"${plan.search}" was trained by ${spec.evaluator}, and the trainers here are ${evaluator}: their scores do not compare`,
      'check out the version it was made with',
    );
  }
  await requireSameContent(spec, dataFolder(options.home));
  if (spec.space.kind === 'program') await probeSandbox(setting.workers);
  const trainings = spec.references.length * (seeds + 1);
  say(`${plan.changes.length} changes, ${trainings} trainings at most, as ${spec.id}`);
  outliveOutput();
  requireHome(setting.home);
  const lab = await openLab(setting, []);
  let stopped = false;
  try {
    const running = lab.runSearch(spec, source, { devices, without: [] });
    const interrupts = onInterrupt(() => {
      stopped = true;
      running.drain();
    });
    const stopTelling = systemTimers.every(everyMs, () => {
      const standing = running.standing();
      if (standing) {
        const { done, failed, pending } = standing.trainings;
        say(`${done + failed} trained, ${pending} to go`);
      }
    });
    const end = await running.ended;
    stopTelling();
    interrupts.dispose();
    if (end.how === 'failed') throw end.error;
  } finally {
    await lab.close();
  }
  if (stopped) {
    throw new PrerequisiteError('interrupted', 'stopped before all was trained', 'ask again, and it goes on');
  }
  const reader = readArchive(options.home);
  try {
    return conclude(plan, reader.records.nodes(spec.id));
  } finally {
    reader.close();
  }
}
