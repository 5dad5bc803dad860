import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import type { SearchId } from '../../domain/ids.ts';
import { scoreItems } from '../../evaluators/index.ts';
import { readArchive } from '../../memory/index.ts';
import { makeFolder } from '../../platform/index.ts';
import { largestTrainings, scaleObservations, type ZeroShotScore } from '../../scale/index.ts';
import { zeroShotPath, zeroShotScores } from '../../views/index.ts';
import { pathArgument } from '../options.ts';

/** A task and the file with its rows. */
export interface TaskItems {
  readonly task: string;
  readonly items: string;
}

/** Reads a repeatable `<task>=<file>`. */
export function taskItems(text: string, before: readonly TaskItems[] = []): readonly TaskItems[] {
  const [, task, items] = /^([a-z_]{1,32})=(.+)$/s.exec(text) ?? [];
  if (task === undefined || items === undefined) throw new InvalidArgumentError('expected <task>=<file of JSON lines>');
  return [...before, { task, items: pathArgument(items) }];
}

function digestOf(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (thrown) {
    throw new PrerequisiteError(
      'items-missing',
      `${path} cannot be read: ${errorMessage(thrown)}`,
      'name a file with the rows of the task as JSON lines',
      { cause: thrown },
    );
  }
}

export interface ZeroShotOrder {
  readonly home: string;
  readonly search: SearchId;
  /** Data folder of the plan's data, for the tokenizer. */
  readonly data: string;
  readonly primitives: readonly string[];
  readonly tasks: readonly TaskItems[];
}

/**
 * Asks the largest models of a plan the items of each task, and adds the scores to the file next to its page; what was asked already
 * is not asked again.
 *
 * @param onScore called before each, with what is asked and how many are left.
 * @throws PrerequisiteError for a file or weights that are not there; TerminalError `scale-request` for rows of another form.
 */
export async function evaluateZeroShot(
  python: string,
  { home, search, data, primitives, tasks }: ZeroShotOrder,
  onScore: (text: string, left: number) => void,
): Promise<void> {
  const files = tasks.map((each) => ({ ...each, itemsSha256: digestOf(each.items) }));
  const reader = readArchive(home);
  const { asked, folders } = (() => {
    try {
      const weights = reader.records
        .nodes(search)
        .flatMap(({ evaluations }) =>
          evaluations.flatMap(({ key, scale }) => (scale ? [[key as string, scale.folder] as const] : [])),
        );
      return { asked: largestTrainings(scaleObservations(reader, search)), folders: new Map(weights) };
    } finally {
      reader.close();
    }
  })();
  let scores = zeroShotScores(home, search);
  const open = asked
    .flatMap((training) => files.map((file) => ({ training, file })))
    .filter(
      ({ training, file }) =>
        !scores.some(
          ({ evaluation, task, itemsSha256 }) =>
            evaluation === training.evaluation && task === file.task && itemsSha256 === file.itemsSha256,
        ),
    );
  for (const [index, { training, file }] of open.entries()) {
    const { architecture, size, seed, evaluation } = training;
    const weights = folders.get(evaluation) ?? '';
    if (!existsSync(join(weights, 'model.json'))) {
      throw new PrerequisiteError(
        'weights-missing',
        `the weights of ${architecture} ${size} are not in ${weights} on this machine`,
        'give the command where the storage of the workers is',
      );
    }
    onScore(`${file.task}: ${architecture} ${size}, seed ${seed}`, open.length - index);
    const { items: _, ...scored } = await scoreItems(
      python,
      { weights, data, task: file.task, items: file.items },
      primitives,
    );
    scores = [...scores, { ...scored, evaluation, itemsSha256: file.itemsSha256 }];
    write(zeroShotPath(home, search), scores);
  }
}

function write(path: string, scores: readonly ZeroShotScore[]): void {
  makeFolder(dirname(path));
  writeFileSync(`${path}.part`, `${JSON.stringify({ version: 1, scores })}\n`);
  renameSync(`${path}.part`, path);
}
