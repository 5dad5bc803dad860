import { descending, group } from 'd3-array';
import { candidateText } from '../candidate.ts';
import type { ReportData } from '../data.ts';
import { nodeName } from '../findings.ts';
import { count, shortened } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { section, table } from '../table.ts';

/** Every attempt that gave no score, by reason. */
export function failureSection(data: ReportData): Markup {
  const lost = data.nodes.filter(({ status }) => status !== 'evaluated' && status !== 'pending');
  if (lost.length === 0) return section('failures', 'Failures', html`<p>Every attempt gave a score.</p>`);
  const reasons = [...group(lost, ({ status, reason }) => reason ?? status)].sort(([, a], [, b]) =>
    descending(a.length, b.length),
  );
  return section(
    'failures',
    'Failures',
    table(
      [
        { head: 'reason', kind: 'name' },
        { head: 'attempts', kind: 'number' },
        { head: 'agents' },
        { head: 'for example', kind: 'wide' },
      ],
      reasons.map(([reason, nodes]) => {
        const example = nodes.find(({ message }) => message !== null) ?? nodes[0];
        return [
          html`<code>${reason}</code>`,
          count(nodes.length),
          [...new Set(nodes.map(({ agent }) => agent))].join(', '),
          example
            ? html`${nodeName(example)} <code>${candidateText(example.candidate)}</code>${example.message === null ? null : html`<br>${shortened(example.message, 300)}`}`
            : null,
        ];
      }),
    ),
  );
}
