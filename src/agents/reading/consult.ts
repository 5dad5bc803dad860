import * as z from 'zod';
import { errorMessage, TerminalError } from '../../domain/errors.ts';
import { type JsonBounds, parseJson } from '../../domain/json.ts';
import { evidenceIdSchema, type Retriever } from '../../domain/literature.ts';
import type { ToolCall, ToolForm, ToolResult } from '../../llm/chat.ts';
import { shownItems, shownText } from './shown.ts';
import { type ToolName, toolSchemas } from './tools.ts';

/** Calls of one answer beyond this number are not carried out. */
const mostAtOnce = 6;

/** Arguments are a query and a year. */
const argumentBounds: JsonBounds = { characters: 16 * 1024, depth: 4, items: 64 };

/** Thrown for a call that cannot be carried out; its message is what the model reads. */
class WrongCall extends Error {}

function argumentsFor<N extends ToolName>(name: N, text: string): z.infer<(typeof toolSchemas)[N]> {
  let value: unknown;
  try {
    value = parseJson(text, argumentBounds);
  } catch (thrown) {
    throw new WrongCall(`the arguments of ${name} are not JSON: ${errorMessage(thrown)}`);
  }
  const schema = toolSchemas[name];
  // A key that may be null may be left out: servers that enforce no schema let models do so.
  const optional = Object.entries(schema.shape).flatMap(([key, each]) => (each.safeParse(null).success ? [key] : []));
  const nulls = Object.fromEntries(optional.map((key) => [key, null]));
  const given = z.record(z.string(), z.unknown()).safeParse(value);
  const parsed = schema.safeParse(given.success ? { ...nulls, ...given.data } : value);
  if (parsed.success) return parsed.data as z.infer<(typeof toolSchemas)[N]>;
  const [issue] = parsed.error.issues;
  throw new WrongCall(
    `the arguments of ${name} are wrong: ${issue?.path.join('.').slice(0, 100) || 'object'}: ${issue?.message.slice(0, 200)}`,
  );
}

async function answerTo(call: ToolCall, reading: Retriever, signal: AbortSignal): Promise<string> {
  switch (call.name as ToolName) {
    case 'search_literature': {
      const { query: text, since } = argumentsFor('search_literature', call.arguments);
      return shownItems(await reading.searchLiterature({ text, ...(since === null ? {} : { since }) }, signal));
    }
    case 'search_code':
      return shownItems(await reading.searchCode({ text: argumentsFor('search_code', call.arguments).query }, signal));
    case 'search_archive': {
      const { query: text } = argumentsFor('search_archive', call.arguments);
      return shownItems(await reading.searchArchive({ text }, signal));
    }
    case 'read': {
      const id = evidenceIdSchema.safeParse(argumentsFor('read', call.arguments).id);
      if (!id.success) throw new WrongCall('that is no id; ids look like corpus:jamba and stand in what searches show');
      const text = await reading.read(id.data, signal);
      if (!text) throw new WrongCall(`nobody here knows ${id.data}; read what a search has shown`);
      return shownText(text);
    }
  }
}

/**
 * Carries out the calls of one answer, one after the other. Each gets a result: one that is wrong, or beyond the budget, is
 * told so in words, since the model can do better with the next.
 */
export async function consult(
  calls: readonly ToolCall[],
  reading: Retriever,
  offered: readonly ToolForm[],
  signal: AbortSignal,
): Promise<ToolResult[]> {
  const names = offered.map(({ name }) => name);
  const results: ToolResult[] = [];
  for (const [index, call] of calls.entries()) {
    try {
      if (index >= mostAtOnce) throw new WrongCall(`no more than ${mostAtOnce} calls are carried out at once`);
      if (!names.includes(call.name)) throw new WrongCall(`there is no such tool; there are ${names.join(', ')}`);
      results.push({ id: call.id, text: await answerTo(call, reading, signal), failed: false });
    } catch (thrown) {
      signal.throwIfAborted();
      const spent = thrown instanceof TerminalError && thrown.code === 'reading-budget';
      if (!(thrown instanceof WrongCall) && !spent) throw thrown;
      results.push({ id: call.id, text: `Error: ${thrown.message}`, failed: true });
    }
  }
  return results;
}
