import type { Literature } from '../../../src/views/api.ts';
import { percent, scoreText, whole } from '../parts/format.ts';
import { Empty, Loaded, Meter } from '../parts/frame.tsx';
import { NodeLink } from '../parts/links.tsx';
import { Table } from '../parts/table.tsx';
import { useData } from '../state/data.ts';
import { ofSearch, type SearchView, useScope } from '../state/scope.ts';

/** What was searched, found, cited and used, and whether it helped: a funnel per agent and source, then the works. */
export function LiteratureView({ id, path }: SearchView) {
  const { link } = useScope();
  const data = useData<Literature>(`${path}/literature`, ofSearch(id));
  return (
    <Loaded data={data}>
      {({ agents, works }) => {
        const readers = agents.filter(({ sources }) => sources.length > 0);
        if (readers.length === 0) {
          return (
            <Empty title="No agent of this search reads.">
              Give an agent a <code>literature</code> setting in the search file to let it search papers and code.
            </Empty>
          );
        }
        return (
          <>
            <h2>Funnel</h2>
            <p class="note">Counted in attempts: each count is a part of the one before it.</p>
            {readers.map(({ agent, attempts, failed, failure, sources, withoutCitation }) => (
              <section key={agent}>
                <h3>
                  <a href={link(['searches', id, 'agents', agent])}>{agent}</a>{' '}
                  <small>
                    {whole(attempts)} attempts
                    {failed > 0 && (
                      <span class="bad">
                        , {whole(failed)} readings failed{failure && `: ${failure}`}
                      </span>
                    )}
                  </small>
                </h3>
                {sources.map((source) => (
                  <div key={source.source}>
                    <p class="soft">
                      {source.source}, {whole(source.works)} works
                    </p>
                    <div class="bars">
                      {(
                        [
                          ['shown', source.retrieved],
                          ['cited', source.cited],
                          ['changed the candidate', source.changed],
                          ['compared with its parent', source.compared],
                          ['better than its parent', source.improved],
                        ] as const
                      ).map(([name, count]) => [
                        <span key={name}>{name}</span>,
                        <Meter key={`${name}-bar`} share={attempts > 0 ? count / attempts : 0} label={name} />,
                        <span key={`${name}-count`} class="number">
                          {whole(count)} <small>{attempts > 0 && percent(count / attempts)}</small>
                        </span>,
                      ])}
                    </div>
                  </div>
                ))}
                <p class="note">
                  Without a citation {whole(withoutCitation.improved)} of {whole(withoutCitation.compared)} were better
                  than their parent.
                </p>
              </section>
            ))}
            <h2>Works</h2>
            <Table
              stack
              rows={works.slice(0, 200)}
              keyOf={(work) => work.id}
              columns={[
                {
                  head: 'work',
                  names: true,
                  class: 'text full',
                  cell: (work) => (
                    <>
                      {work.title ?? work.id}
                      <small> {work.url ?? work.id}</small>
                    </>
                  ),
                },
                { head: 'shown', number: true, label: true, cell: ({ shown }) => whole(shown) },
                { head: 'cited', number: true, label: true, cell: ({ cited }) => whole(cited) },
                { head: 'improved', number: true, label: true, cell: ({ improved }) => whole(improved) },
                {
                  head: 'nodes that cite it, with their scores',
                  class: 'text full',
                  cell: ({ nodes }) => (
                    <>
                      {nodes.slice(0, 8).map(({ node, score }, index) => (
                        <span key={node}>
                          {index > 0 && ', '}
                          <NodeLink search={id} node={node} /> <small>{scoreText(score)}</small>
                        </span>
                      ))}
                      {nodes.length > 8 && ` and ${nodes.length - 8} more`}
                    </>
                  ),
                },
              ]}
            />
          </>
        );
      }}
    </Loaded>
  );
}
