import { type ClaimRecord, type ComparisonClaim, claimRecordSchema, type WrittenClaims } from '../../domain/claim.ts';
import { type Comparison, type FloorLevel, marginOf, summarise } from '../../statistics/index.ts';
import { change, count, type MetricDirection, metric, score } from '../texts.ts';
import type { ReportData, ReportNode } from './data.ts';
import {
  type Acceptance,
  type Basis,
  basisName,
  bestScreened,
  type ComparisonRow,
  type ComparisonRows,
  type Findings,
  findingsOf,
  floorOn,
  floorsOn,
  isProposal,
  meanOn,
  nodeName,
  scoresOn,
} from './findings.ts';

/**
 * Where the claims of a search are worded, and their record (I11).
 *
 * Role: floors, comparisons and verdict as sentences; the record of them; reading it back from a written page. Everything is a function
 * of the archive, so an audit makes the record again and compares. Non-role: which comparisons there are (`findings.ts`).
 */

const basisPhrase: Readonly<Record<Basis, string>> = {
  screen: 'On the screen rung',
  confirm: 'On the confirm rung',
  final: 'On the final rung',
  test: 'On the hidden test set',
};

/** `the floor of 0.4380 (shortcut)`. */
const floorText = ({ name, level }: FloorLevel, direction: MetricDirection): string =>
  `the floor of ${metric(level, direction)} (${name})`;

/** `, below the floor of 0.4380 (shortcut)` where a node does not exceed it. */
export function floorClause(data: ReportData, node: ReportNode, basis: Basis): string {
  const floor = floorOn(data, node, basis);
  return floor ? `, below ${floorText(floor, data.search)}` : '';
}

/** The floors of a basis: `majority 0.1205, bag 0.2625, shortcut 0.4380`. Null for tasks without floors. */
export function floorsText({ floors, search }: Pick<ReportData, 'floors' | 'search'>, basis: Basis): string | null {
  const levels = floorsOn({ floors }, basis);
  return levels.length === 0 ? null : levels.map(({ name, level }) => `${name} ${metric(level, search)}`).join(', ');
}

/** The floors of the highest rung and of the test set, with the references there. */
function floorSentences(data: ReportData): string[] {
  const scored = (basis: Basis) => data.floors[basis].length > 0;
  const rung = (['final', 'confirm', 'screen'] as const).find(scored);
  return [...(rung ? [rung] : []), ...(scored('test') ? (['test'] as const) : [])].map((basis) => {
    const references = data.nodes
      .filter((node) => node.origin === 'reference' && scoresOn(node, basis).length > 0)
      .map(
        (node) => `; ${nodeName(node)} ${metric(meanOn(node, basis), data.search)}${floorClause(data, node, basis)}`,
      );
    return `Floors [${basisName[basis]}]: ${floorsText(data, basis)}${references.join('')}.`;
  });
}

/**
 * A comparison as a predicate, without the contender's name: `beats llama by 2.3 sd`.
 *
 * @param apposition words on the reference, between commas, such as `, the strongest of 4 references,`.
 */
function contestSentence(
  { reference, comparison, floor }: ComparisonRow,
  direction: MetricDirection,
  apposition = '',
): string {
  const name = nodeName(reference);
  if (comparison.kind === 'unmeasured') return `cannot be compared with ${name}: ${comparison.why}`;
  const { verdict, effect } = comparison;
  if (verdict === 'even') return `is not distinguishable from ${name}${apposition} at this budget`;
  const by = `${name}${apposition} by ${Math.abs(effect).toFixed(1)} sd`;
  if (verdict === 'worse') return `is behind ${by}`;
  return floor ? `is ahead of ${by} but below ${floorText(floor, direction)}` : `beats ${by}`;
}

function figures({ comparison }: ComparisonRow, direction: MetricDirection): string {
  if (comparison.kind === 'unmeasured') return '';
  const { difference, interval, n } = comparison;
  const seeds = `${n} paired ${n === 1 ? 'seed' : 'seeds'}`;
  return ` (${change(difference, direction)}, interval ${change(interval[0], direction)} to ${change(interval[1], direction)}, ${seeds})`;
}

/** The contender against further references: `Among the other 3 references it beats 2 and is behind 1.` */
function otherReferences(contests: readonly ComparisonRow[]): string {
  const among = (verdict: string) =>
    contests.filter(({ comparison }) => comparison.kind === 'measured' && comparison.verdict === verdict).length;
  const parts = [
    { n: among('better'), text: contests.some(({ floor }) => floor) ? 'is ahead of' : 'beats' },
    { n: among('even'), text: 'is not distinguishable from' },
    { n: among('worse'), text: 'is behind' },
  ].filter(({ n }) => n > 0);
  if (parts.length === 0) return '';
  const others = contests.length === 1 ? 'the other reference' : `the other ${contests.length} references`;
  if (parts.length === 1) return ` It ${parts[0]?.text} ${others}.`;
  const texts = parts.map(({ n, text }) => `${text} ${n}`);
  return ` Among ${others} it ${texts.slice(0, -1).join(', ')} and ${texts.at(-1)}.`;
}

/** The lead contender against the strongest reference, and its results against the others. */
function contestVerdict({ basis, contests }: ComparisonRows, direction: MetricDirection): string | null {
  const strongest = contests[0];
  if (!strongest) return null;
  const { contender } = strongest;
  const others = contests.filter((contest) => contest.contender === contender && contest !== strongest);
  const apposition = others.length > 0 ? `, the strongest of ${others.length + 1} references,` : '';
  // Another node may rank above it in the leaderboard: the lead is selected before the scores that judge it.
  const selection = isProposal(contender) && basis !== 'test' ? ', selected on the rung below,' : '';
  const sentence = `${nodeName(contender)}${selection} ${contestSentence(strongest, direction, apposition)}${figures(strongest, direction)}`;
  return `${basisPhrase[basis]} ${sentence}.${otherReferences(others)}`;
}

/** Best and challengers under the acceptance rule: what is not accepted is not distinguishable, or behind. */
function acceptanceVerdict(data: ReportData, { best, challenges }: Acceptance): string[] {
  const nameOf = (id: string) => {
    const node = data.nodes.find((each) => each.id === id);
    return node ? nodeName(node) : id;
  };
  const level = (id: string, basis: Basis) => {
    const node = data.nodes.find((each) => each.id === id);
    return metric(node ? meanOn(node, basis) : null, data.search);
  };
  const measured = (comparison: Comparison) =>
    comparison.kind === 'measured'
      ? `${change(comparison.difference, data.search)}, margin ${score(marginOf(comparison))}, ${comparison.n} paired seeds`
      : comparison.why;
  const testMetric = data.search.testMetric === data.search.metric ? '' : `${data.search.testMetric} `;
  const success = challenges.findLast(({ challenger }) => challenger === best);
  const sentences = success
    ? [
        `${nameOf(best)} improves on ${nameOf(success.incumbent)}: ${data.search.metric} ${level(success.incumbent, 'final')} to ${level(best, 'final')} on validation (${measured(success.validation)}), ` +
          `${testMetric}${level(success.incumbent, 'test')} to ${level(best, 'test')} on the held-out split (${measured(success.heldOut)}), and again on a fresh seed.`,
      ]
    : [];
  const others = challenges.filter(({ outcome }) => outcome !== 'accepted');
  return [
    ...sentences,
    ...others.map(({ challenger, incumbent, outcome, floor, missing, deciding }) => {
      const name = nameOf(challenger);
      if (outcome === 'behind') return `${name} is behind ${nameOf(incumbent)} (${measured(deciding)}).`;
      if (outcome === 'even' || floor === null) {
        return `${name} is not distinguishable from ${nameOf(incumbent)}: ${missing} (${measured(deciding)}).`;
      }
      const split = { validation: ['validation', 'final'], heldOut: ['the held-out split', 'test'] } as const;
      const [where, basis] = split[floor.split];
      const own = level(challenger, basis);
      return `${name} is below ${floorText(floor, data.search)} with ${own} on ${where}: ahead of ${nameOf(incumbent)} (${measured(deciding)}), but a rule without what the task asks for has as much.`;
    }),
  ];
}

/**
 * The sentences at the top of the report, strongest evidence first, and the floors that they stand on. Results from the
 * screen rung only, or without a reference, are stated as such.
 */
export function verdict(data: ReportData, findings: Findings): string[] {
  return [...conclusions(data, findings), ...floorSentences(data)];
}

function conclusions(data: ReportData, findings: Findings): string[] {
  if (findings.acceptance) return acceptanceVerdict(data, findings.acceptance);
  const sentences = [findings.validation, findings.test].flatMap((contests) =>
    contests ? (contestVerdict(contests, data.search) ?? []) : [],
  );
  if (sentences.length > 0) return sentences;

  const proposals = data.nodes.filter(isProposal);
  const { lead } = findings;
  if (lead) {
    for (const basis of ['final', 'confirm'] as const) {
      const summary = summarise(scoresOn(lead, basis));
      if (summary) {
        return [
          `${lead.id} leads with ${metric(summary.mean, data.search)} [${basisName[basis]}]${floorClause(data, lead, basis)}; no reference to compare with.`,
        ];
      }
    }
    const test = summarise(scoresOn(lead, 'test'));
    if (test)
      return [
        `${lead.id} scores ${metric(test.mean, data.search)} [${basisName.test}]${floorClause(data, lead, 'test')}; no reference to compare with.`,
      ];
  }
  const best = bestScreened(proposals);
  if (best) {
    return [
      `No claim: nothing was scored above the screen rung. The best of ${count(proposals.length)} attempts is ${best.id} ` +
        `with ${metric(meanOn(best, 'screen'), data.search)}, a single cheap training${floorClause(data, best, 'screen')}.`,
    ];
  }
  if (proposals.length === 0) return ['No claim: no agent has proposed anything yet.'];
  return [`No claim: none of ${count(proposals.length)} attempts has a score; see the failures below.`];
}

/** The status of an unfinished search when the report was written. */
export function unfinished(data: ReportData): string | null {
  const { phase } = data.search;
  if (phase === 'finished') return null;
  if (phase === 'stopped') return 'The search was stopped early; the figures are partial.';
  return `The search is still ${phase}; the figures are partial.`;
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();
const rowText = (cells: readonly string[]): string => cells.map(oneLine).join(' | ');

/** The ends of an interval of differences, the lower metric first. */
export function intervalText([low, high]: readonly [number, number], direction: MetricDirection): string {
  const ends = [change(low, direction), change(high, direction)];
  return (direction.lowerIsBetter ? ends.reverse() : ends).join(' … ');
}

/** The cells of a comparison: reference, result, difference, interval, standard error, effect, mean of the reference. */
export function contestCells(contest: ComparisonRow, basis: Basis, direction: MetricDirection): string[] {
  const { comparison, reference } = contest;
  const name = nodeName(reference);
  const mean = metric(meanOn(reference, basis), direction);
  const sentence = contestSentence(contest, direction);
  if (comparison.kind === 'unmeasured') return [name, sentence, '–', '–', '–', '–', mean];
  const { difference, standardError, effect, interval } = comparison;
  return [
    name,
    sentence,
    change(difference, direction),
    intervalText(interval, direction),
    score(standardError),
    `${effect < 0 ? '−' : '+'}${Math.abs(effect).toFixed(1)}`,
    mean,
  ];
}

function sharedSeeds(a: ReportNode, b: ReportNode, basis: Basis): number[] {
  const seeds = new Set(scoresOn(b, basis).map(({ seed }) => seed));
  return scoresOn(a, basis)
    .map(({ seed }) => seed)
    .filter((seed) => seeds.has(seed))
    .sort((one, other) => one - other);
}

function comparisonClaims({ basis, contests, level, noise, prior }: ComparisonRows, direction: MetricDirection) {
  return contests.map((contest): ComparisonClaim => {
    const { contender, reference, comparison } = contest;
    const measured = comparison.kind === 'measured' ? comparison : null;
    return {
      basis,
      contender: contender.id,
      reference: reference.id,
      verdict: measured?.verdict ?? 'unmeasured',
      seeds: sharedSeeds(contender, reference, basis),
      difference: measured?.difference ?? null,
      interval: measured ? [...measured.interval] : null,
      level,
      noise: noise ? 'shared' : prior ? 'moderated' : 'pair',
      shown: rowText(contestCells(contest, basis, direction)),
    };
  });
}

/** All claims of a search's report. */
export function claimRecord(data: ReportData): ClaimRecord {
  const findings = findingsOf(data);
  return {
    search: data.search.id,
    command: `aira report ${data.search.id}`,
    phase: data.search.phase,
    version: data.provenance.airaVersion,
    sentences: verdict(data, findings).map(oneLine),
    comparisons: [findings.validation, findings.test].flatMap((rows) =>
      rows ? comparisonClaims(rows, data.search) : [],
    ),
  };
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#96': '`' };

/** The text of a piece of a page: without tags, entities resolved. */
const textOf = (markup: string): string =>
  markup.replace(/<[^>]*>/g, '').replace(/&(amp|lt|gt|quot|#39|#96);/g, (_, name: string) => entities[name] ?? '');

/** Reads the claims of a page that the report wrote. Never throws. */
export function readClaims(page: string): WrittenClaims {
  const all = (pattern: RegExp) => [...page.matchAll(pattern)].map(([, inside = '']) => inside);
  const [json] = all(/<pre class="claim-record">([^<]*)<\/pre>/g);
  return {
    record: parsed(json === undefined ? null : textOf(json)),
    sentences: all(/<p class="claim">([\s\S]*?)<\/p>/g).map((each) => oneLine(textOf(each))),
    rows: all(/<tr class="contest">([\s\S]*?)<\/tr>/g).map((row) =>
      rowText([...row.matchAll(/<td[^>]*>([\s\S]*?)<\/td>/g)].map(([, cell = '']) => textOf(cell))),
    ),
  };
}

function parsed(json: string | null): ClaimRecord | null {
  if (json === null) return null;
  try {
    const result = claimRecordSchema.safeParse(JSON.parse(json));
    return result.success ? result.data : null;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}
