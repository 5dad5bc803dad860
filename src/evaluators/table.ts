import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { mean, variance } from 'd3-array';
import * as z from 'zod';
import {
  ArchitectureError,
  canonicalText,
  parseInSpace,
  type StackSpec,
  stackSpecSchema,
  versionOver,
} from '../domain/architecture.ts';
import { errorMessage, PrerequisiteError, TerminalError } from '../domain/errors.ts';
import { evaluationKey, type Job, type Outcome } from '../domain/evaluation.ts';
import { formatZodError } from '../domain/inputFile.ts';
import { canonicalJson, contentHash, type Json, type JsonBounds, parseJson } from '../domain/json.ts';
import { type RungSettings, rungSchema } from '../domain/task.ts';
import { type Clock, readTextFile } from '../platform/index.ts';
import type { NativeWorker } from './stacks/nativeWorker.ts';

/** Tabular benchmarks: their files, queries of them, and the build of one by training everything. */

/** Everything that determines a table's scores: tables with equal provenance may be merged. */
const tableProvenanceSchema = z.strictObject({
  task: z.string().min(1),
  profile: z.string().min(1),
  rung: rungSchema,
  space: stackSpecSchema,
  /** The trainer's settings, from the task's profile at that time. */
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
  /** Validation score by canonical text, in the order of `seeds`; null for a training without a score. */
  scores: z.record(z.string(), z.array(z.number().nullable())),
});
export type TableFile = z.infer<typeof tableSchema>;

/** Version for citing the table: 16 hexadecimal digits over settings, space and trainer. */
function tableVersion({ space, settings, evaluator, device }: TableProvenance): string {
  return contentHash({ space, settings: settings as Json, evaluator, device }).slice(0, 16);
}

/** All architectures of a space, the last layer fastest. */
export function* allArchitectures(space: StackSpec): Generator<string> {
  const total = space.primitives.length ** space.layers;
  for (let index = 0; index < total; index++) {
    const layers = Array.from({ length: space.layers }, (_, layer) => {
      const place = space.primitives.length ** (space.layers - 1 - layer);
      return space.primitives[Math.floor(index / place) % space.primitives.length] as StackSpec['primitives'][number];
    });
    yield canonicalText(layers);
  }
}

/** The result of one query. */
export interface TableQuery {
  /** Score on the training seed that the search sees; null if that training has none. */
  readonly score: number | null;
  /** Scores on the other training seeds, in the order of the table's seeds; null for the one that the search sees. */
  readonly judged: readonly (number | null)[];
}

/** The fewest training seeds of a study: one that a search sees, one that judges, and one that may be left out. */
export const fewestTrainingSeeds = 3;

/**
 * A tabular benchmark: a space in which every candidate has been trained, so that evaluation takes microseconds.
 *
 * A search sees the trainings of one training seed, as in a lab, where all candidates are screened on the same seed: the
 * noise is the measured noise, with its dependence between similar candidates. The trainings of all other seeds judge what the
 * search hands in. Trainings that some searches see judge others, so the training seed, not the search, is the unit of
 * inference (statistics/pairs.ts).
 */
export class Table {
  readonly file: TableFile;
  readonly version: string;
  /** The largest mean over all seeds: the result of an unlimited search. */
  readonly best: { readonly candidate: string; readonly mean: number };
  readonly #queries = new Map<string, TableQuery[]>();

  /** @throws PrerequisiteError `table-malformed` if it does not cover its whole space. */
  constructor(file: TableFile) {
    this.file = file;
    this.version = tableVersion(file);
    let best = { candidate: '', mean: Number.NEGATIVE_INFINITY };
    for (const candidate of allArchitectures(file.space)) {
      const scores = file.scores[candidate];
      if (scores?.length !== file.seeds.length) {
        throw malformed(`${scores?.length ?? 0} of ${file.seeds.length} scores of "${candidate}"`);
      }
      const whole = meanOf(scores);
      if (whole !== null && whole > best.mean) best = { candidate, mean: whole };
      this.#queries.set(
        candidate,
        scores.map((score, seen) => ({ score, judged: scores.map((other, seed) => (seed === seen ? null : other)) })),
      );
    }
    if (best.candidate === '') throw malformed('no training has a score');
    this.best = best;
  }

  get size(): number {
    return this.#queries.size;
  }

  /** Variance of single scores: between architectures (corrected for the seeds), and within one architecture. */
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

  /**
   * @param seen index of the training seed that the search sees.
   *
   * @throws ArchitectureError for a candidate outside the space.
   */
  look(candidate: string, seen: number): TableQuery {
    const text = canonicalText(parseInSpace(candidate, this.file.space));
    const query = this.#queries.get(text)?.[seen];
    if (!query) throw new ArchitectureError(`"${text}" is not in the table`);
    return query;
  }
}

function meanOf(scores: readonly (number | null)[]): number | null {
  return mean(scores.filter((score) => score !== null)) ?? null;
}

const malformed = (problem: string, cause?: unknown) =>
  new PrerequisiteError('table-malformed', `invalid table: ${problem}`, 'build it with: aira table build', {
    cause,
  });

/** A hundred times the size of the shipped tables. */
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
  if (!parsed.success)
    throw malformed(`${path}: ${formatZodError(parsed.error, tableSchema).join('; ')}`, parsed.error);
  return new Table(parsed.data);
}

/** One architecture per line, so that a later measurement gives a readable diff. */
export function tableText(file: TableFile): string {
  const { scores, ...head } = tableSchema.parse(file);
  const lines = Object.entries(scores).map(
    ([candidate, row]) => `    ${JSON.stringify(candidate)}: ${JSON.stringify(row)}`,
  );
  return `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "scores": {\n${lines.join(',\n')}\n  }\n}\n`;
}

/** Decimal digits of a stored score: a tenth of the weight of a single token in the whole training. */
const digits = 6;

const headSchema = z.strictObject({ journal: z.literal(1), from: z.iso.datetime(), ...tableProvenanceSchema.shape });
const lineSchema = z.strictObject({
  candidate: z.string(),
  seed: z.int().nonnegative(),
  score: z.number().nullable(),
  reason: z.string().optional(),
  cpuSeconds: z.number().nonnegative(),
});
type Line = z.infer<typeof lineSchema>;

export interface BuildProgress {
  readonly done: number;
  readonly total: number;
  /** Mean wall-clock seconds of the trainings of this session; null before the first. */
  readonly meanSeconds: number | null;
  readonly last: { readonly candidate: string; readonly seed: number; readonly score: number | null } | null;
}

export interface BuildOptions {
  readonly path: string;
  readonly provenance: TableProvenance;
  readonly seeds: readonly number[];
  /** Trains one candidate to an outcome; throws for anything that is not the candidate's own outcome. */
  readonly train: (candidate: string, seed: number) => Promise<Outcome>;
  readonly clock: Clock;
  readonly onProgress: (progress: BuildProgress) => void;
  readonly signal: AbortSignal;
}

const journalPath = (path: string) => `${path}.journal`;

const differs = (what: string) =>
  new PrerequisiteError(
    'table-differs',
    `${what} was measured with other settings, another trainer or another processor; its scores are not comparable`,
    'choose another --out, or remove the file to start again',
  );

/** Scores of an existing table or journal, which this build continues. */
function readBack(path: string, provenance: TableProvenance): { from: string; lines: Line[] } | null {
  const expected = canonicalJson(provenance as Json);
  const journal = journalPath(path);
  if (existsSync(journal)) {
    const text = readFileSync(journal, 'utf8');
    // The last line may be incomplete: a killed build has not counted it yet.
    const complete = text.slice(0, text.lastIndexOf('\n') + 1);
    if (complete.length < text.length) truncateSync(journal, Buffer.byteLength(complete));
    const [first, ...rest] = complete.split('\n').filter((line) => line !== '');
    if (first !== undefined) {
      const { journal: _, from, ...head } = headSchema.parse(JSON.parse(first));
      if (canonicalJson(head as Json) !== expected) throw differs(journal);
      return { from, lines: rest.map((line) => lineSchema.parse(JSON.parse(line))) };
    }
  }
  if (!existsSync(path)) return null;
  const { file } = readTable(path);
  if (canonicalJson(tableProvenanceSchema.parse(pick(file)) as Json) !== expected) throw differs(path);
  const lines = Object.entries(file.scores).flatMap(([candidate, scores]) =>
    scores.map((score, index) => ({
      candidate,
      seed: file.seeds[index] as number,
      score,
      cpuSeconds: file.cpuSeconds,
    })),
  );
  return { from: file.measured.from, lines };
}

const pick = (file: TableFile): TableProvenance => {
  const { task, profile, rung, space, settings, evaluator, torch, python, device } = file;
  return { task, profile, rung, space, settings, evaluator, torch, python, device };
};

/**
 * Trains every architecture of a space on every seed, seed by seed, so that an interrupted build has complete seeds. Each
 * outcome is appended to a journal next to the table before the next training starts; a killed build resumes after the last
 * line. An existing table is continued with further seeds.
 *
 * Returns the table, or null if it was stopped.
 *
 * @throws PrerequisiteError `table-differs` if existing scores were measured under other conditions.
 */
export async function buildTable(options: BuildOptions): Promise<TableFile | null> {
  const { path, provenance, seeds, train, clock, onProgress, signal } = options;
  const candidates = [...allArchitectures(provenance.space)];
  const earlier = readBack(path, provenance);
  const from = earlier?.from ?? new Date(clock.now()).toISOString();
  const known = new Map<string, Line>((earlier?.lines ?? []).map((line) => [`${line.seed} ${line.candidate}`, line]));
  const head = headSchema.parse({ journal: 1, from, ...provenance });
  const text = [head, ...known.values()].map((each) => `${JSON.stringify(each)}\n`).join('');
  writeFileSync(`${journalPath(path)}.part`, text);
  renameSync(`${journalPath(path)}.part`, journalPath(path));

  const trainings = seeds.flatMap((seed) => candidates.map((candidate) => ({ seed, candidate })));
  const open = trainings.filter(({ seed, candidate }) => !known.has(`${seed} ${candidate}`));
  const total = trainings.length;
  const startedAt = clock.monotonic();
  onProgress({ done: total - open.length, total, meanSeconds: null, last: null });
  for (const [index, { candidate, seed }] of open.entries()) {
    const outcome = await train(candidate, seed);
    if (signal.aborted || (outcome.status === 'failed' && outcome.reason === 'cancelled')) return null;
    const line: Line =
      outcome.status === 'ok' && outcome.validation !== null
        ? { candidate, seed, score: Number(outcome.validation.toFixed(digits)), cpuSeconds: outcome.cpuSeconds }
        : {
            candidate,
            seed,
            score: null,
            reason: outcome.status === 'failed' ? outcome.reason : 'none',
            cpuSeconds: 0,
          };
    known.set(`${seed} ${candidate}`, line);
    appendFileSync(journalPath(path), `${JSON.stringify(line)}\n`);
    const meanSeconds = (clock.monotonic() - startedAt) / 1000 / (index + 1);
    const last = { candidate, seed, score: line.score };
    onProgress({ done: total - open.length + index + 1, total, meanSeconds, last });
  }

  const lines = candidates.map((candidate) => seeds.map((seed) => known.get(`${seed} ${candidate}`) as Line));
  const costs = lines.flat().filter(({ score }) => score !== null);
  const file: TableFile = {
    version: 1,
    ...provenance,
    measured: { from, to: new Date(clock.now()).toISOString() },
    cpuSeconds: Number(
      (costs.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) / Math.max(1, costs.length)).toFixed(3),
    ),
    seeds: [...seeds],
    scores: Object.fromEntries(lines.map((row, index) => [candidates[index] as string, row.map(({ score }) => score)])),
  };
  writeFileSync(`${path}.part`, tableText(file));
  renameSync(`${path}.part`, path);
  rmSync(journalPath(path));
  return file;
}

/** The subject of a table. */
interface TableTrainerOptions {
  readonly task: string;
  readonly profile: string;
  readonly rung: 'screen';
  readonly space: StackSpec;
  readonly settings: RungSettings;
}

/** Factor on the profile's training time: machines differ, and shared ones more so. */
const timeoutFactor = 40;

/** Starts the trainer; returns the provenance of its scores, and a function that trains one candidate. */
export async function tableTrainer(options: TableTrainerOptions, native: NativeWorker) {
  const { task, profile, rung, space, settings } = options;
  const hello = await native.start();
  const evaluator = versionOver(space, hello.evaluator);
  const provenance: TableProvenance = {
    task,
    profile,
    rung,
    space,
    settings: settings.settings,
    evaluator,
    torch: hello.torch,
    python: hello.python,
    device: hello.deviceName,
  };
  const train = async (candidate: string, seed: number, signal: AbortSignal): Promise<Outcome> => {
    const job: Omit<Job, 'key'> = {
      task,
      taskVersion: contentHash({ space, settings: settings.settings as Json }).slice(0, 16),
      evaluator,
      deviceClass: 'cpu',
      rung,
      settings: settings.settings,
      lowerIsBetter: false,
      space: { kind: 'stack', ...space },
      candidate: { kind: 'stack', architecture: [...parseInSpace(candidate, space)] },
      seed,
      measure: 'validation',
      timeoutSeconds: timeoutFactor * settings.seconds,
    };
    let outcome: Outcome | null = null;
    const handlers = {
      signal,
      onOutcome: (_: unknown, each: Outcome) => {
        outcome = each;
      },
    };
    await native.evaluate([{ ...job, key: evaluationKey(job) }], handlers);
    if (!outcome) throw new TerminalError('no-outcome', 'the trainer ended without an outcome');
    return outcome;
  };
  return { provenance, train };
}
