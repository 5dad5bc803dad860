import type { Database } from 'better-sqlite3';
import { type Ending, endingReasons } from '../domain/ending.ts';
import type { Phase, SearchSpec } from '../domain/search.ts';
import { type Rung, rungs } from '../domain/task.ts';
import type { BudgetLedger } from './budget.ts';
import type { Endings } from './endings.ts';
import type { Searches } from './searches.ts';
import type { Tallies } from './tally.ts';

const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
const longestSentence = 1000;

/**
 * Early ends that follow from the ledger (I13): what a search gives up when it goes from one phase to the next. Expects to
 * be called inside the transaction that changes the phase.
 */
export function earlyEnds(
  db: Database,
  parts: { searches: Searches; budget: BudgetLedger; endings: Endings; tallies: Tallies },
) {
  const { searches, budget, endings, tallies } = parts;
  const retired = db.prepare<[string, string], { reason: string }>(
    'SELECT reason FROM retirements WHERE search = ? AND agent = ? ORDER BY "after" DESC LIMIT 1',
  );

  /** Why screening ends although agents have evaluations left; null where none have. */
  const screeningEnd = (spec: SearchSpec): Ending | null => {
    const unused = spec.agents.flatMap(({ name, evaluations }) => {
      const left = evaluations - budget.accepted(spec.id, name);
      return left > 0 ? [{ name, left }] : [];
    });
    if (unused.length === 0) return null;
    const all = spec.agents.reduce((sum, { evaluations }) => sum + evaluations, 0);
    const left = unused.reduce((sum, agent) => sum + agent.left, 0);
    const objection = budget.objection(spec, 'screen', searches.elapsedMs(spec.id));
    const told = unused.map(({ name, left }) => {
      const reason = retired.get(spec.id, name)?.reason;
      return `${name} with ${counted(left, 'evaluation')} left${reason ? ` (${reason})` : ''}`;
    });
    const because = objection?.message ?? `all agents have stopped: ${told.join('; ')}`;
    const sentence = `Screening ended early, after ${all - left} of ${all} candidates: ${because}`;
    return {
      ...{ of: 'search', subject: spec.id, reason: objection?.reason ?? endingReasons.agentsStopped },
      sentence: `${sentence.slice(0, longestSentence - 1)}.`,
      figures: { screened: all - left, evaluations: all, elapsedSeconds: searches.elapsedMs(spec.id) / 1000 },
      occurrence: 0,
    };
  };

  const rungEnd = (spec: SearchSpec, rung: Rung, pending: number): Ending => {
    const { evaluated, failed } = tallies.rungs(spec.id)[rung];
    const all = pending + evaluated + failed;
    const sentence = `The ${rung} rung ended with ${pending} of ${counted(all, 'evaluation')} missing: the ${spec.budget.minutes} minutes are over.`;
    return {
      ...{ of: 'rung', subject: rung, reason: endingReasons.minutesOver, sentence },
      figures: { missing: pending, asked: all },
      occurrence: 0,
    };
  };

  return {
    /** Records what the step from one phase to the next gives up; `given` is the search's own reason, where it has one. */
    record(spec: SearchSpec, from: Phase, to: Phase, given: Ending | undefined, now: number): void {
      if (from === to) return;
      if (given) endings.record(spec.id, given, now);
      else if (from === 'screening' && to !== 'stopped') {
        const end = screeningEnd(spec);
        if (end) endings.record(spec.id, end, now);
      }
      if (to === 'stopped') {
        const occurrence = searches.sessions(spec.id);
        const sentence = `The search was interrupted while ${from}; continue it with: aira launch --resume ${spec.id}`;
        endings.record(
          spec.id,
          { of: 'search', subject: spec.id, reason: endingReasons.interrupted, sentence, occurrence },
          now,
        );
      }
      if (to !== 'finished') return;
      for (const rung of rungs) {
        const { pending } = tallies.rungs(spec.id)[rung];
        if (pending > 0) endings.record(spec.id, rungEnd(spec, rung, pending), now);
      }
    },
  };
}
export type EarlyEnds = ReturnType<typeof earlyEnds>;
