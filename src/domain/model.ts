import * as z from 'zod';
import type { SpaceKind } from './candidate.ts';

/** Classical searchers, run in the agent's own process: baselines for every claim, and the offline default. */
export const localModels = ['local/random', 'local/mutate', 'local/bayes', 'local/prior', 'local/tuner'] as const;
export const localModelSchema = z.enum(localModels);
export type LocalModelName = z.infer<typeof localModelSchema>;

/**
 * Who serves a language model. `openai` speaks the Responses API, `anthropic` the Messages API, `compatible` is any server
 * of the Chat Completions API at a base URL (vLLM, Ollama, llama.cpp, OpenRouter).
 */
export const providers = ['openai', 'anthropic', 'compatible'] as const;
export const providerSchema = z.enum(providers);
export type Provider = z.infer<typeof providerSchema>;

/** `provider/name`; the name is the provider's own and may hold slashes and colons (`qwen3:8b`, `meta-llama/Llama-4`). */
export const chatModelSchema = z.templateLiteral([
  providerSchema,
  '/',
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}$/),
]);
export type ChatModelName = z.infer<typeof chatModelSchema>;

/** A model that proposes by itself. */
export const soleModelSchema = z.union([localModelSchema, chatModelSchema]);
export type SoleModelName = z.infer<typeof soleModelSchema>;

const banditForm = /^bandit\/\[(.*)\]$/;
const parts = (text: string): string[] => (banditForm.exec(text)?.[1] ?? '').split(',').map((part) => part.trim());

function banditMistake(text: string): string | null {
  if (!banditForm.test(text)) return 'write it as bandit/[<model>, <model>, ...], in quotes where YAML wants them';
  const arms = parts(text);
  const wrong = arms.find((arm) => !soleModelSchema.safeParse(arm).success);
  if (wrong !== undefined) return `"${wrong}" cannot be chosen from: it is no model`;
  if (arms.length < 2) return 'a choice needs two models or more';
  return new Set(arms).size < arms.length ? 'a model is named twice' : null;
}

/** `bandit/[a, b, c]`: for each attempt one of several models, by what their earlier ones gave and cost. */
const banditSchema = z
  .templateLiteral(['bandit/[', z.string(), ']'])
  .refine((text) => banditMistake(text) === null, { abort: true })
  .overwrite((text) => `bandit/[${parts(text).join(', ')}]`);
export type BanditName = z.infer<typeof banditSchema>;

export const modelSchema = z.union([localModelSchema, chatModelSchema, banditSchema], {
  error: ({ input }) =>
    (typeof input === 'string' && input.startsWith('bandit') ? banditMistake(input) : null) ??
    `not a model; use ${localModels.join(', ')}, openai/<name>, anthropic/<name>, compatible/<name>, or bandit/[<model>, <model>]`,
});
export type ModelName = z.infer<typeof modelSchema>;

export function isBandit(model: ModelName): model is BanditName {
  return model.startsWith('bandit/');
}

/** The models that may propose: the model itself, or those that a bandit chooses from, in its order. */
export function armsOf(model: ModelName): SoleModelName[] {
  return isBandit(model) ? parts(model).map((arm) => soleModelSchema.parse(arm)) : [model as SoleModelName];
}

/** The language models among them. */
export function chatArms(model: ModelName): ChatModelName[] {
  return armsOf(model).filter((arm) => !isLocal(arm));
}

/** How a bandit weighs what it knows of its models. */
export const banditOptionsSchema = z.strictObject({
  /** The constant c of the bound: mean reward + c sqrt(ln t / n). */
  exploration: z.number().nonnegative().max(10).default(0.5),
  /**
   * What share of the price of an attempt is money; the rest is its evaluation, which costs the same whoever proposes. At 0
   * dollars do not matter; at 0.9 a model that costs half as much may be about half as good.
   */
  thrift: z.number().min(0).max(0.9).default(0.5),
});
export type BanditOptions = z.infer<typeof banditOptionsSchema>;

export function isLocal(model: ModelName): model is LocalModelName {
  return model.startsWith('local/');
}

/** What a model can propose: a language model anything, a classical searcher what it was made for, a choice what all can. */
export function supportsSpace(model: ModelName, kind: SpaceKind): boolean {
  return armsOf(model).every((arm) => !isLocal(arm) || (arm === 'local/tuner') === (kind === 'program'));
}

/** The two halves of a name. */
export function splitModel(model: ChatModelName): { readonly provider: Provider; readonly name: string } {
  const slash = model.indexOf('/');
  return { provider: providerSchema.parse(model.slice(0, slash)), name: model.slice(slash + 1) };
}

/** How hard a model is asked to think. Which levels a model knows is its provider's affair. */
export const effortSchema = z.enum(['low', 'medium', 'high', 'xhigh', 'max']);
export type Effort = z.infer<typeof effortSchema>;
