import { TerminalError } from '../domain/errors.ts';
import type { ReplyOf } from '../domain/messages.ts';
import type { Outsider } from './outsider.ts';

type Joined = ReplyOf<'agent-join'>;

/** Longest list of documents in the answer about the task; a task has a few example programs. */
const maxListed = 100;

/** What the author of a candidate is given to read, by name: the task's description, its baseline, its example programs. */
export function documentsOf({ brief }: Joined): Map<string, string> {
  const documents = new Map<string, string>();
  if (!brief) return documents;
  documents.set('contract', brief.contract);
  for (const [file, text] of Object.entries(brief.baseline)) documents.set(`baseline/${file}`, text);
  for (const { name, files } of brief.library) {
    for (const [file, text] of Object.entries(files)) documents.set(`library/${name}/${file}`, text);
  }
  return documents;
}

/** How a candidate is written, in one sentence. */
function candidateForm({ space }: Joined): string {
  if (space.kind === 'stack') {
    const { layers, primitives } = space;
    const example = Array.from({ length: Math.min(layers, 4) }, (_, at) => primitives[at % primitives.length]).join(
      ' ',
    );
    return `a text of exactly ${layers} layers separated by blanks, first layer first, such as "${example}${layers > 4 ? ' ...' : ''}"`;
  }
  if (space.kind === 'scale') throw new TerminalError('scale', 'agents propose nothing in a scale plan');
  const files = space.files.map(({ name, maxBytes }) => `${name} (at most ${maxBytes} bytes)`).join(', ');
  return `an object with the whole text of each file: ${files}; read the document "contract" first`;
}

/** The task in the words of the search, the client's budget, and what there is to read. */
export function taskOf(joined: Joined, { search, name }: Pick<Outsider, 'search' | 'name'>) {
  const { spec, space, task, metric, lowerIsBetter } = joined;
  const { evaluations, pending, memory = 'own', literature } = spec;
  const documents = [...documentsOf(joined)].map(([document, text]) => ({ document, characters: text.length }));
  return {
    search,
    agent: name,
    task,
    metric,
    fitness: `${lowerIsBetter ? `minus ${metric}` : metric} on validation; more is better`,
    candidate: candidateForm(joined),
    space,
    evaluations,
    in_flight: `a view waits for your outcomes up to ${pending} attempts back, so at most ${pending} trainings overlap`,
    memory: memory === 'ensemble' ? 'you see attempts of all agents' : 'you see your own attempts',
    literature: literature
      ? { sources: literature.sources, searches: literature.searches, reads: literature.reads }
      : null,
    documents: documents.slice(0, maxListed),
    documents_total: documents.length,
    next: 'get_view',
  };
}
