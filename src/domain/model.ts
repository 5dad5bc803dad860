import * as z from 'zod';
import type { SpaceKind } from './candidate.ts';
import { key } from './inputFile.ts';

/** Classical samplers that run in the agent's process: baselines for every claim, and the offline default. */
export const localModels = ['local/random', 'local/mutate', 'local/bayes', 'local/prior', 'local/tuner'] as const;
export const localModelSchema = z.enum(localModels);
export type LocalModelName = z.infer<typeof localModelSchema>;

/**
 * Provider of a language model. `openai` uses the Responses API, `anthropic` the Messages API, `compatible` any server of the
 * Chat Completions API at a base URL (vLLM, Ollama, llama.cpp, OpenRouter).
 */
export const providers = ['openai', 'anthropic', 'compatible'] as const;
export const providerSchema = z.enum(providers);
export type Provider = z.infer<typeof providerSchema>;

/** `provider/name`; the name is the provider's own and may contain slashes and colons (`qwen3:8b`, `meta-llama/Llama-4`). */
export const chatModelSchema = z.templateLiteral([
  providerSchema,
  '/',
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}$/),
]);
export type ChatModelName = z.infer<typeof chatModelSchema>;

/** A single model. */
export const soleModelSchema = z.union([localModelSchema, chatModelSchema]);
export type SoleModelName = z.infer<typeof soleModelSchema>;

const banditForm = /^bandit\/\[(.*)\]$/;
const parts = (text: string): string[] => (banditForm.exec(text)?.[1] ?? '').split(',').map((part) => part.trim());

function banditMistake(text: string): string | null {
  if (!banditForm.test(text)) return 'expected bandit/[<model>, <model>, ...], quoted if YAML requires it';
  const arms = parts(text);
  const wrong = arms.find((arm) => !soleModelSchema.safeParse(arm).success);
  if (wrong !== undefined) return `"${wrong}" is not a model`;
  if (arms.length < 2) return 'a bandit needs at least two models';
  return new Set(arms).size < arms.length ? 'a model is listed twice' : null;
}

/** `bandit/[a, b, c]`: picks a model per attempt, by the reward and cost of its earlier attempts. */
const banditSchema = z
  .templateLiteral(['bandit/[', z.string(), ']'])
  .refine((text) => banditMistake(text) === null, { abort: true })
  .overwrite((text) => `bandit/[${parts(text).join(', ')}]`);
export type BanditName = z.infer<typeof banditSchema>;

/** The proposals come from a client of `aira mcp`, which chooses operator, parents and candidate itself. */
const outsideModel = 'outside/mcp';

/** `program/./my_searcher.py`: a program of the user proposes, by the searcher protocol (docs/searchers.md). */
const programModelSchema = z
  .templateLiteral(['program/', z.string().regex(/^\S(?:[ \S]{0,398}\S)?$/)])
  // Control and format characters.
  .refine((text) => !/\p{C}/u.test(text), 'a program’s path has no control characters');
export type ProgramModelName = z.infer<typeof programModelSchema>;

const modelSchemas = [localModelSchema, chatModelSchema, banditSchema, z.literal(outsideModel), programModelSchema];
export const modelSchema = z.union(modelSchemas, {
  error: ({ input }) =>
    (typeof input === 'string' && input.startsWith('bandit') ? banditMistake(input) : null) ??
    `not a model; use ${localModels.join(', ')}, openai/<name>, anthropic/<name>, compatible/<name>, bandit/[<model>, <model>], program/<file>, or ${outsideModel}`,
});
export type ModelName = z.infer<typeof modelSchema>;

export function isBandit(model: ModelName): model is BanditName {
  return model.startsWith('bandit/');
}

/** Whether the agent is a program of its own that joins through `aira mcp`. */
export function isOutside(model: ModelName): model is typeof outsideModel {
  return model === outsideModel;
}

/** Whether a program of the user proposes. */
export function isProgram(model: ModelName): model is ProgramModelName {
  return model.startsWith('program/');
}

/** The file of a program, as written in the search file. */
export const programFile = (model: ProgramModelName): string => model.slice('program/'.length);

/** The models that may propose: the model itself, or a bandit's arms in order; none for a client or program of the user. */
export function armsOf(model: ModelName): SoleModelName[] {
  if (isOutside(model) || isProgram(model)) return [];
  return isBandit(model) ? parts(model).map((arm) => soleModelSchema.parse(arm)) : [model as SoleModelName];
}

/** The language models among its arms. */
export function chatArms(model: ModelName): ChatModelName[] {
  return armsOf(model).filter((arm) => !isLocal(arm));
}

/** How a bandit weighs its models. */
export const banditOptionsSchema = z.strictObject({
  exploration: key(z.number().nonnegative().max(10).default(0.5), {
    does: 'The constant c of UCB1: mean reward + c sqrt(ln t / n).',
    example: 0.5,
    unit: 'reward',
  }),
  thrift: key(z.number().min(0).max(0.9).default(0.5), {
    does: 'Share of money in the price of an attempt; the rest is its evaluation, which costs the same for every model. At 0 dollars do not matter; at 0.9 a model at half the cost may be about half as good.',
    example: 0.5,
    unit: 'fraction',
  }),
});
export type BanditOptions = z.infer<typeof banditOptionsSchema>;

export function isLocal(model: ModelName): model is LocalModelName {
  return model.startsWith('local/');
}

/** Whether a model can propose in a space: language models, programs and outside agents in any, samplers in their own, a bandit if all arms can. */
export function supportsSpace(model: ModelName, kind: SpaceKind): boolean {
  return armsOf(model).every((arm) => !isLocal(arm) || (arm === 'local/tuner') === (kind === 'program'));
}

/** Provider and name. */
export function splitModel(model: ChatModelName): { readonly provider: Provider; readonly name: string } {
  const slash = model.indexOf('/');
  return { provider: providerSchema.parse(model.slice(0, slash)), name: model.slice(slash + 1) };
}

/** Reasoning effort. Each provider supports its own levels. */
export const effortSchema = z.enum(['low', 'medium', 'high', 'xhigh', 'max']);
export type Effort = z.infer<typeof effortSchema>;
