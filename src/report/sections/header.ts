import type { Space } from '../../domain/candidate.ts';
import type { ReportData } from '../data.ts';
import { bases, basisName, type Findings, proposalsOf } from '../findings.ts';
import { agentEndSentences, count, duration, percent, score } from '../format.ts';
import { html, type Markup, section, table } from '../markup.ts';
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

/** What made these figures, and how to make them again. */
export function provenanceSection(data: ReportData): Markup {
  const { airaVersion, taskVersion, evaluator, machine, startedAt, searchFile, commands } = data.provenance;
  const facts = [
    { fact: 'Aira', value: airaVersion },
    { fact: 'task version', value: taskVersion },
    { fact: 'evaluator', value: evaluator },
    { fact: 'search seed', value: String(data.search.seed) },
    { fact: 'begun', value: startedAt },
    ...machine,
  ];
  return section(
    'provenance',
    'Provenance',
    html`<dl class="sources">${facts.map(({ fact, value }) => html`<dt>${fact}</dt><dd><code>${value}</code></dd>`)}</dl>
<h3>To repeat it</h3>
<pre>${commands.join('\n')}</pre>
<h3>Search file</h3>
<pre>${searchFile}</pre>`,
  );
}

/** Cents are too coarse for single calls. */
const money = (dollars: number): string => `$${dollars.toFixed(dollars < 1 ? 4 : 2)}`;

/** A bar of the share spent. */
function meter(share: number): Markup {
  const width = Math.min(100, Math.max(0, 100 * share)).toFixed(1);
  return html`<svg class="meter" viewBox="0 0 100 8" width="100" height="8" preserveAspectRatio="none" aria-hidden="true"><rect class="trough" width="100" height="8"/><rect class="fill" width="${width}" height="8"/></svg>`;
}

function savedSentence({ budget: { saved } }: ReportData): string {
  const { evaluations, deviceSeconds } = saved;
  if (evaluations === 0) return 'No evaluation was answered from earlier results.';
  const what = evaluations === 1 ? 'evaluation was' : 'evaluations were';
  return `${count(evaluations)} ${what} answered from earlier results, which had taken ${duration(deviceSeconds)} of training.`;
}

/** Whether agents kept the devices at work. */
function devicesSentence({ devices }: ReportData): string {
  if (!devices) return '';
  const { count: of, busy } = devices;
  const who = of === 1 ? 'One worker trained; it was' : `${count(of)} workers trained; they were`;
  return ` ${who} busy for ${percent(busy)} of the time from the first training to the last.`;
}

/** What the search was allowed, what it took, and what it did not have to pay. */
export function budgetSection(data: ReportData): Markup {
  const { limit, spent } = data.budget;
  const lines = [
    { what: 'evaluations of proposals', used: spent.evaluations, limit: limit.evaluations, text: count },
    {
      what: 'wall time',
      used: spent.minutes * 60,
      limit: limit.minutes === undefined ? undefined : limit.minutes * 60,
      text: duration,
    },
    { what: 'training time, all devices', used: spent.deviceSeconds, limit: limit.deviceSeconds, text: duration },
    ...(spent.calls.calls === 0
      ? []
      : [
          {
            what: `${count(spent.calls.calls)} calls of language models`,
            used: spent.calls.dollars,
            limit: limit.dollars,
            text: money,
          },
          { what: 'their tokens, read and written', used: spent.calls.tokens, limit: limit.tokens, text: count },
        ]),
  ];
  const total = data.phases.reduce((sum, { seconds }) => sum + seconds, 0);
  return section(
    'budget',
    'Budget',
    html`<div class="pair"><div>${table(
      [
        { head: 'what', kind: 'name' },
        { head: 'spent', kind: 'number' },
        { head: 'limit', kind: 'number' },
        { head: 'share', kind: 'number' },
        { head: '' },
      ],
      lines.map(({ what, used, limit: most, text }) => [
        what,
        text(used),
        most === undefined ? 'none' : text(most),
        most === undefined ? '' : percent(used / most),
        most === undefined ? '' : meter(used / most),
      ]),
    )}
<p>${savedSentence(data)}${devicesSentence(data)}</p></div>
<div>${
      data.phases.length === 0
        ? null
        : table(
            [
              { head: 'phase', kind: 'name' },
              { head: 'took', kind: 'number' },
              { head: 'share', kind: 'number' },
              { head: '' },
            ],
            data.phases.map(({ phase, seconds }) => [
              phase,
              duration(seconds),
              total > 0 ? percent(seconds / total) : '–',
              total > 0 ? meter(seconds / total) : '',
            ]),
          )
    }</div></div>`,
  );
}
