import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { lettersOn, primitiveClass } from './palette.ts';

/** A candidate of layers as one coloured cell per layer, or per run if it is deep; letters in each, so that grey suffices. */
const maxCells = 24;
const deepWidth = 420;
const tokens = /^(\d*)\*?([A-Za-z][A-Za-z0-9_]*)$/;
const longest = 512;

/** Layers of a run-length text such as `mA+2Mb`; null for any other text. */
export function layersOf(text: string): string[] | null {
  const layers: string[] = [];
  for (const token of text.split(/[\s,+]+/).filter(Boolean)) {
    const match = tokens.exec(token);
    const repeat = match?.[1] ? Number(match[1]) : 1;
    if (!match?.[2] || repeat < 1 || layers.length + repeat > longest) return null;
    for (let copy = 0; copy < repeat; copy++) layers.push(match[2]);
  }
  return layers.length > 0 ? layers : null;
}

function runsOf(layers: readonly string[]): { name: string; length: number }[] {
  const runs: { name: string; length: number }[] = [];
  for (const name of layers) {
    const last = runs.at(-1);
    if (last?.name === name) last.length++;
    else runs.push({ name, length: 1 });
  }
  return runs;
}

export const runLength = (layers: readonly string[]): string =>
  runsOf(layers)
    .map(({ name, length }) => (length > 1 ? `${length}${name}` : name))
    .join('+');

/** Runs of a run-length text such as `2mA+M`. */
export const runsOfText = (text: string): string[] =>
  runsOf(layersOf(text) ?? []).map(({ name, length }) => (length > 1 ? `${length}${name}` : name));

/** Colours of a user's own primitives, `#rrggbb` by token, where a page knows them. */
export const ColoursContext = createContext<Readonly<Record<string, string>>>({});

/** A layer, or a run of them: its colour, and its letters where they fit. */
export function LayerCell({
  name,
  text = null,
  size = 10.5,
  title,
  ...box
}: {
  name: string;
  text?: string | null;
  size?: number;
  title?: string;
  x: number;
  y: number;
  width: number;
  height: number;
}) {
  const colours = useContext(ColoursContext);
  // A rejected proposal may name a layer `constructor`.
  const colour = Object.hasOwn(colours, name) ? colours[name] : undefined;
  const { x, y, width, height } = box;
  return (
    <g class={colour ? undefined : primitiveClass(name)}>
      <rect {...box} fill={colour}>
        {title && <title>{title}</title>}
      </rect>
      {text !== null && (
        <text
          x={x + width / 2}
          y={y + height / 2 + (size < 9 ? 2.8 : 4)}
          text-anchor="middle"
          font-size={size}
          fill={colour && lettersOn(colour)}
        >
          {text}
        </text>
      )}
    </g>
  );
}

/** The cells of a run-length text; of any other text, nothing. */
export function StackStrip({ text }: { text: string }) {
  const layers = layersOf(text);
  return layers ? <Strip layers={layers} /> : null;
}

export function Strip({ layers, small = false }: { layers: readonly string[]; small?: boolean }) {
  const deep = layers.length > maxCells;
  const height = small ? 15 : 20;
  const cell = small ? 14 : 22;
  const unit = deep ? (small ? 240 : deepWidth) / layers.length : cell;
  const blocks = deep ? runsOf(layers) : layers.map((name) => ({ name, length: 1 }));
  const width = layers.length * unit;
  const title = runLength(layers);
  let at = 0;
  return (
    <svg class="strip" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={title}>
      <title>{title}</title>
      {blocks.map(({ name, length }, index) => {
        const x = at;
        at += length * unit;
        const text = length > 1 ? `${length}${name}` : name;
        const fits = length * unit >= text.length * (small ? 5.5 : 8.5);
        return (
          <LayerCell
            key={index}
            {...{ name, x, y: 0, height }}
            width={length * unit}
            text={fits ? text : null}
            size={small ? 7.5 : 10.5}
          />
        );
      })}
    </svg>
  );
}

/** A short form: layers as a strip, anything else as code. */
export function ShortCandidate({ text, small = true }: { text: string; small?: boolean }) {
  const layers = /[+\d]|^(mA|Mb|M)$/.test(text) || text.length <= 3 ? layersOf(text) : null;
  return layers ? <Strip layers={layers} small={small} /> : <code class="short">{text}</code>;
}

export function Legend({ primitives }: { primitives: readonly { readonly name: string; readonly meaning: string }[] }) {
  if (primitives.length === 0) return null;
  return (
    <ul class="legend" aria-label="layer kinds">
      {primitives.map(({ name, meaning }) => (
        <li key={name}>
          <Strip layers={[name]} small /> {meaning}
        </li>
      ))}
    </ul>
  );
}
