// Records the commit of the sources in dist/commit.json, for `aira --version` of the package: npm runs it before packing.
import { rmSync, writeFileSync } from 'node:fs';

/** Imported by address, or the type check of the scripts would read all of what was built. @type {{ checkoutCommit(): Promise<string | null> }} */
const { checkoutCommit } = await import(new URL('../dist/cli/commands/setup.js', import.meta.url).href);
const record = new URL('../dist/commit.json', import.meta.url);
const commit = await checkoutCommit();
if (commit === null) rmSync(record, { force: true });
else writeFileSync(record, `${JSON.stringify({ commit })}\n`);
