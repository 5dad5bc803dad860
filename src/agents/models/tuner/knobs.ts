import { type Files, programText } from '../../../domain/program.ts';
import type { Rng } from '../../../domain/rng.ts';

/**
 * Constants that a program declares to be variable, one per line, in any language whose comments begin with #:
 *
 *     LEARNING_RATE = 0.003  # tune: 0.0003..0.03 log
 *     WIDTH = 64  # tune: 32|64|96
 *     POSITIONS = "learned"  # tune: learned|rotary
 *
 * The first value of a range is its lower end, and both ends may be taken. `log` spaces steps by ratio. A range of whole
 * numbers with a whole value stays whole. A line that does not parse is no declaration, and stays as it is.
 */
export type Domain =
  | {
      readonly kind: 'range';
      readonly low: number;
      readonly high: number;
      readonly log: boolean;
      readonly whole: boolean;
    }
  | { readonly kind: 'choice'; readonly options: readonly string[] };

export interface Knob {
  readonly file: string;
  readonly name: string;
  /** As it stands in the source, without quotes. */
  readonly value: string;
  readonly domain: Domain;
}

// Every expression here takes time that grows with the text alone: no two parts of one can share out a run of characters.
const assignment = /^[ \t]*([A-Za-z_]\w*)[ \t]*=[ \t]*/;
const tag = 'tune:';
const number = String.raw`[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?`;
const range = new RegExp(`^(${number})\\.\\.(${number})(?:[ \\t]+(log))?$`);
const onlyNumber = new RegExp(`^${number}$`);
const quoted = /^(["'])([^"'\\]*)\1$/;
const isWhole = (text: string) => /^[-+]?\d+$/.test(text);

function domainOf(text: string, value: string): Domain | null {
  const match = range.exec(text);
  if (match) {
    const [low, high] = [Number(match[1]), Number(match[2])];
    const log = match[3] === 'log';
    if (!onlyNumber.test(value) || !(low < high) || (log && low <= 0)) return null;
    const whole = [value, match[1] ?? '', match[2] ?? ''].every(isWhole);
    return { kind: 'range', low, high, log, whole };
  }
  const options = text.split('|').map((option) => option.trim());
  // What is written into a source must not be able to end its line or its string.
  if (options.length < 2 || !options.every((option) => /^[\w.+-]+$/.test(option))) return null;
  return { kind: 'choice', options };
}

interface Line {
  readonly before: string;
  readonly quote: string;
  readonly after: string;
  readonly knob: Knob;
}

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t';

/** Where the blanks before `end` begin. */
function blanksBefore(text: string, end: number, from: number): number {
  let at = end;
  while (at > from && isBlank(text[at - 1])) at--;
  return at;
}

/** Where the blanks that begin at `from` end. */
function blanksAfter(text: string, from: number): number {
  let at = from;
  while (isBlank(text[at])) at++;
  return at;
}

/** Where the first comment that declares a domain begins, and where its text does. */
function comment(line: string, from: number): { hash: number; text: number } | null {
  for (let hash = line.indexOf('#', from); hash >= 0; hash = line.indexOf('#', hash + 1)) {
    const word = blanksAfter(line, hash + 1);
    if (hash > from && line.startsWith(tag, word)) return { hash, text: blanksAfter(line, word + tag.length) };
  }
  return null;
}

function readLine(file: string, line: string): Line | null {
  // Most lines are none; and what ends a line in some editor cannot stand in one.
  if (!line.includes(tag) || /[\r\u2028\u2029]/.test(line)) return null;
  const match = assignment.exec(line);
  if (!match) return null;
  const [before, name = ''] = match;
  const found = comment(line, before.length);
  if (!found) return null;
  const end = blanksBefore(line, found.hash, before.length);
  const raw = line.slice(before.length, end);
  const string = quoted.exec(raw);
  const value = string?.[2] ?? raw;
  const domain = domainOf(line.slice(found.text).trimEnd(), value);
  if (!domain || (string && domain.kind === 'range')) return null;
  return { before, quote: string?.[1] ?? '', after: line.slice(end), knob: { file, name, value, domain } };
}

/** Calls `change` with each declaration, the first of its name in a file, and puts its answer in the value's place. */
function rewritten(files: Files, change: (knob: Knob) => string): Files {
  return Object.fromEntries(
    // In the order of the canonical text: what is drawn must not depend on who wrote the object down.
    Object.keys(files)
      .sort()
      .map((file) => {
        const text = files[file] ?? '';
        const seen = new Set<string>();
        const lines = text.split('\n').map((line) => {
          const read = readLine(file, line);
          if (!read || seen.has(read.knob.name)) return line;
          seen.add(read.knob.name);
          return `${read.before}${read.quote}${change(read.knob)}${read.quote}${read.after}`;
        });
        return [file, lines.join('\n')];
      }),
  );
}

/** The declared constants of a program, in the order of its files and lines. */
export function knobsOf(files: Files): Knob[] {
  const found: Knob[] = [];
  rewritten(files, (knob) => {
    found.push(knob);
    return knob.value;
  });
  return found;
}

/** Values by file and name. */
export type Values = ReadonlyMap<string, string>;
export const keyOf = ({ file, name }: Pick<Knob, 'file' | 'name'>) => `${file}:${name}`;
export const valuesOf = (files: Files): Map<string, string> =>
  new Map(knobsOf(files).map((knob) => [keyOf(knob), knob.value]));

/** The program with these values where it declares them; a value that a domain does not hold is left out. */
export function withValues(files: Files, values: Values): Files {
  return rewritten(files, (knob) => {
    const wanted = values.get(keyOf(knob));
    return wanted !== undefined && holds(knob.domain, wanted) ? wanted : knob.value;
  });
}

/** What is left of a program without the values: equal for two settings of one program. */
export function skeleton(files: Files): string {
  return programText(rewritten(files, () => '?'));
}

function holds(domain: Domain, value: string): boolean {
  if (domain.kind === 'choice') return domain.options.includes(value);
  const at = Number(value);
  return onlyNumber.test(value) && at >= domain.low && at <= domain.high && (!domain.whole || isWhole(value));
}

/** Where a value lies in its range, 0 to 1. */
function position({ low, high, log }: Extract<Domain, { kind: 'range' }>, value: number): number {
  const held = Math.min(high, Math.max(low, value));
  return log ? Math.log(held / low) / Math.log(high / low) : (held - low) / (high - low);
}

function valueAt({ low, high, log, whole }: Extract<Domain, { kind: 'range' }>, at: number): string {
  const exact = log ? low * (high / low) ** at : low + at * (high - low);
  if (whole) return `${Math.min(high, Math.max(low, Math.round(exact)))}`;
  // Three digits are more than an experiment tells apart, and make texts that people can read.
  const short = Math.min(high, Math.max(low, Number(exact.toPrecision(3))));
  return Number.isInteger(short) ? `${short}.0` : `${short}`;
}

/** Any value of the domain. */
export function drawValue({ domain }: Knob, rng: Rng): string {
  return domain.kind === 'choice' ? rng.pick(domain.options) : valueAt(domain, rng.float());
}

/** Another value near the present one; the farther, the greater the strength. The same where there is no other. */
export function stepValue({ domain, value }: Knob, rng: Rng, strength: number): string {
  if (domain.kind === 'choice') {
    const others = domain.options.filter((option) => option !== value);
    const at = domain.options.indexOf(value);
    const beside = [domain.options[at - 1], domain.options[at + 1]].filter((option) => option !== undefined);
    // Numbers are listed in order, and a neighbour is the smaller step.
    const ordered = at >= 0 && domain.options.every((option) => onlyNumber.test(option));
    const pool = ordered && strength === 1 && rng.float() < 0.7 ? beside : others;
    return pool.length > 0 ? rng.pick(pool) : value;
  }
  const from = position(domain, Number(value));
  const width = Math.min(1, 0.12 * strength);
  // The sum of uniform draws: mostly near, now and then far, and never beyond three widths.
  const offset = width * 2 * (rng.float() + rng.float() + rng.float() - 1.5);
  const reflected = Math.abs(from + offset);
  const at = Math.min(1, Math.max(0, reflected > 1 ? 2 - reflected : reflected));
  const stepped = valueAt(domain, at);
  if (!domain.whole || stepped !== value) return stepped;
  const near = [Number(value) - 1, Number(value) + 1].filter((each) => each >= domain.low && each <= domain.high);
  return near.length > 0 ? `${rng.pick(near)}` : value;
}
