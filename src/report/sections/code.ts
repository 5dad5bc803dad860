import { descending } from 'd3-array';
import { parseProgram } from '../../domain/program.ts';
import { hunksOf } from '../../platform/index.ts';
import type { ReportData, ReportNode } from '../data.ts';
import { type Findings, isProposal, meanOn, nodeName } from '../findings.ts';
import { metric, shortened } from '../format.ts';
import { html, type Markup, section } from '../markup.ts';

/** Programs whose code is shown, beside the finalists. */
const mostShown = 4;
/** Lines of one difference; a program that was written anew is read in the archive. */
const mostLines = 160;

function files(node: ReportNode): Readonly<Record<string, string>> | null {
  try {
    return parseProgram(node.candidate);
  } catch {
    return null;
  }
}

/** Lines that differ, with three lines around them, as pieces of one list per file. */
function difference(before: ReportNode, after: ReportNode): Markup | null {
  const [old, now] = [files(before), files(after)];
  if (!old || !now) return null;
  const pieces = Object.keys(now).flatMap((name) => {
    const hunks = hunksOf(name, old[name] ?? '', now[name] ?? '', 3);
    const lines = hunks.flatMap(({ oldStart, newStart, lines: own }) => [`@@ ${oldStart} to ${newStart} @@`, ...own]);
    if (lines.length === 0) return [];
    const shown = lines.slice(0, mostLines).map((line) => {
      const kind = line.startsWith('+')
        ? 'added'
        : line.startsWith('-')
          ? 'removed'
          : line.startsWith('@')
            ? 'place'
            : '';
      return kind === '' ? html`${line}\n` : html`<span class="${kind}">${line}</span>\n`;
    });
    const rest = lines.length - shown.length;
    return [
      html`<figure><figcaption><code>${name}</code></figcaption><pre class="diff">${shown}</pre>${rest > 0 ? html`<p class="note">${rest} more lines differ.</p>` : null}</figure>`,
    ];
  });
  return pieces.length > 0 ? html`${pieces}` : null;
}

/** What the best programs changed, as differences from their parents, or from the baseline where they have none. */
export function codeSection(data: ReportData, findings: Findings): Markup {
  const byId = new Map(data.nodes.map((node) => [node.id, node]));
  const [baseline] = findings.references;
  const merit = (node: ReportNode) => meanOn(node, 'final') ?? meanOn(node, 'confirm') ?? meanOn(node, 'screen');
  const rank = (node: ReportNode) => [meanOn(node, 'final'), meanOn(node, 'confirm'), meanOn(node, 'screen')];
  const best = data.nodes
    .filter((node) => isProposal(node) && merit(node) !== null)
    .toSorted((a, b) => {
      // A higher rung overrules a lower one.
      const [one, two] = [rank(a), rank(b)];
      const rung = one.findIndex((score, index) => score !== null || two[index] !== null);
      return descending(one[rung] ?? Number.NEGATIVE_INFINITY, two[rung] ?? Number.NEGATIVE_INFINITY);
    })
    .slice(0, mostShown);
  if (best.length === 0) return section('code', 'Code', html`<p>No program has a score.</p>`);
  const shown = best.map((node) => {
    const parent = (node.parents[0] === undefined ? undefined : byId.get(node.parents[0])) ?? baseline;
    const seen = parent ? difference(parent, node) : null;
    return html`<h3>${nodeName(node)} <small>${metric(merit(node), data.search)}, ${node.agent}, ${node.origin}</small></h3>
<p>${shortened(node.change, 400)}</p>
${parent ? html`<p class="note">Against ${parent === baseline ? 'the baseline' : `its parent ${parent.id}`}.</p>` : null}
${seen ?? html`<p class="note">No line differs.</p>`}`;
  });
  return section('code', 'Code', html`<p class="lead">What the best programs changed.</p>${shown}`);
}
