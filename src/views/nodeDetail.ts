import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { deviation, mean } from 'd3-array';
import * as z from 'zod';
import { readArchitecture } from '../domain/architecture.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { nodeId, type SearchId } from '../domain/ids.ts';
import { parseProgram } from '../domain/program.ts';
import { metricValue, rungs } from '../domain/task.ts';
import type { EvaluationRecord, NodeRecord } from '../memory/index.ts';
import type { Call, EvaluationDetail, NodeDetail, Reading, Round } from './api.ts';
import { apiVersion } from './apiSearch.ts';
import { type IsVetoed, mentionOf, nodeRowOf } from './columns.ts';
import type { SearchContext } from './overview.ts';
import { fullSizeSection } from './report/page.ts';
import { candidateOf, finite, line, longest, longText, longTextOrNull, metricOf } from './texts.ts';
import { argumentsText } from './trace/exchanges.ts';
import { triedText } from './trace/page.ts';

/** Everything of one node: its candidate, trainings and parents, and the conversation of its attempt as it was recorded. */

const taskScoresSchema = z.record(z.string(), z.record(z.string(), z.number().nullable())).catch({});
const curveSchema = z.array(z.tuple([z.number(), z.number()])).catch([]);

const parsed = <T>(schema: z.ZodType<T>, text: string | null, none: T): T =>
  text === null ? none : schema.parse(JSON.parse(text));

const unknownNode = (search: string, id: string) =>
  new PrerequisiteError(
    'unknown-node',
    `there is no node "${line(id, 60)}" in search "${search}"`,
    `list its nodes with: aira nodes ${search}`,
  );

/** The whole of one node. @throws PrerequisiteError `unknown-node` */
export function recordOf({ reader, search }: SearchContext, id: string): NodeRecord {
  const record = reader.records.node(search, id);
  if (!record) throw unknownNode(search, id);
  return record;
}

/** The attempt that has the calls of a node's thought. */
const thoughtAt = ({ ordinal, rationale }: NodeRecord): number => rationale.thought?.first ?? ordinal;

function evaluationOf(context: SearchContext, node: string, each: EvaluationRecord): EvaluationDetail {
  const { reader, search } = context;
  const { lowerIsBetter } = reader.searches.spec(search);
  const { tasks, curve, flops } = reader.browse.figures(each.key);
  const error = `raw/nodes/${encodeURIComponent(node)}/errors/${each.key}`;
  return {
    key: each.key,
    seed: each.seed,
    status: each.status,
    score: metricOf(each.validation, lowerIsBetter),
    reason: each.reason,
    message: longTextOrNull(each.message, error, longest.error),
    // As the trainer reported them: already in the metric.
    taskScores: parsed(taskScoresSchema, tasks, {}),
    floors: { ...each.floors },
    curve: parsed(curveSchema, curve, []),
    parameters: finite(each.params),
    flops: finite(flops),
    peakMemoryBytes: finite(each.peakMemoryBytes),
    durationMs: each.seconds === null ? null : Math.round(1000 * each.seconds),
    worker: each.worker,
    device: each.device,
    cached: each.saved,
    unsafe: each.unsafe,
    starts: each.attempts,
    requestedAt: each.askedAt,
    finishedAt: each.finishedAt,
  };
}

/** What an attempt read; works that the corpus or the archive hold have no address. */
export function readingsOf({ rationale }: NodeRecord): Reading[] {
  const works = new Map((rationale.works ?? []).map((work) => [work.id as string, work]));
  const cited = new Set(rationale.evidence);
  return (rationale.readings ?? []).map(({ how, query, found, failed }) => ({
    how,
    query: line(query),
    found: found.map((id) => {
      const work = works.get(id);
      return { id: line(id), title: work ? line(work.title) : null, url: webAddress(work?.url), cited: cited.has(id) };
    }),
    failed: failed === undefined ? null : line(failed),
  }));
}

/** An address that a page may link to; null for any other scheme. */
export function webAddress(url: string | null | undefined): string | null {
  return url && /^https?:\/\//i.test(url) && URL.canParse(url) ? new URL(url).href : null;
}

function callsOf({ reader, search }: SearchContext, agent: string, ordinal: number): Call[] {
  return reader.calls.ofAgent(search, agent, ordinal).map((call) => ({
    purpose: call.purpose,
    model: line(call.model),
    served: call.served === null ? null : line(call.served),
    outcome: call.outcome,
    message: call.message === null ? null : line(call.message, 500),
    inputTokens: call.input,
    cachedTokens: call.cached,
    writtenTokens: call.written,
    outputTokens: call.output,
    costUsd: finite(call.dollars ?? call.reservedDollars),
    estimated: call.estimated === 1 || call.outcome === null,
    latencyMs: finite(call.latencyMs),
    at: call.at,
  }));
}

function rungsOf(context: SearchContext, record: NodeRecord): NodeDetail['rungs'] {
  return rungs.flatMap((rung) => {
    const own = record.evaluations.filter((each) => each.rung === rung);
    if (own.length === 0) return [];
    const evaluations = own.map((each) => evaluationOf(context, record.id, each));
    const scores = evaluations.flatMap(({ score }) => (score === null ? [] : [score]));
    return [{ rung, mean: finite(mean(scores)), sd: finite(deviation(scores)), evaluations }];
  });
}

/** `/api/searches/:id/nodes/:node`. @throws PrerequisiteError `unknown-node` */
export function nodeDetailOf(context: SearchContext, id: string, recording: Recording, isVetoed: IsVetoed): NodeDetail {
  const { reader, search, columns } = context;
  const record = recordOf(context, id);
  const { lowerIsBetter, metric, references, primitives, space } = reader.searches.spec(search);
  const { rationale } = record;
  const [parent] = record.parents;
  const first = references[0] ? reader.records.node(search, `reference-${references[0].name}-1`) : undefined;
  const bases: NodeDetail['bases'] = [];
  if (parent) {
    const base = reader.records.node(search, parent);
    if (base) bases.push({ of: 'parent', node: base.id, candidate: candidateOf(base.candidate, base.id) });
  }
  if (first && first.id !== record.id) {
    bases.push({ of: 'baseline', node: first.id, candidate: candidateOf(first.candidate, first.id) });
  }
  const ofLab = record.origin === 'reference' || record.origin === 'aggregate';
  const calls = ofLab ? [] : callsOf(context, record.agent, thoughtAt(record));
  const rounds = ofLab ? [] : recording.rounds(record.agent, thoughtAt(record));
  const { thought } = rationale;
  return {
    version: apiVersion,
    sequence: columns.sequence,
    search,
    metric: line(metric),
    lowerIsBetter,
    node: nodeRowOf(reader, search, columns, columns.placeOf(record.id), isVetoed),
    candidate: candidateOf(record.candidate, record.id),
    parents: record.parents.map((each) => mentionOf(columns, each)),
    children: reader.browse.children(search, record.id).map((each) => mentionOf(columns, each)),
    bases,
    rationale: {
      choice: longText(rationale.choice),
      change: longText(rationale.change),
      hypothesis: longTextOrNull(rationale.hypothesis),
      expected: rationale.expected === null ? null : finite(metricValue(rationale.expected, lowerIsBetter)),
      model: rationale.model === undefined ? null : line(rationale.model),
      evidence: rationale.evidence.map((each) => line(each)),
    },
    fullSize:
      space.kind === 'stack' && record.verdict === 'accepted'
        ? fullSizeSection(record.id, readArchitecture(record.candidate), primitives ?? [])
        : null,
    lesson: longTextOrNull(reader.records.lessonOf(search, record.id)),
    message: longTextOrNull(record.message, null, longest.error),
    rungs: rungsOf(context, record),
    attempt: {
      ordinal: ofLab ? null : record.ordinal,
      thought: thought ? { node: nodeId(record.agent, thought.first), place: thought.place, of: thought.of } : null,
      calls,
      rounds,
      roundsMissing:
        calls.length > 0 && rounds.length === 0
          ? 'prompts and answers are recorded where the agent ran; this home has none of this attempt'
          : null,
      readings: readingsOf(record),
      tried: triedText({ tried: rationale.tried ?? [] }).map((each) => line(each)),
    },
  };
}

/**
 * The whole of a text that a page shows cut. `part` is `candidate`, `files/<name>`, `errors/<key>` or `rounds`.
 *
 * @throws PrerequisiteError `unknown-node`, `unknown-part`
 */
export function rawText(context: SearchContext, id: string, part: readonly string[], recording: Recording): string {
  const record = recordOf(context, id);
  const [kind, name] = part;
  if (kind === 'candidate') return record.candidate;
  if (kind === 'rounds') return recording.raw(record.agent, thoughtAt(record));
  if (kind === 'files' && name !== undefined && record.candidate.startsWith('{')) {
    const files = parseProgram(record.candidate);
    if (Object.hasOwn(files, name)) return files[name] as string;
  }
  if (kind === 'errors') {
    const message = record.evaluations.find(({ key }) => key === name)?.message;
    if (message) return message;
  }
  throw new PrerequisiteError('unknown-part', `"${line(id, 60)}" has no such text`, 'follow a link of its page');
}

/** A line of a recording, as far as a page shows it: versions of Aira differ in the rest. */
const entrySchema = z.looseObject({
  scope: z.looseObject({ agent: z.string(), ordinal: z.int(), purpose: z.string(), round: z.int().default(0) }),
  request: z.unknown(),
  result: z.looseObject({ kind: z.string() }),
});
type Entry = z.infer<typeof entrySchema>;

const messageSchema = z.looseObject({
  role: z.string(),
  text: z.string().optional(),
  results: z.array(z.looseObject({ text: z.string() })).optional(),
});
const requestSchema = z.looseObject({
  model: z.string().optional(),
  system: z.string().optional(),
  tail: z.string().optional(),
  messages: z.array(messageSchema).optional(),
});
const resultSchema = z.looseObject({
  kind: z.string(),
  text: z.string().optional(),
  reason: z.string().optional(),
  reasoning: z.string().optional(),
  finish: z.string().optional(),
  calls: z.array(z.looseObject({ name: z.string(), arguments: z.string() })).optional(),
  carried: z.array(z.record(z.string(), z.unknown())).optional(),
  found: z.unknown().optional(),
});

interface Place {
  readonly from: number;
  readonly bytes: number;
}

const newline = 10;
const chunkBytes = 1 << 20;

/**
 * The recorded questions and answers of one search (`llm/cassette.ts`): where each attempt's lines are in the file.
 *
 * Role: reads what the file has grown by, and the lines of one attempt. Non-role: replaying (llm), costs (the ledger).
 */
export class Recording {
  readonly #path: string;
  readonly #places = new Map<string, Place[]>();
  /** Complete lines up to here are known. */
  #read = 0;

  constructor(home: string, search: SearchId) {
    this.#path = join(home, 'calls', `${search}.jsonl`);
  }

  get exists(): boolean {
    return existsSync(this.#path);
  }

  /** The rounds of an attempt, in recorded order. */
  rounds(agent: string, ordinal: number): Round[] {
    return this.#entries(agent, ordinal).map((entry) => roundOf(entry));
  }

  /** The same as recorded, one JSON line per round. */
  raw(agent: string, ordinal: number): string {
    return this.#entries(agent, ordinal)
      .map((entry) => `${JSON.stringify(entry)}\n`)
      .join('');
  }

  #entries(agent: string, ordinal: number): Entry[] {
    if (!this.exists) return [];
    const file = openSync(this.#path, 'r');
    try {
      this.#index(file);
      return (this.#places.get(`${agent} ${ordinal}`) ?? []).map(({ from, bytes }) => {
        const buffer = Buffer.alloc(bytes);
        readSync(file, buffer, 0, bytes, from);
        return entrySchema.parse(JSON.parse(buffer.toString('utf8')));
      });
    } finally {
      closeSync(file);
    }
  }

  /** Notes the places of lines that were added. An incomplete last line waits for its end; a damaged one is left out. */
  #index(file: number): void {
    const { size } = statSync(this.#path);
    // A restored file may be shorter.
    if (size < this.#read) {
      this.#places.clear();
      this.#read = 0;
    }
    let pending = Buffer.alloc(0);
    for (let at = this.#read; at < size; ) {
      const chunk = Buffer.alloc(Math.min(chunkBytes, size - at));
      const got = readSync(file, chunk, 0, chunk.length, at);
      if (got === 0) break;
      at += got;
      pending = Buffer.concat([pending, chunk.subarray(0, got)]);
      for (let end = pending.indexOf(newline); end >= 0; end = pending.indexOf(newline)) {
        this.#note(pending.subarray(0, end), this.#read);
        this.#read += end + 1;
        pending = pending.subarray(end + 1);
      }
    }
  }

  #note(text: Buffer, from: number): void {
    try {
      const { scope } = entrySchema.parse(JSON.parse(text.toString('utf8')));
      const key = `${scope.agent} ${scope.ordinal}`;
      this.#places.set(key, [...(this.#places.get(key) ?? []), { from, bytes: text.length }]);
    } catch (thrown) {
      if (!(thrown instanceof SyntaxError) && !(thrown instanceof z.ZodError)) throw thrown;
    }
  }
}

/** Reasoning that providers carry in parts of their own. */
function reasoningOf({ reasoning, carried = [] }: z.infer<typeof resultSchema>): string | null {
  const parts = carried.flatMap((part) =>
    ['thinking', 'reasoning', 'summary'].flatMap((name) => (typeof part[name] === 'string' ? [part[name]] : [])),
  );
  const text = [...(reasoning ? [reasoning] : []), ...parts].join('\n\n');
  return text === '' ? null : text;
}

function roundOf({ scope, request, result }: Entry): Round {
  const asked = requestSchema.safeParse(request);
  const got = resultSchema.parse(result);
  const { system, messages = [], tail, model } = asked.success ? asked.data : {};
  const texts = [
    ...(system ? [{ role: 'system', text: system }] : []),
    ...messages.map(({ role, text, results }) => ({
      role,
      text: [...(text ? [text] : []), ...(results ?? []).map((each) => each.text)].join('\n\n'),
    })),
    ...(tail ? [{ role: 'user', text: tail }] : []),
  ];
  const kinds = ['answer', 'budget', 'toolless', 'away', 'read'] as const;
  const kind = kinds.find((each) => each === got.kind) ?? 'away';
  const answer = kind === 'read' ? JSON.stringify(got.found, null, 1) : (got.text ?? got.reason);
  return {
    purpose: line(scope.purpose),
    round: scope.round,
    model: model === undefined ? null : line(model),
    kind,
    messages: texts.map(({ role, text }) => ({ role: line(role), ...longText(text) })),
    reasoning: longTextOrNull(reasoningOf(got)),
    answer: longTextOrNull(answer),
    toolCalls: (got.calls ?? []).map((call) => ({
      name: line(call.name),
      arguments: longText(argumentsText(call.arguments)),
    })),
    finish: got.finish ?? null,
  };
}
