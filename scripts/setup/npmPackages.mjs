import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { allOnPath, run } from './command.mjs';
import { SetupError } from './errors.mjs';
import { canCompile } from './optional.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockEntry */
/** @typedef {{ action: 'none' } | { action: 'install' | 'rebuild', why: string }} PackageFindings */

/** The one dependency with compiled code, tied to the Node version it was compiled for. */
const NATIVE = 'better-sqlite3';

/**
 * Compares package-lock.json with what npm itself recorded about node_modules at the end of its last complete
 * installation. That record is younger than any stamp of ours could be, and also right after an `npm install` by hand.
 *
 * @param {Host} host
 * @returns {PackageFindings}
 */
export function inspectPackages(host) {
  const wanted = readLock(join(host.root, 'package-lock.json'));
  if (!wanted)
    throw new SetupError(
      'package-lock.json is missing or unreadable: restore it, for instance with `git checkout package-lock.json`.',
    );
  const installed = readLock(join(host.root, 'node_modules/.package-lock.json'));
  if (!installed) return { action: 'install', why: 'they are not installed yet' };

  const outdated = Object.entries(wanted).find(([path, entry]) => !isInstalled(host, path, entry, installed[path]));
  if (outdated) return { action: 'install', why: `${outdated[0]} is not as package-lock.json wants it` };
  if (!(`node_modules/${NATIVE}` in wanted)) return { action: 'none' };
  return inspectNative(host);
}

/** @param {Host} host @param {string} path @param {LockEntry} entry @param {LockEntry | undefined} installed */
function isInstalled(host, path, entry, installed) {
  if (path === '' || entry.link) return true;
  // Optional packages are those of other platforms, mostly: npm leaves them out and does not record them.
  if (!installed) return entry.optional === true;
  const same = installed.version === entry.version && installed.integrity === entry.integrity;
  return same && existsSync(join(host.root, path, 'package.json'));
}

/**
 * Opens a database in memory, in a few milliseconds: nothing less shows that the compiled part fits this Node.
 *
 * @param {Host} host
 * @returns {PackageFindings}
 */
function inspectNative(host) {
  try {
    const Database = createRequire(join(host.root, 'package.json'))(NATIVE);
    new Database(':memory:').close();
    return { action: 'none' };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const first = text.split('\n')[0];
    return { action: 'rebuild', why: `it does not work with this Node (${first})` };
  }
}

/** @param {Host} host @param {PackageFindings} found */
export async function installNpmPackages(host, found) {
  if (found.action === 'none') return;
  const npm = allOnPath(host, 'npm')[0];
  if (!npm)
    throw new SetupError('npm was not found on PATH: install it next to Node (Debian: apt-get install npm).', {
      exitCode: 2,
    });
  const env = await nodeHeaders(host, npm);

  // Development packages are wanted even where NODE_ENV=production would leave them out: the compiler is one.
  const [label, args] =
    found.action === 'rebuild'
      ? [`npm rebuild ${NATIVE}`, ['rebuild', NATIVE]]
      : ['npm ci', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=http']];
  host.say(
    found.action === 'rebuild'
      ? `compiling ${NATIVE} again: ${found.why}`
      : `installing npm packages (npm ci, one to two minutes): ${found.why}`,
  );
  let fetched = 0;
  const progress = (/** @type {string} */ line) => {
    if (line.startsWith('npm http fetch') || line.startsWith('npm http cache')) fetched += 1;
    return fetched === 0 ? null : `${fetched} packages fetched`;
  };
  const finished = await run(host, label, npm, args, { env, progress });
  if (finished.code !== 0) {
    const hint = canCompile(host)
      ? []
      : [
          `No C++ compiler with make was found, which ${NATIVE} may need: install them (Debian: apt-get install g++ make).`,
        ];
    throw new SetupError(`${label} failed: see its last lines below.`, {
      exitCode: hint.length > 0 ? 2 : 1,
      details: [...finished.tail, ...hint],
    });
  }
  const after = inspectPackages(host);
  if (after.action !== 'none')
    throw new SetupError(`${label} went through, but the npm packages cannot be used: ${after.why}.`);
}

/**
 * Where no ready-made binary can be fetched, node-gyp compiles, and for that it downloads Node's headers, unless told
 * where they lie. Distributions and the archives of nodejs.org put them beside Node. They are named only if they are of
 * the running version and the user has not configured others.
 *
 * @param {Host} host
 * @param {string} npm
 * @returns {Promise<Record<string, string>>}
 */
async function nodeHeaders(host, npm) {
  if (Object.keys(host.env).some((name) => name.toLowerCase() === 'npm_config_nodedir')) return {};
  const prefix = dirname(dirname(host.execPath));
  if (headersVersion(prefix) !== process.versions.modules) return {};
  const configured = await run(host, 'npm config', npm, ['config', 'get', 'nodedir']);
  const value = configured.stdout.trim();
  return configured.code === 0 && ['', 'undefined', 'null'].includes(value) ? { npm_config_nodedir: prefix } : {};
}

/** NODE_MODULE_VERSION of the headers under `prefix`, as text. @param {string} prefix */
function headersVersion(prefix) {
  try {
    const text = readFileSync(join(prefix, 'include/node/node_version.h'), 'utf8');
    return /#define NODE_MODULE_VERSION (\d+)/.exec(text)?.[1] ?? null;
  } catch {
    return null;
  }
}

/**
 * The entries of a lock file by path, or null if there is none.
 *
 * @param {string} path
 * @returns {Record<string, LockEntry> | null}
 */
function readLock(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? null;
  } catch {
    return null;
  }
}
