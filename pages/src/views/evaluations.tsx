import type { NodeDetail } from '../../../src/views/api.ts';
import { Chart } from '../parts/chart.tsx';
import { Text } from '../parts/code.tsx';
import { bytes, duration, scoreText, short } from '../parts/format.ts';
import { Tag } from '../parts/frame.tsx';

/** What a candidate scored: each training with its seed, whole errors, curves, and scores by sub-task. */
export function Evaluations({ detail, metric }: { detail: NodeDetail; metric: string }) {
  const curves = detail.rungs.flatMap(({ rung, evaluations }) =>
    evaluations
      .filter(({ curve }) => curve.length > 1)
      .map(({ seed, curve }) => ({ name: `${rung}, seed ${seed}`, curve })),
  );
  const steps = [...new Set(curves.flatMap(({ curve }) => curve.map(([step]) => step)))].sort((a, b) => a - b);
  const errors = detail.rungs.flatMap(({ evaluations }) => evaluations.filter(({ message }) => message !== null));
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
      <div class="scroll">
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">rung</th>
              <th scope="col" class="number">
                seed
              </th>
              <th scope="col">status</th>
              <th scope="col" class="number">
                {metric}
              </th>
              <th scope="col" class="number">
                parameters
              </th>
              <th scope="col" class="number">
                memory
              </th>
              <th scope="col" class="number">
                took
              </th>
              <th scope="col">worker</th>
            </tr>
          </thead>
          <tbody>
            {detail.rungs.map(({ rung, mean, sd, evaluations }) => (
              <>
                {evaluations.map((each) => (
                  <tr key={each.key}>
                    <th scope="row">{rung}</th>
                    <td class="number" data-label="seed">
                      {each.seed}
                    </td>
                    <td>
                      <Tag kind={each.status === 'ok' ? 'evaluated' : each.status} />{' '}
                      {each.cached && <Tag kind="cached" />} {each.unsafe && <Tag kind="failed">no sandbox</Tag>}{' '}
                      {each.reason}
                    </td>
                    <td class="number">{scoreText(each.score)}</td>
                    <td class="number" data-label="parameters">
                      {short(each.parameters)}
                    </td>
                    <td class="number" data-label="memory">
                      {bytes(each.peakMemoryBytes)}
                    </td>
                    <td class="number" data-label="took">
                      {duration(each.durationMs)}
                    </td>
                    <td class="full">
                      {each.worker ?? '–'} {each.device && <small>{each.device}</small>}{' '}
                      {each.starts > 1 && <small>started {each.starts} times</small>}
                    </td>
                  </tr>
                ))}
                {evaluations.length > 1 && (
                  <tr key={`${rung}-mean`}>
                    <th scope="row">{rung}</th>
                    <td class="number">mean</td>
                    <td>{sd !== null && `sd ${scoreText(sd)}`}</td>
                    <td class="number">
                      <b>{scoreText(mean)}</b>
                    </td>
                    <td colSpan={4} />
                  </tr>
                )}
              </>
            ))}
          </tbody>
        </table>
      </div>
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
            text={scoreText}
            textX={(value) => short(value)}
            summary={`${curves.length} training curves of ${metric} by step.`}
          />
        </>
      )}
      {tasks.length > 0 && (
        <details open={tasks.length <= 12}>
          <summary>Scores by sub-task</summary>
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  {['sub-task', 'rung', 'seed', 'figure', 'score', 'floor'].map((name, index) => (
                    <th key={name} scope="col" class={index > 3 || index === 2 ? 'number' : ''}>
                      {name}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {tasks.map(({ rung, seed, task, name, score, floor }) => (
                  <tr key={`${rung}${seed}${task}${name}`}>
                    <th scope="row">{task}</th>
                    <td>{rung}</td>
                    <td class="number">{seed}</td>
                    <td>{name}</td>
                    <td class="number">{scoreText(score)}</td>
                    <td class="number">{scoreText(floor)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </details>
      )}
    </>
  );
}
