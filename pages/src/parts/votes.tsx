import { LayerCell } from './strip.tsx';

/** The vote on every layer: a column of shares per primitive over the winner's letters. A dot marks a tie. */
const columnWidth = 20;
const barHeight = 72;
const below = barHeight + 8;

export function Votes({
  label,
  layers,
}: {
  label: string;
  layers: readonly {
    readonly winner: string;
    readonly votes: readonly { readonly name: string; readonly title: string; readonly votes: number }[];
    readonly voters: number;
    readonly tied: boolean;
  }[];
}) {
  const width = layers.length * columnWidth;
  const height = below + 34;
  return (
    <svg
      class="strip votes"
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      role="img"
      aria-label={label}
    >
      <title>{label}</title>
      {layers.map(({ winner, votes, voters, tied }, layer) => {
        const x = layer * columnWidth;
        let top = 0;
        return (
          <g key={layer}>
            {votes
              .filter((each) => each.votes > 0)
              .map(({ name, title, votes: count }) => {
                const y = top;
                const share = Number(((count / voters) * barHeight).toFixed(2));
                top += share;
                return (
                  <LayerCell
                    key={name}
                    {...{ name, x, y, width: columnWidth, height: share }}
                    title={`layer ${layer}: ${title} ${count} of ${voters}`}
                  />
                );
              })}
            <LayerCell {...{ name: winner, x, y: below, width: columnWidth, height: 20, text: winner, size: 10 }} />
            {tied && (
              <circle class="tie" cx={x + columnWidth / 2} cy={below - 4} r={2}>
                <title>a tie, decided by the voters’ mean score</title>
              </circle>
            )}
            {layer % 5 === 0 && (
              <text class="tick" x={x + columnWidth / 2} y={height - 2} text-anchor="middle" font-size={11}>
                {layer}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}
