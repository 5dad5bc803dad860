import { scoreText, short } from '../parts/format.ts';
import { ShortCandidate } from '../parts/strip.tsx';
import { nodeId, operators, type Points, rungs, statuses } from '../state/points.ts';

/** A node under the pointer, in three lines. */
export function NodeTip({ points, index }: { points: Points; index: number }) {
  if (index >= points.count) return null;
  const rung = points.rung[index] as number;
  const pattern = points.patterns[points.pattern[index] as number];
  return (
    <>
      <p>
        <b>{nodeId(points, index)}</b> · {operators[points.operator[index] as number]} ·{' '}
        {statuses[points.status[index] as number]}
      </p>
      <p>
        {scoreText(points.score[index])}
        {rung > 0 ? `, ${rungs[rung]} ${scoreText(points.rungScore[index])}` : ''}
        {Number.isFinite(points.parameters[index]) ? ` · ${short(points.parameters[index])} parameters` : ''}
      </p>
      {pattern && <ShortCandidate text={pattern} />}
    </>
  );
}
