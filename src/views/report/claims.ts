import { type ClaimRecord, type ComparisonClaim, claimRecordSchema, type WrittenClaims } from '../../domain/claim.ts';
import { change, type MetricDirection, metric, score } from '../texts.ts';
import type { ReportData, ReportNode } from './data.ts';
import {
  type Basis,
  type ComparisonRow,
  type ComparisonRows,
  findingsOf,
  meanOn,
  nodeName,
  scoresOn,
} from './findings.ts';
import { contestSentence, verdict } from './sentences.ts';

/**
 * The claims of a search as a record (I11). Everything is a function of the archive, so an audit makes the record again and
 * compares.
 */

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
