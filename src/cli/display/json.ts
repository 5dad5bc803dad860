import { scaffoldLabel } from '../../domain/scaffold.ts';
import { metricValue } from '../../domain/task.ts';
import { jsonLine } from '../../platform/index.ts';
import type { Display } from '../display.ts';

/** Version of the lines; incremented when a line changes its meaning. */
export const eventVersion = 2;

/** One JSON object per line on stdout; the last one is `finished`. */
export function jsonDisplay(write: (line: string) => void): Display {
  let search = '';
  let lowerIsBetter = false;
  const metric = (fitness: number | null) => (fitness === null ? null : metricValue(fitness, lowerIsBetter));
  const say = (event: string, body: object): void => write(`${jsonLine({ event, v: eventVersion, ...body })}\n`);
  return {
    started(spec, resumed) {
      search = spec.id;
      lowerIsBetter = spec.lowerIsBetter;
      const { task, profile, evaluator, deviceClass, seed, budget } = spec;
      const agents = spec.agents.map(({ name, model, scaffold }) => ({
        name,
        model,
        scaffold: scaffoldLabel(scaffold),
      }));
      say('started', { search, resumed, task, profile, evaluator, deviceClass, seed, budget, agents });
    },
    event({ kind, ...body }) {
      say(kind, 'validation' in body ? { ...body, validation: metric(body.validation) } : body);
    },
    agent() {},
    worker() {},
    searchStatus() {},
    notice: (sentence) => say('notice', { search, message: sentence }),
    dashboard: (url) => say('dashboard', { search, url }),
    ended({ how, searchStatus, report, endings, result }) {
      const best = searchStatus?.best;
      say(how, {
        search,
        ...searchStatus?.proposals,
        trainings: searchStatus?.trainings ?? null,
        spend: searchStatus?.spend ?? null,
        best: best
          ? {
              node: best.node,
              architecture: best.short,
              validation: metric(best.validation),
              rung: best.rung,
            }
          : null,
        agents: (searchStatus?.agents ?? []).map(({ agent, best: _, done: __, ...row }) => ({ agent, ...row })),
        /** The search, rungs and agents that ended before their work was done. */
        endings,
        /** The sentences of the report, and per rung and test set what its rows yield without what the task asks for. */
        verdict: result?.verdict ?? [],
        floors: result?.floors ?? {},
        report,
      });
    },
  };
}
