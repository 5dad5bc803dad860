import type { Studies, StudyDetail } from '../../../src/views/api.ts';
import { Chart } from '../parts/chart.tsx';
import { Forest } from '../parts/forest.tsx';
import { counted, date, intervalText, percent, scoreText, signed, whole } from '../parts/format.ts';
import { Empty, Loaded } from '../parts/frame.tsx';
import { Table } from '../parts/table.tsx';
import { useData } from '../state/data.ts';
import { useScope } from '../state/scope.ts';

export function StudiesView() {
  const { api, link } = useScope();
  const data = useData<Studies>(`${api}studies`, undefined, 30_000);
  return (
    <>
      <h1>Studies</h1>
      <Loaded data={data}>
        {({ studies }) =>
          studies.length === 0 ? (
            <Empty title="No studies here.">
              <code>aira ablate studies/quickstart.yaml</code> compares arms on paired seeds and writes a study into
              this home.
            </Empty>
          ) : (
            <div class="rows">
              {[...studies]
                .sort((a, b) => b.writtenAt - a.writtenAt)
                .map((study) => (
                  <section key={study.id}>
                    <h2>
                      <a href={link(['studies', study.id])}>{study.question ?? study.id}</a>
                    </h2>
                    <p class="note">
                      {study.id}, {date(study.writtenAt)}, {counted(study.runs, 'run')} of {study.arms.join(', ')}
                    </p>
                    {study.problem ? (
                      <p class="bad">{study.problem}</p>
                    ) : (
                      study.sentences.slice(0, 2).map((sentence) => <p key={sentence}>{sentence}</p>)
                    )}
                  </section>
                ))}
            </div>
          )
        }
      </Loaded>
    </>
  );
}

export function StudyView({ study }: { study: string }) {
  const { api, link } = useScope();
  const data = useData<StudyDetail>(`${api}studies/${encodeURIComponent(study)}`, undefined, 60_000);
  return (
    <>
      <p class="crumbs">
        <a href={link(['studies'])}>studies</a>
      </p>
      <Loaded data={data}>{(detail) => <Study detail={detail} />}</Loaded>
    </>
  );
}

function Study({ detail }: { detail: StudyDetail }) {
  const what = detail.unit === 'normalised' ? 'normalised score' : 'score';
  return (
    <>
      <h1>{detail.question}</h1>
      <p class="soft">
        {counted(detail.seeds, 'paired seed')}, intervals over {whole(detail.inference.units)} {detail.inference.unit},
        on {detail.tasks.map(({ label }) => label).join(', ')}. Written {date(detail.writtenAt)}.
      </p>
      <h2>Effects</h2>
      <Forest
        label={`difference of interquartile means (${what}), above 0 favours the first arm`}
        effects={detail.comparisons.map((each) => ({
          name: `${each.arms[0]} − ${each.arms[1]}`,
          sub: `${counted(each.pairs, 'pair')}, p ${each.adjusted === null ? '–' : each.adjusted.toFixed(3)} adjusted`,
          estimate: each.effect,
          low: each.interval?.low ?? null,
          high: each.interval?.high ?? null,
          verdict: each.verdict,
        }))}
      />
      {detail.comparisons.map(({ sentence }) => (
        <p key={sentence}>{sentence}</p>
      ))}
      {detail.cautions.map((caution) => (
        <p key={caution} class="warn">
          {caution}
        </p>
      ))}
      <Table
        caption="The same in figures. Detectable: the smallest difference this study would have found with its power."
        rows={detail.comparisons}
        keyOf={({ arms }) => arms.join()}
        columns={[
          {
            head: 'comparison',
            names: true,
            cell: ({ arms }) => (
              <>
                {arms[0]} − {arms[1]}
              </>
            ),
          },
          { head: 'effect', number: true, cell: ({ effect }) => signed(effect) },
          { head: 'interval', number: true, cell: ({ interval }) => intervalText(interval) },
          { head: 'in sd', number: true, cell: ({ standardised }) => signed(standardised, 2) },
          { head: 'pairs ahead', number: true, cell: ({ ahead }) => percent(ahead) },
          { head: 'p', number: true, cell: ({ p }) => (p === null ? '–' : p.toFixed(3)) },
          { head: 'adjusted', number: true, cell: ({ adjusted }) => (adjusted === null ? '–' : adjusted.toFixed(3)) },
          { head: 'detectable', number: true, cell: ({ detectable }) => scoreText(detectable) },
        ]}
      />
      <h2>Arms</h2>
      <Forest
        label={`interquartile mean of ${what}`}
        zero={null}
        effects={detail.arms.map((arm) => ({
          name: arm.name,
          sub: `${counted(arm.runs, 'run')}, ${whole(arm.candidates)} candidates`,
          estimate: arm.middle,
          low: arm.interval?.low ?? null,
          high: arm.interval?.high ?? null,
          verdict: arm.elo.rating === null ? '' : `Elo ${Math.round(arm.elo.rating)}`,
        }))}
      />
      <Table
        rows={detail.arms}
        keyOf={({ name }) => name}
        columns={[
          { head: 'arm', names: true, cell: ({ name }) => name },
          { head: 'mean', number: true, cell: ({ mean }) => scoreText(mean) },
          { head: 'valid', number: true, cell: ({ validRate }) => percent(validRate) },
          { head: 'rejected', number: true, cell: ({ rejected }) => whole(rejected) },
          { head: 'duplicate', number: true, cell: ({ duplicate }) => whole(duplicate) },
          { head: 'failed', number: true, cell: ({ failed }) => whole(failed) },
        ]}
      />
      {detail.curves.map(({ task, shows, arms }) => {
        const length = Math.max(0, ...arms.map(({ middle }) => middle.length));
        return (
          <section key={task}>
            <h2>
              {task} <small>{shows === 'regret' ? 'regret, lower is better' : 'best score so far'}</small>
            </h2>
            <Chart
              x={Array.from({ length }, (_, index) => index + 1)}
              lines={arms.map(({ name, middle, low, high }, style) => ({ name, style, values: middle, low, high }))}
              labelX="evaluations"
              labelY={shows}
              group="study"
              text={scoreText}
              textX={(value) => whole(value)}
              summary={`${shows} by evaluations on ${task} for ${arms.map(({ name }) => name).join(', ')}, with bands.`}
            />
          </section>
        );
      })}
    </>
  );
}
