import { Code, FileHead } from '../parts/code.tsx';
import { Forest } from '../parts/forest.tsx';
import { counted, date, dollars, duration, intervalText, percent, scoreText, short, whole } from '../parts/format.ts';
import { Ghost, Meter, Tag } from '../parts/frame.tsx';
import { Best, NodeLink } from '../parts/links.tsx';
import { Legend, ShortCandidate } from '../parts/strip.tsx';
import { Swatch } from '../parts/swatch.tsx';
import { Table } from '../parts/table.tsx';
import { usePoints } from '../state/points.ts';
import { type SearchView, useScope } from '../state/scope.ts';
import { Commands } from './commands.tsx';
import { ProgressChart } from './progress.tsx';

const unitNames = {
  evaluations: 'evaluations',
  minutes: 'wall time',
  deviceSeconds: 'device time',
  costUsd: 'money',
  tokens: 'tokens',
} as const;

function amount(unit: keyof typeof unitNames, value: number | null): string {
  if (value === null) return 'no limit';
  if (unit === 'minutes') return duration(value * 60_000);
  if (unit === 'deviceSeconds') return duration(value * 1000);
  if (unit === 'costUsd') return dollars(value);
  return unit === 'tokens' ? short(value) : whole(value);
}

/** What a search is after, how far it is, what it has found, and why each part of it does what it does. */
export function OverviewView(view: SearchView) {
  const { overview, id, path } = view;
  const { link } = useScope();
  const { search, goal, references, budget, counts, devices, forecast } = overview;
  const { points } = usePoints(path, id, search.lowerIsBetter);
  const referenceNames = new Map(references.map(({ node, name }) => [node, name]));
  const running = search.status === 'running' || search.status === 'paused';
  const names = points ? points.lanes : overview.agents.map(({ name }) => name);
  return (
    <>
      <div class="head">
        <h1>{search.task}</h1>
        <Tag kind={search.status} />
        <span class="soft">
          {search.workflow === 'compose' ? 'Compose' : search.workflow === 'design' ? 'Design' : 'scale'}, profile{' '}
          {search.profile}
          {search.phase !== search.status && `, ${search.phase}`}
        </span>
      </div>
      {goal.description && <p class="soft">{goal.description}</p>}
      {search.ending && <p class="warn">{search.ending.sentence}</p>}
      <dl class="figures">
        <div>
          <dt>
            best {search.metric}, {search.lowerIsBetter ? 'lower' : 'higher'} is better
          </dt>
          <dd>
            {search.best ? (
              <>
                <NodeLink search={id} node={search.best.node}>
                  {scoreText(search.best.score)}
                </NodeLink>
                <small>
                  {search.best.rung} rung, {counted(search.best.seeds, 'seed')}
                  {search.best.interval && <>, {intervalText(search.best.interval)}</>}
                </small>
              </>
            ) : (
              <>
                –<small>no score yet</small>
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>proposals</dt>
          <dd>
            {whole(counts.proposed)}
            <small>
              {whole(counts.evaluated)} evaluated, {whole(counts.cached)} cached, {whole(counts.failed)} failed,{' '}
              {whole(counts.rejected)} rejected, {whole(counts.duplicate)} duplicate, {whole(counts.pending)} pending
            </small>
          </dd>
        </div>
        <div>
          <dt>{running ? 'time left' : 'took'}</dt>
          <dd>
            {running ? duration(forecast.remainingMs) : duration(search.elapsedMs)}
            <small>
              {running ? `${duration(search.elapsedMs)} so far; ${forecast.basis}` : `ended ${date(search.endedAt)}`}
            </small>
          </dd>
        </div>
        <div>
          <dt>workers</dt>
          <dd>
            <a href={link(['workers'])}>
              {devices.training} of {devices.workers}
            </a>
            <small>training{devices.busy !== null && <>; busy {percent(devices.busy)} of the time</>}</small>
          </dd>
        </div>
        <div>
          <dt>language models</dt>
          <dd>
            {dollars(search.spent.costUsd)}
            <small>
              {whole(search.spent.calls)} calls, {short(search.spent.tokens)} tokens
            </small>
          </dd>
        </div>
      </dl>
      {search.best && (
        <p>
          <ShortCandidate text={search.best.short} small={false} />
        </p>
      )}
      <Legend primitives={goal.primitives} />
      <Commands {...view} />
      {overview.claims.length > 0 && (
        <section class="claims">
          <h2>What it shows</h2>
          {overview.claims.map(({ sentence, method }) => (
            <p key={sentence} title={method}>
              {sentence}
            </p>
          ))}
        </section>
      )}
      <h2>
        <a href={link(['searches', id, 'progress'])}>Best so far</a>
      </h2>
      {points ? (
        <ProgressChart
          points={points}
          overview={overview}
          id={id}
          rung={0}
          across="proposals"
          log={false}
          height={260}
        />
      ) : (
        <Ghost lines={8} />
      )}
      <h2>
        <a href={link(['searches', id, 'agents'])}>Agents</a>
      </h2>
      <AgentTable {...view} names={names} />
      <div class="columns">
        <section>
          {overview.comparisons.length > 0 && (
            <>
              <h2>Against references</h2>
              <Forest
                label={`difference, above 0 is better`}
                effects={overview.comparisons.map((each) => ({
                  name: `${each.contender} − ${referenceNames.get(each.reference) ?? each.reference}`,
                  sub: `${each.rung}, ${counted(each.pairs, 'pair')}, ${percent(each.level)}`,
                  estimate: each.difference,
                  low: each.interval?.low ?? null,
                  high: each.interval?.high ?? null,
                  verdict: each.verdict ?? each.why ?? '',
                }))}
              />
            </>
          )}
          {references.length > 0 && (
            <>
              <h2>References</h2>
              <Table
                stack
                rows={references}
                keyOf={(each) => `${each.node}${each.rung}`}
                columns={[
                  {
                    head: 'reference',
                    names: true,
                    class: 'full',
                    cell: (each) => (
                      <NodeLink search={id} node={each.node}>
                        {each.name}
                      </NodeLink>
                    ),
                  },
                  { head: 'candidate', class: 'full', cell: (each) => <ShortCandidate text={each.short} /> },
                  { head: 'rung', label: true, cell: ({ rung }) => rung },
                  { head: search.metric, number: true, cell: ({ score }) => scoreText(score) },
                  { head: 'interval', number: true, class: 'full', cell: ({ interval }) => intervalText(interval) },
                ]}
              />
            </>
          )}
        </section>
        <section>
          <h2>Budget</h2>
          <div class="budget">
            {budget.map(({ unit, limit, used, left }) => (
              <div key={unit}>
                <p>
                  <span>{unitNames[unit]}</span>
                  <small>
                    {amount(unit, used)} of {amount(unit, limit)}
                  </small>
                </p>
                {limit !== null && (
                  <Meter share={used / limit} label={`${unitNames[unit]}: ${amount(unit, left)} left`} />
                )}
              </div>
            ))}
          </div>
          <h2>Rungs</h2>
          <Table
            box={null}
            rows={overview.rungs}
            keyOf={({ rung }) => rung}
            columns={[
              { head: 'rung', names: true, cell: ({ rung }) => rung },
              { head: 'evaluated', number: true, cell: ({ evaluated }) => whole(evaluated) },
              { head: 'pending', number: true, cell: ({ pending }) => whole(pending) },
              { head: 'failed', number: true, cell: ({ failed }) => whole(failed) },
              { head: 'cached', number: true, cell: ({ cached }) => whole(cached) },
              {
                head: 'mean time',
                number: true,
                cell: ({ meanSeconds }) => (meanSeconds === null ? '–' : duration(1000 * meanSeconds)),
              },
            ]}
          />
          {overview.floors.length > 0 && (
            <p class="note">
              Without what the task asks for:{' '}
              {overview.floors.map(({ name, rung, score }) => `${name} ${scoreText(score)} (${rung})`).join(', ')}.
            </p>
          )}
        </section>
      </div>
      {overview.endings.length + overview.rulings.length + overview.phases.length > 0 && (
        <>
          <h2>What happened</h2>
          <Table
            stack
            rows={[
              ...overview.phases.map(({ phase, at }) => ({ at, of: 'search', sentence: `now ${phase}` })),
              ...overview.endings.map(({ of, subject, sentence, at }) => ({ at, of: `${of} ${subject}`, sentence })),
              ...overview.rulings.map(({ sentence, at, subject }) => ({
                at,
                of: subject ? `person, ${subject}` : 'person',
                sentence,
              })),
            ].sort((a, b) => b.at - a.at)}
            keyOf={({ at, of, sentence }) => `${at}${of}${sentence}`}
            columns={[
              { class: 'soft', cell: ({ at }) => date(at) },
              { cell: ({ of }) => of },
              { class: 'text full', cell: ({ sentence }) => sentence },
            ]}
          />
        </>
      )}
      <details>
        <summary>Search file and versions</summary>
        <dl class="facts">
          <dt>search</dt>
          <dd>{id}</dd>
          <dt>started</dt>
          <dd>{date(search.startedAt)}</dd>
          <dt>seed</dt>
          <dd>{goal.seed}</dd>
          <dt>device class</dt>
          <dd>{goal.deviceClass}</dd>
          <dt>evaluator</dt>
          <dd>
            <code>{goal.evaluator}</code>
          </dd>
          <dt>task version</dt>
          <dd>
            <code>{goal.taskVersion}</code>
          </dd>
        </dl>
        <FileHead long={goal.searchFile} name={`${id}.yaml`} />
        <Code text={goal.searchFile.text} language="yaml" />
      </details>
    </>
  );
}

/** Agents with what each does now, and why. */
export function AgentTable({ overview, id, names }: SearchView & { names: readonly string[] }) {
  const { link } = useScope();
  const { agents, search } = overview;
  return (
    <Table
      stack
      rows={agents}
      keyOf={({ name }) => name}
      columns={[
        {
          head: 'agent',
          names: true,
          class: 'full',
          cell: ({ name }) => (
            <>
              <Swatch index={Math.max(0, names.indexOf(name))} />
              <a href={link(['searches', id, 'agents', name])}>{name}</a>
            </>
          ),
        },
        {
          head: 'model, scaffold',
          class: 'full',
          cell: ({ model, scaffold }) => (
            <>
              {model}, {scaffold}
            </>
          ),
        },
        {
          head: 'now',
          class: 'text full',
          cell: ({ endCode, state, why }) => (
            <>
              <b class={endCode === 'failed' || endCode === 'silent' ? 'bad' : ''}>{state}</b>
              {why && <>: {why}</>}
            </>
          ),
        },
        {
          head: `best ${search.metric}`,
          number: true,
          label: 'best',
          cell: ({ best }) => <Best search={id} best={best} />,
        },
        {
          head: 'proposed',
          number: true,
          label: true,
          cell: ({ name, counts, evaluations }) => (
            <a href={link(['searches', id, 'nodes'], { agent: name })}>
              {whole(counts.proposed)} of {whole(evaluations)}
            </a>
          ),
        },
        { head: 'failed', number: true, label: true, cell: ({ counts }) => whole(counts.failed + counts.rejected) },
        { head: 'cost', number: true, label: true, cell: ({ spent }) => dollars(spent.costUsd) },
      ]}
    />
  );
}

export function AgentsView(view: SearchView) {
  const { points } = usePoints(view.path, view.id, view.overview.search.lowerIsBetter);
  return (
    <>
      <h2>Agents</h2>
      <AgentTable {...view} names={points?.lanes ?? view.overview.agents.map(({ name }) => name)} />
      {points && (
        <>
          <h2>Best so far</h2>
          <ProgressChart
            points={points}
            overview={view.overview}
            id={view.id}
            rung={0}
            across="proposals"
            log={false}
            height={280}
          />
        </>
      )}
    </>
  );
}
