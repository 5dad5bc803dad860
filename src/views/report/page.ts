import { extrapolateAll } from '../../aggregation/index.ts';
import { type Architecture, type OwnPrimitive, primitiveText } from '../../domain/architecture.ts';
import type { Space } from '../../domain/candidate.ts';
import type { SectionGroup, Sections } from '../api.ts';
import { apiVersion } from '../apiSearch.ts';
import { comparedData, judgedData, type SearchContext, votersOf } from '../overview.ts';
import type { Block, Provenance, Section, SectionsPage } from '../page.ts';
import { agentEndSentences, count, deviceTimeName, duration, percent, score, shown } from '../texts.ts';
import { claimRecord, unfinished, verdict } from './claims.ts';
import type { ReportData } from './data.ts';
import { bases, basisName, type Findings, findingsOf, proposalsOf, scoresOn } from './findings.ts';
import { agentSection, funnelSection, memorySection } from './sections/agents.ts';
import { aggregationSection, extrapolationSection } from './sections/aggregation.ts';
import { claimSection, comparisonSection, failureSection, rungSection, testSection } from './sections/comparisons.ts';
import { codeSection, leaderboardSection, progressSection } from './sections/leaderboard.ts';

/**
 * Which sections a page has: the written report of a search with its head, budget and provenance, and the groups of sections that the
 * dashboard shows while the search runs.
 *
 * Role: order and choice of sections, the nodes that they need, why there is nothing yet. Non-role: what the other sections show
 * (`sections/`): their functions are the same for both.
 */

/** What the report of a search shows. */
export function reportPage(data: ReportData): SectionsPage {
  const { search } = data;
  const findings = findingsOf(data);
  const isStack = search.space.kind === 'stack';
  return {
    kind: 'sections',
    title: `${search.id}: Aira search report`,
    of: 'Aira search report',
    heading: search.id,
    head: headBlocks(data, findings),
    sections: [
      progressSection(data, findings),
      leaderboardSection(data, findings),
      comparisonSection(data, findings),
      rungSection(data, findings),
      ...(isStack ? [aggregationSection(data), extrapolationSection(data)] : [codeSection(data, findings)]),
      testSection(data, findings),
      budgetSection(data),
      agentSection(data),
      ...memorySection(data),
      ...funnelSection(data),
      failureSection(data),
      claimSection(claimRecord(data), search),
    ],
    provenance: provenanceOf(data),
    colours: coloursOf(search.primitives),
  };
}

function spaceText(space: Space): string {
  if (space.kind === 'stack') return `${space.layers} layers of ${space.primitives.join(', ')}`;
  if (space.kind === 'scale') return 'runs of a scale plan';
  return `programs of ${space.files.map(({ name }) => name).join(', ')}`;
}

const warning = (text: string): Block => ({ block: 'text', text, as: 'warn' });

function legendBlocks({ space, primitives }: ReportData['search']): Block[] {
  if (space.kind !== 'stack') return [];
  const meaning = (name: string) => primitiveText(name, primitives).title;
  return [{ block: 'legend', primitives: space.primitives.map((name) => ({ name, meaning: meaning(name) })) }];
}

/** What was searched, the result in a sentence or two, and the effort. */
function headBlocks(data: ReportData, findings: Findings): Block[] {
  const { search, budget } = data;
  const proposals = proposalsOf(data);
  const basis = bases.toReversed().find((each) => each !== 'test' && findings.noise[each]);
  const noise = basis ? findings.noise[basis] : null;
  const open = unfinished(data);
  const figure = (value: string, label: string, note = '') => ({ value, label, note });
  const metrics =
    search.testMetric === search.metric
      ? search.metric
      : `${search.metric} on validation, ${search.testMetric} on the hidden test set`;
  return [
    {
      block: 'text',
      as: 'note',
      text: `task ${search.task} · profile ${search.profile} · ${spaceText(search.space)} · ${metrics}, ${search.lowerIsBetter ? 'lower' : 'higher'} is better`,
    },
    { block: 'claims', sentences: verdict(data, findings) },
    ...(open === null ? [] : [warning(open)]),
    ...data.endings.map(({ sentence }) => warning(sentence)),
    ...agentEndSentences(data).map((sentence) => warning(`${sentence}.`)),
    {
      block: 'figures',
      figures: [
        figure(count(proposals.proposed), 'proposed'),
        figure(
          count(proposals.evaluated),
          'evaluated',
          proposals.cached > 0 ? `${count(proposals.cached)} cached` : '',
        ),
        figure(count(proposals.failed), 'failed'),
        figure(count(proposals.rejected + proposals.duplicate), 'rejected or duplicate'),
        figure(count(data.agents.length), data.agents.length === 1 ? 'agent' : 'agents'),
        figure(duration(budget.spent.minutes * 60), 'wall time'),
        figure(duration(budget.spent.deviceSeconds), ...deviceTimeName(budget.spent)),
        figure(
          noise ? score(noise.sd) : '–',
          'std across seeds',
          noise && basis ? `${basisName[basis]}, ${noise.degrees} df` : 'no node has two seeds',
        ),
      ],
    },
    ...legendBlocks(search),
  ];
}

/** Versions, machine and commands behind these figures. */
function provenanceOf({ search, provenance }: ReportData): Provenance {
  const { airaVersion, taskVersion, evaluator, machine, startedAt, searchFile, commands } = provenance;
  return {
    facts: [
      { fact: 'Aira', value: airaVersion },
      { fact: 'task version', value: taskVersion },
      { fact: 'evaluator', value: evaluator },
      ...search.primitives.map(({ token, title, digest }) => ({ fact: token, value: `${title}, ${digest}` })),
      { fact: 'search seed', value: String(search.seed) },
      { fact: 'started', value: startedAt },
      ...machine,
    ],
    commands,
    files: [{ title: 'Search file', text: searchFile }],
  };
}

/** Cents are too coarse for single calls. */
const money = (dollars: number): string => `$${dollars.toFixed(dollars < 1 ? 4 : 2)}`;

function savedSentence({ budget: { saved } }: ReportData): string {
  const { evaluations, deviceSeconds } = saved;
  if (evaluations === 0) return 'No cache hits.';
  const what = evaluations === 1 ? 'cache hit' : 'cache hits';
  return `${count(evaluations)} ${what} avoided ${duration(deviceSeconds)} of training.`;
}

/** Utilisation of the devices. */
function devicesSentence({ devices }: ReportData): string {
  if (!devices) return '';
  const { count: of, busy } = devices;
  const who = of === 1 ? 'One worker was' : `${count(of)} workers were`;
  return ` ${who} busy ${percent(busy)} of the time from the first training to the last.`;
}

/** Limits, use, and what cache hits avoided. */
function budgetSection(data: ReportData): Section {
  const { limit, spent } = data.budget;
  const [device, ofIt] = deviceTimeName(spent);
  const lines = [
    { what: 'evaluations of proposals', used: spent.evaluations, limit: limit.evaluations, text: count },
    {
      what: 'wall time',
      used: spent.minutes * 60,
      limit: limit.minutes === undefined ? undefined : limit.minutes * 60,
      text: duration,
    },
    {
      what: `${device}, all devices${ofIt && ` (${ofIt})`}`,
      used: spent.deviceSeconds,
      limit: limit.deviceSeconds,
      text: duration,
    },
    ...(spent.calls.calls === 0
      ? []
      : [
          {
            what: `${count(spent.calls.calls)} LLM calls`,
            used: spent.calls.dollars,
            limit: limit.dollars,
            text: money,
          },
          { what: 'LLM tokens, input and output', used: spent.calls.tokens, limit: limit.tokens, text: count },
        ]),
  ];
  const total = data.phases.reduce((sum, { seconds }) => sum + seconds, 0);
  const used: Block = {
    block: 'table',
    columns: [
      { head: 'what', kind: 'name' },
      { head: 'used', kind: 'number' },
      { head: 'limit', kind: 'number' },
      { head: 'share', kind: 'number' },
      { head: '' },
    ],
    rows: lines.map(({ what, used: amount, limit: most, text }) => [
      what,
      text(amount),
      most === undefined ? 'none' : text(most),
      most === undefined ? '' : percent(amount / most),
      most === undefined ? '' : { meter: amount / most, label: `${what}: ${percent(amount / most)}` },
    ]),
  };
  const phases: Block = {
    block: 'table',
    columns: [
      { head: 'phase', kind: 'name' },
      { head: 'time', kind: 'number' },
      { head: 'share', kind: 'number' },
      { head: '' },
    ],
    rows: data.phases.map(({ phase, seconds }) => [
      phase,
      duration(seconds),
      total > 0 ? percent(seconds / total) : '–',
      total > 0 ? { meter: seconds / total, label: `${phase}: ${percent(seconds / total)}` } : '',
    ]),
  };
  return {
    id: 'budget',
    title: 'Budget',
    blocks: [
      {
        block: 'columns',
        columns: [
          [used, { block: 'text', text: `${savedSentence(data)}${devicesSentence(data)}` }],
          data.phases.length === 0 ? [] : [phases],
        ],
      },
    ],
  };
}

function patternSections(context: SearchContext): Section[] {
  const data = comparedData(context, votersOf(context));
  const isStack = data.search.space.kind === 'stack';
  return [aggregationSection(data), ...(isStack && data.aggregation ? [extrapolationSection(data)] : [])];
}

const ended: readonly string[] = ['finished', 'stopped'];

/** The sentences that were written, or why there are none. */
function saidSection({ search, searchStatus: { phase }, written }: SearchContext): Section {
  const of = (blocks: Section['blocks']): Section => ({ id: 'said', title: 'What is said', blocks });
  const none = (text: string) => of([{ block: 'text', as: 'lead', text }]);
  const record = written();
  const command = `aira report ${search}`;
  if (record === 'unreadable') {
    return none(`The written report has no record of claims that this version reads: write it again with ${command}.`);
  }
  if (record === null) {
    if (ended.includes(phase)) return none(`No report is written yet: ${command} writes it, with what may be claimed.`);
    if (phase === 'screening') {
      return none('Nothing is claimed yet: the search is still screening, and claims rest on the rungs above.');
    }
    return none(
      `Nothing is claimed yet: the search is still ${phase}, and its sentences are written when it ends. Below is the evidence so far.`,
    );
  }
  return of([
    { block: 'claims', sentences: record.sentences },
    ...(ended.includes(record.phase)
      ? []
      : [
          {
            block: 'text',
            as: 'warn',
            text: `The report was written while the search was ${record.phase}: its figures are partial.`,
          } as const,
        ]),
    { block: 'text', as: 'note', text: `Written by ${record.command}, version ${record.version}.` },
  ]);
}

function claimSections(context: SearchContext): Section[] {
  const data = judgedData(context);
  const findings = findingsOf(data);
  const record = context.written();
  const isJudged = data.nodes.some(
    (node) => scoresOn(node, 'confirm').length > 0 || scoresOn(node, 'final').length > 0,
  );
  return [
    saidSection(context),
    ...(isJudged
      ? [leaderboardSection(data, findings), comparisonSection(data, findings), rungSection(data, findings)]
      : []),
    ...(record === null || record === 'unreadable' ? [] : [claimSection(record, data.search)]),
  ];
}

/** `/api/searches/:id/sections/:group` */
export const sectionsOf = (context: SearchContext, group: SectionGroup): Sections => ({
  version: apiVersion,
  sequence: context.columns.sequence,
  sections: shown(group === 'patterns' ? patternSections(context) : claimSections(context)),
});

/** An architecture at the sizes of the report, as its section has them. */
export const fullSizeSection = (label: string, pattern: Architecture, own: readonly OwnPrimitive[]): Section =>
  shown(extrapolationSection({ extrapolations: [{ label, pattern, rows: extrapolateAll(pattern, own) }] }));

/** Colours of a user's own primitives. */
export const coloursOf = (primitives: ReportData['search']['primitives']): Readonly<Record<string, string>> =>
  Object.fromEntries(primitives.map(({ token, colour }) => [token, colour]));
