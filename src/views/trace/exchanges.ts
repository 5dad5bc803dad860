import { claimText } from '../../domain/ideas.ts';
import { type AgentName, nodeId, type SearchId } from '../../domain/ids.ts';
import { type Json, type JsonBounds, JsonError, parseJson } from '../../domain/json.ts';
import { type Entry, readRecording } from '../../llm/index.ts';
import type { ArchiveReader } from '../../memory/index.ts';
import { printable } from '../../platform/index.ts';
import type { Block } from '../page.ts';
import { agentEndText, count, metric, shortened } from '../texts.ts';

/** What an agent exchanged with its model, tools and archive: each recorded question with its answer and cost, in order, as texts. */

/** One try of a call, from the ledger. */
export interface Try {
  readonly outcome: string;
  readonly latencyMs: number | null;
  readonly dollars: number | null;
  readonly message: string | null;
}

/** One recorded question of an attempt and what it got. */
export interface Exchange {
  readonly purpose: string;
  /** 0 the first question, 1 the repair of its answer. */
  readonly round: number;
  readonly kind: Entry['result']['kind'];
  readonly model: string | null;
  readonly effort: string | null;
  /** The stable prefix; null where it is that of the exchange before. */
  readonly system: string | null;
  /** What was added to the conversation since the exchange before. */
  readonly prompt: string;
  /** The thought, as far as its provider shows it. */
  readonly reasoning: string | null;
  readonly answer: string | null;
  readonly finish: string | null;
  readonly toolCalls: readonly { readonly name: string; readonly arguments: string }[];
  /** Of a lookup, or a reply of a user's program. */
  readonly found: Json;
  /** Why there was no answer. */
  readonly why: string | null;
  readonly served: string | null;
  readonly tokens: { input: number; cached: number; written: number; output: number } | null;
  readonly dollars: number;
  readonly latencyMs: number | null;
  readonly tries: readonly Try[];
}

interface Asked {
  readonly model?: string;
  readonly effort?: string;
  readonly system?: string;
  readonly messages?: readonly Json[];
  readonly read?: Json;
}

/** Readable text in a provider's own state: a summary of the reasoning, or the thought of an open model. */
function textIn(value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap(textIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) =>
    typeof each === 'string' ? (['thinking', 'text'].includes(name) ? [each] : []) : textIn(each as Json),
  );
}

const messageText = (message: Json): string => {
  const { role, text, results, calls } = message as Record<string, Json>;
  const parts = [typeof text === 'string' ? text : '', results ? JSON.stringify(results, null, 1) : ''];
  if (calls) parts.push(JSON.stringify(calls, null, 1));
  return `[${String(role)}]\n${parts.filter((part) => part !== '').join('\n')}`;
};

/** Whether a conversation continues the one before: its messages, or all but a last one to which text was added. */
function added(messages: readonly Json[], before: readonly Json[]): readonly Json[] {
  const same = messages.findIndex((message, index) => JSON.stringify(message) !== JSON.stringify(before[index]));
  return messages.slice(same < 0 ? messages.length : same);
}

/**
 * What each attempt of a search asked and got, by node: prompts, reasoning, tool rounds, answers, repairs and tries, in order.
 * From the recording, and tries from the ledger; an attempt without a recording has no entry.
 */
export function exchangesOf(reader: ArchiveReader, search: SearchId, recording: string): Map<string, Exchange[]> {
  const tries = new Map<string, Try[]>();
  for (const { request, outcome, latencyMs, dollars, message } of reader.calls.of(search)) {
    const list = tries.get(request) ?? [];
    tries.set(request, [...list, { outcome: outcome ?? 'open', latencyMs, dollars, message }]);
  }
  const attempts = new Map<string, Exchange[]>();
  const last = new Map<string, Asked>();
  for (const { key, scope, request, result } of readRecording(recording)) {
    const id = nodeId(scope.agent, scope.ordinal);
    const asked = (request ?? {}) as Asked;
    const place = `${id} ${scope.purpose}`;
    const before = last.get(place);
    if (asked.messages) last.set(place, asked);
    const answered = result.kind === 'answer' ? (result as typeof result & { reasoning?: string }) : null;
    const carried = (answered?.carried ?? []).flatMap((each) => textIn(each as Json)).join('\n');
    const exchange: Exchange = {
      purpose: scope.purpose,
      round: scope.round,
      kind: result.kind,
      model: asked.model ?? null,
      effort: asked.effort ?? null,
      system: asked.system === before?.system ? null : (asked.system ?? null),
      prompt: asked.messages
        ? added(asked.messages, before?.messages ?? [])
            .map(messageText)
            .join('\n\n')
        : JSON.stringify(asked.read ?? null),
      reasoning: answered?.reasoning ?? (carried === '' ? null : carried),
      answer: answered?.text ?? null,
      finish: answered?.finish ?? null,
      toolCalls: (answered?.calls ?? []).map(({ name, arguments: given }) => ({ name, arguments: given })),
      found: result.kind === 'read' ? (result.found as Json) : null,
      why: 'reason' in result ? result.reason : null,
      served: answered?.served ?? null,
      tokens: answered ? { ...answered.usage } : null,
      dollars: answered?.dollars ?? 0,
      latencyMs: answered?.latencyMs ?? null,
      tries: tries.get(key) ?? [],
    };
    attempts.set(id, [...(attempts.get(id) ?? []), exchange]);
  }
  return attempts;
}

/** Something that an agent did, or that happened to a node of it. */
export interface Moment {
  readonly at: number;
  readonly kind:
    | 'call'
    | 'rehearsal'
    | 'claim'
    | 'submitted'
    | 'refused'
    | 'evaluated'
    | 'failed'
    | 'insight'
    | 'plateau'
    | 'ended';
  readonly node: string | null;
  readonly text: string;
}

/** What an agent did, in the order of the archive's clock (milliseconds since the epoch). */
export function timelineOf(reader: ArchiveReader, search: SearchId, agent: AgentName): Moment[] {
  const { lowerIsBetter } = reader.searches.spec(search);
  const own = <T extends { readonly agent: string }>(rows: readonly T[]) => rows.filter((row) => row.agent === agent);
  const calls = own(reader.calls.of(search)).map(
    ({ at, ordinal, purpose, served, model, outcome, latencyMs }): Moment => {
      const seconds = latencyMs === null ? '' : ` after ${(latencyMs / 1000).toFixed(1)} s`;
      const text = `${purpose} by ${served ?? model}: ${outcome ?? 'open'}${seconds}`;
      return { at, kind: 'call', node: nodeId(agent, ordinal), text };
    },
  );
  const rehearsals = own(reader.rehearsals.of(search)).map(({ at, ordinal, tool, outcome, seconds }): Moment => {
    const took = seconds === null ? '' : ` after ${seconds.toFixed(1)} device seconds`;
    return { at, kind: 'rehearsal', node: nodeId(agent, ordinal), text: `${tool}: ${outcome ?? 'open'}${took}` };
  });
  const claims = own(reader.ideas.claimsOf(search)).map(({ at, ordinal, reply }): Moment => {
    const text = reply.state === 'granted' ? 'an idea is claimed' : claimText(reply);
    return { at, kind: 'claim', node: nodeId(agent, ordinal), text };
  });
  const nodes = own(reader.records.nodes(search)).flatMap((record): Moment[] => {
    const { id: node, createdAt, verdict, origin, message, evaluations } = record;
    const submitted: Moment =
      verdict === 'accepted'
        ? { at: createdAt, kind: 'submitted', node, text: origin }
        : { at: createdAt, kind: 'refused', node, text: `${verdict}: ${message ?? ''}` };
    const results = evaluations.flatMap(
      ({ rung, seed, status, validation, reason, finishedAt, askedAt, saved }): Moment[] => {
        if (status === 'pending') return [];
        const at = saved || finishedAt === null ? askedAt : finishedAt;
        const text =
          validation === null
            ? `${rung}, seed ${seed}: ${reason}`
            : `${rung}, seed ${seed}: ${metric(validation, { lowerIsBetter })}`;
        return [
          { at, kind: status === 'ok' ? 'evaluated' : 'failed', node, text: `${text}${saved ? ' (cache hit)' : ''}` },
        ];
      },
    );
    return [submitted, ...results];
  });
  const insights = own(reader.ideas.insightsOf(search)).map(
    ({ at, id, verdict, hypothesis, supersededBy }): Moment => ({
      ...{ at, kind: 'insight', node: null },
      text: `${id} (${verdict}${supersededBy === null ? '' : `, superseded by ${supersededBy}`}): ${hypothesis}`,
    }),
  );
  const plateaus = own(reader.plateaus.of(search)).map(
    ({ at, best, results }): Moment => ({
      ...{ at, kind: 'plateau', node: best },
      text: `${results} results since ${best} were not better`,
    }),
  );
  const end = reader.searchStatus.of(search).agents.find((row) => row.agent === agent)?.end ?? null;
  const recorded = reader.endings
    .of(search)
    .filter(({ of, subject }) => of === 'agent' && subject === agent)
    .at(-1);
  const moments = [...calls, ...rehearsals, ...claims, ...nodes, ...insights, ...plateaus].sort((a, b) => a.at - b.at);
  if (end === null) return moments;
  const at = recorded?.at ?? moments.at(-1)?.at ?? 0;
  return [...moments, { at, kind: 'ended', node: null, text: agentEndText(end) ?? '' }];
}

/** Characters of one text on a page; the JSON has it whole. */
const longestShown = 40_000;

const seconds = (ms: number | null): string => (ms === null ? '–' : `${(ms / 1000).toFixed(1)} s`);

/** Model, tokens, money, latency and tries in one line. */
export function exchangeFacts({ model, served, effort, tokens, dollars, latencyMs, tries, finish }: Exchange): string {
  const failed = tries.filter(({ outcome }) => outcome !== 'complete');
  return [
    ...(model === null ? [] : [served !== null && !model.endsWith(served) ? `${model}, served by ${served}` : model]),
    ...(effort === null ? [] : [`effort ${effort}`]),
    ...(finish === null ? [] : [finish]),
    ...(tokens === null
      ? []
      : [`${count(tokens.input)} tokens in (${count(tokens.cached)} cached), ${count(tokens.output)} out`]),
    ...(tokens === null ? [] : [`$${dollars.toFixed(5)}`, seconds(latencyMs)]),
    ...(tries.length > 1 || failed.length > 0
      ? [`tries: ${tries.map(({ outcome, message }) => `${outcome}${message ? ` (${message})` : ''}`).join(', ')}`]
      : []),
  ].join('; ');
}

/** Of calls of tools with programs and scripts; others are shown as they are. */
const argumentBounds: JsonBounds = { characters: 512 * 1024, depth: 8, items: 4096 };

/** A value whose texts of several lines, such as a script, are taken out, each below its path. */
function spread(value: unknown): { rest: unknown; texts: string[] } {
  const texts: string[] = [];
  const short = (each: unknown, path: string): unknown => {
    if (typeof each === 'string' && each.includes('\n')) {
      texts.push(`${path}:\n${each}`);
      return '(below)';
    }
    if (Array.isArray(each)) return each.map((item, index) => short(item, `${path}[${index}]`));
    if (each === null || typeof each !== 'object') return each;
    return Object.fromEntries(
      Object.entries(each).map(([name, part]) => [name, short(part, path === '' ? name : `${path}.${name}`)]),
    );
  };
  return { rest: short(value, ''), texts };
}

/** Arguments of a call. Texts of several lines follow the others with their lines. */
export function argumentsText(given: string): string {
  try {
    const { rest, texts } = spread(parseJson(given, argumentBounds));
    return texts.length === 0 ? given : [JSON.stringify(rest), ...texts].join('\n');
  } catch (thrown) {
    if (!(thrown instanceof JsonError)) throw thrown;
    return given;
  }
}

function foundText(found: Json): string {
  const { rest, texts } = spread(found);
  return [JSON.stringify(rest, null, 1), ...texts].join('\n');
}

/** The texts of an exchange with their names, in order. */
export function exchangeTexts(exchange: Exchange): (readonly [string, string])[] {
  const { system, prompt, reasoning, answer, toolCalls, found, why } = exchange;
  return [
    ...(system === null ? [] : [['system', system] as const]),
    ...(prompt === '' ? [] : [['prompt', prompt] as const]),
    ...(reasoning === null ? [] : [['reasoning', reasoning] as const]),
    ...toolCalls.map(({ name, arguments: given }) => ['tool call', `${name} ${argumentsText(given)}`] as const),
    ...(found === null ? [] : [['found', foundText(found)] as const]),
    ...(answer === null || answer === '' ? [] : [['answer', answer] as const]),
    ...(why === null ? [] : [['no answer', why] as const]),
  ];
}

export const exchangeTitle = ({ purpose, round, kind }: Exchange): string =>
  `${purpose}${round > 0 ? `, repair ${round}` : ''}${kind === 'answer' ? '' : ` (${kind})`}`;

/** The exchanges of one attempt on a page. */
export const exchangeBlocks = (exchanges: readonly Exchange[]): Block[] =>
  exchanges.map((exchange) => ({
    block: 'fold',
    summary: [`${exchangeTitle(exchange)} `, { text: exchangeFacts(exchange), as: 'small' }],
    blocks: exchangeTexts(exchange).flatMap(([name, text]): Block[] => [
      { block: 'text', as: 'note', text: name },
      { block: 'pre', text: shortened(text, longestShown) },
    ]),
  }));

const clock = (at: number): string => new Date(at).toISOString().slice(11, 19);

/** What an agent did, one line per moment; times are UTC. */
export function timelineLines(moments: readonly Moment[]): string[] {
  return moments.map(({ at, kind, node, text }) =>
    printable(`  ${clock(at)} ${kind.padEnd(9)} ${node === null ? '' : `${node}: `}${text}`, { width: 400 }),
  );
}

/** The same on a page. */
export const timelineBlock = (moments: readonly Moment[]): Block => ({
  block: 'fold',
  summary: `Timeline, ${count(moments.length)} entries (UTC)`,
  blocks: [{ block: 'pre', text: timelineLines(moments).join('\n') }],
});
