import type { ComponentChildren } from 'preact';
import type { ApiError } from '../state/client.ts';

/** What a view shows before, instead of and around its data. */

/** Grey lines where text will be: the page has its shape before its data. */
export function Ghost({ lines = 6 }: { lines?: number }) {
  return (
    <div aria-busy="true">
      <span class="hidden">loading</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="ghost" style={{ width: `${92 - ((line * 23) % 50)}%` }} />
      ))}
    </div>
  );
}

/** A failure in a sentence with its remedy. */
export function Failure({ error }: { error: ApiError }) {
  return (
    <div class="error" role="alert">
      {error.message}
      {error.remedy && <div class="note">{error.remedy}</div>}
    </div>
  );
}

/** Nothing to show, and what would change that. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** Data, a skeleton before it, and the error of the last request above what is known. */
export function Loaded<T>({
  data,
  lines = 8,
  children,
}: {
  data: { readonly value: T | null; readonly error: ApiError | null };
  lines?: number;
  children: (value: T) => ComponentChildren;
}) {
  return (
    <>
      {data.error && <Failure error={data.error} />}
      {data.value === null ? !data.error && <Ghost lines={lines} /> : children(data.value)}
    </>
  );
}

export function Meter({ share, label }: { share: number; label: string }) {
  const part = Math.min(1, Math.max(0, share));
  return (
    <svg class="meter" role="img" aria-label={label}>
      <rect class={share > 1.0001 ? 'over' : ''} width={`${(100 * part).toFixed(2)}%`} height="100%" />
    </svg>
  );
}

export const Tag = ({ kind, children }: { kind: string; children?: ComponentChildren }) => (
  <span class={`tag ${kind}`}>{children ?? kind}</span>
);
