import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { type FormatName, formats } from './format.ts';
import { island } from './island.tsx';
import { markPath, markPaths } from './marks.ts';
import { seriesDash, seriesVariable, useTheme } from './palette.ts';
import { Swatch } from './swatch.tsx';

/**
 * Lines and marks over a shared x, by uPlot: drag to zoom, double click for all of it. Charts with the same `group` share their
 * cursor. The legend below names each line, its value under the cursor, and hides it on a click; lines of one name have one
 * entry, the first one's.
 */
export interface Line {
  readonly name: string;
  /** Colour and dashes. */
  readonly style: number;
  readonly values: readonly (number | null)[];
  /** Drawn as stairs: the value holds until the next. */
  readonly steps?: boolean;
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
  readonly dots?: boolean;
  /** Marks without a line: the series' own, or stars. */
  readonly loose?: boolean | 'star';
  /** Behind the others, grey and without an entry in the legend. */
  readonly faint?: boolean;
  /** What the legend says of each value instead of its number. */
  readonly notes?: readonly (string | null)[];
}

export interface ChartProps {
  readonly x: readonly number[];
  readonly lines: readonly Line[];
  readonly labelX: string;
  readonly labelY: string;
  readonly log?: boolean;
  readonly logX?: boolean;
  readonly height?: number;
  readonly group?: string;
  readonly textX: FormatName;
  readonly text: FormatName;
  /** A reference as a level: name and value. */
  readonly levels?: readonly { readonly name: string; readonly value: number }[];
  readonly onPick?: (line: number, index: number) => void;
  readonly summary: string;
}

/** Distances of ticks on an axis that counts. */
const wholeSteps = Array.from({ length: 8 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

export const Chart = island('chart', LiveChart);

export function LiveChart(props: ChartProps) {
  const { lines, x, log = false, logX = false, height = 280, group } = props;
  const text = formats[props.text];
  const textX = formats[props.textX];
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const [at, setAt] = useState<number | null>(null);
  const theme = useTheme();
  const latest = useRef(props);
  latest.current = props;
  const bands = lines.some(({ low }) => low);
  // A chart is made again for other lines, axes or colours; new values go into the existing one, and the zoom stays.
  const axes = [props.labelX, props.labelY, props.text, props.textX].join();
  const shape = `${lines.map(({ name, style, low, loose }) => `${name}:${style}:${low ? 1 : 0}${loose ?? ''}`).join('|')};${axes};${log};${logX};${height};${theme.paper}`;

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const series: uPlot.Series[] = [{}];
    const uBands: uPlot.Band[] = [];
    for (const { name, style, steps, low, dots, loose, faint } of lines) {
      const colour = faint ? theme.faint : (theme.series[style % theme.series.length] as string);
      series.push({
        label: name,
        stroke: colour,
        width: loose ? 0 : faint ? 1 : 2,
        dash: faint ? [] : [...seriesDash(style)],
        spanGaps: true,
        points: {
          ...{ show: (dots ?? false) || Boolean(loose), size: 6, fill: colour },
          ...(loose && { paths: markPaths(loose === 'star' ? 'star' : style) }),
        },
        ...(steps && uPlot.paths.stepped && { paths: uPlot.paths.stepped({ align: 1 }) }),
      });
      if (low) {
        const edge = { stroke: 'transparent', width: 0, points: { show: false }, spanGaps: true };
        series.push(edge, edge);
        uBands.push({ series: [series.length - 1, series.length - 2], fill: `${colour}26` });
      }
    }
    // A level of stairs holds until the next: what counts is the last place at or before the pointer, not the nearest.
    const stairs = lines.some(({ steps }) => steps);
    const under = (self: uPlot): number | null => {
      const { idx, left } = self.cursor;
      if (idx === null || idx === undefined) return null;
      return stairs ? lastAt(self.data[0], self.posToVal(left ?? 0, 'x')) : idx;
    };
    const axis = {
      stroke: theme.soft,
      grid: { stroke: theme.rule, width: 1 },
      ticks: { stroke: theme.rule, width: 1 },
    };
    const made = new uPlot(
      {
        width: element.clientWidth || 600,
        height,
        legend: { show: false },
        cursor: {
          y: false,
          points: { size: 7 },
          ...(stairs && { dataIdx: (self: uPlot, _: number, nearest: number) => under(self) ?? nearest }),
          drag: { x: true, y: false },
          ...(group !== undefined && { sync: { key: group } }),
        },
        scales: { x: { time: false, ...(logX && { distr: 3 }) }, y: log ? { distr: 3 } : {} },
        axes: [
          {
            ...axis,
            label: props.labelX,
            labelSize: 18,
            size: 34,
            labelFont: '12px system-ui',
            font: '11px system-ui',
            ...(props.textX === 'whole' && { incrs: wholeSteps }),
            values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : textX(tick))),
          },
          {
            ...axis,
            size: 62,
            label: props.labelY,
            labelSize: 18,
            labelFont: '12px system-ui',
            font: '11px system-ui',
            values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : text(tick))),
          },
        ],
        series,
        bands: uBands,
        hooks: {
          setCursor: [(self) => setAt(under(self))],
          draw: [(self) => drawLevels(self, latest.current.levels ?? [], theme.soft)],
        },
      },
      dataOf(latest.current),
      element,
    );
    const pick = () => {
      const { onPick } = latest.current;
      const index = under(made);
      if (!onPick || index === null || made.select.width > 2) return;
      const top = made.cursor.top ?? 0;
      let best = -1;
      let least = 24;
      for (const [line, { values }] of latest.current.lines.entries()) {
        for (let back = index; back >= 0; back--) {
          const value = values[back];
          if (value === null || value === undefined) continue;
          const distance = Math.abs(made.valToPos(value, 'y') - top);
          if (distance < least) {
            least = distance;
            best = line;
          }
          break;
        }
      }
      if (best >= 0) onPick(best, index);
    };
    made.over.addEventListener('click', pick);
    plot.current = made;
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.round(entry?.contentRect.width ?? 0);
      if (width > 0 && width !== made.width) made.setSize({ width, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current = null;
      made.destroy();
    };
  }, [shape]);

  useEffect(() => {
    const made = plot.current;
    if (!made) return;
    const zoomed = made.scales.x && made.data[0].length > 0 && isZoomed(made);
    made.setData(dataOf(props), !zoomed);
    if (zoomed) made.redraw();
  }, [x, lines]);

  useEffect(() => {
    let index = 1;
    for (const { name, low } of lines) {
      const show = !off.has(name);
      for (let each = 0; each < (low ? 3 : 1); each++) plot.current?.setSeries(index++, { show });
    }
  }, [off, shape]);

  const toggle = (name: string) => {
    const next = new Set(off);
    if (!next.delete(name)) next.add(name);
    setOff(next);
  };
  const named = lines.filter(({ name, faint }, at) => !faint && lines.findIndex((each) => each.name === name) === at);
  return (
    <figure>
      <div class="chart" ref={holder} role="img" aria-label={props.summary} />
      <ul class="series" aria-label={bands ? 'lines with bands' : 'lines'}>
        {named.map(({ name, style, values, notes, loose }) => (
          <li key={name}>
            <button
              type="button"
              class={off.has(name) ? 'off' : ''}
              aria-pressed={!off.has(name)}
              onClick={() => toggle(name)}
            >
              {loose ? <MarkKey style={style} /> : <Swatch index={style} />}
              {name} <b>{valueText(values, notes, at, text)}</b>
            </button>
          </li>
        ))}
        {(props.levels ?? []).map(({ name, value }) => (
          <li key={name} class="soft">
            ┄ {name} {text(value)}
          </li>
        ))}
      </ul>
      {at !== null && x[at] !== undefined && (
        <span class="hidden" aria-live="off">
          {textX(x[at] as number)}
        </span>
      )}
    </figure>
  );
}

const MarkKey = ({ style }: { style: number }) => (
  <svg class="swatch" width="14" height="12" aria-hidden="true">
    <path d={markPath(style, 6, 6)} fill={`var(${seriesVariable(style)})`} />
  </svg>
);

function valueText(
  values: Line['values'],
  notes: Line['notes'],
  at: number | null,
  text: (value: number) => string,
): string {
  // A note belongs to its own mark; a number holds until the next.
  if (notes) return (at === null ? null : notes[at]) ?? '';
  for (let index = Math.min(at ?? values.length - 1, values.length - 1); index >= 0; index--) {
    const value = values[index];
    if (value !== null && value !== undefined) return text(value);
  }
  return '';
}

/** Index of the last value at or below a limit, at least the first. */
function lastAt(xs: ArrayLike<number>, limit: number): number {
  let [low, high] = [0, xs.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((xs[middle] as number) <= limit) low = middle;
    else high = middle - 1;
  }
  return low;
}

function isZoomed(plot: uPlot): boolean {
  const xs = plot.data[0];
  const { min, max } = plot.scales.x as uPlot.Scale;
  return (
    min !== null &&
    max !== null &&
    min !== undefined &&
    max !== undefined &&
    (min > (xs[0] as number) || max < (xs.at(-1) as number))
  );
}

function dataOf({ x, lines }: ChartProps): uPlot.AlignedData {
  const columns: (number | null)[][] = [];
  for (const { values, low, high } of lines) {
    columns.push([...values]);
    if (low && high) columns.push([...low], [...high]);
  }
  return [[...x], ...columns] as unknown as uPlot.AlignedData;
}

function drawLevels(plot: uPlot, levels: readonly { readonly value: number }[], colour: string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.setLineDash([2, 4]);
  for (const { value } of levels) {
    const y = plot.valToPos(value, 'y', true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}
