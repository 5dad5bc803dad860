import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { ArchiveReader } from '../memory/index.ts';
import { analyseScale, referenceOf, type ScaleAnalysis, scaleObservations } from '../scale/index.ts';
import type { ScaleDetail, Studies, StudyDetail, Workers } from './api.ts';
import { studySchema } from './apiHome.ts';
import { apiVersion } from './apiSearch.ts';
import { freshMs, type Heard } from './heard.ts';
import { finite, line } from './texts.ts';

/** What `aira ablate` writes, as far as pages show it; JSON has null where a figure was not finite. */
const figure = z.number().nullable();
const band = z.array(figure);
const ends = z.looseObject({ low: figure, high: figure }).nullable();
const studyFileSchema = z.looseObject({
  version: z.literal(1),
  study: z.looseObject({ question: z.string(), seeds: z.int() }),
  tasks: z.array(
    z.looseObject({ label: z.string(), kind: z.enum(['trained', 'table']), metric: z.string(), best: figure }),
  ),
  results: z.array(z.unknown()),
  analysis: z.looseObject({
    unit: z.enum(['worth', 'normalised']),
    inference: z.looseObject({ unit: z.string(), units: z.int() }),
    arms: z.array(
      z.looseObject({
        name: z.string(),
        runs: z.int(),
        candidates: z.int(),
        middle: figure,
        interval: ends,
        mean: figure,
        validRate: figure,
        normalised: figure,
        elo: z.looseObject({ rating: figure, low: figure, high: figure }),
        rejected: z.int(),
        duplicate: z.int(),
        failed: z.int(),
      }),
    ),
    comparisons: z.array(
      z.looseObject({
        arms: z.tuple([z.string(), z.string()]),
        pairs: z.int(),
        effect: figure,
        interval: ends,
        p: figure,
        adjusted: figure,
        verdict: z.string(),
        standardised: figure,
        ahead: figure,
        detectable: figure,
        sentence: z.string(),
      }),
    ),
    cautions: z.array(z.string()),
    curves: z.array(
      z.looseObject({
        task: z.looseObject({ label: z.string() }),
        shows: z.enum(['regret', 'score']),
        arms: z.array(
          z.looseObject({ name: z.string(), curve: z.looseObject({ middle: band, low: band, high: band }) }),
        ),
      }),
    ),
  }),
});
type StudyFile = z.infer<typeof studyFileSchema>;

/** A name of a file, never a path. */
const studyName = /^[a-z0-9][A-Za-z0-9._-]{0,99}$/;
const studyPath = (home: string, id: string) => join(home, 'studies', `${id}.json`);
const interval = (pair: z.infer<typeof ends>) =>
  pair === null || pair.low === null || pair.high === null ? null : { low: pair.low, high: pair.high };

const readStudy = (home: string, id: string): StudyFile =>
  studyFileSchema.parse(JSON.parse(readFileSync(studyPath(home, id), 'utf8')));

/** `/api/studies`: what `aira ablate` has written into the home. */
export function studiesOf(home: string): Studies {
  const folder = join(home, 'studies');
  const names = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith('.json') && studyName.test(name.slice(0, -5)))
        .map((name) => name.slice(0, -5))
        .sort()
    : [];
  const studies = names.map((id): Studies['studies'][number] => {
    const writtenAt = Math.round(statSync(studyPath(home, id)).mtimeMs);
    try {
      const { study, results, analysis } = readStudy(home, id);
      return {
        id,
        question: line(study.question),
        arms: analysis.arms.map(({ name }) => line(name)),
        runs: results.length,
        sentences: analysis.comparisons.map(({ sentence }) => line(sentence, 2000)),
        writtenAt,
        problem: null,
      };
    } catch (thrown) {
      const problem = `${id}.json is not a study of this version: ${line(errorMessage(thrown), 200)}`;
      return { id, question: null, arms: [], runs: 0, sentences: [], writtenAt, problem };
    }
  });
  return { version: apiVersion, studies };
}

/** `/api/studies/:id`. @throws PrerequisiteError `unknown-study`, `study-damaged` */
export function studyOf(home: string, id: string): StudyDetail {
  if (!studyName.test(id) || !existsSync(studyPath(home, id))) {
    throw new PrerequisiteError('unknown-study', `there is no study "${line(id, 60)}"`, 'run it with: aira ablate');
  }
  let file: StudyFile;
  try {
    file = readStudy(home, id);
  } catch (cause) {
    throw new PrerequisiteError('study-damaged', `${id}.json cannot be read`, 'run its study again', { cause });
  }
  const { study, tasks, analysis } = file;
  return studySchema.parse({
    version: apiVersion,
    id,
    question: line(study.question),
    seeds: study.seeds,
    writtenAt: Math.round(statSync(studyPath(home, id)).mtimeMs),
    tasks: tasks.map(({ label, kind, metric, best }) => ({ label: line(label), kind, metric: line(metric), best })),
    unit: analysis.unit,
    inference: { unit: analysis.inference.unit, units: analysis.inference.units },
    arms: analysis.arms.map(
      ({ name, elo, interval: pair, runs, candidates, middle, mean, validRate, normalised, ...rest }) => ({
        ...{ name: line(name), runs, candidates, middle, mean, validRate, normalised },
        interval: interval(pair),
        elo: { rating: elo.rating, low: elo.low, high: elo.high },
        ...{ rejected: rest.rejected, duplicate: rest.duplicate, failed: rest.failed },
      }),
    ),
    comparisons: analysis.comparisons.map((each) => ({
      arms: each.arms.map((arm) => line(arm)),
      pairs: each.pairs,
      effect: each.effect,
      interval: interval(each.interval),
      p: each.p,
      adjusted: each.adjusted,
      verdict: each.verdict,
      standardised: each.standardised,
      ahead: each.ahead,
      detectable: each.detectable,
      sentence: line(each.sentence, 2000),
    })),
    cautions: analysis.cautions.map((caution) => line(caution, 1000)),
    curves: analysis.curves.map(({ task, shows, arms }) => ({
      task: line(task.label),
      shows,
      arms: arms.map(({ name, curve: { middle, low, high } }) => ({ name: line(name), middle, low, high })),
    })),
  });
}

/** Points of a fitted parabola on a page. */
const parabolaPoints = 41;

type Curve = ScaleAnalysis['architectures'][number]['fit']['curves'][number];

function parabolaOf({ curve, sizes }: Curve): { parameters: number; loss: number | null }[] {
  const [low, high] = [sizes[0], sizes.at(-1)];
  if (curve === null || low === undefined || high === undefined) return [];
  const [from, to] = [Math.log10(low), Math.log10(high)];
  return Array.from({ length: parabolaPoints }, (_, step) => {
    const at = from + ((to - from) * step) / (parabolaPoints - 1);
    return { parameters: 10 ** at, loss: finite(curve(at)) };
  });
}

/** `/api/scales/:id`. @throws PrerequisiteError `not-a-scale-plan`, `unknown-search` */
export function scaleOf(reader: ArchiveReader, search: SearchId): ScaleDetail {
  const { scale } = reader.searches.spec(search);
  if (!scale) {
    throw new PrerequisiteError('not-a-scale-plan', `"${search}" is a search, not a scale plan`, 'open it as a search');
  }
  const observations = scaleObservations(reader, search);
  const analysis = analyseScale({ observations, reference: referenceOf(observations) });
  const estimate = (each: { value: number; interval: { low: number; high: number } | null } | null) =>
    each && { value: each.value, interval: each.interval && { low: each.interval.low, high: each.interval.high } };
  const correlation = (
    each: { value: number; interval: { low: number; high: number } | null; ceiling: number | null } | null,
  ) => {
    const plain = estimate(each);
    return each && plain && { ...plain, ceiling: finite(each.ceiling) };
  };
  return {
    version: apiVersion,
    id: search,
    verdict: analysis.verdict,
    answer: line(analysis.answer, 2000),
    further: analysis.further.map((sentence) => line(sentence, 2000)),
    cautions: analysis.cautions.map((sentence) => line(sentence, 1000)),
    reference: line(analysis.reference),
    cost: {
      runs: analysis.cost.runs,
      outcomes: analysis.cost.outcomes,
      flops: analysis.cost.flops,
      durationMs: 1000 * analysis.cost.seconds,
    },
    resampling: analysis.resampling && { ...analysis.resampling },
    architectures: analysis.architectures.map(({ label, pattern, family, fit, law }) => {
      const logs = fit.curves.map(({ logFlops }) => logFlops);
      const { frontier } = fit;
      const reach = frontier && logs.length > 0 ? [Math.min(...logs), Math.max(...logs)] : [];
      return {
        label: line(label),
        pattern: line(pattern),
        family: line(family),
        curves: fit.curves.map((curve) => ({
          budgetFlops: curve.budget,
          flops: 10 ** curve.logFlops,
          points: curve.points.map(({ parameters, tokens, seed, loss }) => ({
            parameters,
            tokens,
            seed,
            loss: finite(loss),
          })),
          parabola: parabolaOf(curve),
          minimum: curve.minimum && {
            parameters: 10 ** curve.minimum.logParameters,
            tokens: 10 ** curve.minimum.logTokens,
            loss: curve.minimum.loss,
          },
          refused: curve.refused === null ? null : line(curve.refused),
        })),
        frontier: reach.map((logFlops) => ({ flops: 10 ** logFlops, loss: frontier?.at(logFlops) ?? 0 })),
        slope: estimate(fit.slope),
        sizeExponent: estimate(fit.sizeExponent),
        tokenExponent: estimate(fit.tokenExponent),
        law: law.law && {
          E: law.law.E,
          A: law.law.A,
          B: law.law.B,
          alpha: law.law.alpha,
          beta: law.law.beta,
          residual: law.law.residual,
          sizeExponent: law.law.sizeExponent,
        },
        lawRefused: law.law === null ? line(law.why) : null,
      };
    }),
    comparisons: analysis.comparisons.map((each) => ({
      name: line(each.name),
      reference: line(each.reference),
      gaps: each.gaps.map(({ budget, gap }) => ({ budgetFlops: budget, gap })),
      gap: estimate(each.gap),
      multiplier: estimate(each.multiplier),
      verdict: each.verdict,
      refused: each.refused === null ? null : line(each.refused),
    })),
    audits: analysis.audits.map((each) => ({
      rung: line(each.rung),
      target: line(each.target),
      n: each.n,
      pairs: each.pairs.map(({ name, rung, target }) => ({ name: line(name), rung, target })),
      spearman: correlation(each.spearman),
      kendall: correlation(each.kendall),
      refused: each.refused === null ? null : line(each.refused),
    })),
    observations: observations.map((each) => ({
      architecture: line(each.architecture),
      family: line(each.family),
      size: line(each.size),
      parameters: each.nonEmbedding,
      embedding: each.embedding,
      budgetFlops: each.budgetFlops,
      flops: each.trainedFlops,
      tokens: each.tokens,
      seed: each.seed,
      loss: finite(each.loss),
      durationMs: 1000 * each.seconds,
      tokensPerSecond: finite(each.tokensPerSecond),
      mfu: finite(each.mfu),
      peakMemoryBytes: finite(each.peakMemoryBytes),
      cacheBytesPerToken: each.cacheBytesPerToken,
    })),
  };
}

/** `/api/workers`: what the archive knows of each, and its last heartbeat. */
export function workersOf(reader: ArchiveReader, heard: Heard, now: number): Workers {
  const sums = new Map(reader.browse.workers().map((each) => [each.worker, each]));
  const open = new Map(reader.browse.openTrainings().map((each) => [each.worker, each]));
  const names = [...new Set([...heard.workers.keys(), ...sums.keys(), ...open.keys()])].sort();
  return {
    version: apiVersion,
    workers: names.map((worker) => {
      const beat = heard.workers.get(worker);
      const known = sums.get(worker);
      const fresh = beat !== undefined && now - beat.at <= freshMs ? beat.state : undefined;
      const training = open.get(worker);
      // An attempt without an outcome may be of a worker that died.
      const isTraining = training !== undefined && fresh?.state === 'training';
      return {
        worker,
        device: beat ? line(beat.state.deviceName || beat.state.device) : known ? line(known.device) : null,
        state: fresh?.state ?? 'silent',
        heartbeatAt: beat?.at ?? null,
        training: isTraining
          ? {
              search: training.search,
              node: training.node,
              rung: training.rung,
              seed: training.seed,
              startedAt: training.startedAt,
              progress: finite(fresh?.progress),
            }
          : null,
        trainings: known?.trainings ?? 0,
        failed: known?.failed ?? 0,
        busyMs: Math.round(1000 * (known?.seconds ?? 0)),
      };
    }),
  };
}
