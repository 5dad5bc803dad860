import * as z from 'zod';
import type { Json } from '../../domain/canonical.ts';
import { errorMessage, TerminalError } from '../../domain/errors.ts';
import { type JsonBounds, parseJson } from '../../domain/json.ts';
import {
  evidenceIdSchema,
  type LiteratureQuery,
  type LiteratureSpec,
  type OpenRetriever,
  type Reading,
  type ReadingBudget,
  type ReadingKind,
  type Retrieval,
  type Retriever,
} from '../../domain/literature.ts';
import type { Operator, View } from '../../domain/node.ts';
import type { LlmClient, Scope, ToolCall, ToolForm, ToolResult } from '../../llm/index.ts';
import { ownResults, shownItems, shownText } from './shown.ts';
import {
  type Asks,
  noReading,
  type Passage,
  type ReadingState,
  type ToolName,
  toolSchemas,
  toolsFor,
} from './tools.ts';

/**
 * The reading of an agent with a language model.
 *
 * Role: looks up what the model asks for, or what the laboratory asks for in its place. Non-role: the question itself, and
 * what becomes of its answer.
 *
 * Q1. What was found is recorded before it is shown, and a thought that is had again is shown the same (I5).
 * Q2. A thought finds, of the laboratory's own results, those that its view knows (I4, I5).
 * Q3. What was found is data: it goes into frames of its own, and into no query.
 */
export interface Reader {
  readonly spec: LiteratureSpec;
  /** The reading of a thought before its question. @param toolless the model's server takes no tools. */
  begin(
    about: { operator: Operator; view: View; scope: Scope; toolless: boolean },
    signal: AbortSignal,
  ): Promise<ReadingState>;
  /** The reading after one more round of calls. */
  answer(asks: Asks, so: ReadingState, about: { view: View; scope: Scope }, signal: AbortSignal): Promise<ReadingState>;
}

/** What is looked up for a model that is not asked: the same words each time, so that no result steers the reading. */
const questions: Readonly<Record<Operator, string>> = {
  draft: 'hybrid sequence model layer ratio and placement of attention, state space and MLP layers',
  improve: 'placement and share of attention, Mamba and MLP layers in depth, ordering of sublayers',
  crossover: 'interleaving of attention and recurrent layers, recall and memory in hybrid stacks',
  debug: 'training instability of deep stacks, normalisation, initialisation, causality',
};

/** What one round has found. As JSON, because that is how it is recorded. */
interface Found {
  readonly results: ToolResult[];
  readonly passages: Passage[];
  readonly retrieved: Retrieval[];
  readonly readings: Reading[];
  readonly left: ReadingBudget;
}

const toolReadings: Readonly<Record<ToolName, ReadingKind>> = {
  search_literature: 'search-literature',
  search_code: 'search-code',
  search_archive: 'search-archive',
  read: 'read',
};

/** Calls that could not be carried out, as readings that found nothing: so that a failed search does not look like none. */
function failedReadings(calls: readonly ToolCall[], results: readonly ToolResult[]): Reading[] {
  return results.flatMap(({ failed, text }, index) => {
    const call = calls[index];
    if (!failed || !call) return [];
    const how = toolReadings[call.name as ToolName] ?? 'search-literature';
    return [
      { how, query: call.arguments.slice(0, 500), found: [], failed: text.replace(/^Error: /, '').slice(0, 300) },
    ];
  });
}

export function readerOf(spec: LiteratureSpec, open: OpenRetriever, gateway: LlmClient): Reader {
  const { sources, searches, reads, items } = spec;
  const whole: ReadingBudget = { searches, reads, itemsPerSearch: items };

  const recalled = (
    scope: Scope,
    sought: Json,
    { view, budget }: { view: View; budget: ReadingBudget },
    find: (retriever: ReturnType<OpenRetriever>) => Promise<Pick<Found, 'results' | 'passages'>>,
  ): Promise<Found> =>
    gateway.recall(scope, sought, async () => {
      const retriever = open({ sources, budget, results: ownResults(view) });
      const { retrieved, readings, left } = retriever;
      // Through JSON, as a replay will have it.
      return JSON.parse(JSON.stringify({ ...(await find(retriever)), retrieved, readings, left }));
    }) as Promise<Found & Json> as Promise<Found>;

  return {
    spec,

    async begin({ operator, view, scope, toolless }, signal) {
      if (spec.how === 'tools' && !toolless) return { ...noReading, how: 'tools', left: whole };
      const query: LiteratureQuery = { text: questions[operator] };
      const { passages, retrieved, readings, left } = await recalled(
        scope,
        { before: query.text },
        { view, budget: whole },
        async (retriever) => {
          const papers = await retriever.searchLiterature(query, signal);
          const code = searches > 1 ? await retriever.searchCode(query, signal) : [];
          const own = searches > 2 && sources.includes('archive') ? await retriever.searchArchive(query, signal) : [];
          const passages = [...papers, ...code, ...own].map(({ id, title, snippet }) => ({ id, title, text: snippet }));
          return { results: [], passages };
        },
      );
      return { ...noReading, how: 'before', passages, retrieved, readings, left };
    },

    async answer({ text, calls, carried }, so, { view, scope }, signal) {
      const stated = calls.map(({ id, name, arguments: given }) => ({ id, name, arguments: given }));
      const { results, retrieved, readings, left } = await recalled(
        scope,
        { calls: stated, round: so.turns.length / 2 },
        { view, budget: so.left },
        async (retriever) => ({ results: await runToolCalls(calls, retriever, toolsFor(spec), signal), passages: [] }),
      );
      return {
        ...so,
        turns: [...so.turns, { role: 'assistant', text, calls, carried }, { role: 'tools', results }],
        retrieved: [...so.retrieved, ...retrieved],
        readings: [...so.readings, ...readings, ...failedReadings(calls, results)],
        left,
      };
    },
  };
}

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
export async function runToolCalls(
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
