import type { ScaleDetail } from '../../../src/views/api.ts';
import { Chart, type Line } from '../parts/chart.tsx';
import { Forest } from '../parts/forest.tsx';
import { bytes, counted, duration, percent, scoreText, short, whole } from '../parts/format.ts';
import { Loaded } from '../parts/frame.tsx';
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

const estimateText = (estimate: { value: number; interval: { low: number; high: number } | null } | null): string =>
  estimate === null
    ? '–'
    : estimate.interval
      ? `${estimate.value.toPrecision(3)} [${estimate.interval.low.toPrecision(3)}, ${estimate.interval.high.toPrecision(3)}]`
      : estimate.value.toPrecision(3);

function Scale({ detail }: { detail: ScaleDetail }) {
  const architectures = detail.architectures;
  const frontierX = [...new Set(architectures.flatMap(({ frontier }) => frontier.map(({ flops }) => flops)))].sort(
    (a, b) => a - b,
  );
  return (
    <>
      <h1 class="sentence">{detail.answer}</h1>
      <p class="soft">
        {detail.id}: {detail.verdict}. {counted(detail.cost.runs, 'run')} with{' '}
        {counted(detail.cost.outcomes, 'outcome')}, {short(detail.cost.flops)} FLOPs, {duration(detail.cost.durationMs)}{' '}
        of device time.
      </p>
      {detail.further.map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
      {detail.cautions.map((sentence) => (
        <p key={sentence} class="warn">
          {sentence}
        </p>
      ))}
      {detail.comparisons.some(({ gap }) => gap) && (
        <>
          <h2>Against {detail.reference}</h2>
          <Forest
            label="gap in nats per token, above 0: lower loss than the reference"
            effects={detail.comparisons.map((each) => ({
              name: each.name,
              sub: each.multiplier
                ? `the reference needs ${estimateText(each.multiplier)} times the compute`
                : (each.refused ?? ''),
              estimate: each.gap?.value ?? null,
              low: each.gap?.interval?.low ?? null,
              high: each.gap?.interval?.high ?? null,
              verdict: each.verdict ?? each.refused ?? '',
            }))}
          />
        </>
      )}
      {frontierX.length > 1 && (
        <>
          <h2>Frontier</h2>
          <Chart
            x={frontierX}
            lines={architectures.map(({ label, frontier }, style) => {
              const at = new Map(frontier.map(({ flops, loss }) => [flops, loss]));
              return { name: label, style, values: frontierX.map((flops) => at.get(flops) ?? null), dots: true };
            })}
            logX
            labelX="training FLOPs"
            labelY="loss, nats per token"
            text={scoreText}
            textX={(value) => value.toExponential(0)}
            summary="Lowest loss by compute for each architecture; lower is better."
          />
        </>
      )}
      {architectures.map((each) => (
        <section key={each.label}>
          <h2>
            {each.label} <small>isoFLOP curves, {each.family}</small>
          </h2>
          <p>
            <ShortCandidate text={each.pattern} small={false} />
          </p>
          <IsoFlop architecture={each} />
          <dl class="facts">
            <dt>nats per decade of compute</dt>
            <dd>{estimateText(each.slope)}</dd>
            <dt>exponent of the best size</dt>
            <dd>{estimateText(each.sizeExponent)}</dd>
            <dt>exponent of the best tokens</dt>
            <dd>{estimateText(each.tokenExponent)}</dd>
            <dt>law</dt>
            <dd>
              {each.law
                ? `L(N, D) = ${each.law.E.toPrecision(3)} + ${each.law.A.toPrecision(3)} / N^${each.law.alpha.toPrecision(3)} + ${each.law.B.toPrecision(3)} / D^${each.law.beta.toPrecision(3)}`
                : (each.lawRefused ?? '–')}
            </dd>
          </dl>
        </section>
      ))}
      {detail.audits.length > 0 && (
        <>
          <h2>Does the proxy predict?</h2>
          {detail.audits.map((audit) => (
            <section key={`${audit.rung}${audit.target}`}>
              <h3>
                {audit.rung} against {audit.target}
              </h3>
              {audit.refused ? (
                <p class="note">{audit.refused}</p>
              ) : (
                <dl class="facts">
                  <dt>candidates</dt>
                  <dd>{whole(audit.n)}</dd>
                  <dt>Spearman</dt>
                  <dd>
                    {estimateText(audit.spearman)}{' '}
                    {audit.spearman?.ceiling != null && (
                      <small>noise ceiling {audit.spearman.ceiling.toFixed(2)}</small>
                    )}
                  </dd>
                  <dt>Kendall</dt>
                  <dd>
                    {estimateText(audit.kendall)}{' '}
                    {audit.kendall?.ceiling != null && <small>noise ceiling {audit.kendall.ceiling.toFixed(2)}</small>}
                  </dd>
                </dl>
              )}
              {audit.pairs.length > 0 && (
                <Table
                  rows={audit.pairs}
                  keyOf={({ name }) => name}
                  columns={[
                    { head: 'candidate', names: true, cell: ({ name }) => name },
                    { head: audit.rung, number: true, cell: ({ rung }) => scoreText(rung) },
                    { head: audit.target, number: true, cell: ({ target }) => scoreText(target) },
                  ]}
                />
              )}
            </section>
          ))}
        </>
      )}
      <h2>Runs</h2>
      <Table
        rows={detail.observations}
        keyOf={(each) => `${each.architecture}${each.size}${each.budgetFlops}${each.seed}`}
        columns={[
          { head: 'architecture', names: true, cell: ({ architecture }) => architecture },
          { head: 'size', cell: ({ size }) => size },
          { head: 'parameters', number: true, cell: ({ parameters }) => short(parameters) },
          { head: 'tokens', number: true, cell: ({ tokens }) => short(tokens) },
          { head: 'FLOPs', number: true, cell: ({ flops }) => flops.toExponential(1) },
          { head: 'seed', number: true, cell: ({ seed }) => seed },
          { head: 'loss', number: true, cell: ({ loss }) => scoreText(loss) },
          { head: 'took', number: true, cell: ({ durationMs }) => duration(durationMs) },
          { head: 'tokens/s', number: true, cell: ({ tokensPerSecond }) => short(tokensPerSecond) },
          { head: 'MFU', number: true, cell: ({ mfu }) => percent(mfu) },
          { head: 'memory', number: true, cell: ({ peakMemoryBytes }) => bytes(peakMemoryBytes) },
          { head: 'cache per token', number: true, cell: ({ cacheBytesPerToken }) => bytes(cacheBytesPerToken) },
        ]}
      />
    </>
  );
}

function IsoFlop({ architecture }: { architecture: ScaleDetail['architectures'][number] }) {
  const { curves } = architecture;
  const x = [
    ...new Set(curves.flatMap(({ points, parabola }) => [...points, ...parabola].map(({ parameters }) => parameters))),
  ].sort((a, b) => a - b);
  const lines = curves.flatMap(({ budgetFlops, points, parabola, refused }, style): Line[] => {
    const name = `${budgetFlops.toExponential(0)} FLOPs${refused ? ' (no minimum)' : ''}`;
    // Several seeds of one size: their mean.
    const sums = new Map<number, { sum: number; count: number }>();
    for (const { parameters, loss } of points) {
      if (loss === null) continue;
      const entry = sums.get(parameters) ?? { sum: 0, count: 0 };
      sums.set(parameters, { sum: entry.sum + loss, count: entry.count + 1 });
    }
    const fitted = new Map(parabola.map(({ parameters, loss }) => [parameters, loss]));
    const marks: Line = {
      name,
      style,
      loose: true,
      values: x.map((parameters) => {
        const entry = sums.get(parameters);
        return entry ? entry.sum / entry.count : null;
      }),
    };
    return parabola.length > 0
      ? [marks, { name: `${name}, fit`, style, values: x.map((each) => fitted.get(each) ?? null) }]
      : [marks];
  });
  if (x.length < 2) return <p class="note">Too few sizes for a curve.</p>;
  return (
    <Chart
      x={x}
      lines={lines}
      logX
      labelX="parameters without embedding"
      labelY="loss, nats per token"
      height={260}
      text={scoreText}
      textX={(value) => short(value)}
      summary={`Loss by size at ${curves.length} budgets for ${architecture.label}.`}
    />
  );
}
