import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import * as z from 'zod';
import { canonicalJson, type Json } from '../../domain/canonical.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import type { Outcome } from '../../domain/evaluation.ts';
import type { Clock } from '../../platform/timers.ts';
import {
  allArchitectures,
  readTable,
  type TableFile,
  type TableProvenance,
  tableProvenanceSchema,
  tableText,
} from './table.ts';

/** Digits kept of a score: a tenth of what a single token of the whole training weighs. */
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
  /** Mean wall-clock seconds of the trainings of this sitting; null before the first. */
  readonly meanSeconds: number | null;
  readonly last: { readonly candidate: string; readonly seed: number; readonly score: number | null } | null;
}

export interface BuildSetting {
  readonly path: string;
  readonly provenance: TableProvenance;
  readonly seeds: readonly number[];
  /** Trains one candidate to an outcome; anything but an outcome of the candidate's own is thrown. */
  readonly train: (candidate: string, seed: number) => Promise<Outcome>;
  readonly clock: Clock;
  readonly onProgress: (progress: BuildProgress) => void;
  readonly signal: AbortSignal;
}

const journalPath = (path: string) => `${path}.journal`;

const differs = (what: string) =>
  new PrerequisiteError(
    'table-differs',
    `${what} was measured with other settings, another trainer or another processor, and its figures do not mix`,
    'choose another --out, or remove it to begin anew',
  );

/** Figures of the table or the journal that lies there, which this build continues. */
function readBack(path: string, provenance: TableProvenance): { from: string; lines: Line[] } | null {
  const wanted = canonicalJson(provenance as Json);
  const journal = journalPath(path);
  if (existsSync(journal)) {
    const text = readFileSync(journal, 'utf8');
    // The last line may be half written: whoever was killed had not counted it yet.
    const complete = text.slice(0, text.lastIndexOf('\n') + 1);
    if (complete.length < text.length) truncateSync(journal, Buffer.byteLength(complete));
    const [first, ...rest] = complete.split('\n').filter((line) => line !== '');
    if (first !== undefined) {
      const { journal: _, from, ...head } = headSchema.parse(JSON.parse(first));
      if (canonicalJson(head as Json) !== wanted) throw differs(journal);
      return { from, lines: rest.map((line) => lineSchema.parse(JSON.parse(line))) };
    }
  }
  if (!existsSync(path)) return null;
  const { file } = readTable(path);
  if (canonicalJson(tableProvenanceSchema.parse(pick(file)) as Json) !== wanted) throw differs(path);
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
 * Trains every architecture of a space on every seed, one after the other, seed by seed: a build that is cut short has
 * whole seeds. Each outcome is written to a journal beside the table before the next training begins; a build that was
 * killed goes on after the last line. A table that is there already is continued with further seeds.
 *
 * Answers the table, or null when it was told to stop.
 *
 * @throws PrerequisiteError `table-differs` when what lies there was measured under other conditions.
 */
export async function buildTable(setting: BuildSetting): Promise<TableFile | null> {
  const { path, provenance, seeds, train, clock, onProgress, signal } = setting;
  const candidates = [...allArchitectures(provenance.space)];
  const earlier = readBack(path, provenance);
  const from = earlier?.from ?? new Date(clock.now()).toISOString();
  const known = new Map<string, Line>((earlier?.lines ?? []).map((line) => [`${line.seed} ${line.candidate}`, line]));
  const head = headSchema.parse({ journal: 1, from, ...provenance });
  const text = [head, ...known.values()].map((each) => `${JSON.stringify(each)}\n`).join('');
  writeFileSync(`${journalPath(path)}.part`, text);
  renameSync(`${journalPath(path)}.part`, journalPath(path));

  const wanted = seeds.flatMap((seed) => candidates.map((candidate) => ({ seed, candidate })));
  const open = wanted.filter(({ seed, candidate }) => !known.has(`${seed} ${candidate}`));
  const total = wanted.length;
  const began = clock.monotonic();
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
    const meanSeconds = (clock.monotonic() - began) / 1000 / (index + 1);
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
