import { operators } from '../../domain/node.ts';
import { agentEndText } from '../agentEnds.ts';
import type { ReportAgent, ReportData } from '../data.ts';
import { bestScreened, isProposal, meanOf, meanOn, proposalsOf, scoresOn } from '../findings.ts';
import { count, metric, shortened } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { seriesStyle } from '../palette.ts';
import { section, table } from '../table.ts';

function key(index: number): Markup {
  const { className, dash } = seriesStyle(index);
  return html`<svg class="key" viewBox="0 0 28 8" width="28" height="8" aria-hidden="true"><path class="line ${className}" stroke-dasharray="${dash}" d="M0 4H28"/></svg>`;
}

/** What each agent did and how far it came. */
export function agentSection(data: ReportData): Markup {
  const row = ({ name, model, scaffold, end }: ReportAgent, index: number) => {
    const proposals = proposalsOf(data, name);
    const own = data.nodes.filter((node) => node.agent === name && isProposal(node));
    const best = bestScreened(own);
    const promoted = own.filter((node) => scoresOn(node, 'confirm').length > 0);
    const mix = operators
      .map((operator) => ({ operator, n: own.filter((node) => node.origin === operator).length }))
      .filter(({ n }) => n > 0)
      .map(({ operator, n }) => `${count(n)} ${operator}`);
    return [
      html`${key(index)} ${name}`,
      html`${model}<br><small>${scaffold}</small>`,
      count(proposals.proposed),
      count(proposals.evaluated),
      count(proposals.cached),
      count(proposals.failed),
      count(proposals.rejected),
      count(proposals.duplicate),
      metric(best ? meanOn(best, 'screen') : null, data.search),
      metric(meanOf(own, 'screen'), data.search),
      count(promoted.length),
      mix.join(', '),
      shortened(agentEndText(end) ?? '', 200),
    ];
  };
  return section(
    'agents',
    'Agents',
    table(
      [
        { head: 'agent', kind: 'name' },
        { head: 'model, scaffold' },
        { head: 'proposed', kind: 'number' },
        { head: 'evaluated', kind: 'number' },
        { head: 'cached', kind: 'number' },
        { head: 'failed', kind: 'number' },
        { head: 'rejected', kind: 'number' },
        { head: 'duplicate', kind: 'number' },
        { head: 'best screen', kind: 'number' },
        { head: 'mean screen', kind: 'number' },
        { head: 'promoted', kind: 'number' },
        { head: 'operators' },
        { head: 'end' },
      ],
      data.agents.map(row),
    ),
  );
}
