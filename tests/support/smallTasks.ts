import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { taskRoots } from '../../src/platform/installation.ts';

type Settings = Record<string, Record<string, unknown> & number>;

/** A copy of one of Aira's tasks whose nano trainings take a second: the same settings with fewer steps and rows. */
export function smallTask(name: string, below: string): string {
  const directory = join(below, name);
  cpSync(join(taskRoots[0] as string, name), directory, { recursive: true });
  // Tasks whose baseline is in the common library, or another task's, refer to it as their neighbour.
  for (const shared of ['mixers', 'autoresearch/baseline']) {
    cpSync(join(taskRoots[0] as string, shared), join(below, shared), { recursive: true });
  }
  const file = join(directory, 'metadata.yaml');
  const metadata = parse(readFileSync(file, 'utf8'), { merge: true });
  for (const rung of Object.values(metadata.profiles.nano.rungs) as { settings: Settings }[]) {
    rung.settings = shrunk(structuredClone(rung.settings)) as Settings;
  }
  metadata.profiles = { nano: metadata.profiles.nano };
  if (metadata.metrics) metadata.metrics = { nano: metadata.metrics.nano };
  // Python's reader takes 1e-8 for a text.
  const text = stringify(metadata, { aliasDuplicateObjects: false }).replaceAll(/: (\d+)e-/g, ': $1.0e-');
  writeFileSync(file, text);
  return directory;
}

function shrunk(settings: Settings): unknown {
  const { family, proxy, data, training, script } = settings as Record<string, Record<string, unknown>>;
  if ((proxy as unknown) === 'repeated') return { ...settings, training: shrunk(training as unknown as Settings) };
  if ((family as unknown) === 'lra') {
    Object.assign(data as object, { train: 128, validation: 64, test: 64, length: 48 });
    Object.assign(training as object, { steps: 3 });
    return { ...settings, probes: 8 };
  }
  if ((family as unknown) === 'autoresearch') {
    Object.assign(data as object, {
      train_bytes: 40_000,
      validation_rows: 32,
      test_rows: 32,
      length: 48,
      asked_per_row: 8,
      rows_at_once: 32,
    });
    Object.assign(script as object, { tokens: 3 * 8 * 48, reference_costs: 0 });
    return { ...settings, probes: 8 };
  }
  if ((proxy as unknown) === 'language') {
    Object.assign(data as object, { validation_blocks: 8, test_blocks: 8 });
    return { ...settings, steps: 4 };
  }
  return { ...settings, steps: 4, test_samples: 8 };
}
