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

/** What can be said of an agent that thinks with a language model; each of these makes agents of one model differ. */
const chatOptions = {
  /** Who it is and how it goes about things, in its own words; goes before every question. */
  role: z.string().min(1).max(4000).optional(),
  effort: effortSchema.optional(),
  /** Only for `compatible/` models: current models of the others take none. */
  temperature: z.number().min(0).max(2).optional(),
  /** Where a `compatible/` model is served, up to and including `/v1`. */
  baseUrl: z
    .url({ protocol: /^https?$/ })
    .refine(
      (url) => !/^[^/]*\/\/[^/]*@/.test(url),
      'keep user names and passwords out of addresses; use AIRA_COMPATIBLE_API_KEY',
    )
    .optional(),
  /** Another model for some of its operators, such as a cheap one to analyze. */
  models: z.partialRecord(purposeSchema, chatModelSchema).optional(),
  /** Most output tokens of one call, thinking included. */
  maxTokens: z.int().min(256).max(200_000).optional(),
  /** At most so many dollars, or tokens read and written, of the search's. */
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

/** Options that the agent's models cannot heed are errors, since a setting without effect would be believed. */
function checkChatOptions(context: z.core.ParsePayload<ChatChoices>): void {
  const { model, models, baseUrl, temperature, bandit, literature } = context.value;
  const object = (key: string, message: string) =>
    context.issues.push({ code: 'custom', input: context.value, path: [key], message });
  if (bandit && !isBandit(model)) object('bandit', `${model} chooses among no models and takes no bandit`);
  if (chatArms(model).length === 0) {
    for (const key of chatKeys) {
      if ((context.value[key as keyof ChatChoices] ?? null) === null) continue;
      const why =
        key === 'literature' && model === 'local/prior' ? 'reads the notes in any case' : 'is no language model';
      object(key, `${model} ${why} and takes no ${key}`);
    }
    return;
  }
  if (literature && chatArms(model).length < armsOf(model).length) {
    object('literature', 'a choice among models reads only where all of them are language models');
  }
  const others = Object.keys(models ?? {}).filter((purpose) => purpose !== 'analyze');
  if (isBandit(model) && others.length > 0) {
    object('models', `the bandit chooses who is to ${others[0]}; only analyze may have a model of its own`);
  }
  const used = [...chatArms(model), ...Object.values(models ?? {})].map((each) => splitModel(each).provider);
  if (used.includes('compatible') && baseUrl === undefined) {
    object('baseUrl', 'a compatible/ model needs baseUrl, such as http://localhost:11434/v1');
  }
  if (!used.includes('compatible') && baseUrl !== undefined)
    object('baseUrl', 'only compatible/ models have a baseUrl');
  if (!used.includes('compatible') && temperature !== undefined) {
    object('temperature', 'only compatible/ models take a temperature; use role, effort or another model');
  }
}

/** An agent as a search file states it. */
export const agentEntrySchema = z
  .strictObject({
    name: agentNameSchema,
    model: modelSchema,
    scaffold: scaffoldSchema,
    /** How many such agents; more than one are called `<name>-1`, `<name>-2`, ... */
    count: z.int().min(1).max(64).default(1),
    /** Proposals in flight at once. Also how far decisions lag behind results, which is what makes a search replayable. */
    pending: z.int().min(1).max(64).default(2),
    /** At most so many of the search's evaluations. Without it the search's budget is shared out evenly. */
    evaluations: z.int().positive().optional(),
    /** How a `bandit/[...]` weighs what its models gave and cost. */
    bandit: banditOptionsSchema.optional(),
    /**
     * Whose attempts it remembers, as far as a decision may know them: its own (the default), or the ensemble's. With the
     * latter it keeps pace with the others, whose attempts it waits for.
     */
    memory: memorySchema.optional(),
    novelty: noveltySchema.optional(),
    ...chatOptions,
    /** What it may read before it proposes; without it, nothing. */
    literature: literatureEntrySchema.optional(),
  })
  .check(checkChatOptions);
export type AgentEntry = z.infer<typeof agentEntrySchema>;

/** One agent of one search: names are unique and the budget is decided. */
export const agentSpecSchema = z
  .strictObject({
    name: agentNameSchema,
    model: modelSchema,
    scaffold: scaffoldSpecSchema,
    pending: z.int().positive(),
    /** Proposals this agent may have evaluated (I9). */
    evaluations: z.int().nonnegative(),
    bandit: banditOptionsSchema.optional(),
    /** Absent: its own. */
    memory: memorySchema.optional(),
    novelty: noveltySchema.optional(),
    ...chatOptions,
    literature: literatureSpecSchema.optional(),
  })
  .check(checkChatOptions);
export type AgentSpec = z.infer<typeof agentSpecSchema>;

/** Does what the agent proposes depend on Aira's notes? */
export function usesCorpus({ model, literature }: Pick<AgentEntry, 'model' | 'literature'>): boolean {
  return armsOf(model).includes('local/prior') || literature?.sources.includes('corpus') === true;
}
