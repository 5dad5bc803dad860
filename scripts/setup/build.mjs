import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { run } from './command.mjs';
import { SetupError } from './errors.mjs';
import { stateFolder } from './host.mjs';
import { writeWhole } from './toolchain.mjs';

/** @typedef {import('./host.mjs').Host} Host */

// package.json, because its `type` decides how modules are emitted.
const CONFIGURATION = [
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'node_modules/typescript/package.json',
  'node_modules/vite/package.json',
  'node_modules/preact/package.json',
  'scripts/pages.mjs',
];
const OUTPUT = /(\.d\.ts|\.js|\.js\.map)$/;

/** @param {string} folder @returns {string[]} */
function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/**
 * A hash of everything the build reads. Contents, not times: they are few enough to be read in milliseconds, and
 * switching branches back and forth then costs no build.
 *
 * @param {Host} host
 */
export function sourceHash(host) {
  const hash = createHash('sha256');
  const sources = ['src', 'pages'].flatMap((folder) => filesUnder(join(host.root, folder)));
  const files = [...CONFIGURATION.map((name) => join(host.root, name)), ...sources];
  for (const file of files.filter((path) => existsSync(path))) {
    const text = readFileSync(file);
    hash.update(`${relative(host.root, file)}\0${text.length}\0`).update(text);
  }
  return hash.digest('hex');
}

/** @param {Host} host */
function stampPath(host) {
  return join(stateFolder(host), 'build');
}

/** Whether dist/ was compiled from the present sources. @param {Host} host */
export function isBuilt(host) {
  const path = stampPath(host);
  return existsSync(path) && readFileSync(path, 'utf8') === sourceHash(host);
}

/** Compiles src/ and pages/ to dist/. @param {Host} host */
export async function build(host) {
  const hash = sourceHash(host);
  host.say(`compiling src/ to dist/: ${existsSync(stampPath(host)) ? 'the sources are newer' : 'it is not built yet'}`);
  removeOrphans(host);
  const compiler = join(host.root, 'node_modules/typescript/bin/tsc');
  const finished = await run(host, 'tsc', host.execPath, [compiler, '-p', 'tsconfig.build.json', '--pretty', 'false']);
  if (finished.code !== 0)
    throw new SetupError('the TypeScript sources do not compile: see the last messages below.', {
      details: finished.tail,
    });
  await buildPages(host);
  writeWhole(stampPath(host), hash);
}

/** Bundles pages/ to dist/pages and dist/document. @param {Host} host */
async function buildPages(host) {
  if (!existsSync(join(host.root, 'pages'))) return;
  const finished = await run(host, 'vite', host.execPath, [join(host.root, 'scripts/pages.mjs')]);
  if (finished.code !== 0)
    throw new SetupError('the pages do not compile: see the last messages below.', {
      details: finished.tail,
    });
}

/**
 * The compiler never deletes: without this, a module that was removed or renamed could still be imported from dist/.
 *
 * @param {Host} host
 */
function removeOrphans(host) {
  const dist = join(host.root, 'dist');
  for (const file of filesUnder(dist).filter(
    (path) =>
      OUTPUT.test(path) &&
      ![stateFolder(host), join(dist, 'pages'), join(dist, 'document')].some((folder) => path.startsWith(folder + sep)),
  )) {
    const source = join(host.root, 'src', relative(dist, file).replace(OUTPUT, '.ts'));
    if (!existsSync(source)) rmSync(file);
  }
}
