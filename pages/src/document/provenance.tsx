import type { Provenance } from '../../../src/views/page.ts';

/** Versions, machine, commands and files behind the figures of a page. */
export function ProvenanceSection({ provenance: { facts, commands, files } }: { provenance: Provenance }) {
  return (
    <section id="provenance">
      <h2>Provenance</h2>
      <dl class="facts">
        {facts.map(({ fact, value }) => [
          <dt key={fact}>{fact}</dt>,
          <dd key={`${fact}=`}>
            <code>{value}</code>
          </dd>,
        ])}
      </dl>
      <h3>To reproduce</h3>
      <pre class="code">{commands.join('\n')}</pre>
      {files.map(({ title, text }) => [
        <h3 key={title}>{title}</h3>,
        <pre key={`${title}=`} class="code">
          {text}
        </pre>,
      ])}
    </section>
  );
}
