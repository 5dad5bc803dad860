import type { CallOutcome, Usage } from '../domain/call.ts';
import type { Json } from '../domain/canonical.ts';
import { parseJson } from '../domain/json.ts';
import type { ChatModelName, Effort } from '../domain/model.ts';

/** A call of a tool, as the model stated it. */
export interface ToolCall {
  /** The provider's own, by which the result finds its call. */
  readonly id: string;
  readonly name: string;
  /** Should be a JSON object, and may be any text. */
  readonly arguments: string;
}

/** What a tool answered to a call; every call of an answer gets one. */
export interface ToolResult {
  readonly id: string;
  readonly text: string;
  /** The text says what was wrong with the call. */
  readonly failed: boolean;
}

/** A part of an answer that only its provider can read and wants to have back beside the calls it led to. */
export type Carried = { readonly [key: string]: Json };

export type ChatMessage =
  | { readonly role: 'user'; readonly text: string }
  | {
      readonly role: 'assistant';
      readonly text: string;
      readonly calls?: readonly ToolCall[] | undefined;
      readonly carried?: readonly Carried[] | undefined;
    }
  | { readonly role: 'tools'; readonly results: readonly ToolResult[] };

/** A JSON Schema that the answer has to meet, under the name by which the provider knows it. */
export interface AnswerSchema {
  readonly name: string;
  readonly json: { readonly [key: string]: unknown };
}

/** A tool that a model may call. */
export interface ToolForm {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of its arguments. */
  readonly json: { readonly [key: string]: unknown };
}

/** One question to a language model, in no provider's words. */
export interface ChatRequest {
  readonly model: ChatModelName;
  /** The stable prefix: equal for all questions of an agent about one operator, so that providers can cache it. */
  readonly system: string;
  readonly messages: readonly ChatMessage[];
  readonly schema: AnswerSchema | null;
  /** What the model may call before it answers; absent where it may call nothing. */
  readonly tools?: readonly ToolForm[] | undefined;
  /** The conversation holds calls, and no more of them are taken: the model has to answer. */
  readonly toolsClosed?: boolean | undefined;
  /** Most output tokens, thinking included. */
  readonly maxTokens: number;
  readonly effort?: Effort | undefined;
  readonly temperature?: number | undefined;
  readonly baseUrl?: string | undefined;
}

export interface ChatReply {
  readonly text: string;
  /** Where there are any, the answer is not finished: the model waits for their results. */
  readonly calls?: readonly ToolCall[];
  readonly carried?: readonly Carried[];
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

/** Finish of an answer that came to its end: with text or a call, or with nothing. */
export function finished(text: string, calls: readonly ToolCall[] = []): 'complete' | 'empty' {
  return text.trim() === '' && calls.length === 0 ? 'empty' : 'complete';
}

/** All texts of a message, for counting. */
export function textsOf(message: ChatMessage): string[] {
  if (message.role === 'tools') return message.results.map(({ text }) => text);
  if (message.role === 'user') return [message.text];
  const { text, calls = [], carried = [] } = message;
  return [text, ...calls.map((call) => call.name + call.arguments), ...carried.map((each) => JSON.stringify(each))];
}

/** The arguments of a call as an object; an empty one where they are none, for providers that take nothing else. */
export function argumentsOf({ arguments: text }: ToolCall): Record<string, unknown> {
  try {
    const value = parseJson(text, { characters: 16 * 1024, depth: 8, items: 256 });
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}
