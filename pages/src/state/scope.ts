import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Changed, Overview } from '../../../src/views/api.ts';
import { useData } from './data.ts';
import { href, type Query } from './location.ts';

/** Which lab a page is about: paths of the API and links carry it, unless it is the first. */
export interface Scope {
  readonly lab: string | null;
  /** Below the API's root: empty or `labs/<name>/`. */
  readonly api: string;
  readonly link: (parts: readonly string[], query?: Query) => string;
}

export const scopeOf = (lab: string | null): Scope => ({
  lab,
  api: lab === null ? '' : `labs/${encodeURIComponent(lab)}/`,
  link: (parts, query) => href(lab === null ? parts : ['labs', lab, ...parts], query),
});

export const ScopeContext = createContext<Scope>(scopeOf(null));
export const useScope = (): Scope => useContext(ScopeContext);

export const ofSearch =
  (search: string) =>
  (change: Changed): boolean =>
    change.search === search;

/** Path of a search below the API's root. */
export const searchPath = (scope: Scope, search: string): string =>
  `${scope.api}searches/${encodeURIComponent(search)}`;

/** A search as its views need it. */
export interface SearchView {
  readonly id: string;
  readonly path: string;
  readonly overview: Overview;
}

/** The overview of a search; time passes in it, so a running one is read every 10 s even without an event. */
export const useOverview = (scope: Scope, search: string | null) =>
  useData<Overview>(
    search === null ? null : searchPath(scope, search),
    search === null ? undefined : ofSearch(search),
    10_000,
  );
