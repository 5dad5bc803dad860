// Writes docs/export.md from the definition of the exported tables: `npm run build && node scripts/tables.mjs`.
import { writeFileSync } from 'node:fs';

/** Imported by address, or the type check of the scripts would read all of what was built. @type {{ tablesPage(): string }} */
const { tablesPage } = await import(new URL('../dist/export/index.js', import.meta.url).href);
writeFileSync(new URL('../docs/export.md', import.meta.url), tablesPage());
