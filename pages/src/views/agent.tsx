import { useMemo } from 'preact/hooks';
import type { AgentDetail } from '../../../src/views/api.ts';
import { Chart } from '../parts/chart.tsx';
import { Text } from '../parts/code.tsx';
import { date, dollars, percent, scoreText, short, signed, whole } from '../parts/format.ts';
import { Empty, Loaded, Tag } from '../parts/frame.tsx';
import { ShortCandidate } from '../parts/strip.tsx';
import { useData } from '../state/client.ts';
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
  const node = (name: string) => link(['searches', id, 'nodes', name]);
  const novelty = useMemo(() => {
    const rows = timeline.filter((each) => each.novelty !== null);
    return { x: rows.map(({ attempt }) => attempt), values: rows.map((row) => row.novelty) };
  }, [timeline]);
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
          <dd>{agent.best ? <a href={node(agent.best.node)}>{scoreText(agent.best.score)}</a> : '–'}</dd>
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
          <table>
            <caption>Effect: score against the first parent on the screen rung, above 0 is better.</caption>
            <thead>
              <tr>
                {['operator', 'used', 'scored', 'better than parent', 'mean effect'].map((name, index) => (
                  <th key={name} scope="col" class={index > 0 ? 'number' : ''}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {detail.operators.map((each) => (
                <tr key={each.operator}>
                  <th scope="row">
                    <a href={link(['searches', id, 'nodes'], { agent: agent.name, operator: each.operator })}>
                      {each.operator}
                    </a>
                  </th>
                  <td class="number">{whole(each.used)}</td>
                  <td class="number">{whole(each.scored)}</td>
                  <td class="number">
                    {each.compared > 0
                      ? `${each.improved} of ${each.compared}, ${percent(each.improved / each.compared)}`
                      : '–'}
                  </td>
                  <td class="number">{signed(each.meanEffect)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
        <section>
          <h2>Exploration</h2>
          {novelty.x.length > 1 ? (
            <Chart
              x={novelty.x}
              lines={[{ name: 'distance to the nearest earlier candidate', style: 0, values: novelty.values }]}
              labelX="attempt"
              labelY="share that differs"
              height={190}
              text={(value) => percent(value)}
              textX={(value) => String(value)}
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
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">node</th>
                  <th scope="col">how</th>
                  <th scope="col">from</th>
                </tr>
              </thead>
              <tbody>
                {detail.exchanges.slice(0, 60).map((each) => (
                  <tr key={`${each.node}${each.from}${each.how}`}>
                    <th scope="row">
                      <a href={node(each.node)}>{each.node}</a>
                    </th>
                    <td>
                      {each.direction === 'taken' ? 'took from' : 'was taken from'}, {each.how}
                    </td>
                    <td>
                      <a href={node(each.from)}>{each.from}</a> of{' '}
                      <a href={link(['searches', id, 'agents', each.fromAgent])}>{each.fromAgent}</a>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {detail.exchanges.length > 60 && <p class="note">60 of {whole(detail.exchanges.length)}.</p>}
        </>
      )}
      <h2>Timeline</h2>
      <div class="scroll">
        <table class="stack">
          <thead>
            <tr>
              <th scope="col" class="number">
                attempt
              </th>
              <th scope="col">node</th>
              <th scope="col">operator</th>
              <th scope="col">candidate</th>
              <th scope="col" class="number">
                {detail.metric}
              </th>
              <th scope="col" class="number">
                effect
              </th>
              <th scope="col" class="number">
                proposed
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((each) => (
              <tr key={each.node}>
                <td class="number" data-label="attempt">
                  {each.attempt}
                </td>
                <th scope="row">
                  <a href={node(each.node)}>{each.node}</a>
                </th>
                <td>
                  {each.operator} {each.status !== 'evaluated' && <Tag kind={each.status} />}
                </td>
                <td class="full text">
                  <ShortCandidate text={each.short} />
                  {each.change && <small> {each.change}</small>}
                </td>
                <td class="number" data-label={detail.metric}>
                  {scoreText(each.score)}
                </td>
                <td class={`number ${each.effect !== null && each.effect > 0 ? 'good' : ''}`} data-label="effect">
                  {signed(each.effect)}
                </td>
                <td class="number soft full">{date(each.proposedAt)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
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
          </span>
        </div>
      )}
      {detail.spending.length > 0 && (
        <>
          <h2>Spending</h2>
          <table>
            <thead>
              <tr>
                {['model', 'purpose', 'calls', 'failed', 'tokens', 'cost'].map((name, index) => (
                  <th key={name} scope="col" class={index > 1 ? 'number' : ''}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {detail.spending.map((each) => (
                <tr key={`${each.model}${each.purpose}`}>
                  <th scope="row">{each.model}</th>
                  <td>{each.purpose}</td>
                  <td class="number">{whole(each.calls)}</td>
                  <td class="number">{whole(each.failed)}</td>
                  <td class="number">{short(each.tokens)}</td>
                  <td class="number">{dollars(each.costUsd)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
      <details>
        <summary>Settings</summary>
        <Text long={detail.spec} name={`${agent.name}.json`} language="json" />
      </details>
    </>
  );
}
