// What Biome does not read: Python by Ruff (ruff.toml) and the C++ of the engine by clang-format (.clang-format).
// `node scripts/lint.mjs` checks, `--write` formats; both come as WebAssembly, so no machine needs them installed.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format as formatCpp } from '@wasm-fmt/clang-format';
import { parse } from 'smol-toml';

// Generated for CommonJS.
const { PositionEncoding, Workspace } = createRequire(import.meta.url)('@astral-sh/ruff-wasm-nodejs');

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const write = process.argv.includes('--write');

const folders = ['gpu-workers', 'scripts', 'tasks', 'tests'];

/** Source files with one of these endings; hidden folders and caches hold none. @param {RegExp} ending @returns {string[]} */
const listed = (ending) =>
  folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((path) => join(folder, path))
      .filter((path) => ending.test(path) && !/(^|\/)(\.|__pycache__|node_modules)/.test(path))
      .sort(),
  );

/** @type {string[]} */
const problems = [];

/** @param {string} path @param {string} text @param {string} formatted */
function compare(path, text, formatted) {
  if (text === formatted) return;
  if (write) writeFileSync(join(root, path), formatted);
  else problems.push(`${path}: not formatted (npm run format)`);
}

const { 'extend-exclude': excluded = [], ...settings } = /** @type {any} */ (
  parse(readFileSync(join(root, 'ruff.toml'), 'utf8'))
);
const { 'per-file-ignores': ignoredIn = {}, ...lint } = settings.lint;
const ruff = new Workspace({ ...settings, lint }, PositionEncoding.UTF16);
for (const path of listed(/\.py$/)) {
  if (excluded.some((/** @type {string} */ folder) => path.startsWith(`${folder}/`))) continue;
  const text = readFileSync(join(root, path), 'utf8');
  // Patterns are files, or folders with a star.
  const ignored = Object.entries(ignoredIn).flatMap(([pattern, codes]) =>
    path.startsWith(pattern.replace('*', '')) ? codes : [],
  );
  for (const { code, message, start_location: at } of ruff.check(text)) {
    if (!ignored.includes(code)) problems.push(`${path}:${at.row}:${at.column}: ${code} ${message}`);
  }
  compare(path, text, ruff.format(text));
}

const style = readFileSync(join(root, '.clang-format'), 'utf8');
for (const path of listed(/\.(hpp|cpp)$/)) {
  const text = readFileSync(join(root, path), 'utf8');
  compare(path, text, formatCpp(text, path, style));
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
