import { group, max, min } from 'd3-array';
import {
  powerText,
  type ScaleAnalysis,
  type ScaleArchitecture,
  type ScaleObservation,
  shortNumber,
} from '../../scale/index.ts';
import { type Axis, legend, type Place, type PlaneSeries, plane } from '../charts/plane.ts';
import { html, type Markup, section } from '../markup.ts';

/** The figures of a scaling study, one architecture in one colour throughout; in isoFLOP panels, one budget in one colour. */

const lossAxis: Axis = { label: 'validation loss (nats per token)' };
const sizeAxis: Axis = { label: 'non-embedding parameters', log: true, text: shortNumber };
const flopsAxis: Axis = { label: 'training FLOPs', log: true, text: powerText };
const tokenAxis: Axis = { label: 'training tokens', log: true, text: shortNumber };

const samples = 40;

/** Values along a logarithmic axis from `low` to `high`. */
const along = (low: number, high: number): number[] =>
  Array.from(
    { length: samples + 1 },
    (_, at) => Math.log10(low) + (at / samples) * (Math.log10(high) - Math.log10(low)),
  );

export function isoFlopSection({ architectures }: ScaleAnalysis): Markup {
  const all = architectures.flatMap(({ observations }) => observations);
  const budgets = [...new Set(all.map(({ budgetFlops }) => budgetFlops))].sort((a, b) => a - b);
  const span = { x: all.map(({ nonEmbedding }) => nonEmbedding), y: all.map(({ loss }) => loss) };
  const panel = ({ label, fit }: ScaleArchitecture) => {
    const series = fit.curves.map(
      ({ budget, points, sizes, curve, minimum }): PlaneSeries => ({
        name: powerText(budget),
        style: budgets.indexOf(budget),
        marks: points.map(({ parameters, loss, seed }) => ({
          x: parameters,
          y: loss,
          title: `${shortNumber(parameters)} parameters, ${powerText(budget)} FLOPs, seed ${seed}: ${loss.toFixed(4)}`,
        })),
        lines:
          curve === null
            ? []
            : [along(sizes[0] as number, sizes.at(-1) as number).map((x) => ({ x: 10 ** x, y: curve(x) }))],
        stars:
          minimum === null
            ? []
            : [
                {
                  x: 10 ** minimum.logParameters,
                  y: minimum.loss,
                  title: `minimum ${minimum.loss.toFixed(4)} at ${shortNumber(10 ** minimum.logParameters)}`,
                },
              ],
      }),
    );
    return html`<figure><h3>${label}</h3>${plane(series, { title: `isoFLOP curves of ${label}`, x: sizeAxis, y: lossAxis }, span)}</figure>`;
  };
  return section(
    'isoflop',
    'Loss by size at equal compute',
    html`${legend(budgets.map((budget, style) => ({ name: `${powerText(budget)} FLOPs`, style })))}
<div class="pair">${architectures.map(panel)}</div>
<p class="note">Each curve is a parabola in log10 of the size, fitted to all trainings of one budget. A star is its minimum: the loss and size that the budget allows. No star: the minimum lies outside the sizes that were trained, or the curve has none.</p>`,
  );
}

export function frontierSection({ architectures }: ScaleAnalysis): Markup {
  const series = architectures.map(({ label, fit }, style): PlaneSeries => {
    const minima = fit.curves.flatMap(({ logFlops, minimum }) => (minimum ? [{ logFlops, ...minimum }] : []));
    const ends = [min(minima, (each) => each.logFlops), max(minima, (each) => each.logFlops)] as number[];
    const { frontier } = fit;
    return {
      name: label,
      style,
      marks: minima.map((each) => ({
        x: 10 ** each.logFlops,
        y: each.loss,
        title: `${label}: ${each.loss.toFixed(4)} at ${shortNumber(10 ** each.logParameters)} parameters`,
      })),
      lines: frontier === null ? [] : [ends.map((at) => ({ x: 10 ** at, y: frontier.at(at) }))],
    };
  });
  const sizes = architectures.map(({ label, fit }, style): PlaneSeries => {
    const minima = fit.curves.flatMap(({ logFlops, minimum }) => (minimum ? [{ logFlops, ...minimum }] : []));
    const marks = minima.map((each) => ({
      x: 10 ** each.logFlops,
      y: 10 ** each.logParameters,
      title: `${label}: ${shortNumber(10 ** each.logParameters)}`,
    }));
    return { name: label, style, marks, lines: [marks] };
  });
  if (series.every(({ marks = [] }) => marks.length === 0)) {
    return section(
      'frontier',
      'Compute frontier',
      html`<p>No budget has a minimum within the sizes that were trained.</p>`,
    );
  }
  return section(
    'frontier',
    'Compute frontier',
    html`${legend(series)}
<div class="pair"><figure>${plane(series, { title: 'compute frontier', x: flopsAxis, y: lossAxis })}<figcaption>The best loss of each budget, and the straight line through them.</figcaption></figure>
<figure>${plane(sizes, { title: 'best size by compute', x: flopsAxis, y: { ...sizeAxis, label: 'best size (non-embedding parameters)' } })}<figcaption>The size at which it is reached.</figcaption></figure></div>`,
  );
}

const isLargest = (own: readonly ScaleObservation[]): ScaleObservation[] =>
  [...group(own, ({ size, seed }) => `${size} ${seed}`).values()].map((run) =>
    run.reduce((most, each) => (each.budgetFlops > most.budgetFlops ? each : most)),
  );

const described = ({ architecture, size, loss }: ScaleObservation): string =>
  `${architecture} ${size}: ${loss.toFixed(4)}`;

export function tokenSection({ architectures }: ScaleAnalysis): Markup {
  const series = architectures.map(
    ({ label, observations }, style): PlaneSeries => ({
      name: label,
      style,
      marks: observations.map((each) => ({ x: each.tokens, y: each.loss, title: described(each) })),
      lines: [...group(observations, ({ size, seed }) => `${size} ${seed}`).values()].map((run) =>
        run.map(({ tokens, loss }): Place => ({ x: tokens, y: loss })).toSorted((a, b) => a.x - b.x),
      ),
    }),
  );
  return section(
    'tokens',
    'Loss by training tokens',
    html`${legend(series)}
<figure>${plane(series, { title: 'loss by training tokens', x: tokenAxis, y: lossAxis })}<figcaption>One line per run, through its budgets: a decay branch each.</figcaption></figure>`,
  );
}

/** What a loss costs when the model is used: memory of the cache, and speed as it was trained. */
export function costSection({ architectures }: ScaleAnalysis): Markup {
  const by = (x: (each: ScaleObservation) => number) =>
    architectures.map(({ label, observations }, style): PlaneSeries => {
      const places = isLargest(observations).map((each) => ({ x: x(each), y: each.loss, title: described(each) }));
      return { name: label, style, marks: places };
    });
  const cache = by(({ cacheBytesPerToken }) => cacheBytesPerToken);
  const speed = by(({ tokensPerSecond }) => tokensPerSecond);
  return section(
    'cost',
    'Loss by memory and speed',
    html`${legend(cache)}
<div class="pair"><figure>${plane(cache, { title: 'loss by cache', x: { label: 'cache growth per token (bytes)', text: shortNumber }, y: lossAxis })}<figcaption>How much the cache of one sequence grows with each token: keys and values of attention. The state of Mamba-2 does not grow.</figcaption></figure>
<figure>${plane(speed, { title: 'loss by training speed', x: { label: 'training tokens per second', log: true, text: shortNumber }, y: lossAxis })}<figcaption>Tokens per second in training, on the device that trained; not the latency of a server.</figcaption></figure></div>
<p class="note">Each mark is one run at its largest budget. Lower and further left costs less memory; lower and further right is faster.</p>`,
  );
}

export function proxyFigures({ architectures, audits }: ScaleAnalysis): Markup {
  const styleOf = new Map(architectures.map(({ label }, style) => [label, style]));
  const drawn = audits.filter(({ pairs }) => pairs.length >= 2);
  const sizes = new Set(architectures.flatMap(({ observations }) => observations.map(({ size }) => size)));
  const panel = ({ rung, target, pairs }: ScaleAnalysis['audits'][number]) => {
    const isSize = sizes.has(rung);
    const series = pairs.map(
      ({ name, rung: low, target: high }): PlaneSeries => ({
        name,
        style: styleOf.get(name) ?? architectures.length,
        marks: [{ x: isSize ? -low : low, y: -high, title: `${name}: ${low.toFixed(4)}, ${(-high).toFixed(4)}` }],
      }),
    );
    return html`<figure>${plane(series, { title: `${rung} against ${target}`, x: { label: isSize ? `loss at ${rung}` : `score on ${rung}` }, y: { label: `loss at ${target}` } })}</figure>`;
  };
  if (drawn.length === 0) return html``;
  return html`${legend(architectures.map(({ label }, style) => ({ name: label, style })))}<div class="pair">${drawn.map(panel)}</div>`;
}
