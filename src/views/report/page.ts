import type { SectionsPage } from '../page.ts';
import { claimRecord } from './claims.ts';
import type { ReportData } from './data.ts';
import { findingsOf } from './findings.ts';
import { agentSection, funnelSection, memorySection } from './sections/agents.ts';
import { aggregationSection, extrapolationSection } from './sections/aggregation.ts';
import { claimSection } from './sections/claims.ts';
import { codeSection } from './sections/code.ts';
import { comparisonSection, failureSection, rungSection, testSection } from './sections/comparisons.ts';
import { budgetSection, headBlocks, provenanceOf } from './sections/header.ts';
import { leaderboardSection } from './sections/leaderboard.ts';
import { progressSection } from './sections/progress.ts';

/** What the report of a search shows. */
export function reportPage(data: ReportData): SectionsPage {
  const { search } = data;
  const findings = findingsOf(data);
  const isStack = search.space.kind === 'stack';
  return {
    kind: 'sections',
    title: `${search.id}: Aira search report`,
    of: 'Aira search report',
    heading: search.id,
    head: headBlocks(data, findings),
    sections: [
      progressSection(data, findings),
      leaderboardSection(data, findings),
      comparisonSection(data, findings),
      rungSection(data, findings),
      ...(isStack ? [aggregationSection(data), extrapolationSection(data)] : [codeSection(data, findings)]),
      testSection(data, findings),
      budgetSection(data),
      agentSection(data),
      ...memorySection(data),
      ...funnelSection(data),
      failureSection(data),
      claimSection(claimRecord(data), search),
    ],
    provenance: provenanceOf(data),
    colours: coloursOf(search.primitives),
  };
}

/** Colours of a user's own primitives. */
export const coloursOf = (primitives: ReportData['search']['primitives']): Readonly<Record<string, string>> =>
  Object.fromEntries(primitives.map(({ token, colour }) => [token, colour]));
