import type { ClaimRecord } from '../../../domain/claim.ts';
import type { Section } from '../../page.ts';
import { change, count, type MetricDirection } from '../../texts.ts';
import { intervalText } from '../claims.ts';
import { basisName, verdictName } from '../findings.ts';

/** `2001 to 2005` for seeds without a gap, else one by one. */
function seedsText(seeds: readonly number[]): string {
  const [first = 0] = seeds;
  const last = seeds.at(-1) ?? first;
  if (seeds.length === 0) return 'none';
  if (seeds.length > 2 && last - first === seeds.length - 1) return `${first} to ${last}`;
  return seeds.join(', ');
}

/** The record of a report's claims (I11), for people and for `aira audit`; `readClaims` reads it back. */
export function claimSection(record: ClaimRecord, direction: MetricDirection): Section {
  const { comparisons } = record;
  return {
    id: 'claims',
    title: 'Claims',
    blocks: [
      {
        block: 'text',
        as: 'note',
        text: [
          'Sentences, verdicts and intervals of the report, with nodes and seeds. ',
          { text: `aira audit ${record.search}`, as: 'code' },
          ' derives them from the archive again and compares.',
        ],
      },
      ...(comparisons.length === 0
        ? []
        : [
            {
              block: 'table',
              columns: [
                { head: 'node', kind: 'name' },
                { head: 'against', kind: 'name' },
                { head: 'on', kind: 'text' },
                { head: 'verdict', kind: 'name' },
                { head: 'difference', kind: 'number' },
                { head: 'interval', kind: 'number' },
                { head: 'coverage', kind: 'number' },
                { head: 'seeds', kind: 'text' },
              ],
              rows: comparisons.map(({ basis, contender, reference, verdict, seeds, difference, interval, level }) => [
                { node: contender },
                { node: reference },
                basisName[basis],
                verdictName[verdict],
                difference === null ? '–' : change(difference, direction),
                interval === null ? '–' : intervalText(interval, direction),
                `${(100 * level).toFixed(2)} %`,
                [`${count(seeds.length)}: ${seedsText(seeds)}`],
              ]),
            } as const,
          ]),
      {
        block: 'fold',
        summary: `${comparisons.length} comparisons as JSON`,
        blocks: [{ block: 'pre', text: JSON.stringify(record), record: true }],
      },
    ],
  };
}
