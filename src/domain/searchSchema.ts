import * as z from 'zod';
import { searchFileSchema } from './search.ts';

/** The JSON Schema of search files, as published in `schemas/search.schema.json` for editors. */
export function searchFileJsonSchema(): object {
  return { title: 'An Aira search file', ...z.toJSONSchema(searchFileSchema, { io: 'input', unrepresentable: 'any' }) };
}
