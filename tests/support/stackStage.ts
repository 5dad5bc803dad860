import type { StackSpace } from '../../src/domain/architecture.ts';
import type { Stage } from '../../src/domain/rehearsal.ts';
import { versionFor } from '../../src/evaluators/index.ts';
import { loadTask, profileOf } from '../../src/tasks/index.ts';

const task = loadTask('compose-mad-3p');
const { screen } = profileOf(task, 'nano').rungs;

/** What rehearsals of stacks of the shipped task rest on. */
export const space = task.space as StackSpace;
export const stage: Stage = {
  ...{ task: task.name, taskVersion: '1', evaluator: versionFor('stack', 'cpu'), deviceClass: 'cpu', space },
  ...{ settings: screen.settings, seconds: screen.seconds, lowerIsBetter: false, seed: 1 },
};
