import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Files } from '../../src/domain/program.ts';
import { packageRoot } from '../../src/platform/installation.ts';
import { type TinySettings, tinyArena, tinyDocuments, tinyPairs, tinyText } from './support/settings.ts';
import { honestFiles, honestScript } from './support/submissions.ts';

/** A submission that nobody has a reason to refuse. */
export interface Honest {
  readonly name: string;
  readonly files: Files;
  readonly settings: TinySettings;
}

/** A line that declares a constant and what it may be: choices, or a range. */
const declared = /^(\w+) = (.+?)\s+# tune: (\S+)(?: log)?$/gm;

/** Up to `most` other values of a constant, written as the constant is. */
function otherValues(value: string, domain: string, most: number): string[] {
  const range = /^(-?[\d.e-]+)\.\.(-?[\d.e-]+)$/.exec(domain);
  const named = range ? [range[1] ?? '', range[2] ?? ''] : domain.split('|');
  const quoted = named.map((each) => (/^["']/.test(value) ? `"${each}"` : each));
  return quoted.filter((each) => each !== value).slice(0, most);
}

/** A submission with each of its declared constants changed in turn. */
function variants(name: string, file: string, text: string, settings: TinySettings, most: number): Honest[] {
  const changed = [...text.matchAll(declared)].flatMap(([line, constant = '', value = '', domain = '']) =>
    otherValues(value, domain, most).map((other) => ({
      name: `${name} with ${constant} = ${other}`,
      files: { [file]: text.replace(line, `${constant} = ${other}`) },
      settings,
    })),
  );
  return [{ name, files: { [file]: text }, settings }, ...changed];
}

const tasks = join(packageRoot, 'tasks');
const read = (...path: string[]): string => readFileSync(join(tasks, ...path), 'utf8');

const mixers = readdirSync(join(tasks, 'mixers')).filter((name) => name.endsWith('.py'));
const habits = readdirSync(join(import.meta.dirname, 'honest')).map((name) => name.replace('.py', ''));

/** The rule of equal size is the task's affair; constants that grow a mixer are not among these. */
const growing = /SHORT_CONV|FEATURES|KERNEL|STATE|RANK|EXPAND|GATE|HEADS/;

/** The honest script, with one honest habit each: they train the same, so that they score the same. */
export const companions: readonly Honest[] = [
  { name: 'the honest script', files: honestScript, settings: tinyText },
  ...habits.map((name) => ({ name: name.replaceAll('_', ' '), files: honestFiles(name), settings: tinyText })),
];

/** Submissions that score each their own. */
export const others: readonly Honest[] = [
  ...mixers.flatMap((mixer) =>
    variants(mixer, 'model.py', read('mixers', mixer), tinyArena, 4).filter(({ name }) => !growing.test(name)),
  ),
  ...mixers.flatMap((mixer) => [
    { name: `${mixer} on documents`, files: { 'model.py': read('mixers', mixer) }, settings: tinyDocuments },
    { name: `${mixer} on pairs`, files: { 'model.py': read('mixers', mixer) }, settings: tinyPairs },
  ]),
  ...variants('the baseline', 'train.py', read('autoresearch', 'baseline', 'train.py'), tinyText, 2),
];
