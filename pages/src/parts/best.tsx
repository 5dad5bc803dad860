import { useScope } from '../state/scope.ts';
import { scoreText } from './format.ts';

/** The best score of a search or an agent as a link to its node, with its rung where that differs from row to row. */
export function Best({
  search,
  best,
}: {
  search: string;
  best: { readonly node: string; readonly score: number | null; readonly rung?: string } | null;
}) {
  const { link } = useScope();
  if (!best) return <>–</>;
  return (
    <>
      <a href={link(['searches', search, 'nodes', best.node])}>{scoreText(best.score)}</a>
      {best.rung && (
        <>
          {' '}
          <small>{best.rung}</small>
        </>
      )}
    </>
  );
}
