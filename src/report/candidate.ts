import {
  type Architecture,
  ArchitectureError,
  parseArchitecture,
  runLengthText,
  runs,
} from '../domain/architecture.ts';
import { strip } from './charts/strip.ts';
import { shortened } from './format.ts';
import { html, type Markup } from './markup.ts';

function parsed(candidate: string): Architecture | null {
  try {
    return parseArchitecture(candidate);
  } catch (error) {
    if (error instanceof ArchitectureError) return null;
    throw error;
  }
}

/** Run-length text that may be broken between runs, and nowhere else. */
export function runsMarkup(architecture: Architecture): Markup {
  return html`<code class="runs">${runs(architecture).map(
    ({ primitive, length }, index) => html`${index > 0 ? html`+<wbr>` : null}${length}${primitive}`,
  )}</code>`;
}

/** A candidate as a picture over its run-length text, or as plain text where it is no architecture. */
export function candidateMarkup(candidate: string): Markup {
  const architecture = parsed(candidate);
  return architecture
    ? html`${strip(architecture)}${runsMarkup(architecture)}`
    : html`<code>${shortened(candidate, 200)}</code>`;
}

/** A candidate in one line of text. */
export function candidateText(candidate: string): string {
  const architecture = parsed(candidate);
  return architecture ? runLengthText(architecture) : shortened(candidate, 60);
}
