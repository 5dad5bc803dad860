import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PrerequisiteError } from '../../domain/errors.ts';
import { trainersDirectory } from '../../platform/index.ts';

/** Sources that decide a loss: those of `gpu-workers/aira_scale/version.py`, whose rule this repeats. */
const modules = ['shapes', 'model', 'initial', 'optimiser', 'schedule', 'trainer', 'parallel', 'job', 'data/shards'];
const shared = ['aira_workers/primitives/ssd.py', 'aira_workers/optim/muon.py'];

/**
 * `scale-<12 hex digits>`: the version of the trainer of runs at scale, known before one starts. The trainer announces its own,
 * and a run is ended unless both are equal (I2).
 *
 * @throws PrerequisiteError `trainers-missing` if the package is incomplete.
 */
export function scaleVersion(trainers: string = trainersDirectory): string {
  const hash = createHash('sha256');
  try {
    const layers = readdirSync(join(trainers, 'aira_scale', 'layers')).filter((name) => name.endsWith('.py'));
    const files = [
      ...modules.map((name) => `aira_scale/${name}.py`),
      ...layers.map((name) => `aira_scale/layers/${name}`),
      ...shared,
    ];
    for (const name of files.sort()) {
      hash
        .update(`${name}\0`)
        .update(readFileSync(join(trainers, name)))
        .update('\0');
    }
  } catch (thrown) {
    throw new PrerequisiteError('trainers-missing', `the trainers in ${trainers} are incomplete`, 'reinstall Aira', {
      cause: thrown,
    });
  }
  return `scale-${hash.digest('hex').slice(0, 12)}`;
}
