import {
  type Architecture,
  ArchitectureError,
  parseArchitecture,
  primitives,
  runLengthText,
  runs,
  runText,
} from '../domain/architecture.ts';
import { type Space, shortCandidate } from '../domain/candidate.ts';
import type { OwnPrimitive } from '../domain/primitive.ts';
import { type ReportNode, shortened } from '../views/index.ts';
import { strip } from './charts/strip.ts';
import { html, type Markup } from './markup.ts';

/** An architecture of built-in primitives and these, or null for any other text. */
function parseOrNull(candidate: string, own: readonly OwnPrimitive[]): Architecture | null {
  try {
    return parseArchitecture(candidate, [...primitives, ...own.map(({ token }) => token)]);
  } catch (error) {
    if (error instanceof ArchitectureError) return null;
    throw error;
  }
}

/** Run-length text that may break between runs only. */
export function runsMarkup(architecture: Architecture): Markup {
  return html`<code class="runs">${runs(architecture).map(
    (run, index) => html`${index > 0 ? html`+<wbr>` : null}${runText(run)}`,
  )}</code>`;
}

/** An architecture as a strip over its run-length text; any other candidate as plain text. */
export function candidateMarkup(candidate: string, own: readonly OwnPrimitive[]): Markup {
  const architecture = parseOrNull(candidate, own);
  return architecture
    ? html`${strip(architecture)}${runsMarkup(architecture)}`
    : html`<code>${shortened(candidate, 200)}</code>`;
}

/** Column head for candidates. */
export const candidateHead = (space: Space): string => (space.kind === 'stack' ? 'architecture' : 'program');

/** A candidate in a table cell: the strip of an architecture; for a program its change, since the code is too long. */
export function candidateCell(node: ReportNode, own: readonly OwnPrimitive[]): Markup {
  if (!node.candidate.startsWith('{')) return candidateMarkup(node.candidate, own);
  const unsafe = node.unsafe ? html` <b class="unsafe">without sandbox</b>` : null;
  return html`<code>${shortCandidate(node.candidate)}</code>${unsafe}<br><small>${shortened(node.change, 160)}</small>`;
}

/** A candidate in one line of text. */
export function candidateText(candidate: string, own: readonly OwnPrimitive[]): string {
  const architecture = parseOrNull(candidate, own);
  if (architecture) return runLengthText(architecture);
  return candidate.startsWith('{') ? shortCandidate(candidate) : shortened(candidate, 60);
}
