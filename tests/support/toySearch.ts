import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

export const toyTask = join(import.meta.dirname, 'tasks/toy');

/** One local agent of each kind. */
export const fiveAgents = [
  { name: 'chance', model: 'local/random', scaffold: 'one-shot' },
  { name: 'climber', model: 'local/mutate', scaffold: 'greedy' },
  { name: 'treetop', model: 'local/mutate', scaffold: 'mcts' },
  { name: 'islander', model: 'local/mutate', scaffold: 'evolutionary' },
  { name: 'composer', model: 'local/bayes', scaffold: 'greedy' },
];

/** Two agents that need no helper process, of which one decides by results. */
export const twoAgents = [
  { name: 'chance', model: 'local/random', scaffold: 'one-shot' },
  { name: 'climber', model: 'local/mutate', scaffold: { kind: 'greedy', drafts: 1 }, pending: 1 },
];

/** Writes a search file on the toy task and answers its path; a change replaces a key of the file. */
export function toySearch(folder: string, changes: Readonly<Record<string, unknown>> = {}, name = 'toy'): string {
  const path = join(folder, `${name}.yaml`);
  const search = {
    task: toyTask,
    seed: 3,
    budget: { evaluations: 6 },
    agents: twoAgents,
    references: [{ name: 'alternating', architecture: 'mA M mA M' }],
    workers: 1,
    ...changes,
  };
  writeFileSync(path, stringify(search));
  return path;
}
