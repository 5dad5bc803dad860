import { html, type Markup } from '../markup.ts';
import { seriesStyle } from '../style.ts';
import { framed, px, scale, spread } from './scale.ts';

/** A curve over evaluations with its band; `style` keeps an arm's colour the same in every chart of a page. */
export interface BandedSeries {
  readonly name: string;
  readonly style: number;
  readonly middle: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

const frame = { width: 920, height: 400, left: 58, right: 210, top: 34, bottom: 42 } as const;
/** Bands of more curves than this would hide each other. */
const banded = 12;

/**
 * Curves over 1, 2, ... evaluations with pointwise bands, each named at its end.
 *
 * @param words what the chart is and what its vertical axis says.
 */
export function bandedCurves(series: readonly BandedSeries[], words: { title: string; y: string }): Markup {
  const longest = Math.max(1, ...series.map(({ middle }) => middle.length));
  const x = scale([1, longest], [frame.left, frame.width - frame.right], 8, true);
  const all = series.flatMap(({ middle, low, high }) => [...middle, ...low, ...high]);
  const y = scale(all, [frame.height - frame.bottom, frame.top], 6);
  const points = (values: readonly number[]) => values.map((value, index) => `${px(x(index + 1))} ${px(y(value))}`);
  const line = (values: readonly number[]) => `M${points(values).join('L')}`;
  const band = ({ low, high }: BandedSeries) => `${line(high)}L${points(low).toReversed().join('L')}Z`;
  const ends = series.map(({ middle }) => y(middle.at(-1) as number));
  const places = spread(ends, 15, frame.top - 4, frame.height - frame.bottom + 4);
  const labelLeft = frame.width - frame.right + 22;
  const short = (text: string) => (text.length > 22 ? `${text.slice(0, 13)}…${text.slice(-8)}` : text);
  return framed(frame, x, y, { title: words.title, x: 'evaluations', y: words.y }, [
    series.length > banded
      ? null
      : series.map((each) => html`<path class="band ${seriesStyle(each.style).className}" d="${band(each)}"/>`),
    series.map((each) => {
      const { className, dash } = seriesStyle(each.style);
      return html`<path class="line ${className}" stroke-dasharray="${dash}" d="${line(each.middle)}"/>`;
    }),
    series.map(({ name, style, middle }, index) => {
      const at = x(middle.length);
      const text = `${name} ${(middle.at(-1) as number).toFixed(4)}`;
      return html`<path class="leader" d="M${px(at + 4)} ${px(ends[index] as number)}H${px(labelLeft - 14)}L${px(labelLeft - 3)} ${px(places[index] as number)}"/>
<text class="direct ${seriesStyle(style).className}" x="${labelLeft}" y="${px(places[index] as number)}" dy="0.32em">${short(name)} ${(middle.at(-1) as number).toFixed(4)}<title>${text}</title></text>`;
    }),
  ]);
}
