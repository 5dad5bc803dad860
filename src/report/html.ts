import type { ReportData } from './data.ts';
import { findingsOf } from './findings.ts';
import { printable } from './format.ts';
import { html } from './markup.ts';
import { agentSection } from './sections/agents.ts';
import { aggregationSection } from './sections/aggregation.ts';
import { budgetSection } from './sections/budget.ts';
import { codeSection } from './sections/code.ts';
import { comparisonSection, testSection } from './sections/comparisons.ts';
import { extrapolationSection } from './sections/extrapolation.ts';
import { failureSection } from './sections/failures.ts';
import { funnelSection } from './sections/funnel.ts';
import { header } from './sections/header.ts';
import { leaderboardSection } from './sections/leaderboard.ts';
import { memorySection } from './sections/memory.ts';
import { progressSection } from './sections/progress.ts';
import { provenanceSection } from './sections/provenance.ts';
import { rungSection } from './sections/rungs.ts';
import { styleSheet } from './style.ts';

/**
 * The report as one HTML file: no script, no request to anywhere, readable in light and dark, on paper and in greyscale.
 * The content policy forbids what the escaping already prevents.
 */
export function reportHtml(data: ReportData): string {
  const findings = findingsOf(data);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<title>${data.search.id}: Aira search report</title>
${styleSheet}
</head>
<body>
<main>
${header(data, findings)}
${progressSection(data, findings)}
${leaderboardSection(data, findings)}
${comparisonSection(data, findings)}
${rungSection(data, findings)}
${
  data.search.space.kind === 'stack'
    ? html`${aggregationSection(data, findings)}
${extrapolationSection(data)}`
    : codeSection(data, findings)
}
${testSection(data, findings)}
${budgetSection(data)}
${agentSection(data)}
${memorySection(data)}
${funnelSection(data)}
${failureSection(data)}
${provenanceSection(data)}
</main>
</body>
</html>
`;
  return printable(page.text);
}
