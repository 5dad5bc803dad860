import { renderToString } from 'preact-render-to-string';
import type { Page } from '../../src/views/page.ts';
import { PageView } from './document/page.tsx';
import { IslandContext, Islands } from './parts/island.tsx';

/** A finished page as text: its body, and the properties of its islands as JSON. Equal data give equal texts. */
export function render(page: Page): { readonly body: string; readonly islands: string } {
  const islands = new Islands();
  const body = renderToString(
    <IslandContext.Provider value={islands}>
      <PageView page={page} />
    </IslandContext.Provider>,
  );
  return { body, islands: JSON.stringify(islands.all) };
}
