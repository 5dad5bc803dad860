import * as z from 'zod';
import { claimsSchema, insightScopeSchema } from './ideas.ts';
import { agentNameSchema, searchIdSchema } from './ids.ts';
import { key } from './inputFile.ts';
import { type LiteratureSpec, literatureEntrySchema, literatureSpecSchema } from './literature.ts';
import {
  armsOf,
  banditOptionsSchema,
  chatArms,
  chatModelSchema,
  effortSchema,
  isBandit,
  isOutside,
  isProgram,
  type ModelName,
  modelSchema,
  splitModel,
} from './model.ts';
import { memorySchema, noveltySchema } from './nearDuplicates.ts';
import { mostProposals, operatorSchema } from './node.ts';
import { type MultiTurnSpec, multiTurnSpecSchema, operatorsEntrySchema } from './rehearsal.ts';
import { type ScaffoldEntry, type ScaffoldSpec, scaffoldSchema, scaffoldSpecSchema } from './scaffold.ts';

/**
 * An agent: its entry in a search file, its specification in the archive, and the calls of its language model, which are reserved
 * before they are made (I9).
 */

export type { ModelName } from './model.ts';

/** Purpose of an LLM call: an operator's proposal, or the lesson of a result. */
export const purposeSchema = z.enum([...operatorSchema.options, 'analyze']);
export type Purpose = z.infer<typeof purposeSchema>;

/** Options of an agent with a language model; each makes agents of one model differ. */
const chatOptions = {
  role: key(z.string().min(1).max(4000).optional(), {
    does: 'The agent’s role in your words, put before every prompt.',
    example: 'You change one thing at a time.',
  }),
  effort: key(effortSchema.optional(), {
    does: 'Reasoning effort, for models that have levels of it.',
    example: 'medium',
  }),
  temperature: key(z.number().min(0).max(2).optional(), {
    does: 'Sampling temperature. Only for compatible/ models; current models of the other providers have none.',
    example: 0.8,
    unit: 'none (0 is greedy)',
  }),
  baseUrl: key(
    z
      .url({ protocol: /^https?$/ })
      .refine(
        (url) => !/^[^/]*\/\/[^/]*@/.test(url),
        'remove user name and password from the URL; use AIRA_COMPATIBLE_API_KEY',
      )
      .optional(),
    {
      does: 'Endpoint of a compatible/ model, up to and including /v1.',
      example: 'http://localhost:11434/v1',
    },
  ),
  models: key(z.partialRecord(purposeSchema, chatModelSchema).optional(), {
    does: 'Other models for single purposes, such as a cheaper one for analyze.',
    example: { analyze: 'anthropic/claude-haiku-5-5' },
  }),
  maxTokens: key(z.int().min(256).max(200_000).optional(), {
    does: 'Output tokens per call, including thinking.',
    example: 8000,
    unit: 'tokens',
  }),
  patience: key(z.int().min(2).max(20).optional(), {
    does: 'Refused attempts in a row after which the agent changes its parent or operator; after five such changes without success it ends. Absent in older searches, which do neither.',
    example: 4,
    unit: 'attempts',
  }),
  dollars: key(z.number().nonnegative().optional(), {
    does: 'The agent’s own limit of dollars, within that of the search.',
    example: 0.8,
    unit: 'US dollars',
  }),
  tokens: key(z.int().positive().optional(), {
    does: 'The agent’s own limit of input and output tokens, within that of the search.',
    example: 200000,
    unit: 'tokens',
  }),
};
const chatKeys = [...(Object.keys(chatOptions) as (keyof typeof chatOptions)[]), 'literature'] as const;

interface ChatChoices {
  readonly model: ModelName;
  readonly models?: Readonly<Record<string, z.infer<typeof chatModelSchema>>> | undefined;
  readonly baseUrl?: string | undefined;
  readonly temperature?: number | undefined;
  readonly bandit?: z.infer<typeof banditOptionsSchema> | undefined;
  readonly literature?: unknown;
  readonly operators?: Pick<MultiTurnSpec, 'scripts'> | null | undefined;
  readonly scaffold: ScaffoldSpec | ScaffoldEntry;
  readonly replySeconds?: number | undefined;
  readonly insights?: string | undefined;
  readonly memory?: string | undefined;
  readonly proposals?: number | undefined;
}

/** Rejects options that the agent's models cannot use: a setting without effect would mislead. */
function checkChatOptions(context: z.core.ParsePayload<ChatChoices>): void {
  const { model, models, baseUrl, temperature, bandit, literature, operators, scaffold } = context.value;
  const { replySeconds, insights, memory, proposals } = context.value;
  const reject = (key: string, message: string) =>
    context.issues.push({ code: 'custom', input: context.value, path: [key], message });
  if (bandit && !isBandit(model)) reject('bandit', `${model} is a single model and takes no bandit options`);
  if (operators && (isBandit(model) || isOutside(model) || isProgram(model))) {
    const why = isBandit(model)
      ? 'is several models, whose thoughts do not mix'
      : isProgram(model)
        ? 'is a program, which tries out what it likes'
        : 'has a client with tools of its own';
    reject('operators', `${model} ${why}: multi-turn operators need a single model`);
  }
  if (operators?.scripts !== undefined && chatArms(model).length === 0)
    reject('operators', `${model} writes no scripts; remove scripts`);
  if ((isOutside(model) || isProgram(model)) !== (scaffold.kind === 'outside')) {
    const rule =
      'its client or program chooses operator and parents, so outside/mcp or program/ and scaffold: outside need each other';
    reject('scaffold', rule);
  }
  if (proposals !== undefined && proposals > 1 && scaffold.kind === 'outside')
    reject('proposals', `${model} proposes one candidate per view; remove proposals`);
  if (insights === 'ensemble' && memory !== 'ensemble')
    reject('insights', 'insights of the ensemble need memory: ensemble, whose horizon they share');
  if (replySeconds !== undefined && !isProgram(model)) reject('replySeconds', `${model} is not a program/ model`);
  if (isOutside(model) && (literature as LiteratureSpec | null | undefined)?.how === 'before') {
    reject('literature', 'the client of outside/mcp reads by tools; remove how: before');
  }
  if (chatArms(model).length === 0) {
    for (const key of chatKeys) {
      // Its client reads through a tool.
      if (key === 'literature' && isOutside(model)) continue;
      if ((context.value[key as keyof ChatChoices] ?? null) === null) continue;
      const why =
        key === 'literature' && model === 'local/prior' ? 'always reads the corpus' : 'is not a language model';
      reject(key, `${model} ${why} and takes no ${key}`);
    }
    return;
  }
  if (literature && chatArms(model).length < armsOf(model).length) {
    reject('literature', 'a bandit can read only if all its models are language models');
  }
  const others = Object.keys(models ?? {}).filter((purpose) => purpose !== 'analyze');
  if (isBandit(model) && others.length > 0) {
    reject('models', `the bandit chooses the model for ${others[0]}; only analyze may have its own model`);
  }
  const used = [...chatArms(model), ...Object.values(models ?? {})].map((each) => splitModel(each).provider);
  if (used.includes('compatible') && baseUrl === undefined) {
    reject('baseUrl', 'a compatible/ model needs baseUrl, such as http://localhost:11434/v1');
  }
  if (!used.includes('compatible') && baseUrl !== undefined)
    reject('baseUrl', 'only compatible/ models have a baseUrl');
  if (!used.includes('compatible') && temperature !== undefined) {
    reject('temperature', 'only compatible/ models take a temperature; use role, effort or another model');
  }
}

/** Refused attempts in a row before an agent changes what it asks, unless its file says otherwise. */
export const defaultPatience = 4;
/** Changes after which an agent that is refused again and again ends. */
export const mostChanges = 5;

/**
 * Attempts that an agent may make. Limited, because an agent whose attempts are nearly all refused would use no budget and never
 * end: four for each budgeted evaluation, and twenty more.
 */
export const mostAttempts = ({ evaluations }: { readonly evaluations: number }): number => evaluations * 4 + 20;

const replySecondsSchema = z.number().positive().max(86_400).optional();

/** The file behind a `program/` model at the start of its search. */
export const searcherFileSchema = z.strictObject({
  /** Absolute, on the machine that launched the search. */
  path: z.string().min(1).max(4096),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type SearcherFile = z.infer<typeof searcherFileSchema>;

/** An agent in a search file. */
export const agentEntrySchema = z
  .strictObject({
    name: key(agentNameSchema, { does: 'Name of the agent; its nodes are numbered after it.', example: 'greedy' }),
    model: key(modelSchema, {
      does: 'What proposes: a local sampler, a language model, a bandit over several, a program of your own (program/<file>, relative to this file), or a client from outside.',
      example: 'local/mutate',
    }),
    scaffold: key(scaffoldSchema, {
      does: 'How it searches: a policy by its name, a published preset, a policy with settings, or a scaffold of your own by the name of its file.',
      example: 'greedy',
    }),
    count: key(z.int().min(1).max(64).default(1), {
      does: 'Number of such agents; several are named <name>-1, <name>-2, and so on.',
      example: 3,
      unit: 'agents',
    }),
    pending: key(z.int().min(1).max(64).default(2), {
      does: 'Proposals in flight. Decisions lag behind results by this number, which makes a search replayable.',
      example: 2,
      unit: 'proposals',
    }),
    proposals: key(z.int().min(1).max(mostProposals).optional(), {
      does: 'Different candidates that one thought gives, as far as the policy and the budget have room for them: a language model is asked once for all. Each is an attempt and costs an evaluation; one that is invalid or known is recorded, and not asked for again. Up to pending + proposals - 1 may be in flight. By default 1.',
      example: 3,
      unit: 'candidates',
    }),
    evaluations: key(z.int().positive().optional(), {
      does: 'The agent’s own limit; by default the rest of the budget is split evenly.',
      example: 20,
      unit: 'candidates',
    }),
    bandit: key(banditOptionsSchema.optional(), {
      does: 'How a bandit/[...] weighs reward and cost of its models.',
      example: { exploration: 0.5 },
    }),
    memory: key(memorySchema.optional(), {
      does: 'Whose attempts it remembers: its own (default), or those of the ensemble, for which it waits.',
      example: 'ensemble',
    }),
    novelty: key(noveltySchema.optional(), {
      does: 'What counts as new; by default every candidate that is not yet in its memory.',
      example: { distance: 2 },
    }),
    claims: key(claimsSchema.optional(), {
      does: 'The agent claims an idea before it submits it, and looks for another one where a claimed or pending candidate of another agent is near. Off by default: what a claim meets depends on timing, and is recorded.',
      example: { distance: 2 },
    }),
    insights: key(insightScopeSchema.optional(), {
      does: 'The agent writes insights (hypothesis, verdict, evidence) with its lessons and reads its own, those of the ensemble, or those of the lab: of earlier searches on the same task too. Off by default.',
      example: 'ensemble',
    }),
    operators: key(operatorsEntrySchema.optional(), {
      does: 'single-turn (default): the agent proposes at once. multi-turn: it may check candidates, run shortened trainings and look results up first; a local model tries several drafts out and proposes the best.',
      example: 'multi-turn',
    }),
    replySeconds: key(replySecondsSchema, {
      does: 'How long a program/ model may take for a reply before it is stopped; by default 60.',
      example: 120,
      unit: 'seconds',
    }),
    ...chatOptions,
    literature: key(literatureEntrySchema.optional(), {
      does: 'What it may read before it proposes; by default nothing. true: the corpus and the results of the search.',
      example: true,
    }),
  })
  .check(checkChatOptions);
export type AgentEntry = z.infer<typeof agentEntrySchema>;

/** One agent of one search: unique name, resolved budget. */
export const agentSpecSchema = z
  .strictObject({
    name: agentNameSchema,
    model: modelSchema,
    scaffold: scaffoldSpecSchema,
    pending: z.int().positive(),
    /** Budget of evaluated proposals (I9). */
    evaluations: z.int().nonnegative(),
    bandit: banditOptionsSchema.optional(),
    /** Default: its own. */
    memory: memorySchema.optional(),
    novelty: noveltySchema.optional(),
    /** Default: no claims, no insights. */
    claims: claimsSchema.optional(),
    insights: insightScopeSchema.optional(),
    /** Only with a `program/` model, and always then. */
    program: searcherFileSchema.optional(),
    replySeconds: replySecondsSchema,
    /** Candidates of a thought; absent for one. */
    proposals: z.int().min(2).max(mostProposals).optional(),
    /** Absent for single-turn operators. */
    operators: multiTurnSpecSchema.optional(),
    ...chatOptions,
    literature: literatureSpecSchema.optional(),
  })
  .check(checkChatOptions);
export type AgentSpec = z.infer<typeof agentSpecSchema>;

/** Whether the agent's proposals depend on the corpus. */
export function usesCorpus({ model, literature }: Pick<AgentEntry, 'model' | 'literature'>): boolean {
  return armsOf(model).includes('local/prior') || literature?.sources.includes('corpus') === true;
}

const tokens = z.int().nonnegative();

/** Tokens of one call. `input` is the whole prompt; `cached` of these were read from and `written` to the cache. */
export const usageSchema = z.strictObject({ input: tokens, cached: tokens, written: tokens, output: tokens });
export type Usage = z.infer<typeof usageSchema>;

/** How a call ended. The first five had a reply; the others had none. */
const callOutcomes = [
  'complete',
  'malformed', // does not match the schema
  'truncated', // hit the limit of output tokens
  'refused', // the model or a filter declined
  'empty', // a reply without text
  'rejected', // the provider rejected the request or the key: 400, 401, 403, 404, a spend limit
  'busy', // 429, 529
  'unavailable', // 5xx, or no connection
  'timeout', // the first or next byte was late
  'dropped', // the stream broke
  'lost', // unknown: the caller died
] as const;
export const callOutcomeSchema = z.enum(callOutcomes);
export type CallOutcome = z.infer<typeof callOutcomeSchema>;

/** A call about to be made, with its maximum cost. */
export const callReservationSchema = z.strictObject({
  search: searchIdSchema,
  agent: agentNameSchema,
  /** Unique per physical request; repeating the reservation changes nothing. */
  call: z.string().min(1).max(64),
  ordinal: z.int().positive(),
  purpose: purposeSchema,
  model: chatModelSchema,
  /** SHA-256 of the request: equal for all retries of a request. */
  request: z.string().regex(/^[0-9a-f]{64}$/),
  dollars: z.number().nonnegative(),
  tokens,
});
export type CallReservation = z.infer<typeof callReservationSchema>;

/** Outcome and cost of a call. */
export const callSettlementSchema = z.strictObject({
  search: searchIdSchema,
  call: z.string().min(1).max(64),
  outcome: callOutcomeSchema,
  /** The model that the provider reports; null if it reports none. */
  served: z.string().max(200).nullable(),
  usage: usageSchema,
  dollars: z.number().nonnegative(),
  /** The provider reported no usage, so the reservation is charged. */
  estimated: z.boolean(),
  latencyMs: z.number().nonnegative(),
  message: z.string().max(500).nullable(),
});
export type CallSettlement = z.infer<typeof callSettlementSchema>;

/** Cost of calls so far. */
export const spendSchema = z.strictObject({ calls: tokens, tokens, dollars: z.number().nonnegative() });
export type Spend = z.infer<typeof spendSchema>;
