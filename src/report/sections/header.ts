import type { Space } from '../../domain/space.ts';
import { agentEndSentences } from '../agentEnds.ts';
import type { ReportData } from '../data.ts';
import { bases, basisName, type Findings, proposalsOf } from '../findings.ts';
import { count, duration, score } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { unfinished, verdict } from '../sentences.ts';

function figure(value: string, label: string, note = ''): Markup {
  return html`<div><dt>${label}</dt><dd>${value}${note === '' ? null : html` <small>${note}</small>`}</dd></div>`;
}

function whatIsSought(space: Space): string {
  return space.kind === 'stack'
    ? `${space.layers} layers of ${space.primitives.join(', ')}`
    : `programs of ${space.files.map(({ name }) => name).join(', ')}`;
}

/** What was searched, what came of it in a sentence or two, and the figures that size the effort. */
export function header(data: ReportData, findings: Findings): Markup {
  const { search, budget } = data;
  const proposals = proposalsOf(data);
  const basis = bases.toReversed().find((each) => each !== 'test' && findings.noise[each]);
  const noise = basis ? findings.noise[basis] : null;
  const open = unfinished(data);
  return html`<header>
<p class="kicker">Aira search report</p>
<h1>${search.id}</h1>
<p class="facts">task ${search.task} · profile ${search.profile} · ${whatIsSought(search.space)} · ${search.metric}, ${search.lowerIsBetter ? 'lower' : 'higher'} is better</p>
<div class="verdict">${verdict(data, findings).map((sentence) => html`<p>${sentence}</p>`)}${open === null ? null : html`<p class="open">${open}</p>`}${data.endings.map(({ sentence }) => html`<p class="open">${sentence}</p>`)}${agentEndSentences(data).map((sentence) => html`<p class="open">${sentence}.</p>`)}</div>
<dl class="figures">
${figure(count(proposals.proposed), 'proposed')}
${figure(count(proposals.evaluated), 'evaluated', proposals.cached > 0 ? `${count(proposals.cached)} cached` : '')}
${figure(count(proposals.failed), 'failed')}
${figure(count(proposals.rejected + proposals.duplicate), 'rejected or duplicate')}
${figure(count(data.agents.length), data.agents.length === 1 ? 'agent' : 'agents')}
${figure(duration(budget.spent.minutes * 60), 'wall time')}
${figure(duration(budget.spent.deviceSeconds), 'training time')}
${figure(noise ? score(noise.sd) : '–', 'seed noise (sd)', noise && basis ? `${basisName[basis]}, ${noise.degrees} df` : 'nothing has two seeds')}
</dl>
</header>`;
}
