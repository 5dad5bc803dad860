import type { Json } from '../../domain/canonical.ts';
import type { Environment } from '../../platform/childProcess.ts';
import { preparedFolder, secretFile, trainersDirectory } from '../../platform/packageRoot.ts';
import type { Sandbox } from '../../sandbox/index.ts';
import type { DesignPackage } from '../../tasks/trustedModule.ts';
import { type Prepared, prepared } from './preparation.ts';
import { familyOf } from './trial.ts';

const ourPackage: DesignPackage = {
  folder: trainersDirectory,
  packages: ['aira_design', 'aira_workers'],
  module: 'aira_design',
  hosted: ['lra'],
  scripts: ['autoresearch'],
};

/** The same steps for tasks by others, whose own scripts prepare and score. */
const taskPackage: DesignPackage = {
  folder: trainersDirectory,
  packages: ['aira_tasks'],
  module: 'aira_tasks',
  byOthers: true,
};

/** The package that runs programs with these settings. */
export const packageFor = (settings: unknown): DesignPackage =>
  familyOf(settings) === 'airs' ? taskPackage : ourPackage;

/** Where data come from on this machine. */
export interface DataSource {
  /** The interpreter, absolute. */
  readonly python: string;
  /** Imported data; null where there are none. */
  readonly data: string | null;
  readonly env?: Environment | undefined;
  /** Where scripts of tasks by others run. */
  readonly sandbox: Sandbox;
}

/** Which data are meant. */
export interface DataOrder {
  readonly evaluator: string;
  readonly settings: unknown;
  readonly seed: number;
  readonly design?: DesignPackage | undefined;
}

/**
 * The data of a task's rung and seed, prepared unless they are there. A launch does this before anything is recorded, so that
 * missing data are told to the person who launches and not charged to candidates.
 *
 * @throws PrerequisiteError `design-data` when settings or data are wrong; AiraError when the package fails.
 */
export async function prepareTask(source: DataSource, order: DataOrder): Promise<Prepared> {
  const { python, data, sandbox, env = process.env } = source;
  const { evaluator, settings, seed, design = packageFor(settings) } = order;
  const places = { secret: secretFile(env), keep: preparedFolder(env) };
  return prepared({ python, design, evaluator, data, seed, settings: settings as Json, sandbox, ...places });
}
