import type { NodeDetail } from '../../../src/views/api.ts';
import { Text } from '../parts/code.tsx';
import { dollars, duration, short, whole } from '../parts/format.ts';
import { Tag } from '../parts/frame.tsx';
import { Table } from '../parts/table.tsx';

/** How a proposal came about: calls of language models, the conversation with its tools, and what was read. */
export function AttemptSections({ detail }: { detail: NodeDetail }) {
  const { calls, rounds, roundsMissing, readings, tried } = detail.attempt;
  return (
    <>
      {readings.length > 0 && (
        <>
          <h2>Read</h2>
          {readings.map(({ how, query, found, failed }) => (
            <section key={`${how} ${query}`}>
              <h3>
                {how}: <span class="soft">{query}</span>
              </h3>
              {failed && <p class="bad">{failed}</p>}
              <ul>
                {found.map(({ id, title, url, cited }) => (
                  <li key={id}>
                    {title ?? id} {cited && <Tag kind="evaluated">cited</Tag>}{' '}
                    {/* The address comes from a source: it is shown, and opened only by the reader's own hand. */}
                    {url && <code class="soft">{url}</code>}
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </>
      )}
      {tried.length > 0 && (
        <>
          <h2>Tried before the proposal</h2>
          <ul>
            {tried.map((text, index) => (
              <li key={index}>{text}</li>
            ))}
          </ul>
        </>
      )}
      {calls.length > 0 && (
        <>
          <h2>Calls</h2>
          <Table
            stack
            rows={calls}
            keyOf={(_, index) => index}
            columns={[
              { head: 'purpose', names: true, class: 'full', cell: ({ purpose }) => purpose },
              {
                head: 'model',
                class: 'full',
                cell: ({ model, served }) => (
                  <>
                    {model} {served && served !== model && <small>served by {served}</small>}
                  </>
                ),
              },
              {
                head: 'outcome',
                class: 'text full',
                cell: ({ outcome, message }) => (
                  <>
                    <span class={outcome === 'complete' || outcome === null ? '' : 'bad'}>{outcome ?? 'running'}</span>
                    {message && <small> {message}</small>}
                  </>
                ),
              },
              { head: 'in', number: true, label: true, cell: ({ inputTokens }) => short(inputTokens) },
              { head: 'cached', number: true, label: true, cell: ({ cachedTokens }) => short(cachedTokens) },
              { head: 'out', number: true, label: true, cell: ({ outputTokens }) => short(outputTokens) },
              { head: 'took', number: true, label: true, cell: ({ latencyMs }) => duration(latencyMs) },
              {
                head: 'cost',
                number: true,
                label: true,
                cell: ({ costUsd, estimated }) => `${dollars(costUsd)}${estimated ? '*' : ''}`,
              },
            ]}
          />
          {calls.some(({ estimated }) => estimated) && (
            <p class="note">* reserved: the server returned no count of tokens.</p>
          )}
        </>
      )}
      {roundsMissing && <p class="note">{roundsMissing}</p>}
      {rounds.length > 0 && (
        <>
          <h2>From prompt to answer</h2>
          {rounds.map((round, index) => (
            <details key={`${round.purpose}-${round.round}`} open={index === rounds.length - 1}>
              <summary>
                {round.purpose}, round {round.round}
                <small>
                  {' '}
                  {round.kind === 'read' ? 'result of a tool' : round.kind} {round.model && `by ${round.model}`}{' '}
                  {round.finish && `(${round.finish})`}
                  {round.messages.length > 0 && `, ${whole(round.messages.length)} messages`}
                </small>
              </summary>
              {round.messages.map(({ role, ...long }, at) => (
                <details key={at} open={round.messages.length < 3}>
                  <summary>{role}</summary>
                  <Text long={long} name={`${detail.node.id}-${round.purpose}-${round.round}-${at}.txt`} />
                </details>
              ))}
              {round.reasoning && (
                <details>
                  <summary>reasoning</summary>
                  <Text
                    long={round.reasoning}
                    name={`${detail.node.id}-${round.purpose}-${round.round}-reasoning.txt`}
                  />
                </details>
              )}
              {round.toolCalls.map((call, at) => (
                <section key={at}>
                  <Text
                    long={call.arguments}
                    name={call.name}
                    language={call.arguments.text.includes('\n') ? null : 'json'}
                  />
                </section>
              ))}
              {round.answer && (
                <Text long={round.answer} name="answer" language={round.answer.text.startsWith('{') ? 'json' : null} />
              )}
            </details>
          ))}
        </>
      )}
    </>
  );
}
