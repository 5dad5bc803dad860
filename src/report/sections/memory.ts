import type { ReportData } from '../data.ts';
import { count, percent } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { type MemoryFigures, memoryFigures, type Offspring } from '../memory.ts';
import { section, table } from '../table.ts';

const total = (figures: readonly MemoryFigures[], count: (each: MemoryFigures) => number): number =>
  figures.reduce((sum, each) => sum + count(each), 0);

const success = ({ judged, improved }: Offspring): string =>
  judged === 0 ? 'none' : `${count(improved)} of ${count(judged)} (${percent(improved / judged)})`;

const sum = (figures: readonly MemoryFigures[], kind: 'own' | 'foreign'): Offspring => ({
  judged: total(figures, (each) => each[kind].judged),
  improved: total(figures, (each) => each[kind].improved),
});

function sentence(memory: 'own' | 'ensemble', figures: readonly MemoryFigures[]): Markup | null {
  const those = figures.filter((each) => each.memory === memory);
  if (those.length === 0) return null;
  const refused = total(those, ({ equal, close }) => equal + close);
  const foreign = memory === 'own' ? '' : `; with a parent of another agent, ${success(sum(those, 'foreign'))}`;
  const reused = total(those, (each) => each.reused);
  return html`<li>${count(those.length)} with the memory <b>${memory}</b>. Trainings avoided: ${count(refused)} because a candidate was
not new, ${count(reused)} because a result was at hand. Children that outdid the better parent: of own parents, ${success(
    sum(those, 'own'),
  )}${foreign}.</li>`;
}

/** What agents remember of each other, and what came of it. A single agent has nobody to remember. */
export function memorySection(data: ReportData): Markup | null {
  if (data.agents.length < 2) return null;
  const figures = memoryFigures(data);
  return section(
    'memory',
    'Memory across agents',
    html`<ul>${sentence('own', figures)}${sentence('ensemble', figures)}</ul>
<p>Improvement is counted on the one seed of the screening, so that some of it is noise, for either kind of parent alike.</p>
${table(
  [
    { head: 'agent', kind: 'name' },
    { head: 'remembers' },
    { head: 'novelty, edits', kind: 'number' },
    { head: 'equal, refused', kind: 'number' },
    { head: 'too close, refused', kind: 'number' },
    { head: 'results reused', kind: 'number' },
    { head: 'own parents outdone', kind: 'number' },
    { head: 'foreign parents outdone', kind: 'number' },
  ],
  figures.map(({ agent, memory, distance, equal, close, reused, own, foreign }) => [
    ...[agent, memory, count(distance), count(equal), count(close), count(reused)],
    ...[success(own), success(foreign)],
  ]),
)}`,
  );
}
