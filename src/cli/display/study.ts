import { createLogUpdate } from 'log-update';
import { shortCandidate } from '../../domain/candidate.ts';
import { coloursFor, jsonLine, printable } from '../../platform/index.ts';
import type { Analysis, Comparison, RunResult, Study } from '../../studies/index.ts';
import { clockTime, eventVersion, score } from '../display.ts';

const colours = coloursFor(process.stdout);

/** Progress of a study. */
export interface StudyProgress {
  /** Runs that have ended, out of `total`. */
  readonly done: number;
  readonly total: number;
  readonly elapsedMs: number;
  /** Estimated from the runs that ended in this session; null before the first. */
  readonly leftMs: number | null;
  /** What a long run is doing. */
  readonly now: string;
}

/** Shows a study while it runs. */
export interface StudyDisplay {
  started(name: string, study: Study, total: number): void;
  run(result: RunResult): void;
  progress(progress: StudyProgress): void;
  ended(analysis: Analysis, paths: { readonly report: string; readonly results: string }): void;
}

const plainEveryMs = 10_000;

const line = ({ done, total, elapsedMs, leftMs, now }: StudyProgress): string => {
  const left = leftMs === null ? '' : `, about ${clockTime(leftMs)} left`;
  return `[${clockTime(elapsedMs)}] ${done} of ${total} runs${left}${now === '' ? '' : `; ${now}`}`;
};

const coloured = ({ verdict, sentence }: Comparison): string =>
  verdict === 'better' ? colours.green(sentence) : verdict === 'worse' ? colours.red(sentence) : sentence;

/** For people: one line redrawn on a terminal, a line every ten seconds elsewhere. */
export function studyDisplay(stream: NodeJS.WriteStream): StudyDisplay {
  const live = stream.isTTY && !process.env.CI ? createLogUpdate(stream) : null;
  let lastPrintedMs = Number.NEGATIVE_INFINITY;
  return {
    started(name, study, total) {
      stream.write(`${colours.bold(name)}: ${printable(study.question)}\n`);
      const arms = study.arms.map((arm) => arm.name).join(', ');
      stream.write(`${arms}; ${study.seeds} seeds, ${study.budget.evaluations} evaluations per run, ${total} runs\n`);
    },
    run() {},
    progress(progress) {
      if (live) live(line(progress));
      else if (progress.elapsedMs - lastPrintedMs >= plainEveryMs || progress.done === progress.total) {
        lastPrintedMs = progress.elapsedMs;
        stream.write(`${line(progress)}\n`);
      }
    },
    ended({ arms, comparisons, cautions }, { report }) {
      live?.clear();
      const width = Math.max(...arms.map(({ name }) => name.length));
      const best = arms.toSorted((a, b) => b.middle - a.middle);
      for (const { name, middle, interval } of best) {
        stream.write(`  ${name.padEnd(width)}  ${score(middle)} [${score(interval.low)}, ${score(interval.high)}]\n`);
      }
      for (const comparison of comparisons) stream.write(`${coloured(comparison)}\n`);
      for (const caution of cautions) stream.write(`${colours.yellow(caution)}\n`);
      stream.write(`report: ${report}\n`);
    },
  };
}

/** One JSON object per line; the last one is `verdict`. */
export function studyJsonDisplay(write: (text: string) => void): StudyDisplay {
  const say = (event: string, body: object): void => write(`${jsonLine({ event, v: eventVersion, ...body })}\n`);
  return {
    started(name, study, total) {
      const arms = study.arms.map((arm) => arm.name);
      say('study', { name, question: study.question, arms, seeds: study.seeds, budget: study.budget, runs: total });
    },
    run({ course: _, crossed: __, candidate, ...result }) {
      say('run', { ...result, architecture: candidate === null ? null : shortCandidate(candidate) });
    },
    progress({ now: _, ...progress }) {
      say('progress', progress);
    },
    ended({ unit, inference, comparisons, cautions }, { report, results }) {
      say('verdict', {
        unit,
        inference,
        cautions,
        comparisons: comparisons.map(({ interval, ...rest }) => ({ ...rest, interval: [interval.low, interval.high] })),
        report,
        results,
      });
    },
  };
}
