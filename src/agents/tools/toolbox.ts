import * as z from 'zod';
import { canonicalCandidate, type Space, shortCandidate } from '../../domain/candidate.ts';
import { errorMessage } from '../../domain/errors.ts';
import { nodeIdSchema } from '../../domain/ids.ts';
import { type JsonBounds, parseJson } from '../../domain/json.ts';
import {
  isOnline,
  type LiteratureSource,
  type LiteratureSpec,
  type Reading,
  type ReadingBudget,
  type Retrieval,
} from '../../domain/literature.ts';
import {
  nodeStatusSchema,
  type Operator,
  operatorSchema,
  ranked,
  type View,
  type ViewNode,
} from '../../domain/node.ts';
import { type Brief, type Files, parseProgram, programText } from '../../domain/program.ts';
import {
  bringsScripts,
  longestScript,
  type MultiTurnSpec,
  type RehearsalName,
  type Tried,
} from '../../domain/rehearsal.ts';
import {
  answerSchema,
  type ChatMessage,
  type ProviderState,
  type Scope,
  type ToolCall,
  type ToolForm,
} from '../../llm/index.ts';

/**
 * The tools that a model may call within a thought.
 *
 * Role: what a toolbox is, what a thought has read and tried, names, descriptions and arguments of all tools. Non-role: running calls
 * (reading.ts, investigation.ts).
 *
 * TBX-1. What a tool returned is recorded before it is shown, and a repeated thought gets the same (I5).
 * TBX-2. A tool knows no more than the attempt's view (I4, I5).
 * TBX-3. Every call gets a result; calls, rounds and characters are bounded.
 * TBX-4. What a tool returns is data: it is framed, and it steers no query.
 */

/** A piece of text from elsewhere, shown to a model as data and cited by its id. */
export interface Passage {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

/** The tool calls of an answer. */
export interface Asks {
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly carried: readonly ProviderState[];
}

/** The reading of one thought so far; plain data, because it is checkpointed between steps. */
export interface ReadingState {
  readonly how: 'nothing' | LiteratureSpec['how'];
  /** Passages looked up before the question. */
  readonly passages: readonly Passage[];
  /** Tool calls and results since, alternating, as messages to the model. */
  readonly turns: readonly ChatMessage[];
  readonly retrieved: readonly Retrieval[];
  readonly readings: readonly Reading[];
  readonly left: ReadingBudget;
  /** Of multi-turn operators: what is left, and what was tried out. */
  readonly uses?: { readonly checks: number; readonly experiments: number; readonly looks: number } | undefined;
  readonly tried?: readonly Tried[] | undefined;
}

export const noReading: ReadingState = {
  how: 'nothing',
  passages: [],
  turns: [],
  retrieved: [],
  readings: [],
  left: { searches: 0, reads: 0, itemsPerSearch: 1 },
};

/** Where in a thought tools are used. */
export interface ToolOccasion {
  readonly view: View;
  readonly parents: readonly ViewNode[];
  readonly scope: Scope;
}

/** The tools of one agent's thoughts. */
export interface Toolbox {
  readonly tools: readonly ToolForm[];
  /** What the system prompt says about them. */
  readonly rules: string;
  /** Absent if it has no literature. */
  readonly literature?: LiteratureSpec | undefined;
  /** Whether the model may call tools again. */
  mayCall(state: ReadingState): boolean;
  /** The state before the question. @param toolless the server supports no tools. */
  begin(about: ToolOccasion & { operator: Operator; toolless: boolean }, signal: AbortSignal): Promise<ReadingState>;
  /** The state after one more round of calls. */
  answer(asks: Asks, state: ReadingState, about: ToolOccasion, signal: AbortSignal): Promise<ReadingState>;
}

/** Thrown for a call that cannot run; the message goes to the model. */
export class InvalidCall extends Error {}

/** The arguments of a call, by the schema of its tool. Nullable keys may be absent: servers without schema enforcement let models omit them. */
export function argumentsIn<S extends z.ZodObject>(
  name: string,
  schema: S,
  text: string,
  bounds: JsonBounds,
): z.infer<S> {
  let value: unknown;
  try {
    value = parseJson(text, bounds);
  } catch (thrown) {
    throw new InvalidCall(`the arguments of ${name} are not valid JSON: ${errorMessage(thrown)}`);
  }
  const optional = Object.entries(schema.shape).filter(([, each]) => (each as z.ZodType).safeParse(null).success);
  const nulls = Object.fromEntries(optional.map(([key]) => [key, null]));
  const record = z.record(z.string(), z.unknown()).safeParse(value);
  const result = schema.safeParse(record.success ? { ...nulls, ...record.data } : value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.').slice(0, 100) || 'object';
  throw new InvalidCall(`invalid arguments for ${name}: ${where}: ${issue?.message.slice(0, 200)}`);
}

/** Queries are free text without syntax, so that none can fail to parse. */
const query = z.string().trim().min(1).max(400).describe('What to look for, in a few words; no syntax.');
const searchSchema = z.strictObject({ query });
const sinceSchema = z.strictObject({
  query,
  since: z.int().min(1900).max(2100).nullable().describe('Only works of this year or later, or null.'),
});
const readSchema = z.strictObject({
  id: z.string().min(1).max(300).describe('The id of an item from a search result.'),
});

/** The tools with which a language model reads. */
const toolNames = ['search_literature', 'search_code', 'search_archive', 'read'] as const;
export type ToolName = (typeof toolNames)[number];

/** The schema of each tool's arguments. */
export const toolSchemas = {
  search_literature: sinceSchema,
  search_code: searchSchema,
  search_archive: searchSchema,
  read: readSchema,
} as const satisfies Record<ToolName, z.ZodType>;

const descriptions: Readonly<Record<ToolName, string>> = {
  search_literature: 'Find papers. Returns title, authors, year and the matching passage, each with an id.',
  search_code: 'Find code bases. Returns title, licence and the matching passage, each with an id.',
  search_archive:
    'Find results of this search that you may know: what was tried, how it scored and the lesson drawn from it.',
  read: 'Read the full available text of one item.',
};

const holdsPapers = (source: LiteratureSource) => source === 'corpus' || (isOnline(source) && source !== 'github');
const holdsCode = (source: LiteratureSource) => source === 'corpus' || source === 'github';

/** The tools that are useful with these sources and this budget. */
export function toolsFor({ sources, searches, reads }: LiteratureSpec): ToolForm[] {
  const offered = toolNames.filter((name) => {
    if (name === 'read') return reads > 0;
    if (searches === 0) return false;
    if (name === 'search_archive') return sources.includes('archive');
    return sources.some(name === 'search_code' ? holdsCode : holdsPapers);
  });
  return offered.map((name) => ({
    name,
    description: descriptions[name],
    json: answerSchema(name, toolSchemas[name]).json,
  }));
}

/** What to look for, as one text. */
export const wordsSchema = z
  .string()
  .min(1)
  .max(500)
  .describe('each word must occur in the candidate or the texts of a node');

/** One definition for the tools of our agents and of agents from outside. */
export const nodeDescriptions = {
  get_node: 'One node of your view in full, with its candidate.',
  search_archive: 'Nodes of your view by words, status and operator, best first.',
} as const;

interface NodeQuery {
  readonly words?: string | null | undefined;
  readonly status?: z.infer<typeof nodeStatusSchema> | null | undefined;
  readonly operator?: z.infer<typeof operatorSchema> | null | undefined;
}

/** The nodes that match a query, in the order of the view. */
export function matchingNodes(nodes: readonly ViewNode[], { words, status, operator }: NodeQuery): ViewNode[] {
  const wanted = (words ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return nodes.filter((node) => {
    if (status != null && node.status !== status) return false;
    if (operator != null && node.operator !== operator) return false;
    const { id, candidate, change = '', message = '', lesson = '' } = node;
    const text = [id, candidate, shortCandidate(candidate), change, message, lesson].join('\n').toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}

/** Best first, then the others, latest first. */
export function bestFirst(nodes: readonly ViewNode[]): ViewNode[] {
  const best = ranked(nodes);
  const listed = new Set(best.map(({ id }) => id));
  return [...best, ...nodes.filter(({ id }) => !listed.has(id)).reverse()];
}

/** Tools of multi-turn operators, apart from those of literature. */
export const ownToolNames = ['check_candidate', 'run_experiment', 'get_node', 'search_archive'] as const;
export type OwnToolName = (typeof ownToolNames)[number];

const nodeQuery = z.strictObject({
  words: wordsSchema.nullable(),
  status: nodeStatusSchema.nullable(),
  operator: operatorSchema.nullable(),
});
const oneNode = z.strictObject({ node: nodeIdSchema.describe('The id of the node.') });

const architecture = z
  .string()
  .min(1)
  .max(8000)
  .describe('All layers from input to output, as tokens or runs: 2mA+5M+1Mb.');
const ofStack = z.strictObject({ architecture });

const file = z.strictObject({ name: z.string().max(60), text: z.string().max(262_144) });
const ofProgram = z.strictObject({
  files: z.array(file).max(16).describe('Whole files; one that you leave out is taken from the base.'),
  base: nodeIdSchema.nullable().describe('A node of your view; null: the first parent, or the baseline for a draft.'),
});
/** An argument of `run_experiment`, where agents may bring scripts. */
const script = (sees: string) =>
  z
    .string()
    .max(longestScript)
    .nullable()
    .describe(
      `null: the built-in training. Or a Python program of yours that is run instead: ${sees}, and what it prints comes back.`,
    );
const stackWithScript = ofStack.extend({
  script: script(
    '`import aira_stack` gives tasks(), rows(task) -> (train, apart) of the training data, build(task) -> the candidate as a torch module with loss(rows, indices) and accuracy(rows), build(task, architecture="...") -> another stack, recipe(); print(aira_stack.__doc__) shows an example',
  ),
});
const programWithScript = ofProgram.extend({
  script: script('the candidate is in /box/candidate, training data in /box/data/train and /box/data/apart'),
});

/** Arguments of a tool that rehearses, by kind of candidate. */
const rehearsalForms = {
  stack: { check_candidate: ofStack, run_experiment: ofStack, scripted: stackWithScript },
  program: { check_candidate: ofProgram, run_experiment: ofProgram, scripted: programWithScript },
} as const;

type Described = readonly [name: OwnToolName, description: string, schema: z.ZodType];

/** The tools that a multi-turn agent may call in this space, with these limits. */
export function ownTools(space: Space, spec: MultiTurnSpec): ToolForm[] {
  const { checks, experiments, looks, share } = spec;
  if (space.kind === 'scale') return [];
  const forms = rehearsalForms[space.kind];
  const score =
    space.kind === 'stack' ? 'on sequences of its own' : 'on 70 % of the training data, scored on the other 30 %';
  const offered: Described[] = [
    ...(checks > 0
      ? [
          [
            'check_candidate',
            'A few steps of training: is it valid, does it run, is it causal, how many parameters and FLOPs.',
            forms.check_candidate,
          ] as const,
        ]
      : []),
    ...(experiments > 0
      ? [
          [
            'run_experiment',
            `Trains it for ${share} of a screening ${score}. Compare such figures with each other only.`,
            bringsScripts(spec, space) ? forms.scripted : forms.run_experiment,
          ] as const,
        ]
      : []),
    ...(looks > 0
      ? [
          ['get_node', nodeDescriptions.get_node, oneNode] as const,
          ['search_archive', nodeDescriptions.search_archive, nodeQuery] as const,
        ]
      : []),
  ];
  return offered.map(([name, description, schema]) => ({ name, description, json: answerSchema(name, schema).json }));
}

/** A program and a script as one argument. */
const ownBounds: JsonBounds = { characters: 512 * 1024, depth: 6, items: 512 };

export const nodeQueryOf = (text: string) => argumentsIn('search_archive', nodeQuery, text, ownBounds);
export const nodeOf = (text: string) => argumentsIn('get_node', oneNode, text, ownBounds).node;

/** What the arguments of a rehearsal may refer to. */
interface CandidateContext {
  readonly space: Space;
  readonly spec: MultiTurnSpec;
  readonly brief?: Brief | undefined;
  readonly parents: readonly ViewNode[];
  readonly nodes: readonly ViewNode[];
}

function filesOf(node: ViewNode): Files {
  try {
    return parseProgram(node.candidate);
  } catch {
    throw new InvalidCall(`${node.id} has no program; give whole files, or another base`);
  }
}

function scriptOf(given: object): { script?: string } {
  const found = 'script' in given ? given.script : null;
  return typeof found === 'string' && found.trim() !== '' ? { script: found } : {};
}

/** The canonical candidate, and the script if there is one, of a call that rehearses. @throws InvalidCall; CandidateError. */
export function candidateOf(
  tool: RehearsalName,
  text: string,
  { space, spec, brief, parents, nodes }: CandidateContext,
): { candidate: string; script?: string } {
  const scripted = tool === 'run_experiment' && bringsScripts(spec, space);
  if (space.kind === 'stack') {
    const given = argumentsIn(tool, scripted ? stackWithScript : ofStack, text, ownBounds);
    return { candidate: canonicalCandidate(given.architecture, space), ...scriptOf(given) };
  }
  const given = argumentsIn(tool, scripted ? programWithScript : ofProgram, text, ownBounds);
  const { files, base } = given;
  const named = base === null ? parents[0] : nodes.find(({ id }) => id === base);
  if (base !== null && named === undefined) throw new InvalidCall(`${base} is not in your view`);
  const below = named ? filesOf(named) : (brief?.baseline ?? {});
  const own = Object.fromEntries(files.map((each) => [each.name.replace(/^\.\//, ''), each.text]));
  return { candidate: canonicalCandidate(programText({ ...below, ...own }), space), ...scriptOf(given) };
}
