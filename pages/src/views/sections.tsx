import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import type { SectionGroup, Sections } from '../../../src/views/api.ts';
import { SectionView } from '../document/blocks.tsx';
import { PlacesContext } from '../document/text.tsx';
import { Loaded } from '../parts/frame.tsx';
import { Legend } from '../parts/strip.tsx';
import { useData } from '../state/data.ts';
import { ofSearch, type SearchView, useScope } from '../state/scope.ts';

/** Sections of the report, live: the components of finished pages, whose nodes and agents are links here. */
const SectionsView = ({
  group,
  id,
  path,
  children,
}: SearchView & { group: SectionGroup; children?: ComponentChildren }) => {
  const data = useData<Sections>(`${path}/sections/${group}`, ofSearch(id));
  return (
    <Loaded data={data} lines={14}>
      {({ sections }) => (
        <LinkedBlocks id={id}>
          {children}
          {sections.map((section) => (
            <SectionView key={section.id} section={section} />
          ))}
        </LinkedBlocks>
      )}
    </Loaded>
  );
};

/** Blocks of a search whose nodes and agents are links. */
export function LinkedBlocks({ id, children }: { id: string; children: ComponentChildren }) {
  const { link } = useScope();
  const placeOf = useMemo(
    () => (kind: 'nodes' | 'agents', name: string) => link(['searches', id, kind, name]),
    [link, id],
  );
  return (
    <PlacesContext.Provider value={placeOf}>
      <div class="blocks">{children}</div>
    </PlacesContext.Provider>
  );
}

/** What is said, and the comparisons, scores and records that it rests on. */
export const ClaimsView = (view: SearchView) => <SectionsView group="claims" {...view} />;

/** What the best architectures of all agents have in common, and what it costs at full size. */
export const PatternsView = (view: SearchView) => (
  <SectionsView group="patterns" {...view}>
    <Legend primitives={view.overview.goal.primitives} />
  </SectionsView>
);
