import { dirname, join, resolve } from 'node:path';
import type { TrainedRun } from '../actors/index.ts';
import { OwnScaffolds, searcherFiles } from '../agents/index.ts';
import { usesCorpus } from '../domain/agent.ts';
import { searchIdSchema } from '../domain/ids.ts';
import { type PlanContext, planSearch, spaceOf } from '../domain/plan.ts';
import type { SearchSpec } from '../domain/search.ts';
import { manifestOf, primitiveFolders, readTable, runsScripts, type Table, versionFor } from '../evaluators/index.ts';
import { loadCorpus } from '../literature/index.ts';
import { chooseDevices, type Device, inspectMachine, packageRoot } from '../platform/index.ts';
import {
  type Arm,
  agentsOf,
  interleaved,
  runName,
  type Study,
  searchFileOf,
  type TaskFacts,
  tableFacts,
  tableSearch,
  trainedFacts,
} from '../studies/index.ts';
import { contentOf, loadTask, profileOf } from '../tasks/index.ts';

/** A study with every choice resolved: table lookups, trained runs, devices. */
export interface StudyPlan {
  readonly tables: readonly Table[];
  readonly trained: readonly TrainedRun[];
  readonly devices: readonly Device[];
  readonly tasks: readonly TaskFacts[];
  /** Directories of its tasks that run scripts. */
  readonly directories: readonly string[];
  /** Folders of own primitives; empty if its tasks use none. */
  readonly primitives: readonly string[];
  readonly runs: number;
  /** Files of `program/` models. */
  readonly programs: NonNullable<PlanContext['programs']>;
  /** Folders of scaffolds of the user, and what is recorded of those that its arms name. */
  readonly scaffolds: readonly string[];
  readonly plannedScaffolds: NonNullable<PlanContext['scaffolds']>;
}

/** A bare word is a shipped table; anything else a path relative to the study file. */
function findTable(table: string, studyPath: string): Table {
  const shipped = /^[a-z0-9-]+$/.test(table);
  return readTable(shipped ? join(packageRoot, 'tables', `${table}.json`) : resolve(dirname(studyPath), table));
}

/**
 * Resolves every choice of a study without starting anything.
 *
 * @throws PrerequisiteError for a mistake in its arms, tasks or tables.
 */
export async function planStudy(
  family: string,
  study: Study,
  path: string,
  python: () => Promise<string>,
  /** Imported data, and folders of own primitives and scaffolds. */
  {
    data,
    given,
    scaffolds,
  }: { readonly data: string; readonly given: readonly string[]; scaffolds: readonly string[] },
): Promise<StudyPlan> {
  const agents = study.arms.flatMap((arm) => agentsOf(study, arm));
  const programs = searcherFiles(
    agents.map(({ model }) => model),
    dirname(resolve(path)),
  );
  const plannedScaffolds = await new OwnScaffolds(scaffolds).plan(agents.map(({ scaffold }) => scaffold));
  const known = { programs, scaffolds: plannedScaffolds };
  const tables = study.tasks.flatMap((task) => ('table' in task ? [findTable(task.table, path)] : []));
  for (const table of tables) for (const arm of study.arms) tableSearch(study, arm, table, 1, known);

  const named = study.tasks.flatMap((task) => ('task' in task ? [task] : []));
  const devices = named.length > 0 ? chooseDevices(study.workers, await inspectMachine(await python())) : [];
  const deviceClass = devices[0]?.class ?? 'cpu';
  const folders = primitiveFolders(given, path);
  const planTask = async (entry: (typeof named)[number]) => {
    const { task: name, profile: profileName } = entry;
    const task = loadTask(name);
    const space = spaceOf(entry, task);
    const profile = profileOf(task, profileName);
    const content = await contentOf(task, profile, data);
    const primitives = await manifestOf(space, await python(), folders);
    const evaluator = versionFor(space.kind, deviceClass, primitives);
    const plan = (arm: Arm, seed: number): SearchSpec => {
      const file = searchFileOf(study, arm, { ...entry, name, kind: space.kind }, seed);
      const corpus = file.agents.some(usesCorpus) ? loadCorpus().version : undefined;
      const id = searchIdSchema.parse('study');
      const spec = planSearch(file, {
        id,
        task,
        profile,
        evaluator,
        primitives,
        deviceClass,
        content,
        corpus,
        ...known,
      });
      return { ...spec, id: runName(family, arm.name, spec) };
    };
    const directories = runsScripts(profile.rungs.screen.settings) ? [task.directory] : [];
    const label = [task.name, ...(profileName === 'nano' ? [] : [profileName]), ...(entry.primitives ?? [])].join('-');
    return { label, plan, directories, usesOwn: primitives.length > 0 };
  };
  const planned: Awaited<ReturnType<typeof planTask>>[] = [];
  for (const each of named) planned.push(await planTask(each));
  const trained = interleaved(study, planned).map(
    ({ arm, task, seed }): TrainedRun => ({ arm: arm.name, task: task.label, spec: task.plan(arm, seed) }),
  );
  const facts = planned.map(({ label }) => {
    const first = trained.find((run) => run.task === label) as TrainedRun;
    return trainedFacts(label, first.spec);
  });
  return {
    tables,
    trained,
    devices,
    tasks: [...tables.map(tableFacts), ...facts],
    directories: planned.flatMap(({ directories }) => directories),
    primitives: planned.some(({ usesOwn }) => usesOwn) ? folders : [],
    runs: tables.length * study.arms.length * study.seeds + trained.length,
    programs,
    scaffolds,
    plannedScaffolds,
  };
}
