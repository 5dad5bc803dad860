import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Span, Text, Whisker } from '../../../src/views/page.ts';
import { Meter } from '../parts/frame.tsx';
import { runsOfText, StackStrip } from '../parts/strip.tsx';
import { Swatch } from '../parts/swatch.tsx';

/** Words of a finished page, and the small drawings that stand among them. */
export function TextView({ text }: { text: Text }) {
  const spans: readonly Span[] = Array.isArray(text) ? text : [text as Span];
  return (
    <>
      {spans.map((span, at) => (
        <SpanView key={at} span={span} />
      ))}
    </>
  );
}

function SpanView({ span }: { span: Span }) {
  if (typeof span === 'string') return <>{span}</>;
  if ('as' in span) return <Styled span={span} />;
  if ('stack' in span) return <Stack text={span.stack} runs={span.runs ?? false} />;
  if ('whisker' in span) return <WhiskerView whisker={span.whisker} />;
  if ('meter' in span) return <Meter share={span.meter} label={span.label} />;
  if ('funnel' in span) return <Funnel counts={span.funnel} of={span.of} label={span.label} />;
  if ('line' in span) return <Swatch index={span.line} />;
  if ('mark' in span) return <span class={`dot op-${span.mark}`} />;
  if ('node' in span) return <Named kind="nodes" name={span.node} text={span.text ?? span.node} />;
  if ('agent' in span) return <Named kind="agents" name={span.agent} text={span.agent} />;
  return <a href={`#${span.to}`}>{span.text}</a>;
}

/** Where the pages of nodes and agents are; null on a finished page, which has none. */
export const PlacesContext = createContext<((kind: 'nodes' | 'agents', name: string) => string) | null>(null);

function Named({ kind, name, text }: { kind: 'nodes' | 'agents'; name: string; text: string }) {
  const placeOf = useContext(PlacesContext);
  return placeOf ? <a href={placeOf(kind, name)}>{text}</a> : text;
}

function Styled({ span: { as, text } }: { span: Extract<Span, { as: unknown }> }) {
  if (as === 'code') return <code>{text}</code>;
  if (as === 'small') return <small>{text}</small>;
  if (as === 'strong') return <strong>{text}</strong>;
  return as === 'below' ? <small class="under">{text}</small> : <span class={as}>{text}</span>;
}

/** An architecture as cells, over its runs as text that may break between them only. */
function Stack({ text, runs }: { text: string; runs: boolean }) {
  return (
    <>
      <StackStrip text={text} />
      {runs && (
        <code class="runs">
          {runsOfText(text).map((run, at) => (
            <>
              {at > 0 && (
                <>
                  +<wbr />
                </>
              )}
              {run}
            </>
          ))}
        </code>
      )}
    </>
  );
}

function WhiskerView({ whisker: { mean, reach, seeds, axis } }: { whisker: Whisker }) {
  const [low, high] = axis;
  const x = (value: number) => `${(2 + 96 * Math.min(1, Math.max(0, (value - low) / (high - low || 1)))).toFixed(2)}%`;
  return (
    <svg class="whisker" aria-hidden="true">
      <line class="rule" x1="0" x2="100%" y1={9} y2={9} />
      {seeds.map((seed, at) => (
        <line key={at} class="seed" x1={x(seed)} x2={x(seed)} y1={5} y2={13} />
      ))}
      {reach !== null && (
        <>
          <line class="bar" x1={x(mean - reach)} x2={x(mean + reach)} y1={9} y2={9} />
          <line class="bar" x1={x(mean - reach)} x2={x(mean - reach)} y1={6} y2={12} />
          <line class="bar" x1={x(mean + reach)} x2={x(mean + reach)} y1={6} y2={12} />
        </>
      )}
      <circle class="mean" cx={x(mean)} cy={9} r={3.5} />
    </svg>
  );
}

function Funnel({ counts, of, label }: { counts: readonly number[]; of: number; label: string }) {
  return (
    <svg class="funnel" role="img" aria-label={label}>
      <title>{label}</title>
      {counts.map((count, at) => (
        <rect
          key={at}
          class={at === counts.length - 1 ? 'good' : undefined}
          fill-opacity={0.35 + 0.2 * at}
          y={at * 5.6}
          width={`${((100 * count) / Math.max(1, of)).toFixed(2)}%`}
          height={5}
        />
      ))}
    </svg>
  );
}
