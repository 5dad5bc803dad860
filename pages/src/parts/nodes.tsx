import type { ComponentChildren, ComponentType } from 'preact';
import { type Points, usePoints } from '../state/points.ts';
import type { SearchView } from '../state/scope.ts';
import { Failure, Ghost } from './frame.tsx';
import { Swatch } from './swatch.tsx';

/** What views of all nodes share: waiting for them, and the key to their colours. */

/** A view of all nodes as a view of a search: `lines` of a skeleton until they are there, and no failure after that. */
export const withPoints = (View: ComponentType<SearchView & { points: Points }>, lines: number) =>
  function WithPoints(view: SearchView) {
    const { points, error } = usePoints(view.path, view.id, view.overview.search.lowerIsBetter);
    if (points) return <View {...view} points={points} />;
    return error ? <Failure error={error} /> : <Ghost lines={lines} />;
  };

/** Colour and dashes of each lane. `children`: other marks of the same plot. */
export function LaneLegend({ lanes, children }: { lanes: readonly string[]; children?: ComponentChildren }) {
  return (
    <ul class="legend">
      {lanes.map((name, lane) => (
        <li key={name}>
          <Swatch index={lane} />
          {name}
        </li>
      ))}
      {children}
    </ul>
  );
}
