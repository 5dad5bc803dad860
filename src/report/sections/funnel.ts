import { px } from '../charts/scale.ts';
import type { FunnelRow, ReportData } from '../data.ts';
import { count, shortened } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { groupRow, section, table } from '../table.ts';

const bar = { width: 150, row: 5, height: 22 } as const;

/** Four bars below each other, each a part of the one above: retrieved, cited, changed, improved. */
function funnel({ retrieved, cited, changed, improved }: FunnelRow, attempts: number): Markup {
  const steps = [retrieved, cited, changed, improved];
  const label = `of ${attempts} attempts: retrieved ${retrieved}, cited ${cited}, changed ${changed}, improved ${improved}`;
  return html`<svg width="${bar.width}" height="${bar.height}" viewBox="0 0 ${bar.width} ${bar.height}" role="img" aria-label="${label}"><title>${label}</title>${steps.map(
    (step, index) =>
      html`<rect class="${index === 3 ? 'fill good' : 'fill'}" fill-opacity="${px(0.35 + 0.2 * index)}" x="0" y="${px(index * (bar.row + 0.6))}" width="${px((bar.width * step) / Math.max(1, attempts))}" height="${bar.row}"/>`,
  )}</svg>`;
}

const share = (part: number, whole: number): string => (whole === 0 ? '–' : `${count(part)} of ${count(whole)}`);

/** What became of what was read; nothing where nobody read. */
export function funnelSection({ funnel: data }: ReportData): Markup | null {
  if (data === null) return null;
  const columns = [
    { head: 'source', kind: 'name' },
    { head: 'funnel' },
    { head: 'works', kind: 'number' },
    { head: 'retrieved', kind: 'number' },
    { head: 'cited', kind: 'number' },
    { head: 'changed', kind: 'number' },
    { head: 'improved', kind: 'number' },
    { head: 'improved without a citation', kind: 'number' },
  ] as const;
  const rows = data.agents.flatMap(({ agent, attempts, failed, failure, sources, withoutCitation }) => [
    groupRow(
      columns.length,
      `${agent}, ${count(attempts)} attempts${failed === 0 ? '' : `; ${count(failed)} searches or reads failed: ${shortened(failure ?? '', 160)}`}`,
    ),
    ...sources.map((row, index) => [
      row.source,
      funnel(row, attempts),
      count(row.works),
      count(row.retrieved),
      count(row.cited),
      count(row.changed),
      share(row.improved, row.compared),
      index === 0 ? share(withoutCitation.improved, withoutCitation.compared) : '',
    ]),
  ]);
  const works = data.works.map(({ id, title, shown, cited, improved }) => [
    html`${title ?? id}${title === null ? null : html`<br><small>${id}</small>`}`,
    count(shown),
    count(cited),
    count(improved),
  ]);
  return section(
    'reading',
    'What became of what was read',
    html`${table(columns, rows)}
<p class="note">In attempts: shown something of the source; citing it; of these, accepted as a candidate that the agent had not tried; of these, better than the parent, or for a draft better than all the agent had before, by one training each, noise included. Whether reading helped is a question for paired searches (aira ablate), not for this table.</p>
${
  works.length === 0
    ? null
    : html`<h3>Works that were cited most</h3>${table(
        [
          { head: 'work', kind: 'wide' },
          { head: 'shown', kind: 'number' },
          { head: 'cited', kind: 'number' },
          { head: 'improved', kind: 'number' },
        ],
        works,
      )}`
}`,
  );
}
