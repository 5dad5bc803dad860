import * as z from 'zod';
import { purposeSchema } from './call.ts';
import { agentNameSchema } from './ids.ts';
import { literatureEntrySchema, literatureSpecSchema } from './literature.ts';
import {
  armsOf,
  banditOptionsSchema,
  chatArms,
  chatModelSchema,
  effortSchema,
  isBandit,
  type ModelName,
  modelSchema,
  splitModel,
} from './model.ts';
import { memorySchema, noveltySchema } from './nearDuplicates.ts';
import { scaffoldSchema, scaffoldSpecSchema } from './scaffold.ts';

export type { ModelName } from './model.ts';

/** Options of an agent with a language model; each makes agents of one model differ. */
const chatOptions = {
  /** The agent's role, in the user's words; prefixed to every prompt. */
  role: z.string().min(1).max(4000).optional(),
  effort: effortSchema.optional(),
  /** Only for `compatible/` models; current models of the other providers have no temperature. */
  temperature: z.number().min(0).max(2).optional(),
  /** Endpoint of a `compatible/` model, up to and including `/v1`. */
  baseUrl: z
    .url({ protocol: /^https?$/ })
    .refine(
      (url) => !/^[^/]*\/\/[^/]*@/.test(url),
      'remove user name and password from the URL; use AIRA_COMPATIBLE_API_KEY',
    )
    .optional(),
  /** Other models for single purposes, such as a cheap one for `analyze`. */
  models: z.partialRecord(purposeSchema, chatModelSchema).optional(),
  /** Output tokens per call, including thinking. */
  maxTokens: z.int().min(256).max(200_000).optional(),
  /**
   * Refused attempts in a row after which the agent changes its parent or operator; after five such changes without success it
   * ends. Default 4. Absent in older searches, which do neither.
   */
  patience: z.int().min(2).max(20).optional(),
  /** The agent's limits of dollars and tokens (input and output), within those of the search. */
  dollars: z.number().nonnegative().optional(),
  tokens: z.int().positive().optional(),
};
const chatKeys = [...(Object.keys(chatOptions) as (keyof typeof chatOptions)[]), 'literature'] as const;

interface ChatChoices {
  readonly model: ModelName;
  readonly models?: Readonly<Record<string, z.infer<typeof chatModelSchema>>> | undefined;
  readonly baseUrl?: string | undefined;
  readonly temperature?: number | undefined;
  readonly bandit?: z.infer<typeof banditOptionsSchema> | undefined;
  readonly literature?: unknown;
}

/** Rejects options that the agent's models cannot use: a setting without effect would mislead. */
function checkChatOptions(context: z.core.ParsePayload<ChatChoices>): void {
  const { model, models, baseUrl, temperature, bandit, literature } = context.value;
  const reject = (key: string, message: string) =>
    context.issues.push({ code: 'custom', input: context.value, path: [key], message });
  if (bandit && !isBandit(model)) reject('bandit', `${model} is a single model and takes no bandit options`);
  if (chatArms(model).length === 0) {
    for (const key of chatKeys) {
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

/** An agent in a search file. */
export const agentEntrySchema = z
  .strictObject({
    name: agentNameSchema,
    model: modelSchema,
    scaffold: scaffoldSchema,
    /** Number of such agents; several are named `<name>-1`, `<name>-2`, ... */
    count: z.int().min(1).max(64).default(1),
    /** Maximum concurrency of proposals. Decisions lag behind results by as many, which makes a search replayable. */
    pending: z.int().min(1).max(64).default(2),
    /** Limit of the search's evaluations for this agent; by default the rest of the budget is split evenly. */
    evaluations: z.int().positive().optional(),
    /** How a `bandit/[...]` weighs reward and cost of its models. */
    bandit: banditOptionsSchema.optional(),
    /**
     * Whose attempts it remembers, as far as a decision may know them: its own (default), or those of the ensemble. The
     * latter synchronises it with the other agents, as it waits for their attempts.
     */
    memory: memorySchema.optional(),
    novelty: noveltySchema.optional(),
    ...chatOptions,
    /** What it may read before it proposes; by default nothing. */
    literature: literatureEntrySchema.optional(),
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
    ...chatOptions,
    literature: literatureSpecSchema.optional(),
  })
  .check(checkChatOptions);
export type AgentSpec = z.infer<typeof agentSpecSchema>;

/** Whether the agent's proposals depend on the corpus. */
export function usesCorpus({ model, literature }: Pick<AgentEntry, 'model' | 'literature'>): boolean {
  return armsOf(model).includes('local/prior') || literature?.sources.includes('corpus') === true;
}
