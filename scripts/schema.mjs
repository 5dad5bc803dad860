// Writes what describes input files, from the zod schemas that Aira itself reads them with: the JSON Schemas for editors,
// and the tables of docs/search-file.md.
import { writeFileSync } from 'node:fs';
import { rewriteSection } from './section.mjs';

/** Imported by address, or the type check of the scripts would read all of what was built. @param {string} path */
const built = (path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const { searchFileJsonSchema } = await built('domain/search.js');
const { fileReference } = await built('domain/inputFile.js');
const { studyJsonSchema } = await built('studies/index.js');
const { scaleFileJsonSchema } = await built('scale/index.js');
const { searcherJsonSchema } = await built('agents/index.js');

const schemas = {
  search: searchFileJsonSchema(),
  study: studyJsonSchema(),
  scale: scaleFileJsonSchema(),
  searcher: searcherJsonSchema(),
};
for (const [name, schema] of Object.entries(schemas)) {
  writeFileSync(new URL(`../schemas/${name}.schema.json`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}

// Plans of trainings at growing sizes have a page of their own, docs/scale.md.
for (const name of /** @type {const} */ (['search', 'study'])) {
  rewriteSection('docs/search-file.md', name, fileReference(schemas[name]).trim());
}
