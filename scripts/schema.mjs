// Writes the JSON Schemas of search and study files, for editors, from the zod schemas that Aira itself reads them with.
import { writeFileSync } from 'node:fs';
import { searchFileJsonSchema } from '../dist/domain/search.js';
import { studyJsonSchema } from '../dist/studies/index.js';

const schemas = { search: searchFileJsonSchema(), study: studyJsonSchema() };
for (const [name, schema] of Object.entries(schemas)) {
  writeFileSync(new URL(`../schemas/${name}.schema.json`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}
