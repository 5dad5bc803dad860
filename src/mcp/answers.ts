import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { bestFirst, quoted } from '../agents/index.ts';
import { shortCandidate } from '../domain/candidate.ts';
import { AiraError, errorMessage, PrerequisiteError, RetryableError, TerminalError } from '../domain/errors.ts';
import type { Insight } from '../domain/ideas.ts';
import type { ReplyOf } from '../domain/messages.ts';
import type { ViewNode } from '../domain/node.ts';
import { jsonLine } from '../platform/index.ts';
import type { Outsider } from './outsider.ts';

/**
 * What the tools answer: results and errors, lists and texts in pages, the task, nodes and insights. Texts of agents and programs are
 * framed as data.
 */

/**
 * Longest answer of a tool in bytes of UTF-8: about 8,000 tokens, at three bytes each. Clients cut or refuse longer ones
 * (Claude Code at 25,000 tokens by default).
 */
export const maxAnswerBytes = 24_000;

/** Bytes of an answer that its fixed parts may take. */
export const frameBytes = 2_000;

/** Characters of a field in a list; `get_node` shows it whole. */
const shownInList = 600;

/** Bytes of an answer that insights may take. */
export const insightBytes = 6_000;

type Joined = ReplyOf<'agent-join'>;

export const answer = (value: object): CallToolResult => ({ content: [{ type: 'text', text: jsonLine(value) }] });

export const failure = (value: object): CallToolResult => ({ ...answer(value), isError: true });

/** A tool error: what is wrong, whether to try again, and what to do instead. */
export function failed(thrown: unknown): CallToolResult {
  if (thrown instanceof RetryableError) {
    const retry_after = Math.ceil(thrown.retryAfterMs / 1000);
    return failure({ error: thrown.code, message: thrown.message, retry_after });
  }
  const remedy = thrown instanceof PrerequisiteError ? { remedy: thrown.remedy } : {};
  const code = thrown instanceof AiraError ? thrown.code : 'internal';
  return failure({ error: code, message: errorMessage(thrown), ...remedy });
}

const bytesOf = (value: unknown): number => Buffer.byteLength(jsonLine(value));

/** A part of a list, and where the next part begins; null at the end. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: number | null;
}

/** The items from `from` on that fit into `room` bytes of JSON, at least one. */
export function pageOf<T>(items: readonly T[], from: number, room: number): Page<T> {
  const page: T[] = [];
  let used = 0;
  for (const item of items.slice(from)) {
    used += bytesOf(item) + 1;
    if (page.length > 0 && used > room) break;
    page.push(item);
  }
  const end = from + page.length;
  return { items: page, next: end < items.length ? end : null };
}

/** A part of a text, and the offset of the next part in UTF-16 units; null at the end. */
export interface TextPage {
  readonly text: string;
  readonly next: number | null;
}

const splitsPair = (text: string, end: number): boolean =>
  /[\ud800-\udbff]/.test(text.charAt(end - 1)) && /[\udc00-\udfff]/.test(text.charAt(end));

/** The text from `from` on, as much as fits into `room` bytes of JSON; never ends within a character. */
export function textPageOf(text: string, from: number, room: number): TextPage {
  let [low, high] = [from, Math.min(text.length, from + room)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (bytesOf(text.slice(from, middle)) <= room) low = middle;
    else high = middle - 1;
  }
  const end = low > from + 1 && splitsPair(text, low) ? low - 1 : low;
  return { text: text.slice(from, end), next: end < text.length ? end : null };
}

/** Longest list of documents in the answer about the task; a task has a few example programs. */
const maxListed = 100;

/** What the author of a candidate is given to read, by name: the task's description, its baseline, its example programs. */
export function documentsOf({ brief }: Joined): Map<string, string> {
  const documents = new Map<string, string>();
  if (!brief) return documents;
  documents.set('contract', brief.contract);
  for (const [file, text] of Object.entries(brief.baseline)) documents.set(`baseline/${file}`, text);
  for (const { name, files } of brief.library) {
    for (const [file, text] of Object.entries(files)) documents.set(`library/${name}/${file}`, text);
  }
  return documents;
}

/** How a candidate is written, in one sentence. */
function candidateForm({ space }: Joined): string {
  if (space.kind === 'stack') {
    const { layers, primitives } = space;
    const example = Array.from({ length: Math.min(layers, 4) }, (_, at) => primitives[at % primitives.length]).join(
      ' ',
    );
    return `a text of exactly ${layers} layers separated by blanks, first layer first, such as "${example}${layers > 4 ? ' ...' : ''}"`;
  }
  if (space.kind === 'scale') throw new TerminalError('scale', 'agents propose nothing in a scale plan');
  const files = space.files.map(({ name, maxBytes }) => `${name} (at most ${maxBytes} bytes)`).join(', ');
  return `an object with the whole text of each file: ${files}; read the document "contract" first`;
}

/** The task in the words of the search, the client's budget, and what there is to read. */
export function taskOf(joined: Joined, { search, name }: Pick<Outsider, 'search' | 'name'>) {
  const { spec, space, task, metric, lowerIsBetter } = joined;
  const { evaluations, pending, memory = 'own', literature } = spec;
  const documents = [...documentsOf(joined)].map(([document, text]) => ({ document, characters: text.length }));
  return {
    search,
    agent: name,
    task,
    metric,
    fitness: `${lowerIsBetter ? `minus ${metric}` : metric} on validation; more is better`,
    candidate: candidateForm(joined),
    space,
    evaluations,
    in_flight: `a view waits for your outcomes up to ${pending} attempts back, so at most ${pending} trainings overlap`,
    memory: memory === 'ensemble' ? 'you see attempts of all agents' : 'you see your own attempts',
    literature: literature
      ? { sources: literature.sources, searches: literature.searches, reads: literature.reads }
      : null,
    documents: documents.slice(0, maxListed),
    documents_total: documents.length,
    next: 'get_view',
  };
}

const said = (node: ViewNode, text: string | undefined, name: string, most: number) =>
  text === undefined ? {} : { [name]: quoted(node.id, text, most) };

/** A node without its candidate; texts are framed as data, because agents and programs wrote them. */
export function nodeForm(node: ViewNode, most: number) {
  const { id, agent, ordinal, operator, parents, status, reason, fitness } = node;
  return {
    id,
    agent,
    attempt: ordinal,
    operator,
    ...(parents.length > 0 ? { parents } : {}),
    status,
    ...(reason === null ? {} : { reason }),
    fitness,
    ...said(node, node.change, 'change', most),
    ...said(node, node.message, 'message', most),
    ...said(node, node.lesson, 'lesson', most),
  };
}

/** A node in a list: a long candidate is shortened, `get_node` has it whole. */
function rowForm(node: ViewNode) {
  const { candidate } = node;
  const text = candidate.length <= shownInList ? { candidate } : { candidate_short: shortCandidate(candidate) };
  return { ...nodeForm(node, shownInList), ...text };
}

/** @param reserved bytes that other parts of the answer take. */
export function listed(nodes: readonly ViewNode[], cursor: number, reserved = 0) {
  const { items, next } = pageOf(bestFirst(nodes).map(rowForm), cursor, maxAnswerBytes - frameBytes - reserved);
  return { total: nodes.length, nodes: items, ...(next === null ? {} : { next_cursor: next }) };
}

/** Insights of a view as data, as many as fit. */
export function insightForms(insights: readonly Insight[]) {
  const forms = insights.map(({ id, agent, hypothesis, verdict, evidence }) => ({
    id,
    agent,
    verdict,
    evidence,
    hypothesis: quoted(id, hypothesis, 600),
  }));
  return pageOf(forms, 0, insightBytes).items;
}
