import type { Comparison } from '../../statistics/index.ts';
import type { Attribution, ChangeEffect } from '../../studies/index.ts';
import type { Section, Text } from '../page.ts';
import { signed } from '../texts.ts';

/** A difference with its interval. */
export const differenceFigures = (comparison: Comparison): string => {
  if (comparison.kind === 'unmeasured') return comparison.why;
  const [low, high] = comparison.interval;
  return `${signed(comparison.difference)}, interval ${signed(low)} to ${signed(high)}`;
};

/** Result of one change. */
export function changeVerdict({ comparison, failed }: ChangeEffect): string {
  if (failed !== null && comparison.kind === 'unmeasured') return 'cannot be undone alone';
  if (comparison.kind === 'unmeasured') return 'not measured';
  return { better: 'earned', worse: 'cost', even: 'not distinguishable' }[comparison.verdict];
}

/** The outcome in a sentence or two. */
export function attributionSentence({ node, base, seeds, gain, changes, interplay }: Attribution): string {
  if (gain.kind === 'unmeasured') return `${node} cannot be compared with ${base}: ${gain.why}.`;
  const relation = { better: 'is better than', worse: 'is worse than', even: 'is not distinguishable from' }[
    gain.verdict
  ];
  const first = `${node} ${relation} ${base} at ${seeds} paired seeds (${differenceFigures(gain)}).`;
  const by = (verdict: string) => changes.filter((change) => changeVerdict(change) === verdict);
  const list = (effects: readonly ChangeEffect[]) =>
    effects
      .map(
        ({ label, comparison }) => `${label} (${comparison.kind === 'measured' ? signed(comparison.difference) : '–'})`,
      )
      .join('; ');
  const earned = by('earned');
  const cost = by('cost');
  const even = by('not distinguishable');
  const lost = by('cannot be undone alone');
  const parts = [
    earned.length > 0
      ? `The gain is due to ${list(earned)}.`
      : `No single change is distinguishable from noise at ${seeds} seeds.`,
    ...(cost.length > 0 ? [`It is reduced by ${list(cost)}.`] : []),
    ...(earned.length > 0 && even.length > 0
      ? [
          `${even.length === 1 ? 'One other change is' : `${even.length} other changes are`} not distinguishable from zero.`,
        ]
      : []),
    ...(lost.length > 0 ? [`Without ${lost.map(({ label }) => label).join('; ')} training fails.`] : []),
    ...(interplay !== null && changes.length > 1 && gain.verdict !== 'even'
      ? [`Interaction of the changes: ${signed(interplay)} beyond their single contributions.`]
      : []),
  ];
  return [first, ...parts].join(' ');
}

const words = { better: 'better', worse: 'worse', even: 'not distinguishable' } as const;

/** Each change with its contribution, on one scale. */
export function attributionSection(attribution: Attribution): Section {
  const { node, base, gain, changes, seeds, trainedAs } = attribution;
  const all = [
    {
      ...{ name: `all: ${node} against ${base}`, comparison: gain, note: null },
      verdict: gain.kind === 'measured' ? words[gain.verdict] : '',
    },
    ...changes.map((change) => ({
      ...{ name: change.label, comparison: change.comparison, note: change.failed, verdict: changeVerdict(change) },
    })),
  ];
  const outcome = (verdict: string): Text =>
    verdict === 'earned' ? { text: verdict, as: 'good' } : verdict === 'cost' ? { text: verdict, as: 'bad' } : verdict;
  return {
    id: 'attribution',
    title: `Attribution of ${node}`,
    blocks: [
      { block: 'text', as: 'lead', text: attributionSentence(attribution) },
      {
        block: 'forest',
        label: 'contribution of each change, undone alone',
        effects: all.map(({ name, comparison, verdict, note }) => ({
          name,
          sub: note === null ? '' : note.slice(0, 200),
          estimate: comparison.kind === 'measured' ? comparison.difference : null,
          low: comparison.kind === 'measured' ? comparison.interval[0] : null,
          high: comparison.kind === 'measured' ? comparison.interval[1] : null,
          verdict,
        })),
      },
      {
        block: 'table',
        columns: [
          { head: 'change (undone alone)', kind: 'text' },
          { head: 'difference', kind: 'number' },
          { head: 'interval', kind: 'number' },
          { head: 'result' },
        ],
        rows: all.map(({ name, comparison, verdict, note }) => [
          name,
          comparison.kind === 'measured' ? signed(comparison.difference) : '–',
          comparison.kind === 'measured'
            ? `${signed(comparison.interval[0])} … ${signed(comparison.interval[1])}`
            : '–',
          [outcome(verdict), ...(note === null ? [] : [{ text: note.slice(0, 200), as: 'below' } as const])].flat(),
        ]),
      },
      {
        block: 'text',
        as: 'note',
        text: `Fitness of ${node} minus that of the same candidate without the change, on ${seeds} paired seeds of the final rung, which selected nothing. One noise estimate from all trainings, with seeds as blocks; simultaneous 95 % coverage over the changes. Trained as ${trainedAs}.`,
      },
    ],
  };
}
