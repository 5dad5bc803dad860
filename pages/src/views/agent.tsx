import { useMemo } from 'preact/hooks';
import type { AgentDetail } from '../../../src/views/api.ts';
import { Chart } from '../parts/chart.tsx';
import { Text } from '../parts/code.tsx';
import { date, dollars, percent, scoreText, short, signed, whole } from '../parts/format.ts';
import { Empty, Loaded, Tag } from '../parts/frame.tsx';
import { Best, NodeLink } from '../parts/links.tsx';
import { ShortCandidate } from '../parts/strip.tsx';
import { Table } from '../parts/table.tsx';
import { useData } from '../state/data.ts';
import { setQuery, usePlace } from '../state/location.ts';
import { ofSearch, type SearchView, useScope } from '../state/scope.ts';

/** One agent: what it did, which operators paid, how far it explored, with whom it exchanged. */
export function AgentView({ agent, ...view }: SearchView & { agent: string }) {
  const data = useData<AgentDetail>(`${view.path}/agents/${encodeURIComponent(agent)}`, ofSearch(view.id));
  return (
    <Loaded data={data} lines={14}>
      {(detail) => <Detail {...view} detail={detail} />}
    </Loaded>
  );
}

const pageSize = 50;

function Detail({ detail, id }: SearchView & { detail: AgentDetail }) {
  const { link } = useScope();
  const { query } = usePlace();
  const { agent, timeline } = detail;
  const explored = useMemo(
    () => ({
      x: detail.exploration.map(({ attempt }) => attempt),
      values: detail.exploration.map(({ share }) => share),
    }),
    [detail.exploration],
  );
  const exchanges = detail.exchanges.slice(-60);
  const from = Math.max(0, Number(query.from ?? 0) || 0);
  const rows = [...timeline].reverse().slice(from, from + pageSize);
  return (
    <>
      <p class="crumbs">
        <a href={link(['searches', id, 'agents'])}>agents</a>
      </p>
      <div class="head">
        <h1>{agent.name}</h1>
        <Tag kind={agent.state} />
        <span class="soft">
          {agent.model}, {agent.scaffold}, {agent.memory === 'own' ? 'own memory' : 'memory of the ensemble'}
        </span>
      </div>
      {agent.why && <p class={agent.endCode === 'failed' || agent.endCode === 'silent' ? 'error' : ''}>{agent.why}</p>}
      <dl class="figures">
        <div>
          <dt>best {detail.metric}</dt>
          <dd>
            <Best search={id} best={agent.best} />
          </dd>
        </div>
        <div>
          <dt>proposals</dt>
          <dd>
            <a href={link(['searches', id, 'nodes'], { agent: agent.name })}>
              {whole(agent.counts.proposed)} of {whole(agent.evaluations)}
            </a>
            <small>
              {whole(agent.counts.evaluated)} evaluated, {whole(agent.counts.failed)} failed,{' '}
              {whole(agent.counts.rejected)} rejected, {whole(agent.counts.duplicate)} duplicate
            </small>
          </dd>
        </div>
        <div>
          <dt>spent</dt>
          <dd>
            {dollars(agent.spent.costUsd)}
            <small>
              {whole(agent.spent.calls)} calls, {short(agent.spent.tokens)} tokens
            </small>
          </dd>
        </div>
      </dl>
      <div class="columns">
        <section>
          <h2>Operators</h2>
          <Table
            caption="Effect: score against the first parent on the screen rung, above 0 is better."
            box={null}
            rows={detail.operators}
            keyOf={({ operator }) => operator}
            columns={[
              {
                head: 'operator',
                names: true,
                cell: ({ operator }) => (
                  <a href={link(['searches', id, 'nodes'], { agent: agent.name, operator })}>{operator}</a>
                ),
              },
              { head: 'used', number: true, cell: ({ used }) => whole(used) },
              { head: 'scored', number: true, cell: ({ scored }) => whole(scored) },
              {
                head: 'better than parent',
                number: true,
                cell: ({ compared, improved }) =>
                  compared > 0 ? `${improved} of ${compared}, ${percent(improved / compared)}` : '–',
              },
              { head: 'mean effect', number: true, cell: ({ meanEffect }) => signed(meanEffect) },
            ]}
          />
        </section>
        <section>
          <h2>Exploration</h2>
          {explored.x.length > 1 ? (
            <Chart
              x={explored.x}
              lines={[{ name: 'distance to the nearest earlier candidate', style: 0, values: explored.values }]}
              labelX="attempt"
              labelY="share that differs"
              height={190}
              text="percent"
              textX="whole"
              summary={`Share of a candidate that differs from the nearest earlier one of ${agent.name}, by attempt.`}
            />
          ) : (
            <Empty title="Too few candidates to compare." />
          )}
        </section>
      </div>
      {detail.exchanges.length > 0 && (
        <>
          <h2>Exchange with other agents</h2>
          <Table
            rows={exchanges}
            keyOf={(each) => `${each.node}${each.from}${each.how}`}
            columns={[
              { head: 'node', names: true, cell: (each) => <NodeLink search={id} node={each.node} /> },
              {
                head: 'how',
                cell: (each) => (
                  <>
                    {each.direction === 'taken' ? 'took from' : 'was taken from'}, {each.how}
                  </>
                ),
              },
              {
                head: 'from',
                cell: (each) => (
                  <>
                    <NodeLink search={id} node={each.from} /> of{' '}
                    <a href={link(['searches', id, 'agents', each.fromAgent])}>{each.fromAgent}</a>
                  </>
                ),
              },
            ]}
          />
          {detail.exchanged > exchanges.length && (
            <p class="note">
              The last {exchanges.length} of {whole(detail.exchanged)}.
            </p>
          )}
        </>
      )}
      <h2>Timeline</h2>
      <Table
        stack
        rows={rows}
        keyOf={(each) => each.node}
        columns={[
          { head: 'attempt', number: true, label: true, cell: ({ attempt }) => attempt },
          { head: 'node', names: true, cell: (each) => <NodeLink search={id} node={each.node} /> },
          {
            head: 'operator',
            cell: (each) => (
              <>
                {each.operator} {each.status !== 'evaluated' && <Tag kind={each.status} />}
              </>
            ),
          },
          {
            head: 'candidate',
            class: 'full text',
            cell: (each) => (
              <>
                <ShortCandidate text={each.short} />
                {each.change && <small> {each.change}</small>}
              </>
            ),
          },
          { head: detail.metric, number: true, label: true, cell: ({ score }) => scoreText(score) },
          {
            head: 'effect',
            number: true,
            label: true,
            class: ({ effect }) => (effect !== null && effect > 0 ? 'good' : ''),
            cell: ({ effect }) => signed(effect),
          },
          { head: 'proposed', number: true, class: 'soft full', cell: ({ proposedAt }) => date(proposedAt) },
        ]}
      />
      {timeline.length > pageSize && (
        <div class="controls">
          <button
            type="button"
            disabled={from === 0}
            onClick={() => setQuery({ from: from > pageSize ? from - pageSize : '' })}
          >
            later
          </button>
          <button
            type="button"
            disabled={from + pageSize >= timeline.length}
            onClick={() => setQuery({ from: from + pageSize })}
          >
            earlier
          </button>
          <span class="soft">
            {from + 1} to {Math.min(timeline.length, from + pageSize)} of {whole(timeline.length)}, newest first
            {agent.counts.proposed > timeline.length && (
              <>
                ;{' '}
                <a href={link(['searches', id, 'nodes'], { agent: agent.name })}>all {whole(agent.counts.proposed)}</a>
              </>
            )}
          </span>
        </div>
      )}
      {detail.spending.length > 0 && (
        <>
          <h2>Spending</h2>
          <Table
            box={null}
            rows={detail.spending}
            keyOf={({ model, purpose }) => `${model}${purpose}`}
            columns={[
              { head: 'model', names: true, cell: ({ model }) => model },
              { head: 'purpose', cell: ({ purpose }) => purpose },
              { head: 'calls', number: true, cell: ({ calls }) => whole(calls) },
              { head: 'failed', number: true, cell: ({ failed }) => whole(failed) },
              { head: 'tokens', number: true, cell: ({ tokens }) => short(tokens) },
              { head: 'cost', number: true, cell: ({ costUsd }) => dollars(costUsd) },
            ]}
          />
        </>
      )}
      <details>
        <summary>Settings</summary>
        <Text long={detail.spec} name={`${agent.name}.json`} language="json" />
      </details>
    </>
  );
}
