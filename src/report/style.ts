import { type BuiltIn, isBuiltIn, type Primitive } from '../domain/architecture.ts';
import type { OwnPrimitive } from '../domain/primitive.ts';
import { printable } from '../platform/index.ts';
import { html, type Markup } from './markup.ts';

/** Colours are CSS class names here; the style sheet defines each for light and dark mode. */

/** Light, dark and medium: M, mA and Mb are distinguishable without colour, and each cell shows its letters. */
const builtInClass: Readonly<Record<BuiltIn, string>> = { M: 'p-m', mA: 'p-a', Mb: 'p-b' };

/** CSS class of a primitive's cells; `ownColours` defines those of the user's own. */
export const primitiveClass = (primitive: Primitive): string =>
  isBuiltIn(primitive) ? builtInClass[primitive] : `p-own-${primitive}`;

/** Relative luminance of `#rrggbb` (WCAG 2). */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The cells of a user's own primitives in their colours, with letters in whichever of black and white contrasts more. */
export function ownColours(own: readonly OwnPrimitive[]): Markup {
  return html`<style>${own.map(({ token, colour }) => {
    const letters = luminance(colour) > 0.179 ? '#000000' : '#ffffff';
    return html`.p-own-${token} { fill: ${colour}; } svg .on-p-own-${token} { fill: ${letters}; }
`;
  })}</style>`;
}

export const seriesColours = 8;
const dashes = ['', '7 3', '2 3', '10 3 2 3', '5 2 1 2 1 2', '1 2'] as const;

/** Style of a line: 8 colours x 6 dash patterns repeat only after 24 lines. */
export interface SeriesStyle {
  readonly className: string;
  /** SVG `stroke-dasharray`; empty for a solid line. */
  readonly dash: string;
}

export function seriesStyle(index: number): SeriesStyle {
  return { className: `s-${index % seriesColours}`, dash: dashes[index % dashes.length] as string };
}

/** Style of all pages: system fonts, tabular figures, colours by `prefers-color-scheme`. */
export const styleSheet = html`<style>
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1c1f24; --soft: #5a6270; --rule: #d9dde3; --wash: #f4f6f8; --accent: #1f4fa3;
  --good: #17663a; --bad: #a02c2c;
  --m: #f3cf7a; --on-m: #221a05; --a: #24408e; --on-a: #ffffff; --b: #3f9f93; --on-b: #04211d;
  --s0: #1f4fa3; --s1: #b3470b; --s2: #17735a; --s3: #93306f; --s4: #6b5a00; --s5: #5b3fa6; --s6: #0b6b8a; --s7: #8a3434;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e6e9ee; --soft: #a3acb9; --rule: #363c45; --wash: #1d2127; --accent: #8fb4ff;
    --good: #7fd6a0; --bad: #ff9c93;
    --m: #f0cd7c; --a: #3b5cc0; --b: #48ab9f;
    --s0: #8fb4ff; --s1: #ffa56b; --s2: #6fd3b4; --s3: #f29ccf; --s4: #dcc95e; --s5: #bda6ff; --s6: #6ccbea; --s7: #f29a95;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-variant-numeric: tabular-nums lining-nums; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 48px 0 12px; padding-top: 12px; border-top: 2px solid var(--ink); }
h3 { font-size: 15px; margin: 24px 0 8px; overflow-wrap: anywhere; }
p { margin: 8px 0; max-width: 76ch; overflow-wrap: anywhere; }
small { color: var(--soft); font-size: 12px; font-weight: 400; }
code, pre { font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
pre { background: var(--wash); padding: 12px 14px; white-space: pre-wrap; margin: 0; }
.kicker { color: var(--soft); margin: 0; }
.facts, .note, figcaption { color: var(--soft); }
.note { font-size: 13px; }
.lead { margin-bottom: 12px; }
.verdict { border-left: 4px solid var(--accent); padding: 2px 0 2px 16px; margin: 20px 0; }
.verdict p { font-size: 18px; line-height: 1.45; max-width: 70ch; }
.verdict p + p { font-size: 15px; }
.open { color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px 20px; margin: 0; }
.figures dt { color: var(--soft); font-size: 13px; }
.figures dd { margin: 0; font-size: 20px; font-weight: 600; line-height: 1.3; }
.figures small { display: block; }
.scroll { overflow-x: auto; margin: 8px 0 14px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th, td { padding: 5px 14px 5px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-weight: 500; vertical-align: bottom; border-bottom-color: var(--soft); white-space: nowrap; }
td { overflow-wrap: break-word; }
.number { text-align: right; white-space: nowrap; }
.name { white-space: nowrap; }
td.wide { min-width: 210px; }
.group th { font-weight: 600; padding-top: 14px; }
.ends { display: flex; justify-content: space-between; width: 140px; font-size: 11px; }
.runs { display: block; color: var(--soft); font-size: 11.5px; }
.outcome.better { color: var(--good); }
.outcome.worse { color: var(--bad); }
svg { display: inline-block; vertical-align: middle; max-width: 100%; }
svg text { font-family: inherit; fill: var(--ink); }
.chart { height: auto; display: block; overflow: visible; }
.tick { font-size: 11px; fill: var(--soft); }
.label { font-size: 12px; fill: var(--soft); }
.grid { stroke: var(--rule); stroke-width: 1; }
.axis { stroke: var(--soft); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.band { fill-opacity: 0.14; stroke: none; }
.behind { stroke: var(--rule); stroke-width: 1; }
.level { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 1 4; stroke-linecap: round; }
.leader { fill: none; stroke: var(--rule); stroke-width: 1; }
svg .direct { font-size: 12px; stroke: none; }
svg .direct.s-reference { fill: var(--soft); }
${Array.from(
  { length: seriesColours },
  (
    _,
    index,
  ) => html`.line.s-${index} { stroke: var(--s${index}); } .band.s-${index}, .end.s-${index}, svg .direct.s-${index} { fill: var(--s${index}); }
`,
)}
.strip { height: 20px; }
.strip, .votes { border-radius: 2px; }
.strip text, .votes text:not(.tick) { font-size: 10px; font-weight: 600; }
.strip rect, .votes rect { stroke: var(--paper); stroke-width: 1; }
:where(.strip rect, .votes rect) { fill: var(--rule); } :where(.strip text, .votes text) { fill: var(--ink); }
.p-m { fill: var(--m); } .p-a { fill: var(--a); } .p-b { fill: var(--b); }
svg .on-p-m { fill: var(--on-m); } svg .on-p-a { fill: var(--on-a); } svg .on-p-b { fill: var(--on-b); }
.tie { fill: var(--ink); }
.seed { stroke: var(--soft); stroke-width: 1; }
.bar { stroke: var(--ink); stroke-width: 1.5; }
.mean { fill: var(--accent); }
.dot { fill: var(--accent); fill-opacity: 0.75; stroke: var(--paper); }
.dot.reference { fill: var(--s1); }
.dot.aggregate { fill: var(--s2); }
.trough { fill: var(--rule); }
.fill { fill: var(--accent); } .fill.good { fill: var(--good); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 16px 32px; align-items: start; }
.patterns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); gap: 20px 32px; margin: 16px 0; }
figure { margin: 0; }
.diff .added { background: color-mix(in srgb, var(--accent) 16%, transparent); font-weight: 600; }
.diff .removed { color: var(--soft); text-decoration: line-through; }
.diff .place { color: var(--soft); }
figcaption { font-size: 13px; margin: 4px 0 6px; }
.sources { display: grid; grid-template-columns: max-content 1fr; gap: 2px 20px; margin: 0; }
.sources dt { color: var(--soft); }
.sources dd { margin: 0; }
@media (max-width: 760px) { main { padding: 24px 16px 48px; } th, td { padding-right: 8px; } td.wide { min-width: 190px; } }
@media (max-width: 560px) { .figures { grid-template-columns: repeat(2, 1fr); } .sources { grid-template-columns: 1fr; } }
@media print {
  main { max-width: none; padding: 0; }
  body { font-size: 11px; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  table { font-size: 10px; }
  .scroll { overflow: visible; }
  h2, h3 { break-after: avoid; }
  tr, figure, .chart, .verdict { break-inside: avoid; }
}
</style>`;

/**
 * A self-contained HTML page: no scripts, no requests, readable in light and dark mode, on paper and in greyscale. The
 * content policy is a second line of defence behind the escaping.
 */
export function htmlDocument(title: string, body: Markup, ...styles: readonly Markup[]): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
${styleSheet}
${styles}
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
  return printable(page.text, { lines: true });
}
