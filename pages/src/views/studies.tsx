import type { Studies, StudyDetail, StudyFigures } from '../../../src/views/api.ts';
import { Chart } from '../parts/chart.tsx';
import { Forest } from '../parts/forest.tsx';
import { counted, date, intervalText, percent, scoreText, signed, signedInterval, whole } from '../parts/format.ts';
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
      <Loaded data={data}>{(detail) => <Study detail={detail} writtenAt={detail.writtenAt} />}</Loaded>
    </>
  );
}

const pText = (p: number | null): string => (p === null ? '–' : p < 0.0001 ? '< 0.0001' : p.toPrecision(2));

/** The results of a study: effects with their intervals first, then what they rest on. */
export function Study({ detail, writtenAt }: { detail: StudyFigures; writtenAt?: number }) {
  const [task] = detail.tasks;
  const what = detail.unit === 'normalised' ? 'normalised score' : (task?.metric ?? 'score');
  const { inference, comparisons } = detail;
  const distinguished = comparisons.filter(({ verdict }) => verdict !== 'not distinguishable').length;
  return (
    <>
      <header>
        <h1>{detail.question}</h1>
        <p class="soft">
          {detail.tasks.map(({ label }) => label).join(', ')}: {whole(detail.arms.length)} arms,{' '}
          {counted(detail.seeds, 'paired seed')}
          {detail.budgetEvaluations !== null && <>, {whole(detail.budgetEvaluations)} evaluations per run</>}; {what},
          higher is better.
          {writtenAt !== undefined && <> Written {date(writtenAt)}.</>}
        </p>
        <dl class="figures">
          <div>
            <dt>runs</dt>
            <dd>{whole(detail.runs)}</dd>
          </div>
          <div>
            <dt>evaluations</dt>
            <dd>{whole(detail.evaluations)}</dd>
          </div>
          <div>
            <dt>{inference.unit}s</dt>
            <dd>{whole(inference.units)}</dd>
          </div>
          <div>
            <dt>comparisons</dt>
            <dd>
              {whole(comparisons.length)}
              <small>{whole(distinguished)} distinguishable</small>
            </dd>
          </div>
        </dl>
      </header>
      <section id="comparisons">
        <h2>Effects</h2>
        <Forest
          label={`difference of interquartile means (${what}), above 0 favours the first arm`}
          effects={comparisons.map((each) => ({
            name: `${each.arms[0]} − ${each.arms[1]}`,
            sub: `${counted(each.pairs, 'pair')}, p ${pText(each.adjusted)} corrected`,
            estimate: each.effect,
            low: each.interval?.low ?? null,
            high: each.interval?.high ?? null,
            verdict: each.verdict,
          }))}
        />
        <div class="claims">
          {comparisons.map(({ sentence }) => (
            <p key={sentence}>{sentence}</p>
          ))}
        </div>
        {detail.spending.map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
        {detail.cautions.map((caution) => (
          <p key={caution} class="warn">
            {caution}
          </p>
        ))}
        <p class="note">{inference.sentence}</p>
        <Table
          rows={comparisons}
          keyOf={({ arms }) => arms.join()}
          columns={[
            {
              head: 'comparison',
              names: true,
              cell: ({ arms }) => (
                <>
                  {arms[0]} <small>against {arms[1]}</small>
                </>
              ),
            },
            {
              head: 'verdict',
              class: ({ verdict }) => (verdict === 'better' ? 'good' : verdict === 'worse' ? 'bad' : ''),
              cell: ({ verdict }) => verdict,
            },
            { head: 'difference', number: true, cell: ({ effect }) => signed(effect) },
            { head: '95 % interval', number: true, cell: ({ interval }) => signedInterval(interval) },
            { head: 'p', number: true, cell: ({ p }) => pText(p) },
            { head: 'p, corrected', number: true, cell: ({ adjusted }) => pText(adjusted) },
            { head: 'minimum detectable effect', number: true, cell: ({ detectable }) => scoreText(detectable) },
            { head: 'effect size (SD)', number: true, cell: ({ standardised }) => signed(standardised, 2) },
            { head: 'win rate', number: true, cell: ({ ahead }) => percent(ahead) },
            { head: `more ${inference.unit}s`, number: true, cell: ({ moreSeeds }) => whole(moreSeeds) },
          ]}
        />
        <p class="note">
          Both arms of a pair ran with the same seed, task and budget. The difference is between the interquartile means
          of {what}.{' '}
          {inference.unit === 'training seed'
            ? 'Its standard error is a jackknife over training seeds: without one, the runs that saw it are left out, and it judges none of the others. Interval and p are Student’s, p with'
            : 'Its interval is a percentile bootstrap over seeds, paired and within tasks; p is from a paired permutation test of the same difference with'}{' '}
          Holm’s correction for {counted(comparisons.length, 'comparison')}
          {detail.alpha !== null && <>, and decides the verdict at {detail.alpha}</>}. The effect size is the mean
          paired difference in standard deviations of the paired differences, a different estimator. More{' '}
          {inference.unit}s: needed in addition to detect a difference of the observed size
          {detail.power !== null && <> with {percent(detail.power)} power</>}.
        </p>
      </section>
      <section id="arms">
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
          rows={[...detail.arms].sort((a, b) => (b.middle ?? 0) - (a.middle ?? 0))}
          keyOf={({ name }) => name}
          columns={[
            { head: 'arm', names: true, cell: ({ name }) => name },
            { head: 'interquartile mean', number: true, cell: ({ middle }) => scoreText(middle) },
            { head: '95 % interval', number: true, cell: ({ interval }) => intervalText(interval) },
            { head: 'mean', number: true, cell: ({ mean }) => scoreText(mean) },
            { head: 'normalised', number: true, cell: ({ normalised }) => normalised?.toFixed(3) ?? '–' },
            { head: 'candidates', number: true, cell: ({ candidates }) => whole(candidates) },
            { head: 'valid', number: true, cell: ({ validRate }) => percent(validRate) },
            {
              head: 'Elo',
              number: true,
              cell: ({ elo: { rating, low, high } }) => (
                <>
                  {rating === null ? '–' : rating.toFixed(0)}
                  {low !== null && high !== null && (
                    <>
                      {' '}
                      <small>
                        {low.toFixed(0)}–{high.toFixed(0)}
                      </small>
                    </>
                  )}
                </>
              ),
            },
            { head: 'runs', number: true, cell: ({ runs }) => whole(runs) },
            { head: 'rejected', number: true, cell: ({ rejected }) => whole(rejected) },
            { head: 'duplicate', number: true, cell: ({ duplicate }) => whole(duplicate) },
            { head: 'failed', number: true, cell: ({ failed }) => whole(failed) },
          ]}
        />
        <p class="note">
          The score of a run is that of its final candidate, on trainings that did not select it. The normalised score
          follows AIRS-Bench: 0 for the worst run of the study, 1 for the best{' '}
          {detail.tasks.every(({ best }) => best !== null) ? 'possible' : 'observed'}, on a logarithmic scale of the
          distance to a perfect score. Elo pairs every run of an arm with every run of every other arm; an arm that
          never lost has none. Candidates: the distinct ones that the arm’s runs handed in. Elo intervals and the bands
          of the curves are over searches alone.
        </p>
      </section>
      <section id="curves">
        {detail.curves.map((curve) => (
          <Curves key={curve.task} detail={detail} curve={curve} />
        ))}
      </section>
    </>
  );
}

function Curves({ detail, curve }: { detail: StudyFigures; curve: StudyFigures['curves'][number] }) {
  const { task, shows, arms } = curve;
  const length = Math.max(0, ...arms.map(({ middle }) => middle.length));
  const of = detail.tasks.find(({ label }) => label === task);
  const order = detail.arms.map(({ name }) => name);
  return (
    <>
      <h2>
        {task} <small>{shows === 'regret' ? 'regret, lower is better' : 'score of the current candidate'}</small>
      </h2>
      <Chart
        x={Array.from({ length }, (_, index) => index + 1)}
        lines={arms.map(({ name, middle, low, high }) => ({
          ...{ name, values: middle, low, high },
          style: Math.max(0, order.indexOf(name)),
        }))}
        labelX="evaluations"
        labelY={shows === 'regret' ? 'simple regret' : `${of?.metric ?? 'score'} of the current candidate`}
        group="study"
        text="score"
        textX="whole"
        summary={`${shows} by evaluations on ${task} for ${arms.map(({ name }) => name).join(', ')}, with bands.`}
      />
      <p class="note">
        Interquartile mean over {counted(detail.seeds, 'seed')}, with pointwise 95 % bands.{' '}
        {shows === 'regret'
          ? `Regret: best possible minus current candidate. The best architecture of the table has a mean of ${scoreText(of?.best)}. A run’s current candidate has the best score that the run saw; it is judged by the training seeds that the run did not see, so a curve can rise where the search picked a lucky score.`
          : 'These scores selected the candidates and are optimistically biased; the comparisons use fresh trainings.'}
      </p>
    </>
  );
}
