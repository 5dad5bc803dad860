import * as z from 'zod';
import { errorMessage, PrerequisiteError, TerminalError, toError } from '../../domain/errors.ts';
import { nodeIdSchema } from '../../domain/ids.ts';
import { formatZodError } from '../../domain/inputFile.ts';
import {
  isScored,
  operatorSchema,
  parentsObjection,
  ranked,
  type ScoredNode,
  type View,
  type ViewNode,
} from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import { type OwnSettings, scaffoldSchema } from '../../domain/scaffold.ts';
import {
  chains,
  crossover,
  type Decision,
  debug,
  draft,
  history,
  improve,
  type Named,
  namedBy,
  normaliser,
  openFailures,
  ownOf,
  type Scaffold,
} from './decision.ts';
import { scaffoldFor } from './scaffold.ts';

/**
 * A scaffold of the user: what its module exports, and how one decision of it is made.
 *
 * Role: the contract (docs/scaffolds.md), the tools that it is given, the check of each decision. Non-role: finding and
 * loading files (ownFiles.ts), validating a module before a search (ownCheck.ts).
 *
 * POL-1. A decision depends on view, rng and settings alone (I5): the view is a frozen copy without the fields that differ
 *     from run to run, and clock and chance of the process throw while it runs.
 * POL-2. What it decides is checked each time as a decision of a program from outside would be; the first that cannot be
 *     carried out ends the agent with its reason (I13).
 */

/** What a decision may know. Without `left` and `insights`, which no decision may use. */
export type ScaffoldView = Pick<View, 'ordinal' | 'remaining' | 'nodes'>;

/** The moves of the shipped scaffolds, and the shipped scaffolds themselves: pure functions. */
export interface ScaffoldTools {
  readonly draft: typeof draft;
  readonly improve: typeof improve;
  readonly crossover: (first: ScoredNode, second: ScoredNode, reason: string) => Decision;
  readonly debug: typeof debug;
  /** Attempts before the one to decide, oldest first. */
  readonly history: (view: ScaffoldView) => ViewNode[];
  /** The agent's own among these nodes. */
  readonly ownOf: typeof ownOf;
  readonly isScored: typeof isScored;
  /** Scored nodes, best first. */
  readonly ranked: typeof ranked;
  readonly normaliser: typeof normaliser;
  readonly chains: typeof chains;
  readonly openFailures: typeof openFailures;
  /** How reasons name a node: `greedy-3 (0.4127)`. */
  readonly named: Named;
  /** A shipped scaffold, by name or with settings as in a search file: `policy('greedy')(view, rng)`. */
  readonly policy: (entry: unknown) => (view: ScaffoldView, rng: Rng) => Decision;
}

export interface ScaffoldContext<Settings extends OwnSettings = OwnSettings> {
  /** Those of the module, with the values that the search file gives instead. */
  readonly settings: Settings;
  readonly tools: ScaffoldTools;
}

/** The exports of the module of a scaffold. */
export interface OwnScaffold<Settings extends OwnSettings = OwnSettings> {
  /** Every setting with its default; a search file may give others of the same types. */
  readonly settings?: Settings;
  /** The next decision of the agent. It stores nothing between calls. */
  readonly decide: (view: ScaffoldView, rng: Rng, context: ScaffoldContext<Settings>) => Decision;
}

/** Tools for a task whose metric is better when higher, or lower: reasons state the metric. */
export function scaffoldTools(lowerIsBetter = false): ScaffoldTools {
  return Object.freeze<ScaffoldTools>({
    draft,
    improve,
    crossover,
    debug,
    history,
    ownOf,
    isScored,
    ranked,
    normaliser,
    chains,
    openFailures,
    named: namedBy(lowerIsBetter),
    policy(entry) {
      const read = scaffoldSchema.parse(entry);
      if (read.kind !== 'own') return scaffoldFor(read, { lowerIsBetter });
      throw new TerminalError('scaffold', `there is no shipped scaffold "${read.name}"`);
    },
  });
}

const moduleSchema = z.strictObject({
  decide: z.custom<OwnScaffold['decide']>((value) => typeof value === 'function', 'must be a function'),
  settings: z.unknown().optional(),
});

/** The exports of a loaded module, checked but for its settings. @throws PrerequisiteError `scaffold` */
export function exportsOf(
  module: object,
  label: string,
): { readonly decide: OwnScaffold['decide']; settings?: unknown } {
  const parsed = moduleSchema.safeParse({ ...module });
  if (parsed.success) return parsed.data;
  const problem = formatZodError(parsed.error, moduleSchema).join('; ');
  const remedy = 'export a function decide(view, rng, { settings, tools }) and, if it has any, settings; nothing else';
  throw new PrerequisiteError('scaffold', `the exports of ${label}: ${problem}`, remedy);
}

const decisionSchema = z.strictObject({
  operator: operatorSchema,
  parents: z.array(nodeIdSchema).max(2),
  reason: z.string().min(1).max(2000),
  room: z.int().positive().exactOptional(),
});

/** Why these parents cannot be used; null if they can. Stricter than for programs: local models repair no rejected answer. */
function objection({ operator, parents }: Decision, nodes: readonly ViewNode[]): string | null {
  const unfit = parentsObjection(operator, parents, nodes);
  if (unfit !== null) return unfit;
  const used = nodes.filter(({ id }) => parents.includes(id));
  const vetoed = used.find((node) => node.vetoed);
  if (vetoed) return `${vetoed.id} was vetoed by a person`;
  const rejected = used.find(({ status }) => status === 'rejected');
  return rejected ? `debug takes a parent that failed; ${rejected.id} was rejected` : null;
}

function checkedDecision(answer: unknown, { nodes }: ScaffoldView, name: string): Decision {
  const refuse = (why: string) => new TerminalError('scaffold', `the scaffold ${name} decided what cannot be: ${why}`);
  if (answer instanceof Promise) {
    // Its failure would end the process.
    answer.catch(() => {});
    throw refuse('a promise; decide must not be async');
  }
  const parsed = decisionSchema.safeParse(answer);
  if (!parsed.success) throw refuse(formatZodError(parsed.error, decisionSchema).join('; '));
  const unfit = objection(parsed.data, nodes);
  if (unfit !== null) throw refuse(unfit);
  return parsed.data;
}

function unavailable(what: string): never {
  throw new Error(`${what} is not available: a decision depends on view, rng and settings alone`);
}

/** Runs a synchronous function while clock and chance of the process throw. */
function withoutChance<T>(run: () => T): T {
  const { random } = Math;
  const date = globalThis.Date;
  const refuse = () => unavailable('Date');
  Math.random = () => unavailable('Math.random');
  globalThis.Date = new Proxy(date, { construct: refuse, apply: refuse, get: refuse });
  try {
    return run();
  } finally {
    Math.random = random;
    globalThis.Date = date;
  }
}

/** A copy that cannot be changed. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const copy = Array.isArray(value)
    ? value.map(frozen)
    : Object.fromEntries(Object.entries(value).map(([key, each]) => [key, frozen(each)]));
  return Object.freeze(copy) as T;
}

/** Where in the file of a scaffold an error arose: `, line 12` or nothing. */
function lineIn(name: string, thrown: unknown): string {
  const line = new RegExp(`${name}\\.m?js:(\\d+)`).exec(toError(thrown).stack ?? '')?.[1];
  return line === undefined ? '' : `, line ${line}`;
}

/**
 * The policy of a module with its settings.
 *
 * @param name of its file, in sentences and stack traces.
 * @returns a scaffold that throws TerminalError `scaffold` for a failure or an impossible decision.
 */
export function boundScaffold<Settings extends OwnSettings>(
  decide: OwnScaffold<Settings>['decide'],
  settings: Settings,
  { name, lowerIsBetter = false }: { readonly name: string; readonly lowerIsBetter?: boolean },
): Scaffold {
  const context: ScaffoldContext<Settings> = Object.freeze({
    settings: Object.freeze({ ...settings }),
    tools: scaffoldTools(lowerIsBetter),
  });
  return ({ ordinal, remaining, nodes }, rng) => {
    const view = frozen({ ordinal, remaining, nodes });
    let answer: unknown;
    try {
      answer = withoutChance(() => decide(view, rng, context));
    } catch (cause) {
      throw new TerminalError('scaffold', `the scaffold ${name}${lineIn(name, cause)}: ${errorMessage(cause)}`, {
        cause,
      });
    }
    return checkedDecision(answer, view, name);
  };
}
