// Records the commit of the sources in dist/commit.json, for `aira --version` of the package: npm runs it before packing.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = ['-C', root, 'describe', '--always', '--abbrev=12', '--exclude=*', '--dirty=+changes'];
const commit = execFileSync('git', args, { encoding: 'utf8' }).trim();
writeFileSync(new URL('../dist/commit.json', import.meta.url), `${JSON.stringify({ commit })}\n`);
