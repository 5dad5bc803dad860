import { type ForecastLine, forecast, operatorsText, trainingSeconds } from '../agents/index.ts';
import type { SearchSpec } from '../domain/search.ts';
import { chatModels, type Keyring, type Prices } from '../llm/index.ts';

const dollars = (amount: number | null): string => (amount === null ? 'no price' : `$${amount.toFixed(2)}`);

/** The plan and cost of a search, for people. Starts and records nothing and makes no calls, so it needs no keys. */
export function dryRun(spec: SearchSpec, prices: Prices, keys: Pick<Keyring, 'lacks'>): string {
  const { evaluations, minutes, dollars: limit, tokens } = spec.budget;
  const limits = [
    `${evaluations} evaluations`,
    ...(minutes === undefined ? [] : [`${minutes} minutes`]),
    ...(limit === undefined ? [] : [`$${limit}`]),
    ...(tokens === undefined ? [] : [`${tokens} tokens`]),
  ];
  const lines = forecast(spec, prices);
  const sum = (key: 'likely' | 'most') => lines.reduce((total, line) => total + (line[key] ?? 0), 0);
  const rows = lines.map(
    ({ agent, purpose, model, calls, likely, most }) =>
      `  ${agent.padEnd(16)} ${purpose.padEnd(8)} ${model.padEnd(34)} ${String(calls).padStart(5)} calls  ` +
      `about ${dollars(likely).padStart(8)}, at most ${dollars(most).padStart(8)}`,
  );
  const total =
    rows.length === 0
      ? ['No LLM calls, no cost.']
      : [
          ...rows,
          ...spec.agents.map((agent) => `  ${agent.name.padEnd(16)} ${operatorsText(agent)}`),
          ...reach(spec, lines),
          `  estimated total ${dollars(sum('likely'))}; worst case ${dollars(sum('most'))} (excluding repairs and retries)`,
          `  prices as of ${prices.asOf}${limit === undefined ? '' : `; calls that could exceed $${limit} are not made`}`,
        ];
  const lacking = [...new Set(spec.agents.flatMap(chatModels).flatMap((model) => keys.lacks(model) ?? []))];
  if (lacking.length > 0) total.push(`  to run it, set ${lacking.join(' and ')}`);
  const minutesOfTraining = trainingSeconds(spec) / 60;
  total.push(
    `  trainings take about ${minutesOfTraining.toFixed(minutesOfTraining < 10 ? 1 : 0)} core-minutes, divided among the workers`,
  );
  return `${spec.task}, profile ${spec.profile}: ${limits.join(', ')}\n${total.join('\n')}\n`;
}

/** How far limits of dollars reach, at the likely cost; nothing where they reach to the end. */
function reach({ agents, budget }: SearchSpec, lines: readonly ForecastLine[]): string[] {
  const likelyOf = (name: string) =>
    lines.filter((line) => line.agent === name).reduce((sum, { likely }) => sum + (likely ?? 0), 0);
  const far = (whose: string, limit: number | undefined, likely: number, evaluations: number): string[] => {
    if (limit === undefined || likely <= limit) return [];
    const covered = Math.floor((evaluations * limit) / likely);
    return [`  $${limit} of ${whose} cover about ${covered} of its ${evaluations} evaluations`];
  };
  const chatting = agents.filter(({ name }) => lines.some(({ agent }) => agent === name));
  return [
    ...chatting.flatMap(({ name, dollars, evaluations }) => far(name, dollars, likelyOf(name), evaluations)),
    ...far(
      'the search',
      budget.dollars,
      chatting.reduce((sum, { name }) => sum + likelyOf(name), 0),
      chatting.reduce((sum, { evaluations }) => sum + evaluations, 0),
    ),
  ];
}
