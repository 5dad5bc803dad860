import { descending } from 'd3-array';
import { parseProgram } from '../../../domain/program.ts';
import { hunksOf } from '../../../platform/index.ts';
import type { Block, Section } from '../../page.ts';
import { metric, shortened } from '../../texts.ts';
import type { ReportData, ReportNode } from '../data.ts';
import { type Findings, isProposal, meanOn, nodeName } from '../findings.ts';

/** Programs whose diff is shown. */
const maxPrograms = 4;
/** Lines per diff; a rewritten program is read in the archive. */
const maxDiffLines = 160;

function files(node: ReportNode): Readonly<Record<string, string>> | null {
  try {
    return parseProgram(node.candidate);
  } catch {
    return null;
  }
}

/** Changed lines with three lines of context, one block per file. */
function diff(before: ReportNode, after: ReportNode): Block[] {
  const [old, now] = [files(before), files(after)];
  if (!old || !now) return [];
  return Object.keys(now).flatMap((name): Block[] => {
    const hunks = hunksOf(name, old[name] ?? '', now[name] ?? '', 3);
    const lines = hunks.flatMap(({ oldStart, newStart, lines: own }) => [`@ ${oldStart} to ${newStart}`, ...own]);
    if (lines.length === 0) return [];
    return [
      { block: 'diff', name, lines: lines.slice(0, maxDiffLines), more: Math.max(0, lines.length - maxDiffLines) },
    ];
  });
}

/** What the best programs changed relative to their parents, or to the baseline for drafts. */
export function codeSection(data: ReportData, findings: Findings): Section {
  const byId = new Map(data.nodes.map((node) => [node.id, node]));
  const [baseline] = findings.references;
  const score = (node: ReportNode) => meanOn(node, 'final') ?? meanOn(node, 'confirm') ?? meanOn(node, 'screen');
  const rank = (node: ReportNode) => [meanOn(node, 'final'), meanOn(node, 'confirm'), meanOn(node, 'screen')];
  const best = data.nodes
    .filter((node) => isProposal(node) && score(node) !== null)
    .toSorted((a, b) => {
      // Scores of a higher rung take precedence.
      const [one, two] = [rank(a), rank(b)];
      const rung = one.findIndex((value, index) => value !== null || two[index] !== null);
      return descending(one[rung] ?? Number.NEGATIVE_INFINITY, two[rung] ?? Number.NEGATIVE_INFINITY);
    })
    .slice(0, maxPrograms);
  if (best.length === 0) {
    return { id: 'code', title: 'Code', blocks: [{ block: 'text', text: 'No program has a score.' }] };
  }
  const programs = best.flatMap((node): Block[] => {
    const parent = (node.parents[0] === undefined ? undefined : byId.get(node.parents[0])) ?? baseline;
    const changes = parent ? diff(parent, node) : [];
    const with_ = parent === baseline ? 'the baseline' : `its parent ${parent?.id}`;
    return [
      {
        block: 'heading',
        text: [
          `${nodeName(node)} `,
          { text: `${metric(score(node), data.search)}, ${node.agent}, ${node.origin}`, as: 'small' },
        ],
      },
      { block: 'text', text: shortened(node.change, 400) },
      ...(parent ? [{ block: 'text', as: 'note', text: `Compared with ${with_}.` } as const] : []),
      ...(changes.length > 0 ? changes : [{ block: 'text', as: 'note', text: 'No changes.' } as const]),
    ];
  });
  return {
    id: 'code',
    title: 'Code',
    blocks: [{ block: 'text', as: 'lead', text: 'What the best programs changed.' }, ...programs],
  };
}
