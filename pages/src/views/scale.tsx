import type { ScaleDetail, ScaleFigures } from '../../../src/views/api.ts';
import { Chart, type Line } from '../parts/chart.tsx';
import { Forest } from '../parts/forest.tsx';
import {
  bytes,
  counted,
  duration,
  type FormatName,
  percent,
  power,
  scoreText,
  short,
  signed,
  signedInterval,
  whole,
} from '../parts/format.ts';
import { Loaded } from '../parts/frame.tsx';
import { columnsOf, type Mark } from '../parts/marks.ts';
import { ShortCandidate } from '../parts/strip.tsx';
import { Table } from '../parts/table.tsx';
import { useData } from '../state/data.ts';
import { ofSearch, useScope } from '../state/scope.ts';

/** Whether a pattern keeps its advantage at scale: the answer, its frontier, isoFLOP curves, and the audit of the proxies. */
export function ScaleView({ scale }: { scale: string }) {
  const { api } = useScope();
  const data = useData<ScaleDetail>(`${api}scales/${encodeURIComponent(scale)}`, ofSearch(scale));
  return <Loaded data={data}>{(detail) => <Scale detail={detail} />}</Loaded>;
}

type Estimate = ScaleFigures['comparisons'][number]['gap'];
type Architecture = ScaleFigures['architectures'][number];
type Observation = ScaleFigures['observations'][number];

/** A figure with its interval below it. */
function Figure({
  of,
  digits,
  sign = false,
  times = 1,
}: {
  of: Estimate;
  digits: number;
  sign?: boolean;
  times?: number;
}) {
  if (of === null) return <>–</>;
  const text = (value: number) =>
    sign ? signed(times * value, digits) : (times * value).toFixed(digits).replace('-', '−');
  return (
    <>
      {text(of.value)}
      {of.interval && (
        <small class="below">
          {text(of.interval.low)} … {text(of.interval.high)}
        </small>
      )}
    </>
  );
}

export function Scale({ detail }: { detail: ScaleFigures }) {
  const { architectures, observations, cost } = detail;
  const distinct = (of: (each: Observation) => unknown) => new Set(observations.map(of)).size;
  return (
    <>
      <header>
        <h1>Does it hold?</h1>
        <p class="soft">
          {detail.id}: {counted(architectures.length, 'architecture')},{' '}
          {counted(
            distinct(({ size }) => size),
            'size',
          )}
          ,{' '}
          {counted(
            distinct(({ budgetFlops }) => budgetFlops),
            'budget',
          )}
          ; reference {detail.reference}.
        </p>
        <div class="claims">
          <p>{detail.answer}</p>
          {detail.further.map((sentence) => (
            <p key={sentence}>{sentence}</p>
          ))}
        </div>
        {detail.cautions.map((sentence) => (
          <p key={sentence} class="warn">
            {sentence}
          </p>
        ))}
        <dl class="figures">
          <div>
            <dt>runs</dt>
            <dd>
              {whole(cost.runs)}
              <small>{counted(cost.outcomes, 'outcome')}, one per budget of a run</small>
            </dd>
          </div>
          <div>
            <dt>training FLOPs</dt>
            <dd>
              {power(cost.flops)}
              <small>longest branch of each run</small>
            </dd>
          </div>
          <div>
            <dt>training time</dt>
            <dd>{duration(cost.durationMs)}</dd>
          </div>
        </dl>
      </header>
      <EqualCompute detail={detail} />
      <section id="isoflop">
        <h2>Loss by size at equal compute</h2>
        <div class="pair">
          {architectures.map((each) => (
            <div key={each.label}>
              <h3>
                {each.label} <small>{each.family}</small>
              </h3>
              <p>
                <ShortCandidate text={each.pattern} small={false} />
              </p>
              <IsoFlop architecture={each} />
            </div>
          ))}
        </div>
        <p class="note">
          Each curve is a parabola in log10 of the size, fitted to all trainings of one budget. A star is its minimum:
          the loss and size that the budget allows. No star: the minimum lies outside the sizes that were trained, or
          the curve has none.
        </p>
      </section>
      <Frontier architectures={architectures} />
      <Exponents architectures={architectures} />
      <section id="tokens">
        <h2>Loss by training tokens</h2>
        <Marks
          series={architectures.flatMap(({ label }, style) =>
            runsOf(observations.filter(({ architecture }) => architecture === label)).map((run) => ({
              ...{ name: label, style, joined: true },
              marks: run.flatMap((each) => markOf(each, ({ tokens }) => tokens)),
            })),
          )}
          logX
          labelX="training tokens"
          textX="short"
          summary="Loss by training tokens, one line per run, through its budgets."
        />
        <p class="note">One line per run, through its budgets: a decay branch each.</p>
      </section>
      <Costs detail={detail} />
      <ZeroShot zeroShot={detail.zeroShot} />
      <Proxies detail={detail} />
      <Runs detail={detail} />
    </>
  );
}

const verdicts = { better: 'lower loss', worse: 'higher loss', even: 'not distinguishable' } as const;

function EqualCompute({ detail }: { detail: ScaleFigures }) {
  const { comparisons, resampling } = detail;
  if (comparisons.length === 0) {
    return (
      <section id="equal">
        <h2>At equal compute</h2>
        <p>There is nothing to compare with.</p>
      </section>
    );
  }
  const budgets = [...new Set(comparisons.flatMap(({ gaps }) => gaps.map(({ budgetFlops }) => budgetFlops)))].sort(
    (a, b) => a - b,
  );
  return (
    <section id="equal">
      <h2>At equal compute, against {detail.reference}</h2>
      {comparisons.some(({ gap }) => gap) && (
        <Forest
          label="gap in nats per token, above 0: lower loss than the reference"
          effects={comparisons.map((each) => ({
            name: each.name,
            sub: each.multiplier
              ? `the reference needs ${each.multiplier.value.toFixed(2)} times the compute`
              : (each.refused ?? ''),
            estimate: each.gap?.value ?? null,
            low: each.gap?.interval?.low ?? null,
            high: each.gap?.interval?.high ?? null,
            verdict: each.verdict ? verdicts[each.verdict] : (each.refused ?? 'no interval'),
          }))}
        />
      )}
      <Table
        rows={comparisons}
        keyOf={({ name, reference }) => `${name} ${reference}`}
        columns={[
          {
            head: 'architecture',
            names: true,
            cell: ({ name, reference }) => (
              <>
                {name} <small>against {reference}</small>
              </>
            ),
          },
          {
            head: 'verdict',
            class: ({ verdict }) => (verdict === 'better' ? 'good' : verdict === 'worse' ? 'bad' : 'text'),
            cell: ({ verdict, refused }) => (verdict ? verdicts[verdict] : (refused ?? 'no interval')),
          },
          { head: 'loss gap (nats)', number: true, cell: ({ gap }) => <Figure of={gap} digits={4} sign /> },
          { head: 'compute multiplier', number: true, cell: ({ multiplier }) => <Figure of={multiplier} digits={2} /> },
          {
            head: 'slope ratio − 1 (%)',
            number: true,
            cell: ({ slopeRatio }) => <Figure of={slopeRatio} digits={1} sign times={100} />,
          },
          { head: 'gap by the law', number: true, cell: ({ lawGap }) => signed(lawGap) },
          {
            head: 'equal size and budget',
            number: true,
            cell: ({ matched }) =>
              matched === null ? (
                '–'
              ) : (
                <>
                  {signed(matched.value)}
                  <small class="below">
                    {signedInterval(matched.interval)}, {counted(matched.runs, 'run')}
                  </small>
                </>
              ),
          },
        ]}
      />
      <p class="note">
        Loss gap: reference minus architecture at the minima of their parabolas, mean over the budgets at which both
        have one; above zero is better. Compute multiplier: 10^(gap / |slope of the reference|), how many times the
        compute the reference needs for the same loss. Slope ratio: “scales x % faster” as papers read it; a constant
        gain leaves it at 0 and a better small model makes it negative, so no verdict rests on it. Gap by the law: the
        same from L = E + A / N^α + B / D^β.{' '}
        {resampling === null
          ? 'Nothing has an interval, because no noise can be estimated.'
          : `Intervals are 95 % bootstrap intervals over ${resampling.of === 'seeds' ? 'seeds, the same for all architectures' : 'residuals of whole runs, because few seeds were trained'}, ${whole(resampling.resamples)} resamples, ${whole(resampling.degrees)} degrees of freedom.`}
      </p>
      {budgets.length > 0 && (
        <Table
          caption="Loss gap (nats) by budget in FLOPs."
          rows={comparisons}
          keyOf={({ name, reference }) => `${name} ${reference}`}
          columns={[
            { head: 'architecture', names: true, cell: ({ name }) => name },
            ...budgets.map((budget) => ({
              head: power(budget),
              number: true,
              cell: ({ gaps }: ScaleFigures['comparisons'][number]) =>
                signed(gaps.find(({ budgetFlops }) => budgetFlops === budget)?.gap),
            })),
          ]}
        />
      )}
    </section>
  );
}

interface MarkSeries {
  readonly name: string;
  readonly style: number;
  readonly marks: readonly Mark[];
  /** By a line. */
  readonly joined?: boolean;
  readonly star?: boolean;
}

/** Marks, lines and stars over two axes. */
function Marks({
  series,
  labelX,
  labelY = 'loss, nats per token',
  text = 'score',
  textX,
  logX = false,
  log = false,
  summary,
}: {
  series: readonly MarkSeries[];
  labelX: string;
  labelY?: string;
  text?: FormatName;
  textX: FormatName;
  logX?: boolean;
  log?: boolean;
  summary: string;
}) {
  const present = series.filter(({ marks }) => marks.length > 0);
  const { x, values, notes } = columnsOf(present.map(({ marks }) => marks));
  if (x.length === 0) return <p class="note">Nothing to draw.</p>;
  const lines = present.map(({ name, style, joined, star }, at): Line => {
    const own = { name, style, values: values[at] as (number | null)[] };
    const said = notes[at]?.some((note) => note !== null) ? { notes: notes[at] as (string | null)[] } : {};
    return joined ? { ...own, ...said, dots: Boolean(said.notes) } : { ...own, ...said, loose: star ? 'star' : true };
  });
  return <Chart {...{ x, lines, logX, log, labelX, labelY, text, textX, summary }} height={280} />;
}

function IsoFlop({ architecture: { label, curves } }: { architecture: Architecture }) {
  const series = curves.flatMap(({ budgetFlops, points, parabola, minimum }, style): MarkSeries[] => {
    const name = `${power(budgetFlops)} FLOPs`;
    const marks = points.flatMap(({ parameters, loss, seed }) =>
      loss === null
        ? []
        : [{ x: parameters, y: loss, note: `${scoreText(loss)} at ${short(parameters)}, seed ${seed}` }],
    );
    const fitted = parabola.flatMap(({ parameters, loss }) => (loss === null ? [] : [{ x: parameters, y: loss }]));
    const star = minimum && { x: minimum.parameters, y: minimum.loss };
    return [
      { name, style, marks },
      { name, style, marks: fitted, joined: true },
      { name, style, marks: star ? [star] : [], star: true },
    ];
  });
  return (
    <Marks
      series={series}
      logX
      labelX="parameters without embedding"
      textX="short"
      summary={`Loss by size at ${curves.length} budgets for ${label}.`}
    />
  );
}

function Frontier({ architectures }: { architectures: readonly Architecture[] }) {
  const minima = ({ curves }: Architecture) =>
    curves.flatMap(({ flops, minimum }) => (minimum ? [{ flops, ...minimum }] : []));
  if (architectures.every((each) => minima(each).length === 0)) {
    return (
      <section id="frontier">
        <h2>Compute frontier</h2>
        <p>No budget has a minimum within the sizes that were trained.</p>
      </section>
    );
  }
  return (
    <section id="frontier">
      <h2>Compute frontier</h2>
      <div class="pair">
        <div>
          <Marks
            series={architectures.flatMap((each, style): MarkSeries[] => {
              const found = minima(each);
              const reach = found.map(({ flops }) => flops);
              const ends = each.frontier.filter(
                ({ flops }) => flops >= Math.min(...reach) / 1.001 && flops <= Math.max(...reach) * 1.001,
              );
              const marks = found.map(({ flops, loss, parameters }) => ({
                ...{ x: flops, y: loss, note: `${scoreText(loss)} at ${short(parameters)} parameters` },
              }));
              const line = ends.map(({ flops, loss }) => ({ x: flops, y: loss }));
              return [
                { name: each.label, style, marks },
                { name: each.label, style, marks: line, joined: true },
              ];
            })}
            logX
            labelX="training FLOPs"
            textX="power"
            summary="Lowest loss by compute for each architecture; lower is better."
          />
          <p class="note">The best loss of each budget, and the straight line through them.</p>
        </div>
        <div>
          <Marks
            series={architectures.map((each, style) => ({
              ...{ name: each.label, style, joined: true },
              marks: minima(each).map(({ flops, parameters }) => ({
                x: flops,
                y: parameters,
                note: short(parameters),
              })),
            }))}
            logX
            log
            labelX="training FLOPs"
            labelY="best size, parameters"
            text="short"
            textX="power"
            summary="The size of the lowest loss by compute for each architecture."
          />
          <p class="note">The size at which it is reached.</p>
        </div>
      </div>
    </section>
  );
}

function Exponents({ architectures }: { architectures: readonly Architecture[] }) {
  return (
    <section id="exponents">
      <h2>How loss, size and tokens follow compute</h2>
      <Table
        rows={architectures}
        keyOf={({ label }) => label}
        columns={[
          { head: 'architecture', names: true, cell: ({ label }) => label },
          { head: 'loss per decade (nats)', number: true, cell: ({ slope }) => <Figure of={slope} digits={4} /> },
          { head: 'N exponent', number: true, cell: ({ sizeExponent }) => <Figure of={sizeExponent} digits={2} /> },
          { head: 'D exponent', number: true, cell: ({ tokenExponent }) => <Figure of={tokenExponent} digits={2} /> },
          {
            head: 'N exponent, all parameters',
            number: true,
            cell: ({ totalSizeExponent }) => <Figure of={totalSizeExponent} digits={2} />,
          },
          {
            head: 'law',
            class: 'text',
            cell: ({ law, lawRefused }) =>
              law === null ? (
                lawRefused
              ) : (
                <>
                  α {law.alpha.toFixed(2)}, β {law.beta.toFixed(2)}, E {law.E.toFixed(2)}
                  <small class="below">
                    N* ~ C^{law.sizeExponent.toFixed(2)}, {counted(law.points, 'training')}, residual{' '}
                    {(100 * law.residual).toFixed(2)} %
                  </small>
                </>
              ),
          },
        ]}
      />
      <p class="note">
        Slopes of straight lines through the minima on log10 of the training FLOPs. N counts non-embedding parameters,
        as published; the exponent with the embedding is next to it, because the convention moves it. D is read between
        the measured sizes.
      </p>
    </section>
  );
}

/** The outcomes of each run, fewest tokens first. */
function runsOf(observations: readonly Observation[]): Observation[][] {
  const runs = new Map<string, Observation[]>();
  for (const each of observations) {
    const key = `${each.architecture} ${each.size} ${each.seed}`;
    runs.set(key, [...(runs.get(key) ?? []), each]);
  }
  return [...runs.values()].map((run) => run.toSorted((a, b) => a.tokens - b.tokens));
}

function markOf(each: Observation, x: (each: Observation) => number | null): Mark[] {
  const at = x(each);
  return each.loss === null || at === null
    ? []
    : [{ x: at, y: each.loss, note: `${scoreText(each.loss)}, ${each.size}` }];
}

/** What a loss costs when the model is used: memory of the cache, and speed as it was trained. */
function Costs({ detail: { architectures, observations } }: { detail: ScaleFigures }) {
  const by = (x: (each: Observation) => number | null): MarkSeries[] =>
    architectures.map(({ label }, style) => ({
      ...{ name: label, style },
      marks: runsOf(observations.filter(({ architecture }) => architecture === label)).flatMap((run) => {
        const largest = run.reduce((most, each) => (each.budgetFlops > most.budgetFlops ? each : most));
        return markOf(largest, x);
      }),
    }));
  return (
    <section id="cost">
      <h2>Loss by memory and speed</h2>
      <div class="pair">
        <div>
          <Marks
            series={by(({ cacheBytesPerToken }) => cacheBytesPerToken)}
            labelX="cache growth per token, bytes"
            textX="short"
            summary="Loss by growth of the cache with each token."
          />
          <p class="note">
            How much the cache of one sequence grows with each token: keys and values of attention. The state of Mamba-2
            does not grow.
          </p>
        </div>
        <div>
          <Marks
            series={by(({ tokensPerSecond }) => tokensPerSecond)}
            labelX="tokens per second in training"
            textX="short"
            summary="Loss by tokens per second in training."
          />
          <p class="note">Tokens per second in training, on the device that trained; not the latency of a server.</p>
        </div>
      </div>
      <p class="note">
        Each mark is one run at its largest budget. Lower and further left costs less memory; lower and further right is
        faster.
      </p>
    </section>
  );
}

function ZeroShot({ zeroShot }: { zeroShot: ScaleFigures['zeroShot'] }) {
  if (zeroShot === null) return null;
  const { size, reference, scorers, tasks, rows } = zeroShot;
  return (
    <section id="zero-shot">
      <h2>Zero-shot accuracy at {size}</h2>
      <Table
        rows={rows}
        keyOf={({ architecture, family }) => `${architecture} ${family}`}
        columns={[
          {
            head: 'architecture',
            names: true,
            cell: ({ architecture, family }) => (
              <>
                {architecture}
                <small class="below">{family}</small>
              </>
            ),
          },
          { head: 'seeds', number: true, cell: ({ seeds }) => whole(seeds) },
          ...tasks.map(({ task, items }, place) => ({
            head: `${task}, ${counted(items, 'item')} (%)`,
            number: true,
            cell: ({ scores }: (typeof rows)[number]) => {
              const score = scores[place];
              if (!score) return '–';
              return (
                <>
                  {(100 * score.acc).toFixed(1)}
                  {score.accNorm !== null && <small class="below">{(100 * score.accNorm).toFixed(1)} normalised</small>}
                </>
              );
            },
          })),
          {
            head: `against ${reference} (points)`,
            number: true,
            cell: ({ against }) => <Figure of={against} digits={1} sign times={100} />,
          },
        ]}
      />
      <p class="note">
        By {scorers.join(' and ')}. Normalised: the log-probability per character of an answer decides. The difference
        is of the mean accuracy over the tasks, not normalised, with a 95 % bootstrap interval, paired over items and
        seeds.
      </p>
    </section>
  );
}

function Proxies({ detail: { audits, architectures } }: { detail: ScaleFigures }) {
  if (audits.length === 0) {
    return (
      <section id="proxies">
        <h2>What the small rungs are worth</h2>
        <p>One size only: there is nothing to rank by.</p>
      </section>
    );
  }
  const share = (value: number | null | undefined) => value?.toFixed(2).replace('-', '−') ?? '–';
  const labels = architectures.map(({ label }) => label);
  const styleOf = (name: string) => (labels.includes(name) ? labels.indexOf(name) : labels.length);
  return (
    <section id="proxies">
      <h2>What the small rungs are worth</h2>
      <Table
        rows={audits}
        keyOf={({ rung }) => rung}
        columns={[
          { head: 'rung', names: true, cell: ({ rung }) => rung },
          { head: 'architectures', number: true, cell: ({ n }) => whole(n) },
          { head: 'Spearman', number: true, cell: ({ spearman }) => <Figure of={spearman} digits={2} /> },
          { head: 'at most', number: true, cell: ({ spearman }) => share(spearman?.ceiling) },
          { head: 'Kendall', number: true, cell: ({ kendall }) => <Figure of={kendall} digits={2} /> },
          { head: 'at most', number: true, cell: ({ kendall }) => share(kendall?.ceiling) },
          {
            head: 'reliability',
            number: true,
            cell: ({ reliability }) => (
              <>
                {share(reliability.rung)}
                <small class="below">target {share(reliability.target)}</small>
              </>
            ),
          },
          { head: 'remark', class: 'text', cell: ({ refused }) => refused ?? '' },
        ]}
      />
      <p class="note">
        Rank correlation of each rung with {audits[0]?.target}, the largest size, at the largest budget that all
        architectures have there. At most: the correlation that the noise of both rungs allows a perfect proxy; unknown
        with one seed per architecture. Reliability: the share of the variance between architectures that is not noise.
      </p>
      <div class="pair">
        {audits
          .filter(({ pairs }) => pairs.length >= 2)
          .map(({ rung, target, pairs, isSize }) => (
            <Marks
              key={rung}
              series={pairs.map(({ name, rung: low, target: high }) => ({
                ...{ name, style: styleOf(name) },
                marks: [{ x: isSize ? -low : low, y: -high, note: scoreText(-high) }],
              }))}
              labelX={isSize ? `loss at ${rung}` : `score on ${rung}`}
              labelY={`loss at ${target}`}
              textX="score"
              summary={`${rung} against ${target}.`}
            />
          ))}
      </div>
    </section>
  );
}

function Runs({ detail: { architectures, observations } }: { detail: ScaleFigures }) {
  return (
    <section id="runs">
      <h2>Architectures and outcomes</h2>
      <Table
        rows={architectures}
        keyOf={({ label }) => label}
        columns={[
          { head: 'architecture', names: true, cell: ({ label }) => label },
          { head: 'pattern', class: 'text', cell: ({ pattern }) => <code>{pattern}</code> },
          { head: 'family', cell: ({ family }) => family },
        ]}
      />
      <Table
        rows={observations}
        keyOf={({ evaluation, budgetFlops }) => `${evaluation} ${budgetFlops}`}
        columns={[
          { head: 'architecture', names: true, cell: ({ architecture }) => architecture },
          { head: 'size', cell: ({ size }) => size },
          {
            head: 'parameters',
            number: true,
            cell: ({ parameters, embedding }) => (
              <>
                {short(parameters)}
                <small class="below">+ {short(embedding)} embedding</small>
              </>
            ),
          },
          { head: 'budget', number: true, cell: ({ budgetFlops }) => power(budgetFlops) },
          { head: 'FLOPs', number: true, cell: ({ flops }) => power(flops) },
          { head: 'tokens', number: true, cell: ({ tokens }) => short(tokens) },
          { head: 'seed', number: true, cell: ({ seed }) => seed },
          { head: 'loss', number: true, cell: ({ loss }) => scoreText(loss) },
          { head: 'time', number: true, cell: ({ durationMs }) => duration(durationMs) },
          { head: 'tokens/s', number: true, cell: ({ tokensPerSecond }) => short(tokensPerSecond) },
          { head: 'MFU', number: true, cell: ({ mfu }) => percent(mfu) },
          { head: 'memory', number: true, cell: ({ peakMemoryBytes }) => bytes(peakMemoryBytes) },
          { head: 'cache per token', number: true, cell: ({ cacheBytesPerToken }) => bytes(cacheBytesPerToken) },
          { head: 'evaluation', cell: ({ evaluation }) => <code>{evaluation.slice(0, 12)}</code> },
        ]}
      />
    </section>
  );
}
