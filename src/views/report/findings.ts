import { ascending, descending, max, mean } from 'd3-array';
import type { ComparisonClaim } from '../../domain/claim.ts';
import { countProposals, type ProposalCounts } from '../../domain/node.ts';
import type { Rung } from '../../domain/task.ts';
import {
  type Agreement,
  acceptance,
  agreement,
  type Comparison,
  comparePaired,
  type FloorLevel,
  floorAbove,
  floorLevels,
  type Noise,
  type NoisePrior,
  noisePrior,
  pairedNoise,
  pooledNoise,
  type SeedScore,
  summarise,
  type Trial,
  twoSigma,
} from '../../statistics/index.ts';
import type { ReportData, ReportNode } from './data.ts';

/** Scores that are comparable with each other: one rung, one split. */
export type Basis = Rung | 'test';
export const bases = ['screen', 'confirm', 'final', 'test'] as const satisfies readonly Basis[];

export const basisName: Readonly<Record<Basis, string>> = {
  screen: 'validation, screen rung',
  confirm: 'validation, confirm rung',
  final: 'validation, final rung',
  test: 'hidden test set, final rung',
};

/** A verdict about a contender and a reference, in the words of tables and charts. */
export const verdictName: Readonly<Record<ComparisonClaim['verdict'], string>> = {
  better: 'better',
  worse: 'behind',
  even: 'not distinguishable',
  unmeasured: 'not measured',
};

export function scoresOn(node: ReportNode, basis: Basis): readonly SeedScore[] {
  return basis === 'test' ? node.test : node.validation[basis];
}

export function meanOn(node: ReportNode, basis: Basis): number | null {
  return summarise(scoresOn(node, basis))?.mean ?? null;
}

/** The highest floor of a node's rows where its mean does not exceed it; null otherwise, and for tasks without floors. */
export function floorOn({ floors }: Pick<ReportData, 'floors'>, node: ReportNode, basis: Basis): FloorLevel | null {
  return floorAbove(scoresOn(node, basis), floors[basis]);
}

/** The mean of each floor of a basis over all its seeds. */
export const floorsOn = ({ floors }: Pick<ReportData, 'floors'>, basis: Basis): FloorLevel[] =>
  floorLevels(floors[basis][0]?.scores ?? [], floors[basis]);

/** The proposals of a search, or of one agent, by status. */
export const proposalsOf = ({ nodes }: Pick<ReportData, 'nodes'>, agent?: string): ProposalCounts =>
  countProposals(nodes.filter((node) => isProposal(node) && (agent === undefined || node.agent === agent)));

export const isProposal = (node: ReportNode): boolean => node.origin !== 'reference' && node.origin !== 'aggregate';

/** Display name of a node. */
export const nodeName = (node: ReportNode): string => node.name ?? node.id;

/** A contender against a reference. */
export interface ComparisonRow {
  readonly contender: ReportNode;
  readonly reference: ReportNode;
  readonly comparison: Comparison;
  /** The floor that the contender does not exceed: a score below it beats nothing. */
  readonly floor: FloorLevel | null;
}

/** All comparisons on one basis. */
export interface ComparisonRows {
  readonly basis: Basis;
  /** Highest mean first. */
  readonly contests: readonly ComparisonRow[];
  /** Coverage of each interval: Bonferroni for simultaneous 95 %; for programs, two standard errors. */
  readonly level: number;
  /** Noise shared by all comparisons; null where each pair has its own. */
  readonly noise: Noise | null;
  /** Noise of all pairs, which moderates that of each; null where none does. */
  readonly prior: NoisePrior | null;
}

export type Acceptance = ReturnType<typeof acceptance>;

/** Conclusions that the data support. */
export interface Findings {
  /** Noise between seeds, pooled over all architectures of the basis. */
  readonly noise: Readonly<Record<Basis, Noise | null>>;
  /** The search's finalist: best on the rung below the judging one, so selected without the scores that judge it. */
  readonly lead: ReportNode | null;
  readonly aggregate: ReportNode | null;
  readonly references: readonly ReportNode[];
  /** On the highest validation rung with a comparison, and on the test set; null without one. */
  readonly validation: ComparisonRows | null;
  readonly test: ComparisonRows | null;
  readonly screenToConfirm: Agreement;
  readonly screenToFinal: Agreement;
  /** Acceptance of programs; null for stacks, or without finalists. */
  readonly acceptance: Acceptance | null;
}

/** Scores that selected the nodes of each basis. */
const chosenBy: Readonly<Record<Basis, readonly Basis[]>> = {
  screen: ['screen'],
  confirm: ['screen'],
  final: ['confirm', 'screen'],
  test: ['confirm', 'screen'],
};

function leadOn(nodes: readonly ReportNode[], basis: Basis): ReportNode | null {
  const present = nodes.filter((node) => isProposal(node) && scoresOn(node, basis).length > 0);
  const lower = chosenBy[basis].find((rung) => present.some((node) => scoresOn(node, rung).length > 0)) ?? basis;
  const score = (node: ReportNode) => meanOn(node, lower) ?? Number.NEGATIVE_INFINITY;
  return present.toSorted((a, b) => descending(score(a), score(b)))[0] ?? null;
}

function contestsOn(data: ReportData, basis: Basis): ComparisonRows | null {
  const scored = data.nodes.filter((node) => scoresOn(node, basis).length > 0);
  const references = scored.filter(({ origin }) => origin === 'reference');
  const aggregates = scored.filter(({ origin }) => origin === 'aggregate');
  const lead = leadOn(scored, basis);
  const contenders = lead ? [lead, ...aggregates] : aggregates;
  const pairs = contenders.flatMap((contender) => references.map((reference) => ({ contender, reference })));
  if (pairs.length === 0) return null;
  // Noise differs sixfold between architectures: one pooled figure raised the false claims, and that of each pair alone cost more
  // than half of the power, so a pair's noise is moderated by that of all pairs (tests/long/familyWise.test.ts).
  // Programs stay with the pooled noise of their acceptance rule (statistics/acceptance.ts).
  const isProgram = data.search.space.kind === 'program';
  const rows = scored.map((node) => scoresOn(node, basis));
  const noise = isProgram ? pairedNoise(rows) : null;
  const prior = isProgram ? null : noisePrior(rows);
  const level = isProgram ? twoSigma : 1 - 0.05 / pairs.length;
  return {
    basis,
    level,
    noise,
    prior,
    contests: pairs
      .map(({ contender, reference }) => ({
        contender,
        reference,
        comparison: comparePaired(scoresOn(contender, basis), scoresOn(reference, basis), noise, level, prior),
        floor: floorOn(data, contender, basis),
      }))
      .sort(
        (a, b) =>
          contenders.indexOf(a.contender) - contenders.indexOf(b.contender) ||
          descending(meanOn(a.reference, basis) ?? 0, meanOn(b.reference, basis) ?? 0) ||
          ascending(a.reference.id, b.reference.id),
      ),
  };
}

const measured = (contests: ComparisonRows | null): ComparisonRows | null =>
  contests?.contests.some(({ comparison }) => comparison.kind === 'measured') ? contests : null;

function agreementOf(data: ReportData, lower: Rung, upper: Rung): Agreement {
  return agreement(
    data.nodes.flatMap((node) => {
      const low = meanOn(node, lower);
      const high = meanOn(node, upper);
      return low === null || high === null ? [] : [[low, high] as const];
    }),
  );
}

/** Finalists in the order of the rung below, against the baseline. */
function acceptanceOf(data: ReportData): Acceptance | null {
  if (data.search.space.kind !== 'program') return null;
  const judged = data.nodes.filter((node) => scoresOn(node, 'final').length > 0);
  const baseline = judged.find(({ origin }) => origin === 'reference');
  const finalists = judged
    .filter(isProposal)
    .toSorted((a, b) => descending(meanOn(a, 'confirm') ?? 0, meanOn(b, 'confirm') ?? 0));
  if (!baseline || finalists.length === 0) return null;
  const trial = (node: ReportNode): Trial => ({ id: node.id, validation: node.validation.final, heldOut: node.test });
  const floors = { validation: data.floors.final, heldOut: data.floors.test };
  return acceptance(finalists.map(trial), trial(baseline), data.search.finalSeeds, floors);
}

export function findingsOf(data: ReportData): Findings {
  const noiseOn = (basis: Basis) => pooledNoise(data.nodes.map((node) => scoresOn(node, basis)));
  const final = contestsOn(data, 'final');
  const confirm = contestsOn(data, 'confirm');
  const judging = [...bases].reverse().find((basis) => leadOn(data.nodes, basis) !== null);
  return {
    noise: { screen: noiseOn('screen'), confirm: noiseOn('confirm'), final: noiseOn('final'), test: noiseOn('test') },
    lead: judging ? leadOn(data.nodes, judging) : null,
    aggregate: data.nodes.find(({ origin }) => origin === 'aggregate') ?? null,
    references: data.nodes.filter(({ origin }) => origin === 'reference'),
    validation: measured(final) ?? measured(confirm) ?? final ?? confirm,
    test: contestsOn(data, 'test'),
    screenToConfirm: agreementOf(data, 'screen', 'confirm'),
    screenToFinal: agreementOf(data, 'screen', 'final'),
    acceptance: acceptanceOf(data),
  };
}

/** The best proposal of an agent, or of all agents, by screening score. */
export function bestScreened(nodes: readonly ReportNode[], agent?: string): ReportNode | null {
  const own = nodes.filter((node) => isProposal(node) && (agent === undefined || node.agent === agent));
  const best = max(own, (node) => meanOn(node, 'screen') ?? Number.NEGATIVE_INFINITY);
  return own.find((node) => meanOn(node, 'screen') === best) ?? null;
}

/** Mean over nodes of their mean on a basis; null without scores. */
export function meanOf(nodes: readonly ReportNode[], basis: Basis): number | null {
  return mean(nodes.flatMap((node) => meanOn(node, basis) ?? [])) ?? null;
}
