import * as z from 'zod';
import { itemSchema } from '../domain/literature.ts';

/** What an index holds of a work: an item with its whole text. */
export const indexedDocumentSchema = itemSchema.omit({ snippet: true }).extend({
  topic: z.string().nullable(),
  abstract: z.string(),
  body: z.string(),
});
export type IndexedDocument = z.infer<typeof indexedDocumentSchema>;

/** What a reader is given: title, abstract and body. */
export function wholeText({ title, abstract, body }: IndexedDocument): string {
  return [title, abstract, body].filter((part) => part !== '').join('\n\n');
}
