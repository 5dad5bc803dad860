import { plateauText } from '../../domain/ideas.ts';
import { operators } from '../../domain/node.ts';
import { type Attribution, differenceText } from '../../studies/index.ts';
import type { Block, Section, SectionsPage, Span, StepRow, Text } from '../page.ts';
import { coloursOf } from '../report/page.ts';
import { agentEndText, candidateMarks, count, percent, score, shortened, signed } from '../texts.ts';
import { attributionSection, type Confrontation, confrontationSection } from './compare.ts';
import { type Exchange, exchangeBlocks, type Moment, timelineBlock } from './exchanges.ts';
import type { AgentStory, Mention, Step, Story } from './story.ts';
import { explorationBlocks, markOf, operatorTable, treeOf } from './tree.ts';

/** What a trace shows with `--full`: the recorded exchanges of attempts by node, and the timelines of agents. */
export interface FullTrace {
  readonly exchanges: ReadonlyMap<string, readonly Exchange[]>;
  readonly timelines: ReadonlyMap<string, readonly Moment[]>;
}

/** Which candidate of a thought it is, and where the calls of the thought are; null for the only one. */
export function thoughtText({ thought, node }: Pick<Step, 'thought' | 'node'>): string | null {
  if (thought === null) return null;
  const which = `candidate ${thought.place} of ${thought.of}`;
  return thought.node === node
    ? `${which}, with the calls of all`
    : `${which} of the thought of ${thought.node}, which has the calls`;
}

/** What was tried before the proposal, one line each. */
export function triedText({ tried }: Pick<Step, 'tried'>): string[] {
  return tried.map(({ tool, short, fitness, seconds, script, failed }) => {
    const outcome =
      failed === undefined ? (fitness === null ? 'ran' : `fitness ${score(fitness)}`) : `failed: ${failed}`;
    const how = script ? 'ran a script with' : tool === 'check_candidate' ? 'checked' : 'experimented with';
    return `${how} ${short}, ${seconds.toFixed(1)} s: ${outcome}`;
  });
}

/** What an attempt's calls cost, and who answered how fast. */
export function costText({ calls, effort }: Step): string {
  const { calls: n, tokens, cached, dollars, failed, latencies, served } = calls;
  const seconds = latencies.reduce((sum, each) => sum + each, 0) / 1000;
  return [
    `${n} calls, ${tokens} tokens${cached > 0 ? ` (${cached} cached)` : ''}, $${dollars.toFixed(4)}`,
    `${seconds.toFixed(1)} s`,
    ...(failed > 0 ? [`${failed} without an answer`] : []),
    ...(served.length > 0 ? [`served by ${served.join(', ')}`] : []),
    ...(effort === null ? [] : [`effort ${effort}`]),
  ].join(', ');
}

/** What the trace of a search shows. */
export function tracePage(
  story: Story,
  attribution: Attribution | null,
  full: FullTrace | null,
  against: Confrontation | null,
): SectionsPage {
  return {
    kind: 'sections',
    title: `${story.search}: what its agents did, and why`,
    of: 'Trace of a search',
    heading: story.search,
    head: [
      {
        block: 'text',
        as: 'note',
        text: `${story.task}; scores are ${story.metric}${story.lowerIsBetter ? ', lower is better' : ', higher is better'}, on the screening rung unless stated otherwise.`,
      },
    ],
    sections: [
      ...(attribution ? [attributionSection(attribution)] : []),
      ...(against ? [confrontationSection(against)] : []),
      overviewSection(story),
      ...story.agents.map((agent) => agentStorySection(agent, story, full)),
    ],
    provenance: null,
    colours: coloursOf(story.primitives),
  };
}

/** Use of other agents' work: rows take from columns. */
function reuseBlock({ agents }: Story): Block {
  const reuses = agents.flatMap(({ agent, steps }) =>
    steps.flatMap((step) =>
      step.taken.map((each) => ({ by: agent, from: each.agent, how: each.how, node: step.node, other: each.node })),
    ),
  );
  if (reuses.length === 0) {
    return { block: 'text', text: 'No reuse across agents: no parents, citations or candidates in common.' };
  }
  const pairs = new Map<string, typeof reuses>();
  for (const each of reuses)
    pairs.set(`${each.by} ${each.from}`, [...(pairs.get(`${each.by} ${each.from}`) ?? []), each]);
  const rows = [...pairs.values()]
    .sort((a, b) => b.length - a.length)
    .map((list): Text[] => {
      const of = (how: string) => count(list.filter((each) => each.how === how).length);
      const examples = list.slice(0, 3).map(({ node, other }) => `${node} of ${other}`);
      const [{ by, from } = { by: '', from: '' }] = list;
      return [by, from, of('parent'), of('cited'), of('same candidate'), examples.join('; ')];
    });
  return {
    block: 'table',
    columns: [
      { head: 'agent', kind: 'name' },
      { head: 'reused from', kind: 'name' },
      { head: 'parents', kind: 'number' },
      { head: 'cited results', kind: 'number' },
      { head: 'same candidate', kind: 'number' },
      { head: 'examples' },
    ],
    rows,
  };
}

/** All agents, and reuse among them. */
function overviewSection(story: Story): Section {
  const rows = story.agents.map(({ agent, model, scaffold, reads, steps, end }): Text[] => {
    const scored = steps.filter(({ measured }) => measured.screen !== null);
    const compared = steps.filter(({ effect }) => effect !== null);
    const improved = compared.filter((step) => step.improved);
    const distances = steps
      .flatMap(({ distance: { nearest } }) => (nearest === null ? [] : [nearest]))
      .sort((a, b) => a - b);
    return [
      { to: `agent-${agent}`, text: agent },
      [model, { text: `${scaffold}${reads === null ? '' : `; reads ${reads}`}`, as: 'below' }],
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
  return {
    id: 'agents',
    title: 'Agents',
    blocks: [
      {
        block: 'table',
        columns: [
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
      },
      {
        block: 'text',
        as: 'note',
        text: "Children are compared with their parents on one training each, noise included. Distance: the share of layers (or lines) in which a candidate differs from the agent's nearest earlier candidate.",
      },
      { block: 'heading', text: 'Reuse across agents' },
      reuseBlock(story),
    ],
  };
}

const effectText = ({ effect, improved }: Step): Text =>
  effect === null ? '' : { text: signed(effect), as: improved ? 'good' : 'bad' };

const mention = ({ node, screen }: Mention): string => `${node} (${score(screen)})`;

type Fact = readonly [string, Text | readonly Block[]];

/** A row of the facts of an attempt, if there is anything in it. */
const fact = (name: string, content: Text | readonly Block[] | null): Fact[] =>
  content === null || content === '' || (Array.isArray(content) && content.length === 0) ? [] : [[name, content]];

function differenceFact({ difference }: Step): Text | readonly Block[] | null {
  if (difference === null) return null;
  if (difference.kind === 'layers') return differenceText(difference);
  return difference.files.map(({ name, added, removed, patch }): Block => {
    const lines = shortened(patch, 20_000).split('\n');
    return { block: 'diff', name: `${name}: +${count(added)} −${count(removed)} lines`, lines, more: 0 };
  });
}

function readingBlocks({ readings, evidence, works }: Step): Block[] {
  const workById = new Map(works.map((work) => [work.id as string, work]));
  const item = (id: string): Span => {
    const title = workById.get(id)?.title;
    const text = title === undefined ? id : `${id} (${shortened(title, 90)})`;
    return evidence.includes(id) ? { text, as: 'strong' } : text;
  };
  const list = (ids: readonly string[]): Span[] =>
    ids.flatMap((id, index) => (index > 0 ? [', ', item(id)] : [item(id)]));
  const results = evidence.filter((id) => !id.includes(':'));
  const failure = (failed: string | undefined) => (failed === undefined ? [] : [`; failed: ${failed}`]);
  return [
    ...readings.map(({ how, query, found, failed }): Block => {
      const what: Span[] =
        how === 'read'
          ? ['read ', ...(found.length > 0 ? list(found) : [`${shortened(query, 200)}, an unknown id`])]
          : [
              `${how.replace('-', ' ')} “${shortened(query, 200)}”: `,
              ...(found.length > 0 ? list(found) : ['nothing found']),
            ];
      return { block: 'text', text: [...what, ...failure(failed)] };
    }),
    ...(results.length > 0 ? [{ block: 'text', text: `cites results ${results.join(', ')}` } as const] : []),
  ];
}

function outcome(step: Step): Text {
  const { measured, predicted, effect, reason, message, status } = step;
  if (measured.screen === null) {
    return `${status}${reason && reason !== status ? ` (${reason})` : ''}${message ? `: ${shortened(message, 500)}` : ''}`;
  }
  const more = [
    ...(predicted === null ? [] : [`predicted ${score(predicted)}`]),
    ...(measured.confirm.length > 0 ? [`confirm ${measured.confirm.map(score).join(', ')}`] : []),
    ...(measured.final.length > 0 ? [`final ${measured.final.map(score).join(', ')}`] : []),
  ];
  return [
    score(measured.screen),
    ...(effect === null ? [] : [', ', effectText(step) as Span, ' against its parent']),
    more.map((text) => `; ${text}`).join(''),
  ];
}

function stepRow(step: Step, own: Story['primitives'], full: FullTrace | null): StepRow {
  const { node, operator, view, choice, parents, hypothesis, change, lesson, taken, calls, measured } = step;
  const best = view.best ? `; the best, ${mention(view.best)}` : '';
  const others = view.others > 0 ? `, ${count(view.others)} by other agents` : '';
  const facts = [
    ...fact('view', `${count(view.known)} results and ${count(view.pending)} pending${others}${best}`),
    ...fact('choice', choice),
    ...fact('thought', thoughtText(step)),
    ...fact('model', step.model),
    ...fact('parents', parents.map(mention).join(' and ')),
    ...fact('reading', readingBlocks(step)),
    ...fact(
      'tried',
      triedText(step).map((text): Block => ({ block: 'text', text })),
    ),
    ...fact('hypothesis', hypothesis),
    ...fact('change', change),
    ...fact('difference', differenceFact(step)),
    ...fact('candidate', candidateMarks(step.candidate, own)),
    ...fact('outcome', outcome(step)),
    ...fact(
      'lesson',
      lesson === null
        ? null
        : [`${lesson.text} `, { text: `before attempt ${count(lesson.learnedBefore)}`, as: 'small' } as const],
    ),
    ...fact('reuse', taken.map(({ node: other, how }) => `${other} (${how})`).join(', ')),
    ...fact('claims', step.claims.map(({ text }) => text).join('; ')),
    ...fact('cost', calls.calls === 0 ? null : costText(step)),
    ...fact(
      'traceback',
      full && step.message !== null && step.message.length > 500 ? [{ block: 'pre', text: step.message }] : null,
    ),
    ...fact('exchanges', exchangeBlocks(full?.exchanges.get(node) ?? [])),
  ];
  return {
    node,
    mark: markOf(operator),
    operator,
    short: step.short,
    outcome: measured.screen === null ? step.status : score(measured.screen),
    effect: effectText(step),
    blocks: [{ block: 'facts', facts }],
  };
}

/** What the agent concluded. */
function insightBlocks({ insights }: AgentStory): Block[] {
  if (insights.length === 0) return [];
  const items = insights.map(({ id, verdict, hypothesis, evidence, supersededBy }): Text => {
    const by = supersededBy === null ? '' : `; superseded by ${supersededBy}`;
    return [
      { text: verdict, as: 'strong' },
      `: ${hypothesis} `,
      { text: `${id}; ${evidence.join(', ')}${by}`, as: 'small' },
    ];
  });
  return [
    { block: 'heading', text: 'Insights' },
    { block: 'list', items },
  ];
}

/** One agent: its tree, operators, novelty, and attempts one by one. */
function agentStorySection(story: AgentStory, { lowerIsBetter, primitives }: Story, full: FullTrace | null): Section {
  const { agent, model, scaffold, reads, steps, end, spend } = story;
  const used = operators.filter((operator) => steps.some((step) => step.operator === operator));
  const facts: Block[] = [
    {
      block: 'text',
      as: 'note',
      text: `${model}, ${scaffold}${reads === null ? '' : `, reads ${reads}`}${spend.calls === 0 ? '' : `; ${count(spend.calls)} calls, $${spend.dollars.toFixed(4)}`}`,
    },
    ...(end === null ? [] : [{ block: 'text', text: `Ended: ${agentEndText(end)}.` } as const]),
    ...story.plateaus.map((plateau): Block => ({ block: 'text', text: `${plateauText(plateau)}.` })),
    ...insightBlocks(story),
    ...(full ? [timelineBlock(full.timelines.get(agent) ?? [])] : []),
  ];
  const of = (blocks: readonly Block[]): Section => ({ id: `agent-${agent}`, title: agent, blocks });
  if (steps.length === 0) return of([...facts, { block: 'text', text: 'No attempts.' }]);
  return of([
    ...facts,
    {
      block: 'text',
      as: 'note',
      text: [
        ...used.flatMap((operator): Span[] => [{ mark: markOf(operator) }, `${operator} `]),
        '· dashed: no score; ringed: best of the agent; dot size = score; numbers = attempt index',
      ],
    },
    { block: 'tree', tree: treeOf(story, lowerIsBetter) },
    { block: 'columns', columns: [[operatorTable(story)], explorationBlocks(story)] },
    { block: 'heading', text: 'Attempt by attempt' },
    { block: 'steps', steps: steps.map((step) => stepRow(step, primitives, full)) },
  ]);
}
