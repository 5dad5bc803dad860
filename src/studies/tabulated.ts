import type { LocalModel, Thinker } from '../agents/index.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { searchIdSchema } from '../domain/ids.ts';
import { armsOf, isLocal, type LocalModelName } from '../domain/model.ts';
import { planSearch } from '../domain/plan.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Task } from '../domain/task.ts';
import type { Table } from '../evaluators/index.ts';
import type { RunResult, TaskFacts } from './results.ts';
import { courseOf, simulate } from './simulate.ts';
import { type Arm, interleaved, type Study, searchFileOf } from './spec.ts';

/** What a table is called in figures and results: the task that it was measured on, and how deep. */
export function tableFacts(table: Table): TaskFacts {
  const { task, space, profile, rung, evaluator, torch, python, device, measured, seeds } = table.file;
  return {
    label: `${task}-${space.layers}`,
    kind: 'table',
    metric: 'validation',
    best: table.best.mean,
    course: 'worth',
    versions: {
      table: table.version,
      space: `all ${table.size} architectures of ${space.layers} layers of ${space.primitives.join(', ')}, ${seeds.length} seeds each`,
      settings: `${task}, profile ${profile}, rung ${rung}`,
      measured: `${measured.from.slice(0, 10)} with ${evaluator}, torch ${torch}, Python ${python}, ${device}`,
    },
  };
}

/** The search that a run of an arm is on a table. @throws PrerequisiteError for agents that a table cannot serve. */
export function tableSearch(study: Study, arm: Arm, table: Table, seed: number): SearchSpec {
  const { task: name, profile, space, settings, cpuSeconds } = table.file;
  const rung = { seconds: Math.max(cpuSeconds, 0.001), settings };
  const rungs = { screen: rung, confirm: rung, final: rung };
  const task: Task = {
    ...{ name, directory: '', description: '', metric: 'validation', lowerIsBetter: false },
    space: { kind: 'stack', ...space },
    profiles: { [profile]: { rungs } },
  };
  const file = searchFileOf(study, arm, { name, profile, kind: 'stack' }, seed);
  const id = searchIdSchema.parse('tabulated');
  const spec = planSearch(file, {
    id,
    task,
    profile: { rungs },
    evaluator: `table-${table.version}`,
    deviceClass: 'cpu',
  });
  for (const { name: agent, model } of spec.agents) {
    if (!armsOf(model).every(isLocal)) {
      throw new PrerequisiteError(
        'study-table-model',
        `arm "${arm.name}": ${agent} thinks with ${model}, and a table serves local models only`,
        'name a task instead of the table, so that the search runs in the laboratory',
      );
    }
  }
  return spec;
}

export interface TabulatedSetting {
  readonly study: Study;
  readonly table: Table;
  /** A model of its own for each lane, since one that starts a process answers one question at a time. */
  readonly createModel: (name: LocalModelName) => LocalModel;
  /** Runs at once; pays where models think in processes of their own. */
  readonly lanes: number;
  readonly onRun: (result: RunResult) => void;
  readonly signal: AbortSignal;
}

/** All runs of a study on a table, in the study's order. The same study gives the same results (I5). */
export async function runTabulated(setting: TabulatedSetting): Promise<RunResult[]> {
  const { study, table, createModel, lanes, onRun, signal } = setting;
  const task = tableFacts(table).label;
  const plan = interleaved(study, [table]).map(({ arm, seed }) => ({
    arm,
    seed,
    spec: tableSearch(study, arm, table, seed),
  }));
  const results = new Array<RunResult>(plan.length);
  const opened: LocalModel[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    const models: Partial<Record<LocalModelName, LocalModel>> = {};
    for (let index = next++; index < plan.length; index = next++) {
      const { arm, seed, spec } = plan[index] as (typeof plan)[number];
      for (const model of spec.agents.flatMap((agent) => armsOf(agent.model))) {
        if (!isLocal(model) || models[model]) continue;
        models[model] = createModel(model);
        opened.push(models[model]);
      }
      const look = (candidate: string) => table.look(candidate, seed);
      const runs = await simulate(spec, { models: models as Thinker['models'], look, signal });
      const result = { arm: arm.name, task, seed, ...courseOf(runs) };
      results[index] = result;
      onRun(result);
      // A long run of cheap thoughts would otherwise leave no turn for signals and timers.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, Math.min(lanes, plan.length)) }, lane));
  } finally {
    for (const model of opened) await model.close();
  }
  return results;
}
