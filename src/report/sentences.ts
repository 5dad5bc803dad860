import { type Comparison, marginOf, summarise } from '../statistics/index.ts';
import type { ReportData } from './data.ts';
import {
  type Acceptance,
  type Basis,
  basisName,
  bestScreened,
  type ComparisonRow,
  type ComparisonRows,
  type Findings,
  isProposal,
  meanOn,
  nodeName,
  scoresOn,
} from './findings.ts';
import { change, count, type MetricDirection, metric, score } from './format.ts';

const place: Readonly<Record<Basis, string>> = {
  screen: 'On the screen rung',
  confirm: 'On the confirm rung',
  final: 'On the final rung',
  test: 'On the hidden test set',
};

/**
 * What a comparison allows to say, without the contender's name: `beats llama by 2.3 sd`.
 *
 * @param apposition words on the reference, between commas, such as `, the strongest of 4 references,`.
 */
export function contestSentence({ reference, comparison }: ComparisonRow, apposition = ''): string {
  const name = nodeName(reference);
  if (comparison.kind === 'unmeasured') return `cannot be compared with ${name}: ${comparison.why}`;
  const { verdict, effect } = comparison;
  if (verdict === 'even') return `is not distinguishable from ${name}${apposition} at this budget`;
  return `${verdict === 'better' ? 'beats' : 'is behind'} ${name}${apposition} by ${Math.abs(effect).toFixed(1)} sd`;
}

function figures({ comparison }: ComparisonRow, reading: MetricDirection): string {
  if (comparison.kind === 'unmeasured') return '';
  const { difference, interval, n } = comparison;
  const seeds = `${n} paired ${n === 1 ? 'seed' : 'seeds'}`;
  return ` (${change(difference, reading)}, interval ${change(interval[0], reading)} to ${change(interval[1], reading)}, ${seeds})`;
}

/** How a contender stands to further references: `Among the other 3 references it beats 2, is behind 1.` */
function searchStatus(contests: readonly ComparisonRow[]): string {
  const among = (verdict: string) =>
    contests.filter(({ comparison }) => comparison.kind === 'measured' && comparison.verdict === verdict).length;
  const parts = [
    { n: among('better'), text: 'beats' },
    { n: among('even'), text: 'cannot be told from' },
    { n: among('worse'), text: 'is behind' },
  ].filter(({ n }) => n > 0);
  if (parts.length === 0) return '';
  const others = contests.length === 1 ? 'the other reference' : `the other ${contests.length} references`;
  if (parts.length === 1) return ` It ${parts[0]?.text} ${others}.`;
  return ` Among ${others} it ${parts.map(({ n, text }) => `${text} ${n}`).join(', ')}.`;
}

/** The lead contender's result against the strongest reference, and its rank among the others. */
export function contestVerdict({ basis, contests }: ComparisonRows, reading: MetricDirection): string | null {
  const strongest = contests[0];
  if (!strongest) return null;
  const { contender } = strongest;
  const others = contests.filter((contest) => contest.contender === contender && contest !== strongest);
  const apposition = others.length > 0 ? `, the strongest of ${others.length + 1} references,` : '';
  // Another may stand above it in the leaderboard: who leads is chosen before the scores that judge it are seen.
  const chosen = isProposal(contender) && basis !== 'test' ? ', the choice of the rung below,' : '';
  const said = `${nodeName(contender)}${chosen} ${contestSentence(strongest, apposition)}${figures(strongest, reading)}`;
  return `${place[basis]} ${said}.${searchStatus(others)}`;
}

/** Best and challenges in the words of the rule of acceptance: what is not accepted is not distinguishable, or behind. */
function acceptanceVerdict(data: ReportData, { best, challenges }: Acceptance): string[] {
  const called = (id: string) => {
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
  const won = challenges.findLast(({ challenger }) => challenger === best);
  const sentences = won
    ? [
        `${called(best)} improves on ${called(won.incumbent)}: ${data.search.metric} ${level(won.incumbent, 'final')} to ${level(best, 'final')} on validation (${measured(won.validation)}), ` +
          `${level(won.incumbent, 'test')} to ${level(best, 'test')} on the held-out split (${measured(won.heldOut)}), and again on a fresh seed.`,
      ]
    : [];
  const others = challenges.filter(({ outcome }) => outcome !== 'accepted');
  return [
    ...sentences,
    ...others.map(({ challenger, incumbent, outcome, missing, deciding }) =>
      outcome === 'behind'
        ? `${called(challenger)} is behind ${called(incumbent)} (${measured(deciding)}).`
        : `${called(challenger)} is not distinguishable from ${called(incumbent)}: ${missing} (${measured(deciding)}).`,
    ),
  ];
}

/**
 * The sentences at the head of the report, strongest evidence first. Whatever was measured only on the screen rung, or
 * against nothing, is told as that.
 */
export function verdict(data: ReportData, findings: Findings): string[] {
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
          `${lead.id} leads with ${metric(summary.mean, data.search)} [${basisName[basis]}]; there is no reference to compare it with.`,
        ];
      }
    }
    const test = summarise(scoresOn(lead, 'test'));
    if (test)
      return [
        `${lead.id} scores ${metric(test.mean, data.search)} [${basisName.test}]; there is no reference to compare it with.`,
      ];
  }
  const best = bestScreened(proposals);
  if (best) {
    return [
      `No claim: nothing was scored above the screen rung. The best of ${count(proposals.length)} attempts is ${best.id} ` +
        `with ${metric(meanOn(best, 'screen'), data.search)}, a single cheap training.`,
    ];
  }
  if (proposals.length === 0) return ['No claim: no agent has proposed anything yet.'];
  return [`No claim: none of ${count(proposals.length)} attempts gave a score; the failures are listed below.`];
}

/** Where the search stood when the report was written, unless it had finished. */
export function unfinished(data: ReportData): string | null {
  const { phase } = data.search;
  if (phase === 'finished') return null;
  if (phase === 'stopped') return 'The search was stopped before its end; the figures are those reached by then.';
  return `The search is still ${phase}; the figures are those so far.`;
}
