// Writes the JSON Schemas of search and study files, for editors, from the zod schemas that Aira itself reads them with.
import { writeFileSync } from 'node:fs';

/** Imported by address, or the type check of the scripts would read all of what was built. @param {string} path */
const built = (path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const { searchFileJsonSchema } = await built('domain/search.js');
const { studyJsonSchema } = await built('studies/index.js');

const schemas = { search: searchFileJsonSchema(), study: studyJsonSchema() };
for (const [name, schema] of Object.entries(schemas)) {
  writeFileSync(new URL(`../schemas/${name}.schema.json`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}
