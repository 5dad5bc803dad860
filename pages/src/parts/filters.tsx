import { useEffect, useRef } from 'preact/hooks';
import type { Filter } from '../state/filter.ts';
import { setQuery } from '../state/location.ts';
import { operators, type Points, rungs, statuses } from '../state/points.ts';

/** The filter of a view of nodes, stored in the address. */
export function Filters({ filter, points, count }: { filter: Filter; points: Points; count: string }) {
  const field = useRef<HTMLInputElement>(null);
  // While someone types, the field leads and the address follows; otherwise a late render would take letters back.
  useEffect(() => {
    const input = field.current;
    if (input && document.activeElement !== input) input.value = filter.q ?? '';
  }, [filter.q]);
  const choice = (key: 'agent' | 'operator' | 'status' | 'rung', values: readonly string[]) => (
    <label>
      {key}
      <select
        value={filter[key] ?? ''}
        onChange={(event) => setQuery({ [key]: (event.currentTarget as HTMLSelectElement).value })}
      >
        <option value="">all</option>
        {values.map((value) => (
          <option key={value} value={value}>
            {value}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <search class="controls">
      <input
        type="search"
        data-search
        placeholder="words in candidates and reasons  ( / )"
        aria-label="full-text search"
        ref={field}
        defaultValue={filter.q ?? ''}
        onInput={(event) => setQuery({ q: (event.currentTarget as HTMLInputElement).value.trim() })}
      />
      {choice(
        'agent',
        points.lanes.filter((name) => points.agents.includes(name)),
      )}
      {choice('operator', operators)}
      {choice('status', statuses)}
      {choice('rung', rungs)}
      {Object.keys(filter).length > 0 && (
        <button
          type="button"
          onClick={() => {
            if (field.current) field.current.value = '';
            setQuery({ agent: '', operator: '', status: '', rung: '', q: '' });
          }}
        >
          clear
        </button>
      )}
      <span class="end" role="status">
        {count}
      </span>
    </search>
  );
}
