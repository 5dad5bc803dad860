import { mean, variance } from 'd3-array';
import * as z from 'zod';
import {
  ArchitectureError,
  canonicalText,
  type Layering,
  layeringSchema,
  parseInSpace,
} from '../../domain/architecture.ts';
import { contentHash, type Json } from '../../domain/canonical.ts';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { explain } from '../../domain/explain.ts';
import { type JsonBounds, parseJson } from '../../domain/json.ts';
import { rngFor } from '../../domain/rng.ts';
import { rungSchema } from '../../domain/task.ts';
import { readTextFile } from '../../platform/folder.ts';

/** Everything that decides what a table's figures are: two tables with equal provenance may be joined. */
export const tableProvenanceSchema = z.strictObject({
  task: z.string().min(1),
  profile: z.string().min(1),
  rung: rungSchema,
  space: layeringSchema,
  /** What the trainer was asked, as the task's profile had it on that day. */
  settings: z.record(z.string(), z.json()),
  /** Engine and source hash of the trainer. */
  evaluator: z.string(),
  torch: z.string(),
  python: z.string(),
  /** The processor: its vector width may change the last bits of a score. */
  device: z.string(),
});
export type TableProvenance = z.infer<typeof tableProvenanceSchema>;

export const tableSchema = z.strictObject({
  version: z.literal(1),
  ...tableProvenanceSchema.shape,
  measured: z.strictObject({ from: z.iso.datetime(), to: z.iso.datetime() }),
  /** Mean processor seconds of one training. */
  cpuSeconds: z.number().nonnegative(),
  seeds: z.array(z.int().nonnegative()).min(2),
  /** Validation by canonical text, in the order of `seeds`; null where a training gave no score. */
  scores: z.record(z.string(), z.array(z.number().nullable())),
});
export type TableFile = z.infer<typeof tableSchema>;

/** Identity of the figures for those who quote them: 16 hexadecimal digits over settings, space and trainer. */
export function tableVersion({ space, settings, evaluator, device }: TableProvenance): string {
  return contentHash({ space, settings: settings as Json, evaluator, device }).slice(0, 16);
}

/** All architectures of a space, the last layer fastest. */
export function* allArchitectures(space: Layering): Generator<string> {
  const total = space.primitives.length ** space.layers;
  for (let index = 0; index < total; index++) {
    const layers = Array.from({ length: space.layers }, (_, layer) => {
      const place = space.primitives.length ** (space.layers - 1 - layer);
      return space.primitives[Math.floor(index / place) % space.primitives.length] as Layering['primitives'][number];
    });
    yield canonicalText(layers);
  }
}

/** What one look at a candidate shows, and what it is worth. */
export interface TableLook {
  /** One of the measured scores; null where that training gave none. */
  readonly score: number | null;
  /** Mean score over the trainings that were not shown: free of the luck by which the shown one was chosen. */
  readonly worth: number | null;
}

/**
 * A space in which everything has been measured: the evaluator that answers in microseconds.
 *
 * A look shows one of the candidate's measured trainings, drawn by (draw, candidate): so the noise is the measured noise,
 * two searchers with the same draw see the same score for the same candidate, and another draw is another day in the
 * laboratory. What a candidate is worth is told from the other trainings, as a re-training on fresh seeds would.
 */
export class Table {
  readonly file: TableFile;
  readonly version: string;
  /** The largest mean over all seeds: what an unlimited search would find. */
  readonly best: { readonly candidate: string; readonly mean: number };
  readonly #looks = new Map<string, TableLook[]>();

  /** @throws PrerequisiteError `table-malformed` when it does not hold its whole space. */
  constructor(file: TableFile) {
    this.file = file;
    this.version = tableVersion(file);
    let best = { candidate: '', mean: Number.NEGATIVE_INFINITY };
    for (const candidate of allArchitectures(file.space)) {
      const scores = file.scores[candidate];
      if (scores?.length !== file.seeds.length) {
        throw malformed(`it has ${scores?.length ?? 0} of ${file.seeds.length} scores of "${candidate}"`);
      }
      const whole = meanOf(scores);
      if (whole !== null && whole > best.mean) best = { candidate, mean: whole };
      this.#looks.set(
        candidate,
        scores.map((score, shown) => ({ score, worth: meanOf(scores.filter((_, seed) => seed !== shown)) })),
      );
    }
    if (best.candidate === '') throw malformed('no training in it gave a score');
    this.best = best;
  }

  get size(): number {
    return this.#looks.size;
  }

  /** Of single scores: between architectures, the seeds' share taken out, and between the seeds of one architecture. */
  get variance(): { readonly between: number; readonly within: number } {
    const rows = Object.values(this.file.scores).map((row) => row.filter((score) => score !== null));
    const repeated = rows.filter((row) => row.length >= 2);
    const within = mean(repeated, (row) => variance(row)) ?? 0;
    const seeds = mean(repeated, (row) => row.length) ?? 1;
    return {
      between: Math.max(0, (variance(repeated.map((row) => mean(row) as number)) ?? 0) - within / seeds),
      within,
    };
  }

  /** @throws ArchitectureError for a candidate outside the space. */
  look(candidate: string, draw: string | number): TableLook {
    const text = canonicalText(parseInSpace(candidate, this.file.space));
    const looks = this.#looks.get(text);
    if (!looks) throw new ArchitectureError(`"${text}" is not in the table`);
    return looks[rngFor(draw, 'table', text).below(looks.length)] as TableLook;
  }
}

function meanOf(scores: readonly (number | null)[]): number | null {
  return mean(scores.filter((score) => score !== null)) ?? null;
}

const malformed = (problem: string, cause?: unknown) =>
  new PrerequisiteError('table-malformed', `the table cannot be used: ${problem}`, 'build it with: aira table build', {
    cause,
  });

/** The shipped tables have a hundredth of it. */
const bounds: JsonBounds = { characters: 256 * 1024 * 1024, depth: 8, items: 20_000_000 };

/** @throws PrerequisiteError `table-malformed` */
export function readTable(path: string): Table {
  let raw: unknown;
  try {
    const remedy = 'give the path of a table, or build it with: aira table build';
    raw = parseJson(readTextFile(path, { code: 'table-malformed', remedy, mostBytes: bounds.characters }), bounds);
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    throw malformed(`${path}: ${errorMessage(thrown)}`, thrown);
  }
  const parsed = tableSchema.safeParse(raw);
  if (!parsed.success) throw malformed(`${path}: ${explain(parsed.error, tableSchema).join('; ')}`, parsed.error);
  return new Table(parsed.data);
}

/** One architecture per line, so that a later measurement is a readable change. */
export function tableText(file: TableFile): string {
  const { scores, ...head } = tableSchema.parse(file);
  const lines = Object.entries(scores).map(
    ([candidate, row]) => `    ${JSON.stringify(candidate)}: ${JSON.stringify(row)}`,
  );
  return `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "scores": {\n${lines.join(',\n')}\n  }\n}\n`;
}
