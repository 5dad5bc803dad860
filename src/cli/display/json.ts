import { shortCandidate } from '../../domain/candidate.ts';
import { jsonLine } from '../../platform/printable.ts';
import type { Display } from './display.ts';

/** Version of the lines; raised when a line changes its meaning. */
export const eventVersion = 1;

/** One JSON object per line on stdout; the last one is `finished`. */
export function jsonDisplay(write: (line: string) => void): Display {
  let search = '';
  const say = (event: string, body: object): void => write(`${jsonLine({ event, v: eventVersion, ...body })}\n`);
  return {
    started(spec, resumed) {
      search = spec.id;
      const { task, profile, evaluator, deviceClass, seed, budget } = spec;
      const agents = spec.agents.map(({ name, model, scaffold }) => ({ name, model, scaffold: scaffold.kind }));
      say('started', { search, resumed, task, profile, evaluator, deviceClass, seed, budget, agents });
    },
    event({ kind, ...body }) {
      say(kind, body);
    },
    agent() {},
    worker() {},
    standing() {},
    notice: (sentence) => say('notice', { search, message: sentence }),
    ended({ how, standing, report }) {
      const best = standing?.best;
      say(how, {
        search,
        evaluated: standing?.evaluated ?? 0,
        saved: standing?.saved ?? 0,
        failed: standing?.failed ?? 0,
        spend: standing?.spend ?? null,
        best: best
          ? {
              node: best.node,
              architecture: shortCandidate(best.candidate),
              validation: best.validation,
            }
          : null,
        report,
      });
    },
  };
}
