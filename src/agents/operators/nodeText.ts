import { shortCandidate } from '../../domain/candidate.ts';
import type { NodeId } from '../../domain/ids.ts';
import { isScored, ranked, type View, type ViewNode } from '../../domain/node.ts';
import { lastLine, oneLine, quoted } from './promptText.ts';

export function outcome(node: ViewNode): string {
  if (isScored(node)) {
    const { fitness, expected } = node;
    return `fitness ${fitness.toPrecision(4)}${expected === undefined ? '' : `, expected ${Number(expected.toPrecision(4))}`}`;
  }
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
    ...(node.message ? [`message: ${lastLine(node.message, 240)}`] : []),
    ...(node.lesson ? [`lesson: ${oneLine(node.lesson, 400)}`] : []),
  ];
  return `- ${parts.join(' | ')}`;
}

const longestError = 1500;

/** What an attempt showed, below its line: why it should have worked, figures of its training, the whole end of its error. */
export function nodeDetails({
  hypothesis,
  expected,
  fitness,
  params,
  tasks = {},
  curve = [],
  message,
}: ViewNode): string[] {
  const figure = (value: number) => String(Number(value.toPrecision(4)));
  const bySubtask = Object.entries(tasks).map(
    ([name, scores]) => `${oneLine(name, 60)} ${Object.values(scores).map(figure).join('/')}`,
  );
  const missed = fitness !== null && expected !== undefined ? fitness - expected : null;
  return [
    ...(hypothesis ? [`  hypothesis: ${oneLine(hypothesis, 600)}`] : []),
    ...(missed === null ? [] : [`  measured minus expected: ${missed > 0 ? '+' : ''}${figure(missed)}`]),
    ...(bySubtask.length > 0 ? [`  by sub-task: ${bySubtask.slice(0, 24).join(', ')}`] : []),
    ...(curve.length > 0
      ? [`  score by step: ${curve.map(([step, score]) => `${figure(step)}: ${figure(score)}`).join(', ')}`]
      : []),
    ...(params === undefined ? [] : [`  parameters: ${params}`]),
    // A short message is in the line already.
    ...(message && message.length > 240 ? [quoted('error', message, longestError)] : []),
  ];
}

/** The nodes that are not shown in another section. */
export const notShown = (nodes: readonly ViewNode[], shown: readonly ViewNode[]): ViewNode[] => {
  const ids = new Set(shown.map(({ id }) => id));
  return nodes.filter(({ id }) => !ids.has(id));
};

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
