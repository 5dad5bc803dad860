import { findingsOf, type ReportData } from '../views/index.ts';
import { claimSection } from './claims.ts';
import { html } from './markup.ts';
import { agentSection, funnelSection, memorySection } from './sections/agents.ts';
import { aggregationSection, extrapolationSection } from './sections/aggregation.ts';
import { codeSection } from './sections/code.ts';
import { comparisonSection, failureSection, rungSection, testSection } from './sections/comparisons.ts';
import { budgetSection, header, provenanceSection } from './sections/header.ts';
import { leaderboardSection } from './sections/leaderboard.ts';
import { progressSection } from './sections/progress.ts';
import { htmlDocument, ownColours } from './style.ts';

/** The report of a search as one HTML file. */
export function reportHtml(data: ReportData): string {
  const findings = findingsOf(data);
  return htmlDocument(
    `${data.search.id}: Aira search report`,
    html`${header(data, findings)}
${progressSection(data, findings)}
${leaderboardSection(data, findings)}
${comparisonSection(data, findings)}
${rungSection(data, findings)}
${
  data.search.space.kind === 'stack'
    ? html`${aggregationSection(data)}
${extrapolationSection(data)}`
    : codeSection(data, findings)
}
${testSection(data, findings)}
${budgetSection(data)}
${agentSection(data)}
${memorySection(data)}
${funnelSection(data)}
${failureSection(data)}
${claimSection(data)}
${provenanceSection(data)}`,
    ownColours(data.search.primitives),
  );
}
