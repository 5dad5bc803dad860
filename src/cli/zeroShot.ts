import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import { scoreItems, type TaskItems, zeroShotTasks } from '../evaluators/index.ts';
import { readArchive } from '../memory/index.ts';
import { writeWhole } from '../report/index.ts';
import { largestTrainings, type ScaleObservation, scaleObservations } from '../scale/index.ts';
import { zeroShotPath, zeroShotScores } from '../views/index.ts';
import { pathArgument } from './options.ts';

/** Reads a repeatable `<task>=<file>`. */
export function taskItems(text: string, before: readonly TaskItems[] = []): readonly TaskItems[] {
  const [, name, items] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  const task = zeroShotTasks.find((each) => each === name);
  if (task === undefined || items === undefined) {
    throw new InvalidArgumentError(`expected <task>=<file of JSON lines>, with a task of ${zeroShotTasks.join(', ')}`);
  }
  if (before.some((each) => each.task === task)) throw new InvalidArgumentError(`${task} is given twice`);
  return [...before, { task, items: pathArgument(items) }];
}

/** SHA-256 of a file with rows of a task. @throws PrerequisiteError `items-missing` */
export function digestOfItems({ items }: TaskItems): string {
  try {
    return createHash('sha256').update(readFileSync(items)).digest('hex');
  } catch (thrown) {
    throw new PrerequisiteError(
      'items-missing',
      `${items} cannot be read: ${errorMessage(thrown)}`,
      'name a file with the rows of the task as JSON lines',
      { cause: thrown },
    );
  }
}

const modelSchema = z.looseObject({ outcome: z.looseObject({ weightsSha256: z.string() }) });

/**
 * Checks that a folder has the weights that the archive knows the digest of. The trainer compares the weights with the record
 * next to them, which alone would also fit weights of another training.
 *
 * @throws PrerequisiteError `weights-missing`, `weights-changed`
 */
function requireWeights(name: string, folder: string, weightsSha256: string): void {
  let model: unknown;
  try {
    model = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));
  } catch (thrown) {
    throw new PrerequisiteError(
      'weights-missing',
      `the weights of ${name} are not in ${folder} on this machine`,
      'give the command where the storage of the workers is',
      { cause: thrown },
    );
  }
  const found = modelSchema.safeParse(model);
  if (found.data?.outcome.weightsSha256 === weightsSha256) return;
  throw new PrerequisiteError(
    'weights-changed',
    `${folder} has other weights than the archive recorded for ${name}`,
    'restore them, or remove them and train in a new home',
  );
}

interface ZeroShotOrder {
  readonly home: string;
  readonly search: SearchId;
  /** Data folder of the plan's data, for the tokenizer. */
  readonly data: string;
  readonly primitives: readonly string[];
  readonly tasks: readonly TaskItems[];
}

/** The trainings to ask, each with its weights. */
function trainingsOf(home: string, search: SearchId) {
  const reader = readArchive(home);
  try {
    const nodes = reader.records.nodes(search);
    const figures = new Map(nodes.flatMap(({ evaluations }) => evaluations.map(({ key, scale }) => [`${key}`, scale])));
    return largestTrainings(scaleObservations(reader, search)).flatMap((training) => {
      const scale = figures.get(training.evaluation);
      return scale ? [{ training, weights: scale.folder, weightsSha256: scale.weightsSha256 }] : [];
    });
  } finally {
    reader.close();
  }
}

const nameOf = ({ architecture, size, seed }: ScaleObservation): string => `${architecture} ${size}, seed ${seed}`;

/**
 * Asks the largest models of a plan the items of each task, and adds the scores to the file next to its page; what was asked already
 * is not asked again.
 *
 * @param onModel called before each model, with what it is asked and how many models are left.
 * @throws PrerequisiteError for a file or weights that are not there, or other weights; TerminalError `scale-request` for rows of
 *   another form.
 */
export async function evaluateZeroShot(
  python: string,
  { home, search, data, primitives, tasks }: ZeroShotOrder,
  onModel: (text: string, left: number) => void,
): Promise<void> {
  const files = tasks.map((each) => ({ ...each, itemsSha256: digestOfItems(each) }));
  let scores = zeroShotScores(home, search);
  const isKnown = (evaluation: string, { task, itemsSha256 }: (typeof files)[number]): boolean =>
    scores.some((one) => one.evaluation === evaluation && one.task === task && one.itemsSha256 === itemsSha256);
  const open = trainingsOf(home, search)
    .map((each) => ({ ...each, asked: files.filter((file) => !isKnown(each.training.evaluation, file)) }))
    .filter(({ asked }) => asked.length > 0);
  for (const [index, { training, weights, weightsSha256, asked }] of open.entries()) {
    requireWeights(nameOf(training), weights, weightsSha256);
    onModel(`${nameOf(training)}: ${asked.map(({ task }) => task).join(', ')}`, open.length - index);
    await scoreItems(python, { weights, data, tasks: asked, primitives }, ({ items: _, ...scored }) => {
      const { evaluation } = training;
      const own = asked.filter(({ task }) => task === scored.task);
      scores = [...scores, ...own.map(({ itemsSha256 }) => ({ ...scored, evaluation, itemsSha256 }))];
      writeWhole(zeroShotPath(home, search), `${JSON.stringify({ version: 1, scores })}\n`);
    });
  }
}
