import { type Json, type JsonBounds, JsonError, parseJson } from '../../domain/json.ts';
import { printable } from '../../platform/index.ts';
import type { Block } from '../page.ts';
import { count, shortened } from '../texts.ts';
import type { Exchange, Moment } from './exchanges.ts';

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
