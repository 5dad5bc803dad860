import * as z from 'zod';
import { errorMessage, PrerequisiteError, TerminalError, toError } from '../../domain/errors.ts';
import { agentNameSchema, nodeId, nodeIdSchema } from '../../domain/ids.ts';
import { formatZodError } from '../../domain/inputFile.ts';
import { canonicalJson, type Json } from '../../domain/json.ts';
import {
  byAge,
  isScored,
  operatorSchema,
  parentsObjection,
  ranked,
  type ScoredNode,
  type View,
  type ViewNode,
} from '../../domain/node.ts';
import { type Rng, rngFor } from '../../domain/rng.ts';
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
 * Role: the contract (docs/scaffolds.md), the tools that it is given, the check of each decision, and of a module before a search.
 * Non-role: finding and loading files (ownFiles.ts).
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

/** Who proposes in the check, and who else does. */
const self = agentNameSchema.parse('own');
const other = agentNameSchema.parse('other');
const attempts = 32;

/** How the attempts of the check end, in turn. The first has no score, since a search may begin that way. */
const outcomes = [
  'failed',
  'evaluated',
  'evaluated',
  'rejected',
  'evaluated',
  'duplicate',
  'evaluated',
  'failed',
] as const;
/** The attempt that a person vetoes once it is scored. */
const vetoed = 5;

function nodeOf(ordinal: number, decision: Decision, seed: number, agent = self): ViewNode {
  const status = outcomes[(ordinal - 1 + 3 * (seed - 1)) % outcomes.length] as (typeof outcomes)[number];
  const { operator, parents } = decision;
  const fitness = status === 'evaluated' ? rngFor('outcome', seed, agent, ordinal).float() : null;
  const reason = status === 'failed' ? 'nan' : status === 'duplicate' ? 'duplicate' : null;
  return {
    id: nodeId(agent, ordinal),
    agent,
    ordinal,
    operator,
    parents: [...parents],
    candidate: `M mA ${ordinal}`,
    status,
    reason,
    fitness,
    change: `attempt ${ordinal}`,
    ...(agent === self ? {} : { foreign: true as const }),
    ...(ordinal === vetoed && fitness !== null ? { vetoed: true as const } : {}),
  };
}

const textOf = (decision: Decision): string => canonicalJson(decision as unknown as Json);

/** The view of attempt `ordinal`: outcomes up to `pending` attempts back, and another agent's drafts if memory is shared. */
function viewOf(ordinal: number, nodes: readonly ViewNode[], pending: number, shared: boolean): View {
  const shown = nodes.map((node): ViewNode => {
    const open = node.ordinal > ordinal - pending && (node.status === 'evaluated' || node.status === 'failed');
    return open ? { ...node, status: 'pending', reason: null, fitness: null } : node;
  });
  const foreign = shared
    ? Array.from({ length: Math.max(0, ordinal - pending) }, (_, index) =>
        nodeOf(index + 1, { operator: 'draft', parents: [], reason: 'draft' }, 3, other),
      )
    : [];
  return { ordinal, remaining: attempts - ordinal + 1, nodes: [...shown, ...foreign].sort(byAge) };
}

/**
 * Checks a scaffold as a search would use it: two searches in memory with drawn outcomes, from the empty view on. Each decision must
 * be possible, and the same again: at once, and after all others (POL-1). Failures, duplicates, rejected and pending attempts,
 * vetoes and nodes of another agent occur, each within the first ten attempts.
 *
 * @param label how the sentence names it.
 * @throws PrerequisiteError `scaffold` with the first attempt at which it fails, decides what cannot be, or decides otherwise
 * when it is asked again.
 */
export function checkScaffold(scaffold: Scaffold, label: string): void {
  const remedy = 'fix the file; `aira scaffold check <file>` repeats this check';
  for (const [seed, pending, shared] of [
    [1, 1, false],
    [2, 3, true],
  ] as const) {
    const decide = (view: View): Decision => {
      try {
        return scaffold(view, rngFor('check', seed, view.ordinal));
      } catch (cause) {
        const where = view.nodes.length === 0 ? 'on an empty view' : `at attempt ${view.ordinal} of a search in memory`;
        throw new PrerequisiteError('scaffold', `${errorMessage(cause)} (${where})`, remedy, { cause });
      }
    };
    const requireAgain = (view: View, decision: Decision): void => {
      if (textOf(decide(view)) === textOf(decision)) return;
      const message = `the scaffold ${label} is not a pure function: asked again at attempt ${view.ordinal}, it decides otherwise`;
      throw new PrerequisiteError('scaffold', message, 'store nothing between calls, and take all chance from rng');
    };
    const nodes: ViewNode[] = [];
    const made: { view: View; decision: Decision }[] = [];
    for (let ordinal = 1; ordinal <= attempts; ordinal++) {
      const view = viewOf(ordinal, nodes, pending, shared);
      const decision = decide(view);
      requireAgain(view, decision);
      made.push({ view, decision });
      nodes.push(nodeOf(ordinal, decision, seed));
    }
    // Backwards, so that a state left by later decisions would show.
    for (const { view, decision } of made.reverse()) requireAgain(view, decision);
  }
}
