import type { Reading } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { framed, px, read, scale } from './scale.ts';

/** One architecture on two rungs. */
export interface ScatterPoint {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly kind: 'proposal' | 'reference' | 'aggregate';
}

const frame = { width: 420, height: 320, left: 56, right: 16, top: 34, bottom: 42 } as const;

function mark({ name, kind }: ScatterPoint, x: number, y: number): Markup {
  const title = html`<title>${name}</title>`;
  if (kind === 'reference')
    return html`<rect class="dot reference" x="${px(x - 4)}" y="${px(y - 4)}" width="8" height="8">${title}</rect>`;
  if (kind === 'aggregate') {
    return html`<path class="dot aggregate" d="M${px(x)} ${px(y - 6)}L${px(x + 6)} ${px(y)}L${px(x)} ${px(y + 6)}L${px(x - 6)} ${px(y)}Z">${title}</path>`;
  }
  return html`<circle class="dot" cx="${px(x)}" cy="${px(y)}" r="4">${title}</circle>`;
}

/** Scores on a cheap rung against those on a dear one: circles for proposals, squares for references, a diamond for the aggregate. */
export function scatter(
  points: readonly ScatterPoint[],
  lower: string,
  upper: string,
  reading: Reading = { lowerIsBetter: false },
): Markup {
  const x = scale(
    points.map((point) => point.x),
    [frame.left, frame.width - frame.right],
    5,
  );
  const y = scale(
    points.map((point) => point.y),
    [frame.height - frame.bottom, frame.top],
    5,
  );
  return framed(
    frame,
    read(x, reading),
    read(y, reading),
    { title: `${upper} against ${lower}`, x: `score on the ${lower} rung`, y: `${upper} rung` },
    points.map((point) => mark(point, x(point.x), y(point.y))),
  );
}
