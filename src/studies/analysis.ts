import { max, mean, min } from 'd3-array';
import { rngFor } from '../domain/rng.ts';
import {
  bandedCurve,
  type Curve,
  elo,
  type Interval,
  normalisedScore,
  type Rating,
  validRate,
} from '../statistics/index.ts';
import { type Comparison, comparisonsOf, estimate, level, type Unit, unitOf, type Value } from './comparisons.ts';
import type { RunResult, TaskFacts } from './results.ts';
import type { Study } from './spec.ts';

const curveResamples = 500;
const eloRounds = 100;

export interface ArmSummary {
  readonly name: string;
  readonly runs: number;
  /** Distinct candidates that its runs handed in. */
  readonly candidates: number;
  readonly middle: number;
  readonly interval: Interval;
  readonly mean: number;
  readonly validRate: number;
  /** Mean normalised score; null if a task has no scale. */
  readonly normalised: number | null;
  readonly elo: Rating;
  readonly rejected: number;
  readonly duplicate: number;
  readonly failed: number;
}

export interface TaskCurves {
  readonly task: TaskFacts;
  /** Regret if the optimum is known, else the score. */
  readonly shows: 'regret' | 'score';
  readonly arms: readonly { readonly name: string; readonly curve: Curve }[];
}

export interface Analysis {
  /** `worth` in the task's metric, or normalised over several tasks. */
  readonly unit: 'worth' | 'normalised';
  /** What varies when trainings are repeated; intervals and p are over these. */
  readonly inference: { readonly unit: Unit; readonly units: number };
  readonly arms: readonly ArmSummary[];
  readonly comparisons: readonly Comparison[];
  /** Device time per run where an arm rehearses candidates; empty otherwise. */
  readonly spending: readonly string[];
  /** Problems in the runs that may explain a difference or its absence. */
  readonly cautions: readonly string[];
  readonly curves: readonly TaskCurves[];
}

/** A run without a candidate counts as the worst run of its task. */
function worstOf(results: readonly RunResult[]): ReadonlyMap<string, number> {
  const tasks = new Set(results.map(({ task }) => task));
  return new Map(
    [...tasks].map((task) => [
      task,
      min(
        results.filter((run) => run.task === task),
        ({ worth }) => worth ?? undefined,
      ) ?? 0,
    ]),
  );
}

/** Scales of normalised scores: the task's optimum if known, else the best run. Null without a range. */
function scalesOf(tasks: readonly TaskFacts[], results: readonly RunResult[], worst: ReadonlyMap<string, number>) {
  return new Map(
    tasks.map(({ label, best }) => {
      const optimum =
        best ??
        max(
          results.filter(({ task }) => task === label),
          ({ worth }) => worth ?? undefined,
        );
      const low = worst.get(label);
      const scale = { optimum: 1, worst: low ?? 0, best: optimum ?? 0 };
      return [
        label,
        optimum !== undefined && low !== undefined && optimum > low && low >= 0 && optimum <= 1 ? scale : null,
      ] as const;
    }),
  );
}

const total = (runs: readonly RunResult[], count: (run: RunResult) => number): number =>
  runs.reduce((sum, run) => sum + count(run), 0);

function cautionsOf(arm: string, runs: readonly RunResult[]): string[] {
  const lost = total(runs, ({ lostAgents }) => lostAgents);
  const runsWithLoss = runs.filter(({ lostAgents }) => lostAgents > 0).length;
  const readings = total(runs, (run) => run.readings);
  const failed = total(runs, ({ failedReadings }) => failedReadings);
  const agents = lost === 1 ? 'agent was' : 'agents were';
  return [
    ...(lost > 0 ? [`Arm ${arm}: ${lost} ${agents} lost, in ${runsWithLoss} of ${runs.length} runs.`] : []),
    ...(failed > 0 ? [`Arm ${arm}: ${failed} of ${readings} literature searches and reads failed.`] : []),
  ];
}

/** Device time of screening and of rehearsals per run, by arm: what equal budgets came to. */
function spendingOf(study: Study, results: readonly RunResult[]): string[] {
  if (!results.some(({ spent }) => (spent?.rehearsals ?? 0) > 0)) return [];
  return study.arms.map(({ name }) => {
    const runs = results.filter(({ arm, spent }) => arm === name && spent !== undefined);
    const perRun = (part: 'screening' | 'rehearsals') =>
      total(runs, ({ spent }) => spent?.[part] ?? 0) / Math.max(1, runs.length);
    const [screening, rehearsals] = [perRun('screening'), perRun('rehearsals')];
    const parts = `${screening.toFixed(1)} of screening and ${rehearsals.toFixed(1)} of checks and experiments`;
    return `Arm ${name}: ${(screening + rehearsals).toFixed(1)} device seconds per run, ${parts}.`;
  });
}

/** Analyses the runs of a study. A pure function of study and runs: resampling is seeded by labels. */
export function analyse(study: Study, tasks: readonly TaskFacts[], results: readonly RunResult[]): Analysis {
  const worst = worstOf(results);
  const scales = scalesOf(tasks, results, worst);
  const normalised = (run: RunResult): number | null => {
    const scale = scales.get(run.task);
    return scale ? normalisedScore(run.worth, scale) : null;
  };
  const unit = tasks.length > 1 && tasks.every(({ label }) => scales.get(label)) ? 'normalised' : 'worth';
  const value: Value =
    unit === 'normalised' ? (run) => normalised(run) as number : (run) => run.worth ?? (worst.get(run.task) as number);

  const of = (arm: string) => results.filter((run) => run.arm === arm);
  const ratings = elo(
    study.arms.map(({ name }) => ({
      name,
      runs: Object.fromEntries(
        tasks.map(({ label }) => [
          label,
          of(name)
            .filter((run) => run.task === label)
            .map(({ worth }) => worth),
        ]),
      ),
    })),
    { rng: rngFor('study', study.question, 'elo'), rounds: eloRounds },
  );
  const arms = study.arms.map(({ name }, index): ArmSummary => {
    const runs = of(name);
    const values = runs.map(value);
    const found = estimate(
      runs.map((run) => [run, null]),
      value,
      rngFor('study', study.question, 'arm', name),
    );
    const scaled = runs.map(normalised);
    return {
      name,
      runs: runs.length,
      candidates: new Set(runs.flatMap(({ task, candidate }) => (candidate === null ? [] : `${task} ${candidate}`)))
        .size,
      middle: found.effect,
      interval: found.interval,
      mean: mean(values) as number,
      validRate: validRate(
        tasks.map(({ label }) => runs.filter((run) => run.task === label).map(({ worth }) => worth)),
      ),
      normalised: scaled.some((score) => score === null) ? null : (mean(scaled as number[]) ?? null),
      elo: ratings[index] as Rating,
      rejected: total(runs, ({ rejected }) => rejected),
      duplicate: total(runs, ({ duplicate }) => duplicate),
      failed: total(runs, ({ failed }) => failed),
    };
  });
  const comparisons = comparisonsOf(study, results, value);
  return {
    unit,
    inference: { unit: unitOf(results), units: Math.max(0, ...comparisons.map(({ units }) => units)) },
    arms,
    comparisons,
    spending: spendingOf(study, results),
    cautions: study.arms.flatMap(({ name }) => cautionsOf(name, of(name))),
    curves: curvesOf(study, tasks, results, worst),
  };
}

function curvesOf(
  study: Study,
  tasks: readonly TaskFacts[],
  results: readonly RunResult[],
  worst: ReadonlyMap<string, number>,
): TaskCurves[] {
  return tasks.map((task) => {
    const shows = task.best !== null && task.course === 'worth' ? 'regret' : 'score';
    const at = (score: number | null) => {
      const known = score ?? (worst.get(task.label) as number);
      return shows === 'regret' ? (task.best as number) - known : known;
    };
    const arms = study.arms.flatMap(({ name }) => {
      const runs = results.filter((run) => run.arm === name && run.task === task.label && run.course.length > 0);
      if (runs.length === 0) return [];
      const rng = rngFor('study', study.question, 'curve', task.label, name);
      return [
        {
          name,
          curve: bandedCurve([runs.map(({ course }) => course.map(at))], { rng, resamples: curveResamples, level }),
        },
      ];
    });
    return { task, shows, arms };
  });
}
