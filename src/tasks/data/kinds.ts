import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PrerequisiteError } from '../../domain/errors.ts';
import { dataNamePattern } from '../../domain/evaluation.ts';
import type { DataKind } from './inspect.ts';

/** What a data set has to consist of, so that a wrong folder is refused before it is copied. */
interface Kind {
  /** For people. */
  readonly what: string;
  readonly needs: readonly string[];
  readonly kind: DataKind;
  /** The tasks whose data it is. */
  readonly tasks: RegExp;
}

const text: Omit<Kind, 'tasks' | 'what'> = { needs: [], kind: 'corpus' };

/** Data sets whose form is known. Any other name is taken for shards of text, or for the raw data of a task by others. */
const kinds: Readonly<Record<string, Kind>> = {
  listops: {
    what: 'the published ListOps files',
    needs: ['basic_train.tsv', 'basic_val.tsv', 'basic_test.tsv'],
    kind: 'listops',
    tasks: /^design-lra-listops-/,
  },
  imdb: {
    what: 'the large movie review data set (aclImdb)',
    needs: ['train/pos', 'train/neg', 'test/pos', 'test/neg'],
    kind: 'imdb',
    tasks: /^design-lra-text-/,
  },
  aan: {
    what: 'the AAN document pairs',
    needs: ['new_aan_pairs.train.tsv', 'new_aan_pairs.eval.tsv', 'new_aan_pairs.test.tsv'],
    kind: 'aan',
    tasks: /^design-lra-retrieval-/,
  },
  climbmix: { what: 'shards of ClimbMix', tasks: /^autoresearch/, ...text },
  babistories: { what: 'shards of BabiStories', tasks: /^compose-babistories-/, ...text },
  dclm: { what: 'shards of DCLM', tasks: /^compose-dclm-/, ...text },
};

export const dataSetNames: readonly string[] = Object.keys(kinds);

/** Endings of the shards that the trainers read. */
const shard = /\.(txt|jsonl|parquet)$/;

/** The data set that is meant: its own name, or that of a task that reads it. @throws PrerequisiteError `data-unknown`. */
export function dataSetOf(nameOrTask: string): string {
  const ofTask = Object.entries(kinds).find(([, { tasks }]) => tasks.test(nameOrTask));
  if (ofTask) return ofTask[0];
  if (dataNamePattern.test(nameOrTask) && !/^(compose|design)-/.test(nameOrTask)) return nameOrTask;
  throw new PrerequisiteError(
    'data-unknown',
    `"${nameOrTask}" is no data set and no task that reads one`,
    `name one of ${dataSetNames.join(', ')}, a task, or a name of your own such as org/name/config`,
  );
}

/** How a data set of that name is read; null for a name of the user's own. */
export const kindOf = (name: string): DataKind | null =>
  Object.hasOwn(kinds, name) ? (kinds[name]?.kind ?? null) : null;

/** Is there a file that a trainer would take for text? */
export const holdsShards = (folder: string): boolean =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((path) => shard.test(path));

/** @throws PrerequisiteError `data-malformed` naming what of the data set the folder lacks. */
export function requireShape(name: string, folder: string): void {
  const refuse = (problem: string, remedy: string): never => {
    throw new PrerequisiteError('data-malformed', `${folder} ${problem}`, remedy);
  };
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    refuse('is not a directory', 'name the folder that holds the files');
  }
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  const missing = kind?.needs.find((path) => !statSync(join(folder, path), { throwIfNoEntry: false }));
  if (missing !== undefined) refuse(`has no ${missing}`, `name the folder of ${kind?.what}`);
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  if (entries.length === 0) refuse('is empty', 'name the folder that holds the files');
  if (kind && kind.needs.length === 0 && !entries.some((path) => shard.test(path))) {
    refuse(
      'holds no text',
      'give files that end in .txt, .jsonl (with a key "text") or .parquet (with a column "text")',
    );
  }
}
