import * as z from 'zod';
import { isOnline, type LiteratureSource, literatureSourceSchema, literatureSources } from './literature.ts';

/** How an agent with a language model reads: everything that decides it, as the archive records it. */
export const literatureSpecSchema = z.strictObject({
  sources: z.array(literatureSourceSchema).min(1),
  /** Of one thought. */
  searches: z.int().nonnegative(),
  reads: z.int().nonnegative(),
  /** Items that one search may show. */
  items: z.int().positive(),
  /** With `tools` the model asks for what it wants; `before` shows it what the laboratory looks up, without asking it. */
  how: z.enum(['tools', 'before']),
});
export type LiteratureSpec = z.infer<typeof literatureSpecSchema>;

const optionsSchema = z
  .strictObject({
    /** Where to look: without it Aira's notes and the search's own results, and all services where `online` is said. */
    sources: z.array(literatureSourceSchema).min(1).optional(),
    /** May services be asked? What is found is recorded, so that a replay needs no network. */
    online: z.boolean().default(false),
    searches: z.int().min(1).max(16).default(4),
    reads: z.int().min(0).max(16).optional(),
    items: z.int().min(1).max(10).default(5),
    how: z.enum(['tools', 'before']).default('tools'),
  })
  .check((context) => {
    const { sources = [], online, how, reads } = context.value;
    const object = (path: string, message: string) =>
      context.issues.push({ code: 'custom', input: context.value, path: [path], message });
    const service = sources.find(isOnline);
    if (service !== undefined && !online) object('sources', `${service} is a service: say online: true as well`);
    if (online && sources.length > 0 && service === undefined) object('online', 'none of the sources is a service');
    if (how === 'before' && reads !== undefined) object('reads', 'with how: before nothing is read in full');
  });

const usual = { searches: 4, reads: 2, items: 5 } as const;

function sourcesOf(stated: readonly LiteratureSource[] | undefined, online: boolean): LiteratureSource[] {
  if (stated) return [...new Set(stated)];
  return literatureSources.filter((source) => online || !isOnline(source));
}

/** `literature: true` is short for the usual budget on Aira's notes and the search's own results. */
export const literatureEntrySchema = z
  .union([z.boolean(), optionsSchema])
  .transform((stated): LiteratureSpec | null => {
    if (stated === false) return null;
    if (stated === true) return { sources: sourcesOf(undefined, false), ...usual, how: 'tools' };
    const { sources, online, searches, reads, items, how } = stated;
    const inFull = how === 'before' ? 0 : (reads ?? usual.reads);
    return { sources: sourcesOf(sources, online), searches, reads: inFull, items, how };
  });
