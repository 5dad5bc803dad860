import { type ForecastLine, forecast, operatorsText } from '../agents/index.ts';
import { expectedSeconds, workloadOf } from '../domain/ladder.ts';
import type { SearchSpec } from '../domain/search.ts';
import { type Rung, rungs } from '../domain/task.ts';
import { chatModels, type Keyring, type Prices } from '../llm/index.ts';
import { archivePath, isThere, readArchive } from '../memory/index.ts';
import type { Device } from '../platform/index.ts';
import { clockTime } from './display.ts';

/** What is known of the machine that would run a search. */
export interface DryRunFacts {
  readonly devices: readonly Device[];
  /** Mean seconds per training of an earlier search in this lab, on each rung that it reached; null without one. */
  readonly measured: Readonly<Partial<Record<Rung, number>>> | null;
  /** Why the search could not start: data that have not been imported. */
  readonly missing: readonly string[];
}

const dollars = (amount: number | null): string => (amount === null ? 'no price' : `$${amount.toFixed(2)}`);
const gigabytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GB`;
const counted = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

/**
 * Mean seconds per training of the latest search of this lab with the same trainings: task, profile, evaluator and kind of
 * device.
 */
export function measuredSeconds(home: string, spec: SearchSpec): DryRunFacts['measured'] {
  if (!isThere(archivePath(home), home)) return null;
  const reader = readArchive(home);
  try {
    const same = ({ taskVersion, evaluator, deviceClass }: SearchSpec) =>
      taskVersion === spec.taskVersion && evaluator === spec.evaluator && deviceClass === spec.deviceClass;
    const before = reader.searches
      .list()
      .sort((one, other) => other.createdAt - one.createdAt)
      .find(({ id }) => same(reader.searches.spec(id)));
    const means = before && reader.searchStatus.of(before.id).meanSeconds;
    return means && Object.keys(means).length > 0 ? means : null;
  } finally {
    reader.close();
  }
}

/** Trainings, time and memory on this machine. */
function workText(spec: SearchSpec, { devices, measured, missing }: DryRunFacts): string[] {
  const seconds = expectedSeconds(spec.rungs, measured ?? {});
  const work = workloadOf(spec, Math.max(1, devices.length), seconds);
  const rows = rungs.map(
    (rung) =>
      `  ${rung.padEnd(8)} ${counted(work.trainings[rung], 'training').padStart(15)} of about ${seconds[rung].toFixed(1)} s`,
  );
  const device = rungs.reduce((sum, rung) => sum + work.seconds[rung], 0);
  const basis = measured
    ? 'from trainings of an earlier search in this lab'
    : spec.deviceClass === 'cuda'
      ? 'rough: the profile’s estimate, not measured on a GPU; the first search in this lab measures it'
      : 'rough: the profile’s estimate; the first search in this lab measures it';
  const names = [...new Set(devices.map(({ name }) => name))].join(', ');
  const [{ memoryLimitBytes } = { memoryLimitBytes: 0 }] = devices;
  return [
    ...rows,
    `  time     about ${clockTime(1000 * work.wallSeconds)} on ${counted(devices.length, 'worker')} (${names || 'none here'}), ` +
      `${clockTime(1000 * device)} of training; ${basis}`,
    ...rehearsalText(spec),
    ...(devices.length > 0
      ? [
          `  memory   at most ${gigabytes(memoryLimitBytes)} per worker and ${gigabytes(memoryLimitBytes * devices.length)} in all: a worker beyond it is stopped`,
        ]
      : []),
    ...(work.screened < spec.budget.evaluations
      ? [
          `  not reached: the time suffices for about ${work.screened} of ${spec.budget.evaluations} evaluations with the rungs above them`,
        ]
      : []),
    ...missing.map((problem) => `  missing: ${problem}`),
  ];
}

/** Device time of multi-turn agents, which is not part of the trainings. */
function rehearsalText({ agents }: SearchSpec): string[] {
  return agents.flatMap(({ name, operators }) => {
    if (!operators) return [];
    const { checks, experiments, share, deviceSeconds } = operators;
    const each = `${counted(checks, 'check')} and ${counted(experiments, 'experiment')} of ${share} of a screening per proposal`;
    return [`  in addition, ${name} may use ${clockTime(1000 * deviceSeconds)} of device time: at most ${each}`];
  });
}

/** The plan and cost of a search, for people. Starts and records nothing and makes no calls, so it needs no keys. */
export function dryRun(
  spec: SearchSpec,
  prices: Prices,
  keys: Pick<Keyring, 'lacks'>,
  facts: DryRunFacts | null,
): string {
  const { evaluations, minutes, deviceSeconds, dollars: limit, tokens } = spec.budget;
  const limits = [
    `${evaluations} evaluations`,
    ...(minutes === undefined ? [] : [`${minutes} minutes`]),
    ...(deviceSeconds === undefined ? [] : [`${deviceSeconds} device seconds`]),
    ...(limit === undefined ? [] : [`$${limit}`]),
    ...(tokens === undefined ? [] : [`${tokens} tokens`]),
  ];
  const lines = forecast(spec, prices);
  const sum = (key: 'likely' | 'most') => lines.reduce((total, line) => total + (line[key] ?? 0), 0);
  const width = Math.max(16, ...spec.agents.map(({ name }) => name.length));
  const rows = lines.map(
    ({ agent, purpose, model, calls, likely, most }) =>
      `  ${agent.padEnd(width)} ${purpose.padEnd(8)} ${model.padEnd(34)} ${String(calls).padStart(5)} calls  ` +
      `about ${dollars(likely).padStart(8)}, at most ${dollars(most).padStart(8)}`,
  );
  const total =
    rows.length === 0
      ? ['No LLM calls, no cost.']
      : [
          ...rows,
          ...spec.agents.map((agent) => `  ${agent.name.padEnd(width)} ${operatorsText(agent)}`),
          ...reach(spec, lines),
          `  estimated total ${dollars(sum('likely'))}; worst case ${dollars(sum('most'))} (excluding repairs and retries)`,
          `  prices as of ${prices.asOf}${limit === undefined ? '' : `; calls that could exceed $${limit} are not made`}`,
        ];
  const lacking = [...new Set(spec.agents.flatMap(chatModels).flatMap((model) => keys.lacks(model) ?? []))];
  if (lacking.length > 0) total.push(`  to run it, set ${lacking.join(' and ')}`);
  const work = facts === null ? [] : workText(spec, facts);
  return `${[`${spec.task}, profile ${spec.profile}: ${limits.join(', ')}`, ...work, ...total].join('\n')}\n`;
}

/**
 * Time and cost of the runs of a study, which are made one after the other.
 *
 * @param runs one for each arm and task, of which each is made `times` times.
 */
export function studyTotal(
  runs: readonly SearchSpec[],
  times: number,
  prices: Prices,
  { devices, measured }: { devices: number; measured: (spec: SearchSpec) => DryRunFacts['measured'] },
): string {
  const sum = (of: (spec: SearchSpec) => number) => times * runs.reduce((total, spec) => total + of(spec), 0);
  const wallSeconds = (spec: SearchSpec) => {
    const work = workloadOf(spec, Math.max(1, devices), expectedSeconds(spec.rungs, measured(spec) ?? {}));
    return Math.min(work.wallSeconds, 60 * (spec.budget.minutes ?? Number.POSITIVE_INFINITY));
  };
  const rehearsals = sum(({ agents }) =>
    agents.reduce((all, { operators }) => all + (operators?.deviceSeconds ?? 0), 0),
  );
  const lines = runs.flatMap((spec) => forecast(spec, prices));
  const cost = (key: 'likely' | 'most') => times * lines.reduce((total, line) => total + (line[key] ?? 0), 0);
  const unpriced = lines.some(({ likely }) => likely === null) ? ', calls without a price apart' : '';
  const parts = [
    `about ${clockTime(1000 * sum(wallSeconds))} on ${counted(devices, 'worker')}`,
    ...(rehearsals === 0 ? [] : [`up to ${clockTime(1000 * rehearsals)} of checks and experiments in addition`]),
    lines.length === 0
      ? 'no LLM calls'
      : `estimated ${dollars(cost('likely'))}, worst case ${dollars(cost('most'))}${unpriced}`,
  ];
  return `in all ${counted(runs.length * times, 'trained run')}, one after the other: ${parts.join('; ')}\n`;
}

/** How far limits of dollars and tokens reach, at the likely use; nothing where they reach to the end. */
function reach({ agents, budget }: SearchSpec, lines: readonly ForecastLine[]): string[] {
  const uses = (name: string, of: (line: ForecastLine) => number) =>
    lines.filter(({ agent }) => agent === name).reduce((sum, each) => sum + of(each), 0);
  const far = (whose: string, what: string, limit: number | undefined, likely: number, evaluations: number) => {
    if (limit === undefined || likely <= limit) return [];
    const covered = Math.floor((evaluations * limit) / likely);
    return [`  not reached: ${what} of ${whose} cover about ${covered} of its ${evaluations} evaluations`];
  };
  const both = (whose: string, limits: Limits, names: readonly string[], evaluations: number) => {
    const sum = (of: (line: ForecastLine) => number) => names.reduce((total, name) => total + uses(name, of), 0);
    const [dollarsLikely, tokensLikely] = [sum(({ likely }) => likely ?? 0), sum(({ tokens }) => tokens)];
    return [
      ...far(whose, `$${limits.dollars}`, limits.dollars, dollarsLikely, evaluations),
      ...far(whose, `${limits.tokens} tokens`, limits.tokens, tokensLikely, evaluations),
    ];
  };
  const chatting = agents.filter(({ name }) => lines.some(({ agent }) => agent === name));
  return [
    ...chatting.flatMap((agent) => both(agent.name, agent, [agent.name], agent.evaluations)),
    ...both(
      'the search',
      budget,
      chatting.map(({ name }) => name),
      chatting.reduce((sum, { evaluations }) => sum + evaluations, 0),
    ),
  ];
}

/** Limits that calls of language models count against. */
interface Limits {
  readonly dollars?: number | undefined;
  readonly tokens?: number | undefined;
}
