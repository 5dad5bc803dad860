import * as z from 'zod';
import { shortCandidate } from '../../domain/candidate.ts';
import { type nodeStatusSchema, type operatorSchema, ranked, type ViewNode } from '../../domain/node.ts';

/**
 * Reading the nodes of a view: one definition for the tools of our agents and of agents from outside.
 */

/** What to look for, as one text. */
export const wordsSchema = z
  .string()
  .min(1)
  .max(500)
  .describe('each word must occur in the candidate or the texts of a node');

export const nodeDescriptions = {
  get_node: 'One node of your view in full, with its candidate.',
  search_archive: 'Nodes of your view by words, status and operator, best first.',
} as const;

export interface NodeQuery {
  readonly words?: string | null | undefined;
  readonly status?: z.infer<typeof nodeStatusSchema> | null | undefined;
  readonly operator?: z.infer<typeof operatorSchema> | null | undefined;
}

/** The nodes that match a query, in the order of the view. */
export function matchingNodes(nodes: readonly ViewNode[], { words, status, operator }: NodeQuery): ViewNode[] {
  const wanted = (words ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return nodes.filter((node) => {
    if (status != null && node.status !== status) return false;
    if (operator != null && node.operator !== operator) return false;
    const { id, candidate, change = '', message = '', lesson = '' } = node;
    const text = [id, candidate, shortCandidate(candidate), change, message, lesson].join('\n').toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}

/** Best first, then the others, latest first. */
export function bestFirst(nodes: readonly ViewNode[]): ViewNode[] {
  const best = ranked(nodes);
  const listed = new Set(best.map(({ id }) => id));
  return [...best, ...nodes.filter(({ id }) => !listed.has(id)).reverse()];
}
