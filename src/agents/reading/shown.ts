import { shortCandidate } from '../../domain/candidate.ts';
import type { Item, OwnResult, ReadText } from '../../domain/literature.ts';
import type { View } from '../../domain/node.ts';
import { nodeLine, quoted } from '../operators/promptText.ts';

/** Maximum characters of a search hit, and of a document that is read. */
export const longestShown = { found: 900, read: 8200 } as const;

/** Search hits for a model: each in a data frame that it cannot close, named by its id. */
export function shownItems(items: readonly Item[]): string {
  if (items.length === 0) return 'No results. Try other words.';
  return items
    .map(({ id, title, authors, year, licence, snippet }) => {
      const by = [authors.slice(0, 3).join(', ') + (authors.length > 3 ? ' and others' : ''), year ?? ''];
      const head = [title, ...by.filter((part) => part !== ''), `licence: ${licence}`].join('; ');
      return quoted(id, `${head}\n${snippet}`, longestShown.found);
    })
    .join('\n');
}

export function shownText({ id, title, text, truncated }: ReadText): string {
  return quoted(id, `${title}\n\n${text}${truncated ? '\n(cut off here)' : ''}`, longestShown.read);
}

/** The view's results in searchable form: a search finds nothing that the attempt may not know (I4, I5). */
export function ownResults(view: View): OwnResult[] {
  return view.nodes
    .filter(({ status }) => status !== 'pending')
    .map((node) => ({
      id: node.id,
      title: `${node.operator} ${shortCandidate(node.candidate)}`,
      text: nodeLine(node).slice(2),
      author: node.agent,
    }));
}
