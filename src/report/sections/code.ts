import { descending } from 'd3-array';
import { parseProgram } from '../../domain/program.ts';
import { hunksOf } from '../../platform/index.ts';
import {
  type Findings,
  isProposal,
  meanOn,
  metric,
  nodeName,
  type ReportData,
  type ReportNode,
  shortened,
} from '../../views/index.ts';
import { html, type Markup, section } from '../markup.ts';

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

/** Changed lines with three lines of context, one figure per file. */
function diff(before: ReportNode, after: ReportNode): Markup | null {
  const [old, now] = [files(before), files(after)];
  if (!old || !now) return null;
  const pieces = Object.keys(now).flatMap((name) => {
    const hunks = hunksOf(name, old[name] ?? '', now[name] ?? '', 3);
    const lines = hunks.flatMap(({ oldStart, newStart, lines: own }) => [` ${oldStart} to ${newStart} `, ...own]);
    if (lines.length === 0) return [];
    const visible = lines.slice(0, maxDiffLines).map((line) => {
      const kind = line.startsWith('+')
        ? 'added'
        : line.startsWith('-')
          ? 'removed'
          : line.startsWith('@')
            ? 'place'
            : '';
      return kind === '' ? html`${line}\n` : html`<span class="${kind}">${line}</span>\n`;
    });
    const rest = lines.length - visible.length;
    return [
      html`<figure><figcaption><code>${name}</code></figcaption><pre class="diff">${visible}</pre>${rest > 0 ? html`<p class="note">${rest} more lines differ.</p>` : null}</figure>`,
    ];
  });
  return pieces.length > 0 ? html`${pieces}` : null;
}

/** What the best programs changed relative to their parents, or to the baseline for drafts. */
export function codeSection(data: ReportData, findings: Findings): Markup {
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
  if (best.length === 0) return section('code', 'Code', html`<p>No program has a score.</p>`);
  const programs = best.map((node) => {
    const parent = (node.parents[0] === undefined ? undefined : byId.get(node.parents[0])) ?? baseline;
    const changes = parent ? diff(parent, node) : null;
    return html`<h3>${nodeName(node)} <small>${metric(score(node), data.search)}, ${node.agent}, ${node.origin}</small></h3>
<p>${shortened(node.change, 400)}</p>
${parent ? html`<p class="note">Compared with ${parent === baseline ? 'the baseline' : `its parent ${parent.id}`}.</p>` : null}
${changes ?? html`<p class="note">No changes.</p>`}`;
  });
  return section('code', 'Code', html`<p class="lead">What the best programs changed.</p>${programs}`);
}
