import type { Page } from '../../../src/views/page.ts';
import { ColoursContext } from '../parts/strip.tsx';
import { Scale } from '../views/scale.tsx';
import { Study } from '../views/studies.tsx';
import { Blocks, SectionView } from './blocks.tsx';
import { ProvenanceSection } from './provenance.tsx';

/** The body of a finished page. */
export function PageView({ page }: { page: Page }) {
  return (
    <main class="blocks">
      <Content page={page} />
    </main>
  );
}

function Content({ page }: { page: Page }) {
  switch (page.kind) {
    case 'study':
      return (
        <>
          <p class="crumbs">Aira study {page.study.id}</p>
          <Study detail={page.study} />
          <ProvenanceSection provenance={page.provenance} />
        </>
      );
    case 'scale':
      return (
        <>
          <p class="crumbs">Aira scaling study {page.scale.id}</p>
          <Scale detail={page.scale} />
          <ProvenanceSection provenance={page.provenance} />
        </>
      );
    case 'sections':
      return (
        <ColoursContext.Provider value={page.colours}>
          <header>
            <p class="crumbs">{page.of}</p>
            <h1>{page.heading}</h1>
            <Blocks blocks={page.head} />
          </header>
          {page.sections.map((section) => (
            <SectionView key={section.id} section={section} />
          ))}
          {page.provenance && <ProvenanceSection provenance={page.provenance} />}
        </ColoursContext.Provider>
      );
  }
}
