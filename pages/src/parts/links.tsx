import type { ComponentChildren } from 'preact';
import { useScope } from '../state/scope.ts';
import { scoreText } from './format.ts';

/** Links to nodes. `children`: what stands there instead of the id. */
export function NodeLink({ search, node, children }: { search: string; node: string; children?: ComponentChildren }) {
  const { link } = useScope();
  return <a href={link(['searches', search, 'nodes', node])}>{children ?? node}</a>;
}

/** The best score of a search or an agent as a link to its node, with its rung where that differs from row to row. */
export function Best({
  search,
  best,
}: {
  search: string;
  best: { readonly node: string; readonly score: number | null; readonly rung?: string } | null;
}) {
  if (!best) return <>–</>;
  return (
    <>
      <NodeLink search={search} node={best.node}>
        {scoreText(best.score)}
      </NodeLink>
      {best.rung && (
        <>
          {' '}
          <small>{best.rung}</small>
        </>
      )}
    </>
  );
}
