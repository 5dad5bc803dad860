import type { CallOutcome, Usage } from '../../../domain/call.ts';
import type { ChatModelName, Effort } from '../../../domain/model.ts';

export interface ChatMessage {
  readonly role: 'user' | 'assistant';
  readonly text: string;
}

/** A JSON Schema that the answer has to meet, under the name by which the provider knows it. */
export interface AnswerSchema {
  readonly name: string;
  readonly json: { readonly [key: string]: unknown };
}

/** One question to a language model, in no provider's words. */
export interface ChatRequest {
  readonly model: ChatModelName;
  /** The stable prefix: equal for all questions of an agent about one operator, so that providers can cache it. */
  readonly system: string;
  readonly messages: readonly ChatMessage[];
  readonly schema: AnswerSchema | null;
  /** Most output tokens, thinking included. */
  readonly maxTokens: number;
  readonly effort?: Effort | undefined;
  readonly temperature?: number | undefined;
  readonly baseUrl?: string | undefined;
}

export interface ChatReply {
  readonly text: string;
  readonly finish: Extract<CallOutcome, 'complete' | 'truncated' | 'refused' | 'empty'>;
  /** Null where the provider stated none. */
  readonly usage: Usage | null;
  /** The model that the provider says has answered. */
  readonly served: string | null;
}

/** Current models think before they answer and spend output tokens on it; the answer itself takes some hundred. */
export const usualMaxTokens = 16_000;

/** A language model at a provider. One physical request per call: no retries, no budget, no memory. */
export interface ChatModel {
  /** @throws ChatFault, or the signal's reason once it is aborted. */
  complete(request: ChatRequest, signal: AbortSignal): Promise<ChatReply>;
}

/** Finish of an answer that came to its end: with text or without. */
export function finished(text: string): 'complete' | 'empty' {
  return text.trim() === '' ? 'empty' : 'complete';
}
