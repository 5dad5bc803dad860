import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Files } from '../../../src/domain/program.ts';

const here = import.meta.dirname;
const read = (...path: string[]): string => readFileSync(join(here, ...path), 'utf8');

/** The honest script without the two lines that start it. */
const honestBody = read('honest.py').replace(/\n\nif __name__[\s\S]*$/, '\n');

export const honestScript: Files = { 'train.py': read('honest.py') };

/** What an attack may know: more than a real one does. */
export interface Knowledge {
  readonly CANARY: string;
  readonly CANARY_FOLDER: string;
  readonly HIDDEN: string;
  readonly SECRET: string;
  readonly TOKEN: string;
  readonly PORT: number;
  readonly HOST_NAME: string;
  /** A file of the system that every program may read, locked and opened again and again by somebody outside. */
  readonly SHARED: string;
}

/** The honest script with an attack built in; or, for the Long Range Arena, the attack as it stands. */
export function attackFiles(name: string, knowledge: Knowledge): Files {
  const attack = read('..', 'attacks', `${name}.py`);
  if (attack.includes('\ndef build(')) return { 'model.py': attack };
  if (attack.includes('\ndef summary(')) return { 'model.py': [attack, '\n\n', read('reader.py')].join('') };
  return { 'train.py': [armed(attack, knowledge), '\n\n', honestBody, read('hooks.py')].join('') };
}

/** An attack with its tools and what it knows. */
function armed(attack: string, knowledge: Knowledge): string {
  const known = Object.entries(knowledge).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
  const tools = /keep_batches\(\)|train_more\(/.test(attack) ? [read('passes.py'), '\n\n'] : [];
  return [read('attacker.py'), ...known, '\n', ...tools, attack].join('');
}

/** The steps of an attack alone, without any training around them. */
export function bareAttack(name: string, knowledge: Knowledge): string {
  const steps = `
for step, arguments in (("in_training", ()), ("in_prediction", ("/box/out",)), ("after_training", ())):
    if step in globals():
        globals()[step](*arguments)
`;
  return armed(read('..', 'attacks', `${name}.py`), knowledge) + steps;
}

/** The honest script with one more honest habit. */
export function honestFiles(name: string): Files {
  const habit = read('..', 'honest', `${name}.py`);
  return { 'train.py': ['import os\nimport sys\n\n\n', habit, '\n\n', honestBody, read('hooks.py')].join('') };
}
