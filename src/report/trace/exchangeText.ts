import { type Colours, printable } from '../../platform/index.ts';
import { count, shortened } from '../../views/index.ts';
import { html, type Markup } from '../markup.ts';
import type { Exchange, Moment } from './exchanges.ts';

/** Characters of one text on a page; the JSON has it whole. */
const longestShown = 40_000;

const seconds = (ms: number | null): string => (ms === null ? '–' : `${(ms / 1000).toFixed(1)} s`);

/** Model, tokens, money, latency and tries in one line. */
function factsText({ model, served, effort, tokens, dollars, latencyMs, tries, finish }: Exchange): string {
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

/** The texts of an exchange with their names, in order. */
function textsOf(exchange: Exchange): (readonly [string, string])[] {
  const { system, prompt, reasoning, answer, toolCalls, found, why } = exchange;
  return [
    ...(system === null ? [] : [['system', system] as const]),
    ...(prompt === '' ? [] : [['prompt', prompt] as const]),
    ...(reasoning === null ? [] : [['reasoning', reasoning] as const]),
    ...toolCalls.map(({ name, arguments: given }) => ['tool call', `${name} ${given}`] as const),
    ...(found === null ? [] : [['found', JSON.stringify(found, null, 1)] as const]),
    ...(answer === null || answer === '' ? [] : [['answer', answer] as const]),
    ...(why === null ? [] : [['no answer', why] as const]),
  ];
}

const titleOf = ({ purpose, round, kind }: Exchange): string =>
  `${purpose}${round > 0 ? `, repair ${round}` : ''}${kind === 'answer' ? '' : ` (${kind})`}`;

/** The exchanges of one attempt for a terminal, whole. */
export function exchangeLines(exchanges: readonly Exchange[], colours: Colours): string[] {
  return exchanges.flatMap((exchange) => [
    `  ${colours.bold(titleOf(exchange))} ${colours.dim(printable(factsText(exchange)))}`,
    ...textsOf(exchange).flatMap(([name, text]) => [
      `  ${colours.dim(name)}`,
      ...printable(text, { lines: true })
        .split('\n')
        .map((each) => `    ${each}`),
    ]),
  ]);
}

/** The exchanges of one attempt on a page. */
export function exchangeMarkup(exchanges: readonly Exchange[]): Markup | null {
  if (exchanges.length === 0) return null;
  return html`${exchanges.map(
    (exchange) =>
      html`<details><summary>${titleOf(exchange)} <small>${factsText(exchange)}</small></summary>${textsOf(
        exchange,
      ).map(([name, text]) => html`<div>${name}</div><pre>${shortened(text, longestShown)}</pre>`)}</details>`,
  )}`;
}

const clock = (at: number): string => new Date(at).toISOString().slice(11, 19);

/** What an agent did, one line per moment; times are UTC. */
export function timelineLines(moments: readonly Moment[]): string[] {
  return moments.map(({ at, kind, node, text }) =>
    printable(`  ${clock(at)} ${kind.padEnd(9)} ${node === null ? '' : `${node}: `}${text}`, { width: 400 }),
  );
}

export function timelineMarkup(moments: readonly Moment[]): Markup {
  return html`<details><summary>Timeline, ${count(moments.length)} entries</summary><pre>${timelineLines(moments).map(
    (line) => html`${line}
`,
  )}</pre></details>`;
}
