import type { Comparison } from '../../statistics/index.ts';
import type { Attribution, ChangeEffect } from '../../studies/index.ts';
import { signed } from '../../views/index.ts';
import { px, scale } from '../charts/scale.ts';
import { html, type Markup, section, table } from '../markup.ts';

const figures = (comparison: Comparison): string => {
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
  const first = `${node} ${relation} ${base} at ${seeds} paired seeds (${figures(gain)}).`;
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

export function attributionText(attribution: Attribution): string {
  const width = Math.min(60, Math.max(...attribution.changes.map(({ label }) => label.length)));
  const rows = attribution.changes.map(
    (change) =>
      `  ${change.label.padEnd(width)}  ${changeVerdict(change).padEnd(19)}  ${change.failed !== null && change.comparison.kind === 'unmeasured' ? change.failed.slice(0, 100) : figures(change.comparison)}`,
  );
  return [attributionSentence(attribution), ...rows, `  trained as ${attribution.trainedAs}`].join('\n');
}

const frame = { width: 320, height: 18 } as const;

function bar(comparison: Comparison, x: ReturnType<typeof scale>): Markup | null {
  if (comparison.kind === 'unmeasured') return null;
  const [low, high] = comparison.interval;
  const at = px(x(comparison.difference));
  return html`<svg class="whisker" viewBox="0 0 ${frame.width} ${frame.height}" width="${frame.width}" height="${frame.height}" aria-hidden="true"><line class="axis" x1="${px(x(0))}" x2="${px(x(0))}" y1="0" y2="${frame.height}"/><line class="bar" x1="${px(x(low))}" x2="${px(x(high))}" y1="9" y2="9"/><line class="bar" x1="${px(x(low))}" x2="${px(x(low))}" y1="6" y2="12"/><line class="bar" x1="${px(x(high))}" x2="${px(x(high))}" y1="6" y2="12"/><circle class="mean" cx="${at}" cy="9" r="3.5"/></svg>`;
}

/** Each change with its contribution, on one scale. */
export function attributionSection(attribution: Attribution): Markup {
  const all = [attribution.gain, ...attribution.changes.map(({ comparison }) => comparison)];
  const ends = all.flatMap((each) => (each.kind === 'measured' ? each.interval : []));
  const x = scale([0, ...ends], [6, frame.width - 6], 4);
  const row = (
    name: string,
    comparison: Comparison,
    verdict: string,
    note: string | null,
  ): (Markup | string | null)[] => [
    name,
    bar(comparison, x),
    comparison.kind === 'measured' ? signed(comparison.difference) : '–',
    comparison.kind === 'measured' ? `${signed(comparison.interval[0])} … ${signed(comparison.interval[1])}` : '–',
    html`<span class="outcome ${verdict === 'earned' ? 'better' : verdict === 'cost' ? 'worse' : ''}">${verdict}</span>${note === null ? null : html`<br><small>${note.slice(0, 200)}</small>`}`,
  ];
  return section(
    'attribution',
    `Attribution of ${attribution.node}`,
    html`<div class="verdict"><p>${attributionSentence(attribution)}</p></div>${table(
      [
        { head: 'change (undone alone)' },
        { head: 'contribution' },
        { head: 'difference', kind: 'number' },
        { head: 'interval', kind: 'number' },
        { head: 'result' },
      ],
      [
        row(
          `all: ${attribution.node} against ${attribution.base}`,
          attribution.gain,
          attribution.gain.kind === 'measured'
            ? { better: 'better', worse: 'worse', even: 'not distinguishable' }[attribution.gain.verdict]
            : '',
          null,
        ),
        ...attribution.changes.map((change) =>
          row(change.label, change.comparison, changeVerdict(change), change.failed),
        ),
      ],
    )}<p class="note">Fitness of ${attribution.node} minus that of the same candidate without the change, on ${attribution.seeds} paired seeds of the final rung, which selected nothing. One noise estimate from all trainings, with seeds as blocks; simultaneous 95 % coverage over the changes. Trained as ${attribution.trainedAs}.</p>`,
  );
}
