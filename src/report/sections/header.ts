import type { Space } from '../../domain/candidate.ts';
import {
  agentEndSentences,
  bases,
  basisName,
  count,
  duration,
  type Findings,
  percent,
  proposalsOf,
  type ReportData,
  score,
  unfinished,
  verdict,
} from '../../views/index.ts';
import { html, type Markup, section, table } from '../markup.ts';

function figure(value: string, label: string, note = ''): Markup {
  return html`<div><dt>${label}</dt><dd>${value}${note === '' ? null : html` <small>${note}</small>`}</dd></div>`;
}

function spaceText(space: Space): string {
  if (space.kind === 'stack') return `${space.layers} layers of ${space.primitives.join(', ')}`;
  if (space.kind === 'scale') return 'runs of a scale plan';
  return `programs of ${space.files.map(({ name }) => name).join(', ')}`;
}

/** What was searched, the result in a sentence or two, and the effort. */
export function header(data: ReportData, findings: Findings): Markup {
  const { search, budget } = data;
  const proposals = proposalsOf(data);
  const basis = bases.toReversed().find((each) => each !== 'test' && findings.noise[each]);
  const noise = basis ? findings.noise[basis] : null;
  const open = unfinished(data);
  return html`<header>
<p class="kicker">Aira search report</p>
<h1>${search.id}</h1>
<p class="facts">task ${search.task} · profile ${search.profile} · ${spaceText(search.space)} · ${search.metric}${search.testMetric === search.metric ? '' : ` on validation, ${search.testMetric} on the hidden test set`}, ${search.lowerIsBetter ? 'lower' : 'higher'} is better</p>
<div class="verdict">${verdict(data, findings).map((sentence) => html`<p class="claim">${sentence}</p>`)}${open === null ? null : html`<p class="open">${open}</p>`}${data.endings.map(({ sentence }) => html`<p class="open">${sentence}</p>`)}${agentEndSentences(data).map((sentence) => html`<p class="open">${sentence}.</p>`)}</div>
<dl class="figures">
${figure(count(proposals.proposed), 'proposed')}
${figure(count(proposals.evaluated), 'evaluated', proposals.cached > 0 ? `${count(proposals.cached)} cached` : '')}
${figure(count(proposals.failed), 'failed')}
${figure(count(proposals.rejected + proposals.duplicate), 'rejected or duplicate')}
${figure(count(data.agents.length), data.agents.length === 1 ? 'agent' : 'agents')}
${figure(duration(budget.spent.minutes * 60), 'wall time')}
${figure(duration(budget.spent.deviceSeconds), 'training time')}
${figure(noise ? score(noise.sd) : '–', 'std across seeds', noise && basis ? `${basisName[basis]}, ${noise.degrees} df` : 'no node has two seeds')}
</dl>
</header>`;
}

/** Versions, machine and commands behind these figures. */
export function provenanceSection(data: ReportData): Markup {
  const { airaVersion, taskVersion, evaluator, machine, startedAt, searchFile, commands } = data.provenance;
  const facts = [
    { fact: 'Aira', value: airaVersion },
    { fact: 'task version', value: taskVersion },
    { fact: 'evaluator', value: evaluator },
    ...data.search.primitives.map(({ token, title, digest }) => ({ fact: token, value: `${title}, ${digest}` })),
    { fact: 'search seed', value: String(data.search.seed) },
    { fact: 'started', value: startedAt },
    ...machine,
  ];
  return section(
    'provenance',
    'Provenance',
    html`<dl class="sources">${facts.map(({ fact, value }) => html`<dt>${fact}</dt><dd><code>${value}</code></dd>`)}</dl>
<h3>To reproduce</h3>
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
  if (evaluations === 0) return 'No cache hits.';
  const what = evaluations === 1 ? 'cache hit' : 'cache hits';
  return `${count(evaluations)} ${what} avoided ${duration(deviceSeconds)} of training.`;
}

/** Utilisation of the devices. */
function devicesSentence({ devices }: ReportData): string {
  if (!devices) return '';
  const { count: of, busy } = devices;
  const who = of === 1 ? 'One worker was' : `${count(of)} workers were`;
  return ` ${who} busy ${percent(busy)} of the time from the first training to the last.`;
}

/** Limits, use, and what cache hits avoided. */
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
            what: `${count(spent.calls.calls)} LLM calls`,
            used: spent.calls.dollars,
            limit: limit.dollars,
            text: money,
          },
          { what: 'LLM tokens, input and output', used: spent.calls.tokens, limit: limit.tokens, text: count },
        ]),
  ];
  const total = data.phases.reduce((sum, { seconds }) => sum + seconds, 0);
  return section(
    'budget',
    'Budget',
    html`<div class="pair"><div>${table(
      [
        { head: 'what', kind: 'name' },
        { head: 'used', kind: 'number' },
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
              { head: 'time', kind: 'number' },
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
