import { shortCandidate } from '../../domain/candidate.ts';
import type { NodeId } from '../../domain/ids.ts';
import { isScored, ranked, type View, type ViewNode } from '../../domain/node.ts';
import { oneLine } from './quote.ts';

function outcome(node: ViewNode): string {
  if (isScored(node)) return `fitness ${node.fitness.toPrecision(4)}`;
  if (node.status === 'pending') return 'result pending';
  return `no score: ${node.reason ?? node.status}`;
}

/** An attempt in one line; deterministic. */
export function nodeLine(node: ViewNode): string {
  const made = node.parents.length > 0 ? `${node.operator} of ${node.parents.join(' and ')}` : node.operator;
  const parts = [
    `${node.id} (${made})`,
    oneLine(shortCandidate(node.candidate), 200),
    outcome(node),
    ...(node.change ? [`change: ${oneLine(node.change, 240)}`] : []),
    ...(node.message ? [`message: ${oneLine(node.message, 240)}`] : []),
    ...(node.lesson ? [`lesson: ${oneLine(node.lesson, 400)}`] : []),
  ];
  return `- ${parts.join(' | ')}`;
}

/**
 * A list of attempts within `most` characters. If not all fit, the best and the most recent alternate; the list is in order
 * of creation and ends with the number of omitted attempts.
 */
export function nodeList(nodes: readonly ViewNode[], most: number): string {
  if (nodes.length === 0) return '(none)';
  const byAge = [...nodes].sort((a, b) => a.ordinal - b.ordinal);
  const best = ranked(byAge);
  const recent = [...byAge].reverse();
  const turns = recent.flatMap((node, turn) => [...(best[turn] ? [best[turn]] : []), node]);
  const lines = new Map<NodeId, string>();
  let room = most;
  for (const node of turns) {
    if (lines.has(node.id)) continue;
    const line = nodeLine(node);
    if (line.length + 1 > room) break;
    room -= line.length + 1;
    lines.set(node.id, line);
  }
  const shown = byAge.flatMap((node) => lines.get(node.id) ?? []);
  const left = nodes.length - shown.length;
  return [...shown, ...(left > 0 ? [`(${left} further attempts are not shown)`] : [])].join('\n');
}

/** Earlier children of the same parent; for a draft, the earlier drafts. */
export function siblings(view: View, parents: readonly ViewNode[]): ViewNode[] {
  const [first] = parents;
  return view.nodes.filter((node) => (first ? node.parents[0] === first.id : node.parents.length === 0));
}

/** The node, its first parent, that one's first parent, and so on. */
export function lineage(view: View, node: ViewNode): ViewNode[] {
  const byId = new Map(view.nodes.map((each) => [each.id, each]));
  const chain: ViewNode[] = [];
  for (let at: ViewNode | undefined = node; at && !chain.includes(at); ) {
    chain.push(at);
    const [parent]: NodeId[] = at.parents;
    at = parent === undefined ? undefined : byId.get(parent);
  }
  return chain;
}
