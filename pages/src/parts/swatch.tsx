import { seriesDash, seriesVariable } from './palette.ts';

/** The line of a series as a key: its colour and its dashes. */
export function Swatch({ index }: { index: number }) {
  return (
    <svg class="swatch" width="22" height="8" aria-hidden="true">
      <line
        x1="0"
        x2="22"
        y1="4"
        y2="4"
        stroke={`var(${seriesVariable(index)})`}
        stroke-width="2.5"
        stroke-dasharray={seriesDash(index).join(' ')}
      />
    </svg>
  );
}
