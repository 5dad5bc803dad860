import { operators } from '../../../domain/node.ts';
import type { Section, Text } from '../../page.ts';
import { agentEndText, count, metric, percent, shortened } from '../../texts.ts';
import type { FunnelRow, ReportAgent, ReportData, ReportNode } from '../data.ts';
import { bestScreened, isProposal, meanOf, meanOn, proposalsOf, scoresOn } from '../findings.ts';

/** What each agent did and achieved. */
export function agentSection(data: ReportData): Section {
  const row = ({ name, model, scaffold, end, plateau }: ReportAgent, index: number): Text[] => {
    const proposals = proposalsOf(data, name);
    const own = data.nodes.filter((node) => node.agent === name && isProposal(node));
    const best = bestScreened(own);
    const promoted = own.filter((node) => scoresOn(node, 'confirm').length > 0);
    const mix = operators
      .map((operator) => ({ operator, n: own.filter((node) => node.origin === operator).length }))
      .filter(({ n }) => n > 0)
      .map(({ operator, n }) => `${count(n)} ${operator}`);
    return [
      [{ line: index }, name],
      [model, { text: scaffold, as: 'below' }],
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
      [
        shortened(agentEndText(end) ?? '', 200),
        ...(plateau
          ? [
              {
                text: `plateau: ${count(plateau.results)} results since ${plateau.best} were not better`,
                as: 'below',
              } as const,
            ]
          : []),
      ],
    ];
  };
  return {
    id: 'agents',
    title: 'Agents',
    blocks: [
      {
        block: 'table',
        columns: [
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
        rows: data.agents.map(row),
      },
    ],
  };
}

const total = (figures: readonly MemoryFigures[], of: (each: MemoryFigures) => number): number =>
  figures.reduce((sum, each) => sum + of(each), 0);

const success = ({ judged, improved }: Offspring): string =>
  judged === 0 ? 'none' : `${count(improved)} of ${count(judged)} (${percent(improved / judged)})`;

const sum = (figures: readonly MemoryFigures[], kind: 'own' | 'foreign'): Offspring => ({
  judged: total(figures, (each) => each[kind].judged),
  improved: total(figures, (each) => each[kind].improved),
});

function sentence(memory: 'own' | 'ensemble', figures: readonly MemoryFigures[]): Text[] {
  const those = figures.filter((each) => each.memory === memory);
  if (those.length === 0) return [];
  const duplicates = total(those, ({ equal, close }) => equal + close);
  const foreign = memory === 'own' ? '' : `; with a parent of another agent, ${success(sum(those, 'foreign'))}`;
  const reused = total(those, (each) => each.reused);
  return [
    [
      `${count(those.length)} with the memory `,
      { text: memory, as: 'strong' },
      `. Trainings avoided: ${count(duplicates)} because a candidate was not new, ${count(reused)} because a result was cached. Children better than their better parent: from own parents, ${success(sum(those, 'own'))}${foreign}.`,
    ],
  ];
}

/** Reuse across agents. None for a single agent. */
export function memorySection(data: ReportData): Section[] {
  if (data.agents.length < 2) return [];
  const figures = memoryFigures(data);
  return [
    {
      id: 'memory',
      title: 'Reuse across agents',
      blocks: [
        { block: 'list', items: [...sentence('own', figures), ...sentence('ensemble', figures)] },
        {
          block: 'text',
          text: 'Improvement is measured on the single screening seed, so part of it is noise, equally for both kinds of parents.',
        },
        {
          block: 'table',
          columns: [
            { head: 'agent', kind: 'name' },
            { head: 'memory' },
            { head: 'novelty (min edits)', kind: 'number' },
            { head: 'rejected, equal', kind: 'number' },
            { head: 'rejected, too close', kind: 'number' },
            { head: 'cache hits', kind: 'number' },
            { head: 'improved on own parent', kind: 'number' },
            { head: 'improved on another agent’s parent', kind: 'number' },
          ],
          rows: figures.map(({ agent, memory, distance, equal, close, reused, own, foreign }) => [
            agent,
            memory,
            count(distance),
            count(equal),
            count(close),
            count(reused),
            success(own),
            success(foreign),
          ]),
        },
      ],
    },
  ];
}

/** Children of one kind of parents, and how many beat the better parent on the screening rung. */
export interface Offspring {
  readonly judged: number;
  readonly improved: number;
}

/** What an agent gained from its memory. */
export interface MemoryFigures {
  readonly agent: string;
  readonly memory: 'own' | 'ensemble';
  /** Minimum edits to the candidates in memory; 1 rejects equal ones only. */
  readonly distance: number;
  /** Rejected before training: equal to a candidate in memory, or too close to one. */
  readonly equal: number;
  readonly close: number;
  /** Evaluated by a cache hit. */
  readonly reused: number;
  /** Children of its own nodes only, and those with a parent of another agent. */
  readonly own: Offspring;
  readonly foreign: Offspring;
}

/** The effect of every agent's memory, computed from the nodes. */
export function memoryFigures(data: ReportData): MemoryFigures[] {
  const byId = new Map(data.nodes.map((node) => [node.id, node]));
  const accepted = new Set(
    data.nodes
      .filter(({ status }) => status !== 'duplicate' && status !== 'rejected')
      .map(({ candidate }) => candidate),
  );
  const parentsOf = ({ parents }: ReportNode) => parents.flatMap((id) => byId.get(id) ?? []);
  const offspring = (children: readonly ReportNode[]): Offspring => {
    const scores = children.flatMap((child) => {
      const score = meanOn(child, 'screen');
      const best = parentsOf(child).flatMap((parent) => meanOn(parent, 'screen') ?? []);
      return score === null || best.length === 0 ? [] : [score > Math.max(...best)];
    });
    return { judged: scores.length, improved: scores.filter(Boolean).length };
  };
  return data.agents.map(({ name, memory = 'own', distance = 1 }) => {
    const own = data.nodes.filter((node) => node.agent === name && isProposal(node));
    const duplicates = own.filter(({ status }) => status === 'duplicate');
    const children = own.filter(({ parents }) => parents.length > 0);
    const isForeign = (child: ReportNode) => parentsOf(child).some(({ agent }) => agent !== name);
    return {
      agent: name,
      memory,
      distance,
      equal: duplicates.filter(({ candidate }) => accepted.has(candidate)).length,
      close: duplicates.filter(({ candidate }) => !accepted.has(candidate)).length,
      reused: own.filter(({ saved }) => saved).length,
      own: offspring(children.filter((child) => !isForeign(child))),
      foreign: offspring(children.filter(isForeign)),
    };
  });
}

const share = (part: number, whole: number): string => (whole === 0 ? '–' : `${count(part)} of ${count(whole)}`);

/** Use of the literature; none if no agent read. */
export function funnelSection({ funnel: data }: ReportData): Section[] {
  if (data === null) return [];
  const drawn = ({ retrieved, cited, changed, improved }: FunnelRow, attempts: number): Text => ({
    funnel: [retrieved, cited, changed, improved],
    of: attempts,
    label: `of ${attempts} attempts: retrieved ${retrieved}, cited ${cited}, changed ${changed}, improved ${improved}`,
  });
  const rows = data.agents.flatMap(({ agent, attempts, failed, failure, sources, withoutCitation }) => [
    {
      group: `${agent}, ${count(attempts)} attempts${failed === 0 ? '' : `; ${count(failed)} searches or reads failed: ${shortened(failure ?? '', 160)}`}`,
    },
    ...sources.map((row, index): Text[] => [
      row.source,
      drawn(row, attempts),
      count(row.works),
      count(row.retrieved),
      count(row.cited),
      count(row.changed),
      share(row.improved, row.compared),
      index === 0 ? share(withoutCitation.improved, withoutCitation.compared) : '',
    ]),
  ]);
  const works = data.works.map(({ id, title, shown, cited, improved }): Text[] => [
    title === null ? id : [title, { text: id, as: 'below' }],
    count(shown),
    count(cited),
    count(improved),
  ]);
  return [
    {
      id: 'reading',
      title: 'Use of the literature',
      blocks: [
        {
          block: 'table',
          columns: [
            { head: 'source', kind: 'name' },
            { head: 'funnel' },
            { head: 'works', kind: 'number' },
            { head: 'retrieved', kind: 'number' },
            { head: 'cited', kind: 'number' },
            { head: 'changed', kind: 'number' },
            { head: 'improved', kind: 'number' },
            { head: 'improved without a citation', kind: 'number' },
          ],
          rows,
        },
        {
          block: 'text',
          as: 'note',
          text: "Counted in attempts: the source was shown; it was cited; of these, the candidate was new to the agent; of these, it beat its parent (for a draft, all the agent's earlier results), on one training each, noise included. Whether reading helps is a question for paired searches (aira ablate), not for this table.",
        },
        ...(works.length === 0
          ? []
          : ([
              { block: 'heading', text: 'Most cited works' },
              {
                block: 'table',
                columns: [
                  { head: 'work', kind: 'text' },
                  { head: 'shown', kind: 'number' },
                  { head: 'cited', kind: 'number' },
                  { head: 'improved', kind: 'number' },
                ],
                rows: works,
              },
            ] as const)),
      ],
    },
  ];
}
