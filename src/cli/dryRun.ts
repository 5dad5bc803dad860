import { forecast } from '../agents/index.ts';
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
          `  estimated total ${dollars(sum('likely'))}; worst case ${dollars(sum('most'))} (excluding repairs and retries)`,
          `  prices as of ${prices.asOf}${limit === undefined ? '' : `; calls that could exceed $${limit} are not made`}`,
        ];
  const lacking = [...new Set(spec.agents.flatMap(chatModels).flatMap((model) => keys.lacks(model) ?? []))];
  if (lacking.length > 0) total.push(`  to run it, set ${lacking.join(' and ')}`);
  return `${spec.task}, profile ${spec.profile}: ${limits.join(', ')}\n${total.join('\n')}\n`;
}
