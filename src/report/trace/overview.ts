import { agentEndText } from '../agentEnds.ts';
import { count, percent, shortened } from '../format.ts';
import { html, type Markup, section, table } from '../markup.ts';
import type { Story } from './story.ts';

/** What agents have of each other: rows take from columns. */
function takings({ agents }: Story): Markup | null {
  const taken = agents.flatMap(({ agent, steps }) =>
    steps.flatMap((step) =>
      step.taken.map((each) => ({ by: agent, from: each.agent, how: each.how, node: step.node, other: each.node })),
    ),
  );
  if (taken.length === 0)
    return html`<p>No agent has taken anything from another: no parents, no citations, no candidate twice.</p>`;
  const pairs = new Map<string, typeof taken>();
  for (const each of taken)
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
      { head: 'took from', kind: 'name' },
      { head: 'parents', kind: 'number' },
      { head: 'cited results', kind: 'number' },
      { head: 'same candidate', kind: 'number' },
      { head: 'such as' },
    ],
    rows,
  );
}

/** All agents side by side, and what went from one to another. */
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
    )}<p class="note">A child is better than its parent by one training each, noise included. Distance: the share of layers, or of lines, in which a candidate differs from the nearest of the agent's earlier ones.</p><h3>What was taken from other agents</h3>${takings(story)}`,
  );
}
