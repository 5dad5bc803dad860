import { shortCandidate } from '../../domain/candidate.ts';
import type { Item, OwnResult, ReadText } from '../../domain/literature.ts';
import type { View } from '../../domain/node.ts';
import { nodeLine } from '../operators/nodeText.ts';
import { quoted } from '../operators/quote.ts';

/** Most characters of an item that was found, and of one that is read. */
export const longestShown = { found: 900, read: 8200 } as const;

/** Items as a model is shown them: each a frame of data that it cannot close, named by its id. */
export function shownItems(items: readonly Item[]): string {
  if (items.length === 0) return 'Nothing was found. Other words may find more.';
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

/** The results that a view knows, as they can be searched: so that nobody finds what the attempt may not know (I4, I5). */
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
