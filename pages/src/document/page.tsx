import type { Page } from '../../../src/views/page.ts';
import { Scale } from '../views/scale.tsx';
import { Study } from '../views/studies.tsx';
import { ProvenanceSection } from './provenance.tsx';

/** The body of a finished page. */
export function PageView({ page }: { page: Page }) {
  return (
    <main>
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
  }
}
