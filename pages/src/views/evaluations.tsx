import type { NodeDetail } from '../../../src/views/api.ts';
import { Chart } from '../parts/chart.tsx';
import { Text } from '../parts/code.tsx';
import { bytes, duration, scoreText, short } from '../parts/format.ts';
import { Tag } from '../parts/frame.tsx';
import { Table } from '../parts/table.tsx';

/** What a candidate scored: each training with its seed, whole errors, curves, and scores by sub-task. */
export function Evaluations({ detail, metric }: { detail: NodeDetail; metric: string }) {
  const curves = detail.rungs.flatMap(({ rung, evaluations }) =>
    evaluations
      .filter(({ curve }) => curve.length > 1)
      .map(({ seed, curve }) => ({ name: `${rung}, seed ${seed}`, curve })),
  );
  const steps = [...new Set(curves.flatMap(({ curve }) => curve.map(([step]) => step)))].sort((a, b) => a - b);
  const errors = detail.rungs.flatMap(({ evaluations }) => evaluations.filter(({ message }) => message !== null));
  // The mean of a rung of several trainings stands below the last of them.
  const trainings = detail.rungs.flatMap(({ rung, mean, sd, evaluations }) =>
    evaluations.map((each, at) => ({
      ...each,
      rung,
      mean: at > 0 && at === evaluations.length - 1 ? { score: mean, sd } : null,
    })),
  );
  const tasks = detail.rungs.flatMap(({ rung, evaluations }) =>
    evaluations.flatMap(({ seed, taskScores, floors }) =>
      Object.entries(taskScores).flatMap(([task, scores]) =>
        Object.entries(scores).map(([name, score]) => ({ rung, seed, task, name, score, floor: floors[task] ?? null })),
      ),
    ),
  );
  if (detail.rungs.length === 0) return null;
  return (
    <>
      <h2>Evaluations</h2>
      <Table
        stack
        rows={trainings}
        keyOf={({ key }) => key}
        columns={[
          { head: 'rung', names: true, cell: ({ rung }) => rung },
          { head: 'seed', number: true, label: true, cell: ({ seed }) => seed },
          {
            head: 'status',
            cell: (each) => (
              <>
                <Tag kind={each.status === 'ok' ? 'evaluated' : each.status} /> {each.cached && <Tag kind="cached" />}{' '}
                {each.unsafe && <Tag kind="failed">no sandbox</Tag>} {each.reason}
              </>
            ),
          },
          { head: metric, number: true, cell: ({ score }) => scoreText(score) },
          { head: 'parameters', number: true, label: true, cell: ({ parameters }) => short(parameters) },
          { head: 'memory', number: true, label: true, cell: ({ peakMemoryBytes }) => bytes(peakMemoryBytes) },
          { head: 'took', number: true, label: true, cell: ({ durationMs }) => duration(durationMs) },
          {
            head: 'worker',
            class: 'full',
            cell: (each) => (
              <>
                {each.worker ?? '–'} {each.device && <small>{each.device}</small>}{' '}
                {each.starts > 1 && <small>started {each.starts} times</small>}
              </>
            ),
          },
        ]}
        after={({ rung, mean }) =>
          mean && (
            <tr>
              <th scope="row">{rung}</th>
              <td class="number">mean</td>
              <td>{mean.sd !== null && `sd ${scoreText(mean.sd)}`}</td>
              <td class="number">
                <b>{scoreText(mean.score)}</b>
              </td>
              <td colSpan={4} />
            </tr>
          )
        }
      />
      {errors.map(({ key, seed, message }) => (
        <section key={key}>
          <h3 class="bad">Error with seed {seed}</h3>
          {message && <Text long={message} name={`${detail.node.id}-seed-${seed}.log`} />}
        </section>
      ))}
      {curves.length > 0 && (
        <>
          <h3>Training curves</h3>
          <Chart
            x={steps}
            lines={curves.map(({ name, curve }, style) => {
              const at = new Map(curve);
              return { name, style, values: steps.map((step) => at.get(step) ?? null), dots: curve.length < 30 };
            })}
            labelX="step"
            labelY={metric}
            height={240}
            text="score"
            textX="short"
            summary={`${curves.length} training curves of ${metric} by step.`}
          />
        </>
      )}
      {tasks.length > 0 && (
        <details open={tasks.length <= 12}>
          <summary>Scores by sub-task</summary>
          <Table
            rows={tasks}
            keyOf={({ rung, seed, task, name }) => `${rung}${seed}${task}${name}`}
            columns={[
              { head: 'sub-task', names: true, cell: ({ task }) => task },
              { head: 'rung', cell: ({ rung }) => rung },
              { head: 'seed', number: true, cell: ({ seed }) => seed },
              { head: 'figure', cell: ({ name }) => name },
              { head: 'score', number: true, cell: ({ score }) => scoreText(score) },
              { head: 'floor', number: true, cell: ({ floor }) => scoreText(floor) },
            ]}
          />
        </details>
      )}
    </>
  );
}
