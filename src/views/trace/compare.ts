import type { Comparison } from '../../statistics/index.ts';
import type { Attribution, ChangeEffect } from '../../studies/index.ts';
import type { Section, Text } from '../page.ts';
import { count, duration, percent, score, signed } from '../texts.ts';
import type { AgentStory, Story } from './story.ts';

/** What made a difference: two agents or searches side by side, and the changes of a node, each undone alone (attribution). */

/** The figures of one side: an agent, or all agents of a search. */
export interface Side {
  /** `search` or `search agent`. */
  readonly name: string;
  readonly task: string;
  readonly metric: string;
  readonly lowerIsBetter: boolean;
  readonly agents: number;
  /** Models and scaffolds, each once. */
  readonly what: readonly string[];
  readonly attempts: number;
  readonly scored: number;
  readonly failed: number;
  readonly refused: number;
  /** Best screening score after each quarter of the attempts, in the metric; null before the first score. */
  readonly course: readonly (number | null)[];
  readonly best: { readonly node: string; readonly score: number } | null;
  /** Per operator: children compared with their first parent, and those that were better. */
  readonly operators: Readonly<Record<string, { readonly compared: number; readonly improved: number }>>;
  readonly calls: number;
  readonly failedCalls: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly dollars: number;
  /** Checks and experiments before proposals, and their device time. */
  readonly rehearsals: { readonly runs: number; readonly seconds: number };
  /** Median latency of calls with an answer. */
  readonly latencyMs: number | null;
  readonly claimsTaken: number;
  readonly insights: number;
  readonly plateaus: number;
  /** Why agents ended before their budget was used. */
  readonly ends: readonly string[];
}

/** Two sides, and what they have in common. */
export interface Confrontation {
  readonly sides: readonly [Side, Side];
  /** Scores compare: one task, one metric. */
  readonly comparable: boolean;
  /** Candidates that both proposed. */
  readonly common: number;
}

const median = (values: readonly number[]): number | null =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? null;

/** Attempts of several agents as they alternate: first attempts, second attempts, and so on. */
const interleaved = (agents: readonly AgentStory[]) =>
  agents.flatMap(({ steps }) => steps).sort((a, b) => a.ordinal - b.ordinal || (a.node < b.node ? -1 : 1));

function sideOf(story: Story, endText: (agent: AgentStory) => string | null): Side {
  const { search, task, metric, lowerIsBetter, agents } = story;
  const steps = interleaved(agents);
  const better = (one: number, other: number) => (lowerIsBetter ? one < other : one > other);
  let best: Side['best'] = null;
  const after = steps.map(({ node, measured: { screen } }) => {
    if (screen !== null && (best === null || better(screen, best.score))) best = { node, score: screen };
    return best?.score ?? null;
  });
  const operators: Record<string, { compared: number; improved: number }> = {};
  for (const { operator, improved } of steps) {
    if (improved === null) continue;
    const row = operators[operator] ?? { compared: 0, improved: 0 };
    operators[operator] = { compared: row.compared + 1, improved: row.improved + (improved ? 1 : 0) };
  }
  const sum = (of: (agent: AgentStory) => number) => agents.reduce((total, agent) => total + of(agent), 0);
  const calls = steps.map((step) => step.calls);
  const tried = steps.flatMap((step) => step.tried);
  const [only] = agents;
  return {
    name: agents.length === 1 && only ? `${search} ${only.agent}` : search,
    task,
    metric,
    lowerIsBetter,
    agents: agents.length,
    what: [...new Set(agents.map(({ model, scaffold }) => `${model}, ${scaffold}`))],
    attempts: steps.length,
    scored: steps.filter(({ measured }) => measured.screen !== null).length,
    failed: steps.filter(({ status }) => status === 'failed').length,
    refused: steps.filter(({ status }) => status === 'rejected' || status === 'duplicate').length,
    course: [1, 2, 3, 4].map((quarter) => after[Math.ceil((steps.length * quarter) / 4) - 1] ?? null),
    best,
    operators,
    calls: sum(({ spend }) => spend.calls),
    failedCalls: calls.reduce((total, { failed }) => total + failed, 0),
    inputTokens: calls.reduce((total, { input }) => total + input, 0),
    cachedTokens: calls.reduce((total, { cached }) => total + cached, 0),
    outputTokens: calls.reduce((total, { output }) => total + output, 0),
    dollars: sum(({ spend }) => spend.dollars),
    rehearsals: { runs: tried.length, seconds: tried.reduce((total, { seconds }) => total + seconds, 0) },
    latencyMs: median(calls.flatMap(({ latencies }) => latencies)),
    claimsTaken: sum(({ claimsTaken }) => claimsTaken),
    insights: sum(({ insights }) => insights.length),
    plateaus: sum(({ plateaus }) => plateaus.length),
    ends: agents.flatMap((agent) => endText(agent) ?? []),
  };
}

/** Two agents, or two searches, side by side. Figures are of the screening rung, one training each, noise included. */
export function confront(one: Story, other: Story, endText: (agent: AgentStory) => string | null): Confrontation {
  const candidates = (story: Story) =>
    new Set(story.agents.flatMap(({ steps }) => steps.map(({ candidate }) => candidate)));
  const [mine, its] = [candidates(one), candidates(other)];
  return {
    sides: [sideOf(one, endText), sideOf(other, endText)],
    comparable: one.task === other.task && one.metric === other.metric,
    common: [...mine].filter((candidate) => its.has(candidate)).length,
  };
}

const share = ({ improved, compared }: { improved: number; compared: number }) =>
  compared === 0 ? '–' : `${improved} of ${compared} (${percent(improved / compared)})`;

/** One row per figure: its name and the two sides. */
export function confrontationRows({ sides, common }: Confrontation): (readonly [string, string, string])[] {
  const [one, other] = sides;
  const row = (name: string, text: (side: Side) => string) => [name, text(one), text(other)] as const;
  const operators = [...new Set([...Object.keys(one.operators), ...Object.keys(other.operators)])];
  return [
    row('agents', ({ agents, what }) => (agents === 1 ? (what[0] ?? '') : `${agents}: ${what.join('; ')}`)),
    row('task', ({ task, metric }) => `${task}, ${metric}`),
    row('attempts', ({ attempts, scored, failed, refused }) => {
      return `${count(attempts)}: ${count(scored)} scored, ${count(failed)} failed, ${count(refused)} refused`;
    }),
    row('best', ({ best }) => (best === null ? '–' : `${score(best.score)} (${best.node})`)),
    row('best by quarters', ({ course }) => course.map(score).join(', ')),
    ...operators.map((name) =>
      row(`${name} better`, (side) => share(side.operators[name] ?? { compared: 0, improved: 0 })),
    ),
    row(
      'calls',
      ({ calls, failedCalls }) => `${count(calls)}${failedCalls > 0 ? `, ${count(failedCalls)} failed` : ''}`,
    ),
    row('tokens', ({ inputTokens, cachedTokens, outputTokens }) => {
      const cached = inputTokens === 0 ? '' : ` (${percent(cachedTokens / inputTokens)} cached)`;
      return `${count(inputTokens)} in${cached}, ${count(outputTokens)} out`;
    }),
    row('dollars', ({ dollars, scored }) => {
      return `$${dollars.toFixed(4)}${scored === 0 ? '' : `, $${(dollars / scored).toFixed(4)} per score`}`;
    }),
    ...(sides.some(({ rehearsals }) => rehearsals.runs > 0)
      ? [
          row('checks, experiments', ({ rehearsals: { runs, seconds } }) =>
            runs === 0 ? '–' : `${count(runs)}, ${duration(seconds)} of device time`,
          ),
        ]
      : []),
    row('median latency', ({ latencyMs }) => (latencyMs === null ? '–' : duration(latencyMs / 1000))),
    row('claims refused', ({ claimsTaken }) => count(claimsTaken)),
    row('insights', ({ insights }) => count(insights)),
    row('plateaus', ({ plateaus }) => count(plateaus)),
    row('ended early', ({ ends }) => ends.join('; ') || '–'),
    ['candidates in common', count(common), count(common)],
  ];
}

export const confrontationNote = (confrontation: Confrontation): string =>
  confrontation.comparable
    ? 'Scores are of the screening rung, one training each, noise included: a difference between them is no claim.'
    : 'The tasks or metrics differ: scores do not compare.';

/** Two columns on a page. */
export function confrontationSection(confrontation: Confrontation): Section {
  const [one, other] = confrontation.sides;
  return {
    id: 'against',
    title: `${one.name} against ${other.name}`,
    blocks: [
      {
        block: 'table',
        columns: [{ head: '', kind: 'name' }, { head: one.name }, { head: other.name }],
        rows: confrontationRows(confrontation),
      },
      { block: 'text', as: 'note', text: confrontationNote(confrontation) },
    ],
  };
}

/** A difference with its interval. */
export const differenceFigures = (comparison: Comparison): string => {
  if (comparison.kind === 'unmeasured') return comparison.why;
  const [low, high] = comparison.interval;
  return `${signed(comparison.difference)}, interval ${signed(low)} to ${signed(high)}`;
};

/** Result of one change. */
export function changeVerdict({ comparison, failed }: ChangeEffect): string {
  if (failed !== null && comparison.kind === 'unmeasured') return 'cannot be undone alone';
  if (comparison.kind === 'unmeasured') return 'not measured';
  return { better: 'earned', worse: 'cost', even: 'not distinguishable' }[comparison.verdict];
}

/** The outcome in a sentence or two. */
export function attributionSentence({ node, base, seeds, gain, changes, interplay }: Attribution): string {
  if (gain.kind === 'unmeasured') return `${node} cannot be compared with ${base}: ${gain.why}.`;
  const relation = { better: 'is better than', worse: 'is worse than', even: 'is not distinguishable from' }[
    gain.verdict
  ];
  const first = `${node} ${relation} ${base} at ${seeds} paired seeds (${differenceFigures(gain)}).`;
  const by = (verdict: string) => changes.filter((change) => changeVerdict(change) === verdict);
  const list = (effects: readonly ChangeEffect[]) =>
    effects
      .map(
        ({ label, comparison }) => `${label} (${comparison.kind === 'measured' ? signed(comparison.difference) : '–'})`,
      )
      .join('; ');
  const earned = by('earned');
  const cost = by('cost');
  const even = by('not distinguishable');
  const lost = by('cannot be undone alone');
  const parts = [
    earned.length > 0
      ? `The gain is due to ${list(earned)}.`
      : `No single change is distinguishable from noise at ${seeds} seeds.`,
    ...(cost.length > 0 ? [`It is reduced by ${list(cost)}.`] : []),
    ...(earned.length > 0 && even.length > 0
      ? [
          `${even.length === 1 ? 'One other change is' : `${even.length} other changes are`} not distinguishable from zero.`,
        ]
      : []),
    ...(lost.length > 0 ? [`Without ${lost.map(({ label }) => label).join('; ')} training fails.`] : []),
    ...(interplay !== null && changes.length > 1 && gain.verdict !== 'even'
      ? [`Interaction of the changes: ${signed(interplay)} beyond their single contributions.`]
      : []),
  ];
  return [first, ...parts].join(' ');
}

const words = { better: 'better', worse: 'worse', even: 'not distinguishable' } as const;

/** Each change with its contribution, on one scale. */
export function attributionSection(attribution: Attribution): Section {
  const { node, base, gain, changes, seeds, trainedAs } = attribution;
  const all = [
    {
      ...{ name: `all: ${node} against ${base}`, comparison: gain, note: null },
      verdict: gain.kind === 'measured' ? words[gain.verdict] : '',
    },
    ...changes.map((change) => ({
      ...{ name: change.label, comparison: change.comparison, note: change.failed, verdict: changeVerdict(change) },
    })),
  ];
  const outcome = (verdict: string): Text =>
    verdict === 'earned' ? { text: verdict, as: 'good' } : verdict === 'cost' ? { text: verdict, as: 'bad' } : verdict;
  return {
    id: 'attribution',
    title: `Attribution of ${node}`,
    blocks: [
      { block: 'text', as: 'lead', text: attributionSentence(attribution) },
      {
        block: 'forest',
        label: 'contribution of each change, undone alone',
        effects: all.map(({ name, comparison, verdict, note }) => ({
          name,
          sub: note === null ? '' : note.slice(0, 200),
          estimate: comparison.kind === 'measured' ? comparison.difference : null,
          low: comparison.kind === 'measured' ? comparison.interval[0] : null,
          high: comparison.kind === 'measured' ? comparison.interval[1] : null,
          verdict,
        })),
      },
      {
        block: 'table',
        columns: [
          { head: 'change (undone alone)', kind: 'text' },
          { head: 'difference', kind: 'number' },
          { head: 'interval', kind: 'number' },
          { head: 'result' },
        ],
        rows: all.map(({ name, comparison, verdict, note }) => [
          name,
          comparison.kind === 'measured' ? signed(comparison.difference) : '–',
          comparison.kind === 'measured'
            ? `${signed(comparison.interval[0])} … ${signed(comparison.interval[1])}`
            : '–',
          [outcome(verdict), ...(note === null ? [] : [{ text: note.slice(0, 200), as: 'below' } as const])].flat(),
        ]),
      },
      {
        block: 'text',
        as: 'note',
        text: `Fitness of ${node} minus that of the same candidate without the change, on ${seeds} paired seeds of the final rung, which selected nothing. One noise estimate from all trainings, with seeds as blocks; simultaneous 95 % coverage over the changes. Trained as ${trainedAs}.`,
      },
    ],
  };
}
