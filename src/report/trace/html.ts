import { plateauText } from '../../domain/ideas.ts';
import { operators } from '../../domain/node.ts';
import { type Attribution, differenceText } from '../../studies/index.ts';
import {
  type AgentStory,
  agentEndText,
  count,
  type Mention,
  percent,
  type Step,
  type Story,
  score,
  shortened,
  signed,
} from '../../views/index.ts';
import { candidateMarkup } from '../candidate.ts';
import { html, type Markup, section, table } from '../markup.ts';
import { htmlDocument, ownColours } from '../style.ts';
import { attributionSection } from './attributionTable.ts';
import { type Confrontation, confrontationSection } from './compare.ts';
import { exchangeMarkup, timelineMarkup } from './exchangeText.ts';
import { costText, type FullTrace, thoughtText, triedText } from './text.ts';
import { explorationChart, operatorMark, operatorTable, treeChart } from './tree.ts';

const colours = ['--s0', '--s2', '--s5', '--s1'] as const;

const traceStyle = html`<style>
.tree { display: block; max-width: none; }
.branch { fill: none; stroke: var(--soft); stroke-width: 1.4; }
.branch.second { stroke-width: 0.8; stroke-dasharray: 1 3; stroke-linecap: round; }
.node { stroke: var(--paper); stroke-width: 1.5; }
.node.lost, .node.open { fill: var(--paper); stroke-dasharray: 2.5 2; }
.node.open { stroke-dasharray: none; }
.halo { fill: none; stroke: var(--ink); stroke-width: 1.2; }
${operators.map((operator, index) => {
  const { className } = operatorMark[operator] ?? { className: '' };
  const colour = colours[index % colours.length];
  return html`.${className} { fill: var(${colour}); } .node.lost.${className}, .node.open.${className} { stroke: var(${colour}); fill: var(--paper); } i.${className} { background: var(${colour}); }
`;
})}
.keys { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--soft); margin: 6px 0; }
.keys i { display: inline-block; width: 10px; height: 10px; border-radius: 5px; margin-right: 6px; }
.keys i.dashed { background: none; border: 1.5px dashed var(--soft); }
.keys i.ring { background: none; border: 1.5px solid var(--ink); }
.bar-soft { fill: var(--rule); } .bar-good { fill: var(--good); }
.away { fill: none; stroke: var(--soft); stroke-width: 1; }
.median { stroke: var(--accent); stroke-width: 1.5; }
details.step { border-bottom: 1px solid var(--rule); padding: 4px 0; }
details.step summary { cursor: pointer; display: grid; grid-template-columns: 14px minmax(150px, max-content) 76px 1fr 84px 84px; gap: 10px; align-items: baseline; font-size: 13.5px; }
details.step summary i { width: 9px; height: 9px; border-radius: 5px; align-self: center; }
details.step summary .number { text-align: right; }
details.step[open] summary { font-weight: 600; }
.facts-list { display: grid; grid-template-columns: 92px 1fr; gap: 3px 14px; margin: 8px 0 12px 24px; font-size: 13.5px; }
.facts-list dt { color: var(--soft); }
.facts-list dd { margin: 0; overflow-wrap: anywhere; }
.facts-list pre { font-size: 11.5px; max-height: 420px; overflow: auto; }
.plus { color: var(--good); } .minus { color: var(--bad); }
.up { color: var(--good); } .down { color: var(--bad); }
@media (max-width: 760px) { details.step summary { grid-template-columns: 14px 1fr 70px; } details.step summary .wide { display: none; } .facts-list { margin-left: 8px; grid-template-columns: 1fr; } }
</style>`;

/** The trace of a search as one HTML file. */
export function storyHtml(
  story: Story,
  attribution: Attribution | null = null,
  { full = null, against = null }: { full?: FullTrace | null; against?: Confrontation | null } = {},
): string {
  return htmlDocument(
    `${story.search}: what its agents did, and why`,
    html`<p class="kicker">Trace of a search</p>
<h1>${story.search}</h1>
<p class="facts">${story.task}; scores are ${story.metric}${story.lowerIsBetter ? ', lower is better' : ', higher is better'}, on the screening rung unless stated otherwise.</p>
${attribution ? attributionSection(attribution) : null}
${against ? confrontationSection(against) : null}
${overviewSection(story)}
${story.agents.map((agent) => agentStorySection(agent, story, full))}`,
    traceStyle,
    ownColours(story.primitives),
  );
}

/** Use of other agents' work: rows take from columns. */
function reuseTable({ agents }: Story): Markup | null {
  const reuses = agents.flatMap(({ agent, steps }) =>
    steps.flatMap((step) =>
      step.taken.map((each) => ({ by: agent, from: each.agent, how: each.how, node: step.node, other: each.node })),
    ),
  );
  if (reuses.length === 0) return html`<p>No reuse across agents: no parents, citations or candidates in common.</p>`;
  const pairs = new Map<string, typeof reuses>();
  for (const each of reuses)
    pairs.set(`${each.by} ${each.from}`, [...(pairs.get(`${each.by} ${each.from}`) ?? []), each]);
  const rows = [...pairs.values()]
    .sort((a, b) => b.length - a.length)
    .map((list) => {
      const of = (how: string) => count(list.filter((each) => each.how === how).length);
      const examples = list.slice(0, 3).map(({ node, other }) => `${node} of ${other}`);
      return [list[0]?.by, list[0]?.from, of('parent'), of('cited'), of('same candidate'), examples.join('; ')];
    });
  return table(
    [
      { head: 'agent', kind: 'name' },
      { head: 'reused from', kind: 'name' },
      { head: 'parents', kind: 'number' },
      { head: 'cited results', kind: 'number' },
      { head: 'same candidate', kind: 'number' },
      { head: 'examples' },
    ],
    rows,
  );
}

/** All agents, and reuse among them. */
export function overviewSection(story: Story): Markup {
  const rows = story.agents.map(({ agent, model, scaffold, reads, steps, end }) => {
    const scored = steps.filter(({ measured }) => measured.screen !== null);
    const compared = steps.filter(({ effect }) => effect !== null);
    const improved = compared.filter((step) => step.improved);
    const distances = steps
      .flatMap(({ distance: { nearest } }) => (nearest === null ? [] : [nearest]))
      .sort((a, b) => a - b);
    return [
      html`<a href="#${`agent-${agent}`}">${agent}</a>`,
      html`${model}<br><small>${scaffold}${reads === null ? null : html`; reads ${reads}`}</small>`,
      count(steps.length),
      count(scored.length),
      compared.length === 0 ? '–' : `${count(improved.length)} of ${count(compared.length)}`,
      distances.length === 0 ? '–' : percent(distances[Math.floor(distances.length / 2)] ?? 0),
      count(steps.filter(({ retrieved }) => retrieved.length > 0).length),
      count(steps.filter(({ readings }) => readings.some(({ failed }) => failed !== undefined)).length),
      count(steps.filter(({ evidence }) => evidence.length > 0).length),
      count(steps.filter(({ lesson }) => lesson !== null).length),
      shortened(agentEndText(end) ?? '', 200),
    ];
  });
  return section(
    'agents',
    'Agents',
    html`${table(
      [
        { head: 'agent', kind: 'name' },
        { head: 'model, scaffold' },
        { head: 'attempts', kind: 'number' },
        { head: 'scored', kind: 'number' },
        { head: 'better than parent', kind: 'number' },
        { head: 'median distance', kind: 'number' },
        { head: 'read', kind: 'number' },
        { head: 'reading failed', kind: 'number' },
        { head: 'cited', kind: 'number' },
        { head: 'lessons', kind: 'number' },
        { head: 'end' },
      ],
      rows,
    )}<p class="note">Children are compared with their parents on one training each, noise included. Distance: the share of layers (or lines) in which a candidate differs from the agent's nearest earlier candidate.</p><h3>Reuse across agents</h3>${reuseTable(story)}`,
  );
}

const row = (name: string, content: Markup | string | null): Markup | null =>
  content === null || content === '' ? null : html`<dt>${name}</dt><dd>${content}</dd>`;

const effectMarkup = ({ effect, improved }: Step): Markup | null =>
  effect === null ? null : html`<span class="${improved ? 'up' : 'down'}">${signed(effect)}</span>`;

const mention = ({ node, screen }: Mention) => html`${node} (${score(screen)})`;

function differenceMarkup({ difference }: Step): Markup | null {
  if (difference === null) return null;
  if (difference.kind === 'layers') return html`${differenceText(difference)}`;
  return html`${difference.files.map(
    ({ name, added, removed, patch }) =>
      html`<div>${name}: +${count(added)} −${count(removed)} lines</div><pre>${shortened(patch, 20_000)
        .split('\n')
        .map((text) => {
          const sign = text.startsWith('+') ? 'plus' : text.startsWith('-') ? 'minus' : '';
          return html`<span class="${sign}">${text}</span>
`;
        })}</pre>`,
  )}`;
}

function readingMarkup({ readings, evidence, works }: Step): Markup | null {
  if (readings.length === 0 && evidence.length === 0) return null;
  const workById = new Map(works.map((work) => [work.id as string, work]));
  const item = (id: string) => {
    const cited = evidence.includes(id);
    const title = workById.get(id)?.title;
    const text = title === undefined ? id : `${id} (${shortened(title, 90)})`;
    return cited ? html`<strong>${text}</strong>` : html`${text}`;
  };
  const list = (ids: readonly string[]) => ids.map((id, index) => html`${index > 0 ? ', ' : null}${item(id)}`);
  const results = evidence.filter((id) => !id.includes(':'));
  const failure = (failed: string | undefined) => (failed === undefined ? null : html`; failed: ${failed}`);
  return html`${readings.map(({ how, query, found, failed }) =>
    how === 'read'
      ? html`<div>read ${found.length > 0 ? list(found) : `${shortened(query, 200)}, an unknown id`}${failure(failed)}</div>`
      : html`<div>${how.replace('-', ' ')} “${shortened(query, 200)}”: ${found.length > 0 ? list(found) : 'nothing found'}${failure(failed)}</div>`,
  )}${results.length > 0 ? html`<div>cites results ${results.join(', ')}</div>` : null}`;
}

function outcome(step: Step): Markup {
  const { measured, predicted, effect, reason, message, status } = step;
  if (measured.screen === null) {
    return html`${status}${reason && reason !== status ? ` (${reason})` : null}${message ? html`: ${shortened(message, 500)}` : null}`;
  }
  const more = [
    ...(predicted === null ? [] : [`predicted ${score(predicted)}`]),
    ...(measured.confirm.length > 0 ? [`confirm ${measured.confirm.map(score).join(', ')}`] : []),
    ...(measured.final.length > 0 ? [`final ${measured.final.map(score).join(', ')}`] : []),
  ];
  return html`${score(measured.screen)}${effect === null ? null : html`, ${effectMarkup(step)} against its parent`}${more.map((text) => `; ${text}`)}`;
}

function stepMarkup(step: Step, own: Story['primitives'], full: FullTrace | null): Markup {
  const { node, operator, view, choice, parents, hypothesis, change, lesson, taken, calls, measured } = step;
  const { className } = operatorMark[operator] ?? { className: '' };
  const best = view.best ? html`; the best, ${mention(view.best)}` : null;
  const others = view.others > 0 ? `, ${count(view.others)} by other agents` : '';
  return html`<details class="step" id="${node}"><summary><i class="${className}"></i><span>${node}</span><span class="wide">${operator}</span><span class="wide">${step.short}</span><span class="number">${measured.screen === null ? step.status : score(measured.screen)}</span><span class="number wide">${effectMarkup(step)}</span></summary>
<dl class="facts-list">
${row('view', html`${count(view.known)} results and ${count(view.pending)} pending${others}${best}`)}
${row('choice', choice)}
${row('thought', thoughtText(step))}
${row('model', step.model)}
${row('parents', parents.length === 0 ? null : html`${parents.map((parent, index) => html`${index > 0 ? ' and ' : null}${mention(parent)}`)}`)}
${row('reading', readingMarkup(step))}
${row('tried', step.tried.length === 0 ? null : html`${triedText(step).map((text) => html`<div>${text}</div>`)}`)}
${row('hypothesis', hypothesis)}
${row('change', change)}
${row('difference', differenceMarkup(step))}
${row('candidate', candidateMarkup(step.candidate, own))}
${row('outcome', outcome(step))}
${row('lesson', lesson === null ? null : html`${lesson.text} <small>before attempt ${count(lesson.learnedBefore)}</small>`)}
${row('reuse', taken.length === 0 ? null : taken.map(({ node: other, how }) => `${other} (${how})`).join(', '))}
${row('claims', step.claims.length === 0 ? null : step.claims.map(({ text }) => text).join('; '))}
${row('cost', calls.calls === 0 ? null : costText(step))}
${row('traceback', full && step.message !== null && step.message.length > 500 ? html`<pre>${step.message}</pre>` : null)}
${row('exchanges', exchangeMarkup(full?.exchanges.get(node) ?? []))}
</dl></details>`;
}

/** What the agent concluded. */
const insightList = ({ insights }: AgentStory): Markup | null =>
  insights.length === 0
    ? null
    : html`<h3>Insights</h3><ul>${insights.map(
        ({ id, verdict, hypothesis, evidence, supersededBy }) =>
          html`<li><strong>${verdict}</strong>: ${hypothesis} <small>${id}; ${evidence.join(', ')}${supersededBy === null ? null : `; superseded by ${supersededBy}`}</small></li>`,
      )}</ul>`;

/** One agent: its tree, operators, novelty, and attempts one by one. */
export function agentStorySection(
  story: AgentStory,
  { lowerIsBetter, primitives }: Story,
  full: FullTrace | null = null,
): Markup {
  const { agent, model, scaffold, reads, steps, end, spend } = story;
  const anchor = `agent-${agent}`;
  const usedOperators = operators.filter((operator) => steps.some((step) => step.operator === operator));
  const keys = html`<p class="keys">${usedOperators.map((operator) => html`<span><i class="${operatorMark[operator]?.className ?? ''}"></i>${operator}</span>`)}<span><i class="dashed"></i>no score</span><span><i class="ring"></i>best of the agent</span><span>dot size = score; numbers = attempt index</span></p>`;
  const facts = html`<p class="facts">${model}, ${scaffold}${reads === null ? null : `, reads ${reads}`}${spend.calls === 0 ? null : `; ${count(spend.calls)} calls, $${spend.dollars.toFixed(4)}`}</p>${end === null ? null : html`<p>Ended: ${agentEndText(end)}.</p>`}${story.plateaus.map((plateau) => html`<p>${plateauText(plateau)}.</p>`)}${insightList(story)}${full ? timelineMarkup(full.timelines.get(agent) ?? []) : null}`;
  if (steps.length === 0) return section(anchor, agent, html`${facts}<p>No attempts.</p>`);
  return section(
    anchor,
    agent,
    html`${facts}
${keys}${treeChart(story, lowerIsBetter)}
<div class="pair"><div>${operatorTable(story)}</div><figure>${explorationChart(story)}</figure></div>
<h3>Attempt by attempt</h3>
${steps.map((step) => stepMarkup(step, primitives, full))}`,
  );
}
