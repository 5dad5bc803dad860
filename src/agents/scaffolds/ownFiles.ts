import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, extname, join, resolve } from 'node:path';
import { init as lexer, parse } from 'es-module-lexer';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { formatZodError, nearest } from '../../domain/inputFile.ts';
import { canonicalJson } from '../../domain/json.ts';
import type { PlanContext } from '../../domain/plan.ts';
import {
  type OwnScaffoldEntry,
  type OwnScaffoldSpec,
  type OwnSettings,
  ownScaffoldNameSchema,
  ownSettingsSchema,
  type ScaffoldEntry,
  scaffoldKinds,
  scaffoldPresetNames,
} from '../../domain/scaffold.ts';
import { readTextFile, whyNot } from '../../platform/index.ts';
import type { Scaffold } from './decision.ts';
import { boundScaffold, checkScaffold, exportsOf, type OwnScaffold } from './own.ts';

/**
 * Scaffolds of the user: where their files are, and what is in them.
 *
 * Role: folders of this machine, loading, digests, settings. Non-role: the contract of a module (own.ts).
 *
 * OFI-1. A search and a message name a scaffold, never a path. Folders come from the command line, from next to the file that it
 *     names, and from this home, which records those of its searches (I12).
 * OFI-2. What is hashed is what runs: the text is read once and loaded from memory, and one that imports anything but modules of
 *     Node itself is refused. That those are not used for a decision, nor to load other code, is the author's word, and the
 *     audit's check (I5).
 * OFI-3. A file runs only if a search names it, and for a recorded search only with the digest that is recorded.
 */

const maxBytes = 1024 * 1024;
const extensions = ['.mjs', '.js'] as const;

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** `<home>/scaffolds.json`: folders of this home's searches, so that a resume and an audit find them. */
const registrySchema = z.strictObject({ v: z.literal(1), folders: z.array(z.string()).max(10_000) });
const registryPath = (home: string): string => join(home, 'scaffolds.json');

function registeredFolders(home: string): string[] {
  const path = registryPath(home);
  if (!existsSync(path)) return [];
  try {
    return registrySchema.parse(JSON.parse(readFileSync(path, 'utf8'))).folders;
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function unusable(path: string, cause: unknown): PrerequisiteError {
  const message = `cannot use ${path}, the list of folders of scaffolds: ${errorMessage(cause).split('\n')[0]}`;
  const remedy = 'fix or delete it, then launch the search file again';
  return new PrerequisiteError('scaffolds-malformed', message, remedy, { cause });
}

/**
 * The folders to search, first match wins: those that were given, `scaffolds` next to the search or study file, those that
 * this home records.
 *
 * @throws PrerequisiteError `scaffold` for a given one that is not a folder, `scaffolds-malformed`.
 */
export function scaffoldFolders(given: readonly string[], file: string | undefined, home: string): string[] {
  const missing = given.find((folder) => !isFolder(folder));
  if (missing !== undefined) {
    throw new PrerequisiteError('scaffold', `${missing} is not a folder of scaffolds`, 'correct --scaffolds');
  }
  const near = file === undefined ? [] : [join(dirname(resolve(file)), 'scaffolds')];
  return [
    ...new Set([...given, ...[...near, ...registeredFolders(home)].filter(isFolder)].map((each) => resolve(each))),
  ];
}

/** A file of a scaffold. */
interface ScaffoldFile {
  readonly name: string;
  readonly path: string;
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    const message = `the folder of scaffolds ${folder} ${whyNot(cause)}`;
    throw new PrerequisiteError('scaffold', message, 'correct its permissions, or --scaffolds', { cause });
  }
}

/** The files that searches here can use, in the order of folders; one name once. */
export function scaffoldFiles(folders: readonly string[]): ScaffoldFile[] {
  const found = new Map<string, string>();
  for (const folder of folders) {
    for (const file of filesIn(folder).sort()) {
      const extension = extname(file);
      const name = file.slice(0, file.length - extension.length);
      const isOne =
        (extensions as readonly string[]).includes(extension) && ownScaffoldNameSchema.safeParse(name).success;
      if (isOne && !found.has(name)) found.set(name, join(folder, file));
    }
  }
  return [...found].map(([name, path]) => ({ name, path }));
}

/** The text of a file, of which nothing has run yet. */
interface Source extends ScaffoldFile {
  readonly text: string;
  readonly sha256: string;
}

/** What its module exports. */
interface Loaded {
  readonly decide: OwnScaffold['decide'];
  readonly defaults: OwnSettings;
}

/** @throws PrerequisiteError `scaffold` */
function read({ name, path }: ScaffoldFile): Source {
  const remedy = 'fix the file, or correct its name in the search file';
  const text = readTextFile(path, { code: 'scaffold', remedy, mostBytes: maxBytes });
  return { name, path, text, sha256: createHash('sha256').update(text).digest('hex') };
}

function unloadable(path: string, why: string, remedy: string, cause?: unknown): PrerequisiteError {
  return new PrerequisiteError('scaffold', `cannot load ${path}: ${why}`, remedy, { cause });
}

/** @throws PrerequisiteError `scaffold` for a text that imports what its digest does not cover (OFI-2). */
async function requireOneFile({ path, text }: Source): Promise<void> {
  await lexer;
  const [imports] = lexed(path, text);
  const other = imports.find(({ d, n }) => d !== importMeta && !(n !== undefined && isBuiltin(n)));
  if (!other) return;
  const what = other.n === undefined ? 'a module whose name it computes' : JSON.stringify(other.n.slice(0, 200));
  const remedy = 'use the tools that decide is given, or bundle what it needs into the file';
  throw unloadable(path, `it imports ${what}, but a scaffold is one file`, remedy);
}

/** How the lexer marks `import.meta`, which imports nothing. */
const importMeta = -2;

function lexed(path: string, text: string): ReturnType<typeof parse> {
  try {
    return parse(text);
  } catch (cause) {
    throw unloadable(path, 'it is not a module', syntaxRemedy(path), cause);
  }
}

const syntaxRemedy = (path: string): string => `node --check ${path} shows where`;

/** Runs the text of a file as a module. @throws PrerequisiteError `scaffold` */
async function load(source: Source): Promise<Loaded> {
  const { name, path, text } = source;
  await requireOneFile(source);
  let module: object;
  try {
    // The last line names it in stacks.
    const code = `${text}\n//# sourceURL=${name}${extname(path)}`;
    module = await import(`data:text/javascript;charset=utf-8,${encodeURIComponent(code)}`);
  } catch (cause) {
    const remedy = cause instanceof SyntaxError ? syntaxRemedy(path) : 'fix the file';
    throw unloadable(path, errorMessage(cause), remedy, cause);
  }
  const { decide, settings = {} } = exportsOf(module, path);
  const parsed = ownSettingsSchema.safeParse(settings);
  if (!parsed.success) {
    const problem = formatZodError(parsed.error, ownSettingsSchema).join('; ');
    throw new PrerequisiteError(
      'scaffold',
      `the settings of ${path}: ${problem}`,
      'use numbers, texts, true and false',
    );
  }
  return { decide, defaults: parsed.data };
}

/** The settings of a module with the given ones. @throws PrerequisiteError `scaffold` for an unknown one or another type. */
function settingsWith(defaults: OwnSettings, given: OwnSettings, label: string): OwnSettings {
  for (const [key, value] of Object.entries(given)) {
    const known = Object.keys(defaults);
    if (!known.includes(key)) {
      const suggestion = nearest(key, known);
      const message = `the scaffold ${label} has no setting "${key}"${suggestion ? `; did you mean "${suggestion}"?` : ''}`;
      throw new PrerequisiteError('scaffold', message, known.length > 0 ? `it has ${known.join(', ')}` : 'it has none');
    }
    if (typeof value === typeof defaults[key]) continue;
    const message = `the setting "${key}" of the scaffold ${label} is ${typeof defaults[key]}, not ${typeof value}`;
    throw new PrerequisiteError('scaffold', message, `give a ${typeof defaults[key]}`);
  }
  return { ...defaults, ...given };
}

/** What a search file asks for, as a key. */
const keyOf = ({ name, settings = {} }: OwnScaffoldEntry): string => canonicalJson([name, settings]);

/** The scaffolds of one process, each read and loaded once, on first use. */
export class OwnScaffolds {
  readonly #folders: readonly string[];
  readonly #sources = new Map<string, Source>();
  readonly #loaded = new Map<string, Promise<Loaded>>();

  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** Of those that a search or study file names: what is recorded of each, validated. @throws PrerequisiteError `scaffold` */
  async plan(entries: readonly ScaffoldEntry[]): Promise<NonNullable<PlanContext['scaffolds']>> {
    const planned = new Map<string, OwnScaffoldSpec>();
    for (const entry of entries) {
      if (entry.kind !== 'own' || planned.has(keyOf(entry))) continue;
      const source = this.#read(entry.name);
      const { sha256 } = source;
      const { defaults } = await this.#load(source);
      const settings = settingsWith(defaults, entry.settings ?? {}, entry.name);
      const spec: OwnScaffoldSpec = { kind: 'own', name: entry.name, sha256, settings };
      checkScaffold(await this.open(spec), entry.name);
      planned.set(keyOf(entry), spec);
    }
    return (entry) => planned.get(keyOf(entry));
  }

  /**
   * The policy of a recorded search.
   *
   * @throws PrerequisiteError `scaffold` for a file that is not there, `scaffold-changed` for another digest.
   */
  async open({ name, sha256, settings }: OwnScaffoldSpec, { lowerIsBetter = false } = {}): Promise<Scaffold> {
    const source = this.#read(name);
    if (source.sha256 !== sha256) {
      const message = `the scaffold "${name}" has changed since the search started (${sha256.slice(0, 12)}, now ${source.sha256.slice(0, 12)})`;
      throw new PrerequisiteError('scaffold-changed', message, 'restore the file, or launch a new search');
    }
    const { decide } = await this.#load(source);
    return boundScaffold(decide, settings, { name, lowerIsBetter });
  }

  #read(name: string): Source {
    const known = this.#sources.get(name) ?? read(this.#find(name));
    this.#sources.set(name, known);
    return known;
  }

  #load(source: Source): Promise<Loaded> {
    const known = this.#loaded.get(source.name) ?? load(source);
    this.#loaded.set(source.name, known);
    return known;
  }

  #find(name: string): ScaffoldFile {
    const files = scaffoldFiles(this.#folders);
    const found = files.find((file) => file.name === name);
    if (found) return found;
    const shipped = [...scaffoldKinds, ...scaffoldPresetNames];
    const suggestion = nearest(name, [...shipped, ...files.map((file) => file.name)]);
    const message = `unknown scaffold "${name}"${suggestion ? `; did you mean "${suggestion}"?` : ''}`;
    const remedy = `use ${shipped.join(', ')}, or put ${name}.mjs into a folder \`scaffolds\` next to the file, or one given by --scaffolds`;
    throw new PrerequisiteError('scaffold', message, remedy);
  }

  /** Records the folders in a home, for a resume or an audit. @throws PrerequisiteError `scaffolds-malformed` */
  register(home: string): void {
    const known = registeredFolders(home);
    const fresh = this.#folders.filter((folder) => !known.includes(folder));
    if (fresh.length === 0) return;
    const path = registryPath(home);
    const temporary = `${path}.${process.pid}`;
    try {
      writeFileSync(temporary, JSON.stringify({ v: 1, folders: [...known, ...fresh] }), { mode: 0o600 });
      renameSync(temporary, path);
    } catch (cause) {
      throw unusable(path, cause);
    }
  }
}

/** Validates the file of one scaffold with its default settings. @throws PrerequisiteError `scaffold` */
export async function checkScaffoldFile(
  path: string,
): Promise<{ readonly sha256: string; readonly settings: OwnSettings }> {
  const name = path.slice(path.lastIndexOf('/') + 1, path.length - extname(path).length);
  const named = ownScaffoldNameSchema.safeParse(name);
  if (!named.success || !(extensions as readonly string[]).includes(extname(path))) {
    const why = named.success ? 'it ends in neither .mjs nor .js' : (named.error.issues[0]?.message ?? '');
    throw new PrerequisiteError('scaffold', `${path} cannot be named by a search file: ${why}`, 'rename the file');
  }
  const source = read({ name, path });
  const { decide, defaults } = await load(source);
  checkScaffold(boundScaffold(decide, defaults, { name }), name);
  return { sha256: source.sha256, settings: defaults };
}
