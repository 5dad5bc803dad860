import { extrapolateAll } from '../aggregation/index.ts';
import type { Architecture, OwnPrimitive } from '../domain/architecture.ts';
import type { SectionGroup, Sections } from './api.ts';
import { apiVersion } from './apiSearch.ts';
import type { SearchContext } from './overview.ts';
import { comparedData, judgedData, votersOf } from './overview.ts';
import type { Section } from './page.ts';
import { findingsOf, scoresOn } from './report/findings.ts';
import { aggregationSection, extrapolationSection } from './report/sections/aggregation.ts';
import { claimSection } from './report/sections/claims.ts';
import { comparisonSection, rungSection } from './report/sections/comparisons.ts';
import { leaderboardSection } from './report/sections/leaderboard.ts';
import { shown } from './texts.ts';

/**
 * Sections of the report for the dashboard, from the archive as it is.
 *
 * Role: which sections a group has, the nodes that they need, and why there is nothing yet. Non-role: what a section shows: its
 * function in `report/sections` is that of the written report.
 */

function patternSections(context: SearchContext): Section[] {
  const data = comparedData(context, votersOf(context));
  const isStack = data.search.space.kind === 'stack';
  return [aggregationSection(data), ...(isStack && data.aggregation ? [extrapolationSection(data)] : [])];
}

const ended: readonly string[] = ['finished', 'stopped'];

/** The sentences that were written, or why there are none. */
function saidSection({ search, searchStatus: { phase }, written }: SearchContext): Section {
  const of = (blocks: Section['blocks']): Section => ({ id: 'said', title: 'What is said', blocks });
  const none = (text: string) => of([{ block: 'text', as: 'lead', text }]);
  const record = written();
  const command = `aira report ${search}`;
  if (record === 'unreadable') {
    return none(`The written report has no record of claims that this version reads: write it again with ${command}.`);
  }
  if (record === null) {
    if (ended.includes(phase)) return none(`No report is written yet: ${command} writes it, with what may be claimed.`);
    if (phase === 'screening') {
      return none('Nothing is claimed yet: the search is still screening, and claims rest on the rungs above.');
    }
    return none(
      `Nothing is claimed yet: the search is still ${phase}, and its sentences are written when it ends. Below is the evidence so far.`,
    );
  }
  return of([
    { block: 'claims', sentences: record.sentences },
    ...(ended.includes(record.phase)
      ? []
      : [
          {
            block: 'text',
            as: 'warn',
            text: `The report was written while the search was ${record.phase}: its figures are partial.`,
          } as const,
        ]),
    { block: 'text', as: 'note', text: `Written by ${record.command}, version ${record.version}.` },
  ]);
}

function claimSections(context: SearchContext): Section[] {
  const data = judgedData(context);
  const findings = findingsOf(data);
  const record = context.written();
  const isJudged = data.nodes.some(
    (node) => scoresOn(node, 'confirm').length > 0 || scoresOn(node, 'final').length > 0,
  );
  return [
    saidSection(context),
    ...(isJudged
      ? [leaderboardSection(data, findings), comparisonSection(data, findings), rungSection(data, findings)]
      : []),
    ...(record === null || record === 'unreadable' ? [] : [claimSection(record, data.search)]),
  ];
}

/** `/api/searches/:id/sections/:group` */
export const sectionsOf = (context: SearchContext, group: SectionGroup): Sections => ({
  version: apiVersion,
  sequence: context.columns.sequence,
  sections: shown(group === 'patterns' ? patternSections(context) : claimSections(context)),
});

/** An architecture at the sizes of the report, as its section has them. */
export const fullSizeSection = (label: string, pattern: Architecture, own: readonly OwnPrimitive[]): Section =>
  shown(extrapolationSection({ extrapolations: [{ label, pattern, rows: extrapolateAll(pattern, own) }] }));
