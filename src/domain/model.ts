import * as z from 'zod';
import type { SpaceKind } from './space.ts';

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

export const modelSchema = z.union([localModelSchema, chatModelSchema], {
  error: `not a model; use ${localModels.join(', ')}, or openai/<name>, anthropic/<name>, compatible/<name>`,
});
export type ModelName = z.infer<typeof modelSchema>;

export function isLocal(model: ModelName): model is LocalModelName {
  return model.startsWith('local/');
}

/** What a model can propose: a language model anything, a classical searcher what it was made for. */
export function proposes(model: ModelName, kind: SpaceKind): boolean {
  return !isLocal(model) || (model === 'local/tuner') === (kind === 'program');
}

/** The two halves of a name. */
export function splitModel(model: ChatModelName): { readonly provider: Provider; readonly name: string } {
  const slash = model.indexOf('/');
  return { provider: providerSchema.parse(model.slice(0, slash)), name: model.slice(slash + 1) };
}

/** How hard a model is asked to think. Which levels a model knows is its provider's affair. */
export const effortSchema = z.enum(['low', 'medium', 'high', 'xhigh', 'max']);
export type Effort = z.infer<typeof effortSchema>;
