// Writes the JSON Schema of search files, for editors, from the zod schema that Aira itself reads them with.
import { writeFileSync } from 'node:fs';
import { searchFileJsonSchema } from '../dist/domain/searchSchema.js';

writeFileSync(
  new URL('../schemas/search.schema.json', import.meta.url),
  `${JSON.stringify(searchFileJsonSchema(), null, 2)}\n`,
);
