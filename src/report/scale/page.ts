import {
  powerText,
  type ScaleAnalysis,
  type ScaleArchitecture,
  type ScaleComparison,
  shortNumber,
} from '../../scale/index.ts';
import type { Estimate } from '../../statistics/index.ts';
import { count, duration, signed } from '../../views/index.ts';
import { type Content, html, type Markup, section, table } from '../markup.ts';
import { htmlDocument } from '../style.ts';
import { costSection, frontierSection, isoFlopSection, proxyFigures, tokenSection } from './figures.ts';

/** Everything that the page shows. */
export interface ScaleReport {
  readonly name: string;
  readonly analysis: ScaleAnalysis;
  /** Text of the plan. */
  readonly plan?: string;
  readonly facts: readonly { readonly fact: string; readonly value: string }[];
  readonly commands: readonly string[];
}

const missing = '–';
const minus = (text: string) => text.replace('-', '−');
const number = (value: number, digits: number) => minus(value.toFixed(digits));

/** A figure with its interval below it. */
function estimate(of: Estimate | null, digits: number, sign = false): Content {
  if (of === null) return missing;
  const text = (value: number) => (sign && value >= 0 ? `+${number(value, digits)}` : number(value, digits));
  return html`${text(of.value)}${of.interval === null ? null : html`<span class="runs">${text(of.interval.low)} … ${text(of.interval.high)}</span>`}`;
}

function header({ name, analysis }: ScaleReport): Markup {
  const { cost, architectures } = analysis;
  const observations = architectures.flatMap((each) => each.observations);
  const distinct = (of: (each: (typeof observations)[number]) => unknown) => new Set(observations.map(of)).size;
  return html`<header>
<p class="kicker">Aira scaling study: ${name}</p>
<h1>Does it hold?</h1>
<p class="facts">${count(architectures.length)} architectures · ${count(distinct(({ size }) => size))} sizes · ${count(distinct(({ budgetFlops }) => budgetFlops))} budgets · reference ${analysis.reference}</p>
<div class="verdict"><p>${analysis.answer}</p>${analysis.further.map((sentence) => html`<p>${sentence}</p>`)}${analysis.cautions.map((caution) => html`<p class="open">${caution}</p>`)}</div>
<dl class="figures">
<div><dt>runs</dt><dd>${count(cost.runs)}</dd></div>
<div><dt>outcomes</dt><dd>${count(cost.outcomes)} <small>budgets of runs</small></dd></div>
<div><dt>training FLOPs</dt><dd>${powerText(cost.flops)} <small>longest branch of each run</small></dd></div>
<div><dt>training time</dt><dd>${duration(cost.seconds)}</dd></div>
</dl>
</header>`;
}

const verdictText = { better: 'lower loss', worse: 'higher loss', even: 'not distinguishable' } as const;

function equalCompute({ analysis }: ScaleReport): Markup {
  const { comparisons, resampling } = analysis;
  if (comparisons.length === 0)
    return section('equal', 'At equal compute', html`<p>There is nothing to compare with.</p>`);
  const matched = ({ matched: found }: ScaleComparison): Content =>
    found.kind === 'unmeasured'
      ? missing
      : html`${signed(found.difference)}<span class="runs">${signed(found.interval[0])} … ${signed(found.interval[1])}, ${count(found.n)} runs</span>`;
  const row = (each: ScaleComparison) => [
    html`${each.name}<span class="runs">against ${each.reference}</span>`,
    each.verdict === null
      ? (each.refused ?? 'no interval')
      : html`<span class="outcome ${each.verdict}">${verdictText[each.verdict]}</span>`,
    estimate(each.gap, 4, true),
    each.multiplier === null ? missing : html`${estimate(each.multiplier, 2)}`,
    each.slopeRatio === null ? missing : estimate(percentOf(each.slopeRatio), 1, true),
    each.lawGap === null ? missing : signed(each.lawGap),
    matched(each),
  ];
  const how =
    resampling === null
      ? 'Nothing has an interval, because no noise can be estimated.'
      : `Intervals are 95 % bootstrap intervals over ${resampling.of === 'seeds' ? 'seeds, the same for all architectures' : 'residuals of whole runs, because few seeds were trained'}, ${count(resampling.resamples)} resamples, ${count(resampling.degrees)} degrees of freedom.`;
  const budgets = [...new Set(comparisons.flatMap(({ gaps }) => gaps.map(({ budget }) => budget)))].sort(
    (a, b) => a - b,
  );
  const byBudget = table(
    [
      { head: 'loss gap (nats) by budget', kind: 'name' },
      ...budgets.map((budget) => ({ head: `${powerText(budget)} FLOPs`, kind: 'number' as const })),
    ],
    comparisons.map(({ name, gaps }) => [
      name,
      ...budgets.map((budget) => signed(gaps.find((each) => each.budget === budget)?.gap ?? Number.NaN)),
    ]),
  );
  return section(
    'equal',
    'At equal compute',
    html`${table(
      [
        { head: 'architecture', kind: 'name' },
        { head: 'verdict', kind: 'wide' },
        { head: 'loss gap (nats)', kind: 'number' },
        { head: 'compute multiplier', kind: 'number' },
        { head: 'slope ratio − 1 (%)', kind: 'number' },
        { head: 'gap by the law', kind: 'number' },
        { head: 'equal size and budget', kind: 'number' },
      ],
      comparisons.map(row),
    )}
<p class="note">Loss gap: reference minus architecture at the minima of their parabolas, mean over the budgets at which both have one; above zero is better. Compute multiplier: 10^(gap / |slope of the reference|), how many times the compute the reference needs for the same loss. Slope ratio: "scales x % faster" as papers read it; a constant gain leaves it at 0 and a better small model makes it negative, so no verdict rests on it. Gap by the law: the same from L = E + A / N^α + B / D^β. ${how}</p>
${budgets.length > 0 ? byBudget : null}`,
  );
}

const percentOf = ({ value, interval }: Estimate): Estimate => ({
  value: 100 * value,
  interval: interval && { low: 100 * interval.low, high: 100 * interval.high },
});

function exponents({ analysis: { architectures } }: ScaleReport): Markup {
  const row = ({ label, fit, total, law }: ScaleArchitecture) => [
    label,
    estimate(fit.slope, 4),
    estimate(fit.sizeExponent, 2),
    estimate(fit.tokenExponent, 2),
    estimate(total.sizeExponent, 2),
    law.law === null
      ? law.why
      : html`α ${number(law.law.alpha, 2)}, β ${number(law.law.beta, 2)}, E ${number(law.law.E, 2)}<span class="runs">N* ~ C^${number(law.law.sizeExponent, 2)}, ${count(law.law.points)} trainings, residual ${number(100 * law.law.residual, 2)} %</span>`,
  ];
  return section(
    'exponents',
    'How loss, size and tokens follow compute',
    html`${table(
      [
        { head: 'architecture', kind: 'name' },
        { head: 'loss per decade (nats)', kind: 'number' },
        { head: 'N exponent', kind: 'number' },
        { head: 'D exponent', kind: 'number' },
        { head: 'N exponent, all parameters', kind: 'number' },
        { head: 'law', kind: 'wide' },
      ],
      architectures.map(row),
    )}
<p class="note">Slopes of straight lines through the minima on log10 of the training FLOPs. N counts non-embedding parameters, as published; the exponent with the embedding is next to it, because the convention moves it. D is read between the measured sizes.</p>`,
  );
}

function proxies(report: ScaleReport): Markup {
  const { audits } = report.analysis;
  if (audits.length === 0)
    return section(
      'proxies',
      'What the small rungs are worth',
      html`<p>One size only: there is nothing to rank by.</p>`,
    );
  const share = (value: number | null) => (value === null ? missing : number(value, 2));
  const target = audits[0]?.target ?? '';
  return section(
    'proxies',
    'What the small rungs are worth',
    html`${table(
      [
        { head: 'rung', kind: 'name' },
        { head: 'architectures', kind: 'number' },
        { head: 'Spearman', kind: 'number' },
        { head: 'at most', kind: 'number' },
        { head: 'Kendall', kind: 'number' },
        { head: 'at most', kind: 'number' },
        { head: 'reliability', kind: 'number' },
        { head: 'remark', kind: 'wide' },
      ],
      audits.map(({ rung, n, spearman, kendall, reliability, refused }) => [
        rung,
        count(n),
        estimate(spearman, 2),
        share(spearman?.ceiling ?? null),
        estimate(kendall, 2),
        share(kendall?.ceiling ?? null),
        html`${share(reliability.rung)}<span class="runs">target ${share(reliability.target)}</span>`,
        refused ?? '',
      ]),
    )}
<p class="note">Rank correlation of each rung with ${target}, the largest size, at the largest budget that all architectures have there. "At most": the correlation that the noise of both rungs allows a perfect proxy; unknown with one seed per architecture. Reliability: the share of the variance between architectures that is not noise.</p>
${proxyFigures(report.analysis)}`,
  );
}

function runs({ analysis }: ScaleReport): Markup {
  const names = table(
    [
      { head: 'architecture', kind: 'name' },
      { head: 'pattern', kind: 'wide' },
      { head: 'family', kind: 'name' },
    ],
    analysis.architectures.map(({ label, pattern, family }) => [label, html`<code>${pattern}</code>`, family]),
  );
  const outcomes = analysis.architectures.flatMap(({ label, observations }) =>
    observations
      .toSorted((a, b) => a.nonEmbedding - b.nonEmbedding || a.budgetFlops - b.budgetFlops || a.seed - b.seed)
      .map((each) => [
        label,
        each.size,
        html`${shortNumber(each.nonEmbedding)}<span class="runs">+ ${shortNumber(each.embedding)} embedding</span>`,
        powerText(each.budgetFlops),
        shortNumber(each.tokens),
        String(each.seed),
        number(each.loss, 4),
        duration(each.seconds),
        each.mfu === null ? missing : `${number(100 * each.mfu, 0)} %`,
        html`<code>${each.evaluation.slice(0, 12)}</code>`,
      ]),
  );
  return section(
    'runs',
    'Architectures and outcomes',
    html`${names}${table(
      [
        { head: 'architecture', kind: 'name' },
        { head: 'size', kind: 'name' },
        { head: 'parameters', kind: 'number' },
        { head: 'budget', kind: 'number' },
        { head: 'tokens', kind: 'number' },
        { head: 'seed', kind: 'number' },
        { head: 'loss', kind: 'number' },
        { head: 'time', kind: 'number' },
        { head: 'MFU', kind: 'number' },
        { head: 'evaluation', kind: 'name' },
      ],
      outcomes,
    )}`,
  );
}

function provenance({ facts, commands, plan }: ScaleReport): Markup {
  return section(
    'provenance',
    'Provenance',
    html`<dl class="sources">${facts.map(({ fact, value }) => html`<dt>${fact}</dt><dd><code>${value}</code></dd>`)}</dl>
<h3>To reproduce</h3>
<pre>${commands.join('\n')}</pre>
${plan === undefined ? null : html`<h3>Plan</h3><pre>${plan}</pre>`}`,
  );
}

const pageStyle = html`<style>
.line.thin { stroke-width: 1.5; }
.mark { stroke: var(--paper); stroke-width: 0.8; }
.mark.star { stroke: var(--ink); stroke-width: 1; }
${Array.from(
  { length: 8 },
  (_, index) => html`.mark.s-${index} { fill: var(--s${index}); }
`,
)}
.legend { list-style: none; margin: 4px 0 10px; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 13px; }
.legend li { display: flex; align-items: center; gap: 8px; min-width: 0; overflow-wrap: anywhere; }
.legend svg { flex: none; }
figure h3 { margin: 12px 0 4px; }
</style>`;

/** A scaling study as one self-contained HTML file. */
export function scaleHtml(report: ScaleReport): string {
  const { analysis } = report;
  return htmlDocument(
    `${report.name}: Aira scaling study`,
    html`${header(report)}
${equalCompute(report)}
${isoFlopSection(analysis)}
${frontierSection(analysis)}
${exponents(report)}
${tokenSection(analysis)}
${costSection(analysis)}
${proxies(report)}
${runs(report)}
${provenance(report)}`,
    pageStyle,
  );
}
